"""A call with tools: ask, run what the model asks for, ask again, until it answers.

Written once, as the flow is: each round is one more `send` of the same call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from declarai_like._calls.dialect_choice import choose_dialect
from declarai_like._calls.early_stops import MENDED, response_of
from declarai_like._calls.operations import FindTools, Journal
from declarai_like._calls.replies import reply_message, show_mistake
from declarai_like._calls.round_work import RoundWork
from declarai_like._calls.usage_sums import sum_usages
from declarai_like._calls.waiting_turns import settle_waiting
from declarai_like._prompting.instructions import render_packaged
from declarai_like.errors import (
    BadRequestError,
    ContentFiltered,
    NotFoundError,
    OutputError,
    OutputTruncated,
    RunDiverged,
    StreamInterrupted,
)
from declarai_like.media._parts import restore_media
from declarai_like.messages import Message, MessageRole
from declarai_like.responses import LLMResponse
from declarai_like.tools.run_states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from declarai_like._calls.dialects import Dialect
    from declarai_like._calls.flow import Call
    from declarai_like._calls.operations import Next, Operation
    from declarai_like._calls.protocols import ConversationTurn
    from declarai_like.completions import ToolCall
    from declarai_like.requests import Request
    from declarai_like.responses import Result
    from declarai_like.tools.run_stores import RunStore
    from declarai_like.tools.settings import ToolSettings

__all__ = ["Rounds", "UnknownRun"]


class UnknownRun(RunDiverged):
    """A run that is to go on is not in its store, or not any more."""


class _ReaderLeft(BaseException):
    """The reader of a stream has left: told to the flow in the place of `GeneratorExit`."""


class Rounds(RoundWork):
    """The rounds of one call, and the only place that holds their state."""

    def __init__(
        self,
        settings: ToolSettings,
        dialect: Dialect,
        injected: Mapping[str, Mapping[str, Any]],
        *,
        redact: Callable[[str], str] = str,
        run_id: str | None = None,
        state: RunState | None = None,
        decisions: Mapping[str, Any] | None = None,
        decided_round: int | None = None,
    ) -> None:
        state = state or RunState(run_id or f"run_{uuid4().hex}")
        super().__init__(settings, dialect, injected, state, redact)
        self.is_resumed = decisions is not None
        self.decisions = decisions or {}
        self._decided_round = decided_round
        """The round that the decisions are about, if whoever made them said so."""
        self.is_restored = False
        """Whether the run was done before, and this call has only read what it brought."""
        self._retries = 0
        """How often the model may still be shown what was wrong."""

    def value(self, call: Call[Any], response: LLMResponse) -> Any:
        """Read the value of the last answer; raises `OutputError`."""
        return self.dialect.value(call, response)

    def reads(self, reader: Any) -> Any:
        """Give what reads the chunks of an answer, made of what would."""
        return self.dialect.reads(reader)

    def leaving(self, error: BaseException) -> BaseException:
        """Give what is thrown into the flow: one that is closed may perform nothing, but its tools must end."""
        return _ReaderLeft() if isinstance(error, GeneratorExit) else error

    def flow(self, call: Call[Any], send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Make the call, holding its run in the store meanwhile."""
        self.call, self.as_events, self.budgets = call, call.as_events, call.budgets
        spans = (getattr(middleware, "tool_spans", None) for middleware in call.middlewares)
        self.tool_spans = next(filter(None, spans), None)
        timeout = call.request.limits.timeout
        self.deadline = None if timeout is None else call.clock() + timeout
        try:
            yield from self._find_tools(call.request)
            return (yield from self._hold(call, send))
        except _ReaderLeft:
            raise GeneratorExit from None

    def _find_tools(self, request: Request) -> Generator[Operation, Any, None]:
        """Have those who tell their tools tell them: they stay as they are for the whole call."""
        if not self.settings.sources:
            return
        self.settings = self.settings.with_found((yield FindTools(self.settings.sources)))
        self.dialect = choose_dialect(self.settings, request)
        self.tools, self.injected = self.dialect.tools, self.settings.inject()

    def _hold(self, call: Call[Any], send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Make the call, holding its run if there is a store."""
        store = self.settings.runs
        if store is None:
            self._go_on(call)
            return (yield from call.take(send))
        self.version, known = yield Journal(lambda: store.acquire(self.state.run_id))
        try:
            if known is not None:
                self._load(known)
            elif self.is_resumed:
                raise UnknownRun(f"there is no run {self.state.run_id!r} in {store!r}", run_id=self.state.run_id)
            self._go_on(call)
            return (yield from call.take(send))
        finally:
            store.release(self.state.run_id)

    def settle(self, conversation: ConversationTurn) -> Generator[Operation, Any, None]:
        """Find out whether a turn of the conversation waits, in whatever process it began."""
        if self.settings.runs is not None and not self.is_resumed:
            yield from settle_waiting(self.settings.runs, conversation, self.state.run_id)

    def keep_as(self, run_id: str, store: RunStore) -> None:
        """Give the run an id before it begins, and a store if it has none."""
        self.state.run_id = run_id
        if self.settings.runs is None:
            self.settings = self.settings.merge({"runs": store})

    def _go_on(self, call: Call[Any]) -> None:
        if self._decided_round not in {None, self.number} and self.state.final is None:
            raise RunDiverged(
                f"the decisions are about round {self._decided_round} of the run {self.state.run_id!r}, and round "
                f"{self.number} waits: servers use the ids of calls again",
                run_id=self.state.run_id,
            )
        gone = {one.name for one in self.state.pending if one.stage != "done"} - set(self.tools)
        if gone:
            raise RunDiverged(
                f"the run {self.state.run_id!r} cannot go on: there is no tool {', '.join(sorted(gone))} any more",
                run_id=self.state.run_id,
            )
        if self.is_resumed and call.conversation is not None:
            call.conversation.go_on(again=bool(self.state.request.get("again")))

    def _load(self, known: str) -> None:
        """Go on with a run that is in the store."""
        self.state = RunState.load(known)
        if self.state.is_given_up:
            raise RunDiverged(
                f"the run {self.state.run_id!r} was given up: its chat went on without it", run_id=self.state.run_id
            )

    def ask(self, call: Call[Any], first: Request, send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Ask until the model answers."""
        self.first = first = self._begin(first)
        if self.state.final is not None:
            return self._restore(call, first)
        if self.state.pending:
            yield from self.work_off(call, None)
        self._retries = call.retries
        while True:
            request = self.dialect.encode(first, self.state, is_last=self.is_last)
            response = None
            try:
                response = yield from self._ask_once(request, send)
                asked = self._requested_calls(call, response)
                value = None if asked else self.dialect.value(call, response)
            except OutputError as error:
                yield from self._ask_again(call, response_of(error, response), error)
                continue
            if not asked:
                return (yield from self._conclude(call, value, response, request))
            yield from self.answer_calls(call, response, asked)

    def _ask_again(self, call: Call[Any], response: LLMResponse, error: OutputError) -> Generator[Operation, Any, None]:
        """Show the model what was wrong with its answer; raises the error if it is not to be asked again."""
        is_wrong, is_cut = type(error) in MENDED, isinstance(error, OutputTruncated) and bool(response.tool_calls)
        if is_wrong and self.dialect.holds_back_schema(self.state) and not self.is_last:
            self.state.correct(self._show_wrong(call, response, error))
            self.dialect.demand_schema()
            yield from self.close_round(call, response, ())
            return
        call.record_failure(error, response)
        if not self._retries or not (is_wrong or is_cut):
            raise error
        self._retries -= 1
        self.state.correct(_show_cut(response) if is_cut else self._show_wrong(call, response, error))

    def first_request(self, request: Request) -> Request:
        """Give what is sent first."""
        return self.dialect.encode(request, self.state)

    def _begin(self, first: Request) -> Request:
        """Note what is asked, or take up what was asked when the run began; raises `RunDiverged`."""
        state = self.state
        if self.is_resumed and state.request:
            told = state.request
            messages = tuple(restore_media(Message.of(message)) for message in told["messages"])
            return first.replace(messages=messages, params={**first.params, **told["params"]}, model=told["model"])
        if self.settings.runs is not None:
            self.note_request(first)
        return first

    def _ask_once(self, request: Request, send: Next) -> Generator[Operation, Any, LLMResponse]:
        from declarai_like._calls.values import require_response

        try:
            response = require_response((yield from send(request)))
        except (BadRequestError, NotFoundError) as error:
            from declarai_like._calls.dialect_choice import emulated_dialect, refuses_tools

            if self.first is None or not request.tools or not refuses_tools(error, self.settings, request.provider):
                raise
            self.dialect = emulated_dialect(self.settings, self.first)
            request = self.dialect.encode(self.first, self.state, is_last=self.is_last)
            response = require_response((yield from send(request)))
        self.dialect.read(response)
        if response.usage is not None:
            self.state.usages.append(response.usage)
        return response

    def _requested_calls(self, call: Call[Any], response: LLMResponse) -> tuple[ToolCall, ...]:
        """Give the calls of a whole answer; raises the error of an answer that was cut, of which nothing is run."""
        if not response.tool_calls or response.outcome == "refused":
            return ()
        if response.outcome in {"complete", "calls"}:
            return response.tool_calls
        names = ", ".join(one.name for one in response.tool_calls)
        words = f"the answer was cut ({response.finish_reason}) within its tool calls ({names}): none of them was run"
        if response.outcome == "interrupted":
            raise StreamInterrupted(words, response=response, completion=call.completion)
        kind = OutputTruncated if response.outcome == "truncated" else ContentFiltered
        raise kind(words)

    def _show_wrong(self, call: Call[Any], response: LLMResponse, error: OutputError) -> list[Message]:
        return [] if call.reask is None else list(show_mistake(call.reask, response, error.message))

    def _conclude(
        self, call: Call[Any], value: Any, response: LLMResponse, request: Request
    ) -> Generator[Operation, Any, Result[Any]]:
        if self.settings.runs is not None:
            told = {"response": response.response, "finish_reason": response.finish_reason, "model": response.model}
            self.state.final = told
            yield from self.commit()
        response = response.of_round(self.number, usage=sum_usages(self.state.usages))
        return call.conclude(value, response, request, calls=tuple(self.state.runs), rounds=self.number)

    def _restore(self, call: Call[Any], request: Request) -> Result[Any]:
        """Give the result of a run that is done."""
        self.is_restored = True
        response = LLMResponse(**(self.state.final or {}))
        value = self.dialect.value(call, response)
        response = response.of_round(self.number, usage=sum_usages(self.state.usages))
        return call.conclude(value, response, request, calls=tuple(self.state.runs), rounds=self.number)

    def record(
        self, conversation: ConversationTurn, request: Request, response: LLMResponse, *, interrupted: bool
    ) -> list[Message]:
        """Give what a chat stores: the message, the rounds that are whole, the reply."""
        asked = self.first or request
        if interrupted:
            response = LLMResponse(response=response.response)
        return conversation.record(asked, response, interrupted=interrupted, between=self.state.stored)


def _show_cut(response: LLMResponse) -> list[Message]:
    """Give the messages that show the model that its calls were cut; the calls themselves would want results."""
    names = list(dict.fromkeys(one.name for one in response.tool_calls))
    said = [reply_message(response, ())] if response.response.strip() else []
    return [*said, Message(render_packaged("cut_calls", names=names), MessageRole.user)]

"""A call with tools: ask, run what the model asks for, ask again, until it answers.

Written once, as the flow is: each round is one more `send` of the same call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from declarai_like._calls.approvals import apply_decisions, find_pending
from declarai_like._calls.operations import Decide, Journal, Show
from declarai_like._calls.replies import reply_message, show_mistake
from declarai_like._calls.runs import Run
from declarai_like._calls.tool_batches import ToolBatch, tell_result
from declarai_like.completions import Usage
from declarai_like.errors import (
    BadRequestError,
    ContentFiltered,
    LimitExceeded,
    NotFoundError,
    OutputError,
    OutputTruncated,
    RunDiverged,
    StreamInterrupted,
    ToolFailed,
)
from declarai_like.messages import Message
from declarai_like.responses import LLMResponse
from declarai_like.tools.asked_calls import call_key, read_calls, spell_calls
from declarai_like.tools.run_states import RunState, fingerprint_of, request_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from declarai_like._calls.dialects import Dialect
    from declarai_like._calls.flow import Call
    from declarai_like._calls.operations import Next, Operation
    from declarai_like._calls.protocols import ConversationTurn
    from declarai_like.completions import ToolCall
    from declarai_like.events import StreamEvent
    from declarai_like.requests import Request
    from declarai_like.responses import Result
    from declarai_like.tools.run_states import PendingCall
    from declarai_like.tools.run_stores import RunStore
    from declarai_like.tools.settings import ToolSettings

__all__ = ["Rounds"]


class _ReaderLeft(BaseException):
    """The reader of a stream has left: told to the flow in the place of `GeneratorExit`."""


class Rounds(Run):
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
    ) -> None:
        state = state or RunState(run_id or f"run_{uuid4().hex}")
        super().__init__(settings, dialect.tools, injected, state, redact)
        self.dialect = dialect
        self.is_resumed = decisions is not None
        self.decisions = decisions or {}
        self.first: Request | None = None
        """The request of the first round, with the messages of a run that goes on."""
        self._call: Call[Any] | None = None
        self._ended_chunks: list[Mapping[str, Any]] = []

    def leaving(self, error: BaseException) -> BaseException:
        """Give what is thrown into the flow: one that is closed may perform nothing, but its tools must end."""
        return _ReaderLeft() if isinstance(error, GeneratorExit) else error

    def flow(self, call: Call[Any], send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Make the call, holding its run in the store meanwhile."""
        self._call, self.as_events, self.budgets = call, call.as_events, call.budgets
        spans = (getattr(middleware, "tool_spans", None) for middleware in call.middlewares)
        self.tool_spans = next(filter(None, spans), None)
        timeout = call.request.limits.timeout
        self.deadline = None if timeout is None else call.clock() + timeout
        try:
            return (yield from self._hold(call, send))
        except _ReaderLeft:
            raise GeneratorExit from None

    def _hold(self, call: Call[Any], send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Make the call, holding its run if there is a store."""
        store = self.settings.runs
        if store is None:
            self._go_on(call)
            return (yield from call.take(send))
        given_up = None if call.conversation is None else call.conversation.given_up
        if given_up is not None:
            yield Journal(lambda: give_up_run(store, given_up))
        self.version, known = yield Journal(lambda: store.acquire(self.state.run_id))
        try:
            if known is not None:
                self._load(known)
            elif self.is_resumed:
                raise RunDiverged(f"there is no run {self.state.run_id!r} in {store!r}", run_id=self.state.run_id)
            self._go_on(call)
            return (yield from call.take(send))
        finally:
            store.release(self.state.run_id)

    def _go_on(self, call: Call[Any]) -> None:
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
            yield from self._work_off(call, None)
        retries = call.retries
        while True:
            request = self.dialect.encode(first, self.state, is_last=self._is_last)
            response = yield from self._ask_once(request, send)
            asked = self._asked_calls(call, response)
            if asked:
                yield from self._answer_calls(call, response, asked)
                continue
            try:
                value = self.dialect.value(call, response)
            except OutputError as error:
                if type(error) is not OutputError:
                    call.record_failure(error, response)
                    raise
                if self.dialect.holds_back_schema(self.state) and not self._is_last:
                    self.state.added += self._show_wrong(call, response, error)
                    self.dialect.demand_schema()
                    yield from self._close_round(call, response, ())
                    continue
                call.record_failure(error, response)
                if not retries or call.reask is None:
                    raise
                retries -= 1
                self.state.added += self._show_wrong(call, response, error)
            else:
                return (yield from self._conclude(call, value, response, request))

    def first_request(self, request: Request) -> Request:
        """Give what is sent first."""
        return self.dialect.encode(request, self.state)

    def _begin(self, first: Request) -> Request:
        """Note what is asked, or take up what was asked when the run began; raises `RunDiverged`."""
        state = self.state
        if self.is_resumed and state.request:
            told = state.request
            messages = tuple(Message.of(message) for message in told["messages"])
            return first.replace(messages=messages, params={**first.params, **told["params"]}, model=told["model"])
        if self.settings.runs is not None:
            self._note_request(first)
        return first

    def _note_request(self, first: Request) -> None:
        """Note what was asked, as it is stored; raises `RunDiverged` if the run was begun with something else."""
        state = self.state
        fingerprint = fingerprint_of(self.dialect.encode(first, RunState("")))
        if state.fingerprint and state.fingerprint != fingerprint:
            raise RunDiverged(
                f"the run {state.run_id!r} was begun with another request: give it a run_id of its own",
                run_id=state.run_id,
            )
        conversation = None if self._call is None else self._call.conversation
        again = conversation is not None and conversation.replaces is not None
        state.fingerprint, state.request = fingerprint, {**request_facts(first), "again": again}

    def _ask_once(self, request: Request, send: Next) -> Generator[Operation, Any, LLMResponse]:
        from declarai_like._calls.values import require_response

        try:
            response = require_response((yield from send(request)))
        except (BadRequestError, NotFoundError) as error:
            from declarai_like._calls.dialect_choice import emulated_dialect, refuses_tools

            if self.first is None or not request.tools or not refuses_tools(error, self.settings, request.provider):
                raise
            self.dialect = emulated_dialect(self.settings, self.first)
            request = self.dialect.encode(self.first, self.state, is_last=self._is_last)
            response = require_response((yield from send(request)))
        self.dialect.read(response)
        if response.usage is not None:
            self.state.usages.append(response.usage)
        return response

    @property
    def _is_last(self) -> bool:
        """Whether this round is to end the call: no tool is offered any more."""
        return self.number > self.settings.max_rounds

    def _asked_calls(self, call: Call[Any], response: LLMResponse) -> tuple[ToolCall, ...]:
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
        error = kind(words)
        call.record_failure(error, response)
        raise error

    def _answer_calls(
        self, call: Call[Any], response: LLMResponse, asked: tuple[ToolCall, ...]
    ) -> Generator[Operation, Any, None]:
        """Run the calls of an answer; the state is that of the next round then."""
        if self._is_last or (self.number == self.settings.max_rounds and self.settings.at_limit == "error"):
            raise LimitExceeded(
                f"max_rounds={self.settings.max_rounds} requests were made, and the model asks for more tools "
                f"({', '.join(one.name for one in asked)}), which were not run: raise max_rounds=, or give "
                "at_limit='answer' to ask for an answer without tools",
                response=response,
                calls=self.state.runs,
            )
        state = self.state
        state.pending = read_calls(asked, self.tools, state)
        state.answer = reply_message(response, spell_calls(asked, state.pending))
        yield Show(call.end_round(response))
        yield from self._tell_calls()
        yield from self._work_off(call, response)

    def _tell_calls(self) -> Generator[Operation, Any, None]:
        if not self.as_events:
            return
        from declarai_like.events import ToolCallEvent

        yield Show([ToolCallEvent(one.id, one.name, one.arguments, self.number) for one in self.state.pending])
        for one in self.state.pending:
            if one.stage == "done":
                yield from tell_result(self, one)

    def _work_off(self, call: Call[Any], response: LLMResponse | None) -> Generator[Operation, Any, None]:
        """Bring all calls of an answer to their ends, and close the round."""
        state = self.state
        yield from self._decide()
        ready = [one for one in state.pending if one.stage == "ready"]
        try:
            yield from ToolBatch(self, ready, call.clock).run()
        except (ToolFailed, LimitExceeded) as error:
            error.calls = (*state.runs, *(one.run(self.number) for one in state.pending if one.stage == "done"))
            error.response = call.response
            raise
        results = tuple(one.run(self.number) for one in state.pending)
        if state.answer is not None:
            state.added += [state.answer, *(self.dialect.result_message(one) for one in state.pending)]
        state.runs += results
        worn_out = self._count_failures()
        state.pending, state.answer = [], None
        yield from self._close_round(call, response, results)
        if worn_out is not None:
            worn_out.response = response
            raise worn_out

    def _decide(self) -> Generator[Operation, Any, None]:
        """Let those who must decide do so; raises `ApprovalRequired` if nobody is there."""
        state = self.state
        apply_decisions(self)
        for one in find_pending(self):
            if self.settings.approver is None:
                continue
            why = "the tool needs approval"
            decision = yield Decide(self.settings.approver, one.request(self.number, why))
            self.decisions = {one.id: decision}
            apply_decisions(self, by="approver")
        waiting = [one for one in state.pending if one.stage == "waiting"]
        if waiting:
            yield from self._pause(waiting)

    def _pause(self, waiting: list[PendingCall]) -> Generator[Operation, Any, None]:
        from declarai_like._calls.approvals import approval_required

        call = self._call
        eager = [one for one in self.state.pending if one.stage == "ready" and self.tools[one.name].options.eager]
        if eager and call is not None:
            yield from ToolBatch(self, eager, call.clock).run()
        if self.first is not None and not self.state.request:
            self._note_request(self.first)
        yield from self.commit()
        raise approval_required(self, waiting)

    def _count_failures(self) -> ToolFailed | None:
        """Count how often each tool has failed in a row; give the error for one that did so too often."""
        state, worn_out = self.state, None
        for one in state.pending:
            state.failures[one.name] = state.failures.get(one.name, 0) + 1 if one.failed else 0
            if one.arguments_hash and not one.failed and one.error is None:
                state.known_results[call_key(one)] = one.text
            tool = self.tools.get(one.name)
            most = 2 if tool is None else tool.options.retries
            if state.failures[one.name] > most and worn_out is None:
                worn_out = ToolFailed(
                    f"the tool {one.name} failed {state.failures[one.name]} times in a row (retries={most}), "
                    f"the last time: {one.text}",
                    tool=one.name,
                    calls=state.runs,
                )
        return worn_out

    def _close_round(
        self, call: Call[Any], response: LLMResponse | None, results: tuple[Any, ...]
    ) -> Generator[Operation, Any, None]:
        """Tell the end of a round, and begin the next."""
        if response is not None and not self.as_events:
            shown = response.of_round(self.number, usage=response.usage, results=results)
            shown.content = ""
            yield Show(shown)
        if self.as_events:
            yield Show(self.end_events)
        accumulator = call.answer.accumulator
        if accumulator is not None and accumulator.last_chunk is not None:
            self._ended_chunks.append(accumulator.last_chunk)
        self.state.number += 1
        yield from self.commit()

    @property
    def end_events(self) -> list[StreamEvent]:
        """The event that ends a round."""
        from declarai_like.events import RoundDoneEvent

        usage = None if self._call is None or self._call.response is None else self._call.response.round_usage
        return [RoundDoneEvent(self.number, usage)]

    def has_ended_with(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a chunk was the last one of an earlier round."""
        return any(raw is chunk for chunk in self._ended_chunks)

    def _show_wrong(self, call: Call[Any], response: LLMResponse, error: OutputError) -> list[Message]:
        return [] if call.reask is None else list(show_mistake(call.reask, response, error.message))

    def _conclude(
        self, call: Call[Any], value: Any, response: LLMResponse, request: Request
    ) -> Generator[Operation, Any, Result[Any]]:
        if self.settings.runs is not None:
            told = {"response": response.response, "finish_reason": response.finish_reason, "model": response.model}
            self.state.final = told
            yield from self.commit()
        response = response.of_round(self.number, usage=_sum(self.state.usages))
        return call.conclude(value, response, request, calls=tuple(self.state.runs), rounds=self.number)

    def _restore(self, call: Call[Any], request: Request) -> Result[Any]:
        """Give the result of a run that is done."""
        response = LLMResponse(**(self.state.final or {}))
        value = self.dialect.value(call, response)
        response = response.of_round(self.number, usage=_sum(self.state.usages))
        return call.conclude(value, response, request, calls=tuple(self.state.runs), rounds=self.number)

    def record(
        self, conversation: ConversationTurn, request: Request, response: LLMResponse, *, interrupted: bool
    ) -> list[Message]:
        """Give what a chat stores: the message, the rounds that are whole, the reply."""
        asked = self.first or request
        if interrupted:
            response = LLMResponse(response=response.response)
        return conversation.record(asked, response, interrupted=interrupted, between=tuple(self.state.added))


def give_up_run(store: RunStore, run_id: str) -> None:
    """Write that a run will never go on."""
    version, known = store.acquire(run_id)
    try:
        if known is not None:
            state = RunState.load(known)
            state.is_given_up = True
            store.commit(run_id, version + 1, state.dump())
    finally:
        store.release(run_id)


def _sum(usages: list[Usage]) -> Usage | None:
    """Add the tokens of several rounds; what one of them did not tell is not known of all."""
    if len(usages) < 2:  # noqa: PLR2004 - one is its own sum
        return usages[0] if usages else None
    return Usage(
        _sum_of([usage.prompt_tokens for usage in usages]),
        _sum_of([usage.completion_tokens for usage in usages]),
        _sum_of([usage.total_tokens for usage in usages]),
    )


def _sum_of(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None

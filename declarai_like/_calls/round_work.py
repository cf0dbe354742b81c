"""What is done within a round: its calls are decided about, run, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.approvals import apply_decisions, find_pending
from declarai_like._calls.operations import Decide, Journal, Show
from declarai_like._calls.replies import reply_message
from declarai_like._calls.runs import Run
from declarai_like._calls.tool_batches import ToolBatch, tell_result
from declarai_like._calls.waiting_turns import note_waiting
from declarai_like.errors import LimitExceeded, RunDiverged, ToolFailed
from declarai_like.providers._stand_ins import stand_in_for
from declarai_like.tools.asked_calls import call_key, read_calls, spell_calls
from declarai_like.tools.run_states import RunState, fingerprint_of, request_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from declarai_like._calls.dialects import Dialect
    from declarai_like._calls.flow import Call
    from declarai_like._calls.operations import Operation
    from declarai_like.completions import ToolCall, ToolRun
    from declarai_like.events import StreamEvent
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.tools.run_states import PendingCall
    from declarai_like.tools.settings import ToolSettings

__all__ = ["RoundWork"]


class RoundWork(Run):
    """The work of each round: from the calls of an answer to their results."""

    def __init__(
        self,
        settings: ToolSettings,
        dialect: Dialect,
        injected: Mapping[str, Mapping[str, Any]],
        state: RunState,
        redact: Callable[[str], str],
    ) -> None:
        super().__init__(settings, dialect.tools, injected, state, redact)
        self.dialect = dialect
        self.decisions: Mapping[str, Any] = {}
        self.first: Request | None = None
        """The request of the first round, with the messages of a run that goes on."""
        self.call: Call[Any] | None = None
        self._ended_chunks: list[Mapping[str, Any]] = []

    def note_request(self, first: Request) -> None:
        """Note what was asked, as it is stored; raises `RunDiverged` if the run was begun with something else."""
        state = self.state
        fingerprint = fingerprint_of(self.dialect.encode(first, RunState("")))
        if state.fingerprint and state.fingerprint != fingerprint:
            raise RunDiverged(
                f"the run {state.run_id!r} was begun with another request: give it a run_id of its own",
                run_id=state.run_id,
            )
        conversation = None if self.call is None else self.call.conversation
        again = conversation is not None and conversation.replaces is not None
        state.fingerprint, state.request = fingerprint, {**request_facts(first), "again": again}

    @property
    def is_last(self) -> bool:
        """Whether this round is to end the call: no tool is offered any more."""
        return self.number > self.settings.max_rounds

    def answer_calls(
        self, call: Call[Any], response: LLMResponse, asked: tuple[ToolCall, ...]
    ) -> Generator[Operation, Any, None]:
        """Run the calls of an answer; the state is that of the next round then."""
        if self.is_last or (self.number == self.settings.max_rounds and self.settings.at_limit == "error"):
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
        yield from self.work_off(call, response)

    def _tell_calls(self) -> Generator[Operation, Any, None]:
        if not self.as_events:
            return
        from declarai_like.events import ToolCallEvent

        yield Show([ToolCallEvent(one.id, one.name, one.arguments, self.number) for one in self.state.pending])
        for one in self.state.pending:
            if one.stage == "done":
                yield from tell_result(self, one)

    def work_off(self, call: Call[Any], response: LLMResponse | None) -> Generator[Operation, Any, None]:
        """Bring all calls of an answer to their ends, and close the round."""
        state = self.state
        yield from self._decide()
        ready = [one for one in state.pending if one.stage == "ready"]
        try:
            yield from ToolBatch(self, ready, call.clock).run()
        except (ToolFailed, LimitExceeded) as error:
            ended = tuple(one.run(self.number) for one in state.pending if one.stage == "done")
            self._tell_provider(call, ended)
            error.calls = (*state.runs, *ended)
            error.response = call.response
            raise
        if waiting := [one for one in state.pending if one.stage == "waiting"]:
            yield from self._pause(waiting)
        results = tuple(one.run(self.number) for one in state.pending)
        self._tell_provider(call, results)
        answer = [] if state.answer is None else [state.answer]
        state.added += [*answer, *(self.dialect.result_message(one) for one in state.pending)]
        state.runs += results
        worn_out = self._count_failures()
        state.pending, state.answer = [], None
        yield from self.close_round(call, response, results)
        if worn_out is not None:
            worn_out.response = response
            raise worn_out

    def _tell_provider(self, call: Call[Any], ended: tuple[ToolRun, ...]) -> None:
        """Tell a provider that wants to know what became of the calls that it asked for: a scripted one does."""
        note = getattr(stand_in_for(call.request.provider), "note_tool_runs", None)  # type: ignore[arg-type]
        if note is not None:
            note(ended)

    def _decide(self) -> Generator[Operation, Any, None]:
        """Let those who must decide do so; raises `ApprovalRequired` if nobody is there."""
        state = self.state
        apply_decisions(self)
        for one in find_pending(self):
            if self.settings.approver is None or one.asked is not None:
                continue
            why = "the tool needs approval"
            decision = yield Decide(self.settings.approver, one.request(self.number, why))
            self.decisions = {one.id: decision}
            apply_decisions(self, by="approver")
        waiting = [one for one in state.pending if one.stage == "waiting"]
        if waiting:
            yield from self._pause(waiting)

    def _pause(self, waiting: list[PendingCall]) -> Generator[Operation, Any, None]:
        from declarai_like._calls.approvals import decisions_missing

        call = self.call
        eager = [one for one in self.state.pending if one.stage == "ready" and self.tools[one.name].options.eager]
        if eager and call is not None:
            yield from ToolBatch(self, eager, call.clock).run()
        if self.first is not None and not self.state.request:
            self.note_request(self.first)
        yield from self.commit()
        yield from self._note_pause()
        raise decisions_missing(self, waiting)

    def _note_pause(self) -> Generator[Operation, Any, None]:
        """Let other processes know that a turn of this conversation waits, if it has a name."""
        store, conversation = self.settings.runs, None if self.call is None else self.call.conversation
        name = None if conversation is None else conversation.session_id
        if store is not None and name is not None:
            yield Journal(lambda: note_waiting(store, name, self.state.run_id))

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

    def close_round(
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

        usage = None if self.call is None or self.call.response is None else self.call.response.round_usage
        return [RoundDoneEvent(self.number, usage)]

    def has_ended_with(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a chunk was the last one of an earlier round."""
        return any(raw is chunk for chunk in self._ended_chunks)

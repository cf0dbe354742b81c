"""Chunks told as events, in the order that `docs/streams.md` gives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from declarai_like import events
from declarai_like._values.event_bases import set_round
from declarai_like._values.outcomes import ending_of
from declarai_like._wire.accumulator import DONE
from declarai_like._wire.snapshots import completion_at
from declarai_like._wire.tool_calls import is_json_object, json_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from declarai_like._wire.accumulator import Accumulator, Chunk
    from declarai_like._wire.choices import ChoiceState, Step
    from declarai_like._wire.snapshots import ChoiceSnapshot
    from declarai_like._wire.tool_calls import Fragment
    from declarai_like.completions import Completion
    from declarai_like.responses import LLMResponse


class EventBuilder:
    """Tells what an accumulator takes in, as lists of events: `feed` each chunk, then `finish`, then `last`."""

    __slots__ = ("_accumulator", "_done_calls", "_done_choices", "_log", "_seen")

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self._done_calls: set[tuple[int, int]] = set()
        self._done_choices: set[int] = set()
        self._log: list[ChoiceSnapshot] = []
        """Each choice as each of its chunks left it: what a completion at any moment is built from."""
        self._seen: set[int] = set()

    def feed(self, raw: Chunk) -> list[events.StreamEvent] | None:
        """Take in a chunk and tell what it brought; raises `ProviderError` if it is the other side's error."""
        accumulator = self._accumulator
        if accumulator.failure is not None:
            raise accumulator.failure
        steps = accumulator.absorb(raw)
        if raw is DONE:
            return None
        if accumulator.failure is not None and not accumulator.is_shown:
            raise accumulator.failure
        accumulator.is_shown = True
        for step in steps:
            if step.ended and accumulator.failure is None:
                step.state.conclude(accumulator.output, accumulator.strict_tools)
        new: list[events.StreamEvent] = [events.ChunkEvent(raw, accumulator.show(raw), self._snapshot(steps))]
        for step in steps:
            new += self._build_deltas(step)
            if not step.state.progress.finish_reason:
                new += self._end_overtaken_calls(step)
            elif accumulator.failure is None:
                new += self._end_choice(step.state)
        return new

    def finish(self) -> LLMResponse:
        """Close the answer, as `Accumulator.finish` does."""
        return self._accumulator.finish()

    def last(self, _response: LLMResponse) -> list[events.StreamEvent]:
        """Give the ends that no chunk has told: those of a stream without a finish reason."""
        rest = [event for step in self._accumulator.flushed for event in self._build_deltas(step)]
        return [*rest, *(event for state in self._accumulator.states for event in self._end_choice(state))]

    def _snapshot(self, steps: list[Step]) -> Callable[[], Completion]:
        """Hold fast the completion; it is built when it is asked for."""
        log = self._log
        for step in steps:
            log.append(step.state.snapshot())
            self._seen.add(step.state.index)
        return partial(completion_at, self._accumulator.metadata, log, len(log), len(self._seen))

    def _build_deltas(self, step: Step) -> Iterator[events.StreamEvent]:
        state, index = step.state, step.state.index
        progress = state.progress
        if step.reasoning:
            yield events.ReasoningDeltaEvent(step.reasoning, index, state.reasoning, len(state.reasoning.pieces))
        if step.content:
            view = None if self._accumulator.output is None or progress.refusal else state.view
            yield events.ContentDeltaEvent(step.content, index, state.text, len(state.text.pieces), view)
        if step.refusal:
            yield events.RefusalDeltaEvent(step.refusal, index, state.refusal, len(state.refusal.pieces))
        for fragment in step.fragments:
            yield self._arguments_delta(index, fragment)
        if step.tokens and progress.logprobs:
            yield events.LogprobsContentDeltaEvent(index, step.tokens, progress.logprobs)
        if step.refusal_tokens and progress.refusal_logprobs:
            yield events.LogprobsRefusalDeltaEvent(index, step.refusal_tokens, progress.refusal_logprobs)

    def _arguments_delta(self, choice: int, fragment: Fragment) -> events.StreamEvent:
        call = fragment.call
        strict = call.name in self._accumulator.strict_tools
        return events.FunctionToolCallArgumentsDeltaEvent(
            call.name, call.index, call.id, fragment.arguments, choice, call.text, call.end, strict
        )

    def _end_overtaken_calls(self, step: Step) -> Iterator[events.StreamEvent]:
        """Give the end of the calls that are whole while another one goes on."""
        if step.fragments:
            for call in step.state.tools.take_overtaken(step.fragments[-1].call.index):
                yield from self._end_call(step.state, call)

    def _end_choice(self, state: ChoiceState) -> Iterator[events.StreamEvent]:
        """Give the ends of a choice's parts, once."""
        if state.index in self._done_choices:
            return
        self._done_choices.add(state.index)
        state.conclude(self._accumulator.output, self._accumulator.strict_tools)
        index, progress = state.index, state.progress
        if progress.reasoning:
            yield events.ReasoningDoneEvent(progress.reasoning.string(), index)
        if state.text.pieces:
            yield events.ContentDoneEvent(state.text.prefix(len(state.text.pieces)), index, state.snapshot().parsed)
        if progress.refusal:
            yield events.RefusalDoneEvent(progress.refusal.string(), index)
        if progress.logprobs:
            yield events.LogprobsContentDoneEvent(list(progress.logprobs.tuple()), index)
        if progress.refusal_logprobs:
            yield events.LogprobsRefusalDoneEvent(list(progress.refusal_logprobs.tuple()), index)
        for call in range(len(state.tools.calls)):
            yield from self._end_call(state, call)

    def _end_call(self, state: ChoiceState, slot: int) -> Iterator[events.StreamEvent]:
        """Give the end of a call; one whose arguments were cut has none."""
        if (state.index, slot) in self._done_calls:
            return
        self._done_calls.add((state.index, slot))
        call = state.tools.calls[slot]
        arguments, strict = call.arguments, call.name in self._accumulator.strict_tools
        if ending_of(state.progress.finish_reason) in _CUTS and not is_json_object(arguments):
            return
        parsed = json_or_none(arguments) if strict else None
        yield events.FunctionToolCallArgumentsDoneEvent(call.name, call.index, call.id, arguments, parsed, state.index)


class RoundEventBuilder(EventBuilder):
    """Tells the events of a round that is not a call's first."""

    __slots__ = ("_number",)

    def __init__(self, accumulator: Accumulator, number: int) -> None:
        super().__init__(accumulator)
        self._number = number

    def feed(self, raw: Chunk) -> list[events.StreamEvent] | None:
        """Do what an `EventBuilder` does, and say which round it is."""
        new = super().feed(raw)
        if new:
            set_round(new, self._number)
        return new

    def last(self, response: LLMResponse) -> list[events.StreamEvent]:
        """Do what an `EventBuilder` does, and say which round it is."""
        rest = super().last(response)
        set_round(rest, self._number)
        return rest


_CUTS = frozenset({"truncated", "filtered"})

"""Chunks told as events, in the order that `docs/streams.md` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like import events
from declarai_like._wire.accumulator import DONE
from declarai_like._wire.tool_calls import is_json_object, json_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like._wire.accumulator import Accumulator, Chunk
    from declarai_like._wire.choices import ChoiceState, Step
    from declarai_like._wire.tool_calls import Fragment
    from declarai_like.responses import LLMResponse


class EventBuilder:
    """Tells what an accumulator takes in, as lists of events: `feed` each chunk, then `finish`, then `last`."""

    __slots__ = ("_accumulator", "_done_calls", "_done_choices")

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self._done_calls: set[tuple[int, int]] = set()
        self._done_choices: set[int] = set()

    def feed(self, raw: Chunk) -> list[events.StreamEvent] | None:
        """Take in a chunk and tell what it brought; raises `ProviderError` if it is the other side's error."""
        accumulator = self._accumulator
        if accumulator.failure is not None:
            raise accumulator.failure
        steps = accumulator.absorb(raw)
        if raw is DONE:
            return None
        for step in steps:
            if step.ended:
                step.state.conclude(accumulator.output, accumulator.strict_tools)
        told: list[events.StreamEvent] = [events.ChunkEvent(raw, accumulator.show(raw), accumulator.snapshot())]
        for step in steps:
            told += self._brought(step)
            if not step.state.progress.finish_reason:
                told += self._overtaken(step)
            elif accumulator.failure is None:
                told += self._done(step.state)
        return told

    def finish(self) -> LLMResponse:
        """Close the answer, as `Accumulator.finish` does."""
        return self._accumulator.finish()

    def last(self, _response: LLMResponse) -> list[events.StreamEvent]:
        """Tell the ends that no chunk has told: those of a stream without a finish reason."""
        told = [event for step in self._accumulator.flushed for event in self._brought(step)]
        return [*told, *(event for state in self._accumulator.states for event in self._done(state))]

    def _brought(self, step: Step) -> Iterator[events.StreamEvent]:
        state, index = step.state, step.state.index
        if step.reasoning:
            yield events.ReasoningDeltaEvent(step.reasoning, index, state.reasoning, len(state.reasoning.pieces))
        if step.content:
            view = None if self._accumulator.output is None or state.progress.refusal else state.view
            yield events.ContentDeltaEvent(step.content, index, state.text, len(state.text.pieces), view)
        if step.refusal:
            yield events.RefusalDeltaEvent(step.refusal, state.progress.refusal or "", index)
        for fragment in step.fragments:
            yield self._arguments_delta(index, fragment)
        if step.tokens and state.progress.logprobs:
            yield events.LogprobsContentDeltaEvent(index, step.tokens, state.progress.logprobs)
        if step.refusal_tokens and state.progress.refusal_logprobs:
            yield events.LogprobsRefusalDeltaEvent(index, step.refusal_tokens, state.progress.refusal_logprobs)

    def _arguments_delta(self, choice: int, fragment: Fragment) -> events.StreamEvent:
        call = fragment.call
        strict = call.name in self._accumulator.strict_tools
        return events.FunctionToolCallArgumentsDeltaEvent(
            call.name, call.index, call.id, call.arguments, fragment.arguments, choice, strict
        )

    def _overtaken(self, step: Step) -> Iterator[events.StreamEvent]:
        """Tell the end of the calls that are whole while another one goes on."""
        if step.fragments:
            current = step.fragments[-1].call.index
            for call in step.state.tools.calls:
                if call.index != current and is_json_object(call.arguments):
                    yield from self._call_done(step.state, call.index)

    def _done(self, state: ChoiceState) -> Iterator[events.StreamEvent]:
        """Tell the ends of a choice's parts, once."""
        if state.index in self._done_choices:
            return
        self._done_choices.add(state.index)
        state.conclude(self._accumulator.output, self._accumulator.strict_tools)
        index, progress = state.index, state.progress
        if progress.reasoning:
            yield events.ReasoningDoneEvent(progress.reasoning[0].prefix(progress.reasoning[1]), index)
        if state.text.pieces:
            yield events.ContentDoneEvent(state.text.prefix(len(state.text.pieces)), index, state.snapshot().parsed)
        if progress.refusal:
            yield events.RefusalDoneEvent(progress.refusal, index)
        if progress.logprobs:
            yield events.LogprobsContentDoneEvent(list(progress.logprobs.tuple()), index)
        if progress.refusal_logprobs:
            yield events.LogprobsRefusalDoneEvent(list(progress.refusal_logprobs.tuple()), index)
        for call in progress.tool_calls:
            yield from self._call_done(state, call.index)

    def _call_done(self, state: ChoiceState, slot: int) -> Iterator[events.StreamEvent]:
        """Tell the end of a call; one whose arguments were cut has none."""
        if (state.index, slot) in self._done_calls:
            return
        self._done_calls.add((state.index, slot))
        call = state.tools.calls[slot]
        strict = call.name in self._accumulator.strict_tools
        if state.progress.finish_reason == "length" and not is_json_object(call.arguments):
            return
        parsed = json_or_none(call.arguments) if strict else None
        yield events.FunctionToolCallArgumentsDoneEvent(
            call.name, call.index, call.id, call.arguments, parsed, state.index
        )

"""Chunks put together: the answer so far, and its end.

One accumulator serves streams and whole answers alike: a whole body is read as a stream of one chunk. The rules
(which field is joined, which is set once, what is an error, when an answer is whole) are listed in
`docs/streams.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from declarai_like._values.buffers import AnswerMetadata
from declarai_like._values.outcomes import outcome_of
from declarai_like._wire.choices import ChoiceState, Step
from declarai_like._wire.deltas import choices_of, delta_of, text_of
from declarai_like._wire.metadata import update_metadata
from declarai_like._wire.provider_errors import error_in_choice, error_of, excerpt, refused_answer
from declarai_like._wire.snapshots import completion_of
from declarai_like._writing.texts import has_surrogates
from declarai_like.errors import (
    EmptyResponse,
    InvalidResponse,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeout,
    StreamInterrupted,
)
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like._outputs.output import Output
    from declarai_like.completions import Completion

Chunk = dict[str, Any]

DONE: Final[Chunk] = {"done": True}
"""What a provider yields when the other side said that the stream is whole (`data: [DONE]`)."""

_new = LLMResponse.__new__


class Accumulator:
    """The answer to one request while it arrives: `feed` each chunk, then `finish`.

    `choices` is how many were asked for (`n`), `output` reads typed values, `strict_tools` names the tools whose
    arguments must be what their schema says. With `reasoning_tags`, thinking in tags before the answer is parted from
    it. `origin` names who answers, for the state that goes back to it.
    """

    def __init__(
        self,
        output: Output[Any] | None = None,
        *,
        choices: int = 1,
        strict_tools: Iterable[str] = (),
        reasoning_tags: bool = True,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.output = None if output is None or output.is_text else output
        self.strict_tools = frozenset(strict_tools)
        self.done = False
        """Whether the other side said that the stream is whole."""
        self.is_shown = False
        """Whether the reader has seen a part of the answer."""
        self.failure: ProviderError | None = None
        """The error that the other side told inside of a choice."""
        self.flushed: list[Step] = []
        """What was held back to an end that no finish reason has told."""
        self.metadata = AnswerMetadata(origin=origin)
        self._wanted = choices
        self._reasoning_tags = reasoning_tags
        self._states: dict[int, ChoiceState] = {}
        self._finished = 0
        """How many choices have their finish reason."""
        self._raw: Chunk | None = None
        self._without_choices: Chunk | None = None
        """The first chunk that brought no choice, for a message about an answer that is none."""
        self._content = ""
        """What the chunk taken in last brought to the first choice, without its thinking."""
        self._last: Chunk | None = None
        """The chunk that ended the answer: it is shown at the very end, for its usage may follow."""
        self._last_content = ""
        self._held: LLMResponse | None = None
        """The step of the chunk that ended the answer: shown before, if more of the answer comes."""
        self._final: LLMResponse | None = None
        # The fast way is for a text that is under way: one choice, nothing finished, the head known.
        self._steady: ChoiceState | None = None
        self._text: list[str] = []

    def feed(self, raw: Chunk) -> LLMResponse | None:
        """Take in a chunk; give the answer so far, or `None` for a chunk that has nothing to show.

        The chunk that ends the answer is held back: `finish` gives it, or `feed` when another one follows it.
        """
        state = self._steady
        if state is not None:
            try:
                (choice,) = raw["choices"]
                delta = choice["delta"]
                (content,) = delta.values()
                if (
                    content
                    and choice.get("finish_reason") is None
                    and choice.get("logprobs") is None
                    and choice["index"] == 0
                    and raw.get("usage") is None
                    and content is delta["content"]
                    and (content.isascii() or not has_surrogates(content))
                    and "error" not in raw
                    and "error" not in choice
                ):
                    self._raw = raw
                    pieces = self._text
                    pieces.append(content)
                    response = _new(LLMResponse)
                    response._chunk = raw  # noqa: SLF001
                    response.content = content
                    response.outcome = "streaming"
                    response._text = state.text  # noqa: SLF001
                    response._end = len(pieces)  # noqa: SLF001
                    response._progress = state.progress  # noqa: SLF001
                    response._metadata = self.metadata  # noqa: SLF001
                    response._parsed = state.view  # noqa: SLF001
                    return response
            except (AttributeError, KeyError, TypeError, ValueError):
                pass  # not that simple a chunk: nothing has been taken in yet
        return self._feed_any(raw)

    def _feed_any(self, raw: Chunk) -> LLMResponse | None:
        steps = self.absorb(raw)
        if self.failure is not None:
            raise self.failure
        if not steps:
            return None
        step: LLMResponse | None = self.show(raw)
        if raw is self._last:
            self._held, step = step, self._held
        self.is_shown = self.is_shown or step is not None
        return step

    def absorb(self, raw: Chunk) -> list[Step]:
        """Take in a chunk whatever it holds; give what it brought, choice by choice in the wire's order.

        Raises `ProviderError` when the chunk is the other side's error; when one of its choices is, `failure` says so.
        """
        if raw is DONE:
            self.done = True
            return []
        error = error_of(raw)
        answer = raw if error is None else refused_answer(raw, self._text_so_far())
        if error is not None and answer is raw:
            raise error
        self.failure = error_in_choice(answer)
        is_first, self._raw = not self._states, raw
        self.metadata = update_metadata(self.metadata, answer)
        steps = [self._absorb_choice(index, choice) for index, choice in choices_of(answer)]
        if not steps:
            self._without_choices = self._without_choices or raw
        self._content = "".join(step.content for step in steps if step.state.index == 0)
        if steps and (self._last is not None or self.ended or (is_first and _is_message(raw))):
            self._last, self._last_content = raw, self._content
        self._steady = self._find_steady()
        return steps

    def _absorb_choice(self, index: int, choice: dict[str, Any]) -> Step:
        state = self._states.get(index)
        if state is None:
            state = self._states[index] = self._new_state(index)
        step = state.absorb(choice)
        self._finished += step.ended
        return step

    def _new_state(self, index: int) -> ChoiceState:
        return ChoiceState(index, self.output, reasoning_tags=self._reasoning_tags)

    @property
    def _first(self) -> ChoiceState:
        """The first choice; an empty one before it has appeared."""
        return self._states.get(0) or self._new_state(0)

    def _text_so_far(self) -> str:
        text = self._first.text
        return text.prefix(len(text.pieces))

    def _find_steady(self) -> ChoiceState | None:
        first = self._states.get(0)
        if first is None or len(self._states) > 1 or self._last is not None or first.splitter is not None:
            return None
        if first.progress.finish_reason or not self.metadata.model:
            return None
        self._text = first.text.pieces
        return first

    def show(self, raw: Chunk) -> LLMResponse:
        """Show the first choice as it stands after the chunk that was taken in last."""
        state = self._first
        response = _new(LLMResponse)
        response._chunk = raw  # noqa: SLF001
        response.content = self._content
        response.outcome = "streaming"
        response._text, response._end = state.text, len(state.text.pieces)  # noqa: SLF001
        response._progress, response._metadata = state.progress, self.metadata  # noqa: SLF001
        response._parsed = state.view  # noqa: SLF001
        return response

    @property
    def ended(self) -> bool:
        """Whether every choice that was asked for has its finish reason."""
        return self._wanted <= len(self._states) == self._finished

    @property
    def last_chunk(self) -> Chunk | None:
        """The chunk that ended the answer; `None` while it goes on."""
        return self._last

    def is_last(self, raw: Chunk) -> bool:
        """Say whether this is the chunk that ended the answer."""
        return raw is self._last

    def take_held(self) -> LLMResponse | None:
        """Give the step that is held back, once: before an error is told in its place."""
        held, self._held = self._held, None
        return held

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far; `None` before the first chunk."""
        if self._raw is None or self._final is not None:
            return self._final
        self._catch_up(self._raw)
        return self.show(self._raw)

    @property
    def completion(self) -> Completion | None:
        """The answer so far as the wire sees it, with all its choices; `None` before the first chunk."""
        if self._raw is None:
            return None
        self._catch_up(self._raw)
        return completion_of(self.metadata, [state.snapshot() for state in self.states])

    def _catch_up(self, raw: Chunk) -> None:
        """Take in what the fast way has left out of the last chunk."""
        if self._steady is None:
            return
        self.metadata = update_metadata(self.metadata, raw)
        self._content = "".join(
            text_of(delta_of(choice).get("content")) for index, choice in choices_of(raw) if index == 0
        )

    @property
    def misfit(self) -> str | None:
        """Which closed part of a typed answer is not of its type, and why; `None` while all are."""
        misfits = (state.view.misfit for state in self._states.values() if state.view is not None)
        return next(filter(None, misfits), None)

    @property
    def states(self) -> list[ChoiceState]:
        """The choices that have appeared, in the order of their index."""
        return [state for _, state in sorted(self._states.items())]

    def finish(self) -> LLMResponse:
        """Close the answer and give it whole.

        Raises `EmptyResponse` if no chunk came, `InvalidResponse` if none brought a choice, and `StreamInterrupted` if
        the end came before the answer's end. An answer that is not of its type is no error here: its `error` says so.
        """
        if self.failure is not None:
            raise self.failure
        if self._raw is None:
            raise EmptyResponse("expected an answer, got nothing: the provider ended it before the first chunk")
        if not self._states:
            raise InvalidResponse(
                f"expected an answer, got no choice of one but {excerpt(self._without_choices)}: "
                "the provider's format is another one, or it has failed without a word",
                phase="first_chunk",
                body=self._without_choices,
            )
        if not self.done and not self.ended:
            raise StreamInterrupted(
                "the stream ended before the answer did: neither a finish_reason nor [DONE] came; "
                "`response` on this error holds what had arrived",
                phase="stream",
            )
        return self._conclude(self._raw)

    def _conclude(self, raw: Chunk) -> LLMResponse:
        self.flushed = self._flush()
        self._catch_up(raw)
        states = self.states
        for state in states:
            state.conclude(self.output, self.strict_tools)
        # A stream that is whole but never said why it stopped gets one more step, which brings what was held back.
        self._steady, self._content = None, self._last_content
        self._final = final = self.show(self._last or {"choices": [{"index": 0, "delta": {}, "finish_reason": None}]})
        final.content += "".join(step.content for step in self.flushed if step.state.index == 0)
        first, error = self._first, next((state.error for state in states if state.error is not None), None)
        final._parsed = error or first.parsed  # noqa: SLF001
        progress = first.progress
        refusal = None if progress.refusal is None else progress.refusal.string()
        final.outcome = progress.outcome or outcome_of(progress.finish_reason, refusal, calls=progress.asks_for_tools)
        return final

    def _flush(self) -> list[Step]:
        steps = [state.flush() for state in self._states.values()]
        return [step for step in steps if step is not None]

    def last(self, response: LLMResponse) -> LLMResponse:
        """Give what the reader of a stream gets at its end: the last step."""
        return response

    def interrupt(self, error: BaseException) -> BaseException:
        """Mark the answer as broken off; give the error to raise, with the evidence of what had arrived.

        A connection that breaks, or a wait that gets too long, after a part was shown is a `StreamInterrupted`. The
        `phase` of an error is `"stream"` if a part was shown, and only then.
        """
        if isinstance(error, ProviderError) and error.__suppress_context__:
            error.__context__ = None  # an exception from below, whose snapshots hold the key
        self._flush()
        for state in self._states.values():
            state.close()
        response = self.response
        if response is not None and response.outcome == "streaming":
            response.outcome = "interrupted" if isinstance(error, ProviderError) else "cancelled"
            self._final = response
        if not isinstance(error, ProviderError) or error.response is not None:
            return error
        if self.is_shown and isinstance(error, (ProviderConnectionError, ProviderTimeout)):
            cause, error = error, StreamInterrupted(f"the stream broke off: {error.message}")
            error.__cause__ = cause
        if self.is_shown:
            error.phase = "stream"
        elif error.phase == "stream":
            error.phase = "first_chunk"
        error.response, error.completion = response, self.completion
        return error


def _is_message(raw: Chunk) -> bool:
    """Say whether a chunk is a whole answer: it brings messages and no deltas."""
    return all(delta_of(choice) is choice.get("message") for _, choice in choices_of(raw))

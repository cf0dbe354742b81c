"""Chunks put together: the answer so far, and its end.

One accumulator serves streams and whole answers alike: a whole body is read as a stream of one chunk. The rules
(which field is joined, which is set once, what is an error, when an answer is whole) are listed in
`docs/streams.md`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from declarai_like._buffers import AnswerMetadata
from declarai_like._wire.choices import SURROGATE, ChoiceState, Step, completion_of, delta_of, text_of
from declarai_like.completions import Usage
from declarai_like.errors import (
    EmptyResponse,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeout,
    StreamInterrupted,
    class_of,
)
from declarai_like.responses import LLMResponse, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from declarai_like._outputs.output import Output
    from declarai_like.completions import Completion

Chunk = dict[str, Any]

DONE: Final[Chunk] = {"done": True}
"""What a provider yields when the other side said that the stream is whole (`data: [DONE]`)."""

_has_surrogates = SURROGATE.search
_new = LLMResponse.__new__


class Accumulator:
    """The answer to one request while it arrives: `feed` each chunk, then `finish`.

    `choices` is how many were asked for (`n`), `output` reads typed values, `strict_tools` names the tools whose
    arguments must be what their schema says. `reasoning_tags` parts thinking in tags from the answer after it.
    """

    def __init__(
        self,
        output: Output[Any] | None = None,
        *,
        choices: int = 1,
        strict_tools: Iterable[str] = (),
        reasoning_tags: bool = True,
    ) -> None:
        self.output = None if output is None or output.is_text else output
        self.strict_tools = frozenset(strict_tools)
        self.done = False
        """Whether the other side said that the stream is whole."""
        self.flushed: list[Step] = []
        """What was held back to an end that no finish reason has told."""
        self._wanted = choices
        self._reasoning_tags = reasoning_tags
        self._metadata = AnswerMetadata()
        self._states: dict[int, ChoiceState] = {}
        self.failure: ProviderError | None = None
        """The error that the other side told inside of a choice."""
        self._raw: Chunk | None = None
        self._last: Chunk | None = None
        """The chunk that ended the answer: it is shown at the very end, for its usage may follow."""
        self._final: LLMResponse | None = None
        self._content = ""
        """What the chunk taken in last brought to the first choice, without its thinking."""
        self._last_content = ""
        # The fast way is for a text that is under way: one choice, nothing finished, the head known.
        self._steady: ChoiceState | None = None
        self._text: list[str] = []

    def feed(self, raw: Chunk) -> LLMResponse | None:
        """Take in a chunk; give the answer so far, or `None` for a chunk that has nothing to show.

        The chunk that ends the answer is held back: `finish` gives it.
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
                    and (content.isascii() or not _has_surrogates(content))
                    and "error" not in raw
                    and "error" not in choice
                ):
                    self._raw = raw
                    pieces = self._text
                    pieces.append(content)
                    response = _new(LLMResponse)
                    response.raw_response = raw
                    response.content = content
                    response.outcome = "streaming"
                    response._text = state.text  # noqa: SLF001
                    response._end = len(pieces)  # noqa: SLF001
                    response._progress = state.progress  # noqa: SLF001
                    response._metadata = self._metadata  # noqa: SLF001
                    response._parsed = state.view  # noqa: SLF001
                    return response
            except (AttributeError, KeyError, TypeError, ValueError):
                pass  # not that simple a chunk: nothing has been taken in yet
        return self._feed_any(raw)

    def _feed_any(self, raw: Chunk) -> LLMResponse | None:
        steps = self.absorb(raw)
        if self.failure is not None:
            raise self.failure
        return self.show(raw) if steps and raw is not self._last else None

    def absorb(self, raw: Chunk) -> list[Step]:
        """Take in a chunk whatever it holds; give what it brought, choice by choice in the wire's order.

        Raises `ProviderError` when the chunk is the other side's error; when one of its choices is, `failure` says so.
        """
        if raw is DONE:
            self.done = True
            return []
        raise_for_error(raw)
        failure = _failure_of(raw)
        if failure is not None and self._raw is None:  # nothing has come: it is no part of an answer
            raise failure
        self.failure = failure
        self._raw = raw
        self._metadata = _update_metadata(self._metadata, raw)
        steps, whole = [], False
        for index, choice in choices_of(raw):
            steps.append(self._state(index).absorb(choice))
            whole = whole or "message" in choice  # no stream at all
        self._content = "".join(step.content for step in steps if step.state.index == 0)
        self.done = self.done or whole
        if self._last is None and (whole or (self.ended and any(step.ended for step in steps))):
            self._last, self._last_content = raw, self._content
        self._steady = self._find_steady()
        return steps

    def _state(self, index: int) -> ChoiceState:
        state = self._states.get(index)
        if state is None:
            state = self._states[index] = ChoiceState(index, self.output, reasoning_tags=self._reasoning_tags)
        return state

    def _find_steady(self) -> ChoiceState | None:
        first = self._states.get(0)
        if first is None or len(self._states) > 1 or first.progress.finish_reason or not self._metadata.model:
            return None
        self._text = first.text.pieces
        return first

    def show(self, raw: Chunk) -> LLMResponse:
        """Show the first choice as it stands after a chunk."""
        state = self._state(0)
        response = _new(LLMResponse)
        response.raw_response = raw
        response.content = self._content_of(raw)
        response.outcome = "streaming"
        response._text, response._end = state.text, len(state.text.pieces)  # noqa: SLF001
        response._progress, response._metadata = state.progress, self._metadata  # noqa: SLF001
        response._parsed = state.view  # noqa: SLF001
        return response

    def _content_of(self, raw: Chunk) -> str:
        """Give the text that a chunk brought to the first choice."""
        if raw is self._last:
            return self._last_content
        return self._content if self._steady is None else _content_of(raw)

    @property
    def ended(self) -> bool:
        """Whether every choice that was asked for has its finish reason."""
        states = self._states.values()
        return len(states) >= self._wanted and all(state.progress.finish_reason for state in states)

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far; `None` before the first chunk."""
        if self._raw is None:
            return None
        if self._final is not None:
            return self._final
        self._metadata = _update_metadata(self._metadata, self._raw)
        return self.show(self._raw)

    @property
    def completion(self) -> Completion | None:
        """The answer so far as the wire sees it, with all its choices; `None` before the first chunk."""
        if self._raw is None:
            return None
        self._metadata = _update_metadata(self._metadata, self._raw)  # the fast way leaves it as it was
        return self.snapshot()()

    def snapshot(self) -> Callable[[], Completion]:
        """Hold fast the answer as it stands; the completion is built when it is asked for."""
        return partial(completion_of, self._metadata, [state.snapshot() for state in self.states])

    @property
    def states(self) -> list[ChoiceState]:
        """The choices that have appeared, in the order of their index."""
        return [state for _, state in sorted(self._states.items())]

    def finish(self) -> LLMResponse:
        """Close the answer and give it whole.

        Raises `EmptyResponse` if no chunk came and `StreamInterrupted` if the end came before the answer's end.
        An answer that is not of its type is no error here: its `error` says so.
        """
        if self.failure is not None:
            raise self.failure
        if self._raw is None:
            raise EmptyResponse("expected an answer, got nothing: the provider ended it before the first chunk")
        if not self.done and not self.ended:
            raise StreamInterrupted(
                "the stream ended before the answer did: neither a finish_reason nor [DONE] came; "
                "`response` on this error holds what had arrived",
                phase="stream",
            )
        return self._conclude()

    def _conclude(self) -> LLMResponse:
        self.flushed = self._flush()
        for state in self._states.values():
            state.conclude(self.output, self.strict_tools)
        self._metadata = _update_metadata(self._metadata, self._raw or {})
        if self._last is None:
            self._steady, self._content = None, ""
        # A stream that is whole but never said why it stopped gets one more step, which brings what was held back.
        self._final = final = self.show(self._last or {"choices": [{"index": 0, "delta": {}, "finish_reason": None}]})
        final.content += "".join(step.content for step in self.flushed if step.state.index == 0)
        first = self._state(0)
        final._parsed = first.error or first.parsed  # noqa: SLF001
        final.outcome = outcome_of(first.progress.finish_reason, first.progress.refusal)
        return final

    def _flush(self) -> list[Step]:
        steps = [state.flush() for state in self._states.values()]
        return [step for step in steps if step is not None]

    def is_last(self, raw: Chunk) -> bool:
        """Say whether this is the chunk that ended the answer."""
        return raw is self._last

    def last(self, response: LLMResponse) -> LLMResponse:
        """Give what the reader of a stream gets at its end: the last step."""
        return response

    def interrupt(self, error: BaseException) -> BaseException:
        """Mark the answer as broken off; give the error to raise, with the evidence of what had arrived.

        A connection that breaks, or a wait that gets too long, after the first chunk is a `StreamInterrupted`.
        """
        if isinstance(error, ProviderError) and error.__suppress_context__:
            error.__context__ = None  # an exception from below, whose snapshots hold the key
        self._flush()
        response = self.response
        if response is not None and response.outcome == "streaming":
            response.outcome = "interrupted" if isinstance(error, ProviderError) else "cancelled"
            self._final = response
        if not isinstance(error, ProviderError) or error.response is not None:
            return error
        if response is not None and isinstance(error, (ProviderConnectionError, ProviderTimeout)):
            cause, error = error, StreamInterrupted(f"the stream broke off: {error.message}", phase="stream")
            error.__cause__ = cause
        error.response, error.completion = response, self.completion
        return error


def choices_of(raw: Chunk) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give a chunk's choices with their index, which is their position where the server leaves it out."""
    choices = raw.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            index = choice.get("index")
            yield (index if isinstance(index, int) else position), choice


def _content_of(raw: Chunk) -> str:
    """Give the text that a chunk brought to the first choice."""
    return "".join(text_of(delta_of(choice).get("content")) for index, choice in choices_of(raw) if index == 0)


def raise_for_error(raw: Chunk) -> None:
    """Raise `ProviderError` if this chunk is the other side's error, in any of the shapes that are seen."""
    error = raw.get("error") or (raw if "error" in (raw.get("object"), raw.get("type")) else None)
    if error:
        raise _provider_error(error, raw)


def _failure_of(raw: Chunk) -> ProviderError | None:
    """Give the error that one of a chunk's choices is, as some gateways tell it."""
    for _, choice in choices_of(raw):
        if choice.get("error") or choice.get("finish_reason") == "error":
            return _provider_error(choice.get("error") or {}, raw)
    return None


def _provider_error(error: Any, raw: Chunk) -> ProviderError:
    facts = error if isinstance(error, dict) else {"message": str(error)}
    code, kind = facts.get("code") or raw.get("code") or facts.get("status"), facts.get("type")
    code = code if isinstance(code, (str, int)) else None
    status = code if isinstance(code, int) else None
    return class_of(status, code)(
        str(facts.get("message") or "the provider reported an error in its answer"),
        code=code,
        type=kind if isinstance(kind, str) else None,
        status=status,
        phase="stream",
        body=raw,
    )


def _update_metadata(known: AnswerMetadata, raw: Chunk) -> AnswerMetadata:
    usage = raw.get("usage")
    return AnswerMetadata(
        known.id or raw.get("id") or None,
        known.model or raw.get("model") or None,
        known.created or raw.get("created") or None,
        raw.get("system_fingerprint") or known.system_fingerprint,
        Usage.of(usage) if usage and isinstance(usage, dict) else known.usage,
    )

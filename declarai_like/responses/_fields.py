"""What an answer tells: the fields of a response, read from what it shares with the other steps of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._values.buffers import (
    AnswerMetadata,
    GrowingText,
    ListPrefix,
    Progress,
    VendorParts,
)
from declarai_like.completions import Logprobs, ToolCall, ToolRun, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._values.buffers import Partial
    from declarai_like._values.outcomes import Outcome

__all__ = ["AnswerFields", "Parsed", "logprobs_of"]

_NO_PARTS = VendorParts()


class Parsed(NamedTuple):
    """A value read from an answer, and the repairs that its text needed."""

    value: Any
    repairs: tuple[str, ...] = ()


class AnswerFields:
    """The fields of a response that can be read only."""

    __slots__ = ("_chunk", "_end", "_metadata", "_parsed", "_progress", "_text", "content", "outcome")

    content: str
    outcome: Outcome
    _chunk: dict[str, Any]
    _text: GrowingText
    _end: int
    _progress: Progress
    _metadata: AnswerMetadata
    _parsed: Parsed | Exception | Partial | None

    @property
    def response(self) -> str:
        """All the text so far; the whole text once the answer has ended."""
        return self._text.prefix(self._end)

    @property
    def parsed(self) -> Any:
        """The typed value: a partial one while streaming, the validated one at the end.

        `None` for an untyped call, before anything can be shown, and when the answer is not of its type.
        """
        state = self._parsed
        if state is None or isinstance(state, Exception):
            return None
        return state.value if type(state) is Parsed else state.at(self._end)  # type: ignore[union-attr]  # a Partial then

    @property
    def reading(self) -> Parsed | Exception | None:
        """What the whole answer was read as: its value, or the error that says why it has none."""
        state = self._parsed
        return state if isinstance(state, (Parsed, Exception)) else None

    def keep_reading(self, parsed: Parsed) -> None:
        """Keep the value that the answer was read as, for `parsed` and `repairs`."""
        self._parsed = parsed

    @property
    def function_call(self) -> dict[str, str] | None:
        """The call of a function as the format first had it: its `name` and `arguments`; `None` if there is none."""
        call = self._progress.function_call
        return None if call is None else call.data()

    @property
    def repairs(self) -> tuple[str, ...]:
        """The names of the repairs that reading the typed value needed."""
        return self._parsed.repairs if type(self._parsed) is Parsed else ()

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: a `FinishReason`, or another word of the provider's; `None` while it has not."""
        return self._progress.finish_reason

    @property
    def model(self) -> str | None:
        """The model that answered, as the provider names it."""
        return self._metadata.model

    @property
    def role(self) -> str:
        """Who speaks: `"assistant"` unless the provider says otherwise."""
        return self._progress.role or "assistant"

    @property
    def refusal(self) -> str | None:
        """The model's words when it declined."""
        refusal = self._progress.refusal
        return None if refusal is None else refusal.string()

    @property
    def reasoning(self) -> str | None:
        """The model's thinking so far, for providers that show it."""
        reasoning = self._progress.reasoning
        return None if reasoning is None else reasoning.string()

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in order of first appearance."""
        calls = self._progress.tool_calls
        return () if calls is None else calls.tuple()

    @property
    def items(self) -> tuple[Mapping[str, Any], ...]:
        """What is whole by now beside text, thinking and calls, as it came; empty for chat completions.

        The output items of the Responses API, and the other blocks of Anthropic's, e.g. of tools that it runs itself.
        """
        return _entries(self._vendor.items)

    @property
    def commentary(self) -> str:
        """What the model told on the way that is not its answer; `""` where a provider does not part the two."""
        commentary = self._vendor.commentary
        return "" if commentary is None else commentary.string()

    @property
    def annotations(self) -> tuple[Mapping[str, Any], ...]:
        """What the provider noted on the text so far, e.g. the pages that it cites, as it came."""
        return _entries(self._vendor.annotations)

    @property
    def state(self) -> dict[str, Any] | None:
        """What the provider wants back with the next turn, as `Message.state` keeps it; `None` if nothing."""
        data, origin = self._vendor.state or self._reasoning_data(), self._metadata.origin
        if origin is None or not (data or any(call.extra for call in self.tool_calls)):
            return None
        return {**origin, "data": data}

    def _reasoning_data(self) -> dict[str, Any]:
        """Give the fields of a chat completion that some servers want back."""
        parts = self._vendor
        lists = {"reasoning_details": parts.reasoning_details, "annotations": parts.annotations}
        data: dict[str, Any] = {name: list(_entries(entries)) for name, entries in lists.items() if entries}
        if parts.reasoning_field is not None:
            data[parts.reasoning_field] = self.reasoning or ""
        return data

    @property
    def _vendor(self) -> VendorParts:
        return self._progress.vendor or _NO_PARTS

    @property
    def logprobs(self) -> Logprobs | None:
        """The log probabilities so far, if they were asked for."""
        return logprobs_of(self._progress)

    @property
    def usage(self) -> Usage | None:
        """The tokens that the call has cost; `None` when the provider never said."""
        return self._metadata.usage

    @property
    def prompt_tokens(self) -> int | None:
        """The tokens of the prompt; `None` when the provider never said."""
        return None if self._metadata.usage is None else self._metadata.usage.prompt_tokens

    @property
    def completion_tokens(self) -> int | None:
        """The tokens of the answer; `None` when the provider never said."""
        return None if self._metadata.usage is None else self._metadata.usage.completion_tokens

    @property
    def total_tokens(self) -> int | None:
        """The tokens of both; `None` when the provider never said."""
        return None if self._metadata.usage is None else self._metadata.usage.total_tokens

    @property
    def round(self) -> int:
        """Which request of its call this answers, from 1: a call with tools may make several."""
        return self._metadata.round.number

    @property
    def round_usage(self) -> Usage | None:
        """The tokens of this round alone; `usage` of a call's last response is the sum of its rounds."""
        return self._metadata.round.usage or self._metadata.usage

    @property
    def tool_results(self) -> tuple[ToolRun, ...]:
        """What came of this round's tool calls: given by the step that follows them, empty before."""
        return self._metadata.round.tool_results

    @property
    def attempt(self) -> int:
        """Which try of its call this belongs to, from 1: a stream with `restarts=True` may begin anew."""
        return self._metadata.attempt

    @property
    def cached(self) -> bool:
        """Whether this answer was kept from an equal request, and nothing was sent (`middleware.cache`)."""
        return self._metadata.cached

    @property
    def cost(self) -> float | None:
        """What the answer has cost, in US dollars; `None` where that cannot be known, 0 if it is `cached`.

        It is the `usage` at the list price of the maker of `model`, as the package `genai-prices` has it.
        """
        if self.cached:
            return 0.0
        from declarai_like._values.prices import price

        return price(None, self.model, [self.usage])


def _entries(prefix: ListPrefix | None) -> tuple[Any, ...]:
    return () if prefix is None else prefix.tuple()


def logprobs_of(progress: Progress) -> Logprobs | None:
    """Give a choice's log probabilities as they stood."""
    content, refusal, legacy = progress.logprobs, progress.refusal_logprobs, progress.legacy_logprobs
    if content is None and refusal is None and legacy is None:
        return None
    return Logprobs.joined(
        None if content is None else content.tuple(),
        None if refusal is None else refusal.tuple(),
        () if legacy is None else legacy.tuple(),
    )

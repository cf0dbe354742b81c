"""What comes back from a call: the answer, whole or at one step of its stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from declarai_like._texts import json_text, mend_data, plain_data
from declarai_like._values.buffers import (
    AnswerMetadata,
    GrowingText,
    ListPrefix,
    Progress,
    Round,
    TextPrefix,
    VendorChunk,
    VendorParts,
)
from declarai_like._values.outcomes import Outcome, outcome_of
from declarai_like.completions import Logprobs, TokenLogprob, ToolCall, ToolRun, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from declarai_like._values.buffers import Partial
    from declarai_like.messages import Message

__all__ = ["Attempt", "LLMResponse", "Outcome", "Parsed", "Result"]

T = TypeVar("T")


class Parsed(NamedTuple):
    """A value read from an answer, and the repairs that its text needed."""

    value: Any
    repairs: tuple[str, ...] = ()


class LLMResponse:
    """An answer: the whole of it, or one step of its stream.

    `raw_response` is what the provider sent, as a dict: this step's chunk, or the whole body. `content` is the text
    that this step brought (`""` when none), `response` all the text so far. Steps of one stream share their text,
    so keeping them all is cheap. `outcome` is `"streaming"` until the last step.

    >>> LLMResponse(response="Hello", finish_reason="stop").outcome
    'complete'
    """

    __slots__ = ("_chunk", "_end", "_metadata", "_parsed", "_progress", "_text", "content", "outcome")

    content: str
    outcome: Outcome
    _chunk: dict[str, Any]
    _text: GrowingText
    _end: int
    _progress: Progress
    _metadata: AnswerMetadata
    _parsed: Parsed | Exception | Partial | None

    def __init__(
        self,
        *,
        response: str = "",
        content: str | None = None,
        raw_response: dict[str, Any] | None = None,
        parsed: Any = None,
        model: str | None = None,
        role: str = "assistant",
        finish_reason: str | None = None,
        outcome: Outcome | None = None,
        refusal: str | None = None,
        reasoning: str | None = None,
        tool_calls: Sequence[ToolCall | Mapping[str, Any]] = (),
        logprobs: Logprobs | Mapping[str, Any] | None = None,
        usage: Usage | Mapping[str, Any] | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
        items: Sequence[Mapping[str, Any]] = (),
        commentary: str = "",
        annotations: Sequence[Mapping[str, Any]] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """Build an answer by hand: in a provider or a middleware of one's own, or in a test.

        Whatever has parts may be given as a dict, as `model_dump` writes it.
        """
        if usage is None and (prompt_tokens, completion_tokens, total_tokens) != (None, None, None):
            usage = Usage(prompt_tokens, completion_tokens, total_tokens)
        logprobs = Logprobs.of(logprobs) if isinstance(logprobs, dict) else cast("Logprobs | None", logprobs)
        self._chunk = {} if raw_response is None else raw_response
        self.content = response if content is None else content
        self._text = GrowingText(response)
        self._end = 1
        self._metadata = AnswerMetadata(
            model=model,
            usage=usage if usage is None or isinstance(usage, Usage) else Usage.of(usage),
            origin=None if state is None else {name: value for name, value in state.items() if name != "data"},
        )
        self._progress = Progress(
            role=role,
            finish_reason=finish_reason,
            refusal=TextPrefix.of(refusal),
            reasoning=TextPrefix.of(reasoning),
            tool_calls=ListPrefix.of([call if isinstance(call, ToolCall) else ToolCall(**call) for call in tool_calls]),
            logprobs=_span(None if logprobs is None else logprobs.content),
            refusal_logprobs=_span(None if logprobs is None else logprobs.refusal),
            legacy_logprobs=None if logprobs is None or logprobs.tokens is None else ListPrefix([logprobs.legacy()], 1),
            vendor=VendorParts(
                items=ListPrefix.of(items),
                commentary=TextPrefix.of(commentary),
                annotations=ListPrefix.of(annotations),
                state=None if state is None else state["data"],
            ),
        )
        self._parsed = None if parsed is None else Parsed(parsed)
        self.outcome = outcome or outcome_of(finish_reason, refusal, calls=bool(tool_calls))

    @property
    def raw_response(self) -> dict[str, Any]:
        """What the provider sent, as a dict: this step's chunk, or the whole body."""
        chunk = self._chunk
        return chunk.sent if isinstance(chunk, VendorChunk) else chunk

    @raw_response.setter
    def raw_response(self, sent: dict[str, Any]) -> None:
        self._chunk = sent

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

    @property
    def chunk(self) -> Any:
        """What the provider sent, as the `openai` package's object; built each time it is read.

        A `ChatCompletionChunk`, a `ChatCompletion`, or the `Completion` of a text completion, whole or not. What came
        in another wire format is that vendor's event.
        """
        chunk = self._chunk
        return chunk.typed() if isinstance(chunk, VendorChunk) else typed(chunk)

    @property
    def choices(self) -> list[Any]:
        """The choices of this step in the chat format, whatever was sent; empty when it has none."""
        choices = getattr(typed(self._chunk), "choices", None)
        return choices if isinstance(choices, list) else []

    @property
    def choice(self) -> Any:
        """The first of `choices`, or `None`."""
        return next(iter(self.choices), None)

    @property
    def delta(self) -> Any:
        """What the first choice brought: its delta, or the whole message of an unstreamed answer.

        `None` for a text completion, whose choice has `text` instead.
        """
        choice = self.choice
        return getattr(choice, "delta", None) or getattr(choice, "message", None)

    def ask_for(self, calls: Sequence[ToolCall]) -> None:
        """Say that this answer asks for tools, when its text was found to do so."""
        self._progress = self._progress._replace(tool_calls=ListPrefix(list(calls), len(calls)))
        if self.outcome == "complete":
            self.outcome = "calls"

    def of_round(self, number: int, *, usage: Usage | None, results: tuple[ToolRun, ...] = ()) -> LLMResponse:
        """Give the same answer as one of several rounds: `usage` is the sum of all, `results` what its calls gave."""
        own = Round(number, self.round_usage, results)
        return self._with_metadata(self._metadata._replace(usage=usage, round=own))

    def _with_metadata(self, metadata: AnswerMetadata) -> LLMResponse:
        other = LLMResponse.__new__(LLMResponse)
        for name in LLMResponse.__slots__:
            setattr(other, name, getattr(self, name))
        other._metadata = metadata  # noqa: SLF001 - of this very class
        return other

    def of_origin(self, origin: Mapping[str, Any] | None) -> LLMResponse:
        """Give the same answer as one of another provider than the one that was asked first."""
        return self._with_metadata(self._metadata._replace(origin=origin))

    def model_dump(self) -> dict[str, Any]:
        """Give the documented fields as a dict of plain data."""
        plain: dict[str, Any] = plain_data(dict(self))
        return plain

    def model_dump_json(self) -> str:
        """Give the documented fields as JSON text."""
        return json_text(dict(self))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value pairs, so that `dict(response)` and JSON encoders work."""
        for name in _FIELDS:
            yield name, getattr(self, name)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic (and so FastAPI) take and dump a response by its documented fields."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(_serializable)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core_schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe a response by its documented fields."""
        kinds = {"response": "string", "content": "string", "raw_response": "object", "outcome": "string"}
        properties = {name: {"type": kinds[name]} if name in kinds else {} for name in _FIELDS}
        return {"title": cls.__name__, "type": "object", "properties": properties}

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, LLMResponse) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.response)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {**dict(self), "raw_response": self._chunk}
        return _rebuild, ({**values, "state": self.state}, self.repairs)

    def __repr__(self) -> str:
        return f"LLMResponse(response={self.response!r}, content={self.content!r}, outcome={self.outcome!r})"


def _entries(prefix: ListPrefix | None) -> tuple[Any, ...]:
    return () if prefix is None else prefix.tuple()


def _span(tokens: tuple[TokenLogprob, ...] | None) -> ListPrefix | None:
    return None if tokens is None else ListPrefix(list(tokens), len(tokens))


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


_FIELDS = (
    "response",
    "content",
    "raw_response",
    "parsed",
    "model",
    "role",
    "finish_reason",
    "outcome",
    "refusal",
    "reasoning",
    "tool_calls",
    "logprobs",
    "usage",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "items",
    "commentary",
    "annotations",
)
_NO_PARTS = VendorParts()


def _rebuild(values: dict[str, Any], repairs: tuple[str, ...]) -> LLMResponse:
    """Make a response again from its fields, when it is unpickled."""
    response = LLMResponse(**values)
    if repairs:
        response.keep_reading(Parsed(values["parsed"], repairs))
    return response


def _serializable(response: LLMResponse) -> dict[str, Any]:
    """Give the fields as they can be written: what was sent may hold half a surrogate pair."""
    return {**dict(response), "content": mend_data(response.content), "raw_response": mend_data(response.raw_response)}


def _validated(value: Any) -> LLMResponse:
    """Take a response, or the dict of its fields; raises `ValueError` for anything else."""
    if isinstance(value, LLMResponse):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"expected an LLMResponse or a dict of its fields, got {value!r:.80}")  # noqa: TRY004 - pydantic wants it
    try:
        return LLMResponse(**value)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"expected the fields of an LLMResponse: {error}") from error


def typed(raw: Mapping[str, Any]) -> Any:
    """Build the `openai` package's object for a raw chunk or body."""
    from openai.types import Completion
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    kinds: dict[Any, Any] = {"text_completion": Completion, "chat.completion": ChatCompletion}
    name = raw.get("object")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:  # a server that does not say what it sends
        choices = raw.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        kind = Completion if "text" in first else ChatCompletion if "message" in first else ChatCompletionChunk
    return kind.construct(**raw)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call that did not succeed: what went wrong, what the model said, what it cost."""

    error: BaseException
    text: str = ""
    usage: Usage | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """All that a call brought: its value and how it came about.

    `attempts` are the failed tries before the answer, `messages` what was sent in the end, `calls` every tool call in
    the order in which the model asked for them, and `rounds` how many requests were answered.
    """

    value: T
    response: LLMResponse
    attempts: tuple[Attempt, ...] = ()
    messages: tuple[Message, ...] = ()
    calls: tuple[ToolRun, ...] = ()
    rounds: int = 1

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer; `None` when the provider never said."""
        return self.response.usage

    @property
    def cost(self) -> float | None:
        """What the call has cost with its failed tries, in US dollars; `None` where that cannot be known.

        A request that the provider refused costs nothing.
        """
        from declarai_like._values.prices import price

        billed = [attempt.usage for attempt in self.attempts if (getattr(attempt.error, "status", None) or 0) < 400]  # noqa: PLR2004 - HTTP's own border
        if self.response.cached:
            return price(None, self.response.model, billed) if billed else 0.0
        return price(None, self.response.model, [*billed, self.usage])

    @property
    def repairs(self) -> tuple[str, ...]:
        """The names of the repairs that reading the value needed."""
        return self.response.repairs

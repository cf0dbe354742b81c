"""An answer of a model, whole or at one step of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

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
from declarai_like._writing.texts import json_text, mend_data, plain_data
from declarai_like.completions import Logprobs, TokenLogprob, ToolCall, ToolRun, Usage
from declarai_like.responses._fields import AnswerFields, Parsed
from declarai_like.responses._typed import typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["LLMResponse"]


class LLMResponse(AnswerFields):
    """An answer: the whole of it, or one step of its stream.

    `raw_response` is what the provider sent, as a dict: this step's chunk, or the whole body. `content` is the text
    that this step brought (`""` when none), `response` all the text so far. Steps of one stream share their text,
    so keeping them all is cheap. `outcome` is `"streaming"` until the last step.

    >>> LLMResponse(response="Hello", finish_reason="stop").outcome
    'complete'
    """

    __slots__ = ()

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
        """Say that this answer asks for tools, as its text was found to do; or for none, when a call was its end."""
        self._progress = self._progress._replace(tool_calls=ListPrefix(list(calls), len(calls)) if calls else None)
        if self.outcome in {"complete", "calls"}:
            self.outcome = "calls" if calls else "complete"

    def of_round(self, number: int, *, usage: Usage | None, results: tuple[ToolRun, ...] = ()) -> LLMResponse:
        """Give the same answer as one of several rounds: `usage` is the sum of all, `results` what its calls gave."""
        own = Round(number, self.round_usage, results)
        return self._with_metadata(self._metadata._replace(usage=usage, round=own))

    def _with_metadata(self, metadata: AnswerMetadata) -> LLMResponse:
        other = LLMResponse.__new__(LLMResponse)
        for name in AnswerFields.__slots__:
            setattr(other, name, metadata if name == "_metadata" else getattr(self, name))
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


def _span(tokens: tuple[TokenLogprob, ...] | None) -> ListPrefix | None:
    return None if tokens is None else ListPrefix(list(tokens), len(tokens))


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

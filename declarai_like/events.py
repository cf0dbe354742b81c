"""The events of a stream: what each chunk brought, told one thing at a time.

For every chunk there is a `ChunkEvent`, then one event for each thing that it brought to each choice, and at a
choice's end its `...done` events. They are values: they never change, also not while the stream goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Union

from declarai_like._values.buffers import GrowingText, partial_json
from declarai_like._values.event_bases import AnswerEvent, FixedPartial, LogprobsDeltaEvent, SharedEvent, TextDeltaEvent
from declarai_like.responses._typed import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._values.buffers import Partial
    from declarai_like.completions import Completion, TokenLogprob, Usage
    from declarai_like.responses import LLMResponse

__all__ = [
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "ReasoningDeltaEvent",
    "ReasoningDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "RoundDoneEvent",
    "StreamEvent",
    "ToolCallEvent",
    "ToolProgressEvent",
    "ToolResultEvent",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChunkEvent(SharedEvent):
    """A chunk arrived, whatever it holds: always the first event of its chunk."""

    raw: dict[str, Any]
    """The chunk as the provider sent it."""
    response: LLMResponse
    """The answer so far."""
    _snapshot: Callable[[], Completion]
    type: ClassVar[Literal["chunk"]] = "chunk"
    _fields: ClassVar[tuple[str, ...]] = ("raw", "response", "snapshot")

    @property
    def chunk(self) -> Any:
        """The chunk as the `openai` package's object; built each time it is read."""
        return typed(self.raw)

    @property
    def snapshot(self) -> Completion:
        """The completion as it stood at this event."""
        return self._snapshot()

    def __hash__(self) -> int:
        return hash((ChunkEvent, self.response))

    def __repr__(self) -> str:
        return f"ChunkEvent(raw={self.raw!r})"

    @classmethod
    def rebuild(cls, raw: dict[str, Any], response: LLMResponse, snapshot: Completion) -> ChunkEvent:
        """Make the event again from what it showed."""
        return cls(raw, response, partial(_identity, snapshot))


def _identity(snapshot: Completion) -> Completion:
    return snapshot


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContentDeltaEvent(SharedEvent):
    """Some text of the answer arrived."""

    delta: str
    choice_index: int
    _text: GrowingText
    _end: int
    _parsed: Partial | None
    type: ClassVar[Literal["content.delta"]] = "content.delta"
    _fields: ClassVar[tuple[str, ...]] = ("delta", "choice_index", "snapshot", "parsed", "items")

    @property
    def content(self) -> str:
        """The same as `delta`."""
        return self.delta

    @property
    def snapshot(self) -> str:
        """The text so far."""
        return self._text.prefix(self._end)

    @property
    def parsed(self) -> Any:
        """The typed value so far: its fields that have arrived; `None` for an untyped stream."""
        return None if self._parsed is None else self._parsed.at(self._end)

    @property
    def items(self) -> list[Any]:
        """The items of a list that have closed so far, validated; empty for other types."""
        return [] if self._parsed is None else self._parsed.items(self._end)

    @classmethod
    def rebuild(cls, delta: str, choice: int, snapshot: str, parsed: Any, items: list[Any]) -> ContentDeltaEvent:
        """Make the event again from what it showed."""
        return cls(delta, choice, GrowingText(snapshot), 1, None if parsed is None else FixedPartial(parsed, items))


@dataclass(frozen=True, slots=True)
class ContentDoneEvent(AnswerEvent):
    """The text of a choice is whole. `parsed` is its validated value, `None` if it is not of its type."""

    content: str
    choice_index: int
    parsed: Any = field(default=None, hash=False)
    type: ClassVar[Literal["content.done"]] = "content.done"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefusalDeltaEvent(TextDeltaEvent):
    """Some words of a refusal arrived; `snapshot` are those so far."""

    type: ClassVar[Literal["refusal.delta"]] = "refusal.delta"


@dataclass(frozen=True, slots=True)
class RefusalDoneEvent(AnswerEvent):
    """A refusal is whole."""

    refusal: str
    choice_index: int
    type: ClassVar[Literal["refusal.done"]] = "refusal.done"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReasoningDeltaEvent(TextDeltaEvent):
    """Some of the model's thinking arrived; `snapshot` is the thinking so far."""

    type: ClassVar[Literal["reasoning.delta"]] = "reasoning.delta"


@dataclass(frozen=True, slots=True)
class ReasoningDoneEvent(AnswerEvent):
    """The model's thinking is whole."""

    reasoning: str
    choice_index: int
    type: ClassVar[Literal["reasoning.done"]] = "reasoning.done"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FunctionToolCallArgumentsDeltaEvent(SharedEvent):
    """A tool call began or some of its arguments arrived; `arguments` are those so far."""

    name: str
    index: int
    id: str | None
    arguments_delta: str
    choice_index: int
    _text: GrowingText
    _end: int
    _strict: bool = False
    type: ClassVar[Literal["tool_calls.function.arguments.delta"]] = "tool_calls.function.arguments.delta"
    _fields: ClassVar[tuple[str, ...]] = (
        "name",
        "index",
        "id",
        "arguments",
        "arguments_delta",
        "choice_index",
        "_strict",
    )

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return self._text.prefix(self._end)

    @property
    def parsed_arguments(self) -> Any:
        """The arguments so far as data, for a strict tool; else `None`. Read anew each time."""
        return partial_json(self.arguments) if self._strict else None

    @classmethod
    def rebuild(cls, name: str, index: int, call_id: str | None, arguments: str, *rest: Any) -> Any:
        """Make the event again from what it showed."""
        delta, choice, strict = rest
        return cls(name, index, call_id, delta, choice, GrowingText(arguments), 1, strict)


@dataclass(frozen=True, slots=True)
class FunctionToolCallArgumentsDoneEvent(AnswerEvent):
    """A tool call is whole."""

    name: str
    index: int
    id: str | None
    arguments: str
    parsed_arguments: Any = field(hash=False)
    choice_index: int
    type: ClassVar[Literal["tool_calls.function.arguments.done"]] = "tool_calls.function.arguments.done"

    @property
    def tool_call_snapshot_id(self) -> str | None:
        """The same as `id`, by the Writer SDK's name."""
        return self.id


class LogprobsContentDeltaEvent(LogprobsDeltaEvent):
    """Log probabilities of the answer's tokens arrived."""

    __slots__ = ()
    type: ClassVar[Literal["logprobs.content.delta"]] = "logprobs.content.delta"
    _fields: ClassVar[tuple[str, ...]] = ("choice_index", "content", "snapshot")

    @property
    def content(self) -> list[TokenLogprob]:
        """Those that this chunk brought."""
        return list(self._new)


class LogprobsRefusalDeltaEvent(LogprobsDeltaEvent):
    """Log probabilities of a refusal's tokens arrived."""

    __slots__ = ()
    type: ClassVar[Literal["logprobs.refusal.delta"]] = "logprobs.refusal.delta"
    _fields: ClassVar[tuple[str, ...]] = ("choice_index", "refusal", "snapshot")

    @property
    def refusal(self) -> list[TokenLogprob]:
        """Those that this chunk brought."""
        return list(self._new)


@dataclass(frozen=True, slots=True)
class LogprobsContentDoneEvent(AnswerEvent):
    """The log probabilities of the answer's tokens are whole."""

    content: list[TokenLogprob] = field(hash=False)
    choice_index: int
    type: ClassVar[Literal["logprobs.content.done"]] = "logprobs.content.done"


@dataclass(frozen=True, slots=True)
class LogprobsRefusalDoneEvent(AnswerEvent):
    """The log probabilities of a refusal's tokens are whole."""

    refusal: list[TokenLogprob] = field(hash=False)
    choice_index: int
    type: ClassVar[Literal["logprobs.refusal.done"]] = "logprobs.refusal.done"


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """A tool call is about to be run, or to wait for a decision; `arguments` are validated."""

    id: str
    name: str
    arguments: Any = field(hash=False)
    round: int
    choice_index: int = 0
    type: ClassVar[Literal["tool.call"]] = "tool.call"


@dataclass(frozen=True, slots=True)
class ToolProgressEvent:
    """A running tool tells how far it is; the model is not told."""

    id: str
    value: Any = field(hash=False)
    round: int
    type: ClassVar[Literal["tool.progress"]] = "tool.progress"


@dataclass(frozen=True, slots=True)
class ToolResultEvent:
    """A tool call has ended, with its value or with the error that the model is shown; `seconds` is how long it ran."""

    id: str
    name: str
    value: Any = field(hash=False)
    error: str | None
    seconds: float
    round: int
    type: ClassVar[Literal["tool.result"]] = "tool.result"


@dataclass(frozen=True, slots=True)
class RoundDoneEvent:
    """A round of a call with tools is over: its answer, and the results of its calls; `usage` is this round's own."""

    round: int
    usage: Usage | None = field(hash=False)
    type: ClassVar[Literal["round.done"]] = "round.done"


StreamEvent = Union[  # noqa: UP007 - read at run time by type checkers of users
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    ToolCallEvent,
    ToolProgressEvent,
    ToolResultEvent,
    RoundDoneEvent,
]

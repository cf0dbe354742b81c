"""What events are made of: values that share what grows with the events after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from declarai_like._values.buffers import GrowingText, ListPrefix

if TYPE_CHECKING:
    from declarai_like.completions import TokenLogprob

__all__ = ["AnswerEvent", "FixedPartial", "LogprobsDeltaEvent", "SharedEvent", "TextDeltaEvent", "set_round"]


class AnswerEvent:
    """An event of an answer: it knows which request of its call that answers."""

    __slots__ = ("_round",)

    @property
    def round(self) -> int:
        """Which request of its call this belongs to, from 1; a call with tools may make several."""
        return getattr(self, "_round", 1)


def set_round(told: list[Any], number: int) -> None:
    """Say which request the events of an answer belong to; without a word they belong to the first."""
    for event in told:
        object.__setattr__(event, "_round", number)


class SharedEvent(AnswerEvent):
    """An event that shares what grows with the events after it: it is compared and pickled by what it shows."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]]

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._values()[0]))

    def __repr__(self) -> str:
        fields = zip(self._fields, self._values(), strict=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in fields if not name.startswith("_"))
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._values())

    @classmethod
    def rebuild(cls, *values: Any) -> Any:
        """Make the event again from what it showed."""
        raise NotImplementedError  # pragma: no cover - every event defines it


def _restore(kind: type[SharedEvent], values: tuple[Any, ...]) -> Any:
    """Make an event again, when it is unpickled."""
    return kind.rebuild(*values)


class FixedPartial:
    """The typed value of a text that grows no more."""

    __slots__ = ("_items", "_value")

    def __init__(self, value: Any, items: list[Any]) -> None:
        self._value, self._items = value, items

    def at(self, _end: int) -> Any:
        return self._value

    def items(self, _end: int) -> list[Any]:
        return self._items


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TextDeltaEvent(SharedEvent):
    """Some more of a text; `snapshot` is all of it so far."""

    delta: str
    choice_index: int
    _text: GrowingText
    _end: int
    _fields: ClassVar[tuple[str, ...]] = ("delta", "choice_index", "snapshot")

    @property
    def snapshot(self) -> str:
        """The text so far."""
        return self._text.prefix(self._end)

    @classmethod
    def rebuild(cls, delta: str, choice: int, snapshot: str) -> Any:
        return cls(delta, choice, GrowingText(snapshot), 1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogprobsDeltaEvent(SharedEvent):
    """Some more log probabilities; `snapshot` are all of them so far."""

    choice_index: int
    _new: tuple[TokenLogprob, ...]
    _span: ListPrefix

    @property
    def snapshot(self) -> list[TokenLogprob]:
        """The log probabilities so far."""
        return list(self._span.tuple())

    @classmethod
    def rebuild(cls, choice: int, new: list[TokenLogprob], snapshot: list[TokenLogprob]) -> Any:
        return cls(choice, tuple(new), ListPrefix(snapshot, len(snapshot)))

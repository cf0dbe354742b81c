"""What a text holds beside words: the values in it, each with its place."""

from __future__ import annotations

from typing import Any, NamedTuple

from declarai_like._outputs.containers import NOTHING

__all__ = ["Document", "Fault"]


class Fault(NamedTuple):
    """Why a value cannot be read: the place in the whole text, what was expected, and what came."""

    offset: int
    expected: str
    got: str

    def describe(self, text: str) -> str:
        """Tell it with line and column."""
        line = text.count("\n", 0, self.offset) + 1
        column = self.offset - text.rfind("\n", 0, self.offset)
        got = repr(self.got) if self.got else "the end"
        return f"line {line}, column {column}: expected {self.expected}, got {got}"


class Document:
    """One value in a text.

    `end` is -1 while it is open. `is_soft` says that it may as well be prose: an array of numbers, an empty pair.
    `odd_texts` counts the texts in it that hold an odd number of quotes. `misfit` says which closed part is not of its
    type, the first one there is.
    """

    __slots__ = ("data", "end", "fault", "is_soft", "misfit", "odd_texts", "repairs", "start")

    def __init__(self, start: int, *, is_soft: bool = False) -> None:
        self.start = start
        self.end = -1
        self.is_soft = is_soft
        self.data: Any = NOTHING
        self.repairs: dict[str, None] = {}
        self.fault: Fault | None = None
        self.odd_texts = 0
        self.misfit: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the text ends before the value does."""
        return self.end < 0 and self.fault is None

    def fail(self, offset: int, expected: str, got: str) -> None:
        """Note why it cannot be read."""
        self.fault = Fault(offset, expected, got)

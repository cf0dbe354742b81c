"""A text that arrives in pieces: the step that reads it, and what must wait for more.

Text is fed to the step that the last piece ended in. A step that cannot tell yet leaves its text to wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.quoting import Ambiguous
from declarai_like._outputs.surrogates import join_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[Any, str, int], int]

__all__ = ["Broken", "PieceReader"]

# A text that waits and is longer than this is looked at again only when it has doubled.
_LONG = 1024


class Broken(Exception):
    """What stands at a position can be read in no way, or in several."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(expected)
        self.position = position
        self.expected = expected


class PieceReader(ABC):
    """Reads characters; what they mean for the value is its subclass's business.

    `consumed` is how much of the whole text lies before the piece that is read, `before` the last character of it.
    """

    __slots__ = (
        "_gathered",
        "_gathered_size",
        "_half",
        "_is_decided",
        "_wait_from",
        "_waiting",
        "before",
        "consumed",
        "is_last",
        "repairs",
        "step",
    )

    def __init__(self, step: Step) -> None:
        self.step = step
        self.consumed = 0
        self.before = ""
        self.is_last = False
        self.repairs: dict[str, None] = {}
        self._waiting = ""
        self._wait_from = 0
        self._is_decided: Callable[[str], bool] | None = None
        self._gathered: list[str] = []
        self._gathered_size = 0
        self._half = ""

    def feed(self, delta: str) -> None:
        """Read the next piece of text; never raises."""
        if self._half or not delta.isascii():
            delta = self._paired(delta)
        if self._waiting:
            delta = self._with_waiting(delta)
        position, end = 0, len(delta)
        while position < end:
            try:
                reached = self.step(self, delta, position)
            except Broken as broken:
                reached = self.give_up(broken.position, broken.expected, delta)
            except Ambiguous as ambiguous:
                reached = self.give_up(position, str(ambiguous), delta)
            if reached < 0:
                self._keep(delta, max(position, self._wait_from))
                return
            position = reached
        if end:
            self.consumed += end
            self.before = delta[-1]

    def wait(self, position: int, is_decided: Callable[[str], bool] | None = None) -> int:
        """Let a step wait from a position on; `is_decided` says of what waits whether the step is to look again."""
        self._wait_from, self._is_decided = position, is_decided
        return -1

    def _keep(self, text: str, position: int) -> None:
        """Let the rest of a text wait."""
        self._waiting, self._wait_from = text[position:], 0
        self.consumed += position
        if position:
            self.before = text[position - 1]

    def _with_waiting(self, delta: str) -> str:
        """Give a piece with what waits for it; nothing while both must wait."""
        if len(self._waiting) >= _LONG:
            text = self._gather(delta)
        else:
            text = self._waiting + delta
            if self._is_decided is not None and not self._is_decided(text):
                self._waiting = text
                return ""
        if text:
            self._waiting, self._is_decided = "", None
        return text

    def read_rest(self) -> None:
        """Read what waits, as no more comes."""
        self.is_last = True
        text = "".join((self._waiting, *self._gathered, "\ufffd" if self._half else ""))
        self._waiting = self._half = ""
        self.feed(text)

    def _gather(self, delta: str) -> str:
        """Add to a long text that waits; give all of it when it has doubled, before that nothing."""
        self._gathered.append(delta)
        self._gathered_size += len(delta)
        if self._gathered_size < len(self._waiting):
            return ""
        text = "".join((self._waiting, *self._gathered))
        self._gathered, self._gathered_size = [], 0
        return text

    def _paired(self, delta: str) -> str:
        """Hold the first half of a surrogate pair back until the other half arrives."""
        text, self._half = self._half + delta, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return join_surrogates(text)

    def note(self, repair: str) -> None:
        """Name a repair."""
        self.repairs[repair] = None

    # What a subclass does.

    @abstractmethod
    def give_up(self, position: int, expected: str, text: str) -> int:
        """End at a fault; give where to go on."""

    @staticmethod
    def ended(_: PieceReader, text: str, _position: int) -> int:
        """Read nothing more."""
        return len(text)

"""How far a map is: what has been done, how fast, for how much, and how long the rest may take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import length_hint
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeAlias

from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from declarai_like._rows.rows import Row

__all__ = ["Progress", "ProgressOption", "Tally", "show_progress"]

_REDRAW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a map is.

    `done` rows have finished, `failed` and `cached` ones among them, of `total`, or of `None` for an input that does
    not tell. `tokens` are those of this run, `usd` what they cost at the list price; it is `None` where a price is not
    known, or the extra `prices` is not installed. `rate` is in rows that were asked in a second.
    """

    done: int = 0
    failed: int = 0
    cached: int = 0
    total: int | None = None
    seconds: float = 0.0
    tokens: int = 0
    usd: float | None = None

    @property
    def rate(self) -> float:
        """The rows a second that were asked in this run."""
        return (self.done - self.cached) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest may take at this rate; `None` where that cannot be told."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def __str__(self) -> str:
        """Say it in one line."""
        of = "" if self.total is None else f"/{self.total}"
        parts = [f"{self.done}{of} rows", f"{self.rate:.1f}/s", f"{self.failed} failed"]
        if self.cached:
            parts.append(f"{self.cached} cached")
        parts.append(f"{self.tokens} tokens")
        if self.usd is not None:
            parts.append(f"${self.usd:.4f}")
        if self.seconds_left is not None and self.done != self.total:
            parts.append(f"{_duration(self.seconds_left)} left")
        return ", ".join(parts)


ProgressOption: TypeAlias = bool | Callable[[Progress], object] | None
"""Who is told: a terminal if there is one (`None`), stderr in any case, nobody, or a function."""


class Tally:
    """Counts the rows of a map."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._began = time.monotonic()
        self._done = self._failed = self._cached = self._tokens = 0
        self._usd: float | None = None

    def count_money(self) -> None:
        """Count what the rows cost too; that loads the list of prices."""
        self._usd = 0.0

    @classmethod
    def of(cls, rows: Any) -> Tally:
        """Begin to count, of as many rows as the input says that it has."""
        return cls(length_hint(rows, 0) or None)

    def count(self, row: Row[Any]) -> None:
        """Count a row that has finished."""
        self._done += 1
        self._failed += row.error is not None
        self._cached += row.cached
        if row.cached or row.response is None:
            return
        self._tokens += row.response.total_tokens or 0
        if self._usd is not None:
            cost = row.response.cost
            self._usd = None if cost is None else self._usd + cost

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        seconds = time.monotonic() - self._began
        usd = self._usd or None
        return Progress(self._done, self._failed, self._cached, self._total, seconds, self._tokens, usd)


@contextmanager
def show_progress(option: ProgressOption, tally: Tally) -> Iterator[Callable[[object], None]]:
    """Show how far it is while the block runs: gives what is called with each row, and with `None` at each wait.

    Raises `DefinitionError` for what is neither a truth nor a function.
    """
    if not callable(option) and option not in (None, True, False):
        raise DefinitionError(f"progress: expected True, False or a function, got {option!r:.80}")
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if option is False or (option is None and not is_terminal):
        yield _nothing
        return
    tally.count_money()
    if callable(option):
        yield partial(_tell, option, tally)
    elif is_terminal:
        with _drawing(tally, sys.stderr) as show:
            yield show
    else:
        try:
            yield _nothing
        finally:
            _write(sys.stderr, f"{tally.progress}\n")


def _nothing(_: object) -> None:
    return None


def _tell(option: Callable[[Progress], object], tally: Tally, row: object) -> None:
    if row is not None:
        option(tally.progress)


@contextmanager
def _drawing(tally: Tally, stream: TextIO) -> Iterator[Callable[[object], None]]:
    """Draw one line over and over, and take it away while the caller has a row: what it prints has its own lines."""
    line = _Line(stream)

    def show(row: object) -> None:
        if row is None:
            line.draw(tally.progress)
        else:
            line.wipe()

    try:
        yield show
    finally:
        line.end(tally.progress)


class _Line:
    """A line of a terminal, which may be drawn again and taken away."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0
        self._drawn_at = float("-inf")

    def draw(self, progress: Progress) -> None:
        """Draw it, unless it is there and young."""
        now = time.monotonic()
        if not self._width or now - self._drawn_at >= _REDRAW_SECONDS:
            self._drawn_at = now
            self._draw(progress)

    def wipe(self) -> None:
        """Leave an empty line, with the cursor at its beginning."""
        if self._width:
            _write(self._stream, f"\r{' ' * self._width}\r")
            self._width = 0

    def end(self, progress: Progress) -> None:
        """Leave the last state on the terminal."""
        self._draw(progress)
        _write(self._stream, "\n")

    def _draw(self, progress: Progress) -> None:
        text = str(progress)[: get_terminal_size().columns - 1]  # a line that wraps cannot be drawn over
        _write(self._stream, f"\r{text.ljust(self._width)}")
        self._width = len(text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

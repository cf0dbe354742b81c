"""What the commands print: plain text, which rich, if it is installed, gives colours on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["diff_style", "make_printer", "table"]

_DIFF = {"---": "bold", "+++": "bold", "@@": "cyan", "-": "red", "+": "green"}


def make_printer() -> Callable[[str, str], None]:
    """Give a function that prints a text in a style: `say("3 tasks", "bold")`. The text is the same without rich."""
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return lambda text, _style: print(text)
    console = Console(highlight=False)
    if not console.is_terminal:
        return lambda text, _style: print(text)
    return lambda text, style: console.print(text, style=style, markup=False, emoji=False, soft_wrap=True)


def diff_style(line: str) -> str:
    """Give the style of a line of a unified diff."""
    return next((style for start, style in _DIFF.items() if line.startswith(start)), "")


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> list[str]:
    """Lay cells out in columns, of which the first `left` are aligned to the left."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(_cells(line, widths, left)).rstrip() for line in lines]


def _cells(line: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    padded = enumerate(zip(line, widths, strict=True))
    return [cell.ljust(width) if number < left else cell.rjust(width) for number, (cell, width) in padded]

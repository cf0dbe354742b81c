"""Record what `make demo` prints into `images/demo.svg`: a terminal that plays it once, at the speed at which it came.

Run it from the root of the repository with `.venv/bin/python docs/record_demo.py`. Nothing is written by hand: the two
commands of `make demo` run in a terminal of their own, and each piece of text appears when it was printed. Readers who
want no motion, and programs that play none, see the end of it.
"""
# ruff: noqa: INP001 - a script, in no package

import html
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COMMANDS = (
    [str(Path(sys.executable).with_name("declarai-like")), "pull"],
    [sys.executable, str(ROOT / "examples" / "demo.py")],
)
COLUMNS = 88
LONGEST_PAUSE = 1.2
LABEL = "A terminal that runs make demo"
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SIZE, WIDTH, HEIGHT, TOP, LEFT = 14, 8.43, 21, 58, 20


class Piece(NamedTuple):
    """Text that was printed at once, where it stands and when it came."""

    seconds: float
    row: int
    column: int
    text: str


def printed_by(command: list[str]) -> Iterator[tuple[float, str]]:
    """Run a command in a terminal; give what it prints, with the seconds since it began."""
    ours, its = pty.openpty()
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdin=its, stdout=its, stderr=its, env=environment()):  # noqa: S603 - ours
        os.close(its)
        while data := read(ours):
            yield time.perf_counter() - started, data.decode("utf-8", "replace")
    os.close(ours)


def read(terminal: int) -> bytes:
    """Read what has been printed; a terminal whose program has ended fails, and that is its end."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def environment() -> dict[str, str]:
    """Give the environment of a plain terminal."""
    return {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "dumb", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def record() -> Iterator[tuple[float, str]]:
    """Run `make demo`: give what it prints, with the seconds since the key was pressed; long pauses are shortened."""
    yield 0.0, "$ "
    yield 0.4, "make demo\n"
    now = 0.8
    for command in COMMANDS:
        before = 0.0
        for seconds, text in printed_by(command):
            now += min(seconds - before, LONGEST_PAUSE)
            before = seconds
            yield now, text.replace(str(Path.home()), "~")


def placed(printed: Iterator[tuple[float, str]]) -> list[Piece]:
    """Put what was printed where a terminal would: words go on in the next line where they do not fit."""
    pieces: list[Piece] = []
    row = column = 0
    for seconds, text in printed:
        for part in re.findall(r"\n|[^\S\n]*[^\s]+|[^\S\n]+", text.replace("\r", "")):
            if part == "\n":
                row, column = row + 1, 0
                continue
            if column + len(part) > COLUMNS:
                row, column, part = row + 1, 0, part.lstrip()  # noqa: PLW2901 - the space stays at the line's end
            last = pieces[-1] if pieces else None
            if last and (last.seconds, last.row, last.column + len(last.text)) == (seconds, row, column):
                pieces[-1] = last._replace(text=last.text + part)
            else:
                pieces.append(Piece(seconds, row, column, part))
            column += len(part)
    return pieces


def drawn(pieces: list[Piece]) -> str:
    """Draw the terminal."""
    width = round(COLUMNS * WIDTH + 2 * LEFT)
    height = TOP + HEIGHT * (pieces[-1].row + 1)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{LABEL}">',
            "<style>",
            f"text {{ font: {SIZE}px {FONT}; fill: #d7dae6; white-space: pre }}",
            ".p { animation: show 1ms backwards } .q { fill: #8f96b3 }",
            "@keyframes show { from { visibility: hidden } to { visibility: visible } }",
            "@media (prefers-reduced-motion: reduce) { .p { animation: none } }",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="10" fill="#1b1e2b"/>',
            *(f'<circle cx="{24 + 20 * number}" cy="22" r="6" fill="#3b4058"/>' for number in range(3)),
            *map(_text, pieces),
            "</svg>\n",
        ]
    )


def _text(piece: Piece) -> str:
    """Draw a piece of text; its length is told, so that it fits whatever font there is."""
    x, y = LEFT + piece.column * WIDTH, TOP + piece.row * HEIGHT
    kind = "p q" if piece.text == "$ " else "p"
    return (
        f'<text class="{kind}" style="animation-delay:{piece.seconds:.2f}s" x="{x:.1f}" y="{y}"'
        f' textLength="{len(piece.text) * WIDTH:.1f}">{html.escape(piece.text)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(placed(record())), "utf-8")

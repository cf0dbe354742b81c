"""Measure what twice the text costs, fault by fault: `python tests/outputs/growth.py [KIND ...]` prints a table.

Each text is read whole and in pieces of 64 characters, at 0.5, 1 and 2 MB. The time is that of the processor, the best
of four tries if one was beyond the bound. 1 if a doubling costs more than 2.2 times the time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from outputs.test_faults import FAULTS
from pydantic import BaseModel

from declarai_like._outputs.output import Output
from declarai_like.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (500_000, 1_000_000, 2_000_000)
PIECE = 64
TRIES = 4
MOST = 2.2


class Line(BaseModel):
    """One line of a bill."""

    name: str
    price: float
    note: str | None


BILL = Output.of(list[Line])


def of_fault(name: str) -> Callable[[int], str]:
    """Write a bill with one fault all over."""
    writer = FAULTS[name]
    line = {"name": 'a "small" bolt, it\'s new\nand shiny', "price": 1.5, "note": None}
    item = writer.write([line])[1:-1].rstrip(",")
    comma = getattr(writer, "comma", ", ")
    return lambda size: "[" + comma.join([item] * (size // (len(item) + len(comma)))) + "]"


OTHERS: dict[str, Callable[[int], str]] = {
    "exact": lambda size: of_exact(size),  # noqa: PLW0108 - it is defined below
    "garbage": lambda size: ("no {json} in [here], (none) " * size)[:size],
    "open braces": lambda size: "{" * size,
    "open members": lambda size: ('{"a":' * size)[:size],
    "open brackets": lambda size: "[" * size,
    "nested brackets": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "brackets in prose": lambda size: ("[a " * size)[:size],
    "quotes": lambda size: '"' * size,
    "quotes in a list": lambda size: '["' + '"' * size,
    "quotes in a text": lambda size: '[{"name": "' + 'a "b" c ' * (size // 8) + '", "price": 1, "note": null}]',
    "apostrophes": lambda size: "[{'name': '" + "it's " * (size // 5) + "', 'price': 1, 'note': null}]",
    "commas in a text": lambda size: '[{"name": "' + 'a", b ' * (size // 6) + '", "price": 1, "note": null}]',
    "backslashes": lambda size: '[{"name": "' + "\\d" * (size // 2) + '", "price": 1, "note": null}]',
    "one long text": lambda size: '[{"name": "' + "word " * (size // 5) + '", "price": 1, "note": null}]',
    "one long bare text": lambda size: "[{name: " + "word, " * (size // 6) + "}]",
    "one long number": lambda size: "[" + "1" * size + "]",
    "one long comment": lambda size: "[/* " + "word " * (size // 5) + " */]",
    "slashes": lambda size: "[" + "/" * size,
    "spaces": lambda size: "[" + " " * size + "]",
    "ticks": lambda size: "`" * size,
    "thinking": lambda size: "<think>" + "hm < " * (size // 5) + "</think>[]",
    "words and a tag": lambda size: "hm < " * (size // 5) + "</think>[]",
    "objects one after the other": lambda size: '{"name": "a", "price": 1, "note": null}\n' * (size // 40),
    "fences": lambda size: '```json\n{"name": "a", "price": 1, "note": null}\n```\n' * (size // 52),
    "lists in lists": lambda size: "[" + "[1, [2]], " * (size // 10) + "]",
    "escaped JSON": lambda size: json.dumps(of_exact(size // 2)),
}


def of_exact(size: int) -> str:
    """Write a bill without a fault."""
    item = json.dumps({"name": 'a "small" bolt', "price": 1.5, "note": None})
    return '{"declarai_result": [' + ", ".join([item] * (size // len(item))) + "]}"


def read_whole(text: str) -> None:
    """Read a text as a whole answer."""
    with contextlib.suppress(OutputError):
        BILL.parse(text)


def read_in_pieces(text: str) -> Any:
    """Read a text as a stream, and look at what has come at the end of it."""
    partials = BILL.partials()
    for start in range(0, len(text), PIECE):
        partials.feed(text[start : start + PIECE])
    return partials.value


def seconds(read: Callable[[str], object], text: str) -> float:
    """Measure the time of the processor; no less than a millisecond, below which it is all noise."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    read(text)
    gc.enable()
    return max(time.process_time() - start, 1e-3)


def measure(read: Callable[[str], object], make: Callable[[int], str]) -> tuple[list[float], list[float]]:
    """Give the times and their growth, the best of as many tries as it takes to be within the bound."""
    texts = [make(size) for size in SIZES]
    times = [float("inf")] * len(SIZES)
    for _ in range(TRIES):
        times = [min(best, seconds(read, text)) for best, text in zip(times, texts, strict=True)]
        growth = [after / before for before, after in pairwise(times)]
        if max(growth) <= MOST:
            break
    return times, growth


def table(kinds: dict[str, Callable[[int], str]]) -> Iterator[tuple[str, bool]]:
    """Give the lines of the table, and whether each is within the bound."""
    yield f"{'text':30} {'way':9} " + " ".join(f"{size / 1e6:>7} MB" for size in SIZES) + "  growth", True
    for name, make in kinds.items():
        for way, read in (("whole", read_whole), ("streamed", read_in_pieces)):
            times, growth = measure(read, make)
            shown = " ".join(f"{each:9.3f}s" for each in times)
            yield f"{name:30} {way:9} {shown}  " + " ".join(f"{each:4.2f}" for each in growth), max(growth) <= MOST


def main() -> int:
    """Print the table of all kinds, or of those that are named; 1 if one grows faster than it may."""
    every = {**{name: of_fault(name) for name in FAULTS}, **OTHERS}
    named = sys.argv[1:] or list(every)
    within = True
    for line, fits in table({name: every[name] for name in named}):
        sys.stdout.write(line + ("" if fits else "  TOO FAST") + "\n")
        sys.stdout.flush()
        within &= fits
    return int(not within)


if __name__ == "__main__":
    sys.exit(main())

"""Other deliveries of the same reply: cut in other places, broken off, stalled."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.testing._server_replies import End, Reply

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r){2,}")


def in_one_write(reply: Reply) -> Reply:
    """Send the whole body at once."""
    return replace(reply, writes=(reply.body,))


def by_event(reply: Reply) -> Reply:
    """Send each server-sent event, with its blank line, in a write of its own."""
    body = reply.body
    ends = [match.end() for match in _BLANK_LINE.finditer(body)]
    return replace(reply, writes=tuple(_cut(body, ends)))


def byte_by_byte(reply: Reply) -> Reply:
    """Send each byte in a write of its own."""
    body = reply.body
    return replace(reply, writes=tuple(_cut(body, range(1, len(body)))))


def cut_randomly(reply: Reply, *, seed: int, mean: int = 40) -> Reply:
    """Send the body in pieces of random lengths, `mean` bytes long on average, the same for a seed."""
    body = reply.body
    places = random.Random(seed).sample(range(len(body)), len(body) // mean)  # noqa: S311 - no secret, only a shape
    return replace(reply, writes=tuple(_cut(body, sorted(places))))


def broken_off(reply: Reply, at: int, *, end: End = "no_terminator") -> Reply:
    """Send only the first `at` bytes of the body, then let it `end` badly (or `"clean"`ly)."""
    writes, left = [], at
    for write in reply.writes:
        if left <= 0:
            break
        writes.append(write[:left])
        left -= len(write)
    return replace(reply, writes=tuple(writes), end=end)


def stalled(reply: Reply, after: int = 1) -> Reply:
    """Send only the first `after` writes, then nothing, with the connection held open."""
    return replace(reply, writes=tuple(reply.writes)[:after], end="hang")


def _cut(body: bytes, places: range | list[int]) -> Iterator[bytes]:
    """Yield the parts of `body` between these ascending places, leaving out empty ones."""
    start = 0
    for place in (*places, len(body)):
        if place > start:
            yield body[start:place]
            start = place

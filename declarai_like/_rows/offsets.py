"""Where each key of a file stands, in a few bytes a key."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Offsets"]

_FIRST_SLOTS = 1024
_FILLED = 0.6


class Offsets:
    """Maps texts to places in a file, in 16 bytes a slot: a hash table of the texts' digests and of the places.

    Two texts may have the same digest: who asks for one gets all places where it may be, the latest first, and looks.
    """

    def __init__(self) -> None:
        self._start(_FIRST_SLOTS)

    def add(self, key: str, offset: int) -> None:
        """Note that a key stands at this place; one that stood elsewhere too is found at both."""
        if self._used >= self._slots * _FILLED:
            self._grow()
        self._put(_digest(key), offset)

    def find(self, key: str) -> Iterator[int]:
        """Give the places where a key may stand, the latest first."""
        digest, places = _digest(key), []
        slot = digest % self._slots
        while self._places[slot]:
            if self._digests[slot] == digest:
                places.append(self._places[slot] - 1)
            slot = (slot + 1) % self._slots
        return reversed(sorted(places))  # noqa: C413 - what is wanted is an iterator

    def _start(self, slots: int) -> None:
        self._slots = slots
        self._used = 0
        self._digests = array("Q", bytes(8 * slots))
        self._places = array("Q", bytes(8 * slots))  # one more than the place: 0 is an empty slot

    def _put(self, digest: int, offset: int) -> None:
        slot = digest % self._slots
        while self._places[slot]:
            slot = (slot + 1) % self._slots
        self._digests[slot], self._places[slot] = digest, offset + 1
        self._used += 1

    def _grow(self) -> None:
        digests, places = self._digests, self._places
        self._start(self._slots * 2)
        for digest, place in zip(digests, places, strict=True):
            if place:
                self._put(digest, place - 1)


def _digest(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

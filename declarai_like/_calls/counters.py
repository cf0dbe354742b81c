"""Numbers that many threads count together, without a lock."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from itertools import islice
from operator import length_hint

__all__ = ["Amount", "Counter"]


class Counter:
    """Counts up to a most, without a lock: each step is a single one of the interpreter, whatever comes between.

    A lock would be taken for ever by an interrupt, by a forked child, or by a stream that the garbage collector closes
    while this very thread holds it.
    """

    def __init__(self, most: int = sys.maxsize) -> None:
        self._most = most
        self._left = iter(range(most))
        self._given_back: list[int] = []

    @property
    def value(self) -> int:
        """What has been counted."""
        return self._most - length_hint(self._left) - len(self._given_back)

    def take(self) -> bool:
        """Count one; give `False`, and count nothing, if there are no more."""
        with suppress(IndexError):
            self._given_back.pop()
            return True
        return next(self._left, None) is not None

    def give_back(self) -> None:
        """Count one less."""
        self._given_back.append(1)

    def add(self, number: int) -> None:
        """Count so many."""
        deque(islice(self._left, number), maxlen=0)


class Amount:
    """A large number that only grows: counted in steps of one and in large ones, since each step takes its time."""

    _LARGE = 10_000

    def __init__(self) -> None:
        self._large, self._small = Counter(), Counter()

    @property
    def value(self) -> int:
        """What has been added."""
        return self._large.value * self._LARGE + self._small.value

    def add(self, number: int) -> None:
        """Add so many; another thread may see the large steps of it before the small ones."""
        large, small = divmod(number, self._LARGE)
        self._large.add(large)
        self._small.add(small)

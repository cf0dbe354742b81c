"""How many calls are made at a time: few at first, soon more while all goes well, half as many after an overload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like.errors import ProviderTimeout, RateLimited, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pace", "is_overload"]

_FIRST = 4
_MORE_A_SECOND = 16.0
"""How fast the number grows before the first overload, whether answers are slow or fast."""
_BUSY = frozenset({503, 529})


class Pace:
    """How many calls may be under way, up to `most`: more with each round of successes, half as many after an overload.

    A round brings one more. Before the first overload it brings as many as its time allows, at most twice as many: slow
    answers are not waited for one by one, and fast ones do not let too many meet the first refusal. What was begun
    before the last halving tells nothing new: `round` is to be noted when a call begins.
    """

    def __init__(self, most: int, *, adaptive: bool) -> None:
        self._most = most
        self._limit = float(min(_FIRST, most) if adaptive else most)
        self._is_adaptive = adaptive
        self.round = 0
        """How often it was halved."""

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return int(self._limit)

    def note(self, begun: int, *, overloaded: bool, seconds: float = 0.0) -> None:
        """Learn from a call that was begun in this round and has ended after so many seconds."""
        if not self._is_adaptive:
            return
        if not overloaded:
            more = 1.0 if self.round else seconds * _MORE_A_SECOND
            self._limit = min(self._limit + min(more / self._limit, 1.0), float(self._most))
        elif begun == self.round:
            self._limit = max(1.0, self._limit / 2)
            self.round += 1


def is_overload(errors: Iterable[BaseException]) -> bool:
    """Say whether one of these errors tells of too much to do."""
    return any(
        isinstance(error, (RateLimited, ProviderTimeout)) or (isinstance(error, ServerError) and error.status in _BUSY)
        for error in errors
    )

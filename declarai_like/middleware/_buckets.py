"""How much may be used now, of what is refilled steadily; and how fast that is, where only refusals tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarai_like._wire.rate_headers import Allowance

__all__ = ["Bucket", "Episodes"]

_BURST_SECONDS = 1.0
_MINUTE = 60.0
_ENOUGH = 8
"""From so many requests on, the time between two refusals tells a rate."""
_CAUTION = 0.97
_GROWTH = 0.05
"""A rate that was only guessed grows by so much a minute, for as long as nothing is refused."""


class Bucket:
    """Holds what may be used at once; `rate` flows in each second. Its level may fall below zero: who took waits."""

    def __init__(self, rate: float, *, level: float | None = None, is_guess: bool = False) -> None:
        self.rate = rate
        self.is_guess = is_guess
        """Whether nobody has told the rate."""
        self._capacity = max(rate * _BURST_SECONDS, 1.0) if level is None else float(level)
        self._level = 0.0 if is_guess else self._capacity
        self._at: float | None = None

    def take(self, amount: float, now: float) -> float:
        """Take some out; give the seconds until it has flown in."""
        self._refill(now)
        self._level -= amount
        return max(0.0, -self._level / self.rate)

    def give_back(self, amount: float) -> None:
        """Put back what was taken and not used, or take out what was used beyond it."""
        self._level = min(self._level + amount, self._capacity)

    def cap(self, level: float, now: float) -> None:
        """Let no more be in it than somebody knows to be."""
        self._refill(now)
        self._level = min(self._level, level)

    def drain(self) -> None:
        """Let nothing be in it: somebody was refused."""
        self._level = min(self._level, 0.0)

    def adjust(self, told: Allowance) -> None:
        """Take a limit as it was told; one that is whole again after more than a minute is no minute's."""
        used = told.limit - (told.remaining or 0)
        is_longer = told.reset is not None and told.reset > _MINUTE and used > 0
        self.rate = used / told.reset if is_longer and told.reset else told.limit / _MINUTE
        self._capacity = float(told.limit)

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            passed = now - self._at
            if self.is_guess:
                self.rate *= 1 + _GROWTH * passed / _MINUTE
            self._level = min(self._level + passed * self.rate, self._capacity)
        self._at = now


class Episodes:
    """Tells a rate from what went through between two refusals: what may be used was used up at both."""

    def __init__(self) -> None:
        self._refused_at: float | None = None
        self._sent = 0

    def count(self) -> None:
        """Count a request that was sent."""
        self._sent += 1

    def end(self, now: float) -> float | None:
        """Note a refusal; give the requests a second since the one before it, or `None` if they are too few."""
        before, sent = self._refused_at, self._sent
        self._refused_at, self._sent = now, 0
        if before is None or sent < _ENOUGH or now <= before:
            return None
        return _CAUTION * (sent - 1) / (now - before)

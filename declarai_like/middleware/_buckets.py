"""How much may be used now, of what is refilled steadily; and how fast that is, where only refusals tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarai_like._wire.rate_headers import Allowance

__all__ = ["Bucket", "Episodes"]

_BURST_SECONDS = 1.0
_LEAST_BURST_SECONDS = 0.02
_MINUTE = 60.0
_ENOUGH = 8
"""From so many requests on, the time between two refusals tells a rate."""
_CAUTION = 0.95
_LONG_WAIT = 1.0
"""Seconds: while all waited so long, much has flown in on the other side, of which a rate that is too high may live."""
_COURAGE = 1.1
_SHARE_OF_WAIT = 0.9
"""How much of what has flown in during a long wait is used at once."""
_ROUGH_SHARE = 0.5
_ROUGH_GROWTH = 0.003
"""By how much a rate grows with each request that only the first refusal has told: it may be far too low."""
_GROWTH = 2e-7
"""Any other guess grows the faster, the more requests went through: by 2 % in 500, 10 % in 1,000."""


class Bucket:
    """Holds what may be used at once; `rate` flows in each second. Its level may fall below zero: who took waits."""

    def __init__(
        self, rate: float, *, capacity: float | None = None, is_guess: bool = False, is_rough: bool = False
    ) -> None:
        self.rate = rate
        self.is_guess = is_guess
        """Whether nobody has told the rate."""
        self._is_rough = is_rough
        self._capacity = max(rate * _BURST_SECONDS if capacity is None else capacity, 1.0)
        self._level = self._capacity
        self._at: float | None = None
        self._taken = 0

    @classmethod
    def guessed(cls, rate: float, now: float, wait: float, *, is_rough: bool = False) -> Bucket:
        """Make a bucket of a rate that a refusal has told, and which is `is_rough` if that was the first one.

        It is empty, and fills when its users have waited, not much before: who goes at once is refused together.
        """
        is_long = wait >= _LONG_WAIT
        rate *= _ROUGH_SHARE if is_rough else _COURAGE if is_long else _CAUTION
        bucket = cls(rate, capacity=rate * _LEAST_BURST_SECONDS, is_guess=True, is_rough=is_rough)
        bucket._level = 0.0
        bucket._at = now + wait - (_SHARE_OF_WAIT * min(wait, _BURST_SECONDS) if is_long else 0.0)
        return bucket

    def take(self, amount: float, now: float) -> float:
        """Take some out; give the seconds until it has flown in."""
        self._refill(now)
        if self.is_guess:
            self._taken += 1
            self.rate *= 1 + (_ROUGH_GROWTH if self._is_rough else _GROWTH * self._taken)
        self._level -= amount
        return max(0.0, -self._level / self.rate + max(0.0, (self._at or now) - now))

    def give_back(self, amount: float) -> None:
        """Put back what was taken and not used, or take out what was used beyond it."""
        self._level = min(self._level + amount, self._capacity)

    def cap(self, level: float, now: float) -> None:
        """Let no more be in it than somebody knows to be."""
        self._refill(now)
        self._level = min(self._level, level)

    def drain(self, now: float) -> None:
        """Let nothing be in it: somebody was refused."""
        self.cap(0.0, now)

    def adjust(self, told: Allowance) -> None:
        """Take a limit as it was told; one that is whole again after more than a minute is no minute's."""
        used = told.limit - (told.remaining or 0)
        is_longer = told.reset is not None and told.reset > _MINUTE and used > 0
        self.rate = used / told.reset if is_longer and told.reset else told.limit / _MINUTE
        self._capacity = float(told.limit)

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._level = min(self._level + (now - self._at) * self.rate, self._capacity)
        self._at = now if self._at is None else max(now, self._at)


class Episodes:
    """Tells a rate from what went through between two refusals: what may be used was used up at both.

    Up to the first refusal it is more than that, since what was there at the beginning was used up too.
    """

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._sent = 0
        self.told = 0
        """How often a rate was told: the first one is no more than a hint."""

    def send(self, now: float) -> None:
        """Count a request that is sent."""
        self._began_at = now if self._began_at is None else self._began_at
        self._sent += 1

    def refuse(self, sent_at: float) -> None:
        """Take back a request that was sent then."""
        if self._began_at is not None and sent_at >= self._began_at:
            self._sent -= 1

    def end(self, now: float) -> float | None:
        """Tell the requests a second that went through since the refusal before this one; `None` if too few did."""
        if self._began_at is None or self._sent < _ENOUGH or now <= self._began_at:
            return None
        rate = self._sent / (now - self._began_at)
        self._began_at, self._sent, self.told = now, 0, self.told + 1
        return rate

"""How often one model may be asked: buckets of requests and tokens, and a gate that a refusal closes for all.

Nothing here waits: each method is told the time. A gate is shared by threads and event loops; its lock is held for
some lines only, in which nothing is called that could wait.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING

from declarai_like.middleware._buckets import Bucket, Episodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.rate_headers import Allowance

__all__ = ["Gate", "Pass"]

_LONGEST_CLOSURE = 60.0
_PROBE_SECONDS = 1.0
"""So long the first one through is waited for: a refusal comes sooner."""
_EVENNESS = 0.7
_POLL = 0.02
_SHORTEST_CLOSURE = 0.25
"""Seconds: whoever is told to wait for less finds as little to use as before."""
_LEAST_EXCESS, _MOST_EXCESS = 0.1, 10.0
_FORGETTING = 0.1


@dataclass(slots=True, eq=False)
class Pass:
    """One request on its way through a gate: the tokens that are set aside for it, and when it may go."""

    tokens: int
    ready_at: float
    estimate: int
    """The tokens that its caller has told, which others count in their own way."""
    sent_at: float | None = None
    """When it went; `None` as long as it waits."""


class Gate:
    """Lets requests through as fast as one model may be asked with one key.

    `rpm` and `tpm` are the requests and tokens a minute that the caller has named; what is not named is learned from
    headers, and where there are none from refusals.
    """

    def __init__(self, *, rpm: float | None = None, tpm: float | None = None) -> None:
        self._lock = threading.RLock()  # re-entrant: the garbage collector may close a call in here
        self._told = {"requests": rpm, "tokens": tpm}
        self._buckets = {name: Bucket(rate / 60) for name, rate in self._told.items() if rate is not None}
        self._episodes = Episodes()
        self._under_way: dict[Pass, None] = {}
        self._closed_at = self._closed_until = float("-inf")
        self._next_at = float("-inf")
        self._refusals_in_a_row = 0
        self._excess: float | None = None
        """How many times the estimate of a request's tokens was used, on average."""
        self._probe: Pass | None = None
        self.mean_completion: float | None = None
        """The tokens of an answer, on average; `None` before the first one."""
        self.mean_seconds: float | None = None
        """How long an answer takes, on average; `None` before the first one."""

    def tell(self, *, rpm: float | None, tpm: float | None) -> None:
        """Take the limits that a caller names, in the place of those that were named or learned before."""
        with self._lock:
            for name, rate in (("requests", rpm), ("tokens", tpm)):
                if rate is not None and rate != self._told[name]:
                    self._told[name], self._buckets[name] = rate, Bucket(rate / 60)

    def ask(self, tokens: int, now: float) -> Pass:
        """Set a request and its tokens aside, and say when it may go."""
        with self._lock:
            estimate, tokens = tokens, round(tokens * min(max(self._excess or 1.0, _LEAST_EXCESS), _MOST_EXCESS))
            waits = [bucket.take(self._amount(name, tokens), now) for name, bucket in self._buckets.items()]
            turn = Pass(tokens, now + max(waits, default=self._spread(now)), estimate)
            self._under_way[turn] = None
            return turn

    def wait_of(self, turn: Pass, now: float) -> float:
        """Give the seconds after which to ask again, or 0 to send now."""
        with self._lock:
            wait = max(turn.ready_at, self._closed_until) - now
            if wait <= 0:
                wait = self._wait_for_probe(turn, now)
            if wait <= 0:
                turn.sent_at = now
                self._episodes.send(now)
            return max(wait, 0.0)

    def settle(self, turn: Pass, used: int | None, now: float, *, completion: int | None = None) -> None:
        """Correct what was set aside by the tokens that were used; `None` if nobody knows."""
        with self._lock:
            self._leave(turn)
            if used is not None:
                self._excess = _mean(self._excess, used / max(turn.estimate, 1))
            if "tokens" in self._buckets and used is not None:
                self._buckets["tokens"].give_back(turn.tokens - used)
            sent_at = now if turn.sent_at is None else turn.sent_at
            if sent_at >= self._closed_at:
                self._refusals_in_a_row, self._probe = 0, None
            self.mean_seconds = _mean(self.mean_seconds, now - sent_at)
            if completion is not None:
                self.mean_completion = _mean(self.mean_completion, completion)

    def refuse(self, turn: Pass, retry_after: float | None, now: float) -> None:
        """Close the gate for all: as long as the other side asks, or 1, 2, 4 ... 60 seconds and up to a quarter more.

        Requests that were under way when it closed, and are refused too, keep it closed no longer.
        """
        with self._lock:
            self._leave(turn)
            sent_at = now if turn.sent_at is None else turn.sent_at
            self._episodes.refuse(sent_at)
            is_first = sent_at >= self._closed_until
            if is_first:
                self._refusals_in_a_row += 1
                own = min(2.0 ** (self._refusals_in_a_row - 1), _LONGEST_CLOSURE) * uniform(1, 1.25)  # noqa: S311 - no secret
                wait = own if retry_after is None else max(retry_after, _SHORTEST_CLOSURE)
                self._closed_until, self._closed_at = now + wait, now
                self._learn_by_refusal(now, wait)
            elif retry_after is not None:
                self._closed_until = max(self._closed_until, now + retry_after)
            self._probe = None
            for bucket in self._buckets.values():
                bucket.drain(now)

    def abandon(self, turn: Pass) -> None:
        """Give up a request that was not answered, or never sent."""
        with self._lock:
            self._leave(turn)
            if self._probe is turn:
                self._probe = None

    def learn(self, told: Mapping[str, Allowance], now: float) -> None:
        """Take the limits that an answer tells; those that the caller has named stay, but what is left holds."""
        with self._lock:
            for name, allowance in told.items():
                bucket = self._buckets.get(name)
                if bucket is None or bucket.is_guess:
                    bucket = self._buckets[name] = Bucket(allowance.limit / 60, capacity=allowance.limit)
                if self._told[name] is None:
                    bucket.adjust(allowance)
                if allowance.remaining is not None:
                    bucket.cap(allowance.remaining - self._promised(name), now)

    def closed_for(self, now: float) -> float:
        """Give the seconds until somebody may go again after a refusal."""
        return max(0.0, self._closed_until - now)

    @property
    def is_closed(self) -> bool:
        """Whether the last request that was answered was refused."""
        return self._refusals_in_a_row > 0

    def _spread(self, now: float) -> float:
        """Where nothing is known of limits, let requests go one after the other, so that few meet the first refusal.

        The gaps are seven tenths of what they would be if all that is under way were spread evenly.
        """
        longest = (self.mean_seconds or 0.0) * _EVENNESS
        at = min(max(self._next_at, now), now + longest)
        self._next_at = at + longest / (len(self._under_way) + 1)
        return at - now

    def _wait_for_probe(self, turn: Pass, now: float) -> float:
        """After it was closed one goes first, and the others wait for what becomes of it."""
        if not self._refusals_in_a_row:
            return 0.0
        if self._probe is None:
            self._probe = turn
            return 0.0
        if self._probe.sent_at is None or now - self._probe.sent_at > _PROBE_SECONDS:
            return 0.0
        return _POLL

    def _learn_by_refusal(self, now: float, wait: float) -> None:
        """Where nobody tells the limit: from refusal to refusal just so much went through as may."""
        rate = self._episodes.end(now)
        known = self._buckets.get("requests")
        if rate is not None and (known is None or known.is_guess) and "tokens" not in self._buckets:
            bucket = Bucket.guessed(rate, now, wait, is_rough=self._episodes.told == 1)
            self._buckets["requests"] = bucket
            waiting = [turn for turn in tuple(self._under_way) if turn.sent_at is None]
            for turn in sorted(waiting, key=_ready_at):
                turn.ready_at = now + bucket.take(1, now)  # what it was told before was by another rate

    def _promised(self, name: str) -> int:
        """What is set aside for requests whose answers have not come."""
        return sum(self._amount(name, turn.tokens) for turn in tuple(self._under_way))

    @staticmethod
    def _amount(name: str, tokens: int) -> int:
        return tokens if name == "tokens" else 1

    def _leave(self, turn: Pass) -> None:
        self._under_way.pop(turn, None)


def _ready_at(turn: Pass) -> float:
    return turn.ready_at


def _mean(known: float | None, value: float) -> float:
    """Give the mean of late values, in which older ones count less and less."""
    return value if known is None else known + (value - known) * _FORGETTING

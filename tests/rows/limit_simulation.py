"""A map before a token bucket, in simulated time: the gate and the pace are ours, the rest is a queue of events."""
# ruff: noqa: S311 - no secret, only delays

import heapq
import itertools
import random

from declarai_like._rows.pacing import Pace
from declarai_like.middleware._gates import Gate

TO_SERVER, REFUSAL = 0.3, 0.004
"""When a request arrives, as a share of its latency; how many seconds a refusal takes."""


class Simulation:
    """A map of `rows` rows, of which `rate` a second are allowed, and a second's worth of them at once."""

    def __init__(self, *, rows, rate, latency, tells_wait, seed, most=32):
        self.left, self.rate, self.latency, self.tells_wait = rows, rate, latency, tells_wait
        self.gate, self.pace = Gate(), Pace(most, adaptive=True)
        self.chance = random.Random(seed)
        self.level, self.filled_at = float(rate), 0.0
        self.running = self.accepted = self.refused = 0
        self.events, self.numbers = [], itertools.count()
        self.now = 0.0
        self.last_at = 0.0

    def run(self):
        self.begin()
        while self.events:
            self.now, _, event, told = heapq.heappop(self.events)
            event(*told)
        return self

    @property
    def share_of_rate(self):
        return self.accepted / (self.rate + self.rate * self.last_at)

    def later(self, seconds, event, *told):
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), event, told))

    def begin(self):
        while self.left and self.running < self.pace.limit:
            self.left, self.running = self.left - 1, self.running + 1
            self.ask(self.now, self.pace.round)

    def ask(self, begun, number):
        self.wait(self.gate.ask(50, self.now), begun, number)

    def wait(self, turn, begun, number):
        seconds = self.gate.wait_of(turn, self.now)
        if seconds > 0:
            self.later(seconds + 0.0005, self.wait, turn, begun, number)
            return
        latency = self.latency * self.chance.lognormvariate(0, 0.3)
        self.later(latency * TO_SERVER, self.arrive, turn, begun, number, latency * (1 - TO_SERVER))

    def arrive(self, turn, begun, number, rest):
        self.level = min(self.rate, self.level + (self.now - self.filled_at) * self.rate)
        self.filled_at = self.last_at = self.now
        if self.level < 1:
            self.refused += 1
            self.later(REFUSAL, self.refuse, turn, begun, number, (1 - self.level) / self.rate)
            return
        self.level, self.accepted = self.level - 1, self.accepted + 1
        self.later(rest, self.answer, turn, begun, number)

    def refuse(self, turn, begun, number, seconds):
        self.gate.refuse(turn, seconds + 0.001 if self.tells_wait else None, self.now)
        self.ask(begun, number)

    def answer(self, turn, begun, number):
        self.gate.settle(turn, 55, self.now, completion=5)
        self.pace.note(number, overloaded=False, seconds=self.now - begun)
        self.running -= 1
        self.begin()

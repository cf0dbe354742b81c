"""One call on its way through the gate before its provider: it waits, asks, and is let through anew when refused."""

from __future__ import annotations

import threading
import time
from contextlib import aclosing, closing, contextmanager
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.tokens import count_tokens
from declarai_like._wire.rate_headers import read_allowance
from declarai_like.errors import ProviderConnectionError, ProviderTimeout, RateLimited
from declarai_like.middleware._kept_answers import WrappedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping

    from declarai_like._calls.operations import Flow, Next
    from declarai_like.middleware._gates import Gate, Pass
    from declarai_like.requests import Provider, Request

__all__ = ["LONGEST_WAIT", "GateVisit", "GatedProvider"]

LONGEST_WAIT = 600.0
"""Seconds that one call waits in all because requests were refused."""
_LIMITS_OF_ANSWERS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class GateVisit:
    """The middleware of one call: it puts the gate before whoever is asked, for each of the call's requests.

    With `timeout` the time that is spent before the gate does not count against the call's own.
    """

    def __init__(self, gate_of: Callable[[Provider, str], Gate], *, timeout: float | None = None) -> None:
        self._gate_of = gate_of
        self._timeout = timeout
        self._started = time.monotonic()
        self._waited = self._refused_wait = 0.0
        self.refusals = 0
        """How often the provider said that it was too much; these are no attempts of the call."""

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send through the gate; an answer that was kept needs none."""
        provider = request.provider
        if provider is None or getattr(provider, "is_cache", False):
            return (yield from send(request))
        gated = GatedProvider(provider, self._gate_of(provider, request.model), self)
        return (yield from send(request.replace(provider=gated)))

    def count_wait(self, seconds: float, *, is_closed: bool) -> None:
        """Note that so long nothing was asked, and whether that was because somebody was refused."""
        self._waited += seconds
        self._refused_wait += seconds * is_closed

    def has_waited_enough(self, seconds: float) -> bool:
        """Say whether it would be too much to wait for so long because of refusals."""
        return self._refused_wait + seconds > LONGEST_WAIT

    def shorten(self, request: Request, gate: Gate) -> Request:
        """Give the request as it is sent: with the time that the call has left, and heard by the gate."""

        def hear(headers: Mapping[str, str]) -> None:
            told = read_allowance(headers)
            if told:
                gate.learn(told, time.monotonic())
            if before is not None:
                before(headers)

        before, limits = request.on_headers, request.limits
        if self._timeout is not None and limits.timeout is not None:
            left = self._timeout - (time.monotonic() - self._started - self._waited)
            if left <= 0:
                raise ProviderTimeout(f"the call's time of {self._timeout} s is over: raise timeout=")
            limits = limits.replace(timeout=min(left, limits.timeout), timeout_set=self._timeout)
        return request.replace(on_headers=hear, limits=limits)


class GatedProvider(WrappedProvider):
    """A provider behind a gate. A request that is refused as one too many waits and is sent again, by itself."""

    def __init__(self, provider: Provider, gate: Gate, visit: GateVisit) -> None:
        super().__init__(provider)
        self._gate = gate
        self._visit = visit

    def __getattr__(self, name: str) -> Any:
        """Give what else the provider tells of itself."""
        if name == "provider":  # of a copy that is not made yet
            raise AttributeError(name)
        return getattr(self.provider, name)

    def send(self, request: Request) -> dict[str, Any]:
        """Wait, send a request, and wait for the whole answer."""
        while True:
            turn = self._gate.ask(self._tokens(request), time.monotonic())
            with self._leaving(turn) as answered:
                for seconds in self._waits(turn, request):
                    _pause(seconds, request)
                body = self.asked.send(self._visit.shorten(request, self._gate))
                answered(body)
                return body

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        while True:
            turn = self._gate.ask(self._tokens(request), time.monotonic())
            with self._leaving(turn) as answered:
                for seconds in self._waits(turn, request):
                    await _apause(seconds)
                body = await self.asked.asend(self._visit.shorten(request, self._gate))
                answered(body)
                return body

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Wait, send a request, and give its chunks."""
        is_whole = False
        while not is_whole:
            turn = self._gate.ask(self._tokens(request), time.monotonic())
            with self._leaving(turn) as answered:
                for seconds in self._waits(turn, request):
                    _pause(seconds, request)
                with closing(self.asked.stream(self._visit.shorten(request, self._gate))) as chunks:
                    for chunk in chunks:
                        answered(chunk)
                        yield chunk
                is_whole = True

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        is_whole = False
        while not is_whole:
            turn = self._gate.ask(self._tokens(request), time.monotonic())
            with self._leaving(turn) as answered:
                for seconds in self._waits(turn, request):
                    await _apause(seconds)
                async with aclosing(self.asked.astream(self._visit.shorten(request, self._gate))) as chunks:
                    async for chunk in chunks:
                        answered(chunk)
                        yield chunk
                is_whole = True

    def _tokens(self, request: Request) -> int:
        """Estimate what a request takes: its prompt, and its longest answer, or one as they are on average."""
        prompt = sum(map(count_tokens, request.texts))
        longest = next((request.params[name] for name in _LIMITS_OF_ANSWERS if request.params.get(name)), None)
        return prompt + int(longest or self._gate.mean_completion or 0)

    def _waits(self, turn: Pass, request: Request) -> Iterator[float]:
        """Give how long to wait, again and again, until the request may go."""
        while (seconds := self._gate.wait_of(turn, time.monotonic())) > 0:
            began = time.monotonic()
            closed = self._gate.closed_for(began)
            if self._visit.has_waited_enough(closed):
                raise RateLimited(
                    f"{self.name} has refused too many requests, and none may be sent for {closed:.0f} s: "
                    "this one was not sent",
                    retry_after=closed,
                )
            yield seconds
            self._visit.count_wait(time.monotonic() - began, is_closed=closed > 0)
        if _is_left(request):
            raise _left_error()

    @contextmanager
    def _leaving(self, turn: Pass) -> Iterator[Callable[[Any], None]]:
        """Tell the gate what became of a request; a refusal that may pass is not raised. Gives what hears of chunks."""
        usage: dict[str, Any] = {}
        is_refused = True

        def hear(chunk: Any) -> None:
            nonlocal is_refused
            is_refused = False
            told = chunk.get("usage") if isinstance(chunk, dict) else None
            if isinstance(told, dict):
                usage.update(told)

        try:
            yield hear
        except RateLimited as error:
            if turn.sent_at is None or not error.retryable:  # it was not sent, or no quota is left
                self._gate.abandon(turn)
                raise
            self._visit.refusals += 1
            self._gate.refuse(turn, error.retry_after, time.monotonic())
            if not is_refused or self._visit.has_waited_enough(error.retry_after or 0.0):
                raise
        except BaseException:
            self._gate.abandon(turn)
            raise
        else:
            prompt, completion = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
            used = None if prompt is None or completion is None else prompt + completion
            self._gate.settle(turn, used, time.monotonic(), completion=completion)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _pause(seconds: float, request: Request) -> None:
    """Wait in this thread, no longer than until somebody hangs up."""
    hang_up = request.limits.hang_up
    if hang_up is None:
        time.sleep(seconds)
        return
    woken = threading.Event()
    hang_up.arm(woken.set)
    try:
        if woken.wait(seconds):
            raise _left_error()
    finally:
        hang_up.disarm()


async def _apause(seconds: float) -> None:
    from asyncio import sleep

    await sleep(seconds)


def _is_left(request: Request) -> bool:
    return request.limits.hang_up is not None and request.limits.hang_up.is_requested


def _left_error() -> ProviderConnectionError:
    return ProviderConnectionError("the call was left before its request was sent", retryable=False)

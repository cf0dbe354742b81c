"""Two requests for one answer: whichever brings content first is read on, the other one is closed."""

from __future__ import annotations

import time
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Any

from declarai_like._calls.budgets import count_request
from declarai_like._wire.deltas import choices_of, delta_of, tells
from declarai_like.errors import LimitExceeded, ProviderConnectionError, ProviderError, ProviderTimeout
from declarai_like.middleware._background_requests import (
    BackgroundRequest,
    Reader,
    end_of,
    seconds_left,
    timeout_error,
)
from declarai_like.middleware._kept_answers import StreamingWrapper
from declarai_like.providers._stand_ins import stand_in_for
from declarai_like.responses import Attempt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from declarai_like._calls.budgets import Spent
    from declarai_like._calls.spending import Reservation
    from declarai_like.requests import HangUp, Request


class HedgedProvider(StreamingWrapper):
    """Asks one provider, and another one too where the first brings nothing in time."""

    def __init__(
        self,
        request: Request,
        spare: Request,
        after: float,
        may_hedge: Callable[[], bool],
        budgets: tuple[Spent, ...],
    ) -> None:
        super().__init__(request.provider)
        self._spare = spare
        self._after = after
        self._may_hedge = may_hedge
        self._budgets = budgets
        self._reservations: tuple[Reservation, ...] = ()
        self.losses: list[Attempt] = []
        """The request that was not read on, if there was one."""
        self.answered_by: Request | None = None
        """The request whose answer was read, once that is known."""

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the chunks of the answer that begins first."""
        news = Event()
        own_hang_up = request.limits.hang_up
        if own_hang_up is not None:
            own_hang_up.arm(news.set)
        race = Race(self, request, news.set)
        try:
            while True:
                news.clear()
                yield from race.advance()
                if race.is_over:
                    break
                if not news.wait(race.seconds_left) and race.is_late:
                    raise timeout_error(request)
                if own_hang_up is not None and own_hang_up.is_requested:
                    raise ProviderConnectionError("the stream was closed")
        finally:
            race.close()

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        import asyncio

        loop, news = asyncio.get_running_loop(), asyncio.Event()
        race = Race(self, request, lambda: loop.call_soon_threadsafe(news.set))
        try:
            while True:
                news.clear()
                for row in race.advance():
                    yield row
                if race.is_over:
                    break
                try:
                    await asyncio.wait_for(news.wait(), race.seconds_left)
                except asyncio.TimeoutError:
                    if race.is_late:
                        raise timeout_error(request) from None
        finally:
            race.close()

    def ask_spare(self, request: Request) -> Request | None:
        """Give the request to the backup; `None` if a budget allows no more."""
        try:
            self._reservations = count_request(self._budgets, self._spare)
        except LimitExceeded:
            return None
        limits = self._spare.limits.replace(timeout=request.limits.timeout)
        return self._spare.replace(stream=request.stream, limits=limits)

    def settle(self) -> None:
        """Count the request whose answer was not read; the call counts the other one."""
        for reservation in self._reservations:
            reservation.give_up()
        self._reservations = ()

    @property
    def after(self) -> float:
        """The seconds after which the backup is asked too."""
        return self._after

    def may_hedge(self) -> bool:
        """Say whether the backup may be asked because the first is slow."""
        return self._may_hedge()

    def note(self, winner: Request, losses: list[Attempt]) -> None:
        """Note who answers, and what became of the other one."""
        self.answered_by = winner
        self.losses = losses


class Contender:
    """One of the requests, and how far it was read."""

    def __init__(self, request: Request, wake: Callable[[], object]) -> None:
        self.request = request
        self.started = time.monotonic()
        self._reader = Reader(wake)
        self._background = BackgroundRequest(self._produce)
        self._background.join(self._reader)
        self._background.begin()
        self._read = 0

    @property
    def error(self) -> BaseException | None:
        """What has ended it, before it has brought content."""
        return self._background.error

    @property
    def is_over(self) -> bool:
        """Whether all of it has been read."""
        return self._background.is_over and self._read == len(self._background.rows)

    def has_content(self) -> bool:
        """Say whether the answer has begun, or has ended without a fault."""
        background = self._background
        return any(map(_brings_content, list(background.rows))) or (background.is_over and background.error is None)

    def take(self) -> Generator[dict[str, Any], None, None]:
        """Give what has come and was not read yet; raises its error at its end."""
        while self._read < len(self._background.rows):
            self._read += 1
            yield self._background.rows[self._read - 1]
        if self.is_over:
            self._background.raise_error()

    def close(self) -> None:
        """End it; its connection is closed at once."""
        self._background.leave(self._reader)

    def _produce(self, hang_up: HangUp) -> Generator[Any, None, None]:
        request = self.request.replace(limits=self.request.limits.replace(hang_up=hang_up))
        provider = stand_in_for(request.provider)  # type: ignore[arg-type]  # a request that is sent has one
        if not request.stream:
            yield provider.send(request)
            return
        with closing(provider.stream(request)) as chunks:
            yield from chunks


class Race:
    """The first request, the backup once it is asked, and the one that has won."""

    def __init__(self, provider: HedgedProvider, request: Request, wake: Callable[[], object]) -> None:
        self._provider = provider
        self._request = request
        self._wake = wake
        self._end = end_of(request)
        first = request.replace(provider=provider.provider)
        self._contenders = [Contender(first, wake)]
        self._hedge_at: float | None = time.monotonic() + provider.after
        self._winner: Contender | None = None

    @property
    def is_over(self) -> bool:
        """Whether the answer has been read to its end."""
        return self._winner is not None and self._winner.is_over

    @property
    def seconds_left(self) -> float | None:
        """How long to wait for news: to the moment at which the backup is asked, or the time is over."""
        moments = [moment for moment in (self._end, self._hedge_at) if moment is not None]
        return seconds_left(min(moments)) if moments else None

    @property
    def is_late(self) -> bool:
        """Whether the call's own time is over."""
        return self._end is not None and time.monotonic() >= self._end

    def advance(self) -> Generator[dict[str, Any], None, None]:
        """Give what may be read by now: nothing before one has won."""
        if self._winner is None:
            self._decide()
        if self._winner is not None:
            yield from self._winner.take()

    def close(self) -> None:
        """End all that is under way."""
        for contender in self._contenders:
            contender.close()
        self._provider.settle()

    def _decide(self) -> None:
        winner = next((one for one in self._contenders if one.has_content()), None)
        if winner is None:
            self._ask_more()
            failed = [one for one in self._contenders if one.error is not None]
            winner = self._contenders[-1] if len(failed) == len(self._contenders) else None
        if winner is None:
            return
        self._winner, self._hedge_at = winner, None
        losers = [one for one in self._contenders if one is not winner]
        attempts = [_attempt_of(loser, self._provider.after) for loser in losers]  # before closing is their error
        for loser in losers:
            loser.close()
        self._provider.note(winner.request, attempts)

    def _ask_more(self) -> None:
        """Ask the backup, if the first has failed in a way that may pass, or is slow."""
        if self._hedge_at is None:
            return
        error = self._contenders[0].error
        is_slow = time.monotonic() >= self._hedge_at
        if error is not None or is_slow:
            self._hedge_at = None
            may_ask = self._provider.may_hedge() if error is None else _may_pass(error)
            spare = self._provider.ask_spare(self._request) if may_ask else None
            if spare is not None:
                self._contenders.append(Contender(spare, self._wake))


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.retryable


def _attempt_of(loser: Contender, after: float) -> Attempt:
    """Tell of the request that was not read on; nobody knows what it has cost."""
    error = loser.error or ProviderTimeout(f"the other model began to answer first (hedge, after={after:g} s)")
    return Attempt(error, seconds=time.monotonic() - loser.started)


def _brings_content(row: Any) -> bool:
    """Say whether a chunk brings anything of an answer: text, thinking, a call, or its end."""
    return any(choice.get("finish_reason") or tells(delta_of(choice, begun=False)) for _, choice in choices_of(row))

"""One request for all who ask the same at the same time: a thread reads the answer, and everybody reads along."""

from __future__ import annotations

import os
from contextlib import closing
from threading import Event, RLock
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ProviderConnectionError
from declarai_like.middleware._background_requests import (
    BackgroundRequest,
    Reader,
    end_of,
    seconds_left,
    timeout_error,
)
from declarai_like.middleware._kept_answers import StreamingWrapper, load_rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from declarai_like.requests import HangUp, Request

__all__ = ["SharedProvider", "SharedRequests"]


class SharedRequests:
    """The requests that are under way, by what they ask."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler, or the garbage collector, may come here while this thread is here
        self._process = os.getpid()
        self._under_way: dict[str, BackgroundRequest] = {}

    def provider(self, key: str, provider: Any, look_up: Callable[[], str | None]) -> SharedProvider:
        """Give a provider whose answers are shared; `look_up` tells what was kept meanwhile."""
        return SharedProvider(self, key, provider, look_up)

    def join(self, key: str, start: Callable[[], BackgroundRequest], reader: Reader) -> BackgroundRequest:
        """Read along with the request that asks the same, or start it."""
        with self._here():
            request = self._under_way.get(key)
            if request is None or not request.join(reader):
                request = self._under_way[key] = start()
                request.join(reader)
                request.begin()
            return request

    def remove(self, key: str, request: BackgroundRequest | None) -> None:
        """Forget a request: who asks now asks anew."""
        with self._here():
            if self._under_way.get(key) is request:
                del self._under_way[key]

    def _here(self) -> RLock:
        """Give the lock of this process: a child that was forked has none of its parent's threads."""
        if self._process != os.getpid():  # pragma: no cover - in a forked child
            self._lock, self._process, self._under_way = RLock(), os.getpid(), {}
        return self._lock


class SharedProvider(StreamingWrapper):
    """Gives each caller the whole answer to a request that is made once."""

    def __init__(self, shared: SharedRequests, key: str, provider: Any, look_up: Callable[[], str | None]) -> None:
        super().__init__(provider)
        self._shared = shared
        self._key = key
        self._look_up = look_up
        self._joined: BackgroundRequest | None = None

    @property
    def rows(self) -> list[Any]:
        """What has come."""
        return [] if self._joined is None else self._joined.rows

    def claim(self) -> bool:
        """Say whether it is this caller who keeps the answer; it is one of all."""
        joined = self._joined
        if joined is None or joined.is_claimed:
            return False
        joined.is_claimed = True
        return True

    def forget(self) -> None:
        """Have nobody join any more."""
        self._shared.remove(self._key, self._joined)

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the chunks as they arrive, from the first one on."""
        news = Event()
        joined, reader = self._join(request, news.set)
        end, position, own_hang_up = end_of(request), 0, request.limits.hang_up
        if own_hang_up is not None:
            own_hang_up.arm(news.set)
        try:
            while True:
                news.clear()
                while position < len(joined.rows):
                    position += 1
                    yield joined.rows[position - 1]
                if joined.is_over and position == len(joined.rows):
                    joined.raise_error()
                    return
                if not news.wait(seconds_left(end)):
                    raise timeout_error(request)
                if own_hang_up is not None and own_hang_up.is_requested:
                    raise ProviderConnectionError("the stream was closed")
        finally:
            self._leave(joined, reader)

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        import asyncio

        loop, news = asyncio.get_running_loop(), asyncio.Event()
        joined, reader = self._join(request, lambda: loop.call_soon_threadsafe(news.set))
        end, position = end_of(request), 0
        try:
            while True:
                news.clear()
                while position < len(joined.rows):
                    position += 1
                    yield joined.rows[position - 1]
                if joined.is_over and position == len(joined.rows):
                    joined.raise_error()
                    return
                try:
                    await asyncio.wait_for(news.wait(), seconds_left(end))
                except asyncio.TimeoutError:
                    raise timeout_error(request) from None
        finally:
            self._leave(joined, reader)

    def _join(self, request: Request, wake: Callable[[], object]) -> tuple[BackgroundRequest, Reader]:
        reader = Reader(wake)

        def start() -> BackgroundRequest:
            return BackgroundRequest(lambda hang_up: self._ask(request, hang_up))

        self._joined = self._shared.join(self._key, start, reader)
        return self._joined, reader

    def _leave(self, joined: BackgroundRequest, reader: Reader) -> None:
        if joined.leave(reader):
            self._shared.remove(self._key, joined)

    def _ask(self, request: Request, hang_up: HangUp) -> Generator[Any, None, None]:
        """Give what was kept a moment ago, or ask."""
        kept = self._look_up()
        if kept is not None:
            yield from load_rows(kept)
            return
        # Each who reads along keeps to a time limit of his own.
        request = request.replace(limits=request.limits.replace(timeout=None, hang_up=hang_up))
        if not request.stream:
            yield self.asked.send(request)
            return
        with closing(self.asked.stream(request)) as chunks:
            yield from chunks

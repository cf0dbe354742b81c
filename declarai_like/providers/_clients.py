"""The HTTP clients: one per process for blocking calls, one per event loop for awaiting ones."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, finalize, ref

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping


class Clients:
    """Builds clients when they are first needed, and never shares a socket between processes or loops.

    `owns` and `owns_async` say whether the connections of the blocking and the awaiting clients are ours to close.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        build_async: Callable[[], Any],
        *,
        owns: bool = True,
        owns_async: bool = True,
    ) -> None:
        self._build = build
        self._build_async = build_async
        self._owns = owns
        self._owns_async = owns_async
        self._abandoned: list[Any] = []
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._client: Any = None
        self._closing: finalize[Any, Any] | None = None
        self._by_loop: WeakKeyDictionary[Any, _LoopClient] = WeakKeyDictionary()

    def _check_process(self) -> None:
        """Start anew in a forked process: the lock may be held for ever, and the sockets are the parent's."""
        if self._pid != os.getpid():
            self._abandoned.append((self._client, self._by_loop))  # kept, so that nothing of the parent's is closed
            self._start()

    def blocking(self) -> Any:
        """Give this process's client."""
        self._check_process()
        if self._client is None:
            with self._lock:
                if self._client is None:
                    client = self._client = self._build()
                    if self._owns:
                        self._closing = finalize(self, client.close)
        return self._client

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have the next call use a new client if this one is interrupted, in the midst of the library.

        Its lock may have been left taken for ever then. Calls of other threads go on with the old client, whose
        connections end with them.
        """
        try:
            yield
        except (Exception, GeneratorExit):
            raise
        except BaseException:
            self._forget()
            raise

    @contextmanager
    def aused(self) -> Iterator[None]:
        """Do what `used` does for the running loop's client, which is closed when its loop ends."""
        from asyncio import CancelledError, get_running_loop

        try:
            yield
        except (Exception, GeneratorExit, CancelledError):
            raise
        except BaseException:
            self._by_loop.pop(get_running_loop(), None)
            raise

    def _forget(self) -> None:
        if self._owns:
            closing, self._client, self._closing = self._closing, None, None
            if closing is not None:
                closing.detach()

    async def awaiting(self) -> Any:
        """Give the running loop's client.

        It is closed when the loop shuts down its async generators, or when nobody has these clients any more.
        """
        from asyncio import get_running_loop

        self._check_process()
        loop = get_running_loop()
        kept = self._by_loop.get(loop)
        if kept is None:
            self._forget_closed_loops()
            kept = _LoopClient(self._build_async(), owned=self._owns_async)
            keeper = _keep_open(kept, self._by_loop, ref(loop))
            kept.release = finalize(self, _release, ref(loop), kept, keeper, self._pid)
            kept.release.atexit = False
            await anext(keeper)  # before anybody may use the client: an interrupt in between leaves nothing open
            self._by_loop[loop] = kept
        return kept.client

    def _forget_closed_loops(self) -> None:
        """Let go of clients whose loops have ended without a word: nothing can close them any more."""
        for loop, kept in list(self._by_loop.items()):
            if loop.is_closed():
                kept.release.detach()
                del self._by_loop[loop]


class _LoopClient:
    """One loop's client, closed once, by whoever comes first; it knows nothing of those who use it."""

    def __init__(self, client: Any, *, owned: bool) -> None:
        from asyncio import Lock

        self.client = client
        self.release: Any = None
        """What closes it when those who use it are gone; to be detached when it is closed."""
        self._is_open = owned
        self._lock = Lock()

    async def close(self) -> None:
        """Close the client if it is ours and open; who comes second waits for the first."""
        async with self._lock:
            if not self._is_open:
                return
            await self.client.aclose()
            self._is_open = False


async def _keep_open(
    kept: _LoopClient, by_loop: MutableMapping[Any, _LoopClient], loop: ref[AbstractEventLoop]
) -> AsyncGenerator[None, None]:
    """Hold a client until the loop ends: `asyncio.run` closes async generators last."""
    try:
        yield
    finally:
        by_loop.pop(loop(), None)
        kept.release.detach()
        await kept.close()


def _release(loop: ref[AbstractEventLoop], kept: _LoopClient, keeper: AsyncGenerator[None, None], pid: int) -> None:
    """Have the loop close the client of somebody who is gone; the garbage collector may say so, in any thread."""
    running = loop()
    if running is None or running.is_closed() or pid != os.getpid():
        return
    with suppress(RuntimeError):  # it has been closed just now
        running.call_soon_threadsafe(_start_closing, running, kept, keeper)


_CLOSING: set[Any] = set()
"""The tasks that close clients: a loop holds its tasks weakly."""


def _start_closing(loop: AbstractEventLoop, kept: _LoopClient, keeper: AsyncGenerator[None, None]) -> None:
    task = loop.create_task(_close(kept, keeper))
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)


async def _close(kept: _LoopClient, keeper: AsyncGenerator[None, None]) -> None:
    await kept.close()
    with suppress(RuntimeError):  # the loop is ending, and closes it too
        await keeper.aclose()

"""The HTTP clients: one per process for blocking calls, one per event loop for awaiting ones."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, finalize

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator


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
        self._by_loop: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()

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
        """Have the next blocking call use a new client if this one is interrupted, in the midst of the library.

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

    def _forget(self) -> None:
        if self._owns:
            closing, self._client, self._closing = self._closing, None, None
            if closing is not None:
                closing.detach()

    async def awaiting(self) -> Any:
        """Give the running loop's client; it is closed when the loop shuts down its async generators."""
        from asyncio import get_running_loop

        self._check_process()
        loop = get_running_loop()
        kept = self._by_loop.get(loop)
        if kept is None:
            client = self._build_async()
            keeper = self._keep_open(loop, client)
            await anext(keeper)  # before anybody may use the client: an interrupt in between leaves nothing open
            self._by_loop[loop] = kept = (client, keeper)
        return kept[0]

    async def _keep_open(self, loop: Any, client: Any) -> AsyncGenerator[None, None]:
        """Hold a client until the loop ends: `asyncio.run` closes async generators last."""
        try:
            yield
        finally:
            self._by_loop.pop(loop, None)
            if self._owns_async:
                await client.aclose()

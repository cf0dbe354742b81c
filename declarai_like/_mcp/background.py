"""The one thread, with its event loop, in which all servers are spoken to."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

__all__ = ["Background", "join_background"]

T = TypeVar("T")


class Background:
    """An event loop in a thread of its own; it ends when the last of its users has left."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.users = 0
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="declarai-like mcp", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work in the loop; cancelling what is given cancels the work."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def leave(self) -> None:
        """Use it no more; the last one who leaves ends the thread, and waits for its end."""
        with _lock:
            self.users -= 1
            is_last = not self.users
        if is_last:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()


_lock = threading.Lock()
_background: Background | None = None


def join_background() -> Background:
    """Use the thread of this process, which is started if there is none; `leave` it afterwards."""
    global _background  # noqa: PLW0603 - there is one for the process
    with _lock:
        if _background is None or _background.process != os.getpid() or not _background.users:
            _background = Background()
        _background.users += 1
        return _background


def _forget_lock() -> None:
    """Free a child process of the lock that a thread of its parent may have held."""
    global _lock  # noqa: PLW0603 - the other one belongs to the parent
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forget_lock)

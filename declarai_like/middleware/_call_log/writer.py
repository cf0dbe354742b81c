"""Calls on their way into the file: written by a thread, so that nobody waits for a disk."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from declarai_like.middleware._call_log.store import CallLogStore, LoggedCall

__all__ = ["CallLogWriter", "writer_of"]

logger = logging.getLogger("declarai_like")
_MOST_WAITING = 10_000
_AT_ONCE = 500
_TRIM_EVERY = 1_000


class CallLogWriter:
    """Writes what it is given, in the order in which it comes; what is too much is counted and not kept."""

    def __init__(self, store: CallLogStore, max_bytes: int) -> None:
        self._store = store
        self.max_bytes = max_bytes
        self._process = os.getpid()
        self._waiting: SimpleQueue[Callable[[], LoggedCall] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._dropped = self._written = 0

    def put(self, tell: Callable[[], LoggedCall]) -> None:
        """Have a call written, as `tell` will give it; costs the caller next to nothing."""
        if self._process != os.getpid():  # the thread stays with the parent of a forked process
            self._process, self._waiting, self._thread = os.getpid(), SimpleQueue(), None
        if self._waiting.qsize() >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.put(tell)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="declarai-call-log", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self) -> None:
        """Write what waits, and end the thread; a later call starts another one."""
        thread, self._thread = self._thread, None
        if thread is not None and self._process == os.getpid():
            self._waiting.put(None)
            thread.join(60)

    def _work(self) -> None:
        while True:
            told, is_last = self._take()
            self._write(told)
            if is_last:
                return

    def _take(self) -> tuple[list[Callable[[], LoggedCall]], bool]:
        """Wait for calls; say whether they are the last ones."""
        told, more = [], self._waiting.get()
        while more is not None:
            told.append(more)
            try:
                more = self._waiting.get_nowait() if len(told) < _AT_ONCE else None
            except Empty:
                return told, False
            if len(told) >= _AT_ONCE:
                return told, False
        return told, True

    def _write(self, told: list[Callable[[], LoggedCall]]) -> None:
        dropped, self._dropped = self._dropped, 0
        try:
            with _writing:
                self._store.create()
                self._store.add([tell() for tell in told], dropped=dropped)
            self._written += len(told)
            if self._written >= _TRIM_EVERY:
                self._written = 0
                self._store.trim(self.max_bytes)
        except (ConfigurationError, OSError) as error:
            self._dropped += dropped + len(told)
            logger.warning("%d calls are not in the call log: %s", len(told), error)


_writing = threading.RLock()
"""Held while a file is written. SQLite knows its locks by process: one that forks within has a child that waits."""
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)

_writers: dict[Path, CallLogWriter] = {}


def writer_of(store: CallLogStore, max_bytes: int) -> CallLogWriter:
    """Give the one writer of a file in this process."""
    writer = _writers.setdefault(store.path, CallLogWriter(store, max_bytes))
    writer.max_bytes = max_bytes
    return writer

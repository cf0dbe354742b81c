"""A lock on an open file, between threads and between processes."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["locked"]

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02

if sys.platform == "win32":  # pragma: no cover - Windows only
    import msvcrt
    import os

    # Windows forbids others to read locked bytes, so the byte that is locked lies far behind the data.
    _BYTE = 1 << 40

    def _try_lock(fd: int, *, shared: bool) -> None:  # noqa: ARG001 - Windows has no shared locks here
        os.lseek(fd, _BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _unlock(fd: int) -> None:
        os.lseek(fd, _BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(fd: int, *, shared: bool) -> None:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(fd: int) -> None:
        # Not left to close(): a child that was forked meanwhile would keep the lock with its copy.
        fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def locked(fd: int, *, shared: bool = False, timeout: float) -> Iterator[None]:
    """Hold the lock of a file that this call opened for itself.

    Each open file has a lock of its own, so threads exclude each other too. Raises `OSError` if
    another one holds it for longer than `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            _try_lock(fd, shared=shared)
            break
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has kept it locked for {timeout:g} seconds") from None
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    try:
        yield
    finally:
        _unlock(fd)

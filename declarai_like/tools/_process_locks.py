"""Names that one thread of one process holds at a time; the operating system frees them with the process."""

from __future__ import annotations

import os
import sys
import threading
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hold", "let_go"]

_lock = threading.RLock()  # re-entrant: the garbage collector may close a call in here
_open_files: dict[tuple[int, Path], int] = {}
"""One descriptor for each file and process, never closed: closing any would free all locks of the process on it."""
_held: set[tuple[int, Path, str]] = set()

if sys.platform == "win32":  # pragma: no cover - Windows only
    import msvcrt

    def _try_lock(fd: int, at: int) -> bool:
        os.lseek(fd, at, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int, at: int) -> None:
        os.lseek(fd, at, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(fd: int, at: int) -> bool:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except OSError:
            return False
        return True

    def _unlock(fd: int, at: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, at)


def hold(path: Path, name: str) -> bool:
    """Take a name; say whether nobody else holds it. `path` is the file whose bytes stand for the names."""
    key = (os.getpid(), path, name)
    with _lock:
        if key in _held:
            return False
        file = key[:2]
        if file not in _open_files:
            _open_files[file] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(_open_files[file], _byte_of(name)):
            return False
        _held.add(key)
        return True


def let_go(path: Path, name: str) -> None:
    """Free a name that was taken; one that was not is left alone."""
    key = (os.getpid(), path, name)
    with _lock:
        if key in _held:
            _held.discard(key)
            _unlock(_open_files[key[:2]], _byte_of(name))


def _forget_lock() -> None:
    """Free a child process of the lock that a thread of its parent may have held."""
    global _lock  # noqa: PLW0603 - the other one belongs to the parent
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forget_lock)


def _byte_of(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") >> 2

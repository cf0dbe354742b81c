"""A socket whose reads and writes end together at one moment, however slowly the other side drips."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from typing_extensions import Buffer

__all__ = ["Deadline", "TimedSocket"]


class Deadline:
    """A moment after which nothing is waited for any more."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left; raises `TimeoutError` if there are none."""
        seconds = self._end - self._clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class TimedSocket:
    """What the HTTP client of the standard library needs of a socket, bounded in time as a whole."""

    def __init__(self, inner: socket.socket, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._inner.settimeout(self._deadline.left)
        self._inner.sendall(data)

    def makefile(self, _mode: str) -> Any:
        """Give what is read as a file."""
        return io.BufferedReader(_TimedReader(self._inner, self._deadline))

    def close(self) -> None:
        """Do nothing: the client says so when it has read the headers, while the body is still to come."""

    def hang_up(self) -> None:
        """Close the connection."""
        self._inner.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, inner: socket.socket, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._inner.settimeout(self._deadline.left)
        return self._inner.recv_into(buffer)

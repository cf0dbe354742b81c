"""How long an answer's bytes are waited for.

The HTTP library fixes one time limit for all reads of a body when the body begins. Ours differ from read to read: the
first chunk has its own limit, the next ones have theirs, the whole call has one, and what follows `data: [DONE]` is
not worth waiting for. The stream of network bytes below the library takes a limit with each read, and the library
shows that stream to its users; so the limits are given there.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from declarai_like.requests import Limits

DRAINING = 0.1
"""Seconds that the end of a body is waited for after `[DONE]`, as the official client does.

An HTTP/1.1 connection can be used again only when its body was read to the end, and the end of a chunked body comes a
few bytes after the last event. A server that never sends them must not hold anybody up.
"""

GRACE = 2.0
"""Seconds that usage, and the end of the stream, are waited for when every choice has its finish reason."""
_LEAST = 0.001
_LONGEST = 1e8
"""Seconds, three years: what is longer is no limit, and more than the system's clock can be told."""


def finite(limit: float | None) -> float | None:
    """Give a limit, or `None` for one that never ends."""
    return None if limit is None or limit > _LONGEST else limit


class Waits:
    """The time limits of one answer, counted from its making; `heard` is to be set at each chunk.

    The wait for a chunk is counted from when it is first waited for: neither the comments of a server that keeps a
    connection alive nor the time that the reader takes for a chunk change it.
    """

    __slots__ = ("_idle", "_limits", "_read", "_stream", "_until", "_whole", "heard", "phase")

    def __init__(self, limits: Limits, *, streaming: bool) -> None:
        now = monotonic()
        first = finite(limits.first_chunk) if streaming else None
        timeout = finite(limits.timeout)
        self.phase = "first_chunk" if streaming else "request"
        """Which wait it is, as `ProviderError.phase` names it."""
        self.heard = False
        self._idle = finite(limits.idle) if streaming else None
        self._until = None if first is None else now + first
        self._whole = None if timeout is None else now + timeout
        self._limits = limits
        self._stream: Any = None

    @property
    def began(self) -> bool:
        """Whether any chunk has come."""
        return self.heard or self.phase == "stream"

    def left(self) -> float | None:
        """Give how many seconds the next bytes may take; `None` for any number."""
        now = monotonic()
        if self.heard:
            self.heard, self.phase = False, "stream"
            self._until = None if self._idle is None else now + self._idle
        until = self._until
        if self._whole is not None and (until is None or self._whole < until):
            until = self._whole
        return None if until is None else max(until - now, _LEAST)

    @property
    def is_over(self) -> bool:
        """Whether the time of the whole call is over."""
        return self._whole is not None and monotonic() >= self._whole

    def expect_end(self) -> None:
        """Wait no longer than `GRACE` for each of the next bytes: every choice has ended, its usage may follow."""
        if self._idle is None or self._idle > GRACE:
            self._idle = GRACE

    def check(self) -> None:
        """Raise `ProviderTimeout` if the time of the whole call is over, within work that waits for nothing."""
        if self.is_over:
            raise ProviderTimeout(f"the answer was not read in time: {self.over()}", phase=self.phase)

    def over(self) -> str:
        """Say which limit a wait that was too long has met, and what to do."""
        limits = self._limits
        if self.is_over:
            timeout = limits.timeout if limits.timeout_set is None else limits.timeout_set
            return f"the whole call took longer than {timeout} s: raise timeout="
        if self.phase == "first_chunk":
            return f"no first chunk came within {limits.first_chunk} s: raise first_chunk_timeout="
        return f"no chunk came for {limits.idle} s: raise idle_timeout="

    def attach(self, response: Any) -> None:
        """Have these limits hold for the reads of a response's body, until `detach`.

        A connection that several responses share (HTTP/2), and a transport that shows no network stream, keep the
        limit that the request has told them.
        """
        stream = response.extensions.get("network_stream")
        self.reads_from(stream)
        if stream is None or not response.http_version.startswith("HTTP/1"):
            return
        read = stream.read  # awaiting or not, it is called alike
        stream.read = lambda max_bytes, timeout=None: read(max_bytes, self.left())  # noqa: ARG005 - the library's signature
        self._stream, self._read = stream, read

    def reads_from(self, stream: Any) -> None:
        """Have this connection cut when the reader hangs up, which wakes the thread that waits for it."""
        hang_up = self._limits.hang_up
        if hang_up is not None and stream is not None:
            hang_up.arm(partial(_cut, stream))

    def detach(self) -> None:
        """Let go of the connection, before it may serve another request."""
        if self._limits.hang_up is not None:
            self._limits.hang_up.disarm()
        if self._stream is not None:
            self._stream.read = self._read
            self._stream = None

    def drain(self, reads: Iterator[bytes]) -> None:
        """Read what follows the last event, if it comes at once."""
        if self._stream is not None:
            self._hurry()
            try:
                for _ in reads:
                    pass
            except Exception:  # noqa: S110 - the answer is whole: what becomes of its connection is of no interest
                pass

    async def adrain(self, reads: AsyncIterator[bytes]) -> None:
        """Do what `drain` does, in an event loop."""
        if self._stream is not None:
            self._hurry()
            try:
                async for _ in reads:
                    pass
            except Exception:  # noqa: S110 - see `drain`
                pass

    def _hurry(self) -> None:
        self.heard = False
        self._until = monotonic() + DRAINING


def _cut(stream: Any) -> None:
    """Shut a connection down, below TLS and without closing it: who reads it is told that it has ended."""
    from socket import SHUT_RDWR, socket

    connection = stream.get_extra_info("socket")
    if isinstance(connection, socket):
        with suppress(OSError):  # it has ended by itself
            socket.shutdown(connection, SHUT_RDWR)

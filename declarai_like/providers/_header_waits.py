"""How long the headers of an answer are waited for.

The HTTP library counts its time limit anew with each read, so that a server which sends its headers byte by byte is
waited for without an end. The library tells its users of each new connection (the `trace` extension of a request);
the reads of that connection then ask the request that is under way how long they may take.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from declarai_like.providers._http_library import keep_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.providers._waits import Waits

__all__ = [
    "alimit_connection",
    "are_reads_limited",
    "atrace_connection",
    "limit_connection",
    "limit_reads",
    "trace_connection",
]

_MADE = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_WAITS: ContextVar[Waits | None] = ContextVar("declarai_like_waits", default=None)


@contextmanager
def limit_reads(waits: Waits) -> Iterator[None]:
    """Have these time limits hold for the request that is sent meanwhile, up to the headers of its answer."""
    token = _WAITS.set(waits)
    try:
        yield
    finally:
        _WAITS.reset(token)


def are_reads_limited() -> bool:
    """Say whether the request that is sent is one of ours."""
    return _WAITS.get() is not None


def trace_connection(event: str, facts: dict[str, Any]) -> None:
    """Note each connection that is made; the value of the `trace` extension for a blocking request."""
    if event.endswith(_MADE):
        keep_alive(facts["return_value"])
        limit_connection(event, facts)


async def atrace_connection(event: str, facts: dict[str, Any]) -> None:
    """Do what `trace_connection` does, for an awaiting request."""
    trace_connection(event, facts)


def limit_connection(event: str, facts: dict[str, Any]) -> None:
    """Do what `trace_connection` does, where a client of the user's says how long a connection is kept alive."""
    if event.endswith(_MADE):
        _limit_stream(facts["return_value"])


async def alimit_connection(event: str, facts: dict[str, Any]) -> None:
    """Do what `limit_connection` does, for an awaiting request."""
    limit_connection(event, facts)


def _limit_stream(stream: Any) -> None:
    """Have each read of a connection ask how long it may take; awaiting or not, it is called alike."""
    read = stream.read

    def read_in_time(max_bytes: int, timeout: float | None = None) -> Any:
        waits = _WAITS.get()
        if waits is None:
            return read(max_bytes, timeout)
        waits.reads_from(stream)
        return read(max_bytes, waits.left())

    stream.read = read_in_time

"""The HTTP library below the transport: httpx2 where it is installed, else httpx. Both have the same names."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["build_async_client", "build_client", "http_library", "keep_alive"]

_CONNECTIONS = 1_000
_KEPT = 100
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
"""Seconds before the first probe of a silent connection and between two, and how many: not all systems have all."""


@cache
def http_library() -> Any:
    """Import the library."""
    try:
        import httpx2 as library
    except ImportError:  # pragma: no cover - the tests run with one of them
        import httpx as library  # type: ignore[import-not-found, no-redef, unused-ignore]  # one of the two is there
    return library


def build_client() -> Any:
    """Build a blocking client: proxies and certificates come from the environment, time limits from each request."""
    library = http_library()
    return library.Client(timeout=None, limits=_limits(library))


def build_async_client() -> Any:
    """Build an awaiting client, like `build_client`."""
    library = http_library()
    return library.AsyncClient(timeout=None, limits=_limits(library))


def _limits(library: Any) -> Any:
    return library.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_KEPT)


def keep_alive(stream: Any) -> None:
    """Have the system probe a connection while it is silent, so that one that is dead is known to be."""
    import socket

    connection = stream.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError:  # a connection that is gone already: the next read says so
        return

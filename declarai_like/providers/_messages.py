"""One request as it is sent: its address, its headers, its body, and its time limits."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.providers._http_library import http_library
from declarai_like.providers._secrets import check_address
from declarai_like.providers._waits import finite

if TYPE_CHECKING:
    from declarai_like.requests import Limits

__all__ = ["Message", "join_url", "timeouts_of", "url_of"]


class Message(NamedTuple):
    """One request as it is sent: to this path, with these headers, this body as JSON; whether its answer streams."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    streams: bool = False

    def __repr__(self) -> str:
        return f"Message(path={self.path!r})"  # a report of an error may show it, and the headers hold the key


def join_url(base_url: str, path: str) -> str:
    """Put a path below a base URL; the queries of both are kept.

    Raises `ConfigurationError` for an address that no request can be sent to.
    """
    check_address(base_url)
    base, _, query = base_url.partition("?")
    path, _, own = path.partition("?")
    queries = "&".join(filter(None, (query, own)))
    return f"{base.rstrip('/')}{path}{'?' if queries else ''}{queries}"


@lru_cache(maxsize=64)
def url_of(base_url: str, path: str) -> Any:
    """Give the HTTP library's address of a path, read once: it is the same for each call."""
    return http_library().URL(join_url(base_url, path))


def timeouts_of(limits: Limits, *, streaming: bool) -> dict[str, float | None]:
    """Give the limits for the way to the first byte; `Waits` has those for the rest."""
    told = [finite(limits.timeout), finite(limits.first_chunk) if streaming else None]
    most = min((limit for limit in told if limit is not None), default=None)
    connect = min((limit for limit in (most, finite(limits.connect)) if limit is not None), default=None)
    return {"connect": connect, "read": most, "write": most, "pool": most}

"""One request as it is sent: its address, its headers, its body, and its time limits."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.providers._http_library import http_library
from declarai_like.providers._secrets import check_address
from declarai_like.providers._waits import finite

if TYPE_CHECKING:
    from declarai_like.requests import Limits

__all__ = ["Message", "join_url", "official_post", "timeouts_of", "url_of"]


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


def official_post(message: Message, limits: Limits) -> dict[str, Any]:
    """Give the arguments of the official client's `post`; the address and the key are its own."""
    from openai import DefaultHttpxClient, Timeout

    told = timeouts_of(limits, streaming=message.streams)
    own = {"accept", "content-type", "user-agent", "authorization", "api-key"}
    return {
        "path": message.path,
        "body": message.body,
        "cast_to": _response_class(DefaultHttpxClient),
        "stream": True,  # the body is read here, also that of a whole answer: it costs less, and it has a limit
        "options": {
            "timeout": Timeout(**told),
            "max_retries": 0,  # our own `retry` is in charge: it knows the deadline and records the attempts
            "follow_redirects": False,
            "headers": {name: value for name, value in message.headers.items() if name.lower() not in own},
        },
    }


def _response_class(client: Any) -> Any:
    """Find the response class of the HTTP library below the official client: httpx, or httpx2 since 3.0."""
    return sys.modules[client.__mro__[1].__module__.partition(".")[0]].Response

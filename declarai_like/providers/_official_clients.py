"""An official client that the user has built, which sends in our transport's place.

Its public `post` sends. It waits for headers, and reads the body of a refusal, before it gives anything away; so the
limits of a call are held where its HTTP client shows each request and each response, in event hooks. The requests that
the user sends by the same client pass through them as they are.
"""

from __future__ import annotations

import sys
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from declarai_like.providers._bodies import (
    MOST_OF_A_REFUSAL,
    REFUSED,
    aread_beginning,
    read_beginning,
    unknown_encoding,
)
from declarai_like.providers._header_waits import alimit_connection, are_reads_limited, limit_connection
from declarai_like.providers._messages import timeouts_of

if TYPE_CHECKING:
    from declarai_like.providers._messages import Message
    from declarai_like.requests import Limits

__all__ = ["hold_limits", "official_post", "refused_response"]

_ANY_FORMAT = 47
"""For `zlib`: gzip or zlib, as the first bytes tell."""


def official_post(message: Message, limits: Limits) -> dict[str, Any]:
    """Give the arguments of the official client's `post`; the address and the key are its own."""
    from openai import DefaultHttpxClient, Timeout

    told = timeouts_of(limits, streaming=message.streams)
    own = {"accept", "content-type", "user-agent", "authorization", "api-key"}
    return {
        "path": message.path,
        "body": message.body,
        "cast_to": _library_of(DefaultHttpxClient.__mro__[1]).Response,
        "stream": True,  # the body is read here, also that of a whole answer: it costs less, and it has a limit
        "options": {
            "timeout": Timeout(**told),
            "max_retries": 0,  # our own `retry` is in charge: it knows the deadline and records the attempts
            "follow_redirects": False,
            "headers": {name: value for name, value in message.headers.items() if name.lower() not in own},
        },
    }


def refused_response(error: Exception) -> Any:
    """Give the response that the official client has made this error of; raises the error if it is another."""
    if isinstance(getattr(error, "status_code", None), int) and hasattr(error, "response"):
        return error.response
    raise error


def hold_limits(client: Any, *, awaits: bool) -> None:
    """Have the limits of our calls hold for headers and refusals too; another kind of client keeps its own."""
    http: Any = getattr(client, "_client", None)
    hooks = getattr(http, "event_hooks", None)
    if not isinstance(hooks, dict):
        return
    ours = (
        {"request": _abegin, "response": abound_refusal} if awaits else {"request": _begin, "response": bound_refusal}
    )
    http.event_hooks = {name: [*(each for each in hooks[name] if each is not ours[name]), ours[name]] for name in ours}


def _begin(request: Any) -> None:
    request.extensions.setdefault("trace", limit_connection)


async def _abegin(request: Any) -> None:
    request.extensions.setdefault("trace", alimit_connection)


def bound_refusal(response: Any) -> None:
    """Read what a message needs of a refusal of ours; an event hook."""
    if _is_our_refusal(response):
        stream = response.stream
        body = read_beginning(stream)
        with suppress(Exception):
            stream.close()
        _set_body(response, body)


async def abound_refusal(response: Any) -> None:
    """Do what `bound_refusal` does, in an event loop."""
    if _is_our_refusal(response):
        stream = response.stream
        body = await aread_beginning(stream)
        with suppress(Exception):
            await stream.aclose()
        _set_body(response, body)


def _is_our_refusal(response: Any) -> bool:
    return are_reads_limited() and response.status_code >= REFUSED and not response.is_stream_consumed


def _set_body(response: Any, body: bytes) -> None:
    """Have this, unpacked, be all that there is of a body; what is packed in another way is left out."""
    if unknown_encoding(response.headers):
        body = b""
    elif response.headers.pop("content-encoding", ""):
        body = _unpacked(body)
    response.stream = _library_of(type(response)).ByteStream(body)


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj(_ANY_FORMAT).decompress(packed, MOST_OF_A_REFUSAL)
    except zlib.error:
        return b""


def _library_of(kind: type) -> Any:
    """Give the HTTP library that a class is of: httpx, or httpx2 since version 3 of the official client."""
    return sys.modules[kind.__module__.partition(".")[0]]

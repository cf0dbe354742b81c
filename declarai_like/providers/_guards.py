"""What the official client leaves open: the way to the headers of an answer, and the body of a refusal.

The HTTP library counts its time limit anew with each read, and the official client reads the body of an error to its
end, however long that takes and however much it is. Both are watched here through the library's own hooks, which do
nothing for requests that are not ours.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.providers._waits import Waits

_MADE = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_MOST = 64 * 1024
"""How many bytes of a refusal are read: enough for its message."""
_WAITS: ContextVar[Waits | None] = ContextVar("declarai_like_waits", default=None)


class Refused(Exception):
    """An answer with the status of an error, as much of it as is needed."""

    def __init__(self, response: Any, body: bytes) -> None:
        super().__init__(f"status {response.status_code}")
        packing = ("content-encoding", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in packing]
        self.status_code = response.status_code
        self.response = type(response)(response.status_code, headers=headers, content=body)
        self.body = None


@contextmanager
def guarded(waits: Waits) -> Iterator[None]:
    """Have these time limits hold for the request that is sent meanwhile, up to the headers of its answer."""
    token = _WAITS.set(waits)
    try:
        yield
    finally:
        _WAITS.reset(token)


def watched(client: Any) -> Any:
    """Have a blocking client of the HTTP library watched, once; `None` is one as the official client makes it."""
    from openai import DefaultHttpxClient

    return _hooked(client or DefaultHttpxClient(), _trace_request, _refuse)


def awatched(client: Any) -> Any:
    """Do what `watched` does for an awaiting client."""
    from openai import DefaultAsyncHttpxClient

    return _hooked(client or DefaultAsyncHttpxClient(), _atrace_request, _arefuse)


def _hooked(client: Any, on_request: Any, on_response: Any) -> Any:
    hooks = client.event_hooks
    if on_request not in hooks["request"]:
        client.event_hooks = {
            "request": [*hooks["request"], on_request],
            "response": [*hooks["response"], on_response],
        }
    return client


def _trace_request(request: Any) -> None:
    request.extensions["trace"] = _trace


async def _atrace_request(request: Any) -> None:
    request.extensions["trace"] = _atrace


def _trace(event: str, facts: dict[str, Any]) -> None:
    if event.endswith(_MADE):
        _time(facts["return_value"])


async def _atrace(event: str, facts: dict[str, Any]) -> None:
    _trace(event, facts)


def _time(stream: Any) -> None:
    """Have each read of a connection ask how long it may take; awaiting or not, it is called alike."""
    read = stream.read

    def timed(max_bytes: int, timeout: float | None = None) -> Any:
        waits = _WAITS.get()
        if waits is None:
            return read(max_bytes, timeout)
        waits.reads_from(stream)
        return read(max_bytes, waits.left())

    stream.read = timed


def _refuse(response: Any) -> None:
    """Raise `Refused` for the status of an error, whatever becomes of its body: the status says enough."""
    if _WAITS.get() is None or response.status_code < 300:  # noqa: PLR2004 - HTTP's own border
        return
    body = bytearray()
    with suppress(Exception):
        for read in response.iter_bytes(_MOST):
            body += read
            if len(body) >= _MOST:
                break
    raise Refused(response, bytes(body[:_MOST]))


async def _arefuse(response: Any) -> None:
    """Do what `_refuse` does, in an event loop."""
    if _WAITS.get() is None or response.status_code < 300:  # noqa: PLR2004 - HTTP's own border
        return
    body = bytearray()
    with suppress(Exception):
        async for read in response.aiter_bytes(_MOST):
            body += read
            if len(body) >= _MOST:
                break
    raise Refused(response, bytes(body[:_MOST]))

"""Who may ask, how much, and what a body must be; checked before anything else is done."""

from __future__ import annotations

import asyncio
import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._problems import Problem, server_stops, translate_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from declarai_like.serve._settings import Settings

__all__ = [
    "ClientGone",
    "HostGuard",
    "OriginGuard",
    "RouteGuard",
    "Slots",
    "read_json",
    "refuse_length",
    "too_long",
    "wait_for_disconnect",
]


_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:@/?#\s]+)(?::[0-9]{1,5})?")


class ClientGone(Exception):
    """The client has left: there is nobody to answer."""


class HostGuard:
    """Answers only requests for hosts that are known: a foreign page cannot reach us under its own name."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "*" in self._hosts or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        problem = Problem(421, "this host is not served here")
        await JSONAnswer(problem.body(), problem.status)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        values = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        found = _HOST.fullmatch(values[0]) if len(values) == 1 else None
        return found is not None and found["name"] in self._hosts


class OriginGuard:
    """Answers no foreign page: only those whose origin is listed, and whoever is no page."""

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"origin"]
        if "*" in self._origins or self._origins.issuperset(told):
            await self._app(scope, receive, send)
            return
        problem = Problem(403, "pages of this origin are not served")
        await JSONAnswer(problem.body(), problem.status)(scope, receive, send)


class RouteGuard:
    """Stands before one route: asks for the token if there is one, and tells nothing of errors inside.

    It stands before the route itself and looks at no path, so no spelling of a path can go around it.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._digest = None if token is None else _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._digest is not None and not self._is_known(scope, self._digest):
            raise Problem(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        try:
            await self._app(scope, receive, send)
        except ClientGone:
            return
        except asyncio.CancelledError:  # by the server that runs us, which has waited long enough
            raise server_stops() from None
        except Exception as error:
            raise translate_error(error, where=f"serve {scope['method']}") from None

    @staticmethod
    def _is_known(scope: Scope, expected: bytes) -> bool:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
        given = _digest(token.strip().decode("latin-1"))  # digests: of one length, whatever was sent
        return hmac.compare_digest(given, expected) and kind.lower() == b"bearer"


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


class Slots:
    """How many calls may be under way; those of clients that have left count too."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def acquire(self) -> None:
        """Take a slot; raises `Problem` if there is none."""
        if self._free <= 0:
            raise Problem(429, "too many calls are under way", retryable=True, headers={"Retry-After": "1"})
        self._free -= 1

    def release(self) -> None:
        """Let somebody else have it."""
        self._free += 1


async def read_json(request: Request, settings: Settings) -> bytes:
    """Read a body that says it is JSON; raises `Problem` if it does not, is too long, or comes too slowly."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "the body must be application/json")
    refuse_length(request, settings.max_body_bytes)
    try:
        return await asyncio.wait_for(_body(request.receive, settings.max_body_bytes), settings.client_seconds)
    except asyncio.TimeoutError:
        raise Problem(408, "the body did not come in time", headers={"Connection": "close"}) from None


async def _body(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_long(limit)
        if not message.get("more_body", False):
            return bytes(body)


def refuse_length(request: Request, limit: int) -> None:
    """Raise `Problem` for a body that says that it is longer than it may be, before any of it is read."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_long(limit)


def too_long(limit: int) -> Problem:
    """Give the refusal of a body that is too long."""
    return Problem(413, f"the body is longer than {limit} bytes", headers={"Connection": "close"})


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass

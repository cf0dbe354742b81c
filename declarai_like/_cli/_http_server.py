"""The server of `declarai-like serve`: uvicorn, which tells streams that it stops, and keeps few silent connections."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["SilentConnections", "make_server", "serve_forever"]

_SHUTDOWN_SECONDS = 3
_LAST_WORDS_SECONDS = 1.0
_CONNECTIONS = 10
"""How many connections with a request there may be for each call: those beyond are answered 503."""
_SILENT_CONNECTIONS = 256
"""How many connections there may be that ask for nothing: a newer one closes the oldest of them."""
_SILENT_SECONDS = 30.0
_NUMBERS = itertools.count()


def serve_forever(app: Starlette, *, host: str, port: int, max_concurrency: int) -> None:
    """Serve until interrupted; raises `SystemExit` if the address cannot be listened on."""
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again when all is closed
        make_server(app, host=host, port=port, max_concurrency=max_concurrency).run()


def make_server(app: Starlette, *, host: str, port: int, max_concurrency: int) -> uvicorn.Server:
    """Make the server of an app, to be run."""
    silent = SilentConnections(_SILENT_CONNECTIONS, _SILENT_SECONDS)
    protocol: Any = partial(_Protocol, silent=silent)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        limit_concurrency=_SILENT_CONNECTIONS + _CONNECTIONS * max_concurrency,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Tells streams that the server stops while they can still be written to: the app hears of it only after them."""

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop."""
        app: Any = self.config.app
        app.state.stop_streams()
        await super().shutdown(sockets)
        if cancelled := set(self.server_state.tasks):  # calls that were not done in time: they answer that we stop
            await asyncio.wait(cancelled, timeout=_LAST_WORDS_SECONDS)


class SilentConnections:
    """Connections without a request: each is closed after some seconds, and the oldest when there are too many.

    Whoever opens thousands of them and asks for nothing closes his own, and locks nobody out. The oldest is the one
    that was made first: one that is silent again after an answer pushes out no newcomer whose request is on its way.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._timers: dict[_Protocol, asyncio.TimerHandle] = {}

    def add(self, connection: _Protocol) -> None:
        """Begin to count a connection, unless it is counted: a byte now and then does not make it younger."""
        if connection in self._timers:
            return
        self._timers[connection] = connection.loop.call_later(self._seconds, self._close, connection)
        if len(self._timers) > self._limit:
            self._close(min(self._timers, key=lambda each: each.number))

    def discard(self, connection: _Protocol) -> None:
        """Count a connection no longer."""
        if connection in self._timers:
            self._timers.pop(connection).cancel()

    def _close(self, connection: _Protocol) -> None:
        self.discard(connection)
        connection.transport.abort()  # `close` would wait for a client that does not read


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # it is a class: which one depends on what is installed
    """A connection that is silent until the headers of a request have come, and again after its answer."""

    def __init__(self, *args: Any, silent: SilentConnections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = next(_NUMBERS)
        self._silent = silent

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._count()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._count()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._silent.discard(self)

    def _count(self) -> None:
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            self._silent.discard(self)
        else:
            self._silent.add(self)

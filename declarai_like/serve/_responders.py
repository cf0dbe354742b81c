"""How a call is answered: as events while they come, or whole; and not at all when the client has left."""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from declarai_like._calls import runner
from declarai_like.serve._problems import server_stops, translate_error
from declarai_like.serve._safety import ClientGone, wait_for_disconnect
from declarai_like.serve._upstreams import Reader

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from declarai_like._calls.flow import Call
    from declarai_like.responses import Result
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._settings import Settings
    from declarai_like.serve._streams import Streams
    from declarai_like.serve._upstreams import Upstream

__all__ = ["EventStream", "request_digest", "run_call"]

logger = logging.getLogger("declarai_like")
# No blank line after it: that would dispatch an event, and the official client fails on one without data.
_PING = b": ping\n"


class EventStream(Reader):
    """The response that sends a stream's events to one client: all that is there, in one piece, each time."""

    __slots__ = (
        "_has_started",
        "_is_gone",
        "_is_quiet",
        "_is_sending",
        "_is_slow",
        "_last",
        "_settings",
        "_streams",
        "_upstream",
    )

    def __init__(self, streams: Streams, upstream: Upstream, position: int, settings: Settings) -> None:
        super().__init__(position)
        self._streams = streams
        self._upstream = upstream
        self._settings = settings
        self._has_started = self._is_gone = self._is_quiet = self._is_sending = self._is_slow = False
        self._last = 0.0
        """When something was sent, or began to be."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Follow the stream until it or the client ends; raises `Problem` if there is no answer at all."""
        self._streams.attach(self._upstream, self)
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        # A task of its own: what goes on in it need not pass through all the layers around a response, each time.
        sending = loop.create_task(self._follow(send))
        watching = loop.create_task(wait_for_disconnect(receive))
        watching.add_done_callback(self._note_disconnect)
        timer = _Timer(self, sending, loop)
        try:
            await sending
        except asyncio.CancelledError:
            await self._end_early(send)
        finally:
            timer.cancel()
            sending.cancel()
            watching.cancel()
            self._streams.detach(self._upstream, self)

    async def _end_early(self, send: Send) -> None:
        """End the response to a client that is too slow, or because the server that runs us is stopping."""
        if self._is_slow:
            logger.warning("serve: a client was too slow and was dropped")
            return
        if not self._has_started:
            raise server_stops()
        if not self._is_sending:  # else part of an event may be out, and nothing can follow it
            data = self._upstream.rest_after(self.position)
            await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _follow(self, send: Send) -> None:
        upstream, loop = self._upstream, self._upstream.loop
        while not self._is_gone:
            if self.position == upstream.count and not self._is_quiet and not upstream.ended:
                self.waiting = loop.create_future()
                await self.waiting
                continue
            self._is_sending, self._last = True, loop.time()
            if not self._has_started:
                if upstream.refused is not None:
                    raise upstream.refused
                self._has_started = True
                await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
            if self.position < upstream.count:
                data, self.position = upstream.events_after(self.position), upstream.count
            elif self._is_quiet:
                data = _PING
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            self._is_quiet = False
            await send({"type": "http.response.body", "body": data, "more_body": True})
            self._is_sending = False
            if upstream.is_full:
                upstream.note_progress()

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [*_HEADERS, (b"x-stream-id", self._upstream.key.encode())]

    def _note_disconnect(self, watching: asyncio.Task[None]) -> None:
        """Note that the client has left."""
        if not watching.cancelled():
            self._is_gone = True
            self.wake()

    def check(self, now: float) -> float | None:
        """See to it that something is sent; say when to look again, or `None` if the client is too slow."""
        beat, patience = self._settings.heartbeat_seconds, self._settings.client_seconds
        passed = now - self._last
        if self._is_sending and passed >= patience:
            self._is_slow = True
            return None
        if self._is_sending:
            return self._last + patience
        if passed >= beat:
            self._is_quiet = True
            self.wake()
            return now + min(beat, patience)
        return min(self._last + beat, now + patience)


class _Timer:
    """Looks at a stream from time to time; set anew when it fires, it costs nothing per event."""

    __slots__ = ("_handle", "_loop", "_stream", "_task")

    def __init__(self, stream: EventStream, task: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._task = task
        self._loop = loop
        self._fire()

    def _fire(self) -> None:
        due = self._stream.check(self._loop.time())
        if due is None:
            self._task.cancel()
        else:
            self._handle = self._loop.call_at(due, self._fire)

    def cancel(self) -> None:
        """Look no more."""
        self._handle.cancel()


_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


async def run_call(call: Call[Any], request: Request, slots: Slots) -> Result[Any]:
    """Make a call and give all that it brought; raises `Problem` if it fails, `ClientGone` if nobody waits any more."""
    slots.acquire()
    asking = asyncio.ensure_future(runner.arun(call))
    watcher = asyncio.ensure_future(wait_for_disconnect(request.receive))
    try:
        await asyncio.wait({asking, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
    except Exception as error:
        raise translate_error(error, where=f"serve {call.request.name or 'model'}") from None
    finally:
        asking.cancel()
        watcher.cancel()
        await asyncio.wait({asking, watcher})
        slots.release()
    raise ClientGone


def request_digest(request: Request, body: bytes) -> bytes:
    """Give what tells a request from another: who asks what, where, with which words."""
    scope = request.scope
    values = (scope["method"], scope["path"], scope["query_string"], request.headers.get("authorization", ""), body)
    parts = [part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape") for part in values]
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()

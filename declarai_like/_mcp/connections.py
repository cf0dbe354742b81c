"""A server as it is spoken to: one session at a time, which is made anew when it has died."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

from declarai_like._mcp.answering import Answering
from declarai_like._mcp.background import join_background
from declarai_like._mcp.child_processes import environment_of_child, run_child
from declarai_like._mcp.faults import fault_of, words_of
from declarai_like._mcp.http_clients import HTTPClient
from declarai_like._mcp.sessions import Session
from declarai_like.errors import DeclaraiError, ToolError, ToolServerError
from declarai_like.tools.questions import NeedsAnswers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
    from concurrent.futures import Future

__all__ = ["Address", "Answering", "Connection"]

T = TypeVar("T")
_LAST_WORDS = 1.0
"""Seconds that those who wait have to end by themselves when a server is closed."""
logger = logging.getLogger("declarai_like")
logging.getLogger("mcp").addHandler(logging.NullHandler())  # else what the library logs goes to standard error


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Address:
    """Where a server is, and what it is given; it shows itself to nobody."""

    name: str
    command: tuple[str, ...] | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    timeout: float | None = 60.0
    protocol: str = "auto"
    redact: Callable[[Any], Any] = str

    @asynccontextmanager
    async def open_streams(self, ended: Callable[[], None]) -> AsyncGenerator[Any, None]:
        """Give the streams of messages; `ended` is called if the other side goes away."""
        if self.url is not None:
            async with (
                HTTPClient(self.headers) as http,
                streamable_http_client(self.url, http_client=http) as streams,
            ):
                yield streams
            return
        async with run_child(
            self.command or (), env=environment_of_child(self.env), cwd=self.cwd, tell=self._log, ended=ended
        ) as streams:
            yield streams

    def _log(self, line: str) -> None:
        logger.info("tool server %s: %s", self.name, self.redact(line))


class Connection:
    """What speaks to a server, in the background thread; it can be used from every thread and every event loop."""

    def __init__(self, address: Address, answering: Answering) -> None:
        self.address = address
        self.answering = answering
        self._background = join_background()
        self._session: Session | None = None
        self._sessions: set[Session] = set()
        """All that have not ended, as far as it is known."""
        self._asking: set[asyncio.Task[Any]] = set()
        """Those who wait for the server, or for the user."""
        self._is_closed = False

    @property
    def is_foreign(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self._background.process != os.getpid()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work in the background thread."""
        return self._background.submit(work)

    def close(self) -> None:
        """End the session, if there is one, and wait until all of it is gone; the connection is not used again."""
        if self.is_foreign:
            return
        self.submit(self._end()).result()
        self._background.leave()

    async def _end(self) -> None:
        self._is_closed = True
        for session in self._sessions:
            session.end()
        for session in self._sessions:
            await session.close()
        _, waiting = await asyncio.wait({asyncio.ensure_future(asyncio.sleep(0)), *self._asking}, timeout=_LAST_WORDS)
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def ask(self, work: Callable[[Session], Awaitable[T]], *, is_repeatable: bool = False) -> T:
        """Ask something of the server, over a new session if the last one has died.

        What never left is sent again, once; what may have arrived only if it is repeatable. Raises `ToolServerError`
        if the server cannot be had, and `ToolError` for what the server or the way to it did to the request.
        """
        asking = cast("asyncio.Task[Any]", asyncio.current_task())
        self._asking.add(asking)
        try:
            return await self._ask(work, is_repeatable=is_repeatable)
        except asyncio.CancelledError:
            if not self._is_closed:
                raise
            words = f"the tool server {self.address.name!r} was closed meanwhile; it may have run"
            raise ToolError(words, may_have_run=True) from None
        finally:
            self._asking.discard(asking)

    async def _ask(self, work: Callable[[Session], Awaitable[T]], *, is_repeatable: bool) -> T:
        for is_second in (False, True):
            session = await self._live_session()
            try:
                with session.use():
                    return await work(session)
            except Exception as error:
                fault = fault_of(error, has_ended=session.has_ended)
                if fault in {"unsent", "lost"}:
                    session.give_up()
                if not is_second and (fault == "unsent" or (fault == "lost" and is_repeatable)):
                    continue
                raise self._explain(error, fault) from None
        raise AssertionError  # pragma: no cover - the second time returns or raises

    def _explain(self, error: Exception, fault: str) -> Exception:
        words = words_of(error, self.address.redact)
        name = self.address.name
        if fault == "unsent":
            return ToolServerError(f"the tool server {name!r} cannot be reached: {words}; nothing was sent")
        if fault == "lost":
            return ToolError(f"connection lost; it may have run ({words})", may_have_run=True)
        if fault == "late":
            return ToolError(f"{words}; it was cancelled, and may still have an effect", may_have_run=True)
        return error if isinstance(error, (DeclaraiError, NeedsAnswers)) else ToolError(words)

    async def _live_session(self) -> Session:
        if self._is_closed:
            raise ToolServerError(f"the tool server {self.address.name!r} was closed meanwhile")
        if self._session is None or not self._session.is_usable:
            self._session = Session(self._open_client)
            self._sessions = {one for one in self._sessions if not one.has_ended} | {self._session}
        session = self._session
        try:
            await asyncio.wait_for(session.ready(), self.address.timeout)
        except asyncio.TimeoutError:
            session.end()
            raise ToolServerError(
                f"the tool server {self.address.name!r} did not begin within {self.address.timeout:g} s: raise timeout="
            ) from None
        except Exception as error:
            words = words_of(error, self.address.redact)
            raise ToolServerError(f"the tool server {self.address.name!r} cannot be had: {words}") from None
        return session

    async def _open_client(self, session: Session) -> Client:
        async def hear(message: Any) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                session.forget_tools()

        return Client(
            self.address.open_streams(session.end),
            mode=self.address.protocol,
            read_timeout_seconds=self.address.timeout,
            message_handler=hear,
            cache=None,
            **self.answering.callbacks(),
        )

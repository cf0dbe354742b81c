"""One connection to a server, from its beginning to its end, which one task sees to."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client, MCPError, types
from mcp.client.session import ClientRequestContext

from declarai_like.errors import ToolServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["Session"]

_MOST_PAGES = 100
_FOREVER = float("inf")
_LISTENING_FAILS = (MCPError, RuntimeError, TimeoutError, anyio.ClosedResourceError, anyio.BrokenResourceError)


class Session:
    """A connection that is entered, held and left by one task; whoever asks something of the server uses `client`."""

    def __init__(self, open_client: Callable[[Session], Awaitable[Client]]) -> None:
        self._open_client = open_client
        self._is_over = asyncio.Event()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tools: list[Any] | None = None
        self._fresh_until = _FOREVER
        self._hears_of_changes = False
        self._uses = 0
        self._is_given_up = False
        self.client: Any = None
        self._owner = asyncio.create_task(self._own())

    @property
    def has_ended(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._is_over.is_set() or self._owner.done()

    async def ready(self) -> Client:
        """Wait until it has begun, and give what speaks to the server; raises what kept it from beginning."""
        await asyncio.shield(self._begun)
        client: Client = self.client
        return client

    @contextmanager
    def use(self) -> Iterator[None]:
        """Ask something within a block: a session that was given up ends when the last such block has ended."""
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            if self._is_given_up and not self._uses:
                self.end()

    def give_up(self) -> None:
        """Have it end when nobody waits for an answer any more: what is under way may still come to its end."""
        self._is_given_up = True
        if not self._uses:
            self.end()

    @property
    def is_usable(self) -> bool:
        """Whether something new may be asked."""
        return not (self._is_given_up or self.has_ended)

    def end(self) -> None:
        """Begin to end it; the server is told, as far as it still listens."""
        if self._is_over.is_set():
            return  # the owner must not be cancelled twice: the second time would cut what the first one has it do
        self._is_over.set()
        if not self._begun.done():
            self._owner.cancel()

    async def close(self) -> None:
        """End it, and wait until all of it is gone."""
        self.end()
        await asyncio.wait([self._owner])

    async def _own(self) -> None:
        """Enter, hold and leave the connection: all in this one task, as the library wants it."""
        try:
            async with await self._open_client(self) as self.client:
                listening = asyncio.create_task(self._listen())
                try:
                    self._begun.set_result(None)
                    await self._is_over.wait()
                finally:
                    listening.cancel()
                    await asyncio.wait([listening])
        except BaseException as error:  # a group of them, mostly: it is told to those who wait for the beginning
            self._fail(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._is_over.set()

    def _fail(self, error: BaseException) -> None:
        if not self._begun.done():
            self._begun.set_exception(error if isinstance(error, Exception) else ConnectionError("it has ended"))
            self._begun.exception()  # whoever waited may be gone

    async def _listen(self) -> None:
        """Hear of changes where the server tells them only to those who ask."""
        if self.has_handshake:
            return
        with suppress(*_LISTENING_FAILS):
            async with self.client.listen(tools_list_changed=True) as changes:
                self._hears_of_changes = bool(changes.honored.tools_list_changed)
                async for _ in changes:
                    self.forget_tools()
        self._hears_of_changes = False
        self.forget_tools()

    @property
    def has_handshake(self) -> bool:
        """Whether the server speaks a version with a handshake, in which it tells of changes without being asked."""
        return self.client.session.discover_result is None

    async def answer(self, key: str, request: Any) -> Any:
        """Answer what the server asks in the middle of a call; raises `MCPError` if it is not to be answered."""
        context = ClientRequestContext(session=self.client.session, request_id=key)
        response = await self.client.session.dispatch_input_request(context, request)
        if isinstance(response, types.ErrorData):
            raise MCPError.from_error_data(response)
        return response

    def forget_tools(self) -> None:
        """Have the tools listed anew by whoever asks next."""
        self._tools = None

    async def tools(self) -> list[Any]:
        """Give what the server lists: from before, unless it has told of a change, or the list's time is over."""
        if self._tools is None or time.monotonic() > self._fresh_until:
            begun = time.monotonic()
            self._tools, seconds = await self._list_tools()
            hears = self.has_handshake or self._hears_of_changes
            self._fresh_until = begun + (seconds or (_FOREVER if hears else 0))
        return self._tools

    async def _list_tools(self) -> tuple[list[Any], float]:
        """Give all pages, and for how many seconds the server lets them be kept: 0 if it says nothing.

        Raises `ToolServerError` if there is no end of them.
        """
        listed, cursor, seconds = list[Any](), None, _FOREVER
        for _ in range(_MOST_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            listed += page.tools
            seconds = min(seconds, page.ttl_ms / 1000)
            cursor = page.next_cursor
            if cursor is None:
                return listed, seconds
        raise ToolServerError(f"it lists more than {_MOST_PAGES} pages of tools")

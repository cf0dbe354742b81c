"""Servers of tools, as they are given to tasks."""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from declarai_like._mcp.names import model_name
from declarai_like.errors import DefinitionError, ToolError, ToolServerError
from declarai_like.tools.declarations import ToolOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from concurrent.futures import Future

    from typing_extensions import Self

    from declarai_like._mcp.connections import Connection
    from declarai_like._mcp.sessions import Session
    from declarai_like.media import File
    from declarai_like.messages import Message
    from declarai_like.tools.declarations import Tool

__all__ = ["ServerTools", "ToolServer", "check_options"]

T = TypeVar("T")
_OPTIONS = ("approve", "timeout", "retries", "sequential", "eager", "idempotent", "repeatable", "errors")


class ServerTools:
    """Some tools of a server, for `tools=`; the server tells them when a call begins."""

    def __init__(self, server: ToolServer, names: tuple[str, ...] | None, options: Mapping[str, Any]) -> None:
        self.server = server
        self.names = names
        """As the server names them; `None` for all it has."""
        self.options = dict(options)

    @property
    def only_name(self) -> str | None:
        """The name by which the model calls it, if it stands for one tool."""
        return model_name(self.server.name, self.names[0]) if self.names and len(self.names) == 1 else None

    def find_tools(self) -> Future[Iterable[Tool[Any, Any]]]:
        """Begin to find the tools, of a server that is started for it if it is not there yet."""
        connection = self.server.connect()
        return connection.submit(self.find(connection))

    async def find(self, connection: Connection, *, checks: bool = True) -> Iterable[Tool[Any, Any]]:
        """Find the tools; with `checks` they must be as the server's lock has them."""
        from declarai_like._mcp.foreign_tools import foreign_tool
        from declarai_like._mcp.tool_locks import check_lock

        try:
            listed = await connection.ask(lambda session: session.tools(), is_repeatable=True)
        except ToolError as error:
            raise ToolServerError(
                f"the tool server {self.server.name!r} did not list its tools: {error.message}"
            ) from None
        by_name = {one.name: one for one in listed}
        if len(by_name) < len(listed):
            raise DefinitionError(f"the tool server {self.server.name!r} lists two tools of one name")
        names = by_name if self.names is None else self.names
        if missing := [name for name in names if name not in by_name]:
            raise DefinitionError(
                f"the tool server {self.server.name!r} has no tool {missing[0]!r}; it has: "
                f"{', '.join(by_name) or 'none'}"
            )
        found = [foreign_tool(by_name[name], self.server.name, self.server.connect, self.options) for name in names]
        if self.server.lock is not None and checks:
            check_lock(self.server.lock, self.server.name, found)
        return found

    def outline(self) -> dict[str, Any]:
        """Tell which tools of which server they are, and what the server's lock knows of them."""
        outline: dict[str, Any] = {"server": self.server.name, "tools": self.names or "all"}
        if self.server.lock is None:
            return outline
        from declarai_like._mcp.tool_locks import read_lock

        named = {model_name(self.server.name, name) for name in self.names or ()}
        locked = read_lock(self.server.lock, self.server.name)
        return {**outline, "locked": {name: tool for name, tool in locked.items() if not named or name in named}}

    def write_lock(self) -> str | None:
        """Write down what all tools of the server say now, and give the name of the file, if there is one."""
        lock = self.server.lock
        if lock is None:
            return None
        from declarai_like._mcp.tool_locks import write_lock

        connection = self.server.connect()
        every = ServerTools(self.server, None, self.server.options)
        write_lock(lock, self.server.name, connection.submit(every.find(connection, checks=False)).result())
        return lock

    def __repr__(self) -> str:
        names = "" if self.names is None else f" {', '.join(self.names)}"
        return f"<{type(self).__name__} {self.server.name}{names}>"


class ToolServer(ServerTools):
    """A server of tools, which is started or reached at its first use; made by `declarai_like.mcp`.

    It ends with the program, with its `with` block, or by `close()`; used again after that, it begins anew.
    """

    def __init__(
        self, name: str, options: Mapping[str, Any], open_connection: Callable[[], Connection], lock: str | None = None
    ) -> None:
        super().__init__(self, None, options)
        self.name = name
        self.lock = lock
        """The file that has what the tools may say; `None` if they may say anything."""
        self._open_connection = open_connection
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def __getitem__(self, tool: str) -> ServerTools:
        """Give one tool, by the name that the server gives it."""
        return self.only(tool)

    def only(self, *tools: str, **options: Any) -> ServerTools:
        """Give some tools, by the names that the server gives them.

        `options` are those of `declarai_like.tool`, but for `name` and `strict`, and hold for each of these.
        Raises `DefinitionError` for one that there is not.
        """
        for tool in tools:
            if not isinstance(tool, str):
                raise DefinitionError(f"{self.name}: expected the name of a tool, got {tool!r:.80}")
        if not tools:
            raise DefinitionError(f"{self.name}.only() names no tool: name them as the server does")
        check_options(self.name, options)
        return ServerTools(self, tools, {**self.options, **options})

    def resource(self, uri: str) -> File:
        """Read what the server has under an address; raises `ToolServerError` or `ToolError` if it has nothing."""
        return self._read(uri).result()

    async def aresource(self, uri: str) -> File:
        """Do what `resource` does, in an event loop."""
        return await asyncio.wrap_future(self._read(uri))

    def prompt(self, name: str, /, **arguments: str) -> list[Message]:
        """Have the server write a prompt; raises `ToolError` for one that it does not know."""
        return self._write(name, arguments).result()

    async def aprompt(self, name: str, /, **arguments: str) -> list[Message]:
        """Do what `prompt` does, in an event loop."""
        return await asyncio.wrap_future(self._write(name, arguments))

    def _read(self, uri: str) -> Future[File]:
        connection = self.connect()
        from declarai_like._mcp.contents import read_resource

        return self._ask(connection, lambda session: read_resource(session, uri, connection.address.redact))

    def _write(self, name: str, arguments: dict[str, str]) -> Future[list[Message]]:
        connection = self.connect()
        from declarai_like._mcp.contents import get_prompt

        return self._ask(connection, lambda session: get_prompt(session, name, arguments, connection.address.redact))

    def _ask(self, connection: Connection, work: Callable[[Session], Awaitable[T]]) -> Future[T]:
        return connection.submit(connection.ask(work, is_repeatable=True))

    def connect(self) -> Connection:
        """Give what speaks to the server; nothing is sent yet."""
        with self._lock:
            if self._connection is None or self._connection.is_foreign:
                self._connection = self._open_connection()
                _open_servers.add(self)
            return self._connection

    def close(self) -> None:
        """End the server, or the connection to it, and wait until nothing of it is left."""
        with self._lock:
            connection, self._connection = self._connection, None
        _open_servers.discard(self)
        if connection is not None:
            connection.close()

    async def aclose(self) -> None:
        """Do what `close` does, in an event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        """Begin a block at whose end the server is closed."""
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """Begin a block at whose end the server is closed."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


_open_servers: WeakSet[ToolServer] = WeakSet()


@atexit.register
def _close_all() -> None:
    for server in list(_open_servers):
        server.close()


def check_options(where: str, options: Mapping[str, Any]) -> None:
    """Raise `DefinitionError` for what cannot be said of the tools of a server."""
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise DefinitionError(f"{where}: unknown option {unknown[0]!r}: expected one of {', '.join(_OPTIONS)}")
    ToolOptions(**options).check(where)

"""Servers of tools, as they are given to tasks."""

from __future__ import annotations

import asyncio
import atexit
import re
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from declarai_like._mcp.names import model_name
from declarai_like.errors import DefinitionError, MissingExtra
from declarai_like.providers._secrets import address_secrets, check_address, header_secrets, redactor_of, shown_address
from declarai_like.tools.declarations import ToolOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from typing_extensions import Self

    from declarai_like._mcp.connections import Connection
    from declarai_like.tools.declarations import Tool

__all__ = ["ServerTools", "ToolServer", "mcp"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
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
        return connection.submit(self._find(connection))

    async def _find(self, connection: Connection) -> Iterable[Tool[Any, Any]]:
        from declarai_like._mcp.foreign_tools import foreign_tool

        listed = await connection.ask(lambda session: session.tools(), is_repeatable=True)
        by_name = {one.name: one for one in listed}
        names = by_name if self.names is None else self.names
        if missing := [name for name in names if name not in by_name]:
            raise DefinitionError(
                f"the tool server {self.server.name!r} has no tool {missing[0]!r}; it has: "
                f"{', '.join(by_name) or 'none'}"
            )
        return [foreign_tool(by_name[name], connection, self.options) for name in names]

    def __repr__(self) -> str:
        names = "" if self.names is None else f" {', '.join(self.names)}"
        return f"<{type(self).__name__} {self.server.name}{names}>"


class ToolServer(ServerTools):
    """A server of tools, which is started or reached at its first use; made by `declarai_like.mcp`.

    It ends with the program, with its `with` block, or by `close()`; used again after that, it begins anew.
    """

    def __init__(self, name: str, options: Mapping[str, Any], open_connection: Callable[[], Connection]) -> None:
        super().__init__(self, None, options)
        self.name = name
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
        _check_options(self.name, options)
        return ServerTools(self, tools, {**self.options, **options})

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


def mcp(
    name: str,
    *,
    command: Sequence[str] | None = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = 60.0,
    approve: bool | Callable[..., bool] | None = None,
    protocol: str = "auto",
) -> ToolServer:
    """Use the tools of a server that speaks the Model Context Protocol: give it, or some of its tools, in `tools=`.

    It is a program, `command=["npx", "-y", "package", "argument"]`, or an address, `url="https://host/mcp"` with
    `headers=`. A program sees of this one's environment what finds programs and the home, and `env=`. The model calls
    a tool by the server's name and the tool's: `files_read_file`. `timeout` is in seconds, for each request.

    A tool that may destroy something, which is one that its server does not call harmless, waits for a decision,
    unless `approve=` says otherwise. Nothing is started before a call needs it. `protocol="legacy"` speaks the versions
    with a handshake only. Raises `DefinitionError` for what cannot be, `MissingExtra` without the extra `mcp`.
    """
    _check_way(name, command=command, url=url, headers=headers, env=env, cwd=cwd)
    _check_settings(name, timeout, protocol)
    options = {} if approve is None else {"approve": approve}
    _check_options(name, options)
    secrets = [*header_secrets(headers or {}), *header_secrets(env or {}), *address_secrets(url or "")]

    def open_connection() -> Connection:
        try:
            from declarai_like._mcp.connections import Address, Connection
        except ImportError as exc:
            raise MissingExtra(
                f'tool servers need the package mcp ({exc}): pip install "declarai-like[mcp]"'
            ).with_cause(exc) from None
        address = Address(
            name=name,
            command=None if command is None else tuple(command),
            url=url,
            headers=dict(headers or {}),
            env=dict(env or {}),
            cwd=cwd,
            timeout=timeout,
            protocol=protocol,
            redact=redactor_of(secrets),
        )
        return Connection(address, {})

    return ToolServer(name, options, open_connection)


def _check_options(where: str, options: Mapping[str, Any]) -> None:
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise DefinitionError(f"{where}: unknown option {unknown[0]!r}: expected one of {', '.join(_OPTIONS)}")
    ToolOptions(**options).check(where)


def _check_settings(name: Any, timeout: Any, protocol: Any) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise DefinitionError(f"a tool server's name has 1 to 40 of A-Z a-z 0-9 _ -, got {name!r:.80}")
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise DefinitionError(f"{name}: timeout is in seconds above zero, or None, got {timeout!r:.80}")
    if protocol not in {"auto", "legacy"}:
        raise DefinitionError(f"{name}: protocol is 'auto' or 'legacy', got {protocol!r:.80}")


def _check_way(name: str, *, command: Any, url: Any, headers: Any, env: Any, cwd: Any) -> None:
    """Raise `DefinitionError` if it is not told, once, where the server is."""
    if (command is None) == (url is None):
        raise DefinitionError(f"{name}: expected command= or url=, got {'neither' if url is None else 'both'}")
    if url is not None:
        if not isinstance(url, str):
            raise DefinitionError(f"{name}: expected an address as https://host/mcp, got {url!r:.80}")
        check_address(url)
        if env is not None or cwd is not None:
            raise DefinitionError(f"{name}: env= and cwd= are for a command=, {shown_address(url)} takes headers=")
        return
    if isinstance(command, str) or not command or not all(isinstance(word, str) for word in command):
        raise DefinitionError(f"{name}: expected a command as ['npx', '-y', 'package'], got {command!r:.80}")
    if headers is not None:
        raise DefinitionError(f"{name}: headers= are for a url=, a command= takes env=")

"""`mcp`: where a server of tools is, and what it may do."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from declarai_like._mcp.servers import ToolServer, check_options
from declarai_like.errors import DefinitionError, MissingExtra
from declarai_like.providers._log_redaction import keep_out
from declarai_like.providers._secrets import address_secrets, check_address, header_secrets, public_address, redactor_of
from declarai_like.providers.base import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from declarai_like._mcp.connections import Connection
    from declarai_like.completions import Question

__all__ = ["mcp"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


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
    asker: Callable[[Question], Any] | None = None,
    sampling: Any = None,
    lock: str | os.PathLike[str] | None = None,
    protocol: str = "auto",
) -> ToolServer:
    """Use the tools of a server that speaks the Model Context Protocol: give it, or some of its tools, in `tools=`.

    It is a program, `command=["npx", "-y", "package", "argument"]`, or an address, `url="https://host/mcp"` with
    `headers=`. A program sees of this one's environment what finds programs and the home, and `env=`. The model calls
    a tool by the server's name and the tool's: `files_read_file`. `timeout` is in seconds, for each request.

    A tool that may destroy something, which is one that its server does not call harmless, waits for a decision,
    unless `approve=` says otherwise. Nothing is started before a call needs it.

    `asker` is a function of a `declarai_like.tools.Question` that answers what the server asks the user; without it
    the call waits (`InputNeeded`) where the protocol can wait, and elsewhere the server is told no. `sampling` is a
    model that the server may ask, if `asker` says so each time, within the limits of the call. `lock` names a file
    with what the tools were when they were read: a change is refused until `declarai-like lock` writes it anew.
    `protocol="legacy"` speaks only the versions with a handshake.

    Raises `DefinitionError` for what cannot be, and where it is used, `MissingExtra` without the extra `mcp`.
    """
    _check_way(name, command=command, url=url, headers=headers, env=env, cwd=cwd)
    _check_settings(name, timeout, protocol)
    _check_asking(name, asker, sampling)
    options = {} if approve is None else {"approve": approve}
    check_options(name, options)
    told: dict[str, Any] = {"timeout": timeout, "protocol": protocol, "cwd": cwd}
    secrets = [*header_secrets(headers or {}), *header_secrets(env or {}), *address_secrets(url or "")]

    def open_connection() -> Connection:
        try:
            from declarai_like._mcp.connections import Address, Answering, Connection
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
            redact=redactor_of(secrets),
            **told,
        )
        return Connection(address, Answering(name, asker, sampling))

    server = ToolServer(name, options, open_connection, None if lock is None else os.fspath(lock))
    keep_out(server, *map(Secret, secrets))
    return server


def _check_settings(name: Any, timeout: Any, protocol: Any) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise DefinitionError(f"a tool server's name has 1 to 40 of A-Z a-z 0-9 _ -, got {name!r:.80}")
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise DefinitionError(f"{name}: timeout is in seconds above zero, or None, got {timeout!r:.80}")
    if protocol not in {"auto", "legacy"}:
        raise DefinitionError(f"{name}: protocol is 'auto' or 'legacy', got {protocol!r:.80}")


def _check_asking(name: str, asker: Any, sampling: Any) -> None:
    if asker is not None and not callable(asker):
        raise DefinitionError(f"{name}: asker is a function of a Question, got {asker!r:.80}")
    if sampling is not None and not hasattr(sampling, "send"):
        raise DefinitionError(f"{name}: sampling is a model, as declarai.openai() gives it, got {sampling!r:.80}")
    if sampling is not None and asker is None:
        raise DefinitionError(f"{name}: sampling= goes with asker=, who lets the server ask the model each time")


def _check_way(name: str, *, command: Any, url: Any, headers: Any, env: Any, cwd: Any) -> None:
    """Raise `DefinitionError` if it is not told, once, where the server is."""
    if (command is None) == (url is None):
        raise DefinitionError(f"{name}: expected command= or url=, got {'neither' if url is None else 'both'}")
    if url is not None:
        if not isinstance(url, str):
            raise DefinitionError(f"{name}: expected an address as https://host/mcp, got {url!r:.80}")
        check_address(url)
        if env is not None or cwd is not None:
            raise DefinitionError(f"{name}: env= and cwd= are for a command=, {public_address(url)} takes headers=")
        return
    if isinstance(command, str) or not command or not all(isinstance(word, str) for word in command):
        raise DefinitionError(f"{name}: expected a command as ['npx', '-y', 'package'], got {command!r:.80}")
    if headers is not None:
        raise DefinitionError(f"{name}: headers= are for a url=, a command= takes env=")

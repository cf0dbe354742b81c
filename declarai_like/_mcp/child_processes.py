"""A server as a child process: messages by its standard input and output, line by line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

__all__ = ["environment_of_child", "run_child"]

logger = logging.getLogger("declarai_like")

_INHERITED = ("PATH", "HOME", "LANG")
_INHERITED_ON_WINDOWS = ("PATH", "USERPROFILE", "SYSTEMROOT", "TEMP", "PATHEXT", "COMSPEC", "APPDATA", "LOCALAPPDATA")
_PIECE = 65_536
_LONGEST_LINE = 64 * 1024 * 1024
_PATIENCE = 2.0
"""Seconds that a child has to end by itself, and again when it was asked to."""


def environment_of_child(given: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a child: what is given, and where programs, the home and the language are found."""
    names = _INHERITED_ON_WINDOWS if sys.platform == "win32" else _INHERITED
    return {**{name: os.environ[name] for name in names if name in os.environ}, **given}


@asynccontextmanager
async def run_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None,
    tell: Callable[[str], None],
    ended: Callable[[], None],
) -> AsyncGenerator[Any, None]:
    """Run a server, and give the streams of its messages.

    `tell` is given each line that it writes to its standard error, `ended` is called when it says no more. At the end
    the child is told so by the end of its input, then asked, then killed, and with it all that it has started. Raises
    `OSError` if it cannot be started.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(env), cwd=cwd, start_new_session=True
    )
    put_incoming, incoming = anyio.create_memory_object_stream[Any](0)
    outgoing, take_outgoing = anyio.create_memory_object_stream[Any](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_tell_errors, process, tell)
        tasks.start_soon(_read, process, put_incoming, ended)
        tasks.start_soon(_write, process, take_outgoing)
        try:
            yield incoming, outgoing
        finally:
            for stream in (incoming, outgoing):
                stream.close()
            with anyio.CancelScope(shield=True):
                await _end(process)
            tasks.cancel_scope.cancel()


async def _read(process: Process, put: Any, ended: Callable[[], None]) -> None:
    """Pass on what the child says, message by message."""
    output = process.stdout
    assert output is not None  # noqa: S101 - it was opened so
    with put:
        try:
            async for line in _lines(output):
                await put.send(_message(line))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            await _drain(output)  # nobody listens any more: a child that still writes must not wait for that
        finally:
            ended()


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(_PIECE):
        pass


async def _lines(output: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    """Give whole lines, however long they are up to a bound that no sane message comes near."""
    rest = bytearray()
    while piece := await output.read(_PIECE):
        first, *more = piece.split(b"\n")
        rest += first
        for following in more:
            if rest.strip():
                yield bytes(rest)
            rest = bytearray(following)
        if len(rest) > _LONGEST_LINE:
            logger.error("a tool server wrote a line of more than %d bytes: it is heard no longer", _LONGEST_LINE)
            return


def _message(line: bytes) -> Any:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        logger.debug("a tool server wrote a line that is no message: %.200r", line)
        return error


async def _write(process: Process, take: Any) -> None:
    """Pass on what the child is told."""
    stdin = process.stdin
    assert stdin is not None  # noqa: S101 - it was opened so
    async with take:
        async for told in take:
            text = told.message.model_dump_json(by_alias=True, exclude_unset=True)
            with suppress(OSError):  # it is gone, which its output tells
                stdin.write(text.encode() + b"\n")
                await stdin.drain()


async def _tell_errors(process: Process, tell: Callable[[str], None]) -> None:
    stderr = process.stderr
    assert stderr is not None  # noqa: S101 - it was opened so
    async for line in _lines(stderr):
        tell(line.decode("utf-8", "replace").rstrip())


async def _end(process: Process) -> None:
    """End a child and its group: by the end of its input, then by a signal, then by one that none survives."""
    assert process.stdin is not None  # noqa: S101 - it was opened so
    process.stdin.close()
    if not await _has_ended(process):
        _signal(process, "SIGTERM")
        await _has_ended(process)
    _signal(process, "SIGKILL")
    await _has_ended(process)
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - else it is closed by the garbage collector


async def _has_ended(process: Process) -> bool:
    """Wait for the child's own end, not for that of its pipes, which others may have inherited."""
    until = time.monotonic() + _PATIENCE
    while process.returncode is None and time.monotonic() < until:  # noqa: ASYNC110 - nothing else tells just that
        await anyio.sleep(0.01)
    return process.returncode is not None


def _signal(process: Process, name: str) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":  # pragma: no cover - it has no groups of this kind, and the tests run elsewhere
            process.kill()
        else:
            os.killpg(process.pid, signal.Signals[name])

"""`declarai-like serve`: serve the tasks and chats of modules over HTTP."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._cli._targets import declared_in
from declarai_like.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.applications import Starlette

    from declarai_like.memory import MessageHistory

__all__ = ["Settings", "make_app", "serve_modules"]

_TOKEN = "DECLARAI_SERVE_TOKEN"  # noqa: S105 - the name of the variable that holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How modules are served; the names are those of the command's options."""

    host: str = "127.0.0.1"
    port: int = 8000
    allow_host: Sequence[str] = ()
    cors: Sequence[str] = ()
    history: str | None = None
    max_concurrency: int = 100
    max_tokens: int | None = None
    resume_seconds: float = 10.0
    page: bool = True
    log: str | None = None
    mcp: str | None = None
    """How the Model Context Protocol is spoken, `stdio` or `http`; `None` for HTTP in our own forms."""


def serve_modules(modules: Sequence[str], **options: Any) -> None:
    """Serve until interrupted; raises `ConfigurationError` if there is nothing to serve, or no token where one must be.

    The options are those of `Settings`. The token is the environment's `DECLARAI_SERVE_TOKEN`: other users of the
    machine can read a command line.
    """
    settings = Settings(**options)
    if settings.mcp == "stdio":
        _serve_stdio(modules, settings)
        return
    app = make_app(modules, settings)
    try:
        from declarai_like._cli._http_server import serve_forever
    except ImportError as exc:
        raise MissingExtra(f'serving needs uvicorn ({exc}): pip install "declarai-like[serve]"').with_cause(
            exc
        ) from None
    serve_forever(app, host=settings.host, port=settings.port, max_concurrency=settings.max_concurrency)


def _serve_stdio(modules: Sequence[str], settings: Settings) -> None:
    """Serve the tasks of modules to the program that has started this one."""
    import asyncio

    from declarai_like.serve._app import mcp_module

    serve_stdio = mcp_module().serve_stdio
    tasks, _ = _find_declared(modules)
    asyncio.run(serve_stdio(tasks, max_concurrency=settings.max_concurrency, max_tokens=settings.max_tokens))


def make_app(modules: Sequence[str], settings: Settings) -> Starlette:
    """Make the app of what is declared in modules."""
    from declarai_like import serve
    from declarai_like.serve import LOOPBACK

    token = os.environ.get(_TOKEN) or None
    if token is None and not _is_loopback(settings.host):
        raise ConfigurationError(f"others could reach {settings.host}: set a token in {_TOKEN}, or serve on 127.0.0.1")
    tasks, chats = _find_declared(modules)
    hosts = (*LOOPBACK, *_host_names(settings.host), *settings.allow_host)
    if settings.mcp is not None:
        return serve.mcp_app(
            tasks,
            token=token,
            hosts=hosts,
            cors=settings.cors,
            max_concurrency=settings.max_concurrency,
            max_tokens=settings.max_tokens,
        )
    return serve.app(
        tasks=tasks,
        chats=chats,
        memory=_memory(settings.history),
        token=token,
        hosts=hosts,
        cors=settings.cors,
        max_concurrency=settings.max_concurrency,
        max_tokens=settings.max_tokens,
        resume_seconds=settings.resume_seconds,
        page=settings.page,
        log=settings.log,
    )


def _find_declared(modules: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Find tasks and chats; raises `ConfigurationError` if there are none."""
    from declarai_like.chats import Chat
    from declarai_like.tasks import BaseTask

    found = list(declared_in(modules).values())
    tasks = [task for task in found if isinstance(task, BaseTask)]
    chats = [chat for chat in found if isinstance(chat, type) and issubclass(chat, Chat) and chat.declared.provider]
    if not tasks and not chats:
        raise ConfigurationError(f"there is no task and no chat in {', '.join(modules)}")
    return tasks, chats


def _memory(path: str | None) -> Callable[[str], MessageHistory] | None:
    """Give what opens the history of a conversation in a SQLite file."""
    if path is None:
        return None
    from declarai_like.memory import SQLiteMessageHistory

    opened: Any = partial(SQLiteMessageHistory, path=path)
    return opened  # type: ignore[no-any-return]  # a partial of a class makes its instances


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_names(host: str) -> tuple[str, ...]:
    """Give the host names under which an address is asked; one that stands for all has none."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is compared, not bound
        return ()
    return (f"[{host}]" if ":" in host else host,)

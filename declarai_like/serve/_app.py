"""Puts the routes together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from declarai_like.errors import ConfigurationError, MissingExtra
from declarai_like.serve._core import Core
from declarai_like.serve._log_routes import LogRoutes
from declarai_like.serve._openai_routes import OpenAIRoutes
from declarai_like.serve._page_routes import PageRoutes
from declarai_like.serve._problems import Problem, answer_http_error, answer_problem
from declarai_like.serve._run_routes import RunRoutes
from declarai_like.serve._runs import AppRuns
from declarai_like.serve._safety import HostGuard, RouteGuard, Slots
from declarai_like.serve._served import serve_chats, serve_models, serve_tasks
from declarai_like.serve._sessions import Sessions
from declarai_like.serve._settings import Settings
from declarai_like.serve._streams import Streams
from declarai_like.serve._task_routes import TaskRoutes
from declarai_like.tools import RunStore

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from declarai_like.memory.base import HistoryLike

__all__ = ["LOOPBACK", "app", "mcp_app", "mcp_module"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""The hosts that are answered if nothing else is said."""


def app(
    *,
    tasks: Iterable[Any] | Mapping[str, Any] = (),
    chats: Iterable[Any] | Mapping[str, Any] = (),
    providers: Iterable[Any] | Mapping[str, Any] = (),
    memory: Callable[[str], HistoryLike] | None = None,
    token: str | None = None,
    hosts: Sequence[str] = LOOPBACK,
    cors: Sequence[str] = (),
    resume_seconds: float = 10.0,
    heartbeat_seconds: float = 15.0,
    client_seconds: float = 30.0,
    max_body_bytes: int = 1_000_000,
    max_upload_bytes: int = 20 * 1024 * 1024,
    max_concurrency: int = 100,
    max_sessions: int = 1000,
    max_tokens: int | None = None,
    page: bool = True,
    runs: RunStore | None = None,
    approval_token: str | None = None,
    log: str | os.PathLike[str] | None = None,
) -> Starlette:
    """Make an ASGI app of tasks and chat classes; `providers` are models to pass through as they are.

    Each is a list, or a mapping of the names to serve under. `memory` opens the history of a conversation, given
    `"<chat>.<session>"`; without one it is kept in this process. `token` is what clients must send as a bearer token.
    `hosts` are the host names that are answered (`"*"` for any), `cors` the origins of foreign pages that may ask.
    `resume_seconds` is how long an answer whose client has left is kept (0: it is cancelled at once),
    `heartbeat_seconds` how long a stream may say nothing, `client_seconds` how long a client may take to send its body
    or to read what is sent. `max_body_bytes` bounds a JSON body, `max_upload_bytes` a form with files, `max_tokens`
    each answer, `max_concurrency` the calls under way, `max_sessions` the conversations that are open. Without `page`
    there is none. `runs` keeps calls with tools that name no store (without one, the last `max_sessions` that waited
    are kept in this process); `approval_token` is what must be sent to decide about calls that wait, if those who may
    ask may not. `log` is the file of a `middleware.log`: its calls are shown at `/logs`.

    Raises `ConfigurationError` for what cannot be served.

    >>> from declarai_like.testing import FakeLLM
    >>> @FakeLLM([5]).task
    ... def rank(message: str) -> int:
    ...     "Rank the severity of a message"
    >>> served = app(tasks=[rank])  # uvicorn.run(served)
    """
    check_access(token, hosts, cors)
    check_access(approval_token, hosts, cors)
    _check_stores(memory, runs)
    settings = Settings(
        resume_seconds=resume_seconds,
        heartbeat_seconds=heartbeat_seconds,
        client_seconds=client_seconds,
        max_body_bytes=max_body_bytes,
        max_upload_bytes=max_upload_bytes,
        max_concurrency=max_concurrency,
        max_sessions=max_sessions,
        max_tokens=max_tokens,
        origins=tuple(cors),
    )
    slots = Slots(max_concurrency)
    core = Core(
        tasks=serve_tasks(tasks, max_tokens),
        chats=serve_chats(chats, max_tokens),
        models=serve_models(providers, max_tokens),
        sessions=Sessions(memory, max_sessions),
        settings=settings,
        streams=Streams(settings, slots),
        slots=slots,
        runs=AppRuns(max_sessions) if runs is None else runs,
        is_guarded=token is not None,
    )
    _check_names(core)
    starlette = Starlette(
        routes=[*_routes(core, token, approval_token, has_page=page), *_log_routes(log, token)],
        middleware=_middleware(hosts, cors),
        exception_handlers={Problem: answer_problem, HTTPException: answer_http_error},
        lifespan=_lifespan_of(core.streams),
    )
    starlette.state.stop_streams = core.streams.close
    return starlette


def _check_stores(memory: Any, runs: Any) -> None:
    if memory is not None and not callable(memory):
        raise ConfigurationError(
            f"memory is called with the name of a conversation, got {memory!r:.80}: "
            "write memory=lambda name: SQLiteMessageHistory(name, path=...)"
        )
    if runs is not None and not isinstance(runs, RunStore):
        raise ConfigurationError(f"runs is a run store, as SQLiteRuns('runs.db'), got {runs!r:.80}")


def check_access(token: Any, hosts: Any, cors: Any) -> None:
    """Raise `ConfigurationError` if it is not said who may ask."""
    if not all(_is_list_of_texts(names) for names in (hosts, cors)):
        raise ConfigurationError(f"hosts and cors are lists of texts, got {hosts!r:.80} and {cors!r:.80}")
    if token is not None and not isinstance(token, str):
        raise ConfigurationError(f"the token is a text, got {type(token).__name__}")
    if token is not None and not token.strip():
        raise ConfigurationError("the token is empty: give a long random text, or None for no token")


def mcp_app(
    tasks: Iterable[Any] | Mapping[str, Any],
    *,
    token: str | None = None,
    hosts: Sequence[str] = LOOPBACK,
    cors: Sequence[str] = (),
    client_seconds: float = 30.0,
    max_body_bytes: int = 1_000_000,
    max_concurrency: int = 100,
    max_sessions: int = 1000,
    max_tokens: int | None = None,
) -> Starlette:
    """Make an ASGI app that is asked at `/mcp` by clients of the Model Context Protocol: each task is a tool.

    Its messages are a prompt, too. The other arguments are those of `app`. An app that mounts this one must run its
    lifespan. Raises `ConfigurationError` for what cannot be served, `MissingExtra` without the extra `mcp`.
    """
    check_access(token, hosts, cors)
    settings = Settings(
        client_seconds=client_seconds,
        max_body_bytes=max_body_bytes,
        max_concurrency=max_concurrency,
        max_sessions=max_sessions,
        max_tokens=max_tokens,
    )
    return mcp_module().make_mcp_app(tasks, settings, token=token, hosts=hosts, cors=cors)  # type: ignore[no-any-return]


def mcp_module() -> Any:
    """Give the module that speaks the protocol; raises `MissingExtra` without the package for it."""
    try:
        from declarai_like.serve import _mcp_app
    except ImportError as exc:
        raise MissingExtra(f'this needs the package mcp ({exc}): pip install "declarai-like[mcp,serve]"').with_cause(
            exc
        ) from None
    return _mcp_app


def _is_list_of_texts(names: Any) -> bool:
    return isinstance(names, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in names)


def _check_names(core: Core) -> None:
    """Raise `ConfigurationError` if a model's name would be two things."""
    names = [*core.tasks, *core.chats, *core.models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{twice[0]!r} comes twice: give a mapping of names to what is served")


def _routes(core: Core, token: str | None, approval_token: str | None, *, has_page: bool) -> list[Route]:
    """Give the routes, each behind a guard of its own; the page's files hold nothing that is anybody's."""
    own, openai, pages = TaskRoutes(core), OpenAIRoutes(core), PageRoutes(core)
    guarded: list[tuple[str, str, Any]] = [
        ("GET", "/v1/models", openai.models),
        ("GET", "/v1/models/{name:path}", openai.model),
        ("POST", "/v1/chat/completions", openai.chat),
        ("POST", "/v1/completions", openai.completion),
        ("GET", "/tasks", own.list_tasks),
        ("POST", "/tasks/{name}", own.call_task),
        ("GET", "/chats", own.list_chats),
        ("POST", "/chats/{name}/{session}/messages", own.say),
        ("GET", "/chats/{name}/{session}", own.conversation),
        ("DELETE", "/chats/{name}/{session}", own.forget),
        ("DELETE", "/streams/{stream}", own.stop),
        ("GET", "/openapi.json", pages.openapi),
        ("GET", "/docs", pages.docs),
    ]
    free: list[tuple[str, str, Any]] = [("GET", "/", pages.page), ("GET", "/static/{file}", pages.static)]
    return [
        *(_route(method, path, endpoint, token) for method, path, endpoint in guarded),
        _route("POST", "/runs/{run}/decisions", RunRoutes(core).decide, approval_token or token),
        *(_route(method, path, endpoint, None) for method, path, endpoint in free if has_page),
    ]


def _log_routes(path: str | os.PathLike[str] | None, token: str | None) -> list[Route]:
    """Give the pages of a call log, if there is one."""
    if path is None:
        return []
    logs = LogRoutes(path)
    return [_route("GET", "/logs", logs.calls, token), _route("GET", "/logs/{number:int}", logs.call, token)]


def _route(method: str, path: str, endpoint: Any, token: str | None) -> Route:
    return Route(path, endpoint, methods=[method], middleware=[Middleware(RouteGuard, token)])


def _middleware(hosts: Sequence[str], cors: Sequence[str]) -> list[Middleware]:
    guards = [Middleware(HostGuard, hosts)]
    if cors:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(cors),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "X-Stream-Id"],
                expose_headers=["X-Stream-Id", "Retry-After"],
            )
        )
    return guards


def _lifespan_of(streams: Streams) -> Any:
    """Cancel what is under way when the server stops."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        streams.reopen()
        try:
            yield
        finally:
            streams.close()

    return lifespan

"""Serves tasks by the Model Context Protocol: over HTTP, and over standard input and output."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from declarai_like._version import __version__
from declarai_like.serve._mcp_tools import TaskTools
from declarai_like.serve._problems import Problem, answer_http_error, answer_problem
from declarai_like.serve._safety import HostGuard, OriginGuard, RouteGuard, Slots, read_json
from declarai_like.serve._served import serve_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from starlette.types import Message, Receive, Scope, Send

    from declarai_like.serve._settings import Settings

__all__ = ["make_mcp_app", "serve_stdio"]

logging.getLogger("mcp").addHandler(logging.NullHandler())  # else what the library logs goes to standard error


def make_mcp_server(tasks: Iterable[Any] | Mapping[str, Any], slots: Slots, max_tokens: int | None) -> Server[Any]:
    """Make what answers the messages of clients."""
    tools = TaskTools(serve_tasks(tasks, max_tokens), slots)
    return Server(
        "declarai-like",
        version=__version__,
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_list_prompts=tools.list_prompts,
        on_get_prompt=tools.get_prompt,
    )


async def serve_stdio(tasks: Iterable[Any], *, max_concurrency: int, max_tokens: int | None) -> None:
    """Serve over standard input and output until the input ends; what is printed meanwhile goes to standard error."""
    server = make_mcp_server(tasks, Slots(max_concurrency), max_tokens)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def make_mcp_app(
    tasks: Iterable[Any] | Mapping[str, Any],
    settings: Settings,
    *,
    token: str | None,
    hosts: Sequence[str],
    cors: Sequence[str],
) -> Starlette:
    """Make the app that is asked at `/mcp`."""
    server = make_mcp_server(tasks, Slots(settings.max_concurrency), settings.max_tokens)
    endpoint = _Endpoint(server, settings)
    starlette = Starlette(
        routes=[Route("/mcp", endpoint, methods=None, middleware=[Middleware(RouteGuard, token)])],
        middleware=[Middleware(HostGuard, hosts), Middleware(OriginGuard, cors)],
        exception_handlers={Problem: answer_problem, HTTPException: answer_http_error},
        lifespan=endpoint.lifespan,
    )
    starlette.state.stop_streams = endpoint.stop
    return starlette


class _Endpoint:
    """The one address of the protocol: bodies are bounded here, what they say is the library's business."""

    def __init__(self, server: Server[Any], settings: Settings) -> None:
        self._server = server
        self._settings = settings
        self._manager: StreamableHTTPSessionManager | None = None
        self._under_way: set[anyio.CancelScope] = set()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Hold the sessions while the app runs."""
        manager = StreamableHTTPSessionManager(
            app=self._server,
            max_request_body_size=self._settings.max_body_bytes,
            max_sessions=self._settings.max_sessions,
        )
        async with manager.run():
            self._manager = manager
            try:
                yield
            finally:
                self._manager = None
                self.stop()

    def stop(self) -> None:
        """End what is under way: streams that wait for news would never end by themselves."""
        for scope in list(self._under_way):
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a message, or follow what a session tells."""
        if self._manager is None:
            raise Problem(503, "the app has not begun: whoever mounts it must run its lifespan", retryable=True)
        if scope["method"] == "POST":
            receive = _with_body(await read_json(Request(scope, receive), self._settings), receive)
        with anyio.CancelScope() as under_way:
            self._under_way.add(under_way)
            try:
                await self._manager.handle_request(scope, receive, send)
            finally:
                self._under_way.discard(under_way)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Give a body that has been read to who reads it again."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return rest.pop() if rest else await receive()

    return receiving

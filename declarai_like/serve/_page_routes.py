"""The page, its files, and the reference of what is served."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response

from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._openapi import describe_app
from declarai_like.serve._problems import Problem
from declarai_like.serve._reference_page import render_reference

if TYPE_CHECKING:
    from starlette.requests import Request

    from declarai_like.serve._core import Core

__all__ = ["PageRoutes"]

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
_SAFE = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageRoutes:
    """What a browser opens."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def page(self, _request: Request) -> Response:
        """Give the page."""
        return _file_response("index.html")

    async def static(self, request: Request) -> Response:
        """Give one of the page's files; raises `Problem` for any other name."""
        return _file_response(request.path_params["file"])

    async def openapi(self, _request: Request) -> Response:
        """Describe the app to programs."""
        return JSONAnswer(describe_app(self._core))

    async def docs(self, _request: Request) -> Response:
        """Describe the app to people."""
        return Response(render_reference(describe_app(self._core)), headers={**_SAFE, "Content-Type": _KINDS[".html"]})


@lru_cache(maxsize=1)
def _read_files() -> dict[str, bytes]:
    """Read the page's files, once."""
    folder = files("declarai_like.serve") / "static"
    entries = [entry for entry in folder.iterdir() if entry.is_file() and _suffix(entry.name) in _KINDS]
    return {entry.name: entry.read_bytes() for entry in entries}


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}"


def _file_response(name: str) -> Response:
    content = _read_files().get(name)
    if content is None:
        raise Problem(404, "there is no such file")
    return Response(content, headers={**_SAFE, "Content-Type": _KINDS[_suffix(name)]})

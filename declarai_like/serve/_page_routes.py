"""The page, its files, and the reference of what is served."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._openapi import describe_app
from declarai_like.serve._problems import Problem

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
        return Response(_render_reference(describe_app(self._core)), headers={**_SAFE, "Content-Type": _KINDS[".html"]})


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


def _render_reference(description: dict[str, Any]) -> str:
    """Write the description as a page; everything that comes from a declaration is escaped."""
    parts = [
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
        f"{_render_schema('Takes', operation.get('requestBody'))}"
        f"{_render_schema('Gives', operation['responses'].get('200'))}</section>"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    shared = _render_block("Schemas", description["components"]["schemas"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Reference</title>'
        '<link rel="stylesheet" href="static/page.css"><link rel="icon" href="static/icon.svg"></head>'
        f"<body><main><h1>Reference</h1>{''.join(parts)}{shared}</main></body></html>"
    )


def _render_schema(title: str, part: dict[str, Any] | None) -> str:
    return "" if part is None else _render_block(title, part["content"]["application/json"]["schema"])


def _render_block(title: str, schema: Any) -> str:
    return f"<h3>{title}</h3><pre>{escape(json.dumps(schema, indent=2))}</pre>"

"""Serve tasks and chats over HTTP: in OpenAI's form and in our own, streamed or whole.

    from declarai_like import serve

    app = serve.app(tasks=[rank], chats=[SQLBot])

The app is a Starlette app, so any ASGI server runs it and any Starlette or FastAPI app can mount it. It needs the
extra `serve`; `declarai-like serve` runs it from the command line.
"""

from __future__ import annotations

from declarai_like.errors import MissingExtra

try:
    import starlette as _starlette  # noqa: F401 - asked for by name, so that its absence can be told
except ImportError as exc:
    raise MissingExtra(f'serving needs starlette ({exc}): pip install "declarai-like[serve]"').with_cause(exc) from None

from declarai_like.serve._app import LOOPBACK, app, mcp_app

__all__ = ["LOOPBACK", "app", "mcp_app"]

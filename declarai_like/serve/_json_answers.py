"""Answers as JSON: in ASCII, so that no character of a model's can make them unwritable."""

from __future__ import annotations

import asyncio
from json.encoder import JSONEncoder
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["JSONAnswer", "encode"]

encode = JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: no character of an answer can end a line of an event, or break a reader's decoding."""


class JSONAnswer(Response):
    """JSON that nobody keeps and no browser takes for anything else."""

    media_type = "application/json"

    def __init__(self, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
        super().__init__(encode(data).encode("ascii"), status, safe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless the server stops waiting for a client that does not read."""
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            return

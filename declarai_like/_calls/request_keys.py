"""What makes two requests equal: what is sent, and to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from declarai_like.requests import Request

__all__ = ["question_key", "request_key"]

_SENT = (
    "model",
    "prompt",
    "cache",
    "kind",
    "stream",
    "params",
    "response_format",
    "fixed_format",
    "tools",
    "extra_body",
    "api",
    "state",
)


def request_key(request: Request) -> str:
    """Give a digest of everything that an answer depends on; no key of an account is in it, nor any text."""
    provider: Any = request.provider
    origin = getattr(provider, "origin", None) or {}
    parts = {
        **_spell(request),
        "provider": provider.name,
        "base_url": origin.get("base_url"),
        "headers": dict(request.headers) if isinstance(request.headers, Mapping) else {},
    }
    return _digest(parts)


def question_key(request: Request) -> str:
    """Give a digest of what is asked, whoever is asked and however the answer comes."""
    return _digest({name: part for name, part in _spell(request).items() if name != "stream"})


def _spell(request: Request) -> dict[str, Any]:
    sent = {name: _plain(getattr(request, name)) for name in _SENT}
    return {**sent, "messages": [message.wire() for message in request.messages]}


def _digest(parts: Mapping[str, Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value

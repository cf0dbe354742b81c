"""A request as lines of text: to be read, stored and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like.testing._secrets import hide_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.messages import Message
    from declarai_like.requests import Request


def transcript(request: Request) -> list[str]:
    """Spell out what is asked, without secrets; equal requests have equal lines, whoever the provider is."""
    return list(_lines(request))


def format_request(request: Request) -> str:
    """Show a request in a message, with the name of the task that asks."""
    name = [f"task: {request.name}"] if request.name else []
    return "\n".join(f"    {line}".rstrip() for line in (*name, *_lines(request)))


def _lines(request: Request) -> Iterator[str]:
    yield f"model: {request.model}"
    yield f"stream: {json.dumps(request.stream)}"
    for name, value in sorted(hide_secrets(dict(request.params)).items()):
        yield f"{name}: {_json(value)}"
    for message in request.messages:
        yield from _message(message)
    if request.kind == "completion":
        prompts = request.prompt if isinstance(request.prompt, list) else [request.prompt or ""]
        for prompt in prompts:
            yield from _block("prompt", hide_secrets(prompt))
    for tool in request.tools:
        yield from _block("tool", _json(hide_secrets(dict(tool)), indent=2))
    if request.response_format is not None:
        yield from _block("response_format", _json(hide_secrets(dict(request.response_format)), indent=2))


def _message(message: Message) -> Iterator[str]:
    yield from _block(str(message.role), hide_secrets(message.message))
    for name, value in hide_secrets(_fields(message)).items():
        yield f"  ({name}: {_json(value)})"


def _fields(message: Message) -> dict[str, Any]:
    """Give what a message has besides its text; of media what they are, and their hash."""
    wire = message.wire()
    return {name: wire[name] for name in message.fields or ()}


def _block(title: str, text: str) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    for line in text.split("\n"):
        yield f"  {line}"


def _json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=repr)

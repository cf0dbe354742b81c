"""The resources and the prompts of a server."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from declarai_like._mcp.results import shown_text
from declarai_like.errors import MediaError, ToolServerError
from declarai_like.media import File
from declarai_like.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._mcp.sessions import Session

__all__ = ["get_prompt", "read_resource"]


async def read_resource(session: Session, uri: str, redact: Callable[[Any], Any]) -> File:
    """Read a resource; raises `ToolServerError` if the server gives nothing for it."""
    result = await session.client.read_resource(uri)
    if not result.contents:
        raise ToolServerError(f"the server gave nothing for the resource {uri!r}")
    content = result.contents[0]
    text = getattr(content, "text", None)
    data = b64decode(content.blob) if text is None else redact(text).encode()
    try:
        return File(data, content.mime_type, str(content.uri))
    except MediaError:  # the bytes are of another type than the server says
        return File(data, name=str(content.uri))


async def get_prompt(
    session: Session, name: str, arguments: dict[str, str], redact: Callable[[Any], Any]
) -> list[Message]:
    """Have the server write a prompt, and give its messages."""
    result = await session.client.get_prompt(name, arguments)
    return [Message(redact(shown_text(message.content)), message.role) for message in result.messages]

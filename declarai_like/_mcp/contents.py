"""The resources and the prompts of a server."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from declarai_like._mcp.results import shown_text
from declarai_like.errors import ToolServerError
from declarai_like.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._mcp.sessions import Session

__all__ = ["Resource", "get_prompt", "read_resource"]


@dataclass(frozen=True, slots=True)
class Resource:
    """What a server has under an address: `text`, or `data` where it is no text."""

    uri: str
    media_type: str | None = None
    text: str | None = None
    data: bytes | None = field(default=None, repr=False)


async def read_resource(session: Session, uri: str, redact: Callable[[Any], Any]) -> Resource:
    """Read a resource; raises `ToolServerError` if the server gives nothing for it."""
    result = await session.client.read_resource(uri)
    if not result.contents:
        raise ToolServerError(f"the server gave nothing for the resource {uri!r}")
    content = result.contents[0]
    text = getattr(content, "text", None)
    if text is not None:
        return Resource(str(content.uri), content.mime_type, redact(text))
    return Resource(str(content.uri), content.mime_type, data=b64decode(content.blob))


async def get_prompt(
    session: Session, name: str, arguments: dict[str, str], redact: Callable[[Any], Any]
) -> list[Message]:
    """Have the server write a prompt, and give its messages."""
    result = await session.client.get_prompt(name, arguments)
    return [Message(redact(shown_text(message.content)), message.role) for message in result.messages]

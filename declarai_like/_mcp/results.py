"""What a server's tool has given, as the value that goes to the model."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ToolError
from declarai_like.media import Audio, Image, Media

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.types import CallToolResult

__all__ = ["shown_text", "value_of_result"]


def value_of_result(result: CallToolResult, redact: Callable[[Any], Any]) -> Any:
    """Give the data of a result; where it has none its text, in a list with pictures and sounds if there are some.

    Raises `ToolError` for one that is an error.
    """
    if result.is_error:
        text = redact("\n".join(map(shown_text, result.content)))
        raise ToolError(text or "the tool failed, and said nothing about it")
    if result.structured_content is not None:
        return redact(result.structured_content)
    parts: list[Any] = [_medium(block) or redact(shown_text(block)) for block in result.content]
    return parts if any(isinstance(part, Media) for part in parts) else "\n".join(parts)


def _medium(block: Any) -> Media | None:
    """Give a picture or a sound; `None` for any other part, and for bytes that are none."""
    kind = {"image": Image, "audio": Audio}.get(block.type)
    try:
        return None if kind is None else kind(b64decode(block.data))
    except ValueError:
        return None


def shown_text(block: Any) -> str:
    """Give a part of a result as text; what is no text is named."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource_link":
        return f"{block.name}: {block.uri}"
    if block.type == "resource":
        return _shown_resource(block.resource)
    return f"[{block.type} {block.mime_type}, {_size(block.data)} bytes]"


def _shown_resource(resource: Any) -> str:
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return text
    return f"[{resource.uri} {resource.mime_type or 'data'}, {_size(resource.blob)} bytes]"


def _size(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4

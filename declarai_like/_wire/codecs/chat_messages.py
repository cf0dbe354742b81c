"""Conversations in the format of chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.media_tables import group_of
from declarai_like._wire.state import is_from, state_for
from declarai_like.media._parts import media_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from declarai_like._wire.codecs.base import Origin
    from declarai_like.media import Media
    from declarai_like.messages import Message

__all__ = ["encode_message", "encode_messages"]

_SOUNDS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
_SHOWN_BELOW = "(It is shown below.)"
"""What stands in a result for its media: a tool's message takes texts only, the next message of the user shows them."""


def encode_messages(messages: Sequence[Message], origin: Origin) -> list[dict[str, Any]]:
    """Spell a conversation; the media of tools' results follow behind all results, as a message of the user.

    Each is named there as the result names it, by its type, size and hash.
    """
    spelled: list[dict[str, Any]] = []
    shown: list[Any] = []
    for message in messages:
        wire = encode_message(message, origin)
        if message.role == "tool" and isinstance(wire["content"], list):
            shown += _take_media(wire, message)
        elif shown and message.role != "tool":
            spelled.append({"role": "user", "content": shown})
            shown = []
        spelled.append(wire)
    return [*spelled, {"role": "user", "content": shown}] if shown else spelled


def encode_message(message: Message, origin: Origin) -> dict[str, Any]:
    """Spell a message, with what its provider wants back of it; another one gets the calls without their extras."""
    wire = message.wire()
    if not isinstance(content := message.content, str) and content:
        wire["content"] = [_encode_part(part) for part in content]
    if message.state is None:
        return wire
    calls = wire.get("tool_calls")
    if not is_from(message, origin):
        if calls:
            wire["tool_calls"] = [
                {name: call[name] for name in ("id", "type", "function") if name in call} for call in calls
            ]
        return wire
    data = state_for(message, origin)
    if "reasoning_details" in data:
        wire["reasoning_details"] = data["reasoning_details"]
    wants = calls or any("deepseek" in str(origin.get(name)).lower() for name in ("base_url", "model"))
    if wants and isinstance(data.get("reasoning_content"), str):
        wire["reasoning_content"] = data["reasoning_content"]
    return wire


def _take_media(wire: dict[str, Any], message: Message) -> list[Any]:
    """Take the media out of a result; give them as parts, each behind its name."""
    texts, shown = [], []
    for told, part in zip(message.content, wire["content"], strict=True):
        if isinstance(part, dict) and part.get("type") == "text":
            texts.append(str(part["text"]))
        else:
            media = media_of(told)
            shown += [part] if media is None else [{"type": "text", "text": f"{media!r}:"}, part]
    if shown:
        wire["content"] = "\n".join(texts) or _SHOWN_BELOW
    return shown


def _encode_part(part: Any) -> Any:
    media = media_of(part)
    return part if media is None else _encode_media(media)


def _encode_media(media: Media) -> dict[str, Any]:
    group = group_of(media)
    if media.file_id is not None:
        return {"type": "file", "file": {"file_id": media.file_id}}
    if group == "image":
        return {"type": "image_url", "image_url": {"url": media.address or media.data_url()}}
    if group == "audio":
        return {
            "type": "input_audio",
            "input_audio": {"data": media.base64(), "format": _SOUNDS[str(media.media_type)]},
        }
    if group == "text":
        return {"type": "text", "text": (media.data or b"").decode("utf-8", "replace")}
    return {"type": "file", "file": {"filename": media.name or "document.pdf", "file_data": media.data_url()}}

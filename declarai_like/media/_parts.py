"""Media in the content of messages: each is a part of its own, a value or its plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from declarai_like.media._json import from_data
from declarai_like.media._kinds import KINDS, File
from declarai_like.media._values import Media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from declarai_like.messages import Message

__all__ = ["map_parts", "media_in", "media_of", "restore_media", "with_media"]


def media_of(part: Any) -> Media | None:
    """Give the media that a part of a content is, `None` of a part that is none."""
    if isinstance(part, Media):
        return part
    if isinstance(part, Mapping) and part.get("type") == "media":
        told = {name: value for name, value in part.items() if name not in {"type", "kind"}}
        return from_data(KINDS.get(str(part.get("kind")), File), told)
    return None


def media_in(messages: Sequence[Message]) -> Iterator[Media]:
    """Give the media of messages, in their order."""
    for message in messages:
        content = message.content
        if not isinstance(content, str):
            yield from (media for media in map(media_of, content or ()) if media is not None)


def map_parts(message: Message, change: Callable[[Any], Any]) -> Message:
    """Give a message with each part of its content changed; a mere text has no parts."""
    content = (message.fields or {}).get("content")
    if not isinstance(content, (list, tuple)):
        return message
    parts = [change(part) for part in content]
    if all(new is old for new, old in zip(parts, content, strict=True)):
        return message
    return replace(message, fields={**(message.fields or {}), "content": parts})


def restore_media(message: Message) -> Message:
    """Make values of the media that a message has as plain data."""
    return map_parts(message, lambda part: media_of(part) or part)


def with_media(message: Message, media: Sequence[Media]) -> Message:
    """Put media behind the text of a message; without any it stays as it is."""
    if not media:
        return message
    text = [{"type": "text", "text": message.message}] if message.message else []
    shown = "\n".join(filter(None, [message.message, *map(repr, media)]))
    return replace(message, message=shown, fields={**(message.fields or {}), "content": [*text, *media]})

"""The parts of a message's content in Anthropic's format: texts, images, documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.media_tables import group_of
from declarai_like.errors import DefinitionError
from declarai_like.media._parts import media_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.media import Media

__all__ = ["encode_part"]

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)\Z", re.DOTALL)

Block = dict[str, Any]


def encode_part(part: Any) -> Block:
    """Spell a part of a content; the format's own parts stay as they are.

    Raises `DefinitionError` for what the format cannot say.
    """
    media = media_of(part)
    if media is not None:
        return _encode_media(media)
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return dict(part)
    if kind == "refusal":
        return {"type": "text", "text": str(part.get("refusal"))}
    if kind == "image_url":
        told = part["image_url"]
        return {"type": "image", "source": _source(told["url"] if isinstance(told, dict) else told)}
    if kind == "file":
        return _encode_file(part["file"])
    if kind in {"image", "document", "search_result", "container_upload", "tool_reference"}:
        return dict(part)
    raise DefinitionError(f"Anthropic's format takes text, images and documents, not a part of the type {kind!r:.40}")


def _encode_media(media: Media) -> Block:
    group = group_of(media)
    title = {"title": media.name} if media.name and group != "image" else {}
    return {"type": "image" if group == "image" else "document", "source": _source_of(media, group), **title}


def _source_of(media: Media, group: str) -> dict[str, Any]:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.address is not None:
        return {"type": "url", "url": media.address}
    if group == "text":
        return {"type": "text", "media_type": "text/plain", "data": (media.data or b"").decode("utf-8", "replace")}
    return {"type": "base64", "media_type": media.media_type, "data": media.base64()}


def _encode_file(file: Mapping[str, Any]) -> Block:
    if isinstance(file.get("file_id"), str):
        return {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}}
    title = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": _source(file.get("file_data")), **title}


def _source(url: Any) -> dict[str, Any]:
    """Give the source of an image or a document: its data, or where it is."""
    if not isinstance(url, str):
        raise DefinitionError(f"expected the data or the address of a file, got {type(url).__name__}")
    found = _DATA_URL.match(url)
    if found is None:
        if url.startswith(("http://", "https://")):
            return {"type": "url", "url": url}
        raise DefinitionError(
            f"expected an address, or data as 'data:image/png;base64,...', got what begins with {url[:8]!r}"
        )
    kind, data = found.groups()
    if kind == "text/plain":
        from base64 import b64decode

        return {"type": "text", "media_type": kind, "data": b64decode(data).decode("utf-8", "replace")}
    return {"type": "base64", "media_type": kind, "data": data}

"""The parts of a message's content in Google's format: text, data, and files that stand elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.media_tables import said_type
from declarai_like.errors import DefinitionError
from declarai_like.media._parts import media_of

if TYPE_CHECKING:
    from declarai_like.media import Media

__all__ = ["encode_part"]

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)\Z", re.DOTALL)
_OWN = frozenset({
    "codeExecutionResult", "executableCode", "fileData", "functionCall", "functionResponse", "inlineData", "text",
    "videoMetadata",
})  # fmt: skip
_KINDS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
}


def encode_part(part: Any) -> dict[str, Any]:
    """Spell a part of a content; the format's own parts stay as they are.

    Raises `DefinitionError` for what the format cannot say.
    """
    media = media_of(part)
    return _encode_dict(part) if media is None else _encode_media(media)


def _encode_dict(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"text": part["text"]}
    if kind == "refusal":
        return {"text": str(part.get("refusal"))}
    if kind == "image_url":
        told = part["image_url"]
        return _at(told["url"] if isinstance(told, dict) else told)
    if kind == "input_audio":
        audio = part["input_audio"]
        return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}
    if kind == "file":
        return _encode_file(part["file"])
    if kind is None and isinstance(part, dict) and _OWN & part.keys():
        return dict(part)
    raise DefinitionError(
        f"Google's format takes text, images, audio and files, not a part of the type {kind!r:.40}; "
        "its own parts are taken as they are, as {'fileData': {...}}"
    )


def _encode_file(file: Any) -> dict[str, Any]:
    if isinstance(file.get("file_id"), str):
        return {"fileData": {"fileUri": file["file_id"]}}
    return _at(file.get("file_data"))


def _encode_media(media: Media) -> dict[str, Any]:
    """Spell media: their bytes, or where they are; a file id is an address here."""
    kind = said_type(media)
    place = media.address or media.file_id
    if place is not None:
        return {"fileData": {"fileUri": place, **({} if kind is None else {"mimeType": kind})}}
    return {"inlineData": {"mimeType": kind, "data": media.base64()}}


def _at(url: Any) -> dict[str, Any]:
    """Spell data, or where it is; what kind of thing stands there is told by the end of its name."""
    if not isinstance(url, str):
        raise DefinitionError(f"expected the data or the address of a file, got {type(url).__name__}")
    found = _DATA_URL.match(url)
    if found is not None:
        return {"inlineData": {"mimeType": found[1], "data": found[2]}}
    if not url.startswith(("http://", "https://", "gs://")):
        raise DefinitionError(
            f"expected an address, or data as 'data:image/png;base64,...', got what begins with {url[:8]!r}"
        )
    ending = url.partition("?")[0].rpartition(".")[2].lower()
    kind = {"mimeType": _KINDS[ending]} if ending in _KINDS else {}
    return {"fileData": {"fileUri": url, **kind}}

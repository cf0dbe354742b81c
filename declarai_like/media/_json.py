"""Media as plain data: `{"media_type", "data"}`, `{"url"}` or `{"id"}`, for JSON and for pydantic."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from declarai_like.errors import ArgumentError, MediaError
from declarai_like.media._pictures import is_picture, picture_bytes
from declarai_like.media._values import Media

__all__ = ["IN_A_PROMPT", "UPLOAD", "as_media", "core_schema_of", "from_data", "json_schema_of"]

IN_A_PROMPT = "declarai_like.prompt"
"""The serialisation context of arguments that are written into a prompt's text, where media cannot stand."""
UPLOAD = "upload"
"""What stands for a file that came beside the JSON: `{"upload": number}` of those in the validation's context."""
_NAMES = frozenset({"media_type", "name", "data", "url", "id"})


def as_media(kind: type[Media], value: Any) -> Media:
    """Give what stands for media of a kind: such a value, bytes, a path, a picture of another library, or plain data.

    Raises `ArgumentError`, a `TypeError`, for anything else. A text is neither a path nor an address: it may come from
    a stranger.
    """
    if isinstance(value, kind) or (kind.takes is None and isinstance(value, Media)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return kind(bytes(value))
    if isinstance(value, PathLike):
        return kind.open(value)
    if isinstance(value, Mapping):
        return from_data(kind, value)
    if kind.kind in {"image", "file"} and is_picture(value):
        return kind(picture_bytes(value))
    name = kind.__name__
    got = repr(value) if isinstance(value, Media) else type(value).__name__
    raise ArgumentError(
        f"expected {name}.open(path), {name}.url(address), bytes or a pathlib.Path, got {got}"
        + (": a text could be a path or an address" if isinstance(value, str) else "")
    )


def from_data(kind: type[Media], data: Mapping[str, Any]) -> Media:
    """Make media of plain data; raises `MediaError` for what is none."""
    told = dict(data)
    download = bool(told.pop("download", False))
    sources = told.keys() & {"data", "url", "id"}
    if len(sources) != 1 or not told.keys() <= _NAMES or not all(isinstance(each, str) for each in told.values()):
        raise MediaError(
            f'expected {kind.__name__} as {{"media_type": ..., "data": base 64}}, {{"url": ...}} or {{"id": ...}}, '
            f"got the fields {', '.join(sorted(map(str, data)))[:80] or 'of an empty object'}"
        )
    media_type, name = told.get("media_type"), told.get("name")
    if "url" in told:
        return kind.url(told["url"], media_type=media_type, name=name, download=download)
    if "id" in told:
        return kind.id(told["id"], media_type=media_type, name=name)
    try:
        return kind(b64decode(told["data"], validate=True), media_type, name)
    except ValueError as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{kind.__name__}: expected its data in base 64, got what is none") from None


def core_schema_of(kind: type[Media]) -> Any:
    """Give how pydantic reads and writes such media."""
    from pydantic_core import core_schema

    def validate(value: Any, info: Any) -> Media:
        uploads = info.context.get(UPLOAD) if isinstance(info.context, dict) else None
        if uploads is not None and isinstance(value, dict):
            return _posted(kind, value, uploads)
        try:
            return as_media(kind, value)
        except ArgumentError as error:
            raise ValueError(str(error)) from None

    def serialise(media: Media, info: Any) -> Any:
        if info.context == IN_A_PROMPT:
            raise ArgumentError(f"{media!r} stands within another value: give it as a parameter of its own")
        return media.to_data() if info.mode == "json" else media

    return core_schema.with_info_plain_validator_function(
        validate, serialization=core_schema.plain_serializer_function_ser_schema(serialise, info_arg=True)
    )


def _posted(kind: type[Media], value: Mapping[str, Any], uploads: Sequence[tuple[bytes, str | None]]) -> Media:
    """Take what came over the network: a file of a form, or JSON, whose address is not given to anybody else."""
    if value.keys() != {UPLOAD}:
        return from_data(kind, {**value, "download": True} if "url" in value else value)
    number = value[UPLOAD]
    if not isinstance(number, int) or not 0 <= number < len(uploads):
        raise MediaError(f"{kind.__name__}: there is no such file in the form")
    data, name = uploads[number]
    return kind(data, None, name)


def json_schema_of(kind: type[Media]) -> dict[str, Any]:
    """Give the JSON Schema of such media."""
    types = {"type": "string"} if kind.takes is None else {"type": "string", "enum": sorted(kind.takes)}
    common = {"media_type": types, "name": {"type": "string"}}
    forms = {
        "data": {"type": "string", "contentEncoding": "base64"},
        "url": {"type": "string", "format": "uri"},
        "id": {"type": "string"},
    }
    options = [
        {"type": "object", "properties": {name: form, **common}, "required": [name], "additionalProperties": False}
        for name, form in forms.items()
    ]
    return {"title": kind.__name__, "anyOf": options, "x-declarai-media": kind.kind}

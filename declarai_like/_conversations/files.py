"""What goes with a message of a chat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ArgumentError
from declarai_like.media import File, Media
from declarai_like.media._json import as_media
from declarai_like.media._kinds import of_any_kind
from declarai_like.media._parts import with_media

if TYPE_CHECKING:
    from declarai_like.messages import Message

__all__ = ["attach"]


def attach(message: Message, files: Any, *, where: str) -> Message:
    """Put files behind a message's text; raises `ArgumentError`, a `TypeError`, for what is none."""
    if isinstance(files, (str, bytes, Mapping, PathLike, Media)) or not isinstance(files, Iterable):
        got = repr(files) if isinstance(files, Media) else type(files).__name__
        raise ArgumentError(f'{where}: expected files=[Image.open("cat.jpg"), ...], a list, got {got}')
    try:
        media = [_read(file) for file in files]
    except ArgumentError as error:
        raise ArgumentError(f"{where}: files: {error.message}") from None
    return with_media(message, media)


def _read(file: Any) -> Media:
    """Give one file as the kind of media that its bytes are."""
    made = as_media(File, file)
    if made is file or made.address is not None or made.file_id is not None:
        return made
    return of_any_kind(made.data or b"", made.name, made.media_type)

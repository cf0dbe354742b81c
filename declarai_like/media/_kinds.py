"""The four kinds of media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from declarai_like.media._files import read_file
from declarai_like.media._json import core_schema_of, json_schema_of
from declarai_like.media._signatures import AUDIO, IMAGES, PDF, TEXT, detect, plain_type
from declarai_like.media._values import DEFAULT_MEDIA_BYTES, Media

if TYPE_CHECKING:
    import os

    from typing_extensions import Self

__all__ = ["KINDS", "Audio", "Document", "File", "Image", "of_any_kind"]

Bytes: TypeAlias = bytes


class TypedMedia(Media):
    """Media as a type of pydantic's."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic take such a value, bytes, a path, or their JSON form; and write the JSON form."""
        return core_schema_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core_schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe the JSON form."""
        return json_schema_of(cls)


class Image(TypedMedia):
    """A picture: PNG, JPEG, GIF or WebP, told by its bytes.

    >>> Image(b"GIF89a......")
    <Image image/gif 12 B sha256:dba4a5a1>
    """

    __slots__ = ()
    kind: ClassVar[str] = "image"
    takes: ClassVar[frozenset[str] | None] = IMAGES

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        eager: bool = True,
        max_bytes: int = DEFAULT_MEDIA_BYTES,
        max_side: int | None = None,
    ) -> Self:
        """Take a picture from a file, as all media do; `max_side` makes one smaller whose longer side has more pixels.

        That needs Pillow (`pip install 'declarai-like[media]'`), and raises `MediaError` for more than 50 million
        pixels, before they are unpacked.
        """
        if max_side is None:
            return super().open(path, root=root, eager=eager, max_bytes=max_bytes)
        from declarai_like.media._pictures import shrink

        def read() -> Bytes:
            data = read_file(path, root, max_bytes)
            return shrink(data, cls._check(data, None), max_side)

        return cls._of_file(read, path, eager=eager)


class Audio(TypedMedia):
    """Sound: WAV, MP3, Ogg, FLAC or MP4, told by its bytes."""

    __slots__ = ()
    kind: ClassVar[str] = "audio"
    takes: ClassVar[frozenset[str] | None] = AUDIO


class Document(TypedMedia):
    """A PDF, or a text in UTF-8; `media_type` may say of which kind the text is, as `text/csv`."""

    __slots__ = ()
    kind: ClassVar[str] = "document"
    takes: ClassVar[frozenset[str] | None] = frozenset({PDF, TEXT})

    @classmethod
    def _said_type(cls, media_type: str | None) -> str | None:
        kind = None if media_type is None else plain_type(media_type)
        return kind if _is_text(kind) else super()._said_type(kind)

    @classmethod
    def _agree(cls, told: str | None, found: str | None) -> str | None:
        return told if found == TEXT and _is_text(told) else super()._agree(told, found)


class File(TypedMedia):
    """Any file: what the bytes show, else what `media_type` says; programs are refused."""

    __slots__ = ()

    @classmethod
    def _agree(cls, told: str | None, found: str | None) -> str | None:
        if found == TEXT and told is not None and told not in IMAGES | AUDIO | {PDF}:
            return told
        return told if found is None and told not in IMAGES | AUDIO | {PDF, TEXT} else super()._agree(told, found)


def _is_text(media_type: str | None) -> bool:
    return media_type is not None and media_type.startswith(("text/", "application/json", "application/xml"))


KINDS: dict[str, type[Media]] = {kind.kind: kind for kind in (Image, Audio, Document, File)}


def of_any_kind(data: bytes, name: str | None = None, media_type: str | None = None) -> Media:
    """Make of bytes the kind of media that they are; raises `MediaError` for those of no known type."""
    found = detect(data)
    kind = next((each for each in (Image, Audio, Document) if found in (each.takes or ())), File)
    return kind(data, media_type, name)

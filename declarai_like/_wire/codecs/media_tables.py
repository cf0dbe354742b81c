"""Which media a wire format takes, and in which form: decided before anything is sent.

From the documentation of the services and from recorded requests of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from declarai_like.errors import DefinitionError, LimitExceeded, MediaError
from declarai_like.media._parts import media_in
from declarai_like.media._signatures import AUDIO, IMAGES, PDF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like.media import Media
    from declarai_like.messages import Message
    from declarai_like.requests import Request

__all__ = ["ANTHROPIC", "CHAT", "GOOGLE", "RESPONSES", "MediaTable", "group_of", "has_parts", "said_type"]

Group: TypeAlias = Literal["image", "audio", "pdf", "text", "other"]
Form: TypeAlias = Literal["data", "url", "id"]

_MEGABYTE = 1024 * 1024
_WORDS: dict[Group, str] = {"image": "images", "audio": "audio", "pdf": "PDFs", "text": "texts", "other": "other files"}
_FORMS: dict[Form, str] = {"data": "bytes", "url": "address", "id": "file id"}
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": PDF,
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
}


@dataclass(frozen=True, slots=True)
class MediaTable:
    """What one format takes: forms by group, types where not all of a group are taken, and sizes in bytes."""

    name: str
    forms: Mapping[Group, frozenset[Form]]
    request_bytes: int
    """How large a request may be."""
    types: frozenset[str] | None = None
    """The images and sounds that are taken as bytes; `None` for all."""
    image_bytes: int | None = None
    """How large one image may be."""
    instead: str = ""
    """What else could be done."""

    def check(self, request: Request) -> None:
        """Raise `DefinitionError` for media that the format does not take, `LimitExceeded` for too many bytes."""
        if not has_parts(request.messages):
            return
        total = 0
        for media in media_in(request.messages):
            self.refuse(media)
            if media.address is not None or media.file_id is not None:
                continue
            size = media.size or 0
            if self.image_bytes is not None and group_of(media) == "image" and size > self.image_bytes:
                raise LimitExceeded(
                    f"{media!r} has {size} bytes, {self.name} takes images of {self.image_bytes}: "
                    "Image.open(..., max_side=2048) makes it smaller"
                )
            total += -(-size // 3) * 4
        limit = self.request_bytes if request.limits.request_bytes is None else request.limits.request_bytes
        total += sum(len(text) for text in request.texts)
        if total > limit:
            raise LimitExceeded(
                f"the request would have {total} bytes, {self.name} takes {limit}: send less at once, give "
                "addresses or file ids in the place of bytes, or raise max_request_bytes="
            )

    def refuse(self, media: Media) -> None:
        """Raise `DefinitionError` for media that the format does not take; `MediaError` for what was not downloaded."""
        if self.downloads(media):
            raise MediaError(f"{media!r} is to be downloaded before it is sent: it is when the request is made")
        if not self.takes(media):
            instead = f"; {self.instead}" if self.instead else ""
            raise DefinitionError(f"{self.name} does not take {media!r}: it takes {self._told()}{instead}")

    def downloads(self, media: Media) -> bool:
        """Say whether what stands at an address is fetched here: it is to be, or the provider cannot."""
        if media.address is None:
            return False
        forms = self.forms.get(group_of(media), frozenset())
        return media.download or ("url" not in forms and "data" in forms)

    def needs_downloads(self, request: Request) -> bool:
        """Say whether any media of a request are fetched here; nearly no request has any."""
        return any(self.downloads(media) for media in media_in(request.messages))

    def takes(self, media: Media) -> bool:
        """Say whether the format takes this, if we fetch what has to be fetched."""
        form = _form_of(media)
        if self.downloads(media):
            return True
        return form in self.forms.get(group_of(media), frozenset()) and (form != "data" or self._knows(media))

    def _knows(self, media: Media) -> bool:
        kind = media.media_type
        return self.types is None or kind in self.types or kind not in IMAGES | AUDIO

    def _told(self) -> str:
        told = []
        for group, forms in self.forms.items():
            kinds = sorted(kind for kind in self.types or () if kind.startswith(f"{group}/"))
            what = f"{_WORDS[group]} ({', '.join(kinds)})" if kinds else _WORDS[group]
            told.append(f"{what} by {' or '.join(_FORMS[form] for form in _FORMS if form in forms)}")
        return "; ".join(told)


def has_parts(messages: Sequence[Message]) -> bool:
    """Say whether any message has parts, as nearly none has."""
    return any(message.fields is not None and not isinstance(message.content, str) for message in messages)


def said_type(media: Media) -> str | None:
    """Give the media type; of an address without one, what the end of its path says."""
    if media.media_type is not None or media.address is None:
        return media.media_type
    return _ENDINGS.get(media.address.partition("?")[0].rpartition(".")[2].lower())


def group_of(media: Media) -> Group:
    """Give what kind of thing this is to a format."""
    kind = said_type(media)
    if kind is None:
        return {"image": "image", "audio": "audio", "document": "pdf"}.get(media.kind, "other")  # type: ignore[return-value]  # its values are groups
    if kind == PDF:
        return "pdf"
    first = kind.partition("/")[0]
    if first in {"image", "audio"}:
        return first  # type: ignore[return-value]  # a group
    return "text" if first == "text" or kind in {"application/json", "application/xml"} else "other"


def _form_of(media: Media) -> Form:
    if media.address is not None:
        return "url"
    return "data" if media.file_id is None else "id"


def _set(*forms: Form) -> frozenset[Form]:
    return frozenset(forms)


_ALL = _set("data", "url", "id")
_SOUNDS = frozenset({"audio/wav", "audio/mpeg"})

CHAT = MediaTable(
    "the chat completions format",
    {
        "image": _set("data", "url"),
        "audio": _set("data"),
        "pdf": _set("data", "id"),
        "text": _set("data", "id"),
        "other": _set("id"),
    },
    request_bytes=50 * _MEGABYTE,
    types=IMAGES | _SOUNDS,
    instead='api="responses" takes ids of images, and other files',
)
RESPONSES = MediaTable(
    "the Responses API",
    {"image": _ALL, "pdf": _ALL, "text": _ALL, "other": _ALL},
    request_bytes=50 * _MEGABYTE,
    instead='api="chat" takes audio',
)
ANTHROPIC = MediaTable(
    "Anthropic's format",
    {"image": _ALL, "pdf": _ALL, "text": _set("data", "id")},
    request_bytes=32 * _MEGABYTE,
    image_bytes=5 * _MEGABYTE,
)
GOOGLE = MediaTable(
    "Google's format",
    {"image": _ALL, "audio": _ALL, "pdf": _ALL, "text": _ALL, "other": _ALL},
    request_bytes=20 * _MEGABYTE,
    types=(IMAGES - {"image/gif"}) | AUDIO,
)

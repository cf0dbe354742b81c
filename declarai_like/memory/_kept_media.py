"""Media of stored messages: a turn's record holds what they are and their hash, their bytes are kept beside it once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors import HistoryError
from declarai_like.media import File, Media
from declarai_like.media._kinds import KINDS
from declarai_like.media._parts import map_parts, media_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from declarai_like.messages import Message

__all__ = ["KeptMedia", "part_media", "restore"]


class KeptMedia:
    """Where the bytes of a conversation's media are: each once, under its SHA-256 in hexadecimal."""

    keep_media: bool = True
    """Whether the bytes are stored; without, a stored message tells only what there was."""
    _where: str

    def _put_media(self, digest: str, data: bytes) -> None:
        """Store bytes, unless they are there; may be called twice for the same."""
        raise NotImplementedError  # pragma: no cover - each store has its own

    def _get_media(self, digest: str) -> bytes | None:
        """Give bytes back, `None` if there are none."""
        raise NotImplementedError  # pragma: no cover - each store has its own

    def _part(self, messages: Iterable[Message]) -> tuple[list[Message], dict[str, Media]]:
        """Part messages from the bytes of their media."""
        kept: dict[str, Media] = {}
        parted = [part_media(message, kept, keeps=self.keep_media) for message in messages]
        return parted, kept

    def _put_all(self, media: dict[str, Media]) -> None:
        for digest, each in media.items():
            self._put_media(digest, each.data or b"")

    def _load_media(self, digest: str) -> bytes:
        data = self._get_media(digest)
        if data is None:
            raise HistoryError(
                f"{self._where} has lost the media sha256:{digest[:8]}: its bytes are not there any more"
            )
        return data


def part_media(message: Message, kept: dict[str, Media], *, keeps: bool) -> Message:
    """Put what is known of a message's media in their place; the bytes are collected in `kept`, by their hash."""

    def part(each: Any) -> Any:
        media = media_of(each)
        if media is None:
            return each
        if media.address is not None or media.file_id is not None:
            return {"type": "media", "kind": media.kind, **media.to_data()}
        told = {"type": "media", "kind": media.kind, **media.describe()}
        if not keeps:
            return {**told, "kept": False}
        kept[str(media.digest)] = media
        return told

    return map_parts(message, part)


def restore(message: Message, load: Callable[[str], bytes]) -> Message:
    """Put media back into a message that was stored; their bytes are read when they are needed."""

    def whole(part: Any) -> Any:
        if not isinstance(part, dict) or part.get("type") != "media":
            return part
        if "sha256" not in part:
            return media_of(part)
        digest = str(part["sha256"])
        media = KINDS.get(str(part.get("kind")), File).of_store(
            lambda: load(digest),
            digest=digest,
            size=int(part.get("bytes", 0)),
            media_type=str(part.get("media_type")),
            name=part.get("name"),
        )
        return media if part.get("kept", True) else {"type": "text", "text": repr(media)}

    return map_parts(message, whole)

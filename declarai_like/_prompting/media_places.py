"""Media within a prompt: each stands as a mark in its text, until the text is cut there into parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ArgumentError
from declarai_like.media import Media
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MediaPlaces", "Several"]


class Several(tuple[str, ...]):
    """The marks of several media; as a text they stand one behind the other."""

    __slots__ = ()

    def __str__(self) -> str:
        return "".join(self)


class MediaPlaces:
    """The media of one prompt, in the order of their parameters."""

    def __init__(self, media: Mapping[str, Media | Iterable[Media] | None]) -> None:
        from secrets import randbits

        # Nobody can write a mark into a text: its number is not known before. The two ends are no characters.
        self._salt = randbits(64)
        self._media: list[Media] = []
        self._places: dict[str, range] = {}
        self.marks = {name: None if told is None else self._put(name, told) for name, told in media.items()}
        """What stands for each argument in the text."""

    def _put(self, name: str, told: Media | Iterable[Media]) -> str | Several:
        start = len(self._media)
        self._media += [told] if isinstance(told, Media) else told
        place = self._places[name] = range(start, len(self._media))
        marks = Several(map(self._mark, place))
        return marks[0] if isinstance(told, Media) else marks

    def _mark(self, number: int) -> str:
        return f"\ufdd0{self._salt}:{number}\ufdd1"

    def refuse_in(self, text: str, where: str) -> None:
        """Raise `ArgumentError` if one of the media stands in a text that can have none."""
        if f"\ufdd0{self._salt}:" in text:
            raise ArgumentError(f"{where}: media cannot stand in the system prompt, name them in the docstring")

    def message(self, words: str) -> Message:
        """Cut a text at its marks; media that it does not show stand at the end, each behind its parameter's name."""
        pieces = re.split(f"\ufdd0{self._salt}:(\\d+)\ufdd1", words)
        shown = {int(number) for number in pieces[1::2]}
        parts: list[Any] = [self._media[int(piece)] if at % 2 else piece for at, piece in enumerate(pieces)]
        for name, place in self._places.items():
            if place and shown.isdisjoint(place):
                parts += [f"{name}:", *(self._media[at] for at in place)]
        told = [part if isinstance(part, str) else repr(part) for part in parts]
        text = "".join(told[: len(pieces)]) + "".join(f"\n{each}" for each in told[len(pieces) :])
        content = [_text(part) if isinstance(part, str) else part for part in parts if not _is_blank(part)]
        has_media = any(not isinstance(part, str) for part in parts)
        return Message(text, MessageRole.user, fields={"content": content} if has_media else None)


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _is_blank(part: Any) -> bool:
    return isinstance(part, str) and not part.strip()

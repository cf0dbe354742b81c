"""What an answer consists of while it grows: texts and lists that many values share, each up to its own end."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.completions import ToolCall, Usage


class GrowingText:
    """A growing text whose prefixes are had without joining the same pieces twice."""

    __slots__ = ("_joined", "pieces", "surrogates")

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)
        self.surrogates = False
        """Whether a surrogate pair may be split over two pieces (a server escaped per token)."""
        self._joined: tuple[int, str] = (0, "")

    def prefix(self, end: int) -> str:
        """Join the first `end` pieces."""
        count, text = self._joined
        if end < count:
            return self._whole("".join(self.pieces[:end]))
        if end > count:
            text = self._whole(text + "".join(self.pieces[count:end]))
            self._joined = (end, text)
        return text

    def _whole(self, text: str) -> str:
        if not self.surrogates:
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


class ListPrefix(NamedTuple):
    """The first `end` entries of a list that goes on growing."""

    entries: list[Any]
    end: int

    def tuple(self) -> tuple[Any, ...]:
        """Give the entries as they stood."""
        return tuple(self.entries[: self.end])


class AnswerMetadata(NamedTuple):
    """What is known of an answer as a whole, at one moment."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None


class Progress(NamedTuple):
    """What is known of one choice besides its text, at one moment."""

    role: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: tuple[GrowingText, int] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: ListPrefix | None = None
    refusal_logprobs: ListPrefix | None = None
    legacy_logprobs: ListPrefix | None = None
    """The parallel lists of text completions, as they came chunk by chunk."""
    function_call: Mapping[str, Any] | None = None


class Partial(Protocol):
    """The typed value of a text that is still growing."""

    def at(self, end: int) -> Any:
        """Give the value of the first `end` pieces, or `None` if nothing can be shown yet."""

    def items(self, end: int) -> list[Any]:
        """Give the items of a list that the first `end` pieces have closed."""


_MAY_GO_ON = string.ascii_letters + string.digits + "+-."


def partial_json(text: str) -> Any:
    """Read what is closed of JSON that is still growing; `None` where there is nothing yet, or where it is no JSON."""
    from jiter import from_json

    try:  # a number or a literal at the end is not closed: more of it may come
        return from_json(text.rstrip(_MAY_GO_ON).encode(), partial_mode=True)
    except ValueError:
        return None

"""What an answer consists of while it grows: texts and lists that many values share, each up to its own end."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from declarai_like._writing.texts import has_surrogates, join_pairs, mend_surrogates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._values.outcomes import Outcome
    from declarai_like.completions import ToolRun, Usage

_HALF_AT_THE_END = re.compile("[\ud800-\udbff]\\Z")
_LONE_BEFORE_THE_END = re.compile("[\udc00-\udfff]|[\ud800-\udbff](?!\\Z)")


class VendorChunk(dict[str, Any]):
    """A chunk in the chat format, made of what another wire format sent.

    `sent` is that, as it came: `LLMResponse.raw_response` shows it, `choices` and `delta` are read from the chunk.
    """

    __slots__ = ("sent",)

    def __init__(self, chunk: Mapping[str, Any], sent: Any) -> None:
        super().__init__(chunk)
        self.sent = sent

    def typed(self) -> Any:
        """Give what was sent as the vendor's own type; as plain data unless a subclass knows one."""
        return self.sent


class GrowingText:
    """A growing text whose prefixes are had without joining the same pieces twice.

    A surrogate pair that is split over two pieces (a server escaped per token) is one character, half of one is
    U+FFFD. At the end of a text that still grows a half stays, as the other one may come.
    """

    __slots__ = ("_closed", "_joined", "pieces", "surrogates")

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)
        self.surrogates = any(map(has_surrogates, pieces))
        """Whether halves of surrogate pairs have come."""
        self._closed = False
        self._joined: tuple[int, str] = (0, "")

    def append(self, piece: str) -> None:
        """Add a piece, if there is any text in it."""
        if piece:
            self.pieces.append(piece)
            if not self.surrogates and not piece.isascii() and has_surrogates(piece):
                self.surrogates = True

    def close(self) -> None:
        """Note that no more of the text comes."""
        self._closed = True

    def prefix(self, end: int) -> str:
        """Join the first `end` pieces."""
        count, text = self._joined
        if end < count:
            text = self._pair("".join(self.pieces[:end]))
        elif end > count:
            text = self._pair(text + "".join(self.pieces[count:end]))
            self._joined = (end, text)
        if self.surrogates and self._closed and end == len(self.pieces):
            return mend_surrogates(text)
        return text

    def _pair(self, text: str) -> str:
        return _LONE_BEFORE_THE_END.sub("\ufffd", join_pairs(text)) if self.surrogates else text


class TextPrefix(NamedTuple):
    """The first `end` pieces of a text that goes on growing."""

    text: GrowingText
    end: int

    @classmethod
    def of(cls, text: str | None) -> TextPrefix | None:
        """Hold a text that grows no more."""
        return None if text is None else cls(GrowingText(text), 1)

    def string(self) -> str:
        """Give the text as it stood."""
        return self.text.prefix(self.end)


class Entries(Protocol):
    """A list as it stood at one moment."""

    def tuple(self) -> tuple[Any, ...]:
        """Give its entries."""


class ListPrefix(NamedTuple):
    """The first `end` entries of a list that goes on growing."""

    entries: list[Any]
    end: int

    @classmethod
    def of(cls, entries: Any) -> ListPrefix | None:
        """Hold entries that stay as they are; `None` if there are none."""
        return cls(list(entries), len(entries)) if entries else None

    def tuple(self) -> tuple[Any, ...]:
        """Give the entries as they stood."""
        return tuple(self.entries[: self.end])


class FunctionCall(NamedTuple):
    """The legacy `function_call` at one moment."""

    name: str
    arguments: TextPrefix

    def data(self) -> dict[str, str]:
        """Give it as the wire has it."""
        return {"name": self.name, "arguments": self.arguments.string()}


class VendorParts(NamedTuple):
    """What is known of one choice that the chat format has no place for, at one moment."""

    items: ListPrefix | None = None
    commentary: TextPrefix | None = None
    annotations: ListPrefix | None = None
    reasoning_field: str | None = None
    """The field in which a chat completion told its thinking."""
    reasoning_details: ListPrefix | None = None
    state: Mapping[str, Any] | None = None
    """What the codec wants back with the next turn, in its vendor's form."""


class Round(NamedTuple):
    """Which request of a call an answer belongs to, and what came of its tool calls."""

    number: int = 1
    usage: Usage | None = None
    tool_results: tuple[ToolRun, ...] = ()


FIRST_ROUND = Round()


class AnswerMetadata(NamedTuple):
    """What is known of an answer as a whole, at one moment."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None
    origin: Mapping[str, Any] | None = None
    """Who answered: `provider`, `base_url` and `model`, as a message's `state` names them."""
    round: Round = FIRST_ROUND
    cached: bool = False
    """Whether it was answered before, to an equal request, and kept."""
    attempt: int = 1
    """Which try of its call this is."""


class Progress(NamedTuple):
    """What is known of one choice besides its text, at one moment."""

    role: str = ""
    finish_reason: str | None = None
    refusal: TextPrefix | None = None
    reasoning: TextPrefix | None = None
    tool_calls: Entries | None = None
    """The calls, as a list of `ToolCall`; `None` when there are none."""
    logprobs: ListPrefix | None = None
    refusal_logprobs: ListPrefix | None = None
    legacy_logprobs: ListPrefix | None = None
    """The parallel lists of text completions, as they came chunk by chunk."""
    function_call: FunctionCall | None = None
    vendor: VendorParts | None = None
    outcome: Outcome | None = None
    """How the choice ended, where the wire's word for it does not say so by itself."""

    @property
    def asks_for_tools(self) -> bool:
        """Whether the model calls a tool, or a function as the format first had it."""
        return self.tool_calls is not None or self.function_call is not None


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
        closed = mend_surrogates(_HALF_AT_THE_END.sub("", text.rstrip(_MAY_GO_ON)))
        return from_json(closed.encode(), partial_mode=True)
    except ValueError:
        return None

"""A streamed answer of any wire format: bytes to events, events to the chunks that a codec makes of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.codecs.json_text import BOM, SHOWN, show_beginning
from declarai_like._wire.sizes import check_size
from declarai_like._wire.sse import Event, EventDecoder
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from declarai_like._wire.codecs.base import Redact

__all__ = ["StreamDecoder"]

_EVENTS_BETWEEN_CHECKS = 256


class StreamDecoder:
    """Turns the reads of one streamed answer into chunks: `feed` each read, then `close` at its end.

    A subclass says what the chunks of an event are, and reads an answer that is no event stream but one JSON document,
    as servers give that do not stream. `redact` blanks out keys in what is shown as an error, never in what the model
    says. `check_time` is called now and then within a long read, and may raise. Raises `InvalidResponse` for what is
    no JSON, and for more than `limit` bytes.
    """

    __slots__ = (
        "_check_time", "_document", "_events", "_left", "_limit", "_redact", "_sniffing", "begin", "done", "ended",
    )  # fmt: skip

    def __init__(
        self,
        redact: Redact = lambda value: value,
        limit: int | None = None,
        *,
        check_time: Callable[[], object] = lambda: None,
    ) -> None:
        self.done = False
        """Whether the other side said that the answer is whole."""
        self.ended = False
        """Whether every choice has its finish reason: what may follow is its usage."""
        self._check_time = check_time
        self.begin = b""
        """The first bytes, for a message about an answer that is none."""
        self._events = EventDecoder()
        self._redact = redact
        self._document: bytearray | None = None
        self._sniffing = True
        self._limit = limit
        self._left = float("inf") if limit is None else limit
        """How many bytes there may still be."""

    @abstractmethod
    def decode_event(self, name: str, data: bytes) -> Iterable[Chunk]:
        """Give the chunks of an event, `DONE` if it says that the answer is whole."""

    @abstractmethod
    def decode_document(self, body: bytes) -> Chunk:
        """Read the JSON document that came in the place of events; raises `InvalidResponse` if it is no answer."""

    @abstractmethod
    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one: the usual event the fast way."""

    def refuse_size(self) -> None:
        """Raise `InvalidResponse`: there are more bytes than an answer may have."""
        check_size(1 + (self._limit or 0), self._limit)

    def _feed_any(self, read: bytes) -> Iterable[Chunk]:
        if self._sniffing:
            read = self._sniff(read)
        if self._document is not None:
            self._document += read
            return ()
        try:
            return self._decode(self._events.feed(read))
        except OverflowError as error:
            raise InvalidResponse(f"{error}: this is not a model's answer", phase="stream") from None

    def _sniff(self, read: bytes) -> bytes:
        """Look at the first bytes until they show what this is; give those that were held back for it."""
        self.begin = (self.begin + read).removeprefix(BOM).lstrip(b"\r\n")
        text = self.begin.lstrip()
        if len(self.begin) < SHOWN and BOM.startswith(text):
            return b""
        self._sniffing = False
        if text[:1] in (b"{", b"["):
            self._document = bytearray()
            self._events.idle = False  # no read is an event any more
        read, self.begin = self.begin, self.begin[:SHOWN]
        return read

    def close(self) -> Iterator[Chunk]:
        """Give the chunk that the end of the answer completes, if its data is whole."""
        if self._document is not None:
            yield self.decode_document(bytes(self._document))
            yield DONE
            self.done = True
            return
        try:
            yield from self._decode(self._events.close())
        except (InvalidResponse, OverflowError):
            return

    def rest(self) -> list[Chunk]:
        """Give the chunk that a connection has left without its blank line when it broke, if its data is whole."""
        return [] if self._document is not None else [chunk for chunk in self.close() if chunk is not DONE]

    def excerpt(self) -> str:
        """Give the beginning of the answer, for a message."""
        return show_beginning(self.begin, self._redact)

    def _decode(self, events: list[Event]) -> Iterator[Chunk]:
        """Give the events' chunks one by one, so that those before a broken one are not lost."""
        count = 0
        for name, data in events:
            for chunk in self.decode_event(name, data):
                count += 1
                if count % _EVENTS_BETWEEN_CHECKS == 0:
                    self._check_time()
                if chunk is DONE:
                    self.done = True
                yield chunk
                if self.done:
                    return

"""The bytes of an answer to chunks: server-sent events whose data is JSON in the OpenAI format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.sizes import check_size
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like._wire.sse import Event, EventDecoder
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_BOM = b"\xef\xbb\xbf"
_SHOWN = 200


class ChunkDecoder:
    """Turns the reads of one streamed answer into chunks: `feed` each read, then `close` at its end.

    An answer that is no event stream but one JSON document, as servers give that do not stream, is one chunk and
    whole. `redact` blanks out the key in what may be shown to somebody. Raises `InvalidResponse` for what is not JSON.
    """

    __slots__ = ("_document", "_events", "_left", "_redact", "_sniffing", "_whole", "begin", "done")

    def __init__(self, redact: Callable[[Any], Any] = lambda value: value, limit: int | None = None) -> None:
        self.done = False
        """Whether the other side said that the answer is whole."""
        self.begin = b""
        """The first bytes, for a message about an answer that is none."""
        self._events = EventDecoder()
        self._redact = redact
        self._document: bytearray | None = None
        self._sniffing = True
        self._whole = limit
        self._left = float("inf") if limit is None else limit
        """How many bytes there may still be."""

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            check_size(1 + (self._whole or 0), self._whole)
        # The way nearly all servers write: one read is one event of one line. One search proves it, and what JSON
        # there may be that is not so simple (a CR, bad UTF-8) fails to parse and goes the long way.
        if read[:7] == b"data: {" and self._events.idle and read.find(b"\n") == len(read) - 2 and read[-1] == 10:  # noqa: PLR2004 - LF
            try:
                chunk: Chunk = from_json(read[6:-2])
                (choice,) = chunk["choices"]
                if "error" not in choice and "error" not in chunk:
                    self._sniffing = False
                    return (chunk,)
            except (KeyError, TypeError, ValueError):
                pass
        return self._feed_any(read)

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
        self.begin += read
        text = self.begin.removeprefix(_BOM).lstrip()
        if len(self.begin) < _SHOWN and _BOM.startswith(text):
            return b""
        self._sniffing = False
        if text[:1] in (b"{", b"["):
            self._document = bytearray()
        read, self.begin = self.begin, self.begin[:_SHOWN]
        return read

    def close(self) -> Iterator[Chunk]:
        """Give the chunk that the end of the answer completes, if its data is whole."""
        if self._document is not None:
            yield decode_answer(bytes(self._document), self._redact)
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

    def shown(self) -> str:
        """Give the beginning of the answer, for a message."""
        return _shown(self.begin, self._redact)

    def _decode(self, events: list[Event]) -> Iterator[Chunk]:
        """Give the events' chunks one by one, so that those before a broken one are not lost."""
        for name, data in events:
            for chunk in self._decode_event(name, data):
                if chunk is DONE:
                    self.done = True
                yield chunk
                if self.done:
                    return

    def _decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        if name == "error":
            yield self._redact(_error_chunk(data))
            return
        for value in _values(data, self._redact):
            if value is DONE:
                yield DONE
            elif isinstance(value, dict) and (name in ("", "message") or "choices" in value or "error" in value):
                yield self._redact(value) if b"error" in data else value


def decode_answer(body: bytes, redact: Callable[[Any], Any]) -> Chunk:
    """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
    try:
        answer = decode(body.removeprefix(_BOM))
    except ValueError:
        answer = None
    if isinstance(answer, dict) and (answer.get("choices") or answer.get("error")):
        return redact(answer) if b"error" in body else answer
    if isinstance(answer, dict) and "error" in (answer.get("object"), answer.get("type")):
        return redact(answer)  # type: ignore[no-any-return]  # a dict again
    shown = _shown(body, redact)
    raise InvalidResponse(f"expected a completion in the OpenAI format, got {shown!r}", body=shown)


def decode(body: bytes) -> Any:
    """Read JSON; raises `ValueError` if it is none."""
    try:
        return from_json(body)
    except ValueError:
        pass  # e.g. half a surrogate pair, or bad UTF-8: the standard reader takes both
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _values(data: bytes, redact: Callable[[Any], Any]) -> Iterator[Any]:
    """Read the data of an event; raises `InvalidResponse` for the part that is not JSON."""
    for part in _parts(data):
        yield DONE if part.startswith(DONE_DATA) else _value(part, redact)


def _value(data: bytes, redact: Callable[[Any], Any]) -> Any:
    try:
        return decode(data)
    except ValueError:
        shown = _shown(data, redact)
        raise InvalidResponse(f"expected a chunk of JSON, got {shown!r}", phase="stream", body=shown) from None


def _parts(data: bytes) -> list[bytes]:
    """Tell apart events that a server has parted by one newline only: lines that are no JSON together."""
    lines = [line for line in data.split(b"\n") if line]
    if len(lines) > 1:
        try:
            decode(data)
        except ValueError:
            return lines
    return [data]


def _error_chunk(data: bytes) -> Chunk:
    """Spell an error event as the chunk that says it."""
    try:
        error = decode(data)
    except ValueError:
        error = data.decode("utf-8", "replace")
    if isinstance(error, dict) and error.get("error"):
        return error
    return {"error": error or {"message": "the provider reported an error without a word"}}


def _shown(data: bytes, redact: Callable[[Any], Any]) -> str:
    """Give the beginning of what came as text, the key blanked out even where the cut would part it."""
    return str(redact(data[: 4 * _SHOWN].decode("utf-8", "replace")))[:_SHOWN]

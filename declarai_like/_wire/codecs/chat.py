"""The bytes of an answer to chunks: server-sent events whose data is JSON in the OpenAI format."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._outcomes import finish_reason_of
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.deltas import choices_of
from declarai_like._wire.provider_errors import error_in_choice, error_of, is_error_document, redact_error
from declarai_like._wire.sizes import check_size
from declarai_like._wire.sse import DONE as DONE_DATA
from declarai_like._wire.sse import Event, EventDecoder
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"  # a byte is found faster by its number
_SHOWN = 200
_DEEPEST = 200
"""How deeply JSON may be nested: the fast reader's own limit, so that all that comes can be walked through."""
_EVENTS_BETWEEN_CHECKS = 256
_IS_ERROR_EVENT = re.compile("error|exception|fail", re.IGNORECASE).search


class ChunkDecoder:
    """Turns the reads of one streamed answer into chunks: `feed` each read, then `close` at its end.

    An answer that is no event stream but one JSON document, as servers give that do not stream, is one chunk and
    whole. `redact` blanks out the key in what may be shown to somebody, never in what the model says. `choices` is how
    many were asked for. `check_time` is called now and then within a long read, and may raise. Raises
    `InvalidResponse` for what is not JSON.
    """

    __slots__ = (
        "_check_time", "_choices", "_document", "_events", "_finished", "_left", "_redact", "_sniffing", "_whole", "begin",
        "done",
    )  # fmt: skip

    def __init__(
        self,
        redact: Callable[[Any], Any] = lambda value: value,
        limit: int | None = None,
        *,
        choices: int = 1,
        check_time: Callable[[], object] = lambda: None,
    ) -> None:
        self.done = False
        """Whether the other side said that the answer is whole."""
        self.begin = b""
        """The first bytes, for a message about an answer that is none."""
        self._events = EventDecoder()
        self._redact = redact
        self._check_time = check_time
        self._choices = choices
        self._finished: set[int] = set()
        self._document: bytearray | None = None
        self._sniffing = True
        self._whole = limit
        self._left = float("inf") if limit is None else limit
        """How many bytes there may still be."""

    @property
    def ended(self) -> bool:
        """Whether every choice has its finish reason: only the usage may follow."""
        return len(self._finished) >= self._choices

    def feed(self, read: bytes) -> Iterable[Chunk]:
        """Give the chunks that `read` completes, and `DONE` after the last one."""
        self._left -= len(read)
        if self._left < 0:
            check_size(1 + (self._whole or 0), self._whole)
        # The way nearly all servers write: one read is one event of one line. Two searches prove it, and what JSON
        # there may be that is not so simple (bad UTF-8) fails to parse and goes the long way.
        data = read[6:-2]
        if (
            read[:7] == b"data: {"
            and read[-2:] == b"\n\n"
            and self._events.idle
            and _LF not in data
            and _CR not in data
        ):
            try:
                chunk: Chunk = from_json(data)
                (choice,) = chunk["choices"]
                if (
                    choice["finish_reason"] is None
                    and "error" not in choice
                    and "error" not in chunk
                    and chunk.get("object") != "error"
                ):
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
        self.begin = (self.begin + read).removeprefix(_BOM).lstrip(b"\r\n")
        text = self.begin.lstrip()
        if len(self.begin) < _SHOWN and _BOM.startswith(text):
            return b""
        self._sniffing = False
        if text[:1] in (b"{", b"["):
            self._document = bytearray()
            self._events.idle = False  # no read is an event any more
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
        count = 0
        for name, data in events:
            for chunk in self._decode_event(name, data):
                count += 1
                if count % _EVENTS_BETWEEN_CHECKS == 0:
                    self._check_time()
                if chunk is DONE:
                    self.done = True
                yield chunk
                if self.done:
                    return

    def _decode_event(self, name: str, data: bytes) -> Iterator[Chunk]:
        if _IS_ERROR_EVENT(name):
            yield self._redact(_error_chunk(data))
            return
        for value in _values(data, self._redact):
            if value is DONE:
                yield DONE
            elif isinstance(value, dict) and (name in ("", "message") or "choices" in value or "error" in value):
                yield self._note(value)

    def _note(self, chunk: Chunk) -> Chunk:
        """Note the choices that end with a chunk; give it without secrets where it is no part of an answer."""
        if _is_error(chunk):
            return redact_error(chunk, self._redact)
        for index, choice in choices_of(chunk):
            if finish_reason_of(choice.get("finish_reason")):
                self._finished.add(index)
        return chunk


def decode_answer(body: bytes, redact: Callable[[Any], Any]) -> Chunk:
    """Read the JSON document of a whole answer; raises `InvalidResponse` if it is none."""
    try:
        answer = decode(body.removeprefix(_BOM))
    except ValueError:
        answer = None
    answers = [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else [answer]
    for one in answers:  # Gemini tells its errors in a list
        if isinstance(one, dict) and (one.get("choices") or is_error_document(one)):
            return redact_error(one, redact) if _is_error(one) else one
    shown = _shown(body, redact)
    raise InvalidResponse(f"expected a completion in the OpenAI format, got {shown!r}", body=shown)


def _is_error(chunk: Chunk) -> bool:
    """Say whether a chunk is an error, has one, or is no part of an answer at all."""
    return next(choices_of(chunk), None) is None or error_of(chunk) is not None or error_in_choice(chunk) is not None


def decode(body: bytes) -> Any:
    """Read JSON; raises `ValueError` if it is none."""
    try:
        return from_json(body)
    except ValueError:
        pass  # e.g. half a surrogate pair, or bad UTF-8: the standard reader takes both
    try:
        value = json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        containers = [each for each in level if isinstance(each, (dict, list))]
        if not containers:
            return False
        level = [entry for each in containers for entry in (each.values() if isinstance(each, dict) else each)]
    return True


def _values(data: bytes, redact: Callable[[Any], Any]) -> Iterator[Any]:
    """Read the data of an event; raises `InvalidResponse` for the part that is not JSON."""
    for part in _parts(data):
        if part.startswith(DONE_DATA):
            yield DONE
            continue
        value = _value(part, redact)
        yield from value if isinstance(value, list) else (value,)  # Gemini tells its errors in a list


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

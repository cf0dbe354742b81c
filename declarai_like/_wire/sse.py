"""Server-sent events: the bytes of a stream to the data of its events, without any I/O.

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html, read the way real servers need it:
lines may end in CR, LF or CRLF; an unfinished last event counts; of the fields `data` and `event` are used, and
`error`, which is no field of the standard.
"""

from __future__ import annotations

import re

__all__ = ["DONE", "LIMIT", "Event", "EventDecoder"]

Event = tuple[str, bytes]
"""The name of an event (`""` when it has none) and its data, the lines joined by LF."""

DONE = b"[DONE]"
LIMIT = 16 * 1024 * 1024
"""The most bytes that one event may have."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class EventDecoder:
    """Turns the reads of one response into events: `feed` each read, then `close` at its end.

    Both raise `OverflowError` when one event is longer than `limit` bytes.
    """

    __slots__ = ("_data", "_name", "_rest", "_size", "_started", "idle", "limit")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.idle = True
        """Whether nothing is pending: the next read begins a new event."""
        self._rest = bytearray()
        """The line that has not ended yet."""
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0
        """How many bytes `_data` holds."""
        self._started = False

    def feed(self, read: bytes) -> list[Event]:
        """Give the events that `read` completes."""
        rest = self._rest
        waiting = not self._started or rest[-1:] == b"\r"
        rest += read
        self.idle = False
        if not waiting and _LINE_END.search(read) is None:  # a long line: looked at again when it ends
            self._check(len(rest))
            return []
        if not self._started:
            if _BOM.startswith(rest):
                return []
            self._started = True
            if rest.startswith(_BOM):
                del rest[: len(_BOM)]
        return self._lines(bytes(rest))

    def close(self) -> list[Event]:
        """Give the event that the end of the response completes, if there is one."""
        self._started = True
        return self._lines(bytes(self._rest) + b"\n\n")

    def _lines(self, text: bytes) -> list[Event]:
        # A CR at the end of a read may be half of a CRLF: it waits for the next read.
        held = b"\r" if text[-1:] == b"\r" else b""
        *lines, rest = _LINE_END.split(text[:-1] if held else text)
        self._rest = bytearray(rest + held)
        events: list[Event] = []
        for line in lines:
            self._line(line, events)
        self._check(len(rest))
        self.idle = not (self._rest or self._data or self._name)
        return events

    def _line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            self._check(0)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":  # llama.cpp used to say so instead of `event: error`
            self._dispatch(events)
            events.append(("error", value))

    def _dispatch(self, events: list[Event]) -> None:
        if any(self._data):
            events.append((self._name, b"\n".join(self._data)))
        self._name, self._data, self._size = "", [], 0

    def _check(self, more: int) -> None:
        if self._size + more > self.limit:
            raise OverflowError(f"one event of the stream is longer than {self.limit} bytes")

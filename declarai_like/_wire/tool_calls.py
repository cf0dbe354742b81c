"""Tool calls put together from their fragments, in every dialect that providers speak."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._values.buffers import GrowingText
from declarai_like._wire.deltas import as_text
from declarai_like._writing.texts import is_too_deep, mend_surrogates
from declarai_like.completions import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping


class GrowingCall:
    """A call while it grows."""

    __slots__ = ("_scanner", "_text", "extra", "id", "index", "name", "type")

    def __init__(self, index: int, call_type: str) -> None:
        self.index = index
        self.id: str | None = None
        self.name = ""
        self.type = call_type
        self.extra: Mapping[str, Any] = {}
        self._text = GrowingText()
        self._scanner = ObjectScanner()

    def add(self, call_id: str | None, name: str, arguments: str) -> CallSnapshot:
        """Take in a fragment; give the call as it stands."""
        self.id = self.id or call_id
        self.name = self.name or name
        self._text.append(arguments)
        return CallSnapshot(self.index, self.id, self.name, self.type, self._text, len(self._text.pieces), self.extra)

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return self._text.prefix(len(self._text.pieces))

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are one whole JSON object."""
        return self._scanner.is_object(self._text)

    def close(self) -> None:
        """Note that no more of it comes."""
        self._text.close()


@dataclass(slots=True)
class CallSnapshot:
    """A call at one moment; costs little, for it shares the text."""

    index: int
    id: str | None
    name: str
    type: str
    text: GrowingText
    end: int
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> str:
        """The arguments as they stood."""
        return self.text.prefix(self.end)

    def call(self) -> ToolCall:
        """Show the call as it stood."""
        return ToolCall(self.index, self.id, self.name, self.arguments, self.type, extra=dict(self.extra))


class CallsPrefix(NamedTuple):
    """The calls of a choice at one moment: the last snapshot of each among the first `end` of a log."""

    log: list[CallSnapshot]
    end: int
    calls: int

    def tuple(self) -> tuple[ToolCall, ...]:
        """Give the calls as they stood, in order of first appearance."""
        last: dict[int, CallSnapshot] = {}
        for place in range(self.end - 1, -1, -1):
            if len(last) == self.calls:
                break
            last.setdefault(self.log[place].index, self.log[place])
        return tuple(last[index].call() for index in range(self.calls))


class Fragment(NamedTuple):
    """What one entry of a delta's `tool_calls` added to a call."""

    call: CallSnapshot
    arguments: str


class ToolCalls:
    """The calls of one choice, in order of first appearance."""

    __slots__ = ("_by_id", "_by_wire_index", "_grown", "_log", "calls")

    def __init__(self) -> None:
        self.calls: list[GrowingCall] = []
        self._log: list[CallSnapshot] = []
        self._by_wire_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._grown: set[int] = set()
        """The calls that have grown since they were last looked at for their end."""

    @property
    def size(self) -> int:
        """How many fragments have come."""
        return len(self._log)

    def feed(self, entries: Any) -> list[Fragment]:
        """Add a delta's entries; each fragment shows its call as it stood with that entry added."""
        if not isinstance(entries, list):
            return []
        earlier = len(self.calls)
        return [self._add(entry, earlier) for entry in entries if isinstance(entry, dict)]

    def prefix(self) -> CallsPrefix | None:
        """Hold fast the calls as they stand; `None` if there are none."""
        return CallsPrefix(self._log, len(self._log), len(self.calls)) if self.calls else None

    def take_overtaken(self, current: int) -> list[int]:
        """Give the calls that have become whole before this one went on, each once."""
        grown = sorted(self._grown - {current})
        self._grown &= {current}
        return [index for index in grown if self.calls[index].is_whole]

    def close(self) -> None:
        """Note that no more of any call comes."""
        for call in self.calls:
            call.close()

    def _add(self, entry: Mapping[str, Any], earlier: int) -> Fragment:
        function = entry.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name = _word(entry.get("id")) or None, _word(function.get("name"))
        arguments = as_text(function.get("arguments"))
        wire_index = entry.get("index")
        wire_index = wire_index if isinstance(wire_index, int) else None
        slot = self._find(wire_index, call_id, name, arguments, earlier)
        if slot is None:
            slot = len(self.calls)
            self.calls.append(GrowingCall(slot, _word(entry.get("type")) or "function"))
        elif self._repeats(slot, call_id, name, arguments):
            arguments = ""
        if wire_index is not None:
            self._by_wire_index[wire_index] = slot
        if call_id is not None:
            self._by_id[call_id] = slot
        self._grown.add(slot)
        if unknown := {field: value for field, value in entry.items() if field not in _KNOWN}:
            self.calls[slot].extra = {**self.calls[slot].extra, **unknown}
        snapshot = self.calls[slot].add(call_id, name, arguments)
        self._log.append(snapshot)
        return Fragment(snapshot, arguments)

    def _find(self, wire_index: int | None, call_id: str | None, name: str, arguments: str, earlier: int) -> int | None:
        """Find the call that an entry belongs to, or `None` if it begins a new one.

        `earlier` is how many calls there were before this delta.
        """
        if not self.calls:
            return None
        current = len(self.calls) - 1
        if wire_index is not None:
            return self._find_by_index(wire_index, call_id, name, arguments)
        if call_id is not None and call_id not in self._by_id:
            return None if name else current
        slot = current if call_id is None else self._by_id[call_id]
        # Without an index and an id of its own, a name begins a call if the known one is whole, or stands in this
        # list itself: calls that come in pieces are not listed.
        begins = name and (slot >= earlier or self._begins_another(slot, call_id, name, arguments))
        return None if begins else slot

    def _find_by_index(self, wire_index: int, call_id: str | None, name: str, arguments: str) -> int | None:
        slot = self._by_wire_index.get(wire_index)
        if slot is not None:
            return None if self._begins_another(slot, call_id, name, arguments) else slot
        if name or (call_id is not None and call_id not in self._by_id):
            return None
        return len(self.calls) - 1 if call_id is None else self._by_id[call_id]

    def _begins_another(self, slot: int, call_id: str | None, name: str, arguments: str) -> bool:
        """Say whether an entry that seems to go on with a call is a new one all the same, as some servers send it."""
        known = self.calls[slot]
        if not name or self._repeats(slot, call_id, name, arguments):
            return False
        differs = call_id is not None and known.id is not None and call_id != known.id
        if known.name and name != known.name and call_id is not None:
            return True
        return known.is_whole and (differs or bool(arguments.strip()))

    def _repeats(self, slot: int, call_id: str | None, name: str, arguments: str) -> bool:
        """Say whether an entry tells a whole call once more, as some servers do at the end."""
        known = self.calls[slot]
        is_same = call_id is not None and call_id == known.id and name == known.name
        return is_same and known.is_whole and arguments == known.arguments


_KNOWN = frozenset({"index", "id", "type", "function"})
_MARKS = re.compile(r'["\\{}\[\]]')


class ObjectScanner:
    """Says whether a growing text is a whole JSON object; each piece is looked at once, and JSON is read once."""

    __slots__ = ("_depth", "_escaped", "_in_string", "_is_object", "_seen")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._seen = 0
        self._is_object: bool | None = None
        """Whether it is one, known when the first bracket has closed; text after it makes it none."""

    def is_object(self, text: GrowingText) -> bool:
        """Look at the pieces that are new, and say whether the text is one JSON object."""
        while self._seen < len(text.pieces) and self._is_object is not False:
            piece = text.pieces[self._seen]
            self._seen += 1
            if self._is_object:
                self._is_object = not piece.strip()
            elif (end := self._closing(piece)) is not None:
                self._is_object = not piece[end:].strip() and is_json_object(text.prefix(self._seen))
        return bool(self._is_object)

    def _closing(self, piece: str) -> int | None:
        """Give where the outermost bracket closes in a piece; `None` if it does not."""
        begin, self._escaped = int(self._escaped), False
        for mark in _MARKS.finditer(piece):
            at = mark.start()
            if at < begin:
                continue
            character = piece[at]
            if character == "\\":
                begin = at + 2
                self._escaped = begin > len(piece)
            elif character == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if character in "{[" else -1
                if self._depth <= 0:
                    return at + 1
        return None


def _word(told: Any) -> str:
    return mend_surrogates(told) if isinstance(told, str) else ""


def is_json_object(text: str) -> bool:
    """Say whether the text is one whole JSON object."""
    return isinstance(json_or_none(text), dict)


def json_or_none(text: str) -> Any:
    """Read JSON, or give `None` where it is none (or not yet)."""
    try:
        return None if is_too_deep(text) else json.loads(text)
    except (ValueError, RecursionError):
        return None

"""Tool calls put together from their fragments, in every dialect that providers speak."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.completions import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fragment(NamedTuple):
    """What one entry of a delta's `tool_calls` added to a call."""

    call: ToolCall
    arguments: str


class ToolCalls:
    """The calls of one choice, in order of first appearance."""

    __slots__ = ("_by_wire_index", "calls")

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self._by_wire_index: dict[int, int] = {}

    def feed(self, entries: Any) -> list[Fragment]:
        """Add a delta's entries; each fragment shows its call as it stood with that entry added."""
        if not isinstance(entries, list):
            return []
        return [self._add(entry) for entry in entries if isinstance(entry, dict)]

    def _add(self, entry: Mapping[str, Any]) -> Fragment:
        function = entry.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name = _word(entry.get("id")) or None, _word(function.get("name"))
        arguments = as_text(function.get("arguments"))
        wire_index = entry.get("index")
        wire_index = wire_index if isinstance(wire_index, int) else None
        slot = self._slot(wire_index, call_id, name, arguments)
        if slot is None:
            slot = len(self.calls)
            self.calls.append(ToolCall(slot, call_id, name, type=_word(entry.get("type")) or "function"))
        if wire_index is not None:
            self._by_wire_index[wire_index] = slot
        known = self.calls[slot]
        self.calls[slot] = ToolCall(
            slot, known.id or call_id, known.name or name, known.arguments + arguments, known.type
        )
        return Fragment(self.calls[slot], arguments)

    def _slot(self, wire_index: int | None, call_id: str | None, name: str, arguments: str) -> int | None:
        """Find the call that an entry belongs to, or `None` if it begins a new one."""
        if not self.calls:
            return None
        current = len(self.calls) - 1
        if wire_index in self._by_wire_index:
            slot = self._by_wire_index[wire_index]
            return None if self._is_another(self.calls[slot], call_id, name) else slot
        if call_id is not None:
            same = [call.index for call in self.calls if call.id == call_id]
            return same[0] if same else None if name or wire_index is not None else current
        if wire_index is not None:
            return None if name else current
        # No index and no id, as some proxies send whole calls: one that is complete does not go on.
        begins = name and arguments and is_json_object(self.calls[current].arguments)
        return None if begins else current

    @staticmethod
    def _is_another(known: ToolCall, call_id: str | None, name: str) -> bool:
        """Say whether an entry that comes with a known index is a new call all the same, as some servers send it."""
        if not (call_id and known.id and call_id != known.id and name):
            return False
        return name != known.name or is_json_object(known.arguments)


def _word(told: Any) -> str:
    return told if isinstance(told, str) else ""


def is_json_object(text: str) -> bool:
    """Say whether the text is one whole JSON object."""
    return isinstance(json_or_none(text), dict)


def json_or_none(text: str) -> Any:
    """Read JSON, or give `None` where it is none (or not yet)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def as_text(arguments: Any) -> str:
    """Give arguments as text; some proxies send them as an object."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, ensure_ascii=False)

"""The content blocks of an answer of Anthropic's, put together from their deltas: what they bring, what goes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like._wire.tool_calls import json_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANSWER_TOOL", "Block", "Blocks"]

ANSWER_TOOL = "answer_as_"
"""How the name of the tool begins by which a typed answer is asked for where `output_config` is refused."""

_DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""The kinds of deltas that are joined, and the field that has their text."""
_OWN_KINDS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_CALL_FIELDS = frozenset({"type", "id", "name", "input"})


class Block:
    """A content block while it grows."""

    __slots__ = ("_pieces", "call", "characters", "is_closed", "kind", "start")

    def __init__(self, start: Mapping[str, Any], call: int | None) -> None:
        self.start = start
        self.kind: str = start["type"]
        self.call = call
        """Which tool call it is, counted from 0; `None` for none."""
        self.characters = 0
        """How long its text is."""
        self.is_closed = False
        self._pieces: dict[str, list[str]] = {}

    @property
    def is_answer(self) -> bool:
        """Whether it is the typed answer, asked for as a tool call."""
        return self.kind == "tool_use" and self.call is None

    @property
    def is_plain(self) -> bool:
        """Whether a message has all of it by itself."""
        return self.kind == "tool_use" or (self.kind == "text" and not self.start.get("citations"))

    def add(self, kind: str, field: str, piece: str) -> dict[str, Any]:
        """Join a piece of text to the block; give what it says."""
        self._pieces.setdefault(field, []).append(piece)
        return self._tell_piece(kind, piece) if piece else {}

    def _tell_piece(self, kind: str, piece: str) -> dict[str, Any]:
        if kind == "text_delta" or (kind == "input_json_delta" and self.is_answer):
            self.characters += len(piece)
            return {"content": piece}
        if kind == "thinking_delta":
            return {"reasoning_content": piece}
        if kind == "input_json_delta" and self.call is not None:
            return {"tool_calls": [{"index": self.call, "function": {"arguments": piece}}]}
        return {}

    def add_fields(self, delta: Mapping[str, Any]) -> None:
        """Lay the fields of a delta that is not joined over the block."""
        self.start = {**self.start, **{name: value for name, value in delta.items() if name != "type"}}

    def add_citation(self, citation: Any) -> None:
        """Add a citation to those of the text."""
        self.start = {**self.start, "citations": [*_list(self.start.get("citations")), citation]}

    def open(self) -> dict[str, Any]:
        """Give what the block says by its beginning."""
        if self.call is not None:
            function = {"name": self.start.get("name"), "arguments": ""}
            rest = {name: value for name, value in self.start.items() if name not in _CALL_FIELDS}
            head = {"index": self.call, "id": self.start.get("id"), "type": "function", "function": function}
            return {"tool_calls": [{**head, **rest}]}
        told: dict[str, Any] = {}
        if self.kind == "text" and (text := _text(self.start.get("text"))):
            self.characters += len(text)
            told["content"] = text
        if self.kind == "text" and (citations := _list(self.start.get("citations"))):
            told["annotations"] = citations
        if self.kind == "thinking" and (thinking := _text(self.start.get("thinking"))):
            told["reasoning_content"] = thinking
        return told

    def close(self) -> dict[str, Any]:
        """Give what the block says at its end: an input that came as data, a block of another kind whole."""
        if self.is_closed:
            return {}
        self.is_closed = True
        if self.kind == "tool_use" and not self._joined("partial_json"):
            return self.add("input_json_delta", "partial_json", _as_json(self.start.get("input")))
        return {} if self.kind in _OWN_KINDS else {"items": [self.whole()]}

    def whole(self) -> dict[str, Any]:
        """Give the block as it goes back, byte for byte."""
        block = dict(self.start)
        for field in ("text", "thinking", "signature"):
            if field in self._pieces:
                block[field] = _text(block.get(field)) + self._joined(field)
        if told := self._joined("partial_json"):
            block["input"] = json_or_none(told)
        return block

    def for_state(self) -> dict[str, Any]:
        """Give what the state has of the block: not what the message has by itself, its text and its calls."""
        if self.call is not None:
            return {"type": "tool_use", "id": self.start.get("id")}
        if self.kind == "text" or self.is_answer:
            rest = {"citations": self.start["citations"]} if self.start.get("citations") else {}
            return {"type": "text", "characters": self.characters, **rest}
        return self.whole()

    def is_whole(self, *, truncated: bool) -> bool:
        """Say whether it can go back: a cut answer leaves thinking without its signature, and half an input."""
        block = self.whole()
        if self.kind == "thinking":
            return bool(block.get("signature")) or not truncated
        return self.call is not None or self.is_answer or isinstance(block.get("input", {}), dict)

    def _joined(self, field: str) -> str:
        return "".join(self._pieces.get(field, ()))


class Blocks:
    """The blocks of one answer, in the order in which they came."""

    __slots__ = ("_all", "_by_index", "_calls")

    def __init__(self) -> None:
        self._all: list[Block] = []
        self._by_index: dict[Any, Block] = {}
        self._calls = 0

    def open(self, index: Any, start: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a block; give what it says."""
        call = None
        if start["type"] == "tool_use" and not str(start.get("name")).startswith(ANSWER_TOOL):
            call, self._calls = self._calls, self._calls + 1
        block = self._by_index[index] = Block(start, call)
        self._all.append(block)
        return block.open()

    def text(self, index: Any) -> Block | None:
        """Give the text block that has this index; `None` if there is none."""
        block = self._by_index.get(index)
        return block if block is not None and block.kind == "text" else None

    def add(self, index: Any, delta: Mapping[str, Any]) -> dict[str, Any]:
        """Take in a block's delta; give what it says. Raises `LookupError` for an input of no block."""
        kind = _text(delta.get("type"))
        field = _DELTAS.get(kind)
        if index not in self._by_index and kind in {"text_delta", "thinking_delta"}:
            self.open(index, {"type": str(field)})
        block = self._by_index.get(index)
        if block is None:
            if kind == "input_json_delta":
                raise LookupError(index)
            return {}
        if field is not None:
            piece = delta.get(field)
            return block.add(kind, field, piece) if isinstance(piece, str) else {}
        if kind == "citations_delta":
            block.add_citation(delta.get("citation"))
            return {"annotations": [delta.get("citation")]}
        if kind == "compaction_delta":
            block.add_fields(delta)
        return {}

    def close(self, index: Any) -> dict[str, Any]:
        """End a block; give what it says."""
        block = self._by_index.get(index)
        return {} if block is None else block.close()

    def close_all(self) -> list[dict[str, Any]]:
        """End all blocks that are still open; give what each says."""
        return [told for block in self._all if (told := block.close())]

    def paused(self) -> dict[str, Any] | None:
        """Give what is sent back of a turn that the service has paused: its text, and the blocks as the state has them.

        `None` where tools of the caller's are asked for: they want results first.
        """
        if self._calls:
            return None
        text = "".join(block.whole().get("text") or "" for block in self._all if block.kind == "text")
        return {"text": text, "content": [block.for_state() for block in self._all if block.is_whole(truncated=False)]}

    def state(self, *, truncated: bool) -> dict[str, Any] | None:
        """Give what goes back with the next turn; `None` where the text and the calls are all there is."""
        if all(block.is_plain for block in self._all):
            return None
        return {"content": [block.for_state() for block in self._all if block.is_whole(truncated=truncated)]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _as_json(value: Any) -> str:
    return json.dumps(value or {}, ensure_ascii=False)

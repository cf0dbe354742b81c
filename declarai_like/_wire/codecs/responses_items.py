"""The output items of one answer of the Responses API while they grow: what each event adds to a chat-shaped delta."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from declarai_like._wire.tool_calls import json_or_none
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CALLS", "OutputItems", "dicts_in", "kind_of", "reply_text"]

logger = logging.getLogger("declarai_like")

CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""The items that are calls of the caller's own tools: what the chat format calls them, and where their text stands."""
_REASONING = {"summary": "summary", "reasoning": "content"}
"""Where an item of thinking has its words: the summary for readers, and the words themselves."""

Delta = dict[str, Any]


class OutputItems:
    """The items of one answer, each known by its place alone: some servers give it another id with every event."""

    __slots__ = ("_annotated", "_calls", "_done", "_known_pieces", "_thinks", "_thought", "opened")

    def __init__(self) -> None:
        self.opened: dict[int, Mapping[str, Any]] = {}
        self._done: dict[int, dict[str, Any]] = {}
        self._known_pieces: dict[tuple[str, int, int], list[str]] = {}
        """What deltas have brought, by kind of text, item and part."""
        self._annotated: dict[tuple[int, int], int] = {}
        """How many annotations of a part have been told."""
        self._calls: dict[int, int] = {}
        self._thinks: dict[int, str] = {}
        """Which words of an item of thinking are shown: those that came first."""
        self._thought: tuple[str, int, int] | None = None
        """The part of thinking that came last."""

    @property
    def has_calls(self) -> bool:
        """Whether tools of the caller's are asked for."""
        return bool(self._calls)

    def pieces(self, item: int, part: int) -> list[str] | None:
        """Give the pieces of a text of the answer that is under way; `None` for any other text."""
        return self._known_pieces.get(("text", item, part)) if self._field_of(item) == "content" else None

    def open(self, index: int, item: Mapping[str, Any]) -> Delta:
        """Begin an item; a call that has its arguments already tells them."""
        self.opened[index] = item
        return self._open_call(index, item) if kind_of(item) in CALLS else {}

    def add(self, kind: str, index: int, part: int, piece: Any) -> Delta:
        """Add a piece of a text; a piece that is no text brings nothing."""
        if not isinstance(piece, str) or not piece:
            return {}
        if kind in _REASONING and self._thinks.setdefault(index, kind) != kind:
            return {}
        self._known_pieces.setdefault((kind, index, part), []).append(piece)
        return self._tell(kind, index, part, piece)

    def finish(self, kind: str, index: int, part: int, whole: Any) -> Delta:
        """Take a whole text; what no delta has brought of it is told now.

        Raises `InvalidResponse` where arguments are others than their deltas: nothing is run then.
        """
        if not isinstance(whole, str):
            return {}
        known = "".join(self._known_pieces.get((kind, index, part), ()))
        if whole.startswith(known):
            return self.add(kind, index, part, whole[len(known) :])
        if kind in _REASONING:  # shown to people only; some servers tidy it up
            return {}
        if kind == "arguments":
            if json_or_none(known) is None or json_or_none(known) != json_or_none(whole):
                raise InvalidResponse(
                    f"expected the arguments of a call to be those of their deltas, got {whole!r:.200} "
                    f"after {known!r:.200}: the call is not run",
                    phase="stream",
                )
            return {}
        logger.warning("the provider ended a text with other words than it had streamed: those that came first stand")
        return {}

    def annotate(self, index: int, part: int, annotation: Any) -> Delta:
        """Add an annotation of a text."""
        if not isinstance(annotation, dict):
            return {}
        self._annotated[index, part] = self._annotated.get((index, part), 0) + 1
        return {"annotations": [annotation]}

    def settle(self, index: int, item: Mapping[str, Any]) -> Delta:
        """Take an item that is whole; give what no event before has told of it."""
        delta: Delta = {}
        kind = kind_of(item)
        if index not in self.opened or (kind in CALLS and index not in self._calls):
            join_delta(delta, self.open(index, item))
        if kind in CALLS:
            join_delta(delta, self.finish("arguments", index, 0, item.get(CALLS[kind][1])))
        if kind == "reasoning":
            for name, place in _REASONING.items():
                for part, entry in enumerate(dicts_in(item.get(place))):
                    join_delta(delta, self.finish(name, index, part, entry.get("text")))
        if kind == "message":
            for part, entry in enumerate(dicts_in(item.get("content"))):
                join_delta(delta, self._settle_part(index, part, entry))
        self._done[index] = _merge(self._done.get(index), item)
        return delta

    def _settle_part(self, index: int, part: int, entry: Mapping[str, Any]) -> Delta:
        if entry.get("type") == "refusal":
            return self.finish("refusal", index, part, entry.get("refusal"))
        delta = self.finish("text", index, part, entry.get("text"))
        annotations = dicts_in(entry.get("annotations"))[self._annotated.get((index, part), 0) :]
        for annotation in annotations:
            join_delta(delta, self.annotate(index, part, annotation))
        return delta

    def all(self) -> list[dict[str, Any]]:
        """Give the items that are whole, in their order."""
        return [item for _, item in sorted(self._done.items())]

    def _field_of(self, index: int) -> str:
        phase = self.opened.get(index, {}).get("phase")
        return "content" if phase in (None, "final_answer") else "commentary"

    def _tell(self, kind: str, index: int, part: int, piece: str) -> Delta:
        if kind == "text":
            return {self._field_of(index): piece}
        if kind == "refusal":
            return {"refusal": piece}
        if kind == "arguments":
            slot = self._calls.get(index)
            if slot is None:
                raise InvalidResponse("expected a call to have begun, got a piece of its arguments", phase="stream")
            return {"tool_calls": [{"index": slot, "function": {"arguments": piece}}]}
        before, self._thought = self._thought, (kind, index, part)
        parted = before is not None and before != self._thought
        return {"reasoning_content": f"\n\n{piece}" if parted else piece}

    def _open_call(self, index: int, item: Mapping[str, Any]) -> Delta:
        kind, field = CALLS[item["type"]]
        slot = self._calls.setdefault(index, len(self._calls))
        told = item.get(field)
        arguments = told if isinstance(told, str) else ""
        if arguments:
            self._known_pieces["arguments", index, 0] = [arguments]
        call = {"index": slot, "id": item.get("call_id"), "type": kind}
        return {"tool_calls": [{**call, "function": {"name": item.get("name"), "arguments": arguments}}]}


def join_delta(told: Delta, more: Mapping[str, Any]) -> None:
    """Add what comes later to a delta: texts and lists go on."""
    for name, value in more.items():
        told[name] = told[name] + value if name in told else value


def reply_text(items: list[Any]) -> tuple[str, list[tuple[Any, Any, Any]]]:
    """Give the text and the calls that items hold: what a conversation records of them."""
    text, calls = "", []
    for item in dicts_in(items):
        if item.get("type") == "message" and item.get("phase") in (None, "final_answer"):
            parts = (part.get("text") for part in dicts_in(item.get("content")))
            text += "".join(part for part in parts if isinstance(part, str))
        elif kind_of(item) in CALLS:
            calls.append((item.get("call_id"), item.get("name"), item.get(CALLS[item["type"]][1])))
    return text, calls


def kind_of(item: Mapping[str, Any]) -> str:
    """Give what an item or a part is; `""` where that is no text."""
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def _merge(known: Mapping[str, Any] | None, item: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an item over what was told of it before; another kind of item takes its place."""
    if known is None or known.get("type") != item.get("type"):
        return dict(item)
    return {**known, **{name: value for name, value in item.items() if value is not None or name not in known}}


def dicts_in(entries: Any) -> list[dict[str, Any]]:
    """Give the objects of a list."""
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

"""Turns that Anthropic pauses while its own tools work: sent again as they are, and told as one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.accumulator import Chunk
    from declarai_like._wire.codecs.base import Origin
    from declarai_like.requests import Request

__all__ = ["PausedTurn", "add_usage"]

_MOST = 5
"""So often a turn is sent again; if it is paused once more, that is its end."""
_JOINED = ("content", "reasoning_content", "items", "annotations")
"""What goes on from one message of a turn to the next."""


class PausedTurn:
    """One answer, of one message or of several: `next_request` for each, and `take` its chunks, while `is_paused`."""

    def __init__(self, request: Request, origin: Origin | None) -> None:
        self.is_paused = False
        """Whether the message that came last was not the end of the turn."""
        self._first = request
        self._origin = origin or {}
        self._resumed = 0
        self._text = ""
        """What the messages before this one have said."""
        self._blocks: list[Any] = []
        """Their blocks, as the state has them."""
        self._used: dict[str, Any] = {}
        """What they have used."""
        self._characters = 0
        """How long the text of this message is."""
        self._container: Any = None
        self._told: dict[str, Any] = {}
        """What whole messages have told."""

    def next_request(self) -> Request:
        """Give what is to be sent: the request, with what has come of its answer."""
        if not self.is_paused:
            return self._first
        self.is_paused, self._resumed, self._characters = False, self._resumed + 1, 0
        state = {**self._origin, "data": {"content": self._blocks}}
        said = Message(self._text, MessageRole.assistant, state=state)
        params = {**({"container": self._container} if self._container else {}), **self._first.params}
        return self._first.replace(messages=(*self._first.messages, said), params=params)

    def take(self, chunk: Chunk) -> Chunk:
        """Give a chunk as one of the whole answer."""
        choices = chunk.get("choices")
        if not choices:
            return self._count(chunk) if self._resumed else chunk
        (choice,) = choices
        if self._resumed:
            chunk = self._count(chunk)
            told = choice.get("delta") or choice.get("message") or {}
            self._characters += len(told.get("content") or "")
        return chunk if choice["finish_reason"] is None else self._end(chunk, choice)

    def _count(self, chunk: Chunk) -> Chunk:
        """Add what the messages before this one have used."""
        usage = chunk.get("usage")
        return _changed(chunk, usage=add_usage(self._used, usage)) if usage else chunk

    def _end(self, chunk: Chunk, choice: dict[str, Any]) -> Chunk:
        """Take the end of a message: a pause is none of the answer, and the state is that of all messages."""
        place = "message" if "message" in choice else "delta"
        told, paused = dict(choice[place]), choice.get("paused")
        if place == "message":
            told = self._told = _join(self._told, told)
        if paused is not None and self._resumed < _MOST:
            self.is_paused = True
            told.pop("state", None)
            self._text += paused["text"]
            self._blocks = [*self._blocks, *paused["content"]]
            self._used = chunk.get("usage") or self._used
            self._container = _container_of(chunk) or self._container
            return _changed(chunk, choices=[{"index": 0, place: told, "finish_reason": None}])
        if not self._resumed:
            return chunk
        text = [{"type": "text", "characters": self._characters}]
        told["state"] = {"content": [*self._blocks, *told.get("state", {"content": text})["content"]]}
        return _changed(chunk, choices=[{**choice, place: told}])


def _changed(chunk: Chunk, **fields: Any) -> Chunk:
    return VendorChunk({**chunk, **fields}, chunk.sent if isinstance(chunk, VendorChunk) else chunk)


def _join(before: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    joined = {name: before[name] + told.get(name, type(before[name])()) for name in _JOINED if name in before}
    return {**told, **joined}


def add_usage(used: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """Add two usages, count by count; of what is no count the later one stands.

    >>> add_usage({"output_tokens": 3, "tier": "a", "tools": {"searches": 1}}, {"output_tokens": 4, "tier": "b"})
    {'output_tokens': 7, 'tier': 'b', 'tools': {'searches': 1}}
    """
    told = {**used, **usage}
    for name in used.keys() & usage.keys():
        before, now = used[name], usage[name]
        if isinstance(before, int) and isinstance(now, int):
            told[name] = before + now
        elif isinstance(before, dict) and isinstance(now, dict):
            told[name] = add_usage(before, now)
    return told


def _container_of(chunk: Chunk) -> Any:
    """Give the id of the sandbox in which the service's tools work: the rest of the turn needs it."""
    sent = chunk.sent if isinstance(chunk, VendorChunk) else {}
    container = (sent.get("delta") or sent).get("container")
    return container.get("id") if isinstance(container, dict) else None

"""What a provider tells beside text and calls: kept with a reply, and given back to that provider alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import GrowingText, ListPrefix, TextPrefix, VendorParts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like.messages import Message

__all__ = ["VendorFields", "digest_of", "digests_of", "is_from", "state_for"]

_REASONING = ("reasoning_content", "reasoning")
_FIELDS = frozenset({"items", "final_items", "commentary", "annotations", "reasoning_details", "state", *_REASONING})


class VendorFields:
    """What the deltas of one choice bring that the chat format has no place for.

    The fields are listed in `declarai_like._wire.codecs.base`.
    """

    __slots__ = ("_annotations", "_commentary", "_details", "_items", "_parts", "_reasoning_field", "_state")

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._commentary = GrowingText()
        self._annotations: list[Any] = []
        self._reasoning_field: str | None = None
        self._details: list[Any] = []
        self._state: Mapping[str, Any] | None = None
        self._parts: VendorParts | None = None

    def feed(self, delta: Mapping[str, Any]) -> VendorParts | None:
        """Take in a delta; give all that has come, `None` if nothing has."""
        if not _FIELDS.isdisjoint(delta):
            self._absorb(delta)
        return self._parts

    def _absorb(self, delta: Mapping[str, Any]) -> None:
        self._items += _dicts(delta.get("items"))
        if isinstance(delta.get("final_items"), list):
            self._items = _dicts(delta["final_items"])
        self._commentary.append(_text(delta.get("commentary")))
        self._annotations += _dicts(delta.get("annotations"))
        self._details += _dicts(delta.get("reasoning_details"))
        if self._reasoning_field is None:
            told = [name for name in _REASONING if isinstance(delta.get(name), str)]
            self._reasoning_field = told[0] if told else None
        if isinstance(delta.get("state"), dict):
            self._state = delta["state"]
        self._parts = VendorParts(
            _prefix(self._items),
            TextPrefix(self._commentary, len(self._commentary.pieces)) if self._commentary.pieces else None,
            _prefix(self._annotations),
            self._reasoning_field,
            _prefix(self._details),
            self._state,
        )


def state_for(message: Message, origin: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what goes back with a message to the provider that `origin` names; nothing to any other one."""
    state = message.state
    if state is None or message.interrupted or not is_from(message, origin):
        return {}
    data = state.get("data")
    return data if isinstance(data, dict) else {}


def is_from(message: Message, origin: Mapping[str, Any]) -> bool:
    """Say whether a reply came from the provider that `origin` names."""
    state = message.state
    return state is not None and all(state.get(name) == origin.get(name) for name in ("provider", "base_url"))


def digest_of(messages: Sequence[Message]) -> str:
    """Give what tells one conversation from another: the same for the same words, calls and results."""
    return digests_of(messages)[-1]


def digests_of(messages: Sequence[Message]) -> list[str]:
    """Give the digest of each beginning of a conversation, of none of its messages first."""
    from hashlib import sha256  # most calls have no need of it

    told = sha256()
    digests = [told.hexdigest()]
    for message in messages:
        told.update(json.dumps(message.wire(), sort_keys=True, default=repr).encode())
        digests.append(told.hexdigest())
    return digests


def _prefix(entries: list[Any]) -> ListPrefix | None:
    return ListPrefix(entries, len(entries)) if entries else None


def _text(piece: Any) -> str:
    return piece if isinstance(piece, str) else ""


def _dicts(entries: Any) -> list[Any]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

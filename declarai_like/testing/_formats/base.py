"""What a wire format is to a scripted server, and the opaque state that a strict one wants back."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from declarai_like.providers._answers import Spoken

__all__ = ["Format", "Turn", "counts_of", "named_event", "signature_of", "turn_of"]


class Turn(NamedTuple):
    """A reply as it came back in a later request: what it said, and the state that came back with it."""

    text: str
    calls: tuple[tuple[str, str], ...]
    """Names, and arguments as JSON."""
    state: str | None


class Format(Protocol):
    """One wire format."""

    def whole(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> dict[str, Any]:
        """Spell a whole answer to the request of this body; `signature` is the opaque state of it."""
        ...

    def writes(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> Iterator[bytes]:
        """Spell the events of a stream; without a finish reason its end is missing."""
        ...

    def turns(self, body: Mapping[str, Any]) -> Iterator[Turn]:
        """Give the replies that a request brings back."""
        ...

    def refusal(self, turn: int) -> dict[str, Any]:
        """Spell the error for a reply that came back without its state, in the vendor's words."""
        ...


def signature_of(text: str, calls: Iterable[tuple[str, str]]) -> str:
    """Give the opaque state of a reply: made of what it says, so that any server can check it later.

    >>> signature_of("Hello", [])
    'TZXZ/3BD5b8yOX9a68M1WTH4Hjooqzla'
    """
    told = [text, [[name, json.loads(arguments)] for name, arguments in calls]]
    return b64encode(sha256(json.dumps(told, sort_keys=True).encode()).digest()[:24]).decode()


def turn_of(text: str, calls: Iterable[tuple[str, Any]], state: Any) -> Turn:
    """Make a turn; arguments may be data."""
    told = tuple((name, given if isinstance(given, str) else json.dumps(given)) for name, given in calls)
    return Turn(text, told, state if isinstance(state, str) else None)


def counts_of(spoken: Spoken) -> tuple[int, int]:
    """Give the tokens of prompt and completion: the scripted ones, else a token for each piece."""
    usage = spoken.usage or {}
    said = len(spoken.content) + len(spoken.reasoning)
    return usage.get("prompt_tokens", 0), usage.get("completion_tokens", said)


def named_event(data: Mapping[str, Any]) -> bytes:
    """Spell an event that is named by its type."""
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

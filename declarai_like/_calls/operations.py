"""What a flow may yield: the operations that somebody performs for it, blocking or awaiting."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from declarai_like.requests import Provider, Queue, Request
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from declarai_like.memory import MessageHistory
    from declarai_like.messages import Message


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to a provider; answered by its `LLMResponse`."""

    provider: Provider
    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for some seconds; answered by `False`, at once, if the call's time would be over by then."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Enter:
    """Join a queue with a ticket, and wait until it is let in."""

    queue: Queue
    ticket: Any


@dataclass(frozen=True, slots=True)
class Load:
    """Read a conversation's history; answered by its messages."""

    memory: MessageHistory


@dataclass(frozen=True, slots=True)
class Store:
    """Add messages to a conversation's history, all of them or none; or put them in the place of all it `replaces`."""

    memory: MessageHistory
    messages: list[Message]
    replaces: list[Message] | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Make another call whole; answered by its `Result`."""

    call: Any


Operation: TypeAlias = Send | Sleep | Enter | Load | Store | Ask
"""What is performed for a flow."""
Flow = Generator[Operation, Any, LLMResponse]
"""What a middleware is: it yields operations and returns the response."""
Next = Callable[[Request], Flow]
Middleware = Callable[[Request, Next], Flow]

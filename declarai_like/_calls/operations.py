"""What a flow may yield: the operations that somebody performs for it, blocking or awaiting.

They are neither frozen nor compared: each such method of a dataclass costs at import.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from declarai_like.requests import Provider, Queue, Request
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from declarai_like.memory import MessageHistory
    from declarai_like.messages import Message


@dataclass(eq=False, slots=True)
class Send:
    """Send a request to a provider; answered by its `LLMResponse`."""

    provider: Provider
    request: Request


@dataclass(eq=False, slots=True)
class Sleep:
    """Wait for some seconds; answered by `False`, at once, if the call's time would be over by then."""

    seconds: float


@dataclass(eq=False, slots=True)
class Enter:
    """Join a queue with a ticket, and wait until it is let in."""

    queue: Queue
    ticket: Any


@dataclass(eq=False, slots=True)
class Load:
    """Read a conversation's history; answered by its messages."""

    memory: MessageHistory


@dataclass(eq=False, slots=True)
class Store:
    """Add messages to a conversation's history, all of them or none; or put them in the place of all it `replaces`."""

    memory: MessageHistory
    messages: list[Message]
    replaces: list[Message] | None = None


@dataclass(eq=False, slots=True)
class Ask:
    """Make another call whole; answered by its `Result`."""

    call: Any


@dataclass(eq=False, slots=True)
class Show:
    """Give a step to the reader of a stream; answered by nothing."""

    step: Any


@dataclass(eq=False, slots=True)
class Decide:
    """Ask an approver, a plain or a coroutine function, about a `ToolRequest`; answered by what it gives."""

    approver: Any
    request: Any


@dataclass(eq=False, slots=True)
class Journal:
    """Do something with a run store (`acquire`, `commit`, `release`); answered by what that gives."""

    do: Callable[[], Any]


@dataclass(eq=False, slots=True)
class FindTools:
    """Find the tools of `ToolSource`s, of all at once; answered by one collection of tools for each."""

    sources: tuple[Any, ...]


@dataclass(eq=False, slots=True)
class StartTool:
    """Start a `Job`; with `inline` it may be run here and now, if it is a plain function and nobody else waits."""

    job: Any
    inline: bool = False


@dataclass(eq=False, slots=True)
class AwaitReport:
    """Wait for what a running job reports; answered by the report, or `None` when `seconds` are over."""

    inbox: Any
    seconds: float | None = None


@dataclass(eq=False, slots=True)
class StopTools:
    """Cancel jobs and wait for their end, as far as they can be cancelled; the others are left alone."""

    jobs: tuple[Any, ...]


ToolOperation: TypeAlias = Decide | Journal | FindTools | StartTool | AwaitReport | StopTools
"""What is performed for a call with tools, by `_calls.crew`."""
Operation: TypeAlias = Send | Sleep | Enter | Load | Store | Ask | Show | ToolOperation
"""What is performed for a flow."""
Flow = Generator[Operation, Any, LLMResponse]
"""What a middleware is: it yields operations and returns the response."""
Next = Callable[[Request], Flow]
Middleware = Callable[[Request, Next], Flow]

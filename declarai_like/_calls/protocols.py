"""What a call knows of the reader of its chunks, the turn of a chat and the rounds of tools that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from declarai_like._calls.operations import Next, Operation
    from declarai_like.errors import RunError
    from declarai_like.memory import MessageHistory
    from declarai_like.messages import Message
    from declarai_like.requests import Queue, Request
    from declarai_like.responses import LLMResponse, Result
    from declarai_like.tools.run_stores import RunStore


class ChunkReader(Protocol):
    """Puts an answer together, chunk by chunk."""

    def feed(self, raw: dict[str, Any], /) -> Any:
        """Take in a chunk; give what the reader of a stream is shown, if anything."""

    def finish(self) -> LLMResponse:
        """Give the whole answer."""


class AskingCall(Protocol):
    """A call, as far as the turn of a chat needs it."""

    @property
    def rounds(self) -> ToolRounds | None:
        """What runs the tools that the model asks for."""

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far."""

    @property
    def is_left(self) -> bool:
        """Whether the reader of a stream has left it, and what remains to be done is still performed."""

    def ticket(self, queue: Queue) -> Any:
        """Make a ticket of a queue."""

    def ask(self, first: Request, send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Ask, and ask again while the answer is not of its type."""


class ConversationTurn(Protocol):
    """A turn of a chat: what is sent with a message, and what is stored of it and its reply."""

    @property
    def queue(self) -> Queue:
        """The queue before the conversation."""

    @property
    def memory(self) -> MessageHistory:
        """Where the conversation is kept."""

    @property
    def keep_partial(self) -> bool:
        """Whether a turn that broke off is stored."""

    @property
    def replaces(self) -> list[Message] | None:
        """The history that the messages to store take the place of; `None` if they are added to it."""

    def compose(self, call: Any, history: list[Message]) -> Generator[Operation, Any, Request]:
        """Give the request with what is sent of the history."""

    def record(
        self, request: Request, response: LLMResponse, *, interrupted: bool = False, between: Sequence[Message] = ()
    ) -> list[Message]:
        """Give the messages to store; `between` are the calls and results before the reply."""

    @property
    def given_up(self) -> str | None:
        """The run that waited and is given up by going on."""

    @property
    def session_id(self) -> str | None:
        """What other processes know the conversation by; `None` for one of this process."""

    @property
    def waiting_run(self) -> str | None:
        """The run of a turn that is not over, as far as this process knows."""

    def note_waiting(self, error: RunError | None) -> None:
        """Note why the last turn is not over, or that it is."""

    def wait(self, error: RunError) -> None:
        """Note that the turn waits, and is not over."""

    def go_on(self, *, again: bool) -> None:
        """Take up a turn that waited; `again` is whether it takes the last one's place."""

    def keep_values(self) -> None:
        """Note that the turn is stored: what it said of the system prompt holds from now on."""


class ToolRounds(Protocol):
    """The rounds of a call with tools."""

    @property
    def number(self) -> int:
        """The round, from 1."""

    @property
    def end_events(self) -> list[Any]:
        """The events that end a round."""

    def keep_as(self, run_id: str, store: RunStore) -> None:
        """Give the run an id before it begins, and a store if it has none."""

    @property
    def is_restored(self) -> bool:
        """Whether this call has only read what its run brought before."""

    def settle(self, conversation: ConversationTurn) -> Generator[Operation, Any, None]:
        """Find out whether a turn of the conversation waits, in whatever process it began."""

    def first_request(self, request: Request) -> Request:
        """Give what is sent first."""

    def flow(self, call: Any, send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Make the call, holding its run in the store meanwhile."""

    def ask(self, call: Any, first: Request, send: Next) -> Generator[Operation, Any, Result[Any]]:
        """Ask until the model answers."""

    def value(self, call: Any, response: LLMResponse) -> Any:
        """Read the value of the last answer; raises `OutputError`."""

    def reads(self, reader: Any) -> Any:
        """Give what reads the chunks of an answer, made of what would."""

    def leaving(self, error: BaseException) -> BaseException:
        """Give what is thrown into the flow in the place of an error."""

    def has_ended_with(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a chunk was the last one of an earlier round."""

    def record(
        self, conversation: ConversationTurn, request: Request, response: LLMResponse, *, interrupted: bool
    ) -> list[Message]:
        """Give what a chat stores."""

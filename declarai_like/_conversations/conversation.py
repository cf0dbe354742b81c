"""A chat's turn as the flow sees it: what is sent of the history, and what is stored of the turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from declarai_like._calls.queues import FairQueue
from declarai_like._calls.replies import reply_message
from declarai_like._conversations.system_prompt import PromptHistory
from declarai_like._conversations.windows import is_pinned, turns_of, with_results
from declarai_like.errors import ApprovalRequired, HistoryError, InputNeeded, OutcomeUnknown, TurnPending
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from declarai_like._calls.answers import Answer
    from declarai_like._calls.flow import Call
    from declarai_like._calls.operations import Operation
    from declarai_like._conversations.system_prompt import FilledPrompt
    from declarai_like._conversations.windows import Turn, Window
    from declarai_like.errors import RunError
    from declarai_like.memory import MessageHistory
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse


@dataclass
class ChatState:
    """The state of one chat instance; pickled without what is under way."""

    memory: MessageHistory
    keep_partial: bool = False
    window: Window | None = None
    system: str | None = None
    """The system prompt of this instance, if it is not the class's."""
    greeting: str | None = None
    """The greeting of this instance, if it is not the class's; `""` for none."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the window remembers."""
    prompts: PromptHistory = field(default_factory=PromptHistory)
    """What the stored turns have said of the system prompt."""
    queue: FairQueue = field(default_factory=FairQueue)
    answer: Answer | None = None
    """What the last turn has brought."""
    waiting: RunError | None = None
    """Why the last turn is not over: its tools wait for decisions."""

    def fork(self, memory: MessageHistory) -> ChatState:
        """Give the same state with another memory, and turns of its own."""
        notes, prompts = dict(self.notes), self.prompts.copy()
        return replace(self, memory=memory, notes=notes, prompts=prompts, queue=FairQueue(), answer=None, waiting=None)

    def go_on_in(self, memory: MessageHistory) -> None:
        """Take another memory, of whose turns nothing is known."""
        self.memory, self.prompts = memory, PromptHistory()

    def undo(self) -> Turn:
        """Take back the last turn, and give it."""
        history = self.memory.history
        before, turn = without_last_turn(history)
        self.memory.compare_and_replace(history, before)
        self.prompts.cut(len(before))
        return turn

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "answer": None}


class Conversation:
    """One turn of a session; `again` puts another reply in the place of the last turn's."""

    __slots__ = (
        "_again",
        "_before",
        "_denied",
        "_denies",
        "_greeting",
        "_history",
        "_is_resumed",
        "_prompt",
        "_session",
    )

    def __init__(
        self,
        session: ChatState,
        greeting: str | None,
        prompt: FilledPrompt,
        *,
        again: bool = False,
        denies: bool = False,
    ) -> None:
        self._session = session
        self._greeting = greeting
        self._prompt = prompt
        self._again = again
        self._history: list[Message] = []
        self._before: Sequence[Message] = ()
        self._denies = denies
        """Whether calls that wait are denied by going on."""
        self._denied: list[Message] = []
        """The turn that was waiting, as it is stored."""
        self._is_resumed = False

    @property
    def queue(self) -> FairQueue:
        """The queue before this conversation."""
        return self._session.queue

    @property
    def memory(self) -> MessageHistory:
        """Where this conversation is kept."""
        return self._session.memory

    @property
    def keep_partial(self) -> bool:
        """Whether a turn that broke off is stored."""
        return self._session.keep_partial

    @property
    def replaces(self) -> list[Message] | None:
        """The history that the turn, with what was before it, takes the place of."""
        return self._history if self._again else None

    def compose(self, call: Call[Any], history: list[Message]) -> Generator[Operation, Any, Request]:
        """Put the history, as far as the window lets it, before the new message."""
        session = self._session
        session.answer = call.answer
        if self._is_resumed:
            self._history = list(history)
            self._before = without_last_turn(history)[0] if self._again else history
            return call.request
        self._denied = self._end_waiting_turn()
        *opening, new = call.request.messages
        self._history = list(history)
        history = [*history, *self._denied]
        if self._again:
            history, (new, *_) = without_last_turn(history)
        self._before = history
        shown = without_empty_replies(with_greeting(history, self._greeting))
        if session.window is not None:
            shown = yield from session.window.fit(shown, [*opening, new], session.notes)
        return call.request.replace(messages=(*opening, *with_results(shown), new))

    def _end_waiting_turn(self) -> list[Message]:
        """Give the turn that waits as it is stored, its calls denied; raises `TurnPending` unless that is wanted."""
        waiting = self._session.waiting
        if waiting is None:
            return []
        if not self._denies:
            raise TurnPending(
                'the last turn waits for decisions about its tools: resume() it, or send with pending="deny"',
                run_id=waiting.run_id,
                pending=waiting.pending,
                paused=waiting.paused,
            )
        return list(waiting.turn)

    def go_on(self, *, again: bool) -> None:
        """Take up a turn that waited; `again` is whether it takes the last one's place."""
        self._is_resumed, self._again = True, again

    @property
    def session_id(self) -> str | None:
        """What other processes know the conversation by; `None` for one of this process."""
        return getattr(self._session.memory, "session_id", None)

    @property
    def waiting_run(self) -> str | None:
        """The run of a turn that is not over, as far as this process knows."""
        waiting = self._session.waiting
        return None if waiting is None else waiting.run_id

    @property
    def given_up(self) -> str | None:
        """The run that waited and is given up by going on."""
        return self.waiting_run if self._denies else None

    def note_waiting(self, error: RunError | None) -> None:
        """Note why the last turn is not over, or that it is."""
        self._session.waiting = error

    def wait(self, error: RunError) -> None:
        """Note that the turn is not over."""
        if isinstance(error, (ApprovalRequired, InputNeeded, OutcomeUnknown)):
            self._session.waiting = error

    def record(
        self, request: Request, response: LLMResponse, *, interrupted: bool = False, between: Sequence[Message] = ()
    ) -> list[Message]:
        """Give what is to be stored: the greeting of a conversation that begins, the message, the reply.

        `between` are the calls and results before the reply. A turn that broke off in them has no reply.
        """
        reply = [reply_message(response, interrupted=interrupted).well_formed()]
        if interrupted and not response.response:
            reply = []
            if not between:
                return []
        first = () if self._before else with_greeting((), self._greeting)
        self._session.waiting = None
        turn = [*first, *self._denied, request.messages[-1].well_formed(), *between, *reply]
        return [*self._before, *turn] if self._again else turn

    def keep_values(self) -> None:
        """Note that the turn is stored: the values of its system prompt hold from now on."""
        self._session.prompts.add(len(self._before), self._prompt)


def with_greeting(history: Sequence[Message], greeting: str | None) -> list[Message]:
    """Give a history, or the greeting of a conversation that has not begun."""
    if history or not greeting:
        return list(history)
    return [Message(greeting, MessageRole.assistant)]


def without_empty_replies(history: Sequence[Message]) -> list[Message]:
    """Leave out what many servers refuse ever after: replies that say nothing, and turns that end with one.

    The question goes with its reply, for two messages of one side in a row are refused too. Pinned messages stay.
    """
    kept: list[Message] = []
    for turn in turns_of(history):
        replies = [message for message in turn if message.role == MessageRole.assistant]
        is_empty = bool(replies) and _says_nothing(replies[-1])
        kept += [message for message in turn if is_pinned(message) or not (is_empty or _says_nothing(message))]
    return kept


def _says_nothing(message: Message) -> bool:
    """Say whether a message is a reply without any text, and without anything that stands for one."""
    fields = message.fields or {}
    return (
        message.role == MessageRole.assistant
        and not message.message.strip()
        and not any(fields.get(name) for name in ("content", "tool_calls", "function_call", "refusal", "audio"))
    )


def without_last_turn(history: Sequence[Message]) -> tuple[list[Message], Turn]:
    """Part a history into what was before the last turn, and that turn; pinned messages after it stay.

    Raises `HistoryError` if nothing has been said yet.
    """
    *before, last = turns_of(history) or [()]
    if not last or last[0].role != MessageRole.user:
        raise HistoryError("there is no turn to take back: nothing has been said yet")
    kept = [message for turn in before for message in turn]
    pinned = [message for message in last[1:] if is_pinned(message)]
    return [*kept, *pinned], tuple(message for message in last if message not in pinned)

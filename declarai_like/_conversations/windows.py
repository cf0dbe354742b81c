"""How much of a conversation is sent: what does not fit is left out, turn by turn; what is stored is not touched."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from declarai_like._calls.operations import Ask
from declarai_like._prompting.instructions import render_packaged
from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import DefinitionError
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from declarai_like._calls.operations import Operation

__all__ = ["LastTurns", "Summarise", "TokenBudget", "Window"]

Turn = tuple[Message, ...]
"""A user's message and what followed it, up to the next one. It is sent whole or not at all."""
Fitting = Generator["Operation", Any, list[Message]]
_PINNED_ROLES = frozenset({MessageRole.system, MessageRole.developer})


class Window(Protocol):
    """Chooses what is sent of a history."""

    def fit(self, history: Sequence[Message], rest: Sequence[Message], notes: dict[str, Any]) -> Fitting:
        """Choose from `history`; `rest` (system prompt, new message) is sent anyway.

        A generator, as a middleware is: it may yield operations. `notes` is kept for the chat's next turn.
        """
        ...


@dataclass(frozen=True, slots=True)
class LastTurns:
    """Send the last `turns` turns, and pinned messages.

    >>> from declarai_like import Chat
    >>> from declarai_like.testing import FakeLLM
    >>> class Bot(Chat, llm=FakeLLM(["Yes."])):
    ...     "You answer briefly."
    >>> bot = Bot(window=LastTurns(10))
    """

    turns: int

    def __post_init__(self) -> None:
        """Check the number."""
        _refuse_negative(self.turns, "turns")

    def fit(self, history: Sequence[Message], rest: Sequence[Message], notes: dict[str, Any]) -> Fitting:
        """Choose the last turns."""
        turns = turns_of(history)
        return _keep(turns, len(turns) - self.turns)
        yield  # pragma: no cover - what makes this a generator


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """Send the latest turns whose tokens, with all that is sent anyway, are at most `tokens`.

    `count` gives the tokens of a text; the built-in one estimates. Images and documents are not counted. The
    system prompt, pinned messages and the new message are sent even if they alone are more.
    """

    tokens: int
    count: Callable[[str], int] = count_tokens

    def __post_init__(self) -> None:
        """Check the number."""
        _refuse_negative(self.tokens, "tokens")

    def fit(self, history: Sequence[Message], rest: Sequence[Message], notes: dict[str, Any]) -> Fitting:
        """Choose the latest turns that fit."""
        turns = turns_of(history)
        left = self.tokens - self._cost([*rest, *filter(is_pinned, history)])
        first = len(turns)
        for turn in reversed(turns):
            left -= self._cost(message for message in turn if not is_pinned(message))
            if left < 0:
                break
            first -= 1
        return _keep(turns, first)
        yield  # pragma: no cover - what makes this a generator

    def _cost(self, messages: Iterable[Message]) -> int:
        return sum(self.count(message.message) for message in messages)


@dataclass(frozen=True, slots=True)
class Summarise:
    """Send the last `turns` turns, and before them what a task makes of the earlier ones.

    `task` takes the text of a conversation and gives its summary. It is asked again only when more turns have left
    the window, and is then shown its last summary with them. A summary lives as long as the chat's instance.
    """

    task: Any
    turns: int = 8

    def __post_init__(self) -> None:
        """Check the task and the number."""
        if not getattr(self.task, "is_declarai", False):
            raise DefinitionError(f"expected a task that summarises a text, got {self.task!r}")
        _refuse_negative(self.turns, "turns")

    def fit(self, history: Sequence[Message], rest: Sequence[Message], notes: dict[str, Any]) -> Fitting:
        """Choose the last turns, and say what was before."""
        turns = turns_of(history)
        first = max(0, len(turns) - self.turns)
        kept = _keep(turns, first)
        early = [message for turn in turns[:first] for message in turn if not is_pinned(message)]
        if not early:
            return kept
        summary = yield from self._summary(early, notes)
        return [Message(render_packaged("summary", summary=summary), MessageRole.system), *kept]

    def _summary(self, early: list[Message], notes: dict[str, Any]) -> Generator[Operation, Any, str]:
        """Give the summary of the early messages; the task is asked for those that it does not know yet."""
        known: list[Message]
        summary: str
        known, summary = notes.get("summary", ([], ""))
        if early[: len(known)] != known:  # the history was changed: what is known of it is no longer true
            known, summary = [], ""
        new = early[len(known) :]
        if new:
            text = render_packaged("transcript", summary=summary, messages=new)
            result = yield Ask(self.task.prepare_call((text,), {}))
            summary = str(result.value)
            notes["summary"] = (early, summary)
        return summary


def window_of(told: Window | int | None) -> Window | None:
    """Read `window=`: a number is that many turns; raises `DefinitionError` for what is no window."""
    if isinstance(told, int):
        return LastTurns(told)
    if told is None or hasattr(told, "fit"):
        return told
    raise DefinitionError(
        f"expected a number of turns, or a window (LastTurns, TokenBudget, Summarise, your own with fit), got {told!r}"
    )


def is_pinned(message: Message) -> bool:
    """Say whether a message is always sent."""
    return message.pinned or message.role in _PINNED_ROLES


def turns_of(messages: Iterable[Message]) -> list[Turn]:
    """Part a history into turns; what stands before the first user's message is a turn of its own."""
    turns: list[list[Message]] = []
    for message in messages:
        if not turns or message.role == MessageRole.user:
            turns.append([])
        turns[-1].append(message)
    return [tuple(turn) for turn in turns]


def with_results(messages: Sequence[Message]) -> list[Message]:
    """Give messages in which every tool call has its result, and every result its call, as providers demand.

    What is missing in data of others is filled in: a call without a result was interrupted, and a result without a call
    is told as text.
    """
    if not any(message.fields for message in messages):
        return list(messages)
    mended: list[Message] = []
    open_ids: list[Any] = []
    for message in messages:
        fields = message.fields or {}
        if message.role == MessageRole.tool:
            if fields.get("tool_call_id") in open_ids:
                open_ids.remove(fields["tool_call_id"])
                mended.append(message)
            else:
                told = render_packaged("tool_result", name="a tool", result=message.message)
                mended.append(Message(told, MessageRole.user))
            continue
        mended += _interrupted_results(open_ids)
        open_ids = [call.get("id") for call in fields.get("tool_calls") or ()]
        mended.append(message)
    return [*mended, *_interrupted_results(open_ids)]


def _interrupted_results(ids: Iterable[Any]) -> list[Message]:
    return [Message("interrupted: no result", MessageRole.tool, fields={"tool_call_id": one}) for one in ids]


def _keep(turns: Sequence[Turn], first: int) -> list[Message]:
    """Keep the turns from the number `first` on, and what is pinned of those before."""
    first = max(0, first)
    pinned = [message for turn in turns[:first] for message in turn if is_pinned(message)]
    return [*pinned, *(message for turn in turns[first:] for message in turn)]


def _refuse_negative(number: int, name: str) -> None:
    if number < 0:
        raise DefinitionError(f"a window's {name} must be 0 or more, got {number}")

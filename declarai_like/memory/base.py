"""What a memory is: the messages of one conversation, read whole and written by turns."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.media._parts import restore_media
from declarai_like.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["BaseChatMessageHistory", "HistoryLike", "MessageHistory", "as_memory", "changed_error", "refuse_changed"]

T = TypeVar("T")


class HistoryLike(Protocol):
    """The least that a class needs to be used as `chat_history=`; it need not inherit from anything."""

    @property
    def history(self) -> Sequence[Message]:
        """All messages, the oldest first."""

    def add_message(self, message: Message, /) -> None:
        """Add one message to the end."""

    def clear(self) -> None:
        """Forget all messages."""


class MessageHistory(ABC):
    """The messages of one conversation.

    A subclass gives `history`, `add_message` and `clear`; the rest is made of them. Every method
    may be called from any thread, and raises `HistoryError` if the store cannot be read or written.
    """

    @property
    @abstractmethod
    def history(self) -> list[Message]:
        """All messages, the oldest first, in a list of the caller's own; read from the store each time."""

    @abstractmethod
    def add_message(self, message: Message) -> None:
        """Add `message` to the end of the history."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all messages of this conversation."""

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add `messages`, one turn, to the end of the history.

        The memories of this package add all of them or none, and nothing comes between them. This
        default adds one after the other: a failure in the middle leaves those before it stored.
        """
        for message in messages:
            self.add_message(message)

    def replace(self, messages: Iterable[Message]) -> None:
        """Put `messages` in the place of the whole history.

        The memories of this package do it in one step. This default clears first: a failure then
        leaves the history empty or short.
        """
        kept = list(messages)
        self.clear()
        self.add_messages(kept)

    def compare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Put `messages` in the place of the history if it still is what was `expected`.

        Raises `HistoryError`, and changes nothing, if another thread, process or program has changed it meanwhile.
        The memories of this package compare and replace in one step. This default reads, compares and replaces: what
        is stored in the moment between is lost.
        """
        kept = list(messages)
        refuse_changed(self.history, expected)
        self.replace(kept)

    async def ahistory(self) -> list[Message]:
        """Read `history` without blocking the event loop."""
        return await in_thread(lambda: self.history)

    async def aadd_messages(self, messages: Iterable[Message]) -> None:
        """Do `add_messages` without blocking the event loop; if cancelled, it may still be stored."""
        turn = list(messages)
        await in_thread(lambda: self.add_messages(turn))

    async def areplace(self, messages: Iterable[Message]) -> None:
        """Do `replace` without blocking the event loop; if cancelled, it may still be done."""
        kept = list(messages)
        await in_thread(lambda: self.replace(kept))

    async def acompare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Do `compare_and_replace` without blocking the event loop; if cancelled, it may still be done."""
        kept = list(messages)
        await in_thread(lambda: self.compare_and_replace(expected, kept))

    async def aclear(self) -> None:
        """Do `clear` without blocking the event loop."""
        await in_thread(self.clear)


BaseChatMessageHistory = MessageHistory
"""The name of `MessageHistory` in declarai."""


def refuse_changed(history: Sequence[Message], expected: Sequence[Message]) -> None:
    """Raise `HistoryError` if a history is no longer what it was when it was read."""
    if list(history) != list(expected):
        raise changed_error()


def changed_error() -> HistoryError:
    """Give the error for a history that another one has changed meanwhile."""
    return HistoryError(
        "the conversation was changed meanwhile, by another tab or process for one: "
        "nothing was replaced, read it again and decide anew"
    )


class AdaptedHistory(MessageHistory):
    """A user's own history in our form; a turn is added as a whole if it knows how to."""

    def __init__(self, inner: HistoryLike) -> None:
        self.inner = inner

    @property
    def history(self) -> list[Message]:
        """What the inner history holds, copied."""
        with _translated_errors("read"):
            return [restore_media(Message.of(message)) for message in self.inner.history]

    def add_message(self, message: Message) -> None:
        """Pass `message` on."""
        with _translated_errors("written"):
            self.inner.add_message(message)

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Pass the turn on, in one piece if the inner history has `add_messages`."""
        whole = getattr(self.inner, "add_messages", None)
        if whole is None:
            super().add_messages(messages)
        else:
            with _translated_errors("written"):
                whole(list(messages))

    def clear(self) -> None:
        """Clear the inner history."""
        with _translated_errors("cleared"):
            self.inner.clear()


@contextmanager
def _translated_errors(done: str) -> Iterator[None]:
    """Turn whatever a user's own store raises into a `HistoryError`."""
    try:
        yield
    except HistoryError:
        raise
    except Exception as error:
        raise HistoryError(f"the chat_history could not be {done}: {type(error).__name__}: {error}") from error


def as_memory(history: HistoryLike) -> MessageHistory:
    """Give a memory of this package as it is, and anything with `history`, `add_message` and `clear` in its form.

    Raises `ConfigurationError` for an object that lacks one of the three. No truth value is
    asked for: an empty history with a length is not a missing one.
    """
    if isinstance(history, MessageHistory):
        return history
    if isinstance(history, type):
        raise ConfigurationError(f"chat_history must be an object, not the class itself: {history.__name__}(...)")
    if isinstance(history, str | os.PathLike):
        raise ConfigurationError(
            f"chat_history must be a memory, got the path {os.fspath(history)!r}: write FileMessageHistory(path) or "
            "SQLiteMessageHistory(path, ...), of declarai_like.memory"
        )
    missing = [name for name in ("history", "add_message", "clear") if not hasattr(type(history), name)]
    missing = [name for name in missing if name not in getattr(history, "__dict__", ())]
    if missing:
        raise ConfigurationError(f"chat_history must have {', '.join(missing)}; got {type(history).__name__}")
    return AdaptedHistory(history)


async def in_thread(blocking: Callable[[], T]) -> T:
    """Call `blocking` in a thread, with the caller's context variables."""
    import asyncio

    return await asyncio.to_thread(blocking)

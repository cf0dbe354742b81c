"""A conversation kept in this process, and gone with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like.memory.base import MessageHistory, refuse_changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.messages import Message

__all__ = ["InMemoryMessageHistory"]


class InMemoryMessageHistory(MessageHistory):
    """Keeps the messages in a list; what a chat uses when it is given nothing else."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)

    @property
    def history(self) -> list[Message]:
        """A copy of the messages, the oldest first."""
        return self._messages.copy()

    def add_message(self, message: Message) -> None:
        """Add `message` to the end."""
        self._messages.append(message)

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add the turn in one step: the list is extended by another list, which no thread can see half done."""
        self._messages.extend(list(messages))

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()

    def replace(self, messages: Iterable[Message]) -> None:
        """Put `messages` in the place of the history in one step."""
        self._messages[:] = list(messages)

    def compare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Put `messages` in the place of the history if it still is what was `expected`; else raises `HistoryError`."""
        kept = list(messages)
        refuse_changed(self.history, expected)
        self._messages[: len(expected)] = kept  # without a lock: what a thread adds in this moment stays behind them

    async def ahistory(self) -> list[Message]:
        """Give `history`, which never waits."""
        return self.history

    async def aadd_messages(self, messages: Iterable[Message]) -> None:
        """Do `add_messages`, which never waits."""
        self.add_messages(messages)

    async def areplace(self, messages: Iterable[Message]) -> None:
        """Do `replace`, which never waits."""
        self.replace(messages)

    async def acompare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Do `compare_and_replace`, which never waits."""
        self.compare_and_replace(expected, messages)

    async def aclear(self) -> None:
        """Do `clear`, which never waits."""
        self.clear()

    def __repr__(self) -> str:
        return f"InMemoryMessageHistory({len(self._messages)} messages)"

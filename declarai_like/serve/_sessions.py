"""The conversations of the served chats: one for each chat and session."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like._calls.waiting_turns import end_waiting
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.memory.base import as_memory
from declarai_like.serve._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._calls.protocols import ConversationTurn
    from declarai_like.memory import MessageHistory
    from declarai_like.memory.base import HistoryLike
    from declarai_like.serve._served import ServedChat
    from declarai_like.tools import RunStore

__all__ = ["Session", "Sessions"]

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(eq=False)
class Session:
    """A conversation; `turns` is how many are under way or wait."""

    key: str
    bot: Any
    memory: MessageHistory
    sessions: Sessions
    turns: int = 0
    turn: ConversationTurn | None = None
    """The last one that began."""

    def enter(self, turn: ConversationTurn | None) -> None:
        """Note that a turn begins: from now on the conversation is kept open."""
        self.turns += 1
        self.turn = turn
        self.sessions.keep(self)

    def leave(self) -> None:
        """Note that it has ended."""
        self.turns -= 1
        if not self.turns:
            self.sessions.release(self)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said and nothing waits, as far as this process knows."""
        if self.turn is not None and self.turn.waiting_run is not None:
            return False
        return isinstance(self.memory, InMemoryMessageHistory) and not self.memory.history


class Sessions:
    """Opens conversations, and keeps open those that had a turn last.

    `memory` is called with `"<chat>.<session>"`, in a thread. Without one, conversations are kept in this process, and
    the oldest is forgotten when there are too many. Only a turn that said something makes another one the oldest: who
    reads conversations that do not exist, or sends what is refused, pushes nobody out.
    """

    def __init__(self, memory: Callable[[str], HistoryLike] | None, limit: int) -> None:
        self._memory = memory
        self._limit = limit
        self._open: OrderedDict[str, Session] = OrderedDict()

    async def get(self, served: ServedChat, name: str) -> Session:
        """Give a conversation, a new one if there is none; raises `Problem` for a name that cannot be.

        A new one is kept when its first turn begins, which must be before anything else is awaited.
        """
        if not _SESSION.fullmatch(name):
            raise Problem(400, "a session is named by 1 to 64 letters, digits, _ and -")
        key = f"{served.name}.{name}"
        if key in self._open:
            return self._open[key]
        memory = await self._open_memory(key)
        if key in self._open:  # another request was faster
            return self._open[key]
        return Session(key, served.open(memory), memory, self)

    async def forget(self, served: ServedChat, name: str, runs: RunStore) -> None:
        """Forget what was said, and what waits in `runs`; raises `Problem` while a turn is under way."""
        session = await self.get(served, name)
        if session.turns:
            raise Problem(409, "a turn of this conversation is under way", retryable=True)
        await session.memory.aclear()
        conversation = getattr(session.memory, "session_id", None)
        if conversation is not None:
            await asyncio.to_thread(end_waiting, runs, conversation)
        self._open.pop(session.key, None)

    def keep(self, session: Session) -> None:
        """Keep a conversation open, as the newest one."""
        self._open[session.key] = session
        self._open.move_to_end(session.key)

    def release(self, session: Session) -> None:
        """Let a conversation go that has no turn: at once if nothing was said in it, else when there are too many."""
        if session.is_empty:
            self._open.pop(session.key, None)
        idle = [key for key, other in self._open.items() if not other.turns]
        for key in idle[: max(0, len(self._open) - self._limit)]:
            del self._open[key]

    async def _open_memory(self, key: str) -> MessageHistory:
        if self._memory is None:
            return InMemoryMessageHistory()
        return as_memory(await asyncio.to_thread(self._memory, key))

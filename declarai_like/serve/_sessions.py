"""The conversations of the served chats: one for each chat and session."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like.memory import InMemoryMessageHistory
from declarai_like.memory.base import stored
from declarai_like.serve._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like.memory import MessageHistory
    from declarai_like.memory.base import HistoryLike
    from declarai_like.serve._served import ServedChat

__all__ = ["Session", "Sessions"]

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(eq=False)
class Session:
    """A conversation; `turns` is how many are under way or wait."""

    bot: Any
    memory: MessageHistory
    turns: int = 0

    def enter(self) -> None:
        """Note that a turn begins."""
        self.turns += 1

    def leave(self) -> None:
        """Note that it has ended."""
        self.turns -= 1


class Sessions:
    """Opens conversations, and keeps the last ones open.

    `memory` is called with `"<chat>.<session>"`, in a thread. Without one, conversations are kept in this process, and
    the oldest is forgotten when there are too many.
    """

    def __init__(self, memory: Callable[[str], HistoryLike] | None, limit: int) -> None:
        self._memory = memory
        self._limit = limit
        self._open: OrderedDict[str, Session] = OrderedDict()

    async def get(self, served: ServedChat, session: str) -> Session:
        """Give a conversation, a new one if there is none; raises `Problem` for a session that cannot be."""
        if not _SESSION.fullmatch(session):
            raise Problem(400, "a session is named by 1 to 64 letters, digits, _ and -")
        key = f"{served.name}.{session}"
        if key not in self._open:
            memory = await self._open_memory(key)
            self._open.setdefault(key, Session(served.open(memory), memory))  # another request may have been faster
            self._forget_oldest(key)
        self._open.move_to_end(key)
        return self._open[key]

    async def forget(self, served: ServedChat, session: str) -> None:
        """Forget what was said; raises `Problem` while a turn is under way."""
        opened = await self.get(served, session)
        if opened.turns:
            raise Problem(409, "a turn of this conversation is under way", retryable=True)
        await opened.memory.aclear()

    async def _open_memory(self, key: str) -> MessageHistory:
        if self._memory is None:
            return InMemoryMessageHistory()
        return stored(await asyncio.to_thread(self._memory, key))

    def _forget_oldest(self, newest: str) -> None:
        idle = [key for key, session in self._open.items() if not session.turns and key != newest]
        for key in idle[: max(0, len(self._open) - self._limit)]:
            del self._open[key]

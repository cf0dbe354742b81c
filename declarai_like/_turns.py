"""One turn at a time: the queue before a conversation, across threads and event loops alike."""

from __future__ import annotations

import sys
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declarai_like.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[], object] | None

__all__ = ["Turns"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who takes a turn: a thread, and the asyncio task that runs in it if there is one.

    `reader` is a weak reference to the generator that the turn is read from.
    """

    thread: threading.Thread  # the object, for the number of a thread that has ended is given again
    task: object
    reader: Reader

    @classmethod
    def here(cls, reader: Reader) -> Speaker:
        """Name the thread and the task that ask."""
        return cls(threading.current_thread(), _running_task(), reader)

    @property
    def has_left(self) -> bool:
        """Whether nobody can read the turn any more: the event loop is about to close it."""
        return self.reader is not None and self.reader() is None


class Turns:
    """Lets one turn in at a time, in the order in which they came.

    `with turns:` takes one in this thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._speaker: Speaker | None = None
        self._waiting: deque[tuple[Speaker, Future[None]]] = deque()

    def enter(self, reader: Reader = None) -> Future[None] | None:
        """Join the queue, to wait in this thread: `None` if it is our turn at once, else what resolves when it is.

        Raises `HistoryError` if this thread would wait for itself.
        """
        me = Speaker.here(reader)
        if any(other.thread is me.thread for other in self._ahead()):
            raise _inside_a_turn()
        return self._join(me)

    def aenter(self, reader: Reader = None) -> Future[None] | None:
        """Do what `enter` does, to wait in an event loop; raises `HistoryError` if this task would wait for itself."""
        me = Speaker.here(reader)
        ours = [other for other in self._ahead() if (other.thread, other.task) == (me.thread, me.task)]
        if any(not other.has_left for other in ours):
            raise _inside_a_turn()
        return self._join(me)

    def leave(self) -> None:
        """End the turn and let the next one in that still waits."""
        with self._lock:
            self._speaker = None
            while self._waiting:
                speaker, ticket = self._waiting.popleft()
                if ticket.set_running_or_notify_cancel():
                    self._speaker = speaker
                    ticket.set_result(None)
                    return

    def give_up(self, ticket: Future[None] | None) -> None:
        """Leave the queue before our turn, or hand on a turn that came too late."""
        if ticket is not None and not ticket.cancel():
            self.leave()

    def _ahead(self) -> list[Speaker]:
        """Give those before whom a newcomer cannot be: the one who speaks, and those who wait."""
        with self._lock:
            waiting = [speaker for speaker, ticket in self._waiting if not ticket.cancelled()]
            return waiting if self._speaker is None else [self._speaker, *waiting]

    def _join(self, me: Speaker) -> Future[None] | None:
        with self._lock:
            if self._speaker is None:
                self._speaker = me
                return None
            ticket: Future[None] = Future()
            self._waiting.append((me, ticket))
            return ticket

    def __enter__(self) -> None:
        ticket = self.enter()
        try:
            _ = ticket and ticket.result()
        except BaseException:
            self.give_up(ticket)
            raise

    def __exit__(self, *_exc: object) -> None:
        self.leave()

    def __reduce__(self) -> tuple[type[Turns], tuple[()]]:
        return Turns, ()


def _inside_a_turn() -> HistoryError:
    return HistoryError(
        "this chat is in the middle of a turn, in this very thread or task: "
        "read its stream to the end, or close it, before you go on"
    )


def _running_task() -> object:
    """Give the asyncio task that runs in this thread; `None` without one."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        return None

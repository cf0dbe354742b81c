"""Whose turn it is: a queue before one place or several, across threads and event loops alike."""

from __future__ import annotations

import sys
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like.errors import HistoryError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[], object] | None

__all__ = ["FairQueue", "Ticket"]


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who takes a turn: a thread, and the asyncio task that runs in it if there is one.

    `reader` is a weak reference to the generator that the turn is read from.
    """

    thread: threading.Thread  # the object, for the number of a thread that has ended is given again
    task: object
    reader: Reader

    @classmethod
    def current(cls, reader: Reader) -> Waiter:
        """Name the thread and the task that ask."""
        return cls(threading.current_thread(), _running_task(), reader)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody can read the turn any more: the event loop is about to close it."""
        return self.reader is not None and self.reader() is None

    def blocks(self, other: Waiter, *, awaiting: bool) -> bool:
        """Say whether this one cannot go on while the other waits: a thread that waits stops all its tasks."""
        if not awaiting:
            return self.thread is other.thread
        return (self.thread, self.task) == (other.thread, other.task) and not self.is_abandoned


class Ticket(Future[None]):
    """A turn: resolved when it has come. It is given back by `FairQueue.leave`."""

    def __init__(self, waiter: Waiter) -> None:
        super().__init__()
        self.waiter = waiter


class FairQueue:
    """Lets so many in at a time as there are slots, in the order in which they came.

    With one place it is the queue before a conversation; `with queue:` takes a turn in this thread. With several it
    is what a provider is asked at a time.
    """

    def __init__(self, slots: int | None = None) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._inside: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()

    def enter(self, reader: Reader = None) -> Ticket:
        """Join the queue, to wait in this thread: for a ticket that is resolved when it is our turn.

        Raises `HistoryError`, or `LimitExceeded` if there are several slots, if this thread would wait for itself.
        """
        return self._join(Waiter.current(reader), awaiting=False)

    def aenter(self, reader: Reader = None) -> Ticket:
        """Do what `enter` does, to wait in an event loop; raises the same if this task would wait for itself."""
        return self._join(Waiter.current(reader), awaiting=True)

    def leave(self, ticket: Ticket) -> None:
        """End a turn and let the next one in that still waits."""
        with self._lock:
            self._inside.remove(ticket)
            while self._waiting:
                following = self._waiting.popleft()
                if following.set_running_or_notify_cancel():
                    self._inside.append(following)
                    following.set_result(None)
                    return

    def give_up(self, ticket: Ticket) -> None:
        """Leave the queue before our turn, or hand on a turn that came too late."""
        if not ticket.cancel():
            self.leave(ticket)

    def _join(self, me: Waiter, *, awaiting: bool) -> Ticket:
        ticket, slots = Ticket(me), self._slots or 1
        with self._lock:
            ahead = [other.waiter for other in (*self._inside, *self._waiting) if not other.cancelled()]
            if sum(waiter.blocks(me, awaiting=awaiting) for waiter in ahead) >= slots:
                raise self._deadlock_error()
            if len(self._inside) < slots:
                self._inside.append(ticket)
                ticket.set_result(None)
            else:
                self._waiting.append(ticket)
        return ticket

    def _deadlock_error(self) -> HistoryError | LimitExceeded:
        """Tell who would wait for what only it can end."""
        if self._slots is None:
            return HistoryError(
                "this chat is in the middle of a turn, in this very thread or task: "
                "read its stream to the end, or close it, before you go on"
            )
        return LimitExceeded(
            f"all of max_concurrency={self._slots} are streams of this very thread or task: "
            "read one to its end, or close it, before the next call, or raise max_concurrency="
        )

    def __enter__(self) -> None:
        ticket = self.enter()
        try:
            ticket.result()
        except BaseException:
            self.give_up(ticket)
            raise
        self._held = ticket

    def __exit__(self, *_exc: object) -> None:
        self.leave(self._held)

    def __reduce__(self) -> tuple[type[FairQueue], tuple[Any, ...]]:
        return FairQueue, (self._slots,)


def _running_task() -> object:
    """Give the asyncio task that runs in this thread; `None` without one."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        return None

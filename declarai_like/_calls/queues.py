"""What calls wait in: a queue before one slot or several, across threads and event loops alike.

There is no lock in it. A lock that an interrupt, a forked process, or a generator that the garbage collector closes in
the middle of these lines finds taken would be taken for ever. All there is to know is one list in the order of
arrival: the first `slots` tickets of it are let in. Its steps are single ones of the interpreter, and may be repeated.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like.errors import HistoryError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[], object] | None

__all__ = ["FairQueue", "Ticket"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits: a thread, and the asyncio task that runs in it if there is one.

    `reader` is a weak reference to the generator that the answer is read from.
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
        """Whether nobody can read the answer any more: the event loop is about to close it."""
        return self.reader is not None and self.reader() is None

    def blocks(self, other: Waiter, *, awaiting: bool) -> bool:
        """Say whether this one cannot go on while the other waits: a thread that waits stops all its tasks."""
        if not awaiting:
            return self.thread is other.thread
        return (self.thread, self.task) == (other.thread, other.task) and not self.is_abandoned


class Ticket(Future[None]):
    """A place in a queue, resolved when it is let in; made before it is used, so that it can always be given back."""

    def __init__(self, waiter: Waiter) -> None:
        super().__init__()
        self.waiter = waiter
        self.fork = _forks.number

    def let_in(self) -> None:
        """Wake who waits; nothing happens if that was done before."""
        if not self.done():
            with suppress(InvalidStateError):  # another thread was faster, or the waiting was cancelled
                self.set_result(None)

    @property
    def is_lost(self) -> bool:
        """Whether it belongs to a thread of the process that this one was forked from."""
        return self.fork != _forks.number and self.waiter.thread is not threading.main_thread()


class FairQueue:
    """Lets so many in at a time as there are slots, in the order in which they came.

    With one slot it is the queue before a conversation, with several it is what a provider is asked at a time.
    """

    def __init__(self, slots: int | None = None) -> None:
        self._slots = slots
        self._tickets: list[Ticket] = []

    def ticket(self, reader: Reader = None) -> Ticket:
        """Make a ticket for this thread and task, to enter with, and to leave with whatever has happened."""
        return Ticket(Waiter.current(reader))

    def enter(self, ticket: Ticket) -> None:
        """Join the queue, to wait in this thread until the ticket is resolved.

        Raises `HistoryError`, or `LimitExceeded` if there are several slots, if this thread would wait for itself.
        """
        self._join(ticket, awaiting=False)

    def aenter(self, ticket: Ticket) -> None:
        """Do what `enter` does, to wait in an event loop; raises the same if this task would wait for itself."""
        self._join(ticket, awaiting=True)

    def leave(self, ticket: Ticket) -> None:
        """Give a slot or a place back, and let the next one in; nothing happens if it was given back before."""
        self._remove(ticket)
        self._let_in()

    def run(self, work: Callable[[], T]) -> T:
        """Do some work in a slot, when there is one."""
        ticket = self.ticket()
        try:
            try:
                self.enter(ticket)
                ticket.result()
                return work()
            finally:
                self.leave(ticket)
        finally:  # an interrupt may have come in the line above
            self.leave(ticket)

    def _join(self, ticket: Ticket, *, awaiting: bool) -> None:
        for lost in filter(lambda other: other.is_lost, self._tickets.copy()):
            self._remove(lost)  # pragma: no cover - in a forked child
        ahead = [other.waiter for other in self._tickets.copy() if not other.cancelled()]
        if sum(waiter.blocks(ticket.waiter, awaiting=awaiting) for waiter in ahead) >= (self._slots or 1):
            raise self._deadlock_error()
        self._tickets.append(ticket)
        self._let_in()

    def _remove(self, ticket: Ticket) -> None:
        with suppress(ValueError):
            self._tickets.remove(ticket)

    def _let_in(self) -> None:
        for ticket in self._tickets[: self._slots or 1]:
            ticket.let_in()

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

    def __reduce__(self) -> tuple[type[FairQueue], tuple[Any, ...]]:
        return FairQueue, (self._slots,)


class _Forks:
    """How often this process and those before it were forked."""

    number = 0

    def count(self) -> None:  # pragma: no cover - in a forked child
        """Note that this process is a new one."""
        self.number += 1


_forks = _Forks()
if sys.platform != "win32":  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forks.count)


def _running_task() -> object:
    """Give the asyncio task that runs in this thread; `None` without one."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        return None

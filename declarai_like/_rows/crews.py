"""Who makes the calls of a map: threads, or tasks of an event loop."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from contextvars import Context

    from declarai_like._rows.jobs import Job, Outcome, Performer

__all__ = ["Crew", "TaskCrew", "ThreadCrew"]

T = TypeVar("T")
_GRACE = 0.5
"""Seconds that calls which were hung up are waited for."""


class Crew(Protocol[T]):
    """Makes calls at the same time."""

    def start(self, job: Job[T]) -> None:
        """Begin a call."""
        ...

    def dispatch(self) -> None:
        """Begin what is held back to be begun together."""
        ...

    def collect(self, *, wait: bool) -> list[Outcome]:
        """Give what has ended; with `wait` at least one."""
        ...

    def close(self) -> list[Outcome]:
        """Hang up all calls that are under way; give those that have ended before. Closing twice is fine."""
        ...


class ThreadCrew(Generic[T]):
    """Makes calls in threads, each of which is started when it is first needed."""

    def __init__(self, performer: Performer[T]) -> None:
        self._performer = performer
        self._jobs: SimpleQueue[tuple[Context, Job[T]] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._under_way: set[Job[T]] = set()
        self._threads: list[threading.Thread] = []

    def start(self, job: Job[T]) -> None:
        """Begin a call, in the context of the one who reads the map."""
        self._under_way.add(job)
        if len(self._threads) < len(self._under_way):
            # A daemon, since a call that does not end must not keep the program from ending.
            thread = threading.Thread(target=self._work, name="declarai-row", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put((copy_context(), job))

    def dispatch(self) -> None:
        """Nothing is held back."""

    def collect(self, *, wait: bool) -> list[Outcome]:
        """Give what has ended; with `wait` at least one."""
        outcomes = [self._done.get()] if wait else []
        try:
            while True:
                outcomes.append(self._done.get_nowait())
        except Empty:
            self._under_way.difference_update(outcome.job for outcome in outcomes)
            return outcomes

    def close(self) -> list[Outcome]:
        """Hang up all calls, and wait a moment for their threads; one that does not end is left alone."""
        ended = self.collect(wait=False)
        for job in self._under_way:
            job.hang_up.request()
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._threads.clear()
        ended += [outcome for outcome in self.collect(wait=False) if outcome.row.error is None]
        self._under_way.clear()
        return ended

    def _work(self) -> None:
        while (told := self._jobs.get()) is not None:
            context, job = told
            self._done.put(context.run(self._performer.perform, job))


class TaskCrew(Generic[T]):
    """Makes calls in tasks of the running event loop."""

    def __init__(self, performer: Performer[T]) -> None:
        self._performer = performer
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news: asyncio.Event | None = None

    def start(self, job: Job[T]) -> None:
        """Begin a call."""
        from asyncio import Event, create_task

        self._news = self._news or Event()
        task = create_task(self._work(job, self._news))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def collect(self, *, wait: bool) -> list[Outcome]:
        """Give what has ended; with `wait` at least one."""
        if wait and self._done.empty() and self._news is not None:
            self._news.clear()
            await self._news.wait()
        return self._ended()

    async def close(self) -> list[Outcome]:
        """Cancel all calls, and wait for their tasks."""
        from asyncio import gather

        ended, tasks = self._ended(), list(self._tasks)
        for task in tasks:
            task.cancel()
        await gather(*tasks, return_exceptions=True)
        return ended

    async def _work(self, job: Job[T], news: asyncio.Event) -> None:
        self._done.put(await self._performer.aperform(job))
        news.set()

    def _ended(self) -> list[Any]:
        outcomes = []
        while not self._done.empty():
            outcomes.append(self._done.get_nowait())
        return outcomes

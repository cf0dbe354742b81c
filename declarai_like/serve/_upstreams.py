"""One answer under way: a task asks the model, and readers follow what it has brought."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from declarai_like._calls import runner
from declarai_like.serve._problems import Problem, server_stops, translate_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._calls.flow import Call
    from declarai_like.serve._event_frames import Frames

__all__ = ["Reader", "Upstream"]

_REPLAY_BYTES = 1_000_000
"""How much of an answer is kept to be read again; beyond it the model waits for the slowest reader."""


class Reader:
    """One who follows an answer; `position` is how many of its events have been sent."""

    __slots__ = ("position", "waiting")

    def __init__(self, position: int) -> None:
        self.position = position
        self.waiting: asyncio.Future[None] | None = None
        """What it awaits when it has seen all there is."""

    def wake(self) -> None:
        """Let the reader look again."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class Upstream:
    """One answer: what it has brought as events, and the task that brings more."""

    def __init__(self, key: str, digest: bytes, frames: Frames, release_slot: Callable[[Upstream], None]) -> None:
        self.key = key
        self.digest = digest
        self.loop = asyncio.get_running_loop()
        self.readers: list[Reader] = []
        self.ended = False
        self.refused: Problem | None = None
        """Why there is no answer at all, if not even its first event came."""
        self.expiry: asyncio.TimerHandle | None = None
        self.has_slot = False
        self._frames = frames
        self._release_slot = release_slot
        self.count = 0
        """How many events have come so far."""
        self._id = f"id: {key}-"
        self._events: list[bytes] = []
        self._size = 0
        self.is_full = False
        """Whether the model waits for the readers."""
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._why_cancelled = server_stops()

    def start(self, call: Call[Any], on_end: Callable[[], None]) -> None:
        """Ask the model."""
        self._task = self.loop.create_task(self._pump(call))
        self._task.add_done_callback(lambda task: self._finish(on_end, is_cancelled=task.cancelled()))

    def cancel(self, why: Problem | None = None) -> None:
        """Stop asking and tell the readers why, if not that the server stops; the connection to the model is closed."""
        self._why_cancelled = why or self._why_cancelled
        if self._task is not None and not self.loop.is_closed():
            self._task.cancel()

    def rest_after(self, position: int) -> bytes:
        """Give what a reader has not seen yet, and that the server stops if the answer is not over."""
        events = self.events_after(position) if position < self.count else b""
        return events if self.ended else events + self._with_id(self.count + 1, self._frames.error(server_stops()))

    def holds(self, position: int) -> bool:
        """Say whether reading can go on after so many events."""
        return self.count - len(self._events) <= position <= self.count

    def events_after(self, position: int) -> bytes:
        """Give all the events after so many of them; there is at least one."""
        return self._events[-1] if position == self.count - 1 else b"".join(self._events[position - self.count :])

    def note_progress(self) -> None:
        """Note that a reader has sent something: the model may go on."""
        self._room.set()

    async def _pump(self, call: Call[Any]) -> None:
        step, add = self._frames.step, self._add
        try:
            async with aclosing(runner.astream(call)) as steps:
                async for response in steps:
                    for event in step(response):
                        add(event)
                    if self._size > _REPLAY_BYTES:
                        await self._make_room()
            for event in self._frames.end(call):
                add(event)
        except Exception as error:
            problem = translate_error(error, where=f"serve {call.request.name or 'model'}")
            self.refused = None if self.count or not self._frames.is_refusal(problem) else problem
            add(self._frames.error(problem))

    def _finish(self, on_end: Callable[[], None], *, is_cancelled: bool) -> None:
        """Note the end, also of a task that was cancelled before it began."""
        self._task = None
        if is_cancelled and self.readers:
            self.refused = None if self.count else self._why_cancelled
            self._add(self._frames.error(self._why_cancelled))
        self.ended = True
        on_end()
        self._release_slot(self)
        for reader in self.readers:
            reader.wake()

    def _add(self, event: str) -> None:
        self.count = number = self.count + 1
        self._events.append(data := self._with_id(number, event))
        self._size += len(data)
        for reader in self.readers:
            reader.wake()

    def _with_id(self, number: int, event: str) -> bytes:
        return f"{self._id}{number}\n{event}".encode("ascii")

    async def _make_room(self) -> None:
        """Forget what all have read; wait for the slowest if that is not enough."""
        while True:
            self._forget(min((reader.position for reader in self.readers), default=0))
            self.is_full = self._size > _REPLAY_BYTES
            if not self.is_full:
                return
            self._room.clear()
            await self._room.wait()

    def _forget(self, position: int) -> None:
        number, read = 0, position - (self.count - len(self._events))
        while self._size > _REPLAY_BYTES // 2 and number < read:
            self._size -= len(self._events[number])
            number += 1
        del self._events[:number]

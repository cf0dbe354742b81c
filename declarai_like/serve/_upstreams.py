"""Answers under way: one task asks the model, and readers follow what it has brought.

An answer outlives its readers for a while, so that a client whose connection broke goes on where it was.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from declarai_like._calls import runner
from declarai_like.serve._problems import Problem, server_stops, translate_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._calls.flow import Call
    from declarai_like.serve._event_frames import Frames
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._settings import Settings

__all__ = ["Reader", "Streams", "Upstream"]

_REPLAY_BYTES = 1_000_000
"""How much of an answer is kept to be read again; beyond it the model waits for the slowest reader."""
_MAX_READERS = 4
_NUMBER = re.compile(r"[0-9]{1,9}")


def _stream_stopped() -> Problem:
    return Problem(409, "the stream was stopped by its client", type="StreamStopped")


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

    def __init__(self, key: str, digest: bytes, frames: Frames, streams: Streams) -> None:
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
        self._streams = streams
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
            self.refused = None if self.count else problem
            add(self._frames.error(problem))

    def _finish(self, on_end: Callable[[], None], *, is_cancelled: bool) -> None:
        """Note the end, also of a task that was cancelled before it began."""
        self._task = None
        if is_cancelled and self.readers:
            self.refused = None if self.count else self._why_cancelled
            self._add(self._frames.error(self._why_cancelled))
        self.ended = True
        on_end()
        self._streams.release_slot(self)
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


class Streams:
    """All answers under way, and those that are kept for clients that may come back."""

    def __init__(self, settings: Settings, slots: Slots) -> None:
        self._settings = settings
        self._slots = slots
        self._upstreams: dict[str, Upstream] = {}
        self._is_closed = False

    def open(self, digest: bytes, frames: Frames, call: Call[Any], on_end: Callable[[], None]) -> Upstream:
        """Begin an answer; raises `Problem` if too many are under way, or the server stops."""
        if self._is_closed:
            raise server_stops()
        key = token_hex(16)  # nobody can guess it
        upstream = Upstream(key, digest, frames, self)
        self._slots.acquire()
        upstream.has_slot = True
        self._upstreams[key] = upstream
        upstream.start(call, on_end)
        patience = max(self._settings.resume_seconds, 1)  # until its first reader comes, which is at once
        upstream.expiry = upstream.loop.call_later(patience, self.drop, upstream)
        return upstream

    def resume(self, last_event_id: str, digest: bytes) -> tuple[Upstream, int]:
        """Find an answer and the place in it; raises `Problem` if it is gone, or is the answer to something else."""
        key, _, number = last_event_id.strip().rpartition("-")
        upstream = self._find_here(key)
        if upstream is None or not _NUMBER.fullmatch(number):
            raise Problem(410, "this stream is not kept any more: send the request without Last-Event-ID")
        if upstream.digest != digest:
            raise Problem(409, "this stream answers another request")
        if not upstream.holds(int(number)):
            raise Problem(410, "this stream has no such event, or does not keep it any more")
        return upstream, int(number)

    def stop(self, key: str) -> None:
        """Stop an answer that its client wants no more; raises `Problem` if there is none of that name."""
        upstream = self._find_here(key)
        if upstream is None:
            raise Problem(404, "there is no such stream")
        self.drop(upstream, _stream_stopped())

    def _find_here(self, key: str) -> Upstream | None:
        upstream = self._upstreams.get(key)
        return upstream if upstream is not None and upstream.loop is asyncio.get_running_loop() else None

    def attach(self, upstream: Upstream, reader: Reader) -> None:
        """Let a reader follow; raises `Problem` if there are too many."""
        if len(upstream.readers) >= _MAX_READERS:
            raise Problem(429, "too many readers follow this stream", retryable=True)
        if not upstream.has_slot:
            self._slots.acquire()
            upstream.has_slot = True
        if upstream.expiry is not None:
            upstream.expiry.cancel()
            upstream.expiry = None
        upstream.readers.append(reader)

    def detach(self, upstream: Upstream, reader: Reader) -> None:
        """Let a reader go; after the last one the answer is kept for a while."""
        upstream.readers.remove(reader)
        upstream.note_progress()
        if upstream.readers:
            return
        seconds = self._settings.resume_seconds
        if not seconds or upstream.refused is not None:
            self.drop(upstream)
            return
        upstream.expiry = upstream.loop.call_later(seconds, self.drop, upstream)
        self.release_slot(upstream)
        self._keep_few()

    def release_slot(self, upstream: Upstream) -> None:
        """Give back the slot of an answer that nobody makes and nobody reads."""
        if upstream.ended and not upstream.readers and upstream.has_slot:
            upstream.has_slot = False
            self._slots.release()

    def drop(self, upstream: Upstream, why: Problem | None = None) -> None:
        """Keep an answer no longer; one that is under way is cancelled."""
        self._upstreams.pop(upstream.key, None)
        upstream.cancel(why)
        self.release_slot(upstream)

    def reopen(self) -> None:
        """Take streams, also after a stop: an app can be started more than once."""
        self._is_closed = False

    def close(self) -> None:
        """Drop them all, and take no more: the server stops."""
        self._is_closed = True
        for upstream in list(self._upstreams.values()):
            self.drop(upstream)

    def _keep_few(self) -> None:
        """Drop the oldest answers that wait for their client, if too many do."""
        waiting = [upstream for upstream in self._upstreams.values() if not upstream.readers]
        for upstream in waiting[: max(0, len(waiting) - self._settings.max_concurrency)]:
            self.drop(upstream)

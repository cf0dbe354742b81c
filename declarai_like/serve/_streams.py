"""All answers under way; each outlives its readers a while, so that a client that comes back goes on where it was."""

from __future__ import annotations

import asyncio
import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from declarai_like.serve._problems import Problem, server_stops
from declarai_like.serve._upstreams import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._calls.flow import Call
    from declarai_like.serve._event_frames import Frames
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._settings import Settings
    from declarai_like.serve._upstreams import Reader

__all__ = ["Streams"]

_MAX_READERS = 4
_NUMBER = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[0-9a-f]{32}")


class Streams:
    """All answers under way, and those that are kept for clients that may come back."""

    def __init__(self, settings: Settings, slots: Slots) -> None:
        self._settings = settings
        self._slots = slots
        self._upstreams: dict[str, Upstream] = {}
        self._is_closed = False

    def open(
        self, digest: bytes, frames: Frames, call: Call[Any], on_end: Callable[[], None], name: str | None = None
    ) -> Upstream:
        """Begin an answer, under the name that its client gave it.

        Raises `Problem` if too many are under way, the server stops, or the name is none or taken.
        """
        if self._is_closed:
            raise server_stops()
        key = token_hex(16) if name is None else self._require_new(name)  # nobody can guess it
        upstream = Upstream(key, digest, frames, self.release_slot)
        self._slots.acquire()
        upstream.has_slot = True
        self._upstreams[key] = upstream
        upstream.start(call, on_end)
        patience = max(self._settings.resume_seconds, 1)  # until its first reader comes, which is at once
        upstream.expiry = upstream.loop.call_later(patience, self.drop, upstream)
        return upstream

    def _require_new(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise Problem(400, "X-Stream-Id: expected 32 random digits from 0 to f")
        if name in self._upstreams:
            raise Problem(409, "there is a stream of this name: ask for its events with Last-Event-ID")
        return name

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


def _stream_stopped() -> Problem:
    return Problem(409, "the stream was stopped by its client", type="StreamStopped")

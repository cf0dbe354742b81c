"""What all routes share: what is served, the limits, and the two ways to answer a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from declarai_like.serve._event_frames import whole_answer
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._problems import Problem
from declarai_like.serve._responders import EventStream, request_digest, run_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from declarai_like._calls.flow import Call
    from declarai_like.serve._event_frames import Frames
    from declarai_like.serve._runs import RunName
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._served import ServedChat, ServedModel, ServedTask
    from declarai_like.serve._sessions import Session, Sessions
    from declarai_like.serve._settings import Settings
    from declarai_like.serve._streams import Streams
    from declarai_like.serve._upstreams import Upstream
    from declarai_like.tools import RunStore

__all__ = ["Core"]


def _do_nothing() -> None:
    """Do nothing at the end of a call."""


@dataclass(frozen=True, eq=False)
class Core:
    """One served app."""

    tasks: Mapping[str, ServedTask]
    chats: Mapping[str, ServedChat]
    models: Mapping[str, ServedModel]
    sessions: Sessions
    settings: Settings
    streams: Streams
    slots: Slots
    runs: RunStore
    """Where the runs of tools are kept that name no store."""
    is_guarded: bool

    def resume_stream(self, request: Request, body: bytes) -> Response | None:
        """Go on with the stream that the client has seen a part of, if it says so; raises `Problem` if it is gone."""
        last = request.headers.get("last-event-id")
        if last is None:
            return None
        upstream, position = self.streams.resume(last, request_digest(request, body))
        return self._follow(upstream, position)

    def start_stream(
        self,
        request: Request,
        body: bytes,
        call: Call[Any],
        frames: Frames,
        on_end: Callable[[], None] = _do_nothing,
    ) -> Response:
        """Answer with the events of a call, spelled by `frames`."""
        name = request.headers.get("x-stream-id")
        upstream = self.streams.open(request_digest(request, body), frames, call, on_end, name)
        return self._follow(upstream, 0)

    def _follow(self, upstream: Upstream, position: int) -> Response:
        return cast("Response", EventStream(self.streams, upstream, position, self.settings))  # a route only calls it

    def name_run(self, call: Call[Any], name: RunName) -> Call[Any]:
        """Give the run of a call with tools an id that only its client learns, and a store to be found in."""
        if call.rounds is not None:
            call.rounds.keep_as(name.make(), self.runs)
        return call

    async def answer(
        self,
        request: Request,
        body: bytes,
        call: Call[Any],
        frames: Frames | None,
        on_end: Callable[[], None] = _do_nothing,
    ) -> Response:
        """Answer with the events of a call, or whole if there are no `frames`."""
        if frames is not None:
            return self.start_stream(request, body, call, frames, on_end)
        try:
            await run_call(call, request, self.slots)
        except Problem as problem:
            if problem.pending is None:
                raise
            return JSONAnswer(problem.pending, 202)
        return JSONAnswer(whole_answer(call))

    async def answer_turn(
        self, request: Request, body: bytes, call: Call[Any], session: Session, *, frames: Frames | None
    ) -> Response:
        """Answer with a turn of a conversation, which is kept open until the turn has ended."""
        session.enter(call.conversation)
        has_stream = False
        try:
            answer = await self.answer(request, body, call, frames, session.leave)
            has_stream = frames is not None  # which leaves when it ends
            return answer
        finally:
            if not has_stream:
                session.leave()

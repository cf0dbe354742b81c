"""What all routes share: what is served, the limits, and the two ways to answer a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from declarai_like.serve._event_frames import whole_answer
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._responders import EventStream, request_digest, run_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from declarai_like._calls.flow import Call
    from declarai_like.serve._event_frames import Frames
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._served import ServedChat, ServedModel, ServedTask
    from declarai_like.serve._sessions import Sessions
    from declarai_like.serve._settings import Settings
    from declarai_like.serve._streams import Streams
    from declarai_like.serve._upstreams import Upstream

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
        upstream = self.streams.open(request_digest(request, body), frames, call, on_end)
        return self._follow(upstream, 0)

    def _follow(self, upstream: Upstream, position: int) -> Response:
        return cast("Response", EventStream(self.streams, upstream, position, self.settings))  # a route only calls it

    async def answer_whole(self, request: Request, call: Call[Any]) -> Response:
        """Answer with the whole of a call."""
        await run_call(call, request, self.slots)
        return JSONAnswer(whole_answer(call))

"""Decisions about tool calls that wait, and what came of the call then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.serve._event_frames import parse_frames
from declarai_like.serve._runs import RunName, no_such_run, read_decisions
from declarai_like.serve._safety import read_json
from declarai_like.serve._task_routes import find_served, read_object, wants_events

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from declarai_like._calls.flow import Call
    from declarai_like.serve._core import Core

__all__ = ["RunRoutes"]


class RunRoutes:
    """Goes on with calls whose tools waited."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def decide(self, request: Request) -> Response:
        """Take decisions, and answer as the call that waited would have been."""
        core, run_id = self._core, request.path_params["run"]
        body = await read_json(request, core.settings)
        streaming = wants_events(request)
        frames = parse_frames(request.query_params.get("frames")) if streaming else None
        if streaming and (resumed := core.resume_stream(request, body)) is not None:
            return resumed
        number, decisions = read_decisions(read_object(body))
        name = RunName.read(run_id)
        told = {"decisions": decisions, "number": number, "streaming": streaming}
        if name.session is None:
            served = find_served(core.tasks, name.name)
            call = _resume(served.task, served.runs or core.runs, run_id, told)
            return await core.answer(request, body, call, frames)
        chat = find_served(core.chats, name.name)
        session = await core.sessions.get(chat, name.session)
        call = _resume(session.bot, chat.runs or core.runs, run_id, told)
        return await core.answer_turn(request, body, call, session, frames=frames)


def _resume(whose: Any, runs: Any, run_id: str, told: dict[str, Any]) -> Call[Any]:
    """Put the rest of a call together; raises `Problem` if whose it would be has no tools."""
    try:
        call: Call[Any] = whose.prepare_resume(run_id, told.pop("decisions"), runs=runs, **told)
    except TypeError:
        raise no_such_run() from None
    return call

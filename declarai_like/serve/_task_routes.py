"""The routes of tasks and chats in our own form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json
from starlette.responses import Response

from declarai_like.serve._event_frames import parse_frames
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._problems import Problem
from declarai_like.serve._safety import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from declarai_like.serve._core import Core
    from declarai_like.serve._sessions import Session

__all__ = ["TaskRoutes", "find_served", "wants_events"]

T = TypeVar("T")
_EVENTS = "text/event-stream"
_SHOWN_ROLES = ("user", "assistant")


class TaskRoutes:
    """Lists what there is, and asks it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def list_tasks(self, _request: Request) -> Response:
        """Tell the tasks: what they take and give."""
        return JSONAnswer(
            [
                {
                    "name": served.name,
                    "streaming": served.streaming,
                    "parameters": served.arguments.schema,
                    "returns": served.returns,
                }
                for served in self._core.tasks.values()
            ]
        )

    async def list_chats(self, _request: Request) -> Response:
        """Tell the chats: what they say first, and what their prompts leave open."""
        return JSONAnswer(
            [
                {"name": served.name, "greeting": served.greeting, "values": served.values}
                for served in self._core.chats.values()
            ]
        )

    async def call_task(self, request: Request) -> Response:
        """Call a task with the arguments in the body."""
        core, served = self._core, find_served(self._core.tasks, request.path_params["name"])
        body = await read_json(request, core.settings)
        streaming = wants_events(request)
        frames = parse_frames(request.query_params.get("frames"))
        if streaming and (resumed := core.resume_stream(request, body)) is not None:
            return resumed
        call = served.call(body, {}, streaming=streaming)
        if streaming:
            return core.start_stream(request, body, call, frames)
        return await core.answer_whole(request, call)

    async def say(self, request: Request) -> Response:
        """Say something in a conversation."""
        core, served = self._core, find_served(self._core.chats, request.path_params["name"])
        body = await read_json(request, core.settings)
        streaming = wants_events(request)
        frames = parse_frames(request.query_params.get("frames"))
        if streaming and (resumed := core.resume_stream(request, body)) is not None:
            return resumed
        message, values = _read_message(body)
        session = await core.sessions.get(served, request.path_params["session"])
        call = served.call(session.bot, message, values, {}, streaming=streaming)
        return await self._turn(request, body, call, session, frames if streaming else None)

    async def _turn(self, request: Request, body: bytes, call: Any, session: Session, frames: Any) -> Response:
        session.enter()
        has_stream = False
        try:
            if frames is None:
                return await self._core.answer_whole(request, call)
            answer = self._core.start_stream(request, body, call, frames, session.leave)
            has_stream = True  # which leaves when it ends
            return answer
        finally:
            if not has_stream:
                session.leave()

    async def conversation(self, request: Request) -> Response:
        """Tell what was said in a conversation; what the model was told before is nobody's business."""
        from asyncio import to_thread

        served = find_served(self._core.chats, request.path_params["name"])
        session = await self._core.sessions.get(served, request.path_params["session"])
        messages = await to_thread(lambda: session.bot.conversation)
        data = [{"role": str(m.role), "content": m.message} for m in messages if m.role in _SHOWN_ROLES]
        return JSONAnswer({"messages": data})

    async def forget(self, request: Request) -> Response:
        """Forget a conversation."""
        served = find_served(self._core.chats, request.path_params["name"])
        await self._core.sessions.forget(served, request.path_params["session"])
        return Response(status_code=204)

    async def stop(self, request: Request) -> Response:
        """Stop a stream: a client that has left could come back, one that says so does not."""
        self._core.streams.stop(request.path_params["stream"])
        return Response(status_code=204)


def find_served(things: Mapping[str, T], name: str) -> T:
    """Find what is served under a name; raises `Problem` if nothing is."""
    served = things.get(name)
    if served is None:
        raise Problem(404, "nothing is served under this name")
    return served


def wants_events(request: Request) -> bool:
    """Say whether the client asks for a stream of events."""
    return _EVENTS in request.headers.get("accept", "").lower()


def _read_message(body: bytes) -> tuple[str, dict[str, Any]]:
    """Read what is said, and the values for the system prompt; raises `Problem` for anything else."""
    data = read_object(body)
    message, values = data.pop("message", None), data.pop("values", None) or {}
    if data or not isinstance(message, str) or not isinstance(values, dict):
        raise Problem(422, "expected a JSON object of message, a text, and perhaps values, an object")
    return message, values


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises `Problem` if there is none."""
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Problem(400, "the body is no JSON") from None
    if not isinstance(data, dict):
        raise Problem(422, "the body must be a JSON object")
    return data

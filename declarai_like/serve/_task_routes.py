"""The routes of tasks and chats in our own form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json
from starlette.responses import Response

from declarai_like.errors import MediaError
from declarai_like.media import Media
from declarai_like.media._kinds import of_any_kind
from declarai_like.serve._event_frames import parse_frames
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._problems import Problem
from declarai_like.serve._runs import RunName
from declarai_like.serve._uploads import read_posted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from declarai_like.serve._core import Core
    from declarai_like.serve._uploads import Posted

__all__ = ["TaskRoutes", "find_served", "read_object", "wants_events"]

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
        posted = await read_posted(request, core.settings)
        body = posted.body
        streaming = wants_events(request)
        frames = parse_frames(request.query_params.get("frames"))
        if streaming and (resumed := core.resume_stream(request, body)) is not None:
            return resumed
        call = core.name_run(served.call_posted(posted, streaming=streaming), RunName(served.name))
        return await core.answer(request, body, call, frames if streaming else None)

    async def say(self, request: Request) -> Response:
        """Say something in a conversation."""
        core, served = self._core, find_served(self._core.chats, request.path_params["name"])
        posted = await read_posted(request, core.settings)
        body = posted.body
        streaming = wants_events(request)
        frames = parse_frames(request.query_params.get("frames"))
        if streaming and (resumed := core.resume_stream(request, body)) is not None:
            return resumed
        message, values, told = _read_message(posted)
        session = await core.sessions.get(served, request.path_params["session"])
        call = served.call(session.bot, message, values, {}, streaming=streaming, told=told)
        call = core.name_run(call, RunName(served.name, request.path_params["session"]))
        return await core.answer_turn(request, body, call, session, frames=frames if streaming else None)

    async def conversation(self, request: Request) -> Response:
        """Tell what was said in a conversation; what the model was told before is nobody's business."""
        from asyncio import to_thread

        served = find_served(self._core.chats, request.path_params["name"])
        session = await self._core.sessions.get(served, request.path_params["session"])
        messages = await to_thread(lambda: session.bot.conversation)
        shown = [m for m in messages if m.role in _SHOWN_ROLES and (m.message or not m.fields)]  # else a bare tool call
        data = [{"role": str(m.role), "content": m.message} for m in shown]
        return JSONAnswer({"messages": data})

    async def forget(self, request: Request) -> Response:
        """Forget a conversation."""
        served = find_served(self._core.chats, request.path_params["name"])
        await self._core.sessions.forget(served, request.path_params["session"], served.runs or self._core.runs)
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


def _read_message(posted: Posted) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read what is said, the values for the system prompt, and what goes with them; raises `Problem` for all else.

    With `pending: "deny"` calls of the last turn that wait are denied.
    """
    data = _message_of_form(posted) if posted.is_form else read_object(posted.body)
    message, values, files = data.pop("message", None), data.pop("values", None) or {}, data.pop("files", None) or []
    pending = data.pop("pending", "error")
    is_fine = isinstance(message, str) and isinstance(values, dict) and isinstance(files, list)
    is_fine = is_fine and pending in ("error", "deny")
    if data or not is_fine or not all(isinstance(file, (dict, Media)) for file in files):
        raise Problem(
            422,
            "expected a JSON object of message, a text, and perhaps values, an object, files, a list, and pending, "
            '"deny"; or a form',
        )
    # An address is not given to anybody else: a server of ours might ask what strangers cannot.
    files = [{**file, "download": True} if isinstance(file, dict) and "url" in file else file for file in files]
    return message, values, {"pending": pending, **({"files": files} if files else {})}


def _message_of_form(posted: Posted) -> dict[str, Any]:
    texts = {name: told[-1] for name, told in posted.texts.items()}
    if posted.files.keys() - {"files"}:
        raise Problem(422, "the files of a message are its field files")
    values = read_object(texts.pop("values").encode()) if "values" in texts else {}
    try:
        files = [of_any_kind(upload.data, upload.name) for upload in posted.files.get("files", ())]
    except MediaError:
        raise Problem(422, "files: expected images, audio, PDFs or texts") from None
    return {**texts, "values": values, "files": files}


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises `Problem` if there is none."""
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Problem(400, "the body is no JSON") from None
    if not isinstance(data, dict):
        raise Problem(422, "the body must be a JSON object")
    return data

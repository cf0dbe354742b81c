"""The routes in OpenAI's form: a task or a chat is a model, asked with messages."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from declarai_like.messages import Message
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._openai_frames import ChunkFrames, TextFrames, completion_body
from declarai_like.serve._openai_requests import (
    CALLER_ROLES,
    MODEL_PARAMS,
    PARAMS,
    is_tool,
    read_flag,
    read_messages,
    read_params,
    read_prompt,
    wants_usage,
)
from declarai_like.serve._problems import Problem
from declarai_like.serve._responders import run_call
from declarai_like.serve._safety import read_json
from declarai_like.serve._task_routes import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from declarai_like._calls.flow import Call
    from declarai_like.serve._core import Core
    from declarai_like.serve._served import ServedChat, ServedTask

__all__ = ["OpenAIRoutes"]


class OpenAIRoutes:
    """`/v1/models`, `/v1/chat/completions`, `/v1/completions`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._started = int(time.time())

    async def models(self, _request: Request) -> Response:
        """Tell the names of what can be asked."""
        core = self._core
        data = [self._describe(name) for name in dict.fromkeys([*core.tasks, *core.chats, *core.models])]
        return JSONAnswer({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """Tell one of them; raises `Problem` if there is no such thing."""
        core, name = self._core, request.path_params["name"]
        if not any(name in served for served in (core.tasks, core.chats, core.models)):
            raise _no_such_model()
        return JSONAnswer(self._describe(name))

    async def chat(self, request: Request) -> Response:
        """Answer messages."""
        return await self._answer(request, is_text=False)

    async def completion(self, request: Request) -> Response:
        """Continue a text; a task or chat takes it for what the user says."""
        return await self._answer(request, is_text=True)

    def _describe(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "declarai-like"}

    async def _answer(self, request: Request, *, is_text: bool) -> Response:
        core = self._core
        raw = await read_json(request, core.settings)
        body = read_object(raw)
        streaming = read_flag(body, "stream")
        if streaming and (resumed := core.resume_stream(request, raw)) is not None:
            return resumed
        model = body.get("model")
        call = self._call(model, body, streaming=streaming, is_text=is_text)
        is_passed = model not in core.tasks and model not in core.chats
        if not streaming:
            await run_call(call, request, core.slots)
            return JSONAnswer(completion_body(call, str(model), is_text=is_text, is_passed=is_passed))
        spell = TextFrames if is_text else ChunkFrames
        frames = spell(str(model), with_usage=wants_usage(body), is_passed=is_passed)
        return core.start_stream(request, raw, call, frames)

    def _call(self, model: Any, body: Mapping[str, Any], *, streaming: bool, is_text: bool) -> Call[Any]:
        """Find what is asked, and put the call together; raises `Problem` if there is no such thing."""
        core, name = self._core, model if isinstance(model, str) else ""
        if name in core.tasks or name in core.chats:
            params = read_params(body, PARAMS)
            messages = [Message(read_prompt(body))] if is_text else read_messages(body, CALLER_ROLES)
            if name in core.tasks:
                return _task_call(core.tasks[name], messages, params, streaming=streaming)
            return _chat_call(core.chats[name], messages, params, streaming=streaming)
        if name not in core.models:
            raise _no_such_model()
        params = read_params(body, MODEL_PARAMS)
        if is_text:
            return core.models[name].complete(read_prompt(body), params, streaming=streaming)
        tools = body.get("tools") or []
        if not isinstance(tools, list) or not all(map(is_tool, tools)):
            raise Problem(400, "tools must be a list of objects, whose function has a name")
        return core.models[name].call(read_messages(body, None), tools, params, streaming=streaming)


def _no_such_model() -> Problem:
    return Problem(404, "there is no such model", code="model_not_found")


def _task_call(served: ServedTask, messages: list[Message], params: dict[str, Any], *, streaming: bool) -> Call[Any]:
    """Call a task with what the user said last: a JSON object of its arguments, or a text for its only one."""
    text = next((message.message for message in reversed(messages) if message.role == "user"), None)
    if text is None:
        raise Problem(400, "there is no user message")
    if not _are_arguments(text, served.arguments.names):
        if served.arguments.text_name is None:
            names = ", ".join(sorted(served.arguments.names))
            raise Problem(422, f"the last user message must be a JSON object of the arguments: {names}")
        text = json.dumps({served.arguments.text_name: text})
    return served.call(text, params, streaming=streaming)


def _are_arguments(text: str, names: frozenset[str]) -> bool:
    """Say whether a text is a JSON object with arguments and nothing else in it."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        arguments = from_json(text)
    except ValueError:
        return False
    return bool(arguments) and names.issuperset(arguments)


def _chat_call(served: ServedChat, messages: list[Message], params: dict[str, Any], *, streaming: bool) -> Call[Any]:
    """Take the last message for what is said now, and those before it for what was said; nothing is kept."""
    from declarai_like.memory import InMemoryMessageHistory

    *before, last = messages
    if last.role != "user":
        raise Problem(400, "the last message must be the user's")
    bot = served.open(InMemoryMessageHistory(before))
    return served.call(bot, last.message, {}, params, streaming=streaming)

"""The routes in OpenAI's form: a task or a chat is a model, asked with messages."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from declarai_like.messages import Message
from declarai_like.serve._core import Core, json_answer
from declarai_like.serve._openai_frames import ChunkFrames, TextFrames, body_of
from declarai_like.serve._problems import Problem
from declarai_like.serve._responders import made
from declarai_like.serve._safety import read_json
from declarai_like.serve._task_routes import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from declarai_like._calls.flow import Call
    from declarai_like.serve._served import ChatDoor, TaskDoor

__all__ = ["OpenAIRoutes"]

_OURS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "tools"})
_WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})
_PARAMS = frozenset(
    {
        "temperature",
        "top_p",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "max_completion_tokens",
    }
)
"""What a caller may say about the answer of a task or chat."""
_MODEL_PARAMS = _PARAMS | {
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "response_format",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "echo",
    "suffix",
}
"""What a caller may say to a model that is passed through."""
_COUNTS = frozenset({"max_tokens", "max_completion_tokens", "n"})
_MOST_CHOICES = 8
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
"""What a message to a model that is passed through may have."""
_SPEAKERS = frozenset({"user", "assistant"})


class OpenAIRoutes:
    """`/v1/models`, `/v1/chat/completions`, `/v1/completions`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._started = int(time.time())

    async def models(self, _request: Request) -> Response:
        """Tell the names of what can be asked."""
        core = self._core
        data = [
            {"id": name, "object": "model", "created": self._started, "owned_by": "declarai-like"}
            for name in dict.fromkeys([*core.tasks, *core.chats, *core.models])
        ]
        return json_answer({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        """Answer messages."""
        return await self._answer(request, is_text=False)

    async def completion(self, request: Request) -> Response:
        """Continue a text; a task or chat takes it for what the user says."""
        return await self._answer(request, is_text=True)

    async def _answer(self, request: Request, *, is_text: bool) -> Response:
        core = self._core
        body = await read_json(request, core.settings)
        told = read_object(body)
        streaming = _flag(told, "stream")
        if streaming and (again := core.resumed(request, body)) is not None:
            return again
        model = told.get("model")
        call = self._call(model, told, streaming=streaming, is_text=is_text)
        is_passed = model not in core.tasks and model not in core.chats
        if not streaming:
            await made(call, request, core.slots)
            return json_answer(body_of(call, str(model), is_text=is_text, is_passed=is_passed))
        spell, with_usage = TextFrames if is_text else ChunkFrames, _wants_usage(told)
        return core.streamed(
            request, body, call, lambda key: spell(key, str(model), with_usage=with_usage, is_passed=is_passed)
        )

    def _call(self, model: Any, told: Mapping[str, Any], *, streaming: bool, is_text: bool) -> Call[Any]:
        """Find what is asked, and put the call together; raises `Problem` if there is no such thing."""
        core, name = self._core, model if isinstance(model, str) else ""
        if name in core.tasks or name in core.chats:
            params = _params(told, _PARAMS)
            messages = [Message(_prompt(told))] if is_text else _messages(told, _SPEAKERS)
            if name in core.tasks:
                return _task_call(core.tasks[name], messages, params, streaming=streaming)
            return _chat_call(core.chats[name], messages, params, streaming=streaming)
        if name not in core.models:
            raise Problem(404, "there is no such model", code="model_not_found")
        params = _params(told, _MODEL_PARAMS)
        if is_text:
            return core.models[name].complete(_prompt(told), params, streaming=streaming)
        tools = told.get("tools") or []
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            raise Problem(400, "tools must be a list of objects")
        return core.models[name].call(_messages(told, None), tools, params, streaming=streaming)


def _task_call(door: TaskDoor, messages: list[Message], params: dict[str, Any], *, streaming: bool) -> Call[Any]:
    """Call a task with what the user said last: a JSON object of its arguments, or a text for its only one."""
    text = next((message.message for message in reversed(messages) if message.role == "user"), None)
    if text is None:
        raise Problem(400, "there is no user message")
    if not _are_arguments(text, door.arguments.names):
        if door.arguments.text_name is None:
            names = ", ".join(sorted(door.arguments.names))
            raise Problem(422, f"the last user message must be a JSON object of the arguments: {names}")
        text = json.dumps({door.arguments.text_name: text})
    return door.call(text, params, streaming=streaming)


def _are_arguments(text: str, names: frozenset[str]) -> bool:
    """Say whether a text is a JSON object with arguments and nothing else in it."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        told = from_json(text)
    except ValueError:
        return False
    return bool(told) and names.issuperset(told)


def _chat_call(door: ChatDoor, messages: list[Message], params: dict[str, Any], *, streaming: bool) -> Call[Any]:
    """Take the last message for what is said now, and those before it for what was said; nothing is kept."""
    from declarai_like.memory import InMemoryMessageHistory

    *before, last = messages
    if last.role != "user":
        raise Problem(400, "the last message must be the user's")
    bot = door.open(InMemoryMessageHistory(before))
    return door.call(bot, last.message, {}, params, streaming=streaming)


def _messages(told: Mapping[str, Any], roles: frozenset[str] | None) -> list[Message]:
    """Read the messages; raises `Problem` for what is none, and for a role that is not a caller's to speak."""
    raw = told.get("messages")
    if not isinstance(raw, list) or not raw:
        raise Problem(400, "messages must be a list with something in it")
    return [_message(each, roles) for each in raw]


def _message(raw: Any, roles: frozenset[str] | None) -> Message:
    if not isinstance(raw, dict) or not isinstance(raw.get("role"), str):
        raise Problem(400, "a message is an object of role and content")
    if roles is not None and raw["role"] not in roles:
        raise Problem(400, "messages here are the user's and the assistant's: what the model is told is not a caller's")
    if roles is not None:
        return Message(_text(raw.get("content")), raw["role"])
    if raw.keys() - _MESSAGE or not isinstance(raw.get("content"), (str, list, type(None))):
        raise Problem(400, f"a message has {', '.join(sorted(_MESSAGE))}")
    try:
        return Message.of(raw)
    except ValueError:
        raise Problem(400, "a message's role is none that there is") from None


def _text(content: Any) -> str:
    """Read a text, whole or in parts."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(_is_text(part) for part in parts):
        raise Problem(400, "content must be a text, or a list of text parts")
    return "".join(part["text"] for part in parts)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _prompt(told: Mapping[str, Any]) -> str:
    prompt = told.get("prompt")
    if not isinstance(prompt, str):
        raise Problem(400, "prompt must be a text")
    return prompt


def _params(told: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Give what is said about the answer; raises `Problem` for what would have no effect."""
    params = {name: value for name, value in told.items() if value is not None and name not in _OURS | _WITHOUT_EFFECT}
    if params.get("n") == 1:
        del params["n"]
    if "tools" in told and "tool_choice" not in known and told["tools"]:
        params["tools"] = told["tools"]
    if unknown := sorted(params.keys() - known):
        raise Problem(400, f"not supported here: {', '.join(name[:40] for name in unknown[:5])}")
    for name in _COUNTS & params.keys():
        if type(params[name]) is not int or params[name] < 1 or (name == "n" and params[name] > _MOST_CHOICES):
            raise Problem(400, f"{name} is out of range")
    return params


def _flag(told: Mapping[str, Any], name: str) -> bool:
    flag = told.get(name) or False
    if not isinstance(flag, bool):
        raise Problem(400, f"{name} must be true or false")
    return flag


def _wants_usage(told: Mapping[str, Any]) -> bool:
    options = told.get("stream_options") or {}
    if not isinstance(options, dict):
        raise Problem(400, "stream_options must be an object")
    return _flag(options, "include_usage")

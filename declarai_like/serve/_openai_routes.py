"""The routes in OpenAI's form: a task or a chat is a model, asked with messages."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from declarai_like.messages import Message
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._openai_frames import ChunkFrames, TextFrames, completion_body
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

_OWN_FIELDS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "tools"})
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
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "functions": ([],),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
}
_OF_TOOLS: dict[str, tuple[Any, ...]] = {
    "tool_choice": ("auto", "none"),
    "function_call": ("auto", "none"),
    "parallel_tool_calls": (True, False),
}
"""What changes nothing where there are no tools."""
_COUNTS = frozenset({"max_tokens", "max_completion_tokens", "n"})
_MOST_CHOICES = 8
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
"""What a message to a model that is passed through may have."""
_CALLER_ROLES = frozenset({"user", "assistant"})


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
        streaming = _flag(body, "stream")
        if streaming and (resumed := core.resume_stream(request, raw)) is not None:
            return resumed
        model = body.get("model")
        call = self._call(model, body, streaming=streaming, is_text=is_text)
        is_passed = model not in core.tasks and model not in core.chats
        if not streaming:
            await run_call(call, request, core.slots)
            return JSONAnswer(completion_body(call, str(model), is_text=is_text, is_passed=is_passed))
        spell = TextFrames if is_text else ChunkFrames
        frames = spell(str(model), with_usage=_wants_usage(body), is_passed=is_passed)
        return core.start_stream(request, raw, call, frames)

    def _call(self, model: Any, body: Mapping[str, Any], *, streaming: bool, is_text: bool) -> Call[Any]:
        """Find what is asked, and put the call together; raises `Problem` if there is no such thing."""
        core, name = self._core, model if isinstance(model, str) else ""
        if name in core.tasks or name in core.chats:
            params = _params(body, _PARAMS)
            messages = [Message(_prompt(body))] if is_text else _messages(body, _CALLER_ROLES)
            if name in core.tasks:
                return _task_call(core.tasks[name], messages, params, streaming=streaming)
            return _chat_call(core.chats[name], messages, params, streaming=streaming)
        if name not in core.models:
            raise _no_such_model()
        params = _params(body, _MODEL_PARAMS)
        if is_text:
            return core.models[name].complete(_prompt(body), params, streaming=streaming)
        tools = body.get("tools") or []
        if not isinstance(tools, list) or not all(map(_is_tool, tools)):
            raise Problem(400, "tools must be a list of objects, whose function has a name")
        return core.models[name].call(_messages(body, None), tools, params, streaming=streaming)


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


def _messages(body: Mapping[str, Any], roles: frozenset[str] | None) -> list[Message]:
    """Read the messages; raises `Problem` for what is none, and for a role that is not a caller's to speak."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(400, "messages must be a list with something in it")
    return [_message(each, roles) for each in messages]


def _message(data: Any, roles: frozenset[str] | None) -> Message:
    if not isinstance(data, dict) or not isinstance(data.get("role"), str):
        raise Problem(400, "a message is an object of role and content")
    if roles is not None and data["role"] not in roles:
        raise Problem(400, "messages here are the user's and the assistant's: what the model is told is not a caller's")
    if roles is not None:
        is_blank = data["role"] == "assistant" and data.get("content") is None  # as clients repeat what they were given
        return Message("" if is_blank else _text(data.get("content")), data["role"])
    if data.keys() - _MESSAGE or not isinstance(data.get("content"), (str, list, type(None))):
        raise Problem(400, f"a message has {', '.join(sorted(_MESSAGE))}")
    calls = data.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(map(_is_tool, calls))):
        raise Problem(400, "tool_calls must be a list of objects, whose function has a name")
    try:
        return Message.of(data)
    except ValueError:
        raise Problem(400, "a message's role is none that there is") from None


def _text(content: Any) -> str:
    """Read a text, whole or in parts."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(_is_text(part) for part in parts):
        raise Problem(400, "content must be a text, or a list of text parts")
    return "".join(part["text"] for part in parts)


def _is_tool(data: Any) -> bool:
    """Say whether this is a tool or a call of one: of another type than a function, it is the model's to judge."""
    if not isinstance(data, dict):
        return False
    function = data.get("function")
    return "function" not in data or (isinstance(function, dict) and isinstance(function.get("name"), str))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _prompt(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise Problem(400, "prompt must be a text")
    return prompt


def _params(body: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Give what is said about the answer; raises `Problem` for what would have no effect."""
    has_tools = bool(body.get("tools"))
    left_out = _OWN_FIELDS | _WITHOUT_EFFECT
    params = {
        name: value
        for name, value in body.items()
        if name not in left_out and not _changes_nothing(name, value, has_tools=has_tools)
    }
    if "tools" in body and "tool_choice" not in known and body["tools"]:
        params["tools"] = body["tools"]
    if unknown := sorted(params.keys() - known):
        raise Problem(400, f"not supported here: {', '.join(name[:40] for name in unknown[:5])}")
    for name in _COUNTS & params.keys():
        if type(params[name]) is not int or params[name] < 1 or (name == "n" and params[name] > _MOST_CHOICES):
            raise Problem(400, f"{name} is out of range")
    return params


def _changes_nothing(name: str, value: Any, *, has_tools: bool) -> bool:
    """Say whether a parameter says what is so anyway; clients and frameworks send those unasked."""
    if value is None:
        return True
    if name in _OF_TOOLS:
        return not has_tools and _is_among(value, _OF_TOOLS[name])
    return name in _DEFAULTS and _is_among(value, _DEFAULTS[name])


def _is_among(value: Any, others: tuple[Any, ...]) -> bool:
    return any(type(value) is type(other) and value == other for other in others)  # `1 == True` is not meant


def _flag(body: Mapping[str, Any], name: str) -> bool:
    flag = body.get(name) or False
    if not isinstance(flag, bool):
        raise Problem(400, f"{name} must be true or false")
    return flag


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise Problem(400, "stream_options must be an object")
    return _flag(options, "include_usage")

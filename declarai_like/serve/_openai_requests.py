"""What a request in OpenAI's form says: messages, parameters, tools; and what of it is not a caller's to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.messages import Message
from declarai_like.serve._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CALLER_ROLES",
    "MODEL_PARAMS",
    "PARAMS",
    "is_tool",
    "read_flag",
    "read_messages",
    "read_params",
    "read_prompt",
    "wants_usage",
]

_OWN_FIELDS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "tools"})
_WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})
PARAMS = frozenset(
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
MODEL_PARAMS = PARAMS | {
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
CALLER_ROLES = frozenset({"user", "assistant"})


def read_messages(body: Mapping[str, Any], roles: frozenset[str] | None) -> list[Message]:
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
    if calls is not None and not (isinstance(calls, list) and all(map(is_tool, calls))):
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


def is_tool(data: Any) -> bool:
    """Say whether this is a tool or a call of one: of another type than a function, it is the model's to judge."""
    if not isinstance(data, dict):
        return False
    function = data.get("function")
    return "function" not in data or (isinstance(function, dict) and isinstance(function.get("name"), str))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def read_prompt(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise Problem(400, "prompt must be a text")
    return prompt


def read_params(body: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
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


def read_flag(body: Mapping[str, Any], name: str) -> bool:
    flag = body.get(name) or False
    if not isinstance(flag, bool):
        raise Problem(400, f"{name} must be true or false")
    return flag


def wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise Problem(400, "stream_options must be an object")
    return read_flag(options, "include_usage")

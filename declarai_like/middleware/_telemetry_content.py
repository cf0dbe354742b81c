"""What was said to a model and by it, in the form that OpenTelemetry has for it. It is told only where asked for."""

from __future__ import annotations

import json
import os
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from declarai_like.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like.completions import Choice, Completion
    from declarai_like.requests import Request

__all__ = ["input_content", "is_wanted", "output_content"]

_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""Why a model stopped, where the schema has another word for it."""


def is_wanted() -> bool:
    """Say whether the environment wants the content on the spans."""
    return os.environ.get(_SWITCH, "").upper() in {"SPAN_ONLY", "SPAN_AND_EVENT"}


def input_content(request: Request) -> dict[str, str]:
    """Tell what is said: the instructions that come first, the messages after them, the tools."""
    prompts = [] if request.prompt is None else request.texts
    messages = [*request.messages, *map(Message, prompts)]
    system = list(takewhile(lambda message: message.role in {"system", "developer"}, messages))
    content = {
        "gen_ai.system_instructions": [part for message in system for part in _parts(message)],
        "gen_ai.input.messages": [
            {"role": str(message.role), "parts": _parts(message)} for message in messages[len(system) :]
        ],
        "gen_ai.tool.definitions": [{"type": tool.get("type"), **_function(tool)} for tool in request.tools],
    }
    return {name: _json(value) for name, value in content.items() if value}


def output_content(completion: Completion) -> dict[str, str]:
    """Tell what came, one message for each choice."""
    messages = [
        {
            "role": choice.message.role,
            "parts": _output_parts(choice),
            "finish_reason": _REASONS.get(choice.finish_reason or "", choice.finish_reason or "unknown"),
        }
        for choice in completion.choices
    ]
    return {"gen_ai.output.messages": _json(messages)} if messages else {}


def _parts(message: Message) -> list[dict[str, Any]]:
    """Give a message's parts; of a part that is no text only its kind is told, for it may be a whole picture."""
    fields = message.fields or {}
    if message.role == "tool":
        return [{"type": "tool_call_response", "id": fields.get("tool_call_id"), "response": message.message}]
    listed = message.wire()["content"]
    if isinstance(listed, (list, tuple)):
        parts = [_part(part) for part in listed if isinstance(part, dict)]
    else:
        parts = [_text(message.message)] if message.message else []
    return [*parts, *map(_call, fields.get("tool_calls") or ())]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return _text(part.get("text")) if part.get("type") == "text" else {"type": part.get("type")}


def _output_parts(choice: Choice) -> list[dict[str, Any]]:
    message = choice.message
    thought = [{"type": "reasoning", "content": message.reasoning}] if message.reasoning else []
    texts = [_text(text) for text in (message.content, message.refusal) if text]
    return [*thought, *texts, *(_call(call.wire()) for call in message.tool_calls or ())]


def _call(call: Any) -> dict[str, Any]:
    function = _function(call)
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _function(holder: Any) -> dict[str, Any]:
    return dict(holder.get("function") or {})


def _text(text: Any) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _json(value: Iterable[Any]) -> str:
    """Write JSON that can be encoded: half a surrogate pair becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()

"""What one delta tells: its text, its thinking and its refusal, in every form that providers have for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REASONING_FIELDS", "as_text", "choices_of", "delta_of", "reasoning_of", "refusal_of", "tells", "text_of"]

REASONING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
)
"""Where thinking is told: DeepSeek, vLLM and OpenRouter, Ollama, Copilot, OpenRouter once more, LiteLLM."""
_REASONING_NAMES = frozenset(REASONING_FIELDS)

_THINKING = ("thinking", "reasoning", "thought", "summary_text")
_WORDS = ("thinking", "text", "summary", "reasoning", "content")


def choices_of(raw: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Give a chunk's choices with their index, which is their position where the server leaves it out."""
    choices = raw.get("choices")
    if choices is None and isinstance(raw.get("value"), str):  # Writer's form of a text completion
        return [(0, {"text": raw["value"]})]
    return [
        (index if isinstance(index := choice.get("index"), int) else position, choice)
        for position, choice in enumerate(choices if isinstance(choices, list) else ())
        if isinstance(choice, dict)
    ]


def delta_of(choice: Mapping[str, Any], *, begun: bool = False) -> Mapping[str, Any]:
    """Give what a chunk's choice brought, also when it is a text completion's or that of a whole answer.

    Some servers send the `message` so far beside each `delta`: it counts where nothing has come and the delta is empty.
    `begun` says that something has come.
    """
    delta, message = choice.get("delta"), choice.get("message")
    if isinstance(message, dict) and not (isinstance(delta, dict) and (begun or tells(delta))):
        return message
    return delta if isinstance(delta, dict) else {"content": choice.get("text")}


def tells(delta: Mapping[str, Any]) -> bool:
    """Say whether a delta brings anything but a role."""
    return any(value for name, value in delta.items() if name != "role")


def text_of(content: Any) -> str:
    """Read a text that is a string, a list of parts, or, as a schema may have it, JSON that was not made a string."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if _is_part(content):
        content = [content]
    if isinstance(content, list) and (not content or any(map(_is_part, content))):
        return "".join(_part_text(part) for part in content)
    return as_text(content)


def _is_part(entry: Any) -> bool:
    return isinstance(entry, dict) and (isinstance(entry.get("type"), str) or list(entry) == ["text"])


def _part_text(part: Any) -> str:
    if not isinstance(part, dict) or _is_thinking(part):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _is_thinking(part: Mapping[str, Any]) -> bool:
    return part.get("thought") is True or str(part.get("type", "")).startswith(_THINKING)


def refusal_of(delta: Mapping[str, Any]) -> str:
    """Give the words of a refusal that a delta brought: in a field, or in a part of its content."""
    refusal, content = delta.get("refusal"), delta.get("content")
    parts = content if isinstance(content, list) else ()
    told = [part.get("refusal") for part in parts if isinstance(part, dict) and part.get("type") == "refusal"]
    return text_of(refusal) if refusal else "".join(text for text in told if isinstance(text, str))


def reasoning_of(delta: Mapping[str, Any]) -> tuple[str, str]:
    """Give the thinking that a delta brought, after the name of its field; of several forms the first one counts."""
    content = delta.get("content")
    if not (delta.keys() & _REASONING_NAMES or isinstance(content, list)):
        return "", ""
    for name in REASONING_FIELDS:
        if delta.get(name) and (text := _thinking_text(delta[name])):
            return name, text
    parts = content if isinstance(content, list) else ()
    return "content", "".join(_thinking_text(part) for part in parts if isinstance(part, dict) and _is_thinking(part))


def _thinking_text(value: Any) -> str:
    """Give the words of a text, a part, or a list of parts; what is encrypted has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_thinking_text, value))
    if isinstance(value, dict):
        told = (value[name] for name in _WORDS if isinstance(value.get(name), (str, list, dict)))
        return next(filter(None, map(_thinking_text, told)), "")
    return ""


def as_text(value: Any) -> str:
    """Give arguments or contents as text; some servers send them as data."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)

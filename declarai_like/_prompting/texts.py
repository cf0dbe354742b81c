"""Prompts as texts that people read, keep and compare."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from declarai_like.messages import Message

__all__ = ["compile_messages", "format_messages", "unified_diff"]


def compile_messages(target: Any, arguments: Mapping[str, Any]) -> list[Message]:
    """Give the messages of a task, or of a chat or prompt (an instance, or its class, which is given the arguments).

    For a chat, `message` among the arguments is what the user says next.
    """
    told = dict(arguments)
    if not hasattr(target, "__chat__"):
        made = target(**told).compile() if isinstance(target, type) else target.compile(**told)
    else:
        message = told.pop("message", None)
        made = target(**told).compile(message) if isinstance(target, type) else target.compile(message, **told)
    messages: list[Message] = made["messages"]
    return messages


def format_messages(messages: Iterable[Message]) -> str:
    """Write messages one below the other, each under its role; line breaks around a message are left out."""
    return "\n\n".join(f"{message.role}:\n" + message.message.strip("\n") for message in messages) + "\n"


def unified_diff(old: Sequence[str], new: Sequence[str], *, names: tuple[str, str]) -> str:
    """Give the unified diff of two texts, by line; empty if they are equal."""
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))

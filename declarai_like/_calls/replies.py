"""An answer as the message that is sent back and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from declarai_like.responses import LLMResponse

__all__ = ["reply_message", "show_mistake"]


def reply_message(
    response: LLMResponse, calls: Sequence[dict[str, Any]] | None = None, *, interrupted: bool = False
) -> Message:
    """Give an answer as a message, with its tool calls, or with `calls` in their place."""
    told = [call.wire() for call in response.tool_calls] if calls is None else list(calls)
    fields = {"tool_calls": told} if told else None
    state = None if interrupted else response.state  # a reply that broke off goes back as plain text
    return Message(response.response, MessageRole.assistant, interrupted=interrupted, fields=fields, state=state)


def show_mistake(
    reask: Callable[[str, str], tuple[Message, ...]], response: LLMResponse, error: str
) -> tuple[Message, ...]:
    """Give the messages that show the model its answer and what is wrong with it, with what its provider wants back."""
    return tuple(
        reply_message(response, ()) if message.role == MessageRole.assistant else message
        for message in reask(response.response, error)
    )

"""The wire's dicts as objects of the `openai` package, for who wants them so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["typed"]


def typed(raw: Mapping[str, Any]) -> Any:
    """Build the `openai` package's object for a raw chunk or body."""
    from openai.types import Completion
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    kinds: dict[Any, Any] = {"text_completion": Completion, "chat.completion": ChatCompletion}
    name = raw.get("object")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:  # a server that does not say what it sends
        choices = raw.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        kind = Completion if "text" in first else ChatCompletion if "message" in first else ChatCompletionChunk
    return kind.construct(**raw)

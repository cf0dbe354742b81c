"""What a tool gave, or what went wrong in it, as text for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST_ERROR", "plain_value", "write_error", "write_value"]

LONGEST_ERROR = 1_000
"""How many characters of an error the model is shown."""


def write_value(value: Any, longest: int) -> str:
    """Write a result: a text as it is, everything else as JSON; cut at `longest` characters, which is said.

    Raises `TypeError` for a value that JSON has no words for.
    """
    text = value if isinstance(value, str) else _dump(value)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n[cut here: {longest} of {len(text)} characters]"


def plain_value(value: Any) -> Any:
    """Give a result as plain data, for what is stored."""
    import json

    return value if isinstance(value, str) else json.loads(_dump(value))


def write_error(error: BaseException, redact: Callable[[str], str] = str) -> str:
    """Write what a tool raised: type and text, no traceback; the words of a `ToolError` as they are."""
    words = str(error)
    if not isinstance(error, ToolError):
        name = type(error).__name__
        words = f"{name}: {words}" if words else name
    words = redact(words)
    return words if len(words) <= LONGEST_ERROR else f"{words[: LONGEST_ERROR - 1]}…"


def _dump(value: Any) -> str:
    from pydantic_core import to_json

    try:
        return to_json(value, by_alias=True, inf_nan_mode="constants").decode()
    except (ValueError, RecursionError) as error:  # pydantic's own errors are of the first
        raise TypeError(f"the result cannot be written as JSON: {error}") from error

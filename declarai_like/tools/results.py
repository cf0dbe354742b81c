"""What a tool gave, or what went wrong in it, as text for the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.errors import ToolError
from declarai_like.media import Media
from declarai_like.media._json import IN_A_PROMPT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST_ERROR", "WrittenResult", "plain_value", "write_error", "write_result", "write_value"]

LONGEST_ERROR = 1_000
"""How many characters of an error the model is shown."""


class WrittenResult(NamedTuple):
    """A result as the model is told it: its text, and the media that go with it; and as it is stored."""

    text: str
    value: Any
    media: tuple[Media, ...] = ()


def write_result(value: Any, longest: int) -> WrittenResult:
    """Write a result, as `write_value` does; media, alone or in a list, go beside the text, which tells what they are.

    Raises `TypeError` for a value that JSON has no words for.
    """
    media = tuple(each for each in _listed(value) if isinstance(each, Media))
    if media:
        told = [repr(each) if isinstance(each, Media) else each for each in _listed(value)]
        value = "\n".join(told) if all(isinstance(each, str) for each in told) else told
    return WrittenResult(write_value(value, longest), plain_value(value), media)


def write_value(value: Any, longest: int) -> str:
    """Write a value: a text as it is, everything else as JSON; cut at `longest` characters, which is said.

    Raises `TypeError` for a value that JSON has no words for.
    """
    text = value if isinstance(value, str) else _dump(value)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n[cut here: {longest} of {len(text)} characters]"


def plain_value(value: Any) -> Any:
    """Give a value as plain data, for what is stored."""
    return value if isinstance(value, str) else json.loads(_dump(value))


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


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
        return to_json(value, by_alias=True, inf_nan_mode="constants", context=IN_A_PROMPT).decode()
    except (ValueError, RecursionError) as error:  # pydantic's own errors are of the first
        raise TypeError(f"the result cannot be written as JSON: {error}") from error

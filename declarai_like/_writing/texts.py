"""Texts as they can be written: JSON and UTF-8 have no half surrogate pairs, what servers send has."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = [
    "DEEPEST",
    "has_surrogates",
    "is_too_deep",
    "join_pairs",
    "json_text",
    "mend_data",
    "mend_surrogates",
    "plain_data",
]

DEEPEST = 200
"""Levels that the fast reader of JSON goes down, and so that all that comes is walked through."""
_SURROGATE = re.compile("[\ud800-\udfff]")
has_surrogates = _SURROGATE.search


def join_pairs(text: str) -> str:
    """Make one character of each surrogate pair that is told as two; halves stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def mend_surrogates(text: str) -> str:
    """Make one character of each surrogate pair, and U+FFFD of each half."""
    return _SURROGATE.sub("\ufffd", join_pairs(text)) if has_surrogates(text) else text


def mend_data(data: Any) -> Any:
    """Mend all texts in data, names too; dataclasses become what they are written as."""
    if isinstance(data, str):
        return mend_surrogates(data)
    if isinstance(data, dict):
        return {mend_data(name): mend_data(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [mend_data(entry) for entry in data]
    if is_dataclass(data) and not isinstance(data, type):
        return {field.name: mend_data(getattr(data, field.name)) for field in fields(data)}
    return data


def is_too_deep(text: str | bytes) -> bool:
    """Say whether JSON is nested more deeply than 200 levels, which nobody reads: found out without any recursion.

    At the limit of recursion Python cannot even clean up: what the garbage collector ends there is left half done.
    """
    if len(text) <= DEEPEST:
        return False
    from jiter import from_json

    try:
        from_json(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    except ValueError as error:
        return "recursion limit" in str(error)
    return False


def plain_data(value: Any) -> Any:
    """Give a value as plain data, which JSON can write."""
    from pydantic_core import to_jsonable_python

    try:
        return mend_data(to_jsonable_python(value, serialize_unknown=True))
    except UnicodeEncodeError:  # half a surrogate pair in a name
        return to_jsonable_python(mend_data(value), serialize_unknown=True)


def json_text(value: Any) -> str:
    """Give a value as JSON text."""
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(value, serialize_unknown=True).decode()
    except PydanticSerializationError:  # half a surrogate pair, which UTF-8 does not have
        return to_json(plain_data(value), serialize_unknown=True).decode()

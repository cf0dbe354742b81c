"""Arguments as plain data: what JSON can say, and how it is written."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from declarai_like._prompting.media_places import Several
from declarai_like.errors import ArgumentError
from declarai_like.media import Media
from declarai_like.media._json import IN_A_PROMPT

__all__ = ["to_builtin", "to_json", "to_plain", "to_text"]

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


def to_plain(value: Any, name: str, where: str) -> Any:
    """Turn an argument into what JSON can say; models and dataclasses become dictionaries."""
    if type(value) in _PLAIN_TYPES:
        return value
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(to_builtin(value), by_alias=False, fallback=_to_data, context=IN_A_PROMPT)
    except Exception as exc:  # an argument's own class may do anything; here that becomes our error
        reason = "it contains itself, or is nested too deeply" if _is_endless(exc) else exc
        raise ArgumentError(f"{where}: the argument {name!r} cannot be written for the model: {reason}").with_cause(
            exc
        ) from None


def to_builtin(value: Any) -> Any:
    """Turn what only behaves like a collection into one; a set always in the same order."""
    if isinstance(value, AbstractSet):
        return sorted(value, key=str)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    if isinstance(value, deque | range):
        return list(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _to_data(value: Any) -> Any:
    """Turn a value that pydantic does not know into data; raises `ArgumentError` for what is none."""
    if isinstance(value, Media):
        raise ArgumentError(f"{value!r} is no text: annotate its parameter with {type(value).__name__}")
    data = to_builtin(value)
    if data is value:
        kind = f"the class {value.__name__}" if isinstance(value, type) else f"an object of {type(value).__name__}"
        raise ArgumentError(
            f"{kind} is no data; give a text, a number, a list, a dict, a dataclass or a pydantic model, "
            "or turn it into a text first"
        )
    return data


def _is_endless(error: Exception) -> bool:
    return isinstance(error, RecursionError) or "Circular reference" in str(error)


def to_text(value: Any) -> str:
    return str(value) if isinstance(value, (str, Several)) else to_json(value)


def to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)

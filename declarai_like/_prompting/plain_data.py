"""Arguments as plain data: what JSON can say, and how it is written."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

__all__ = ["to_builtin", "to_json", "to_plain", "to_text"]

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


def to_plain(value: Any, name: str, where: str) -> Any:
    """Turn an argument into what JSON can say; models and dataclasses become dictionaries."""
    if type(value) in _PLAIN_TYPES:
        return value
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(to_builtin(value), by_alias=False, fallback=to_builtin)
    except (ValueError, RecursionError) as exc:
        raise TypeError(f"{where}: the argument {name!r} cannot be written for the model: {exc}") from exc


def to_builtin(value: Any) -> Any:
    """Turn what only behaves like a collection into one; a set always in the same order."""
    if isinstance(value, AbstractSet):
        return sorted(value, key=str)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    if isinstance(value, deque | range):
        return list(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def to_text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)


def to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)

"""JSON as providers send it, and as much of it as a message shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jiter import from_json

from declarai_like._writing.texts import DEEPEST, is_too_deep

if TYPE_CHECKING:
    from declarai_like._wire.codecs.base import Redact

__all__ = ["BOM", "SHOWN", "decode_json", "show_beginning"]

BOM = b"\xef\xbb\xbf"
SHOWN = 200
"""How many characters of an answer a message shows."""


def decode_json(body: bytes) -> Any:
    """Read JSON; raises `ValueError` if it is none."""
    try:
        return from_json(body)
    except ValueError:
        if is_too_deep(body):
            raise ValueError("nested too deeply") from None
    try:  # what had half a surrogate pair, or bad UTF-8: the standard reader takes both
        value = json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        containers = [each for each in level if isinstance(each, (dict, list))]
        if not containers:
            return False
        level = [entry for each in containers for entry in (each.values() if isinstance(each, dict) else each)]
    return True


def show_beginning(data: bytes, redact: Redact) -> str:
    """Give the beginning of what came as text, keys blanked out even where the cut would part one."""
    return str(redact(data[: 4 * SHOWN].decode("utf-8", "replace")))[:SHOWN]

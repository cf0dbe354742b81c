"""JSON as plain data whose numbers keep their digits, and back to JSON text."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["JSON_NUMBER", "Number", "Reworded", "dump"]

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Number(str):
    """A number as it stands in JSON."""

    __slots__ = ()


class Reworded(Number):
    """A number that was `written` otherwise than JSON writes it."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, number: str, written: str) -> Reworded:
        """Keep both."""
        made = cls(number)
        made.written = written
        return made


def dump(data: Any) -> str:
    """Write plain data as JSON; no depth is too deep."""
    if not isinstance(data, (dict, list)):
        return _scalar(data)
    pieces: list[str] = []
    pending: list[Any] = [data]
    while pending:
        part = pending.pop()
        if type(part) is _Raw:
            pieces.append(part.text)
        elif isinstance(part, dict):
            pieces.append("{")
            pending.append(_END_OBJECT)
            for position, (key, value) in enumerate(reversed(part.items())):
                if position:
                    pending.append(_COMMA)
                pending.extend((value, _Raw(json.dumps(key) + ":")))
        elif isinstance(part, list):
            pieces.append("[")
            pending.append(_END_ARRAY)
            for position, value in enumerate(reversed(part)):
                if position:
                    pending.append(_COMMA)
                pending.append(value)
        else:
            pieces.append(_scalar(part))
    return "".join(pieces)


class _Raw:
    """JSON text as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_COMMA, _END_OBJECT, _END_ARRAY = _Raw(","), _Raw("}"), _Raw("]")


def _scalar(data: Any) -> str:
    return str(data) if isinstance(data, Number) else json.dumps(data)

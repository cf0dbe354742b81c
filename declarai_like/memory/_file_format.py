"""The text of a history file: one record a line, behind a list of messages if declarai wrote the beginning."""

from __future__ import annotations

import json

from declarai_like.errors import HistoryError
from declarai_like.memory._turn_records import encode

__all__ = ["HEAD_BYTES", "is_history", "split_records"]

_START = encode([])[:-2].encode()  # how each of our lines begins, so that a torn one is told from a foreign one
_BYTE_FOR_BYTE = "surrogateescape"  # the list may be followed by a line torn within a character
HEAD_BYTES = len(_START)
"""How many bytes of a file show whether it may be a history."""


def is_history(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a history."""
    return head.startswith((b"[", _START))


def split_records(data: bytes, where: str) -> tuple[list[bytes], int]:
    """Split a file into its records, and say how many bytes of it are whole: the rest is a torn last line."""
    end = _end_of_list(data, where)
    *lines, tail = data[end:].split(b"\n")
    whole = len(data)
    if _is_torn(tail):
        whole -= len(tail)
    else:
        lines.append(tail)
    return [record for record in (data[:end], *lines) if record.strip()], whole


def _is_torn(tail: bytes) -> bool:
    """Whether a last line without an end is the beginning of a record, or space that was never filled."""
    if not tail.strip(b"\0"):
        return bool(tail)
    if not (tail.startswith(_START) or _START.startswith(tail)):
        return False
    try:
        json.loads(tail)
    except ValueError:
        return True
    return False


def _end_of_list(data: bytes, where: str) -> int:
    """Find where the list ends that declarai wrote, in one line or, edited by hand, in several."""
    if not data.lstrip().startswith(b"["):
        return 0
    text = data.decode(errors=_BYTE_FOR_BYTE)
    try:
        _, end = json.JSONDecoder().raw_decode(text, text.index("["))
    except (ValueError, RecursionError):
        raise HistoryError(
            f"{where} begins with a list that is not JSON: it is damaged or no history; nothing was changed"
        ) from None
    return len(text[:end].encode(errors=_BYTE_FOR_BYTE))

"""Names that are one letter beside a known one."""

from __future__ import annotations

import warnings
from inspect import currentframe
from typing import TYPE_CHECKING

from declarai_like._prompting.fields import Field, parse_fields

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["find_misspelled", "warn_of_misspelled"]

_SHORTEST = 4
"""Shorter names are one letter beside each other by nature."""
_LIBRARIES = frozenset({"declarai_like", "pydantic", "functools"})


def warn_of_misspelled(source: str, names: Collection[str], where: str) -> None:
    """Warn of a single-brace field whose name is one letter beside one of the names that the text does not show."""
    fields = [part for part in parse_fields(source) if isinstance(part, Field)]
    shown = {name for field in fields for name in field.names}
    for field in fields:
        meant = find_misspelled(field.name, [name for name in names if name not in shown])
        if meant is not None and field.name not in names:
            message = f"{where}: {field.source} is sent as it stands: did you mean {{{meant}}}?"
            warnings.warn(message, UserWarning, stacklevel=_callers_level())


def find_misspelled(name: str, known: Collection[str]) -> str | None:
    """Find the known name that differs in one letter: another, a missing or added one, or two in the other order."""
    return next(
        (other for other in known if len(max(name, other, key=len)) >= _SHORTEST and _is_beside(name, other)), None
    )


def _is_beside(name: str, other: str) -> bool:
    start = 0
    if name.casefold() == other.casefold():
        return False
    while name[start : start + 1] == other[start : start + 1] != "":
        start += 1
    rest, other_rest = name[start:], other[start:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return rest != other_rest and (
        rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:] or swapped == other_rest
    )


def _callers_level() -> int:
    """Give the `stacklevel` at which the line of the caller of this library stands."""
    frame, level = currentframe(), 0
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    return level

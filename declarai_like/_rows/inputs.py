"""A row of the input as the arguments of a call, and the key that it is known by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from declarai_like.errors import ArgumentError

if TYPE_CHECKING:
    from declarai_like._rows.protocols import RowTask

__all__ = ["Arguments", "Inputs", "KeyOption"]

KeyOption: TypeAlias = str | Callable[[Any], object] | None
"""What tells rows apart: a column, a function of a row, or `None` for all that is asked."""
Arguments: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]


class Inputs:
    """Reads rows: mappings (arguments by name), tuples, or single values."""

    def __init__(self, task: RowTask[Any], key: KeyOption) -> None:
        self._task = task
        self._key = key
        self._said = sha256(json.dumps(task.identity(), sort_keys=True, default=repr).encode())

    def arguments(self, raw: Any) -> Arguments:
        """Give the arguments that a row stands for; a key's column is none unless the task has it."""
        if isinstance(raw, Mapping):
            extra = {self._key} - {*self._task.parameters} if isinstance(self._key, str) else ()
            return (), {name: value for name, value in raw.items() if name not in extra} if extra else raw
        return (raw if isinstance(raw, tuple) else (raw,)), {}

    def key(self, raw: Any, arguments: Arguments) -> str:
        """Give the key of a row; raises `TypeError` if its arguments do not fit, `ArgumentError` if it has no key."""
        bound = self._task.bind(*arguments)
        if self._key is None:
            told = self._said.copy()
            told.update(json.dumps(bound, sort_keys=True, default=repr).encode())
            return told.hexdigest()
        if isinstance(self._key, str):
            return self._column(raw, self._key, bound)
        return _text(self._key(raw))

    @staticmethod
    def _column(raw: Any, name: str, bound: Mapping[str, Any]) -> str:
        row = raw if isinstance(raw, Mapping) else bound
        if name not in row:
            raise ArgumentError(f"expected each row to have the key's column {name!r}, got {', '.join(map(str, row))}")
        return _text(row[name])


def _text(key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)) or key == "":
        raise ArgumentError(f"expected the key of a row to be a text or a whole number, got {key!r:.80}")
    return str(key)

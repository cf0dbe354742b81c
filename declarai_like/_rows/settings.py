"""How many rows are to be made: the options of a map, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from declarai_like._calls.option_names import describe_unknown
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from declarai_like._rows.inputs import KeyOption
    from declarai_like._rows.progress import ProgressOption
    from declarai_like._rows.rows import Row

__all__ = ["OnError", "Settings"]

OnError: TypeAlias = "Literal['keep', 'stop'] | Callable[[Row[Any]], object]"
"""What a failed row does: it is given as all rows are, it stops the map, or a function is asked about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `task.map` was told. Raises `DefinitionError` for a value that is none of its option."""

    concurrency: int = 32
    ordered: bool = True
    on_error: OnError = "keep"
    max_errors: float | None = None
    checkpoint: str | os.PathLike[str] | None = None
    key: KeyOption = None
    fresh: bool = False
    retry_failed: bool = True
    adaptive: bool = True
    rpm: float | None = None
    tpm: float | None = None
    progress: ProgressOption = None
    executor: Executor | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Read the options of a map; raises `DefinitionError` for one that does not exist."""
        for name in options:
            if name not in cls.__slots__:
                raise DefinitionError(describe_unknown(name, cls.__slots__))
        return cls(**options)

    def __post_init__(self) -> None:
        _require(_is_count(self.concurrency), "concurrency", "a whole number from 1 on", self.concurrency)
        _require(self.on_error in ("keep", "stop") or callable(self.on_error), "on_error",
                 "'keep', 'stop' or a function of the failed row", self.on_error)  # fmt: skip
        _require(_is_most(self.max_errors), "max_errors",
                 "a number of rows, or a share of them below 1", self.max_errors)  # fmt: skip
        _require(self.key is None or isinstance(self.key, str) or callable(self.key), "key",
                 "the name of a column, or a function of a row", self.key)  # fmt: skip
        _require(self.executor is None or hasattr(self.executor, "submit"), "executor",
                 "a concurrent.futures.Executor, or what has its submit()", self.executor)  # fmt: skip


def _require(fits: object, name: str, expected: str, value: object) -> None:
    if not fits:
        raise DefinitionError(f"{name}: expected {expected}, got {value!r:.80}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_most(value: object) -> bool:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return True
    return isinstance(value, float) and 0 <= value < 1

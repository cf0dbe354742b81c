"""What becomes of one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from declarai_like.completions import Usage
    from declarai_like.responses import Attempt, LLMResponse

__all__ = ["Row"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """What became of one row of a map: its `value`, or the `error` that its call ended with.

    `index` is its place in the input, from 0, and `key` what it is known by in a checkpoint. `attempts` are the failed
    tries before the answer, and `seconds` is how long the call took. `cached` says that nothing was sent for it: it
    stood in the checkpoint, or another row of the same key was asked. `response` is `None` then, and where none came.
    """

    index: int
    key: str
    value: T | None = None
    error: BaseException | None = None
    response: LLMResponse | None = None
    usage: Usage | None = None
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0
    cached: bool = False

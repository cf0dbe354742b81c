"""The last answer of each task in a thread or async context."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weakref import ref

    from declarai_like._calls.answers import Answer

__all__ = ["latest_answer", "remember_answer"]

# One variable for all tasks: a variable for each would never be freed. Each entry goes with its task.
_LATEST: ContextVar[dict[ref[Any], Answer] | None] = ContextVar("declarai_like_latest", default=None)


def remember_answer(task: ref[Any], answer: Answer) -> None:
    """Note that this answer is the task's last one in this context."""
    alive = {home: known for home, known in (_LATEST.get() or {}).items() if home() is not None}
    _LATEST.set({**alive, task: answer})


def latest_answer(task: ref[Any]) -> Answer | None:
    """Give the task's last answer in this context."""
    return (_LATEST.get() or {}).get(task)

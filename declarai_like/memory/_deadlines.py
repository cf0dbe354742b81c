"""How long a memory may wait: its own limits, or less where a call's `timeout` ends before."""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEAST_WAIT", "broken_limit", "run_with_deadline", "seconds_left"]

T = TypeVar("T")

LEAST_WAIT = 0.05
"""Seconds that a memory has in any case: enough for one that need not wait."""
_deadline: ContextVar[tuple[float, float] | None] = ContextVar("declarai_like_memory_deadline", default=None)


def run_with_deadline(at: float, timeout: float, work: Callable[[], T]) -> T:
    """Do some work whose memories wait no longer than to the moment `at`, for a `timeout` that the user set.

    The work has a copy of the context, so that nothing has to be put back when it is interrupted.
    """
    context = copy_context()
    context.run(_deadline.set, (at, timeout))
    return context.run(work)


def seconds_left(most: float) -> float:
    """Give how long a memory may wait now, at most its own limit."""
    deadline = _deadline.get()
    return most if deadline is None else min(most, max(deadline[0] - monotonic(), LEAST_WAIT))


def broken_limit() -> str:
    """Say that a call's time is over, to be put behind what went wrong; nothing if it is not."""
    deadline = _deadline.get()
    if deadline is None or monotonic() < deadline[0]:
        return ""
    return f"; the chat's timeout={deadline[1]:g} allows no longer wait"

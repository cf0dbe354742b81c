"""A task that waits for a stream is woken, when another one closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["wake_reader", "was_woken"]


def wake_reader(reader: Task[Any]) -> None:
    """Have a task stop waiting, whatever loop or thread it runs in."""
    reader.get_loop().call_soon_threadsafe(reader.cancel)


def was_woken(error: BaseException, reader: Task[Any] | None) -> bool:
    """Say whether it was us who stopped a task, and nobody else beside us; it is not cancelled then."""
    from asyncio import CancelledError

    if isinstance(error, Exception):
        return True
    if reader is None or not isinstance(error, CancelledError):
        return False
    return not hasattr(reader, "uncancel") or reader.uncancel() == 0

"""Tasks that wait for one stream: closing it wakes them, and one that is cancelled ends no other's reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine

__all__ = ["SharedReading", "wake_reader", "was_woken"]


class SharedReading:
    """Reads in a task of its own: who waits for it may be cancelled, and the reading goes on for the next one."""

    def __init__(self) -> None:
        self._task: Task[bool] | None = None

    async def go_on(self, read: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """Go on with the reading that is under way, or begin one."""
        from asyncio import create_task, shield

        if self._task is None or self._task.done():
            self._task = create_task(read())
            self._task.add_done_callback(_retrieve_error)
        return await shield(self._task)


def _retrieve_error(task: Task[bool]) -> None:
    """Look at a task's error, which the stream keeps for its next reader: asyncio would log it as seen by nobody."""
    _ = task.cancelled() or task.exception()


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

"""A conversation's history read and written for a call, within its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Coroutine

    from declarai_like._calls.deadlines import Deadline
    from declarai_like._calls.operations import Store
    from declarai_like.memory import MessageHistory
    from declarai_like.messages import Message

__all__ = ["aload", "astore", "load", "store"]

T = TypeVar("T")

_STORING = 1.0  # seconds in any case: an answer that came in time is not lost because its time is over now


def load(memory: MessageHistory, deadline: Deadline) -> list[Message]:
    return deadline.run(lambda: memory.history)


async def aload(memory: MessageHistory, deadline: Deadline) -> list[Message]:
    if deadline.left is None:
        return await memory.ahistory()
    return await deadline.run(lambda: _start(memory.ahistory()))


def store(operation: Store, deadline: Deadline) -> None:
    memory, messages, replaced = operation.memory, operation.messages, operation.replaces
    if replaced is None:
        deadline.run(lambda: memory.add_messages(messages), least=_STORING)
    else:
        deadline.run(lambda: memory.compare_and_replace(replaced, messages), least=_STORING)


async def astore(operation: Store, deadline: Deadline) -> None:
    memory, messages, replaced = operation.memory, operation.messages, operation.replaces
    if replaced is None:
        writing = deadline.run(lambda: _start(memory.aadd_messages(messages)), least=_STORING)
    else:
        writing = deadline.run(lambda: _start(memory.acompare_and_replace(replaced, messages)), least=_STORING)
    await _await_to_the_end(writing)


def _start(work: Coroutine[Any, Any, T]) -> Task[T]:
    """Begin a task, in a copy of the context that holds here."""
    from asyncio import create_task

    return create_task(work)


async def _await_to_the_end(writing: Task[None]) -> None:
    """Await what a thread does and nobody can stop: who is cancelled meanwhile leaves when it is done."""
    from asyncio import CancelledError, shield, wait

    try:
        await shield(writing)
    except CancelledError:
        await wait([writing])
        raise

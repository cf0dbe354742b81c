"""A turn that is made: its value, or the generator of its responses, blocking and awaiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from declarai_like._calls import runner

if TYPE_CHECKING:
    from declarai_like._calls.flow import Call

__all__ = ["start_async_turn", "start_turn"]


def start_turn(call: Call[Any]) -> Any:
    """Make a turn: give its value, or the generator of its responses."""
    if call.is_collected or not call.request.stream:
        return runner.run(call).value
    steps = runner.stream(call)
    call.answer.stream = ref(steps)
    return steps


def start_async_turn(call: Call[Any]) -> Any:
    """Make a turn in an event loop: give the coroutine of its value, or the async generator of its responses."""
    if call.is_collected or not call.request.stream:
        return _await_value(call)
    steps = runner.astream(call)
    call.answer.stream = ref(steps)
    return steps


async def _await_value(call: Call[Any]) -> Any:
    return (await runner.arun(call)).value

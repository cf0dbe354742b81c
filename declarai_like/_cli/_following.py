"""Answers on the terminal, whether the task or chat is an async one or not."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from declarai_like.events import ContentDeltaEvent, ToolCallEvent
from declarai_like.streams import AsyncStream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from declarai_like.events import StreamEvent
    from declarai_like.responses import Attempt, LLMResponse, Result
    from declarai_like.streams import Stream

__all__ = ["as_json", "print_stream", "print_value", "read_stream", "response_data", "result_data", "wait_for"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would move the cursor, or worse, where a terminal shows it."""


def print_stream(stream: Stream[Any] | AsyncStream[Any]) -> Any:
    """Print the text of a stream as it comes, and give its value; raises its error after what has come."""
    printer = Printer()
    try:
        return read_stream(stream, printer.print_event)
    finally:
        printer.end_line()


def read_stream(
    stream: Stream[Any] | AsyncStream[Any], show: Callable[[StreamEvent], None] = lambda _event: None
) -> Any:
    """Read a stream to its end, and give its value; `show` is called with each event. Raises the stream's error."""
    if isinstance(stream, AsyncStream):
        return wait_for(_aread(stream, show))
    with stream:
        for event in stream:
            show(event)
        return stream.result()


def print_value(value: Any) -> None:
    """Print a text as it is, any other value as JSON."""
    print(_printable(value if isinstance(value, str) else as_json(value)))


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """Write any value as JSON."""
    from pydantic_core import to_jsonable_python

    return json.dumps(to_jsonable_python(value, fallback=repr), ensure_ascii=False, indent=indent)


def result_data(result: Result[Any]) -> dict[str, Any]:
    """Give all that a call brought as plain data."""
    return {
        "value": result.value,
        **response_data(result.response),
        "cost": result.cost,
        "repairs": result.repairs,
        "attempts": list(map(_attempt_data, result.attempts)),
        "calls": result.calls,
    }


def response_data(response: LLMResponse) -> dict[str, Any]:
    """Give an answer as plain data."""
    return {
        "text": response.response,
        "model": response.model,
        "outcome": response.outcome,
        "usage": response.usage,
    }


def wait_for(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(coroutine)


def _attempt_data(attempt: Attempt) -> dict[str, Any]:
    return {"error": f"{type(attempt.error).__name__}: {attempt.error}", "usage": attempt.usage}


async def _aread(stream: AsyncStream[Any], show: Callable[[StreamEvent], None]) -> Any:
    async with stream:
        async for event in stream:
            show(event)
        return await stream.result()


class Printer:
    """Prints the text of one answer; a tool call is told beside it, on stderr."""

    def __init__(self) -> None:
        self._is_in_line = False

    def print_event(self, event: StreamEvent) -> None:
        """Print what an event brought, if it is to be seen."""
        if isinstance(event, ContentDeltaEvent) and event.choice_index == 0:
            print(_printable(event.delta), end="", flush=True)
            self._is_in_line = True
        elif isinstance(event, ToolCallEvent):
            self.end_line()
            print(_printable(f"[{event.name} {as_json(event.arguments, indent=None)}]"), file=sys.stderr, flush=True)

    def end_line(self) -> None:
        """End the line that is begun, if there is one."""
        if self._is_in_line:
            print(flush=True)
        self._is_in_line = False


def _printable(text: str) -> str:
    """Show control characters of a model's words as such on a terminal; a file or a program gets them unchanged."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text) if sys.stdout.isatty() else text

"""Performs the operations of a call: the only place of the core that waits, and its only clock.

Each function stands twice, blocking and awaiting; a test strips `await` and compares the two. What happens per
chunk is the plain loop in `stream` and `astream`, and nowhere else.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like._calls.operations import Ask, Enter, Load, Operation, Send, Sleep, Store
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import DefinitionError, OutputError, ProviderError, ProviderTimeout
from declarai_like.providers._stand_ins import stand_in_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator
    from concurrent.futures import Future

    from declarai_like._calls.flow import Call
    from declarai_like.requests import Request
    from declarai_like.responses import Result

T = TypeVar("T")


class Deadline:
    """The moment at which a call's time is over."""

    __slots__ = ("_at", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._at = None if timeout is None else time.monotonic() + timeout

    @property
    def left(self) -> float | None:
        """The seconds that the call still has; `None` without an end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def error(self, doing: str) -> ProviderTimeout:
        """Give the error for a call whose time has run out."""
        return ProviderTimeout(f"the call's time of {self._timeout} s is over{doing}: raise timeout=")

    def allows(self, seconds: float) -> bool:
        """Say whether the call still has time after so many seconds."""
        return self._at is None or time.monotonic() + seconds < self._at

    def shorten(self, request: Request) -> Request:
        """Give a request no more time than the call has left; raises `ProviderTimeout` if there is none."""
        left = self.left
        if left is None:
            return request
        if not left:
            raise self.error("")
        return request.replace(limits=request.limits.replace(timeout=left))


def run(call: Call[T]) -> Result[T]:
    """Make a call and wait for its whole answer."""
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    try:
        while True:
            operation = resume()
            try:
                result = _perform(operation, call, deadline)
            except BaseException as error:
                resume = call.resume_after(error, operation, flow)
            else:
                resume = partial(flow.send, result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a generator's return value has no type here
    finally:
        resume = None  # an error holds this frame: the frame must not hold the error


async def arun(call: Call[T]) -> Result[T]:
    """Make a call and await its whole answer."""
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    try:
        while True:
            operation = resume()
            try:
                result = await _aperform(operation, call, deadline)
            except BaseException as error:
                resume = call.resume_after(error, operation, flow)
            else:
                resume = partial(flow.send, result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a generator's return value has no type here
    finally:
        resume = None  # an error holds this frame: the frame must not hold the error


def _perform(operation: Operation, call: Call[Any], deadline: Deadline) -> Any:
    """Perform one operation, and give what answers it."""
    if not isinstance(operation, Send):
        return _perform_local(operation, deadline)
    accumulator = call.begin(operation.request)
    body = stand_in_for(operation.provider).send(deadline.shorten(operation.request))
    accumulator.feed(body)
    accumulator.feed(DONE)  # a body that is whole says so by being there, also without a finish reason
    return accumulator.finish()


async def _aperform(operation: Operation, call: Call[Any], deadline: Deadline) -> Any:
    """Perform one operation, and give what answers it."""
    if not isinstance(operation, Send):
        return await _aperform_local(operation, deadline)
    accumulator = call.begin(operation.request)
    body = await stand_in_for(operation.provider).asend(deadline.shorten(operation.request))
    accumulator.feed(body)
    accumulator.feed(DONE)  # a body that is whole says so by being there, also without a finish reason
    return accumulator.finish()


def _perform_local(operation: Sleep | Enter | Load | Store | Ask, deadline: Deadline) -> Any:
    """Perform an operation that asks no provider."""
    if isinstance(operation, Sleep):
        if not deadline.allows(operation.seconds):
            return False
        time.sleep(operation.seconds)
        return True
    if isinstance(operation, Load):
        return operation.memory.history
    if isinstance(operation, Store):
        write = operation.memory.replace if operation.replaces else operation.memory.add_messages
        return write(operation.messages)
    if isinstance(operation, Ask):
        return run(operation.call)
    if not isinstance(operation, Enter):
        raise _unknown_operation(operation)
    ticket = operation.queue.enter(operation.reader)
    try:
        _wait_for_ticket(ticket, deadline)
    except BaseException:
        operation.queue.give_up(ticket)
        raise
    return ticket


async def _aperform_local(operation: Sleep | Enter | Load | Store | Ask, deadline: Deadline) -> Any:
    """Perform an operation that asks no provider."""
    if isinstance(operation, Sleep):
        if not deadline.allows(operation.seconds):
            return False
        await _async_sleep(operation.seconds)
        return True
    if isinstance(operation, Load):
        return await operation.memory.ahistory()
    if isinstance(operation, Store):
        write = operation.memory.areplace if operation.replaces else operation.memory.aadd_messages
        return await _await_to_the_end(write(operation.messages))
    if isinstance(operation, Ask):
        return await arun(operation.call)
    if not isinstance(operation, Enter):
        raise _unknown_operation(operation)
    ticket = operation.queue.aenter(operation.reader)
    try:
        await _await_ticket(ticket, deadline)
    except BaseException:
        operation.queue.give_up(ticket)
        raise
    return ticket


def _wait_for_ticket(ticket: Future[None], deadline: Deadline) -> None:
    from concurrent.futures import TimeoutError as TooLate  # Python 3.10 has three of this name

    try:
        ticket.result(deadline.left)
    except TooLate:
        raise deadline.error(", spent on waiting for its turn") from None


async def _await_ticket(ticket: Future[None], deadline: Deadline) -> None:
    from asyncio import wait, wrap_future

    # Not `wait_for`: before Python 3.12 it loses a cancellation that comes when the ticket has just been called.
    future = wrap_future(ticket)
    done, _ = await wait([future], timeout=deadline.left)
    if not done:
        future.cancel()
        raise deadline.error(", spent on waiting for its turn")


async def _await_to_the_end(writing: Coroutine[Any, Any, None]) -> None:
    """Await what a thread does and nobody can stop: who is cancelled meanwhile leaves when it is done."""
    from asyncio import CancelledError, create_task, shield, wait

    task = create_task(writing)
    try:
        await shield(task)
    except CancelledError:
        await wait([task])
        raise


async def _async_sleep(seconds: float) -> None:
    from asyncio import sleep

    await sleep(seconds)


def _unknown_operation(operation: object) -> DefinitionError:
    return DefinitionError(
        f"expected an operation from a middleware, got {operation!r:.80}: write `yield from send(request)`"
    )


def stream(call: Call[Any]) -> Generator[Any, None, None]:
    """Make a call and give its answer as it grows: as responses, or as lists of events.

    The last step comes when all is done and stored.
    """
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    try:
        while True:
            operation = resume()
            try:
                if isinstance(operation, Send):
                    accumulator = call.begin(operation.request)
                    feed = accumulator.feed
                    provider = stand_in_for(operation.provider)
                    with closing(provider.stream(deadline.shorten(operation.request))) as chunks:
                        for chunk in chunks:
                            response = feed(chunk)
                            if response is not None:
                                yield response
                    result: Any = accumulator.finish()
                else:
                    result = _perform(operation, call, deadline)
            except BaseException as error:
                resume = call.resume_after(error, operation, flow)
            else:
                resume = partial(flow.send, result)
    except StopIteration as done:
        yield call.last(done.value.response)
    except (OutputError, ProviderError) as error:
        step = call.last_before(error)
        if step is not None:
            yield step
        raise
    finally:
        resume = None  # an error holds this frame: the frame must not hold the error


class aclosing:  # noqa: N801 - it takes the place of the standard library's
    """Closes an async generator at the end of the block, and holds it until then.

    When a forgotten stream is part of a reference cycle, the garbage collector would close it and the generator inside
    of it at the same time, which they do not bear. The inner one is held here: only the outer one is garbage, and it
    closes the inner one.
    """

    __slots__ = ("_chunks",)

    def __init__(self, chunks: AsyncGenerator[Any, None]) -> None:
        self._chunks = chunks

    async def __aenter__(self) -> AsyncGenerator[Any, None]:
        _held.add(self._chunks)
        return self._chunks

    async def __aexit__(self, *_exc: object) -> None:
        try:
            await self._chunks.aclose()
        finally:
            _held.discard(self._chunks)


_held: set[AsyncGenerator[Any, None]] = set()


async def astream(call: Call[Any]) -> AsyncGenerator[Any, None]:
    """Make a call and give its answer as it grows: as responses, or as lists of events.

    The last step comes when all is done and stored.
    """
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    try:
        while True:
            operation = resume()
            try:
                if isinstance(operation, Send):
                    accumulator = call.begin(operation.request)
                    feed = accumulator.feed
                    provider = stand_in_for(operation.provider)
                    async with aclosing(provider.astream(deadline.shorten(operation.request))) as chunks:
                        async for chunk in chunks:
                            response = feed(chunk)
                            if response is not None:
                                yield response
                    result: Any = accumulator.finish()
                else:
                    result = await _aperform(operation, call, deadline)
            except BaseException as error:
                resume = call.resume_after(error, operation, flow)
            else:
                resume = partial(flow.send, result)
    except StopIteration as done:
        yield call.last(done.value.response)
    except (OutputError, ProviderError) as error:
        step = call.last_before(error)
        if step is not None:
            yield step
        raise
    finally:
        resume = None  # an error holds this frame: the frame must not hold the error

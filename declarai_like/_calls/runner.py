"""Performs the operations of a call: the only place of the core that waits, and its only clock.

Whatever is raised at whatever line, Ctrl-C for one, a call has nothing taken afterwards. So all that a call may hold
is closed by `with`, and twice: an interrupt may come between a block and its end. There is no `try` below an operation
that was performed: an interrupt in the very line of a `try` is seen by none that is around it.

Each function stands twice, blocking and awaiting; a test strips `await` and compares the two. What happens per
chunk is the plain loop in `stream` and `astream`, and nowhere else.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like._calls.closing import aclosing
from declarai_like._calls.deadlines import Deadline
from declarai_like._calls.histories import aload, astore, load, store
from declarai_like._calls.operations import Ask, Enter, Load, Operation, Send, Show, Sleep, Store, ToolOperation
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import DefinitionError, OutputError, ProviderError
from declarai_like.providers._stand_ins import stand_in_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from concurrent.futures import Future

    from typing_extensions import Self

    from declarai_like._calls.flow import Call
    from declarai_like._calls.protocols import ChunkReader
    from declarai_like.responses import Result

T = TypeVar("T")


class _Outcome:
    """What performing an operation has come to, to be told to the flow: a result, or whatever was raised."""

    __slots__ = ("_call", "_flow", "_operation", "_resume")

    def __init__(self, call: Call[Any], flow: Generator[Operation, Any, Any], operation: Operation) -> None:
        self._call = call
        self._flow = flow
        self._operation = operation
        self._resume: Any = None

    def set(self, result: Any) -> None:
        """Note the result."""
        self._resume = partial(self._flow.send, result)

    def take(self) -> Any:
        """Give what resumes the flow, and hold it no longer: an error in it holds the frame that holds this."""
        resume, self._resume = self._resume, None
        return resume

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if error is not None:
            self._resume = self._call.resume_after(error, self._operation, self._flow)
        return True


def run(call: Call[T]) -> Result[T]:
    """Make a call and wait for its whole answer."""
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    with closing(call), closing(call):
        try:
            while True:
                operation = resume()
                with _Outcome(call, flow, operation) as outcome:
                    outcome.set(_perform(operation, call, deadline))
                resume = outcome.take()
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a generator's return value has no type here
        finally:
            resume = None  # an error holds this frame: the frame must not hold the error


async def arun(call: Call[T]) -> Result[T]:
    """Make a call and await its whole answer."""
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    with closing(call), closing(call):
        try:
            while True:
                operation = resume()
                with _Outcome(call, flow, operation) as outcome:
                    outcome.set(await _aperform(operation, call, deadline))
                resume = outcome.take()
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a generator's return value has no type here
        finally:
            resume = None  # an error holds this frame: the frame must not hold the error


def _perform(operation: Operation, call: Call[Any], deadline: Deadline) -> Any:
    """Perform one operation, and give what answers it."""
    if not isinstance(operation, Send):
        return _perform_local(operation, deadline)
    accumulator = call.begin(operation.request)
    provider, request = stand_in_for(operation.provider), deadline.shorten(operation.request)
    if request.stream:
        _collect(provider.stream(request), accumulator)
        return accumulator.finish()
    accumulator.feed(provider.send(request))
    accumulator.feed(DONE)  # a body that is whole says so by being there, also without a finish reason
    return accumulator.finish()


async def _aperform(operation: Operation, call: Call[Any], deadline: Deadline) -> Any:
    """Perform one operation, and give what answers it."""
    if not isinstance(operation, Send):
        return await _aperform_local(operation, deadline)
    accumulator = call.begin(operation.request)
    provider, request = stand_in_for(operation.provider), deadline.shorten(operation.request)
    if request.stream:
        await _acollect(provider.astream(request), accumulator)
        return accumulator.finish()
    accumulator.feed(await provider.asend(request))
    accumulator.feed(DONE)  # a body that is whole says so by being there, also without a finish reason
    return accumulator.finish()


def _collect(source: Any, reader: ChunkReader) -> None:
    """Read a stream that nobody is shown."""
    with closing(source) as chunks, closing(source):
        for chunk in chunks:
            reader.feed(chunk)


async def _acollect(source: Any, reader: ChunkReader) -> None:
    """Read a stream that nobody is shown."""
    async with aclosing(source) as chunks, aclosing(source):
        async for chunk in chunks:
            reader.feed(chunk)


def _perform_local(operation: Operation, deadline: Deadline) -> Any:
    """Perform an operation that asks no provider."""
    if isinstance(operation, Sleep):
        if not deadline.allows(operation.seconds):
            return False
        time.sleep(operation.seconds)
        return True
    if isinstance(operation, Load):
        return load(operation.memory, deadline)
    if isinstance(operation, Store):
        return store(operation, deadline)
    if not isinstance(operation, Enter):
        return _perform_seldom(operation, deadline)
    operation.queue.enter(operation.ticket)
    return _wait_for_ticket(operation.ticket, deadline)


def _perform_seldom(operation: Operation, deadline: Deadline) -> Any:
    """Perform an operation that most calls do not need."""
    if isinstance(operation, Ask):
        return run(operation.call)
    if isinstance(operation, Show):
        return None  # nobody reads the steps of a whole call
    if not isinstance(operation, ToolOperation):
        raise _unknown_operation(operation)
    from declarai_like._calls import crew

    return crew.perform(operation, deadline)


async def _aperform_local(operation: Operation, deadline: Deadline) -> Any:
    """Perform an operation that asks no provider."""
    if isinstance(operation, Sleep):
        if not deadline.allows(operation.seconds):
            return False
        await _async_sleep(operation.seconds)
        return True
    if isinstance(operation, Load):
        return await aload(operation.memory, deadline)
    if isinstance(operation, Store):
        return await astore(operation, deadline)
    if not isinstance(operation, Enter):
        return await _aperform_seldom(operation, deadline)
    operation.queue.aenter(operation.ticket)
    return await _await_ticket(operation.ticket, deadline)


async def _aperform_seldom(operation: Operation, deadline: Deadline) -> Any:
    """Perform an operation that most calls do not need."""
    if isinstance(operation, Ask):
        return await arun(operation.call)
    if isinstance(operation, Show):
        return None  # nobody reads the steps of a whole call
    if not isinstance(operation, ToolOperation):
        raise _unknown_operation(operation)
    from declarai_like._calls import crew

    return await crew.aperform(operation, deadline)


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
    with closing(call), closing(call):
        try:
            while True:
                operation = resume()
                with _Outcome(call, flow, operation) as outcome:
                    if isinstance(operation, Send):
                        accumulator = call.begin(operation.request)
                        feed = accumulator.feed
                        source = stand_in_for(operation.provider).stream(deadline.shorten(operation.request))
                        with closing(source) as chunks, closing(source):
                            for chunk in chunks:
                                response = feed(chunk)
                                if response is not None:
                                    yield response
                        outcome.set(accumulator.finish())
                    elif isinstance(operation, Show):
                        outcome.set((yield operation.step))
                    else:
                        outcome.set(_perform(operation, call, deadline))
                resume = outcome.take()
        except StopIteration as done:
            yield call.last(done.value.response)
        except (OutputError, ProviderError) as error:
            step = call.last_before(error)
            if step is not None:
                yield step
            raise
        finally:
            resume = None  # an error holds this frame: the frame must not hold the error


async def astream(call: Call[Any]) -> AsyncGenerator[Any, None]:
    """Make a call and give its answer as it grows: as responses, or as lists of events.

    The last step comes when all is done and stored.
    """
    flow, deadline = call.flow(time.monotonic), Deadline(call.request.limits.timeout)
    resume: Any = partial(next, flow)
    with closing(call), closing(call):
        try:
            while True:
                operation = resume()
                with _Outcome(call, flow, operation) as outcome:
                    if isinstance(operation, Send):
                        accumulator = call.begin(operation.request)
                        feed = accumulator.feed
                        source = stand_in_for(operation.provider).astream(deadline.shorten(operation.request))
                        async with aclosing(source) as chunks, aclosing(source):
                            async for chunk in chunks:
                                response = feed(chunk)
                                if response is not None:
                                    yield response
                        outcome.set(accumulator.finish())
                    elif isinstance(operation, Show):
                        outcome.set((yield operation.step))
                    else:
                        outcome.set(await _aperform(operation, call, deadline))
                resume = outcome.take()
        except StopIteration as done:
            yield call.last(done.value.response)
        except (OutputError, ProviderError) as error:
            step = call.last_before(error)
            if step is not None:
                yield step
            raise
        finally:
            resume = None  # an error holds this frame: the frame must not hold the error

"""Streams as objects: the events of an answer, its views, and its end.

`Stream` and `AsyncStream` stand side by side and do the same.
"""

from __future__ import annotations

from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like._calls import runner
from declarai_like._calls.stream_state import HeldStep, StreamState, new_items, new_partial
from declarai_like._calls.waking import SharedReading, wake_reader, was_woken
from declarai_like.errors import DefinitionError, OutputError, ProviderError
from declarai_like.events import ContentDeltaEvent, StreamEvent

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from declarai_like._calls.flow import Call
    from declarai_like.completions import Completion
    from declarai_like.responses import LLMResponse

__all__ = ["AsyncStream", "Stream"]

T = TypeVar("T")
Item = TypeVar("Item")


class Stream(StreamState[T]):
    """The events of one call: `with task.stream(...) as stream: for event in stream: ...`.

    Entering sends the request, leaving closes the connection, entering again sends again. The views (`responses`,
    `text`, `partials`, `items`, `sentences`) give what has come from the start and go on with what comes; after the
    end they can be read again. An error of the stream is raised after its last event, and again by whatever asks
    for its result.
    """

    _steps: Generator[list[StreamEvent], None, None] | None = None

    def __init__(self, prepare: Callable[[], Call[T]]) -> None:
        super().__init__(prepare)
        self._reading = RLock()

    def __enter__(self) -> Stream[T]:
        try:
            self.close()
            self._steps = runner.stream(self._begin())
            self._advance(0)
            return self  # noqa: TRY300 - an interrupt in this line closes the stream too
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        while self._position == len(self._events):
            if not self._advance(self._position):
                raise StopIteration
        self._position += 1
        return self._events[self._position - 1]

    def _advance(self, seen: int) -> bool:
        """Have more than the events that were `seen`; say whether there are. Raises the stream's error at its end."""
        with self._reading:  # another view may be reading: what it brings is ours too
            return len(self._events) > seen or self._read()

    def _read(self) -> bool:
        """Read the next chunk's events; say whether there was one."""
        if not self._can_read():
            return False
        if self._steps is None:
            self._steps = runner.stream(self._begin())
        if getattr(self._steps, "gi_running", False):  # typeshed knows it of no Generator
            raise DefinitionError("this very thread is reading this stream: a signal handler cannot read it too")
        try:
            self._events += next(self._steps)
        except StopIteration:
            self._end()
            return False
        except BaseException as error:
            if isinstance(error, Exception) and self._hang_up.is_requested:
                raise self._closed_error() from None
            self._end(error)
            raise
        if self._hang_up.is_requested:
            self._steps.close()
            raise self._closed_error()
        return True

    def _replay(self) -> Iterator[StreamEvent]:
        position = 0
        while position < len(self._events) or self._advance(position):
            yield from self._events[position : (position := len(self._events))]

    def fork(self) -> Iterator[StreamEvent]:
        """Give the events from the first one on to one more reader, in any thread; the request is sent once."""
        return self._replay()

    def close(self) -> None:
        """Close the connection at once, from any thread; closing twice is fine.

        Who is reading the stream in another thread is woken, and gets the error of a stream that was closed.
        """
        steps = self._steps
        if steps is not None:
            try:
                steps.close()
            except ValueError:  # it runs: in another thread, or below the signal handler that closes it
                self._hang_up.request()
        self._mark_closed()

    def until_done(self) -> Stream[T]:
        """Read the stream to its end."""
        while self._advance(len(self._events)):
            pass
        self._position = len(self._events)
        return self

    def get_final_completion(self) -> Completion:
        """Read to the end and give the whole completion; raises the stream's error, every time it is called."""
        self.until_done()
        return self._final_completion()

    def result(self) -> T:
        """Read to the end and give the typed value; raises the stream's error, every time it is called."""
        self.until_done()
        return self._value()

    def responses(self) -> Iterator[LLMResponse]:
        """Give the growing answer, once for each chunk that has choices; the last one is the whole answer."""
        steps = HeldStep()
        try:
            for event in self._replay():
                step = self._step_of(event)
                if step is not None:
                    yield from steps.hold(step) if self._ends_with(event) else steps.release(step)
        except OutputError:  # the answer is whole, but not of its type
            yield from self._last_step()
            raise
        except ProviderError:
            yield from steps.release()
            raise
        yield from self._last_step()

    def text(self) -> Iterator[str]:
        """Give the pieces of the first choice's text."""
        for event in self._replay():
            if isinstance(event, ContentDeltaEvent) and event.choice_index == 0:
                yield event.delta

    def partials(self) -> Iterator[T]:
        """Give the typed value each time it has grown; the last one is the validated value."""
        shown: Any = None
        for event in self._replay():
            value = new_partial(event, shown)
            if value is not None:
                shown = value
                yield value

    def items(self: Stream[list[Item]]) -> Iterator[Item]:
        """Give each item of a list, validated, as soon as it is closed."""
        seen: list[Any] = []
        for event in self._replay():
            yield from new_items(event, seen)

    def sentences(self) -> Iterator[str]:
        """Give the text sentence by sentence, each as soon as its end is certain."""
        from declarai_like._wire.sentences import SentenceBuffer

        buffer = SentenceBuffer()
        for piece in self.text():
            yield from buffer.feed(piece)
        yield from buffer.close()


class AsyncStream(StreamState[T]):
    """The events of one call in an event loop: `async with task.stream(...) as stream: async for event in stream`.

    It does what `Stream` does.
    """

    _steps: AsyncGenerator[list[StreamEvent], None] | None = None

    def __init__(self, prepare: Callable[[], Call[T]]) -> None:
        from asyncio import Lock

        super().__init__(prepare)
        self._reading = Lock()
        self._reader: Task[Any] | None = None
        self._shared: SharedReading | None = None

    async def __aenter__(self) -> AsyncStream[T]:
        try:
            await self.close()
            self._steps = runner.astream(self._begin())
            await self._advance(0)
            return self  # noqa: TRY300 - an interrupt in this line closes the stream too
        except BaseException:
            await self.close()
            raise

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        while self._position == len(self._events):
            if not await self._advance(self._position):
                raise StopAsyncIteration
        self._position += 1
        return self._events[self._position - 1]

    async def _advance(self, seen: int) -> bool:
        """Have more than the events that were `seen`; say whether there are. Raises the stream's error at its end."""
        async with self._reading:  # another view may be reading: what it brings is ours too
            shared = self._shared
            return len(self._events) > seen or await (self._read() if shared is None else shared.go_on(self._read))

    async def _read(self) -> bool:
        """Read the next chunk's events; say whether there was one."""
        if not self._can_read():
            return False
        if self._steps is None:
            self._steps = runner.astream(self._begin())
        from asyncio import current_task

        self._reader = current_task()
        try:
            self._events += await anext(self._steps)
        except StopAsyncIteration:
            self._end()
            return False
        except BaseException as error:
            if self._hang_up.is_requested and was_woken(error, self._reader):
                raise self._closed_error() from None
            self._end(error)
            raise
        finally:
            self._reader = None
        if self._hang_up.is_requested:
            await self._steps.aclose()
            raise self._closed_error()
        return True

    async def _replay(self) -> AsyncIterator[StreamEvent]:
        position = 0
        while position < len(self._events) or await self._advance(position):
            for event in self._events[position : (position := len(self._events))]:
                yield event

    def fork(self) -> AsyncIterator[StreamEvent]:
        """Do what `Stream.fork` does, for a reader in any task; one that is cancelled ends no other's reading."""
        self._shared = self._shared or SharedReading()
        return self._replay()

    async def close(self) -> None:
        """Close the connection at once, from any task or thread; closing twice is fine.

        Who is reading the stream in another task is woken, and gets the error of a stream that was closed.
        """
        if self._reader is not None:
            self._hang_up.arm(partial(wake_reader, self._reader))
            self._hang_up.request()
        elif self._steps is not None:
            await self._steps.aclose()
        self._mark_closed()

    aclose = close

    async def until_done(self) -> AsyncStream[T]:
        """Read the stream to its end."""
        while await self._advance(len(self._events)):
            pass
        self._position = len(self._events)
        return self

    async def get_final_completion(self) -> Completion:
        """Read to the end and give the whole completion; raises the stream's error, every time it is called."""
        await self.until_done()
        return self._final_completion()

    async def result(self) -> T:
        """Read to the end and give the typed value; raises the stream's error, every time it is called."""
        await self.until_done()
        return self._value()

    async def responses(self) -> AsyncIterator[LLMResponse]:
        """Give the growing answer, once for each chunk that has choices; the last one is the whole answer."""
        steps = HeldStep()
        try:
            async for event in self._replay():
                step = self._step_of(event)
                if step is not None:
                    for due in steps.hold(step) if self._ends_with(event) else steps.release(step):
                        yield due
        except OutputError:  # the answer is whole, but not of its type
            for step in self._last_step():
                yield step
            raise
        except ProviderError:
            for step in steps.release():
                yield step
            raise
        for step in self._last_step():
            yield step

    async def text(self) -> AsyncIterator[str]:
        """Give the pieces of the first choice's text."""
        async for event in self._replay():
            if isinstance(event, ContentDeltaEvent) and event.choice_index == 0:
                yield event.delta

    async def partials(self) -> AsyncIterator[T]:
        """Give the typed value each time it has grown; the last one is the validated value."""
        shown: Any = None
        async for event in self._replay():
            value = new_partial(event, shown)
            if value is not None:
                shown = value
                yield value

    async def items(self: AsyncStream[list[Item]]) -> AsyncIterator[Item]:
        """Give each item of a list, validated, as soon as it is closed."""
        seen: list[Any] = []
        async for event in self._replay():
            for item in new_items(event, seen):
                yield item

    async def sentences(self) -> AsyncIterator[str]:
        """Give the text sentence by sentence, each as soon as its end is certain."""
        from declarai_like._wire.sentences import SentenceBuffer

        buffer = SentenceBuffer()
        async for piece in self.text():
            for sentence in buffer.feed(piece):
                yield sentence
        for sentence in buffer.close():
            yield sentence

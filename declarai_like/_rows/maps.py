"""A task over many rows: what `task.map` and `task.amap` give."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.course import Course, RecentRows
from declarai_like._rows.crews import TaskCrew, ThreadCrew
from declarai_like._rows.inputs import Inputs
from declarai_like._rows.jobs import Performer
from declarai_like._rows.progress import Tally, show_progress
from declarai_like.errors import DefinitionError
from declarai_like.middleware._rate_gating import RateGate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from typing_extensions import Self

    from declarai_like._rows.crews import Crew
    from declarai_like._rows.protocols import RowStore, RowTask
    from declarai_like._rows.rows import Row
    from declarai_like._rows.settings import Settings

__all__ = ["AsyncRows", "Rows"]

T = TypeVar("T")


class Rows(Iterator["Row[T]"], Generic[T]):
    """The rows of a map as they come: an iterator, to be read once.

    Nothing is sent before the first row is asked for, and no new row is begun while nobody asks. Leaving it (`break`,
    `close()`, Ctrl-C) closes all connections; with a checkpoint what has finished is in the file.
    """

    def __init__(self, task: RowTask[T], rows: Iterable[Any], settings: Settings) -> None:
        _require_rows(rows, Iterable)
        self._steps = _run(task, rows, settings)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row[T]:
        return next(self._steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send nothing more, and close the connections; closing twice is fine."""
        self._steps.close()

    def values(self) -> list[T]:
        """Read to the end, and give the values in their order; raises the first row's error then, and says how many."""
        return _values(self)


class AsyncRows(AsyncIterator["Row[T]"], Generic[T]):
    """The rows of a map as they come: an async iterator, to be read once, in one event loop.

    It is left by `aclose()`, or at the end of an `async with`; a cancellation cancels all its calls.
    """

    def __init__(self, task: RowTask[T], rows: Iterable[Any] | AsyncIterable[Any], settings: Settings) -> None:
        _require_rows(rows, Iterable, AsyncIterable)
        if settings.executor is not None:
            raise DefinitionError("executor= is an option of map, not of amap: its futures are waited for in a thread")
        self._steps = _arun(task, rows, settings)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row[T]:
        return await anext(self._steps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send nothing more, and close the connections; closing twice is fine."""
        await self._steps.aclose()

    async def values(self) -> list[T]:
        """Read to the end, and give the values in their order; raises the first row's error then, and says how many."""
        return _values([row async for row in self])


# Functions, so that the generators do not hold the objects that hold them: who leaves a loop has closed them.
def _run(task: RowTask[T], rows: Iterable[Any], settings: Settings) -> Generator[Row[T], None, None]:
    with ExitStack() as stack:
        course, show = _begin(task, rows, settings, stack)
        crew = _crew_of(task, settings)
        stack.callback(lambda: course.finish_all(crew.close()))
        source = iter(rows)
        while True:
            _start(course, crew, source)
            course.finish_all(crew.collect(wait=False))
            row = course.take()
            show(row)
            if row is not None:
                yield row
            elif course.is_over:
                break
            else:
                course.finish_all(crew.collect(wait=True))
        course.raise_reason()


async def _arun(task: RowTask[T], rows: Any, settings: Settings) -> AsyncGenerator[Row[T], None]:
    async with AsyncExitStack() as stack:
        course, show = _begin(task, rows, settings, stack)
        crew: TaskCrew[T] = TaskCrew(_performer(task, settings))

        async def close() -> None:
            course.finish_all(await crew.close())

        stack.push_async_callback(close)
        source = await stack.enter_async_context(aclosing(_pulled(rows)))
        while True:
            await _astart(course, crew, source)
            course.finish_all(await crew.collect(wait=False))
            row = course.take()
            show(row)
            if row is not None:
                yield row
            elif course.is_over:
                break
            else:
                course.finish_all(await crew.collect(wait=True))
        course.raise_reason()


def _begin(
    task: RowTask[T], rows: Any, settings: Settings, stack: ExitStack | AsyncExitStack
) -> tuple[Course[T], Callable[[object], None]]:
    """Open the checkpoint, and make what knows how far the map is; the stack closes both."""
    tally = Tally.of(rows)
    inputs = Inputs(task, settings.key)
    store = open_store(task, settings)
    stack.callback(store.close)
    show = stack.enter_context(show_progress(settings.progress, tally))
    return Course(inputs, store, settings, tally.count), show


def _start(course: Course[T], crew: Crew[T], source: Iterator[Any]) -> None:
    """Begin what may be begun now."""
    while (job := course.resume()) is not None:
        crew.start(job)
    while course.wants_row:
        try:
            raw = next(source)
        except StopIteration:
            course.end_input()
            break
        job = course.begin(raw)
        if job is not None:
            crew.start(job)
    crew.dispatch()


async def _astart(course: Course[T], crew: TaskCrew[T], source: AsyncIterator[Any]) -> None:
    """Begin what may be begun now."""
    while (job := course.resume()) is not None:
        crew.start(job)
    while course.wants_row:
        try:
            raw = await anext(source)
        except StopAsyncIteration:
            course.end_input()
            break
        job = course.begin(raw)
        if job is not None:
            crew.start(job)


def _require_rows(rows: Any, *kinds: type[Any]) -> None:
    """Refuse what is no iterable, and what is one of something else than rows."""
    is_other = isinstance(rows, (str, bytes, Mapping)) or (hasattr(rows, "columns") and hasattr(rows, "shape"))
    if is_other or not isinstance(rows, kinds):
        raise DefinitionError(
            f"expected an iterable of rows, got {type(rows).__name__}: give one row as [row], "
            "and a DataFrame to task.frame(column=...)"
        )


def _performer(task: RowTask[T], settings: Settings) -> Performer[T]:
    return Performer(task, RateGate(settings.rpm, settings.tpm))


def _crew_of(task: RowTask[T], settings: Settings) -> Crew[T]:
    if settings.executor is None:
        return ThreadCrew(_performer(task, settings))
    from declarai_like._rows.executor_crews import ExecutorCrew

    return ExecutorCrew(task, settings.executor, settings)


async def _pulled(rows: Any) -> AsyncGenerator[Any, None]:
    """Give the rows of an iterable of either kind."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _values(rows: Iterable[Row[T]]) -> list[T]:
    """Give the values in the order of the input; raises the first error, with how many there are."""
    values, failed = [], []
    for row in sorted(rows, key=lambda row: row.index):
        if row.error is None:
            values.append(row.value)
        else:
            failed.append(row)
    if not failed:
        return values  # type: ignore[return-value]  # a row without an error has the task's value
    first = failed[0]
    error: Any = first.error
    words = f"{error} (row {first.index}; {len(failed)} of {len(failed) + len(values)} rows have failed)"
    error.args = (words, *error.args[1:])
    raise error


def open_store(task: RowTask[T], settings: Settings) -> RowStore[T]:
    """Open the checkpoint that a map was told, or what remembers the latest rows."""
    if settings.checkpoint is None:
        return RecentRows()
    from declarai_like._rows.checkpoints import Checkpoint

    return Checkpoint(task, settings.checkpoint, fresh=settings.fresh, retry_failed=settings.retry_failed)

"""What `task.batch` gives: a job of a provider, which blocking and awaiting programs ask alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.batches.flows import Batches, BatchProgress, Pause
from declarai_like._rows.maps import AsyncRows, Rows
from declarai_like._rows.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from declarai_like._rows.inputs import KeyOption
    from declarai_like._rows.protocols import RowTask
    from declarai_like._rows.rows import Row

__all__ = ["BatchJob"]

T = TypeVar("T")


class BatchJob(Generic[T]):
    """Rows that a provider answers within a day, for half the price: OpenAI's batches, or Anthropic's.

    `submit()`, `wait()`, then `list(job)`: a `Row` for each, in the order of the input. All that is known of it is in
    the checkpoint, so any process that makes the job of the same rows and file can go on: submitting twice sends once,
    and what has expired or failed is sent again by the next `submit()`, or live by `retry()`.
    """

    def __init__(
        self,
        task: RowTask[T],
        rows: Iterable[Any],
        checkpoint: Any,
        *,
        key: KeyOption = None,
        output_expires_after: int | None = None,
    ) -> None:
        self._task = task
        self._rows = list(rows)
        self._checkpoint = checkpoint
        self._key = key
        self._batches = Batches(task, self._rows, checkpoint, key, output_expires_after)
        self._provider: Any = self._batches.request.provider

    def submit(self) -> None:
        """Send the rows that are neither finished nor under way, in as many batches as they need."""
        self._perform(self._batches.submit())

    def poll(self) -> BatchProgress:
        """Say how far it is, and keep what the batches have brought that are over."""
        return self._perform(self._batches.poll())  # type: ignore[no-any-return]  # the generator's own value

    def wait(self, timeout: float | None = None) -> BatchProgress:
        """Ask after 5 seconds, 10, ... each minute, until all is over; raises `ProviderTimeout` after `timeout` s."""
        return self._perform(self._batches.wait(timeout))  # type: ignore[no-any-return]  # the generator's own value

    def cancel(self) -> None:
        """Ask the provider to end the batches; `wait()` then gives what they have brought."""
        self._perform(self._batches.cancel())

    def retry(self, **options: Any) -> Rows[T]:
        """Ask for what failed by `map`, which takes the same `options`; the other rows come from the checkpoint."""
        told = {"checkpoint": self._checkpoint, "key": self._key, **options}
        return Rows(self._task, self._rows, Settings.of(told))

    def aretry(self, **options: Any) -> AsyncRows[T]:
        """Do what `retry` does, in an event loop: an async iterator."""
        told = {"checkpoint": self._checkpoint, "key": self._key, **options}
        return AsyncRows(self._task, self._rows, Settings.of(told))

    async def asubmit(self) -> None:
        """Do what `submit` does, in an event loop."""
        await self._aperform(self._batches.submit())

    async def apoll(self) -> BatchProgress:
        """Do what `poll` does, in an event loop."""
        return await self._aperform(self._batches.poll())  # type: ignore[no-any-return]  # the generator's own value

    async def await_(self, timeout: float | None = None) -> BatchProgress:
        """Do what `wait` does, in an event loop."""
        return await self._aperform(self._batches.wait(timeout))  # type: ignore[no-any-return]  # the generator's own

    async def acancel(self) -> None:
        """Do what `cancel` does, in an event loop."""
        await self._aperform(self._batches.cancel())

    def __iter__(self) -> Iterator[Row[T]]:
        return self._batches.rows()

    def __len__(self) -> int:
        return len(self._batches.order)

    def _perform(self, flow: Generator[Any, Any, Any]) -> Any:
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                operation = flow.send(answer) if error is None else flow.throw(error)
            except StopIteration as done:
                return done.value
            answer, error = None, None
            if isinstance(operation, Pause):
                time.sleep(operation.seconds)
                continue
            try:
                answer = self._provider.exchange(operation, self._batches.request)
            except Exception as failure:
                error = failure

    async def _aperform(self, flow: Generator[Any, Any, Any]) -> Any:
        from asyncio import sleep

        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                operation = flow.send(answer) if error is None else flow.throw(error)
            except StopIteration as done:
                return done.value
            answer, error = None, None
            if isinstance(operation, Pause):
                await sleep(operation.seconds)
                continue
            try:
                answer = await self._provider.aexchange(operation, self._batches.request)
            except Exception as failure:
                error = failure

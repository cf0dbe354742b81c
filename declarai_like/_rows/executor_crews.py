"""Calls that are made elsewhere: rows go to an executor's workers in parts, and their records come back."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.crews import ThreadCrew
from declarai_like._rows.jobs import Job, Outcome, Performer, failed_row
from declarai_like._rows.row_records import record_of, row_of
from declarai_like.errors import DeclaraiError
from declarai_like.middleware._rate_gating import RateGate

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from declarai_like._rows.inputs import Arguments
    from declarai_like._rows.protocols import RowTask
    from declarai_like._rows.settings import Settings

__all__ = ["ExecutorCrew", "perform_part"]

T = TypeVar("T")
logger = logging.getLogger("declarai_like")
_PART = 8
"""So many rows go to a worker together, which asks about all of them at once."""
_TRIES = 3


def perform_part(
    task: RowTask[Any], part: list[tuple[str, Arguments]], rpm: float | None = None, tpm: float | None = None
) -> list[dict[str, Any]]:
    """Make the calls of some rows in threads of this process; give their records, in the same order.

    It is what a worker runs, so all that it takes and gives can be pickled.
    """
    crew = ThreadCrew(Performer(task, RateGate(rpm, tpm)))
    records: dict[int, dict[str, Any]] = {}
    try:
        for number, (key, arguments) in enumerate(part):
            crew.start(Job(number, key, arguments))
        while len(records) < len(part):
            for outcome in crew.collect(wait=True):
                record = record_of(outcome.row, task.output)
                records[outcome.row.index] = {**record, "overloaded": outcome.overloaded}
    finally:
        crew.close()
    return [records[number] for number in range(len(part))]


@dataclass(slots=True, eq=False)
class _Part(Generic[T]):
    jobs: list[Job[T]]
    tries: int = 0
    future: Any = None
    """What the executor has given; `None` for a part that is done in this process."""
    records: list[dict[str, Any]] = field(default_factory=list)


class ExecutorCrew(Generic[T]):
    """Makes calls in the workers of an executor.

    A part whose worker died is done again. Where the executor takes no more, as one does whose process died, the parts
    are done in this process.
    """

    def __init__(self, task: RowTask[T], executor: Executor, settings: Settings) -> None:
        self._task = task
        self._executor = executor
        self._limits = (settings.rpm, settings.tpm)
        self._held: list[Job[T]] = []
        self._parts: list[_Part[T]] = []
        self._done: SimpleQueue[_Part[T]] = SimpleQueue()

    def start(self, job: Job[T]) -> None:
        """Put a row into the part that is filled."""
        self._held.append(job)
        if len(self._held) == _PART:
            self.dispatch()

    def dispatch(self) -> None:
        """Send the part that is filled."""
        if self._held:
            part = _Part(self._held)
            self._held = []
            self._parts.append(part)
            self._submit(part)

    def collect(self, *, wait: bool) -> list[Outcome]:
        """Give the rows of parts that have ended; with `wait` of one at least."""
        outcomes: list[Outcome] = []
        while True:
            try:
                part = self._done.get(block=wait and not outcomes)
            except Empty:
                return outcomes
            outcomes += self._outcomes(part)

    def close(self) -> list[Outcome]:
        """Cancel what no worker has begun; give what has ended before."""
        ended = self.collect(wait=False)
        for future in filter(None, [part.future for part in self._parts]):
            future.cancel()
        self._parts.clear()
        self._held.clear()
        return ended

    def _submit(self, part: _Part[T]) -> None:
        part.tries += 1
        told = [(job.key, job.arguments) for job in part.jobs]
        try:
            part.future = self._executor.submit(perform_part, self._task, told, *self._limits)
        except Exception as error:  # what executors raise that are broken or closed is their own
            logger.warning("the executor takes no more rows, they are asked in this process: %r", error)
            part.future = None
            Thread(target=self._perform_here, args=(part, told), name="declarai-rows", daemon=True).start()
        else:
            part.future.add_done_callback(lambda _: self._done.put(part))

    def _perform_here(self, part: _Part[T], told: list[tuple[str, Arguments]]) -> None:
        part.records = perform_part(self._task, told, *self._limits)
        self._done.put(part)

    def _outcomes(self, part: _Part[T]) -> list[Outcome]:
        """Give the rows of a part; none if it is done again."""
        try:
            records = part.records or part.future.result()
        except BaseException as error:
            if part.tries < _TRIES and isinstance(error, Exception):
                logger.warning("a worker has lost a part of %d rows, which is done again: %r", len(part.jobs), error)
                self._submit(part)
                return []
            self._parts.remove(part)
            return [self._lost(part, job, error) for job in part.jobs]
        self._parts.remove(part)
        return [self._outcome(job, record) for job, record in zip(part.jobs, records, strict=True)]

    def _outcome(self, job: Job[T], record: dict[str, Any]) -> Outcome:
        return Outcome(job, row_of(record, self._task.output, job.index), record["overloaded"])

    @staticmethod
    def _lost(part: _Part[T], job: Job[T], error: BaseException) -> Outcome:
        told = DeclaraiError(f"the worker was lost {part.tries} times: {type(error).__name__}: {error}")
        return Outcome(job, failed_row(job.index, job.key, told.with_cause(error)))

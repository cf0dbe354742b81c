"""One call that is made for a row, and how it is performed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from declarai_like._calls import runner
from declarai_like._rows.pacing import is_overload
from declarai_like._rows.rows import Row
from declarai_like.middleware._gate_visits import LONGEST_WAIT
from declarai_like.requests import HangUp

if TYPE_CHECKING:
    from declarai_like._calls.flow import Call
    from declarai_like._rows.inputs import Arguments
    from declarai_like._rows.protocols import RowTask
    from declarai_like.middleware._gate_visits import GateVisit
    from declarai_like.middleware._rate_gating import RateGate
    from declarai_like.responses import Result

__all__ = ["Job", "Outcome", "Performer", "failed_row"]

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """A call to make for the row at `index`; `twins` are the places of other rows with the same key."""

    index: int
    key: str
    arguments: Arguments
    round: int = 0
    """The round of `Pace` in which it was begun."""
    is_alone: bool = False
    """Whether nothing else was under way when it was begun."""
    twins: list[int] = field(default_factory=list)
    hang_up: HangUp = field(default_factory=HangUp)


class Outcome(NamedTuple):
    """What came of a job: its row, and whether the other side said that it has too much to do."""

    job: Job[Any]
    row: Row[Any]
    overloaded: bool = False


class Performer(Generic[T]):
    """Makes the calls of jobs, each behind the gate of the model that is asked."""

    def __init__(self, task: RowTask[T], gate: RateGate) -> None:
        self._task = task
        self._gate = gate

    def perform(self, job: Job[T]) -> Outcome:
        """Make a job's call; its error, of whatever kind, is the row's."""
        started, visit = time.monotonic(), None
        try:
            call, visit = self._prepare(job)
            result = runner.run(call)
        except BaseException as error:
            return _failed(job, error, time.monotonic() - started, visit)
        return _done(job, result, time.monotonic() - started, visit)

    async def aperform(self, job: Job[T]) -> Outcome:
        """Do what `perform` does, in an event loop; a cancellation is raised."""
        started, visit = time.monotonic(), None
        try:
            call, visit = self._prepare(job)
            result = await runner.arun(call)
        except Exception as error:
            return _failed(job, error, time.monotonic() - started, visit)
        return _done(job, result, time.monotonic() - started, visit)

    def _prepare(self, job: Job[T]) -> tuple[Call[T], GateVisit]:
        """Put the call together, with the gate innermost: what it waits there is no time of the call."""
        args, kwargs = job.arguments
        call = self._task.prepare(args, kwargs)
        limits = call.request.limits
        visit = self._gate.visit(timeout=limits.timeout)
        longest = None if limits.timeout is None else limits.timeout + LONGEST_WAIT
        call.request = call.request.replace(limits=limits.replace(timeout=longest, hang_up=job.hang_up))
        call.middlewares = [*call.middlewares, visit]
        return call, visit


def failed_row(index: int, key: str, error: BaseException, seconds: float = 0.0) -> Row[Any]:
    """Give the row of a call that failed, with what its error tells."""
    error.__traceback__ = None  # its frames hold the call
    response = getattr(error, "response", None)
    return Row(
        index,
        key,
        error=error,
        response=response,
        usage=getattr(response, "usage", None),
        attempts=getattr(error, "attempts", ()),
        seconds=seconds,
    )


def _failed(job: Job[Any], error: BaseException, seconds: float, visit: GateVisit | None) -> Outcome:
    row = failed_row(job.index, job.key, error, seconds)
    return Outcome(job, row, _was_overloaded(row, visit))


def _done(job: Job[T], result: Result[T], seconds: float, visit: GateVisit) -> Outcome:
    row = Row(
        job.index,
        job.key,
        value=result.value,
        response=result.response,
        usage=result.usage,
        attempts=result.attempts,
        seconds=seconds,
    )
    return Outcome(job, row, _was_overloaded(row, visit))


def _was_overloaded(row: Row[Any], visit: GateVisit | None) -> bool:
    errors = [attempt.error for attempt in row.attempts]
    if row.error is not None:
        errors.append(row.error)
    return is_overload(errors) or (visit is not None and visit.refusals > 0)

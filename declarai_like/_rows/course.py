"""How far a map has come: which rows may be begun, which are under way, which may be given. It waits for nothing."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.jobs import Job, Outcome, failed_row
from declarai_like._rows.pacing import Pace
from declarai_like._rows.stopping import ErrorLimit, budget_error
from declarai_like.errors import BudgetReached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from declarai_like._rows.inputs import Inputs
    from declarai_like._rows.protocols import RowStore
    from declarai_like._rows.rows import Row
    from declarai_like._rows.settings import Settings

__all__ = ["Course", "RecentRows"]

T = TypeVar("T")
_REMEMBERED = 1000
"""So many finished rows are remembered for later ones of the same key, where no checkpoint has them all."""


class RecentRows(Generic[T]):
    """The latest rows that have a value, by their keys."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._rows: OrderedDict[str, Row[T]] = OrderedDict()

    def find(self, key: str, index: int) -> Row[T] | None:
        """Give what came of a key, as the row at this place of the input; `None` if it is not known."""
        row = self._rows.get(key)
        return None if row is None else replace(row, index=index, cached=True)

    def keep(self, row: Row[T]) -> None:
        """Remember a row, and forget the oldest one."""
        if row.error is None:
            self._rows[row.key] = row
            if len(self._rows) > self._most:
                self._rows.popitem(last=False)

    def close(self) -> None:
        """Forget all rows."""
        self._rows.clear()


class Course(Generic[T]):
    """The state of one map, between its input and its reader.

    Each row is kept in the store before it is given. `seen` is called with each row as it finishes.
    """

    def __init__(
        self, inputs: Inputs, store: RowStore[T], settings: Settings, seen: Callable[[Row[T]], object]
    ) -> None:
        self._inputs = inputs
        self._store = store
        self._seen = seen
        self._most_waiting = settings.concurrency
        self._is_ordered = settings.ordered
        self._pace = Pace(settings.concurrency, adaptive=settings.adaptive)
        self._errors = ErrorLimit(settings)
        self._under_way: dict[str, Job[T]] = {}
        self._put_off: deque[Job[T]] = deque()
        """Jobs that a budget did not allow while others were under way."""
        self._ready: dict[int, Row[T]] = {}
        self._pulled = self._given = self._finished = 0
        self._running = self._freed = self._twins = 0
        self._has_input = True
        self.reason: BaseException | None = None
        """Why no more rows are begun, to be raised when those under way have been given."""

    @property
    def wants_row(self) -> bool:
        """Whether another row is to be pulled now."""
        has_room = self._running < self._pace.limit and len(self._ready) + self._twins < self._most_waiting
        return self._has_input and has_room and not self._put_off

    @property
    def is_over(self) -> bool:
        """Whether no row will be given any more."""
        return not (self._ready or self._running or self._has_input or self._put_off)

    def end_input(self) -> None:
        """Note that there are no more rows."""
        self._has_input = False

    def begin(self, raw: Any) -> Job[T] | None:
        """Take the next row of the input; give the call to make, or `None` where there is none to make for it."""
        index, self._pulled = self._pulled, self._pulled + 1
        try:
            arguments = self._inputs.arguments(raw)
            key = self._inputs.key(raw, arguments)
        except Exception as error:  # a key's function is the user's own
            self._finish(failed_row(index, "", error))
            return None
        twin = self._under_way.get(key)
        if twin is not None:
            twin.twins.append(index)
            self._twins += 1
            return None
        known = self._store.find(key, index)
        if known is not None:
            self._finish(known)
            return None
        job = self._under_way[key] = Job(index, key, arguments)
        return self._start(job)

    def resume(self) -> Job[T] | None:
        """Give a call that was put off, if it may be made now."""
        if not self._put_off or (self._running and not self._freed):
            return None
        self._freed = max(0, self._freed - 1)
        return self._start(self._put_off.popleft())

    def finish(self, outcome: Outcome) -> None:
        """Take what came of a call."""
        job, row, overloaded = outcome
        self._running -= 1
        if isinstance(row.error, BudgetReached):
            self._put_off_or_stop(job, row.error)
            return
        del self._under_way[job.key]
        self._freed += bool(self._put_off)
        self._twins -= len(job.twins)
        self._pace.note(job.round, overloaded=overloaded, seconds=row.seconds)
        self._store.keep(row)
        self._finish(row)
        for index in job.twins:
            self._finish(replace(row, index=index, cached=True))

    def finish_all(self, outcomes: Iterable[Outcome]) -> None:
        """Take what came of several calls."""
        for outcome in outcomes:
            self.finish(outcome)

    def take(self) -> Row[T] | None:
        """Give the next row that its reader may have; `None` if there is none yet."""
        if self._is_ordered and self._given in self._ready:
            row = self._ready.pop(self._given)
        elif self._ready and (not self._is_ordered or self._is_ending):
            row = self._ready.pop(min(self._ready) if self._is_ordered else next(iter(self._ready)))
        else:
            return None
        self._given = row.index + 1
        return row

    def raise_reason(self) -> None:
        """Raise why the map has stopped, if it did so before its end."""
        if self.reason is not None:
            raise self.reason

    @property
    def _is_ending(self) -> bool:
        """Whether the rows that are missing between those that are ready will never come."""
        return self.reason is not None and not self._running

    def _start(self, job: Job[T]) -> Job[T]:
        job.round = self._pace.round
        job.is_alone = not self._running
        self._running += 1
        return job

    def _stop(self, reason: BaseException | None) -> None:
        """Begin no more rows, if there is a reason."""
        if reason is not None and self.reason is None:
            self.reason = reason
            self._has_input = False
            self._put_off.clear()

    def _put_off_or_stop(self, job: Job[T], error: BudgetReached) -> None:
        """Wait for what is under way, which may give back what was set aside for it; else stop."""
        if self.reason is None and (self._running or not job.is_alone):
            self._put_off.append(job)
        else:
            self._stop(budget_error(error, self._finished))

    def _finish(self, row: Row[T]) -> None:
        self._finished += 1
        self._ready[row.index] = row
        self._seen(row)
        self._stop(self._errors.reason(row))

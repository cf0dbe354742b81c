"""When a map stops before its end, and what it raises then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors import (
    AuthenticationError,
    BudgetReached,
    ConfigurationError,
    DefinitionError,
    NotFoundError,
    RateLimited,
    TooManyErrors,
)

if TYPE_CHECKING:
    from declarai_like._rows.rows import Row
    from declarai_like._rows.settings import Settings

__all__ = ["ErrorLimit", "budget_error"]

_ENOUGH_FOR_A_SHARE = 20
_OF_ALL_ROWS = (AuthenticationError, NotFoundError, ConfigurationError, DefinitionError)
"""What one row fails with here, all would."""


class ErrorLimit:
    """Looks at each row that has finished, and says why no more are to be sent."""

    def __init__(self, settings: Settings) -> None:
        self._on_error = settings.on_error
        self._most = settings.max_errors
        self._failed = self._finished = 0
        self._first: Row[Any] | None = None

    def reason(self, row: Row[Any]) -> BaseException | None:
        """Count a row; give what is to be raised at the end if it is the one that stops the map."""
        self._finished += 1
        if row.error is None:
            return None
        self._failed += 1
        self._first = self._first or row
        stops_all = not isinstance(row.error, Exception) or _is_of_all_rows(row.error)
        if (stops_all and not row.cached) or self._asks_to_stop(row):
            return row.error
        return self._too_many()

    def _asks_to_stop(self, row: Row[Any]) -> bool:
        if not callable(self._on_error):
            return self._on_error == "stop"
        return self._on_error(row) == "stop"

    def _too_many(self) -> TooManyErrors | None:
        if self._most is None or self._first is None:
            return None
        if isinstance(self._most, float):
            is_passed = self._finished >= _ENOUGH_FOR_A_SHARE and self._failed > self._most * self._finished
        else:
            is_passed = self._failed > self._most
        if not is_passed:
            return None
        return TooManyErrors(
            f"{self._failed} of {self._finished} rows have failed, max_errors={self._most} allows no more: the others "
            f"were not sent. The first is row {self._first.index}: "
            f"{type(self._first.error).__name__}: {self._first.error}",
            first=self._first.error,
        )


def _is_of_all_rows(error: BaseException) -> bool:
    if isinstance(error, RateLimited):
        return error.code == "insufficient_quota"
    return isinstance(error, _OF_ALL_ROWS)


def budget_error(error: BudgetReached, finished: int) -> BudgetReached:
    """Say how far a map has come when its budget was used up."""
    return BudgetReached(
        f"{error.message.partition(': nothing was sent')[0]}: {finished} rows have finished, the others were not sent; "
        "with checkpoint= a later run goes on where this one ended"
    )

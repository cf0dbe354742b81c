"""Tests that ask a model several times, and pass if its answers are good enough with certainty."""

from __future__ import annotations

import inspect
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

from declarai_like.errors import OutputError, ProviderError
from declarai_like.evals._statistics import score_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like.evals._statistics import Interval

__all__ = ["CannotTellWarning", "repeated"]


class CannotTellWarning(UserWarning):
    """So many runs cannot tell whether the share of good ones is high enough."""


def repeated(test: Callable[..., Any], *, runs: int, at_least: float) -> Callable[..., Any]:
    """Make a test that is run so often: it fails if less than this share of runs is good, with a confidence of 95 %.

    Where so few runs cannot tell, it passes with a `CannotTellWarning`. A run is good if it raises nothing. A model
    that could not be asked is no bad run: its error ends the test.
    """
    if runs < 1 or not 0 < at_least <= 1:
        raise TypeError(f"llm_eval takes runs= from 1 and at_least= above 0 and up to 1, got {runs!r} and {at_least!r}")

    @wraps(test)
    def run_all(**arguments: Any) -> None:
        _judge([_run(lambda: test(**arguments)) for _ in range(runs)], at_least)

    @wraps(test)
    async def arun_all(**arguments: Any) -> None:
        _judge([await _arun(lambda: test(**arguments)) for _ in range(runs)], at_least)

    return arun_all if inspect.iscoroutinefunction(test) else run_all


def _run(test: Callable[[], Any]) -> Exception | None:
    try:
        test()
    except Exception as error:
        return _failure(error)
    return None


async def _arun(test: Callable[[], Any]) -> Exception | None:
    try:
        await test()
    except Exception as error:
        return _failure(error)
    return None


def _failure(error: Exception) -> Exception:
    """Give what a run has failed with; an error that says nothing of the answers is raised."""
    if isinstance(error, ProviderError) and not isinstance(error, OutputError):
        raise error
    return error


def _judge(failures: list[Exception | None], at_least: float) -> None:
    good, count = failures.count(None), len(failures)
    interval = score_interval([[float(failure is None)] for failure in failures])
    assert interval is not None  # noqa: S101 - there is a run
    told = f"{good} of {count} runs are good: the share is {interval.low:.2f} to {interval.high:.2f}"
    if interval.high < at_least:
        first = next(failure for failure in failures if failure is not None)
        raise AssertionError(f"{told}, which is below {at_least}; the first failure: {first}") from first
    if interval.low < at_least:
        advice = _advice(good / count, count, at_least)
        warnings.warn(CannotTellWarning(f"cannot tell: {told}, and {at_least} is wanted; {advice}"), stacklevel=2)


def _advice(share: float, count: int, at_least: float) -> str:
    """Say how many runs would tell, if the share stays as it is."""
    while count < 10_000:  # noqa: PLR2004 - nobody asks so often
        count += max(1, count // 10)
        good = round(share * count)
        interval: Interval | None = score_interval([[1.0]] * good + [[0.0]] * (count - good))
        if interval is not None and not interval.low < at_least <= interval.high:
            return f"about {count} runs would tell"
    return "more runs would not tell: the share is too near to it"

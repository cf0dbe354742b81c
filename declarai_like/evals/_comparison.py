"""Two evaluations of the same cases: whether one is better, worse, or nobody can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING, Literal

from declarai_like.errors import ConfigurationError
from declarai_like.evals._statistics import RESAMPLES, chance_of_split, difference_interval, t_quantile
from declarai_like.evals._summaries import scores_by_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from declarai_like.evals._runs import Run
    from declarai_like.evals._statistics import Interval

__all__ = ["Comparison", "compare"]

_SIGNIFICANT = 0.05
_MOST_RUNS = 1_000

Cases = dict[tuple[str, str], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One model now and in an earlier evaluation, over the `cases` that both have.

    `difference` is the mean score now less the one before, `interval` where it lies with a confidence of 95 %.
    `advice` says what would tell, if this does not.
    """

    llm: str
    cases: int
    before: float
    after: float
    difference: float
    interval: Interval | None
    verdict: Literal["better", "worse", "cannot tell"]
    advice: str = ""


def compare(
    runs: Iterable[Run], baseline: Mapping[str, Cases], *, margin: float = 0.0, resamples: int = RESAMPLES
) -> list[Comparison]:
    """Compare runs, model by model, to the scores of an earlier evaluation; `baseline` has them by model and case.

    A single model is compared to a single one of the baseline whatever their names. A model is called worse only if
    the whole interval is below `-margin`. `resamples` is how many samples the interval is drawn from.

    Raises `ConfigurationError` if the two have no case in common.
    """
    by_model: dict[str, list[Run]] = {}
    for run in runs:
        by_model.setdefault(run.llm, []).append(run)
    alone = len(by_model) == len(baseline) == 1
    comparisons = []
    for llm, own in by_model.items():
        before = next(iter(baseline.values())) if alone else baseline.get(llm)
        if before is not None:
            comparisons.append(_compare(llm, scores_by_case(own), before, margin, resamples))
    if not comparisons:
        raise ConfigurationError(f"the baseline has none of the models {', '.join(by_model)}: it has {_list(baseline)}")
    return comparisons


def _compare(llm: str, after: Cases, before: Cases, margin: float, resamples: int) -> Comparison:
    common = [case for case in after if case in before]
    if not common:
        raise ConfigurationError(f"the baseline has none of the cases of {llm}")
    pairs = [(before[case], after[case]) for case in common]
    differences = [fmean(new) - fmean(old) for old, new in pairs]
    interval = difference_interval(differences, resamples=resamples)
    verdict = _verdict(pairs, differences, interval, margin)
    return Comparison(
        llm=llm,
        cases=len(common),
        before=fmean(fmean(old) for old, _ in pairs),
        after=fmean(fmean(new) for _, new in pairs),
        difference=fmean(differences),
        interval=interval,
        verdict=verdict,
        advice=_advice(pairs, differences) if verdict == "cannot tell" else "",
    )


def _verdict(
    pairs: Sequence[tuple[list[float], list[float]]],
    differences: Sequence[float],
    interval: Interval | None,
    margin: float,
) -> Literal["better", "worse", "cannot tell"]:
    """Say what the interval says; for answers that are right or wrong, asked once each, by an exact test."""
    if interval is None:
        return "cannot tell"
    is_certain = True
    if all(len(old) == len(new) == 1 and {*old, *new} <= {0, 1} for old, new in pairs):
        is_certain = chance_of_split(*_split(differences)) < _SIGNIFICANT
    if is_certain and interval.high < -margin:
        return "worse"
    return "better" if is_certain and interval.low > 0 else "cannot tell"


def _split(differences: Sequence[float]) -> tuple[int, int]:
    return sum(one > 0 for one in differences), sum(one < 0 for one in differences)


def _advice(pairs: Sequence[tuple[list[float], list[float]]], differences: Sequence[float]) -> str:
    """Say how many runs of each case, or how many cases, would tell a difference of this size."""
    count, seen = len(pairs), abs(fmean(differences))
    if count < 2:  # noqa: PLR2004 - one case tells nothing of others
        return "one case tells nothing of others: give more cases"
    if not seen:
        return "no difference is seen"
    needed = (seen / t_quantile(0.975, count - 1)) ** 2 * count
    within = fmean(_noise(old) + _noise(new) for old, new in pairs)
    between = max(0.0, variance(differences) - within)
    runs = min(len(new) for _, new in pairs)
    more = math.ceil(within * runs / (needed - between)) if needed > between else _MOST_RUNS
    if within and runs < more < _MOST_RUNS:
        return f"about {more} runs of each case, in both, would tell"
    return f"about {math.ceil(variance(differences) * count / needed)} cases like these would tell"


def _noise(scores: Sequence[float]) -> float:
    """Give how much the mean of a case's runs varies from one evaluation to the next."""
    return variance(scores) / len(scores) if len(scores) > 1 else 0.0


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"

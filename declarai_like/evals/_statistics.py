"""How sure a mean is: intervals for scores, for differences, and agreement beyond chance.

Everything is deterministic: the bootstrap has a fixed seed.
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist, fmean, variance
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = [
    "RESAMPLES",
    "Interval",
    "agreement",
    "chance_of_split",
    "difference_interval",
    "score_interval",
    "sum_known",
    "t_quantile",
]

N = TypeVar("N", int, float)

_CONFIDENCE = 0.95
_FEW = 10
RESAMPLES = 10_000
"""So many samples a bootstrap takes; fewer of many cases."""
_FEWEST_RESAMPLES, _MOST_DRAWS = 1_000, 3_000_000
_SEED = 20260101
_Z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)


class Interval(NamedTuple):
    """Where a mean lies in 95 of 100 evaluations."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """By how much the mean is uncertain, to either side."""
        return (self.high - self.low) / 2


def score_interval(cases: Sequence[Sequence[float]], *, resamples: int = RESAMPLES) -> Interval | None:
    """Give the interval of the mean score; `cases` has the scores of each case's runs.

    For right and wrong answers (1 and 0) it is Wilson's, of as many runs as the cases are worth: runs of one case
    resemble each other. For other scores it is a bootstrap over cases; `None` where there is one case only.
    """
    scored = [scores for scores in cases if scores]
    if all(score in (0, 1) for scores in scored for score in scores):
        return _wilson(fmean(map(fmean, scored)), _effective_size(scored)) if scored else None
    interval = _bootstrap([fmean(scores) for scores in scored], resamples)
    return interval and Interval(max(0.0, interval.low), min(1.0, interval.high))


def difference_interval(differences: Sequence[float], *, resamples: int = RESAMPLES) -> Interval | None:
    """Give the interval of the mean of paired differences, one for each case, by a bootstrap over cases."""
    return _bootstrap(differences, resamples)


def chance_of_split(better: int, worse: int) -> float:
    """Give how likely so uneven a split is by chance alone: McNemar's test, exact and two-sided."""
    count, less = better + worse, min(better, worse)
    tail: float = sum(math.comb(count, number) for number in range(less + 1)) / 2**count
    return min(1.0, 2 * tail)


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Give Cohen's kappa of two raters: 1 is full agreement, 0 what chance would give; `None` if it is undefined."""
    if not pairs:
        return None
    count = len(pairs)
    observed = sum(one == other for one, other in pairs) / count
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    expected = sum(first.count(label) * second.count(label) for label in set(first)) / count**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def sum_known(counts: Iterable[N | None]) -> N | None:
    """Add up what is known, if there is something and all of it is known."""
    listed = list(counts)
    known = [count for count in listed if count is not None]
    return sum(known) if listed and len(known) == len(listed) else None


def _wilson(share: float, size: float) -> Interval:
    """Give Wilson's score interval of a share of so many independent answers (Wilson 1927)."""
    square = _Z**2
    centre = (share + square / (2 * size)) / (1 + square / size)
    spread = _Z * math.sqrt(share * (1 - share) / size + square / (4 * size**2)) / (1 + square / size)
    return Interval(max(0.0, centre - spread), min(1.0, centre + spread))


def _effective_size(cases: Sequence[Sequence[float]]) -> float:
    """Give of how many independent answers all runs are worth (Kish's design effect, by the analysis of variance)."""
    count = sum(map(len, cases))
    if count == len(cases) or len(cases) == 1:
        return count
    mean = fmean(map(fmean, cases))
    runs = count / len(cases)
    between = runs * sum((fmean(scores) - mean) ** 2 for scores in cases) / (len(cases) - 1)
    within = sum((score - fmean(scores)) ** 2 for scores in cases for score in scores) / (count - len(cases))
    whole = between + (runs - 1) * within
    likeness = max(0.0, (between - within) / whole) if whole else 0.0
    return count / (1 + (runs - 1) * likeness)


def _bootstrap(values: Sequence[float], resamples: int) -> Interval | None:
    """Give the percentile interval of a mean, widened as few values need (Hesterberg 2015, the expanded percentile)."""
    count = len(values)
    if count < 2:  # noqa: PLR2004 - one value tells nothing of others
        return None
    if not variance(values):
        return Interval(values[0], values[0])
    if count < _FEW:
        return _student(values)
    choices = Random(_SEED).choices  # noqa: S311 - a sample, no secret
    resamples = max(_FEWEST_RESAMPLES, min(resamples, _MOST_DRAWS // count))
    means = sorted(fmean(choices(values, k=count)) for _ in range(resamples))
    wide = t_quantile(0.5 + _CONFIDENCE / 2, count - 1) * math.sqrt(count / (count - 1))
    outside = NormalDist().cdf(-wide)
    rank = min(resamples // 2, round(outside * resamples))
    return Interval(means[rank], means[-1 - rank])


def _student(values: Sequence[float]) -> Interval:
    """Give Student's interval: a bootstrap of few values cannot leave their range, which the mean may."""
    spread = t_quantile(0.5 + _CONFIDENCE / 2, len(values) - 1) * math.sqrt(variance(values) / len(values))
    mean = fmean(values)
    return Interval(mean - spread, mean + spread)


def t_quantile(share: float, freedom: int) -> float:
    """Give the quantile of Student's t distribution, found between bounds on its distribution function."""
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_share(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _t_share(value: float, freedom: int) -> float:
    """Give the share of Student's t distribution below a positive value (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine = math.cos(angle)
    if freedom % 2:
        term = cosine
        total = cosine if freedom > 1 else 0.0
        for number in range(3, freedom - 1, 2):
            term *= cosine**2 * (number - 1) / number
            total += term
        return 0.5 + (angle + math.sin(angle) * total) / math.pi
    term = total = 1.0
    for number in range(2, freedom - 1, 2):
        term *= cosine**2 * (number - 1) / number
        total += term
    return 0.5 + math.sin(angle) * total / 2

"""What many runs amount to."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from declarai_like.evals._statistics import score_interval, sum_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.evals._runs import Run
    from declarai_like.evals._statistics import Interval

__all__ = ["Row", "scores_by_case", "summarise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The runs of one scenario on one model, or of all of them (`scenario` is `""` then).

    `score` and `seconds` are means, tokens and `cost` sums; `None` is unknown. `unanswered` runs have no score, and no
    answer that was kept has `seconds`.
    `interval` is where the mean score lies with a confidence of 95 %; `worst` and `best` are the means of each case's
    worst and best run; `judge_cost` is what judges have cost, which is no part of `cost`.
    """

    scenario: str
    llm: str
    runs: int
    unanswered: int
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    score: float | None
    interval: Interval | None = None
    worst: float | None = None
    best: float | None = None
    judge_cost: float | None = None


def summarise(runs: Iterable[Run], *, by_scenario: bool = False) -> list[Row]:
    """Sum up runs by model, or by scenario and model, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.scenario if by_scenario else "", run.llm), []).append(run)
    return [_row(scenario, llm, group) for (scenario, llm), group in groups.items()]


def _row(scenario: str, llm: str, runs: Sequence[Run]) -> Row:
    scores = [run.score for run in runs if run.score is not None]
    cases = list(scores_by_case(runs).values())
    seconds = [run.seconds for run in runs if not run.cached]
    return Row(
        scenario=scenario,
        llm=llm,
        runs=len(runs),
        unanswered=len(runs) - len(scores),
        seconds=fmean(seconds) if seconds else None,
        input_tokens=sum_known([run.input_tokens for run in runs]),
        output_tokens=sum_known([run.output_tokens for run in runs]),
        cost=sum_known([run.cost for run in runs]),
        score=sum(scores) / len(scores) if scores else None,
        interval=score_interval(cases),
        worst=fmean(map(min, cases)) if cases else None,
        best=fmean(map(max, cases)) if cases else None,
        judge_cost=sum_known([run.judge_cost for run in runs]) if any(run.judge for run in runs) else None,
    )


def scores_by_case(runs: Iterable[Run]) -> dict[tuple[str, str], list[float]]:
    """Give the scores of each case, by its task and its title; a case without a score is left out."""
    cases: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        if run.score is not None:
            cases.setdefault((run.task, run.scenario), []).append(run.score)
    return cases

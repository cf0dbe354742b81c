"""What `declarai-like eval` prints for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from declarai_like._cli._console import make_printer, table
from declarai_like.evals._reports import describe_failure, interval_text, is_wrong
from declarai_like.evals._statistics import sum_known
from declarai_like.evals._summaries import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from declarai_like.evals._runs import Run
    from declarai_like.evals._summaries import Row

__all__ = ["print_low_scores", "print_table"]

_HEADING = ("scenario", "model", "runs", "time", "in", "out", "cost", "worst", "score", "95 % interval")
_LEFT = 2


def print_table(
    runs: Sequence[Run], totals: Sequence[Row], changes: Sequence[str], agreements: Mapping[str, float | None]
) -> None:
    """Print the rows of each scenario and of each model, what was wrong, and what has changed."""
    print_styled = make_printer()
    rows = summarise(runs, by_scenario=True)
    cells = [*map(_cells, rows), *(_cells(replace(row, scenario="all")) for row in totals)]
    heading, *lines = table(_HEADING, cells, left=_LEFT)
    print_styled(heading, "bold")
    for line, row in zip(lines, [*rows, *totals], strict=True):
        print_styled(line, _style(row))
    for line, times in Counter(map(describe_failure, filter(is_wrong, runs))).items():
        print_styled(f"\n{line}" + (f" ({times} times)" if times > 1 else ""), "red")
    for line in [*_describe_kept(runs), *_describe_judges(runs, agreements), *changes]:
        print_styled(f"\n{line}", "bold")


def print_low_scores(rows: Iterable[Row], least: float | None) -> None:
    """Print the models whose mean score is below the least one."""
    print_styled = make_printer()
    for row in rows:
        score = _number(row.score, ".2f") or "none"
        print_styled(f"\n{row.llm}: a mean score of {score} is below {least}", "bold red")


def _describe_kept(runs: Sequence[Run]) -> Iterator[str]:
    kept = sum(run.cached for run in runs)
    if kept:
        yield f"{kept} of {len(runs)} answers were kept from evaluations of the last week: --fresh asks anew"


def _describe_judges(runs: Sequence[Run], agreements: Mapping[str, float | None]) -> Iterator[str]:
    for name, kappa in agreements.items():
        cost = _number(sum_known(run.judge_cost for run in runs if run.judge == name), ".6f", "$") or "not known"
        told = "it has no examples of its own" if kappa is None else f"Cohen's kappa on its own examples is {kappa:.2f}"
        yield f"judged by {name}: {told}; its cost, which is no part of the table, is {cost}"


def _style(row: Row) -> str:
    return "green" if row.score == 1 else "red" if not row.score else "yellow"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.scenario,
        row.llm,
        str(row.runs),
        "kept" if row.seconds is None else f"{row.seconds:.2f} s",
        _number(row.input_tokens, "d"),
        _number(row.output_tokens, "d"),
        _number(row.cost, ".6f", "$"),
        _number(row.worst, ".2f"),
        _number(row.score, ".2f"),
        interval_text(row.interval),
    )


def _number(value: float | None, form: str, unit: str = "") -> str:
    """Write a number; what is unknown is blank."""
    return "" if value is None else f"{unit}{value:{form}}"

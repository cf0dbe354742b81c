"""What many runs amount to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.evals._runs import Run

__all__ = ["Row", "summarise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The runs of one scenario on one model, or of all of them (`scenario` is `""` then).

    `score` and `seconds` are means, tokens and `cost` sums; `None` is unknown. `unanswered` runs have no score.
    """

    scenario: str
    llm: str
    runs: int
    unanswered: int
    seconds: float
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    score: float | None


def summarise(runs: Iterable[Run], *, by_scenario: bool = False) -> list[Row]:
    """Sum up runs by model, or by scenario and model, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.scenario if by_scenario else "", run.llm), []).append(run)
    return [_row(scenario, llm, group) for (scenario, llm), group in groups.items()]


def _row(scenario: str, llm: str, runs: Sequence[Run]) -> Row:
    scores = [run.score for run in runs if run.score is not None]
    costs = [run.cost for run in runs if run.cost is not None]
    inputs = [run.input_tokens for run in runs if run.input_tokens is not None]
    outputs = [run.output_tokens for run in runs if run.output_tokens is not None]
    return Row(
        scenario=scenario,
        llm=llm,
        runs=len(runs),
        unanswered=len(runs) - len(scores),
        seconds=sum(run.seconds for run in runs) / len(runs),
        input_tokens=sum(inputs) if len(inputs) == len(runs) else None,
        output_tokens=sum(outputs) if len(outputs) == len(runs) else None,
        cost=sum(costs) if len(costs) == len(runs) else None,
        score=sum(scores) / len(scores) if scores else None,
    )

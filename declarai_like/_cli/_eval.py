"""`declarai-like eval`: ask models the examples of tasks, and show how well they do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from declarai_like._cli._console import make_printer, table
from declarai_like._cli._models import read_model
from declarai_like._cli._progress import progress_bar
from declarai_like._cli._targets import declared_in, find, find_function
from declarai_like.errors import ConfigurationError
from declarai_like.evals._cases import Case, cases_of, read_cases
from declarai_like.evals._runs import jobs, perform
from declarai_like.evals._summaries import summarise
from declarai_like.tasks import BaseTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.evals._runs import Job, Run
    from declarai_like.evals._summaries import Row

__all__ = ["Settings", "evaluate_tasks"]

_HEADING = ("scenario", "model", "runs", "time", "in", "out", "cost", "score")
_LEFT = 2
_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `declarai-like eval` was told."""

    models: Sequence[str] = ()
    runs: int = 1
    concurrency: int = 4
    cases: str | None = None
    scorer: str | None = None
    tolerance: float = 0.0
    min_score: float | None = None
    as_json: bool = False


def evaluate_tasks(modules: Sequence[str], **options: Any) -> int:
    """Evaluate the tasks of modules, or single ones (`module:task`), and print a table.

    The options are those of `Settings`. Returns 1 if a model could not be asked, or has a mean score below `min_score`.
    """
    settings = Settings(**options)
    planned = _plan_jobs(_tasks(modules), settings)
    with progress_bar("Evaluating", sys.stderr, "calls") as progress:
        runs = asyncio.run(perform(planned, concurrency=settings.concurrency, progress=progress))
    totals = summarise(runs)
    least = settings.min_score
    low = [row for row in totals if least is not None and (row.score is None or row.score < least)]
    if settings.as_json:
        data = {"runs": list(map(_run_data, runs)), "models": list(map(_row_data, totals))}
        print(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        _print(runs, totals, [_explain_low_score(row, least) for row in low])
    return 1 if low or any(run.is_unanswered for run in runs) else 0


def _tasks(places: Sequence[str]) -> dict[str, BaseTask[..., Any, Any]]:
    """Find the tasks, by the names that cases call them."""
    tasks = {}
    for place in places:
        targets = {place: find(place)} if _is_single(place) else declared_in([place])
        tasks.update({name: target for name, target in targets.items() if isinstance(target, BaseTask)})
    if not tasks:
        raise ConfigurationError(f"there is no task in {', '.join(map(repr, places))}")
    return tasks


def _is_single(place: str) -> bool:
    """Tell `module:task` from a module; a drive's letter before a path is none."""
    return ":" in place[2:]


def _plan_jobs(tasks: dict[str, BaseTask[..., Any, Any]], settings: Settings) -> list[Job]:
    """Plan the runs of all tasks, the cases of a file among them."""
    cases = read_cases(settings.cases) if settings.cases else ()
    _refuse_strays(cases, tasks, str(settings.cases))
    scorer = None if settings.scorer is None else find_function(settings.scorer)
    llms = list(map(read_model, settings.models))
    try:
        planned = [
            job
            for name, task in tasks.items()
            for job in jobs(
                task,
                [*cases_of(task), *(case for case in cases if not case.task or case.task in _accepted_names(name))],
                llms=llms,
                runs=settings.runs,
                scorer=scorer,
                tolerance=settings.tolerance,
            )
        ]
    except TypeError as exc:
        raise ConfigurationError(
            f"{settings.cases}: the arguments of a case are not those of its task: {exc}"
        ).with_cause(exc) from None
    if not planned:
        raise ConfigurationError(
            f"there is nothing to ask {', '.join(tasks)}: "
            "write examples into a docstring, as `>>> rank('down')` and `5` below it, or give --cases"
        )
    return planned


def _accepted_names(name: str) -> tuple[str, str]:
    """Give what a case may call a task: with its module or without."""
    return name, name.rpartition(":")[2]


def _refuse_strays(cases: Iterable[Case], tasks: Iterable[str], where: str) -> None:
    """Refuse cases that would be asked of no task, or of all."""
    known = {name for task in tasks for name in _accepted_names(task)}
    for case in cases:
        if case.task and case.task not in known:
            raise ConfigurationError(f"{where}: there is no task {case.task!r} among {', '.join(tasks)}")
        if not case.task and len(list(tasks)) > 1:
            raise ConfigurationError(f'{where}: say in each case which "task" is meant: one of {", ".join(tasks)}')


def _explain_low_score(row: Row, least: float | None) -> str:
    return f"{row.llm}: a mean score of {_number(row.score, '.2f') or 'none'} is below {least}"


def _print(runs: Sequence[Run], totals: Sequence[Row], verdict: Sequence[str]) -> None:
    print_styled = make_printer()
    rows = summarise(runs, by_scenario=True)
    cells = [*map(_cells, rows), *(_cells(replace(row, scenario="all")) for row in totals)]
    heading, *lines = table(_HEADING, cells, left=_LEFT)
    print_styled(heading, "bold")
    for line, row in zip(lines, [*rows, *totals], strict=True):
        print_styled(line, _style(row))
    for line, times in Counter(map(_describe_failure, filter(_is_wrong, runs))).items():
        print_styled(f"\n{line}" + (f" ({times} times)" if times > 1 else ""), "red")
    for line in verdict:
        print_styled(f"\n{line}", "bold red")


def _style(row: Row) -> str:
    return "green" if row.score == 1 else "red" if not row.score else "yellow"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.scenario,
        row.llm,
        str(row.runs),
        f"{row.seconds:.2f} s",
        _number(row.input_tokens, "d"),
        _number(row.output_tokens, "d"),
        _number(row.cost, ".6f", "$"),
        _number(row.score, ".2f"),
    )


def _number(value: float | None, form: str, unit: str = "") -> str:
    """Write a number; what is unknown is blank."""
    return "" if value is None else f"{unit}{value:{form}}"


def _is_wrong(run: Run) -> bool:
    return run.score is None or run.score < 1


def _describe_failure(run: Run) -> str:
    """Tell what a model said in the place of the answer."""
    where = f"{run.scenario} on {run.llm}"
    if run.is_unanswered:
        return f"{where}: could not be asked: {run.error}"
    outcome = ""
    if run.error is not None:
        outcome = f", {type(run.error).__name__}"
    elif not isinstance(run.value, str):  # a text is its own raw answer
        outcome = f", got {run.value!r}"
    return f"{where}: expected {run.expected!r}{outcome} (score {run.score:.2f})\n  {run.text[:_LONGEST]!r}"


def _row_data(row: Row) -> dict[str, Any]:
    """Give a model's sum as plain data."""
    data = asdict(row)
    del data["scenario"]
    return {"model": data.pop("llm"), **data}


def _run_data(run: Run) -> Any:
    """Give a run as plain data."""
    from pydantic_core import to_jsonable_python

    data = {
        "task": run.task,
        "scenario": run.scenario,
        "model": run.llm,
        "arguments": run.case.arguments,
        "expected": run.expected,
        "value": run.value,
        "text": run.text,
        "score": run.score,
        "error": None if run.error is None else f"{type(run.error).__name__}: {run.error}",
        "seconds": round(run.seconds, 6),
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost": run.cost,
    }
    return to_jsonable_python(data, fallback=repr)

"""`declarai-like eval`: ask models the examples of tasks, and show how well they do."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._cli._eval_cache import open_cache, samples
from declarai_like._cli._eval_table import print_low_scores, print_table
from declarai_like._cli._following import as_json
from declarai_like._cli._models import read_model
from declarai_like._cli._progress import progress_bar
from declarai_like._cli._targets import declared_in, find, find_function
from declarai_like.errors import ConfigurationError
from declarai_like.evals._cases import Case, cases_of, read_cases
from declarai_like.evals._comparison import compare
from declarai_like.evals._files import read_baseline, write_report
from declarai_like.evals._judges import Judge
from declarai_like.evals._reports import (
    as_html,
    as_junit,
    as_markdown,
    describe_comparison,
)
from declarai_like.evals._runs import jobs, perform
from declarai_like.evals._summaries import summarise
from declarai_like.evals._tool_calls import calls_of
from declarai_like.tasks import BaseTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from declarai_like.evals._comparison import Comparison
    from declarai_like.evals._runs import Job, Run
    from declarai_like.evals._summaries import Row

__all__ = ["Settings", "evaluate_tasks", "exit_code"]

_COULD_NOT_RUN = 2


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
    baseline: str | None = None
    margin: float = 0.0
    until: float | None = None
    max_runs: int = 50
    junit: str | None = None
    markdown: str | None = None
    html: str | None = None
    fresh: bool = False


def evaluate_tasks(modules: Sequence[str], **options: Any) -> int:
    """Evaluate the tasks of modules, or single ones (`module:task`), and print a table.

    The options are those of `Settings`. Returns 1 if a model has a mean score below `min_score` or is worse than in
    the baseline, 2 if one could not be asked.
    """
    settings = Settings(**options)
    baseline = read_baseline(settings.baseline) if settings.baseline else {}
    once = _plan_jobs(_tasks(modules), settings)
    with progress_bar("Evaluating", sys.stderr, "calls") as progress:
        runs, agreements = asyncio.run(_perform(once, settings, progress))
    comparisons = compare(runs, baseline, margin=settings.margin) if settings.baseline else []
    _write_reports(runs, comparisons, baseline, settings)
    totals = summarise(runs)
    least = settings.min_score
    low = [row for row in totals if least is not None and (row.score is None or row.score < least)]
    if settings.as_json:
        print(as_json(_data(runs, totals, comparisons, agreements)))
    else:
        print_table(runs, totals, [describe_comparison(one) for one in comparisons], agreements)
        print_low_scores(low, least)
    return exit_code(runs, comparisons, is_low=bool(low))


def exit_code(runs: Sequence[Run], comparisons: Sequence[Comparison], *, is_low: bool) -> int:
    """Give 2 where a model could not be asked, 1 where one is not good enough, else 0."""
    if any(run.is_unanswered for run in runs):
        return _COULD_NOT_RUN
    return 1 if is_low or any(one.verdict == "worse" for one in comparisons) else 0


async def _perform(once: Sequence[Job], settings: Settings, progress: Any) -> tuple[list[Run], dict[str, float | None]]:
    """Make the runs, more of them until the means are known as well as is wanted; ask judges their own examples."""
    ask = partial(perform, concurrency=settings.concurrency, progress=progress)
    store = None if settings.fresh else open_cache()
    runs, made = await ask(samples(once, range(settings.runs), store)), settings.runs
    while settings.until is not None and made < settings.max_runs and _is_uncertain(runs, settings.until):
        runs += await ask(samples(once, [made], store))
        made += 1
    judges = {job.scorer.name: job.scorer for job in once if isinstance(job.scorer, Judge)}
    return runs, {name: await judge.agreement() for name, judge in judges.items()}


def _is_uncertain(runs: Sequence[Run], until: float) -> bool:
    intervals = [row.interval for row in summarise(runs)]
    return any(interval is None or interval.half_width > until for interval in intervals)


def _write_reports(
    runs: Sequence[Run], comparisons: Sequence[Comparison], baseline: Mapping[str, Any], settings: Settings
) -> None:
    reports: list[tuple[str | None, Callable[[], str]]] = [
        (settings.junit, lambda: as_junit(runs)),
        (settings.markdown, lambda: as_markdown(runs, comparisons)),
        (settings.html, lambda: as_html(runs, comparisons, baseline)),
    ]
    for path, make in reports:
        if path is not None:
            write_report(path, make())


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
    """Plan one run of each case of all tasks, those of a file among them."""
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


def _data(
    runs: Sequence[Run],
    totals: Sequence[Row],
    comparisons: Sequence[Comparison],
    agreements: Mapping[str, float | None],
) -> dict[str, Any]:
    """Give all as plain data, which is what `--baseline` reads."""
    data: dict[str, Any] = {"runs": list(map(_run_data, runs)), "models": list(map(_row_data, totals))}
    if comparisons:
        data["comparisons"] = list(map(asdict, comparisons))
    return {**data, "judges": agreements} if agreements else data


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
        "calls": calls_of(run.calls),
        "score": run.score,
        "error": None if run.error is None else f"{type(run.error).__name__}: {run.error}",
        "seconds": round(run.seconds, 6),
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost": run.cost,
        "judge": run.judge or None,
        "judge_cost": run.judge_cost,
        "cached": run.cached,
    }
    return to_jsonable_python(data, fallback=repr)

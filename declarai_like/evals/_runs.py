"""Asking cases, many at a time, and what came of each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from declarai_like._values.prices import price
from declarai_like.errors import CallError, DeclaraiError, LimitExceeded, OutputError, RunError
from declarai_like.evals._cases import ANY_ANSWER, Case, cases_of, expected_value, hold_out
from declarai_like.evals._judges import Judge
from declarai_like.evals._samples import with_kept_answers
from declarai_like.evals._scores import as_scorer, matches, score_of, scorer_of
from declarai_like.evals._statistics import sum_known
from declarai_like.evals._tool_calls import are_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from declarai_like._declarai import Declarai
    from declarai_like.completions import ToolRun, Usage
    from declarai_like.evals._scores import Scorer
    from declarai_like.middleware._cache_stores import CacheStore
    from declarai_like.tasks import BaseTask

__all__ = ["Job", "Run", "aevaluate", "evaluate", "jobs", "perform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One case, asked once.

    `score` is from 0 to 1, 0 for an answer that is not of the task's type, and `None` if the model could not be
    asked; `error` tells either. `text` is the raw answer. `seconds`, tokens and `cost` (in dollars) are those of all
    tries; `None` is unknown.
    """

    task: str
    case: Case
    llm: str
    value: Any = None
    expected: Any = None
    text: str = ""
    score: float | None = None
    error: DeclaraiError | None = None
    seconds: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    judge: str = ""
    """The task that judged the answer, with its model; empty where a function scored it."""
    judge_cost: float | None = None
    calls: tuple[ToolRun, ...] = ()
    """The tool calls, as far as the call went."""
    cached: bool = False
    """Whether the answer was kept from an earlier evaluation: `cost` is what it once cost, `seconds` say nothing."""

    @property
    def scenario(self) -> str:
        """The case in one short line."""
        return self.case.title(self.task)

    @property
    def is_unanswered(self) -> bool:
        """Whether the model could not be asked: its side or ours failed, and that says nothing of its answers."""
        return self.score is None


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is to be made; `task` has the prompt that leaves the case out."""

    task: BaseTask[..., Any, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    scorer: Scorer | Judge
    run: Run
    """What is known before."""

    def numbered(self, number: int, store: CacheStore | None) -> Job:
        """Give the run of this number, whose answer is kept in the store."""
        return self if store is None else replace(self, task=with_kept_answers(self.task, number, store))

    async def perform(self) -> Run:
        """Ask and score; what goes wrong with the call is told by the run."""
        start = time.perf_counter()
        try:
            result = await self.task.arun(*self.args, **self.kwargs)
        except (CallError, LimitExceeded, RunError) as exc:
            return self._record_failure(exc, time.perf_counter() - start)
        seconds = time.perf_counter() - start
        response = result.response
        told = {"value": result.value, "text": response.response, "calls": result.calls, "cached": response.cached}
        run = replace(self.run, seconds=seconds, **told)
        run = self._add_usage(run, [*(attempt.usage for attempt in result.attempts), result.usage])
        return await self._score(run)

    async def _score(self, run: Run) -> Run:
        """Score an answer, 0 where other tools were called; where the judge cannot be asked there is no score."""
        if not are_called(run.calls, run.case):
            return replace(run, score=0.0)
        if not isinstance(self.scorer, Judge):
            return replace(run, score=score_of(self.scorer, run.value, run.expected, run.task))
        try:
            judgement = await self.scorer.judge(run.value, run.expected, run.case.arguments)
        except CallError as exc:
            return replace(run, error=exc, judge=self.scorer.name)
        return replace(run, score=judgement.score, judge=self.scorer.name, judge_cost=judgement.cost)

    def _record_failure(self, error: CallError | LimitExceeded | RunError, seconds: float) -> Run:
        """Score words of the wrong type with 0; without words there is no score."""
        response = getattr(error, "response", None)
        text = "" if response is None else response.response
        score = 0.0 if isinstance(error, OutputError) else None
        run = replace(self.run, text=text, score=score, error=error, seconds=seconds)
        return self._add_usage(run, [attempt.usage for attempt in getattr(error, "attempts", ())])

    def _add_usage(self, run: Run, usages: Sequence[Usage | None]) -> Run:
        provider, _, model = run.llm.partition(":")
        return replace(
            run,
            input_tokens=sum_known(usage.prompt_tokens if usage else None for usage in usages),
            output_tokens=sum_known(usage.completion_tokens if usage else None for usage in usages),
            cost=price(provider, model, usages) if usages else None,
        )


def evaluate(
    task: BaseTask[..., Any, Any],
    cases: Iterable[Case] | None = None,
    *,
    llms: Sequence[Declarai | str] = (),
    runs: int = 1,
    concurrency: int = 4,
    scorer: Scorer | None = None,
    tolerance: float = 0.0,
    cache: CacheStore | None = None,
) -> list[Run]:
    """Ask a task each of its cases and score the answers; without `cases`, those of its docstring.

    `llms` are the models to compare, a `str` being another model of the task's own provider; without them the task's
    own is asked. `concurrency` is how many calls are made at a time. A `scorer`, or the one of `scored_by`, is given
    the value and the expected one; without it an answer is right if it `matches`. A case whose example stands in the
    docstring is asked without that example. A `cache` keeps the answer of each run, and gives it again for a week.
    Raises `TypeError` and `ConfigurationError` for cases that do not fit.

    It runs an event loop: where one is running already, await `aevaluate`.

    >>> from declarai_like.testing import FakeLLM
    >>> from declarai_like.evals import Case
    >>> @FakeLLM([5, 1]).task
    ... def rank(message: str) -> int:
    ...     "Rank the severity of a message"
    >>> runs = evaluate(rank, [Case({"message": "Fire!"}, 5), Case({"message": "Thanks"}, 2)], concurrency=1)
    >>> [run.score for run in runs]
    [1.0, 0.0]
    """
    planned = jobs(task, cases, llms=llms, runs=runs, scorer=scorer, tolerance=tolerance, cache=cache)
    return asyncio.run(perform(planned, concurrency=concurrency))


async def aevaluate(
    task: BaseTask[..., Any, Any],
    cases: Iterable[Case] | None = None,
    *,
    llms: Sequence[Declarai | str] = (),
    runs: int = 1,
    concurrency: int = 4,
    scorer: Scorer | None = None,
    tolerance: float = 0.0,
    cache: CacheStore | None = None,
) -> list[Run]:
    """Do what `evaluate` does, in a running event loop."""
    planned = jobs(task, cases, llms=llms, runs=runs, scorer=scorer, tolerance=tolerance, cache=cache)
    return await perform(planned, concurrency=concurrency)


def jobs(
    task: BaseTask[..., Any, Any],
    cases: Iterable[Case] | None = None,
    *,
    llms: Sequence[Declarai | str] = (),
    runs: int = 1,
    scorer: Scorer | None = None,
    tolerance: float = 0.0,
    cache: CacheStore | None = None,
) -> list[Job]:
    """Plan the runs of a task; the arguments are those of `evaluate`."""
    chosen = as_scorer(scorer) if scorer else scorer_of(task)
    chosen = chosen or (lambda value, expected: expected is ANY_ANSWER or matches(value, expected, tolerance=tolerance))
    chosen_cases = list(cases_of(task) if cases is None else cases)
    once = [_job(task, case, llm, chosen) for llm in llms or (None,) for case in chosen_cases]
    return [job.numbered(number, cache) for job in once for number in range(runs)]


async def perform(
    planned: Sequence[Job], *, concurrency: int, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[Run]:
    """Make all runs, so many at a time; `progress` hears how many are done, and how many there are."""
    gate = asyncio.Semaphore(concurrency)
    done = 0

    async def make(job: Job) -> Run:
        nonlocal done
        async with gate:
            run = await job.perform()
        done += 1
        progress(done, len(planned))
        return run

    return list(await asyncio.gather(*map(make, planned)))


def _job(task: BaseTask[..., Any, Any], case: Case, llm: Declarai | str | None, scorer: Scorer | Judge) -> Job:
    declared = task.declared if llm is None else task.declared.with_model(llm)
    prompt, bound = hold_out(declared.signature, declared.output, declared.options, case)
    varied = task.with_declaration(declared._replace(prompt=prompt))
    name = declared.signature.name
    expected = expected_value(case, declared.output, name)
    run = Run(task=name, case=case, llm=declared.model_name, expected=expected)
    return Job(varied, bound.args, bound.kwargs, scorer, run)

"""Evaluations for other programs to show: JUnit's XML, Markdown, and a page of differences."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from declarai_like._writing.texts import mend_surrogates
from declarai_like.evals._summaries import summarise
from declarai_like.evals._tool_calls import are_called, calls_of, spell_calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jinja2 import Template

    from declarai_like.evals._comparison import Comparison
    from declarai_like.evals._runs import Run
    from declarai_like.evals._statistics import Interval
    from declarai_like.evals._summaries import Row

__all__ = ["as_html", "as_junit", "as_markdown", "describe_comparison", "describe_failure", "interval_text", "is_wrong"]

_LONGEST = 500


def as_junit(runs: Sequence[Run]) -> str:
    """Give runs as JUnit's XML: a suite for each model, a case for each question that fails if a run was wrong."""
    root = ET.Element("testsuites", name="declarai-like eval")
    for row in summarise(runs):
        own = [run for run in runs if run.llm == row.llm]
        suite = ET.SubElement(root, "testsuite", name=row.llm, time=f"{sum(run.seconds for run in own):.3f}")
        cases = _by_case(own)
        for (task, scenario), group in cases.items():
            _add_case(suite, task, scenario, group)
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(len(suite.findall("*/failure"))))
        suite.set("errors", str(len(suite.findall("*/error"))))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, task: str, scenario: str, runs: Sequence[Run]) -> None:
    seconds = sum(run.seconds for run in runs)
    case = ET.SubElement(suite, "testcase", classname=task, name=_without_controls(scenario), time=f"{seconds:.3f}")
    wrong = list(filter(is_wrong, runs))
    if wrong:
        kind = "error" if all(run.is_unanswered for run in wrong) else "failure"
        told = ET.SubElement(case, kind, message=f"{len(runs) - len(wrong)} of {len(runs)} runs are right")
        told.text = _without_controls("\n".join(dict.fromkeys(map(describe_failure, wrong))))


def as_markdown(runs: Sequence[Run], comparisons: Sequence[Comparison] = ()) -> str:
    """Give runs as a comment for a pull request: a table of the models, what has changed, what was wrong."""
    lines = ["| model | runs | score | 95 % interval | worst run | cost |", "| --- | ---: | ---: | --- | ---: | ---: |"]
    lines += [f"| {' | '.join(_markdown(cell) for cell in _cells(row))} |" for row in summarise(runs)]
    if comparisons:
        lines += ["", *(f"- {_markdown(describe_comparison(one))}" for one in comparisons)]
    wrong = list(dict.fromkeys(describe_failure(run) for run in runs if is_wrong(run)))
    if wrong:
        lines += ["", f"<details><summary>{len(wrong)} wrong answers</summary>", "", "```text"]
        lines += [_without_controls(line).replace("```", "'''") for line in wrong] + ["```", "", "</details>"]
    return "\n".join(lines) + "\n"


def as_html(
    runs: Sequence[Run],
    comparisons: Sequence[Comparison] = (),
    before: Mapping[str, Mapping[Any, list[float]]] | None = None,
) -> str:
    """Give runs as a page: the models side by side, each case with its answers, changed ones first."""
    models = list(dict.fromkeys(run.llm for run in runs))
    baseline = _scores_before(before or {}, models)
    cases: list[dict[str, Any]] = [
        {
            "title": scenario,
            "expected": repr(group[0].expected),
            "models": [_case_of(llm, group, (baseline.get(llm) or {}).get((task, scenario))) for llm in models],
        }
        for (task, scenario), group in _by_case(runs).items()
    ]
    cases.sort(key=lambda case: not any(model["change"] for model in case["models"]))
    return _template().render(
        rows=[(row, interval_text(row.interval)) for row in summarise(runs)],
        comparisons=list(map(describe_comparison, comparisons)),
        models=models,
        cases=cases,
        has_baseline=bool(baseline),
    )


def _case_of(llm: str, runs: Iterable[Run], before: Sequence[float] | None) -> dict[str, Any]:
    own = [run for run in runs if run.llm == llm]
    scores = [run.score for run in own if run.score is not None]
    score = sum(scores) / len(scores) if scores else None
    old = sum(before) / len(before) if before else None
    return {
        "score": score,
        "before": old,
        "change": None if score is None or old is None or score == old else score - old,
        "answers": list(dict.fromkeys(_answer(run) for run in own)),
    }


def _answer(run: Run) -> str:
    return f"{type(run.error).__name__}: {run.error}" if run.is_unanswered else run.text[:_LONGEST]


def _scores_before(before: Mapping[str, Mapping[Any, list[float]]], models: Sequence[str]) -> Mapping[str, Any]:
    """Give the scores of the baseline by model; a single one stands beside a single one whatever their names."""
    return {models[0]: next(iter(before.values()))} if len(models) == len(before) == 1 else before


def describe_failure(run: Run) -> str:
    """Tell what a model said in the place of the answer."""
    where = f"{run.scenario} on {run.llm}"
    if run.is_unanswered:
        return f"{where}: could not be asked: {run.error}"
    outcome = ""
    if run.error is not None:
        outcome = f", {type(run.error).__name__}"
    elif not are_called(run.calls, run.case):
        outcome = f" after {spell_calls(run.case.calls or ())}, but it called {spell_calls(calls_of(run.calls))}"
    elif not isinstance(run.value, str):  # a text is its own raw answer
        outcome = f", got {run.value!r}"
    return f"{where}: expected {run.expected!r}{outcome} (score {run.score:.2f})\n  {run.text[:_LONGEST]!r}"


def describe_comparison(comparison: Comparison) -> str:
    """Tell what has become of a model since the baseline, in one line."""
    told = (
        f"{comparison.llm}: {comparison.verdict}: {comparison.before:.2f} before, {comparison.after:.2f} now, over "
        f"{comparison.cases} cases; the difference is {comparison.difference:+.2f}"
    )
    if comparison.interval is not None:
        told += f" ({comparison.interval.low:+.2f} to {comparison.interval.high:+.2f})"
    return f"{told}; {comparison.advice}" if comparison.advice else told


def interval_text(interval: Interval | None) -> str:
    """Write an interval; what is unknown is blank."""
    return "" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"


def is_wrong(run: Run) -> bool:
    """Say whether a run has anything but the full score."""
    return run.score is None or run.score < 1


def _by_case(runs: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
    cases: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        cases.setdefault((run.task, run.scenario), []).append(run)
    return cases


def _cells(row: Row) -> tuple[str, ...]:
    score, worst = (("" if number is None else f"{number:.2f}") for number in (row.score, row.worst))
    cost = "" if row.cost is None else f"${row.cost:.6f}"
    return row.llm, str(row.runs), score, interval_text(row.interval), worst, cost


def _markdown(text: str) -> str:
    return _without_controls(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _without_controls(text: str) -> str:
    """Leave out what neither XML nor a file can hold: control characters and halves of surrogate pairs."""
    return "".join(character for character in mend_surrogates(text) if character >= " " or character in "\t\n")


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("declarai_like.evals"), autoescape=True, trim_blocks=True).get_template(
        "report.html"
    )

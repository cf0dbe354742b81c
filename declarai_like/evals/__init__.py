"""How well a model does a task: its examples, asked and scored.

The `>>>` examples of a task's docstring are its cases; each is asked with a prompt that leaves it out.

    from declarai_like.evals import evaluate, summarise

    runs = evaluate(rank, llms=[declarai.local(), "gpt-4o-mini"], runs=3)
    for row in summarise(runs):
        print(row.llm, row.score, row.seconds, row.cost)

`declarai-like eval MODULE` does the same for all tasks of a module.
"""

from declarai_like.evals._cases import Case, cases_of, read_cases
from declarai_like.evals._runs import Run, aevaluate, evaluate
from declarai_like.evals._scores import Scorer, matches, scored_by
from declarai_like.evals._summaries import Row, summarise

__all__ = [
    "Case",
    "Row",
    "Run",
    "Scorer",
    "aevaluate",
    "cases_of",
    "evaluate",
    "matches",
    "read_cases",
    "scored_by",
    "summarise",
]

"""How good an answer is: 1 for the one that is expected, 0 for a wrong one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from declarai_like.errors import DefinitionError
from declarai_like.evals._judges import Judge
from declarai_like.tasks import BaseTask

__all__ = ["Scorer", "as_scorer", "matches", "score_of", "scored_by", "scorer_of"]

F = TypeVar("F")

Scorer = Callable[[Any, Any], float]
"""Takes the value that came and the one that was expected, and gives a score from 0 to 1; `True` is 1."""
_ATTRIBUTE = "__declarai_scorer__"


def scored_by(scorer: Callable[..., Any], *, scale: Mapping[Any, float] | None = None) -> Callable[[F], F]:
    """Say how a task's answers are scored; stands above `@llm.task` or below it.

    A scorer that is a task is a judge: it is shown an answer (`value`), what was `expected`, and the arguments of the
    case, as far as it has parameters of these names; with `first` and `second` it compares the two, and is asked in
    both orders. It gives a `bool`, a number from 0 to 1, a `Literal` of numbers, or a `Literal` of texts whose scores
    `scale` tells; or a model whose last field is one of these. Raises `DefinitionError` for another one.
    """
    chosen = as_scorer(scorer, scale)

    def mark(task: F) -> F:
        setattr(task, _ATTRIBUTE, chosen)
        return task

    return mark


def scorer_of(task: Any) -> Scorer | Judge | None:
    """Give what `scored_by` said of a task, if anything."""
    scorer: Scorer | Judge | None = getattr(task, _ATTRIBUTE, None)
    return scorer


def as_scorer(scorer: Any, scale: Mapping[Any, float] | None = None) -> Scorer | Judge:
    """Give a function as it is, and a task as a judge."""
    if isinstance(scorer, BaseTask):
        return Judge(scorer, scale or {})
    if scale is not None:
        raise DefinitionError("scale= tells the scores of a judge's verdicts, and this scorer is no task")
    return scorer  # type: ignore[no-any-return]  # a function, or a judge already


def matches(value: Any, expected: Any, *, tolerance: float = 0.0) -> bool:
    """Say whether a value is the expected one.

    White space around texts does not count. Numbers may differ by `tolerance`, also those inside of lists and
    objects.
    """
    if isinstance(value, str) and isinstance(expected, str):
        return value.strip() == expected.strip()
    if value == expected:
        return True
    return tolerance > 0 and _is_near(_to_json_data(value), _to_json_data(expected), tolerance)


def score_of(scorer: Scorer, value: Any, expected: Any, where: str) -> float:
    """Score an answer; raises `DefinitionError` if the scorer fails or gives no number."""
    try:
        score = float(scorer(value, expected))
    except Exception as exc:  # a scorer is the user's, and can fail in any way; here that becomes our error
        raise DefinitionError(f"the scorer of {where} failed: {type(exc).__name__}: {exc}") from exc
    if not math.isfinite(score):
        raise DefinitionError(f"the scorer of {where} gave {score}: expected a number from 0 to 1")
    return score


def _is_near(value: Any, expected: Any, tolerance: float) -> bool:
    if _is_number(value) and _is_number(expected):
        return bool(abs(value - expected) <= tolerance + math.ulp(max(abs(value), abs(expected))))
    if isinstance(value, list) and isinstance(expected, list):
        pairs = zip(value, expected, strict=False)
        return len(value) == len(expected) and all(_is_near(one, other, tolerance) for one, other in pairs)
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        return value.keys() == expected.keys() and all(_is_near(value[k], expected[k], tolerance) for k in expected)
    return bool(value == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _to_json_data(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=repr)

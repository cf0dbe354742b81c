"""How good an answer is: 1 for the one that is expected, 0 for a wrong one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from declarai_like.errors import DefinitionError

__all__ = ["Scorer", "matches", "score_of", "scored_by", "scorer_of"]

F = TypeVar("F")

Scorer = Callable[[Any, Any], float]
"""Takes the value that came and the one that was expected, and gives a score from 0 to 1; `True` is 1."""
_ATTRIBUTE = "__declarai_scorer__"


def scored_by(scorer: Scorer) -> Callable[[F], F]:
    """Say how a task's answers are scored; stands above `@llm.task` or below it."""

    def mark(task: F) -> F:
        setattr(task, _ATTRIBUTE, scorer)
        return task

    return mark


def scorer_of(task: Any) -> Scorer | None:
    """Give what `scored_by` said of a task, if anything."""
    scorer: Scorer | None = getattr(task, _ATTRIBUTE, None)
    return scorer


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

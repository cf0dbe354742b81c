"""Tasks that judge: a model says how good another one's answer is."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from declarai_like.errors import CallError, DefinitionError
from declarai_like.evals._cases import cases_of, expected_value, hold_out
from declarai_like.evals._statistics import agreement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from declarai_like.responses import Result
    from declarai_like.tasks import BaseTask

__all__ = ["Judge", "Judgement"]

_PAIR = ("first", "second")
_COMPARED = {"first": 1.0, "second": 0.0, "equal": 0.5, "tie": 0.5, "neither": 0.5, "both": 0.5}
"""What is scored of a comparison: how much better the first answer is."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge has said of an answer: a score from 0 to 1, its verdicts, and what they have cost in dollars."""

    score: float
    verdicts: tuple[Any, ...]
    cost: float | None


class Judge:
    """A task that takes an answer and gives a verdict.

    Its parameters say what it is shown: `value` or `answer`, `expected`, and any argument of the case by its name.
    With `first` and `second` it compares the answer to the expected one, and is asked twice, each time in another
    order. The verdict is a `bool`, a number from 0 to 1, a `Literal`, or a model whose last field is one of these: so
    the reason comes before it. `scale` has the score of each text of a `Literal`.
    """

    def __init__(self, task: BaseTask[..., Any, Any], scale: Mapping[Any, float] = MappingProxyType({})) -> None:
        self._task = task
        self._parameters = task.declared.signature.signature.parameters
        self._compares = all(name in self._parameters for name in _PAIR)
        scale = scale or (_COMPARED if self._compares else scale)
        self._scale = scale_of(task.declared.output.annotation, scale, task.__name__)

    @property
    def name(self) -> str:
        """The judge's name with its model."""
        return f"{self._task.__name__} on {self._task.declared.model_name}"

    async def judge(self, value: Any, expected: Any, arguments: Mapping[str, Any]) -> Judgement:
        """Ask about an answer; raises the errors of the call."""
        if self._compares:
            orders = [dict(zip(_PAIR, order, strict=True)) for order in ((value, expected), (expected, value))]
        else:
            orders = [{}]
        shown = {**arguments, "value": value, "answer": value, "expected": expected}
        results = [await self._ask({**shown, **order}) for order in orders]
        scores = [self._score(result.value, place) for result, place in zip(results, _PAIR, strict=False)]
        costs = [result.cost for result in results]
        known = [cost for cost in costs if cost is not None]
        return Judgement(
            sum(scores) / len(scores),
            tuple(verdict_of(result.value) for result in results),
            sum(known) if len(known) == len(costs) else None,
        )

    async def agreement(self) -> float | None:
        """Ask the judge its own examples, each without itself, and give Cohen's kappa.

        `None` where there are no examples, or the judge could not be asked.
        """
        try:
            return agreement([pair async for pair in self._own_examples()])
        except CallError:
            return None

    async def _own_examples(self) -> AsyncIterator[tuple[Any, Any]]:
        """Give the judge's verdict on each of its examples with the one that stands there."""
        declared = self._task.declared
        for case in cases_of(self._task):
            prompt, bound = hold_out(declared.signature, declared.output, declared.options, case)
            judge = self._task.with_declaration(declared._replace(prompt=prompt))
            result = await judge.arun(*bound.args, **bound.kwargs)
            expected = expected_value(case, declared.output, self._task.__name__)
            yield verdict_of(result.value), verdict_of(expected)

    async def _ask(self, shown: Mapping[str, Any]) -> Result[Any]:
        return await self._task.arun(**{name: shown[name] for name in self._parameters if name in shown})

    def _score(self, verdict: Any, place: str) -> float:
        """Give a verdict's score; of a comparison it is for the answer that stands at `place`."""
        chosen = verdict_of(verdict)
        score = self._scale[chosen] if self._scale else float(chosen)
        return 1 - score if self._compares and place == _PAIR[1] else score


def verdict_of(value: Any) -> Any:
    """Give the verdict itself: the last field of a model, or the value."""
    fields = getattr(type(value), "model_fields", None)
    return value if not fields else getattr(value, list(fields)[-1])


def scale_of(annotation: Any, told: Mapping[Any, float], name: str) -> dict[Any, float]:
    """Give the score of each verdict that a judge may give; empty where the verdict is its own score.

    Numbers of a `Literal` are scored by their size, texts by what is `told`. Raises `DefinitionError` for a type that
    is no verdict, and for texts that nobody has put in order.
    """
    fields = getattr(annotation, "model_fields", None)
    kind = list(fields.values())[-1].annotation if fields else annotation
    labels = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    if told and set(labels) <= set(told):
        return dict(told)
    if labels and all(isinstance(label, int) for label in labels) and len(set(labels)) > 1:
        low, high = min(labels), max(labels)
        return {label: (label - low) / (high - low) for label in labels}
    if kind in (bool, int, float) and not told:
        return {}
    raise DefinitionError(
        f"the judge {name} gives {annotation!r:.80}: expected a bool, a number from 0 to 1, a Literal of numbers, or a "
        'Literal of texts with their scores, as in scored_by(judge, scale={"right": 1, "wrong": 0}); or a model whose '
        "last field is one of these"
    )

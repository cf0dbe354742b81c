"""Tasks that judge: what they are shown, what their verdicts are worth, and how far they can be trusted."""

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.errors import DefinitionError
from declarai_like.evals import Case, evaluate, scored_by, summarise
from declarai_like.evals._judges import Judge
from declarai_like.providers.base import BaseLLM, PredictingProvider
from declarai_like.responses import LLMResponse


class Reasoned(BaseModel):
    reason: str
    verdict: Literal["right", "partly", "wrong"]


SCALE = {"right": 1, "partly": 0.5, "wrong": 0}


def model(answer):
    """Make a model that answers what a function makes of the last message."""

    class Answering(BaseLLM):
        def predict(self, messages, stream=False, **params):  # noqa: FBT002 - the signature of predict
            return LLMResponse(
                response=answer(messages[-1].message),
                usage={"prompt_tokens": 10, "completion_tokens": 1},
                model="gpt-4o",
            )

    return declarai.Declarai.of(PredictingProvider(Answering(), name="openai", model="gpt-4o", streaming=False))


def answering(text):
    @model(lambda _: text).task
    def capital(country: str) -> str:
        """Name the capital of {country}"""

    return capital


CASES = [Case({"country": "France"}, "Paris")]


def test_a_judge_is_shown_the_answer_the_expected_one_and_the_arguments():
    shown = []

    @model(lambda message: shown.append(message) or "true").task
    def is_right(country: str, value: str, expected: str) -> bool:
        """Is {value} as good as {expected} for {country}?"""

    (run,) = evaluate(answering("Paris, of course"), CASES, scorer=is_right)
    assert "Is Paris, of course as good as Paris for France?" in shown[0]
    assert (run.score, run.judge) == (1, "is_right on openai:gpt-4o")
    assert run.judge_cost > 0


def test_a_verdict_comes_after_its_reason_and_is_scored_by_the_scale():
    @model(lambda _: '{"reason": "No city", "verdict": "partly"}').task
    def grade(answer: str, expected: str) -> Reasoned:
        """Grade {answer}, where {expected} is wanted"""

    task = scored_by(grade, scale=SCALE)(answering("France"))
    (run,) = evaluate(task, CASES)
    assert run.score == 0.5
    (row,) = summarise([run])
    assert row.judge_cost == run.judge_cost
    assert row.cost == run.cost


def test_a_comparison_is_made_in_both_orders():
    @model(lambda message: "first" if message.index("Paris") < message.index("Lyon") else "second").task
    def better(first: str, second: str) -> Literal["first", "second", "equal"]:
        """Which is better: {first} or {second}?"""

    assert evaluate(answering("Lyon"), CASES, scorer=better)[0].score == 0
    cases = [Case({"country": "France"}, "Lyon")]
    assert evaluate(answering("Paris"), cases, scorer=better)[0].score == 1

    @model(lambda _: "first").task
    def prefers_the_first(first: str, second: str) -> Literal["first", "second", "equal"]:
        """Which is better: {first} or {second}?"""

    assert evaluate(answering("Lyon"), CASES, scorer=prefers_the_first)[0].score == 0.5


@pytest.mark.parametrize(
    ("annotation", "text", "score"),
    [(bool, "false", 0), (float, "0.3", 0.3), (Literal[1, 2, 3, 4, 5], "4", 0.75), (Literal[5, 1], "1", 0)],
)
def test_numbers_are_scored_by_their_size(annotation, text, score):
    def grade(value: str):
        """Grade {value}"""

    grade.__annotations__["return"] = annotation
    assert evaluate(answering("Paris"), CASES, scorer=model(lambda _: text).task(grade))[0].score == score


@pytest.mark.parametrize("annotation", [str, list[int], Literal["good", "bad"], Literal[1]])
def test_what_nobody_has_put_in_order_is_no_verdict(annotation):
    def grade(value: str):
        """Grade {value}"""

    grade.__annotations__["return"] = annotation
    with pytest.raises(DefinitionError, match=r"the judge grade gives .*expected a bool"):
        scored_by(declarai.offline().task(grade))


def test_a_scale_is_of_a_judge():
    with pytest.raises(DefinitionError, match="this scorer is no task"):
        scored_by(lambda value, expected: 1, scale=SCALE)


def test_a_judge_that_cannot_be_asked_gives_no_score():
    @model(lambda _: "perhaps").task
    def is_right(value: str) -> bool:
        """Is {value} right?"""

    (run,) = evaluate(answering("Paris"), CASES, scorer=is_right)
    assert run.is_unanswered
    assert (type(run.error).__name__, run.judge) == ("OutputError", "is_right on openai:gpt-4o")


@pytest.mark.parametrize(
    ("answer", "kappa"), [(lambda m: "false" if "Lyon" in m else "true", 1), (lambda m: "?", None)]
)
def test_a_judge_is_judged_by_its_own_examples(answer, kappa):
    @model(answer).task
    def is_right(value: str, expected: str) -> bool:
        """Is the value as good as what is expected?

        >>> is_right("Paris", "Paris")
        True
        >>> is_right("Lyon", "Paris")
        False
        """

    assert asyncio.run(Judge(is_right).agreement()) == kappa


def test_a_judge_without_examples_has_no_agreement():
    @model(lambda _: "true").task
    def is_right(value: str) -> bool:
        """Is {value} right?"""

    assert asyncio.run(Judge(is_right).agreement()) is None

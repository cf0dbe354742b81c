"""Evaluations of tasks with tools: which are called, beside those that a case expects."""

import json

import pytest

from declarai_like.evals import Case, evaluate, read_cases, scored_by
from declarai_like.evals._reports import describe_failure
from declarai_like.testing import FakeLLM, reply, tool_call


def find(number: int, fast: bool = False) -> str:  # noqa: FBT001, FBT002 - a tool's parameter
    """Find"""
    raise ConnectionError("the real one")


def stub(number: int, fast: bool = False) -> str:  # noqa: FBT001, FBT002 - a tool's parameter
    return f"found {number}"


stub.__name__ = "find"
FIND_1 = {"tool": "find", "arguments": {"number": 1}}
FIND_2 = {"tool": "find", "arguments": {"number": 2}}
ANY_FIND = {"tool": "find"}


def asking(llm, **options):
    @llm.task(tools=[find], **options)
    def ask(question: str) -> str:
        """{question}"""

    return ask.with_options(tools=[stub])


def evaluated(case, *calls, answer="done"):
    rounds = [tool_call("find", {"number": number}) for number in calls]
    (run,) = evaluate(asking(FakeLLM([*rounds, answer])), [case])
    return run


@pytest.mark.parametrize(
    ("expected", "made", "in_order", "score"),
    [
        ([FIND_1, FIND_2], [1, 2], True, 1),
        ([FIND_1, FIND_2], [2, 1], True, 0),
        ([FIND_1, FIND_2], [2, 1], False, 1),
        ([FIND_1, FIND_2], [1], False, 0),
        ([FIND_1], [1, 2], False, 0),
        ([FIND_1], [2], False, 0),
        ([], [], False, 1),
        ([], [1], False, 0),
        ([ANY_FIND], [7], False, 1),
        ([ANY_FIND, FIND_1], [1, 2], False, 1),
        ([{"tool": "other"}], [1], False, 0),
        (None, [1, 2], False, 1),
    ],
)
def test_calls_are_those_that_the_case_expects(expected, made, in_order, score):
    run = evaluated(Case({"question": "?"}, calls=expected, in_order=in_order), *made)
    assert run.score == score
    assert [call.value for call in run.calls] == [f"found {number}" for number in made]


def test_calls_of_one_answer_count_as_well():
    both = reply(calls=[("find", {"number": 2}), ("find", {"number": 1})])
    (run,) = evaluate(asking(FakeLLM([both, "done"])), [Case({"question": "?"}, calls=[FIND_1, FIND_2])])
    assert run.score == 1


@pytest.mark.parametrize(("answer", "score"), [("done", 1), ("no", 0)])
def test_right_calls_need_the_right_answer_too(answer, score):
    assert evaluated(Case({"question": "?"}, "done", calls=[FIND_1]), 1, answer=answer).score == score


def test_scorer_is_asked_where_any_answer_is_right():
    seen = []

    def is_short(value, expected):
        seen.append(str(expected))
        return len(value) < 3

    task = scored_by(is_short)(asking(FakeLLM([tool_call("find", {"number": 1}), "long"])))
    (run,) = evaluate(task, [Case({"question": "?"}, calls=[FIND_1])])
    assert (run.score, seen) == (0, ["any answer"])


def test_wrong_calls_are_told():
    run = evaluated(Case({"question": "?"}, calls=[ANY_FIND, FIND_2], name="two"), 1)
    told = "two on fake:fake: expected any answer after find(...), find(number=2), but it called find(number=1)"
    assert describe_failure(run) == f"{told} (score 0.00)\n  'done'"
    assert "but it called no tool" in describe_failure(evaluated(Case({"question": "?"}, calls=[FIND_1])))


def test_calls_are_read_from_lines_of_json(tmp_path):
    line = {"arguments": {"question": "?"}, "calls": [FIND_1], "in_order": True}
    (tmp_path / "cases.jsonl").write_text(json.dumps(line))
    assert read_cases(tmp_path / "cases.jsonl") == (Case({"question": "?"}, calls=[FIND_1], in_order=True),)

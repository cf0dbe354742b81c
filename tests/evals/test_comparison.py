"""Better, worse, or cannot tell: and wrong about it in few of many simulated evaluations."""

from random import Random

import pytest

from declarai_like.errors import ConfigurationError
from declarai_like.evals import Case, Run
from declarai_like.evals._comparison import compare


def runs(scores, llm="m"):
    """Make runs of cases `0`, `1`, ... with these scores each."""
    return [
        Run(task="t", case=Case({}, 1, name=str(case)), llm=llm, score=score)
        for case, own in enumerate(scores)
        for score in own
    ]


def baseline(scores, llm="m"):
    return {llm: {("t", str(case)): own for case, own in enumerate(scores)}}


def verdict(before, after, **options):
    (comparison,) = compare(runs(after), baseline(before), **options)
    return comparison


def test_clear_changes_are_told():
    low, high = [[0.2, 0.3], [0.1, 0.4]] * 8, [[0.9, 0.8], [0.7, 1.0]] * 8
    better, worse = verdict(low, high), verdict(high, low)
    assert (better.verdict, worse.verdict) == ("better", "worse")
    assert (better.cases, round(better.difference, 2), better.advice) == (16, 0.6, "")
    assert better.interval.low > 0.5


def test_a_fall_within_the_margin_is_not_worse():
    before, after = [[0.9, 0.8]] * 5 + [[0.8, 0.8]] * 5, [[0.8, 0.7]] * 5 + [[0.75, 0.7]] * 5
    assert verdict(before, after).verdict == "worse"
    assert verdict(before, after, margin=0.2).verdict == "cannot tell"


def test_one_run_each_is_tested_exactly():
    assert verdict([[1.0]] * 10, [[1.0]] * 5 + [[0.0]] * 5).verdict == "cannot tell"  # 5 of 5: p is 0.0625
    assert verdict([[1.0]] * 10, [[1.0]] * 4 + [[0.0]] * 6).verdict == "worse"
    assert verdict([[0.0]] * 10, [[0.0]] * 4 + [[1.0]] * 6).verdict == "better"


@pytest.mark.parametrize(
    ("before", "after", "advice"),
    [
        ([[0.0]], [[1.0]], "one case tells nothing of others: give more cases"),
        ([[0.0], [1.0]], [[1.0], [0.0]], "no difference is seen"),
        ([[0.0], [1.0], [1.0], [1.0]], [[1.0], [1.0], [1.0], [1.0]], "cases like these would tell"),
        (
            [[0, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 1]],
            [[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 1, 1]],
            "about 244 runs of each case, in both, would tell",
        ),
    ],
)
def test_what_would_tell_is_told(before, after, advice):
    comparison = verdict(before, after)
    assert comparison.verdict == "cannot tell"
    assert advice in comparison.advice


def test_models_are_compared_by_name_and_single_ones_whatever_their_names():
    one, two = [[0.0]] * 3, [[1.0]] * 3
    both = baseline(one, "a") | baseline(two, "b")
    told = compare(runs(two, "a") + runs(one, "c"), both)
    assert [(comparison.llm, comparison.before, comparison.after) for comparison in told] == [("a", 0, 1)]
    (alone,) = compare(runs(two, "new"), baseline(one, "old"))
    assert (alone.llm, alone.before, alone.after) == ("new", 0, 1)


def test_cases_that_both_have_are_compared():
    comparison = verdict([[0.0]] * 5, [[1.0]] * 3)
    assert comparison.cases == 3


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (baseline([[1.0]], "a") | baseline([[1.0]], "b"), "the baseline has none of the models m: it has a, b"),
        ({}, "the baseline has none of the models m: it has none"),
        ({"m": {("t", "another"): [1.0]}}, "the baseline has none of the cases of m"),
    ],
)
def test_nothing_in_common_is_an_error(before, told):
    with pytest.raises(ConfigurationError, match=told):
        compare(runs([[1.0]]), before)


@pytest.mark.parametrize("trials", [60, pytest.param(3_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("cases", "asked"), [(30, 1), (30, 3), (10, 3)])
def test_the_same_model_is_called_worse_in_few_of_many(cases, asked, trials):
    random, worse = Random(5), 0  # noqa: S311 - a simulation
    for _ in range(trials):
        chances = [random.betavariate(2, 1) for _ in range(cases)]
        before, after = ([[float(random.random() < one) for _ in range(asked)] for one in chances] for _ in range(2))
        worse += verdict(before, after, resamples=1_000).verdict == "worse"
    assert worse / trials <= 0.05 + (0.05 if trials < 1_000 else 0)

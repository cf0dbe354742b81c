"""Intervals cover what they say, in simulated evaluations of models whose true scores are known."""

from random import Random

import pytest
from evals.simulation import beta, coin, coverage, mixed

from declarai_like.evals._statistics import (
    agreement,
    chance_of_split,
    difference_interval,
    score_interval,
    sum_known,
    t_quantile,
)

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (10, 2.228), (29, 2.045), (499, 1.965)],
)
def test_quantiles_of_t_are_those_of_the_tables(freedom, quantile):
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, abs=0.001)


def test_wilson_is_the_interval_of_the_textbook():
    low, high = score_interval([[1.0]] * 8 + [[0.0]] * 2)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert score_interval([[1.0]] * 5)[1] == pytest.approx(1)
    assert score_interval([[0.0]] * 5)[0] == pytest.approx(0)
    assert score_interval([]) is None


def test_runs_of_one_case_that_are_alike_are_worth_one():
    alike = score_interval([[1.0] * 10, [0.0] * 10, [1.0] * 10, [1.0] * 10])
    once = score_interval([[1.0], [0.0], [1.0], [1.0]])
    assert alike == pytest.approx(once, abs=0.02)
    independent = score_interval([[1.0, 1.0, 0.0, 1.0]] * 10)
    assert independent.half_width < alike.half_width / 2
    assert score_interval([[1.0, 1.0], [1.0, 1.0]]).low == score_interval([[1.0]] * 4).low
    assert score_interval([[1.0, 0.0, 1.0]]) == pytest.approx(score_interval([[1.0], [0.0], [1.0]]))


def test_scores_are_resampled_by_case_and_always_the_same_way():
    cases = [[0.5, 0.6], [0.9, 0.7], [0.2, 0.4], [1.0, 0.8]]
    low, high = score_interval(cases)
    assert low < 0.6375 < high
    assert score_interval(cases) == (low, high)
    assert score_interval([[0.5, 0.6]]) is None
    assert score_interval([[0.5], [0.5]]) == (0.5, 0.5)


@pytest.mark.parametrize("trials", [400, pytest.param(10_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("model", "cases", "runs"),
    [(coin, 100, 1), (coin, 20, 5), (mixed, 50, 1), (mixed, 50, 3), (mixed, 30, 5)],
)
def test_intervals_of_right_and_wrong_cover_95_percent(model, cases, runs, trials):
    assert coverage(model, cases, runs, trials) == pytest.approx(0.95, abs=0.01 + 1 / trials**0.5)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("trials", [100, pytest.param(10_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("cases", [20, 50])
def test_intervals_of_scores_cover_95_percent(cases, trials):
    assert coverage(beta, cases, 2, trials, resamples=1_000) == pytest.approx(0.95, abs=0.015 + 1 / trials**0.5)


def test_differences_are_paired():
    random = Random(1)  # noqa: S311 - a sample
    assert difference_interval([0.1 + random.gauss(0, 0.01) for _ in range(20)]).low > 0
    assert difference_interval([0.5]) is None


@pytest.mark.parametrize(("split", "chance"), [((0, 0), 1), ((5, 5), 1), ((0, 5), 0.0625), ((1, 9), 0.021484375)])
def test_chance_of_a_split_is_mcnemars_exact_one(split, chance):
    assert chance_of_split(*split) == chance
    assert chance_of_split(*reversed(split)) == chance


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        ([], None),
        ([("a", "a"), ("a", "a")], None),
        ([("a", "a"), ("b", "b")], 1),
        ([("a", "b"), ("b", "a")], -1),
        ([("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15, 0.4),
    ],
)
def test_agreement_is_cohens_kappa(pairs, kappa):
    assert agreement(pairs) == (kappa if kappa is None else pytest.approx(kappa))


def test_a_sum_is_known_if_all_of_it_is():
    assert (sum_known([1, 2]), sum_known([1, None]), sum_known([])) == (3, None, None)

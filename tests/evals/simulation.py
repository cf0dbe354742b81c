"""Models whose true scores are known, and how often an interval holds the truth."""

from random import Random

from declarai_like.evals._statistics import score_interval

_SEED = 7


def coin(random, cases, runs, share=0.8):
    """Each answer is right with the same probability."""
    return [[float(random.random() < share) for _ in range(runs)] for _ in range(cases)], share


def mixed(random, cases, runs):
    """Some cases are harder than others; these are a sample of all that could be asked."""
    chances = [random.betavariate(2, 1) for _ in range(cases)]
    return [[float(random.random() < chance) for _ in range(runs)] for chance in chances], 2 / 3


def beta(random, cases, runs):
    """Scores between 0 and 1."""
    return [[random.betavariate(2, 1) for _ in range(runs)] for _ in range(cases)], 2 / 3


def coverage(model, cases, runs, trials, **options):
    """Give the share of simulated evaluations whose interval holds the true mean."""
    random = Random(_SEED)  # noqa: S311 - a simulation
    held = 0
    for _ in range(trials):
        scores, truth = model(random, cases, runs)
        low, high = score_interval(scores, **options)
        held += low <= truth <= high
    return held / trials

"""A few of the mutated streams of `tests/wire/fuzz.py`; the script tries 200,000."""

import pytest
from wire import fuzz


@pytest.mark.parametrize(
    ("count", "seed"),
    [(300, 0), *(pytest.param(1_000, seed, marks=pytest.mark.soak) for seed in range(300, 20_300, 1_000))],
)
def test_only_our_errors_leave_whatever_comes(count, seed):
    told = []
    fuzz.run(count, seed, told.append)
    assert told == []

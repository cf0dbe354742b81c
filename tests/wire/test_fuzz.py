"""A few of the mutated streams of `tests/wire/fuzz.py`; the script tries 200,000."""

import pytest
from wire import fuzz


@pytest.mark.parametrize("seed", range(0, 3_000, 300))
def test_only_our_errors_leave_whatever_comes(seed):
    told = []
    fuzz.run(300, seed, told.append)
    assert told == []

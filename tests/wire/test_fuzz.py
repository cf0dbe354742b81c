"""A few of the mutated streams of `tests/wire/fuzz.py`; the script tries 200,000."""

import json
import random

import pytest
from wire import fuzz

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time


@pytest.mark.parametrize(
    ("count", "seed"),
    [(300, 0), *(pytest.param(1_000, seed, marks=pytest.mark.soak) for seed in range(300, 20_300, 1_000))],
)
def test_only_our_errors_leave_whatever_comes(count, seed):
    told = []
    fuzz.run(count, seed, told.append)
    assert told == []


@pytest.mark.parametrize(("codec", "bodies"), fuzz.VENDORS, ids=[codec.name for codec, _ in fuzz.VENDORS])
@pytest.mark.parametrize("odd", [None, 5, float("inf"), "x", [1], {"a": 1}], ids=repr)
def test_every_field_of_every_event_may_be_anything(codec, bodies, odd):
    chance = random.Random(0)  # noqa: S311 - no secret
    for body in bodies:
        events = [json.loads(event.removeprefix("data: ")) for event in body.decode().split("\n\n") if event]
        for at, event in enumerate(events):
            for way in ways_into(event):
                changed = [*events[:at], put(event, way, odd), *events[at + 1 :]]
                reads = [f"data: {json.dumps(one)}\n\n".encode() for one in changed]
                fuzz.play(codec, reads, chance)


def ways_into(value):
    """Give the way to each value within a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (key,)
        yield from ((key, *rest) for rest in ways_into(entry))


def put(value, way, odd):
    """Give a copy with another value at the end of the way."""
    if not way:
        return odd
    changed = value.copy()
    changed[way[0]] = put(value[way[0]], way[1:], odd)
    return changed

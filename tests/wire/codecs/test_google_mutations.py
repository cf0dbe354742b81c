"""Mutated answers of Google's: whatever comes, only our errors leave, and how the bytes are cut makes no difference."""
# ruff: noqa: S311 - no secret, only mutations

import copy
import json
import pickle
import random

import pytest

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.google import GenerationDecoder, GoogleCodec, decode_generation
from declarai_like.errors import DeclaraiError

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

PLAIN = {"promptTokenCount": 3, "candidatesTokenCount": 2}
PARTIAL = {"partialArgs": [{"jsonPath": "$.a[1].b", "stringValue": "x", "willContinue": True}], "willContinue": True}
TOKENS = {"chosenCandidates": [{"token": "a", "logProbability": -1.0}], "topCandidates": [{"candidates": []}]}
PARTS = [
    [{"text": "Hm", "thought": True}],
    [{"text": "Hel"}],
    [{"text": "lo"}],
    [{"text": "!", "thoughtSignature": "S"}],
    [{"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "S"}],
    [{"functionCall": PARTIAL}],
    [{"functionCall": {}}, {"functionCall": {"name": "g", "id": "c", "args": {"x": 1}}}],
    [{"executableCode": {"code": "1"}}],
]
EVENTS = [
    {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": PLAIN,
        "responseId": "r",
    }
    for parts in PARTS
]
EVENTS.append({
    "candidates": [{"finishReason": "STOP", "finishMessage": "m", "logprobsResult": TOKENS, "groundingMetadata": {"a": 1}}],
    "usageMetadata": PLAIN,
    "modelVersion": "m",
})  # fmt: skip
EVENTS.append({"promptFeedback": {"blockReason": "SAFETY"}})
EVENTS.append({"error": {"code": 429, "message": "m", "status": "s", "details": [{"reason": "r", "retryDelay": "1s"}]}})
ODD = [
    None,
    True,
    0,
    -1,
    10**40,
    1.5,
    "",
    "x",
    "STOP",
    "\ud83d",
    [],
    {},
    [1],
    ["x"],
    {"a": 1},
    [{}],
    [None],
    "$.a",
    "[DONE]",
]


def places_of(value, path=()):
    """Give the way to each value within a value."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(part, (dict, list)):
            yield from places_of(part, (*path, key))


def mutated(chance):
    events = [copy.deepcopy(event) for event in chance.sample(EVENTS, chance.randint(1, len(EVENTS)))]
    for event in events:
        for _ in range(chance.choice([0, 0, 1, 2])):
            *way, last = chance.choice(list(places_of(event)) or [("gone",)])
            target = event
            try:
                for step in way:
                    target = target[step]
                if chance.random() < 0.3 and isinstance(target, dict):
                    del target[last]
                else:
                    target[last] = copy.deepcopy(chance.choice(ODD))
            except (KeyError, IndexError, TypeError):
                continue  # an earlier mutation took its place
    return events


def facts_of(reads):
    """Read a stream; give what it says, or the name of our error."""
    decoder, accumulator = GenerationDecoder(), Accumulator(origin={"provider": "google"})
    try:
        for read in reads:
            for chunk in decoder.feed(read):
                accumulator.feed(chunk)
        for chunk in decoder.close():
            accumulator.feed(chunk)
        final = accumulator.finish()
    except DeclaraiError as error:
        return type(error).__name__
    pickle.dumps(final)
    json.dumps(final.state)
    return final.response, final.reasoning, final.tool_calls, final.state, final.usage, final.outcome, final.annotations


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 200))])
def test_only_our_errors_leave_and_cuts_make_no_difference(seed):
    chance = random.Random(seed)
    for _ in range(100):
        events = mutated(chance)
        writes = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
        body = b"".join(writes)
        told = facts_of(writes)
        assert facts_of([body]) == told
        assert facts_of(body[at : at + 7] for at in range(0, len(body), 7)) == told


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 200))])
def test_only_our_errors_leave_whole_answers(seed):
    chance = random.Random(seed)
    for _ in range(100):
        events = mutated(chance)
        for body in (json.dumps(events).encode(), json.dumps(events[0]).encode()):
            GoogleCodec().read_refusal(400, {}, body)
            accumulator = Accumulator(origin={"provider": "google"})
            try:
                accumulator.feed(decode_generation(body, lambda value: value))
                accumulator.feed(DONE)
                pickle.dumps(accumulator.finish())
            except DeclaraiError:
                continue

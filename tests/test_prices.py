"""What answers cost: told where it is known, and otherwise not told."""

import sys

import pytest

from declarai_like._values.prices import price
from declarai_like.completions import Usage
from declarai_like.errors import ServerError
from declarai_like.middleware import retry
from declarai_like.responses import Attempt, LLMResponse, Result
from declarai_like.testing import FakeLLM, chunks, reply

# Dollars for a token of gpt-4o-mini, by the list: whole, from the cache, said.
IN, CACHED, OUT = 0.15e-6, 0.075e-6, 0.6e-6
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def cached(count):
    return {"prompt_tokens_details": {"cached_tokens": count}}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(1000, 100), 1000 * IN + 100 * OUT),
        (Usage(1000, 0), 1000 * IN),
        (Usage(1000, 100, 1100, cached(400)), 600 * IN + 400 * CACHED + 100 * OUT),
        (Usage(1000, 100, 1100, cached(0)), 1000 * IN + 100 * OUT),
        (Usage(1000, 100, 1100, cached("many")), 1000 * IN + 100 * OUT),
        (Usage(1000, 100, 1100, {"prompt_tokens_details": None}), 1000 * IN + 100 * OUT),
        (Usage(1000, 100, 1100, {"prompt_cache_hit_tokens": 400}), 600 * IN + 400 * CACHED + 100 * OUT),  # DeepSeek
        (Usage(1000, 100, 1100, {"prompt_cache_hit_tokens": 0}), 1000 * IN + 100 * OUT),
        (Usage(1000, 100, 1100, {"cached_tokens": 400}), 600 * IN + 400 * CACHED + 100 * OUT),  # Moonshot
        (Usage(1000), None),
        (Usage(None, 100), None),
        (Usage(10, 100, 110, cached(400)), None),
        (None, None),
    ],
)
def test_cost_of_an_answer_is_its_usage_at_the_list_price(usage, expected):
    cost = LLMResponse(response="a", model="gpt-4o-mini-2024-07-18", usage=usage).cost
    assert cost == (None if expected is None else pytest.approx(expected))


def test_cost_of_googles_and_anthropics_models_is_known():
    assert price("google", "gemini-2.5-flash", [Usage(1_000_000, 0)]) == pytest.approx(0.3)
    assert price("anthropic", "claude-sonnet-4-5", [Usage(100_000, 0)]) == pytest.approx(0.3)


@pytest.mark.parametrize("model", ["SmolLM2-135M-Instruct.Q4_1", "no-such-model", "", None])
def test_cost_of_a_model_without_a_price_is_unknown_and_not_zero(model):
    assert LLMResponse(response="a", model=model, usage=Usage(1000, 100)).cost is None


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": {"total_cost": 0.5}}, 0.5),
        ({"estimated_cost": 0.125}, 0.125),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.75}}, 0.75),
        ({"cost": 0.25, "cost_details": {"upstream_inference_cost": None}}, 0.25),
        ({"cost": "much"}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": {"total": 5}}, None),
    ],
)
@pytest.mark.parametrize("has_prices", [True, False])
def test_cost_that_the_provider_tells_is_the_cost(details, expected, has_prices, monkeypatch):
    if not has_prices:
        monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert LLMResponse(model="no-such-model", usage=Usage(1000, 100, 1100, details)).cost == expected
    assert LLMResponse(model=None, usage=Usage.of({"prompt_tokens": 1, **details})).cost == expected


def test_cost_that_is_told_is_added_to_one_that_is_listed():
    told = Usage(1000, 100, 1100, {"cost": 0.25})
    assert price("openai", "gpt-4o-mini", [Usage(1000, 100), told]) == pytest.approx(0.25 + 1000 * IN + 100 * OUT)


def test_cost_without_the_package_is_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert LLMResponse(response="a", model="gpt-4o-mini", usage=Usage(1000, 100)).cost is None


@pytest.mark.parametrize(
    ("provider", "base_url", "is_known"),
    [
        ("openai", None, True),
        ("azure-openai", None, True),
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "http://localhost:11434/v1", False),
        ("local", None, False),
    ],
)
def test_a_model_of_a_known_name_has_a_price_only_where_it_is_sold(provider, base_url, is_known):
    assert (price(provider, "gpt-4o-mini", [Usage(1000, 100)], base_url=base_url) is not None) is is_known


def test_price_of_many_answers_is_their_sum():
    assert price("openai", "gpt-4o-mini", [Usage(1000, 0), Usage(0, 100)]) == pytest.approx(1000 * IN + 100 * OUT)


def test_price_of_audio_is_its_own():
    spoken = Usage(1000, 100, 1100, {"prompt_tokens_details": {"audio_tokens": 500}})
    assert price("openai", "gpt-4o-realtime-preview", [spoken]) > price(
        "openai", "gpt-4o-realtime-preview", [Usage(1000, 100)]
    )


# Results


def rank(message: str) -> int:
    """Rank the message"""


def run(*replies, **options):
    return FakeLLM(replies, model="gpt-4o-mini", **options).task(**options)(rank).run("soap")


def test_cost_of_a_call_is_that_of_its_answer():
    assert run(reply(4, usage=USAGE)).cost == pytest.approx(1000 * IN + 100 * OUT)


def test_cost_of_a_call_includes_the_answers_that_were_of_the_wrong_type():
    result = run(reply("bad", usage=USAGE), reply(4, usage=USAGE), retries=1)
    assert result.cost == pytest.approx(2 * (1000 * IN + 100 * OUT))


def test_a_refused_request_costs_nothing():
    result = run(ServerError("busy", status=503), reply(4, usage=USAGE), middlewares=[retry(1, first_wait=0)])
    assert (len(result.attempts), result.cost) == (1, pytest.approx(1000 * IN + 100 * OUT))


def test_cost_is_unknown_if_that_of_a_failed_try_is():
    result = Result(4, LLMResponse(model="gpt-4o-mini", usage=Usage(1, 1)), (Attempt(ValueError("no answer came")),))
    assert result.cost is None


def test_cost_of_a_stream_is_known_at_its_end():
    llm = FakeLLM([chunks("4", "2", usage=USAGE)], model="gpt-4o-mini")
    first, *_, last = llm.task(streaming=True)(rank)("soap")
    assert (first.cost, last.cost) == (None, pytest.approx(1000 * IN + 100 * OUT))

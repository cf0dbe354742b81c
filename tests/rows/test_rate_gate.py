"""The gate before a provider: what it learns of limits, whom it lets through, and what a refusal does."""

import asyncio
import threading
import time
from statistics import median

import pytest
from rows.limit_simulation import Simulation
from rows.limited_server import LimitedModel

import declarai_like as declarai
from declarai_like import errors
from declarai_like._wire.rate_headers import Allowance, read_allowance
from declarai_like.middleware import rate_gate
from declarai_like.middleware._buckets import Bucket, Episodes
from declarai_like.middleware._gate_visits import GateVisit
from declarai_like.middleware._gates import Gate
from declarai_like.middleware._rate_gating import gate_of
from declarai_like.testing import FakeLLM, LLMServer, error_reply, reply, text_reply

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-tokens": "6m0s",
}


def test_headers_of_openai_are_read():
    assert read_allowance(OPENAI) == {
        "requests": Allowance(5000, 4999, 0.012),
        "tokens": Allowance(160_000, 159_976, 360.0),
    }


def test_headers_of_anthropic_are_read():
    told = read_allowance(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2020-01-01T00:00:00Z",
            "anthropic-ratelimit-input-tokens-limit": "30000",
            "anthropic-ratelimit-input-tokens-remaining": "29000",
        }
    )
    assert told == {"requests": Allowance(50, 49, 0.0), "tokens": Allowance(30_000, 29_000, None)}


@pytest.mark.parametrize("limit", ["", "0", "many", "-1", "1.5", "9" * 30, "٣"])
def test_headers_that_tell_no_limit_are_passed_over(limit):
    assert read_allowance({"x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": "1"}) == {}


def take_all(gate, number, now, tokens=0):
    """Let so many requests ask at one moment; give when each may go."""
    return [gate.ask(tokens, now).ready_at - now for _ in range(number)]


def test_without_limits_all_go_at_once():
    gate = Gate()
    turn = gate.ask(100, 0.0)
    assert gate.wait_of(turn, 0.0) == 0
    gate.settle(turn, 50, 1.0, completion=20)
    assert (gate.mean_seconds, gate.mean_completion, gate.is_closed) == (1.0, 20, False)


def test_requests_a_minute_are_spread():
    waits = take_all(Gate(rpm=60), 4, 10.0)
    assert waits == [0.0, 1.0, 2.0, 3.0]


def test_tokens_a_minute_are_spread_and_corrected():
    gate = Gate(tpm=600)
    first = gate.ask(10, 0.0)
    second = gate.ask(10, 0.0)
    assert (first.ready_at, second.ready_at) == (0.0, 1.0)
    assert gate.wait_of(second, 0.25) == 0.75
    gate.wait_of(first, 0.0)
    gate.settle(first, 5, 0.0)
    third = gate.ask(10, 0.0)
    assert third.tokens == 5  # half of what was told is used
    assert third.ready_at == pytest.approx(1.0)


def test_who_names_other_limits_later_changes_them():
    gate = Gate(rpm=60)
    gate.tell(rpm=None, tpm=None)
    gate.tell(rpm=60, tpm=None)
    assert take_all(gate, 2, 0.0) == [0.0, 1.0]
    gate.tell(rpm=120, tpm=600)
    assert take_all(gate, 3, 0.0) == [0.0, 0.0, 0.5]


def test_limits_are_learned_from_headers():
    gate = Gate()
    turn = gate.ask(0, 0.0)
    gate.wait_of(turn, 0.0)
    gate.learn({"requests": Allowance(60, 2, 58.0)}, 0.0)
    gate.settle(turn, None, 0.0)
    assert take_all(gate, 3, 0.0) == [0.0, 1.0, 2.0]


def test_limits_that_are_not_of_a_minute_are_taken_as_they_are():
    gate = Gate()
    gate.learn({"requests": Allowance(200, 0, 86_400.0)}, 0.0)
    assert take_all(gate, 1, 0.0) == [pytest.approx(432.0)]


def test_named_limits_go_before_learned_ones_but_what_is_left_holds():
    gate = Gate(rpm=120)
    gate.learn({"requests": Allowance(6000, 0, 0.1)}, 0.0)
    assert take_all(gate, 2, 0.0) == [0.5, 1.0]
    gate.learn({"requests": Allowance(6000)}, 0.0)
    assert take_all(gate, 1, 0.0) == [1.5]


def test_a_refusal_closes_the_gate_for_all_and_one_goes_first():
    gate = Gate()
    one, two, three = (gate.ask(0, 0.0) for _ in range(3))
    assert [gate.wait_of(turn, 0.0) for turn in (one, two)] == [0, 0]
    gate.refuse(one, 2.0, 0.0)
    gate.refuse(two, 3.0, 0.1)  # it was under way when the gate was closed
    assert gate.is_closed
    assert gate.wait_of(three, 0.1) == pytest.approx(3.0)
    again = gate.ask(0, 1.0)
    assert gate.wait_of(again, 3.2) == 0
    assert 0 < gate.wait_of(three, 3.3) < 0.1
    gate.settle(again, None, 3.4)
    assert gate.wait_of(three, 3.4) == 0


def test_the_first_one_is_not_waited_for_without_an_end():
    gate = Gate()
    one, two, three, four = (gate.ask(0, 0.0) for _ in range(4))
    gate.wait_of(one, 0.0)
    gate.refuse(one, 1.0, 0.0)
    assert gate.wait_of(two, 1.0) == 0
    assert gate.wait_of(three, 1.5) > 0
    assert gate.wait_of(three, 2.5) == 0
    gate.abandon(two)
    gate.abandon(three)
    assert gate.wait_of(four, 2.6) == 0


@pytest.mark.parametrize(("refusals", "least", "most"), [(1, 1, 1.25), (2, 2, 2.5), (3, 4, 5), (12, 60, 75)])
def test_without_a_wait_that_is_told_waits_double(refusals, least, most):
    gate, now = Gate(), 0.0
    for _ in range(refusals):
        turn = gate.ask(0, now)
        assert gate.wait_of(turn, now) == 0
        gate.refuse(turn, None, now)
        wait = gate.wait_of(gate.ask(0, now), now)
        now += wait
        gate._probe = None
    assert least <= wait <= most


def test_late_refusals_without_a_wait_change_nothing():
    gate = Gate()
    one, two = gate.ask(0, 0.0), gate.ask(0, 0.0)
    assert gate.wait_of(one, 0.0) == gate.wait_of(two, 0.0) == 0
    gate.refuse(one, 1.0, 0.0)
    gate.refuse(two, None, 0.0)
    assert gate.wait_of(gate.ask(0, 0.0), 0.0) == pytest.approx(1.0)


def test_an_answer_from_before_the_closing_does_not_open_the_gate():
    gate = Gate()
    one, two = gate.ask(0, 0.0), gate.ask(0, 0.0)
    gate.wait_of(one, 0.0)
    gate.wait_of(two, 0.0)
    gate.refuse(one, 5.0, 1.0)
    gate.settle(two, None, 2.0)
    assert gate.is_closed


def test_between_two_refusals_a_rate_is_seen():
    episodes = Episodes()
    assert episodes.end(0.0) is None
    for _ in range(8):
        episodes.send(0.0)
    episodes.refuse(0.0)
    assert episodes.end(1.0) is None
    episodes.send(1.0)
    assert episodes.end(2.0) == 4
    episodes.refuse(0.0)  # it was sent before the refusal that counts
    for _ in range(8):
        episodes.send(2.0)
    assert episodes.end(2.0) is None
    assert (episodes.end(3.0), episodes.told) == (8, 2)


def test_a_rate_that_was_guessed_grows_slowly():
    bucket = Bucket.guessed(10.0, 0.0, 0.25)
    assert bucket.take(1, 0.0) == pytest.approx(0.25 + 1 / 9.5, rel=0.01)
    for _ in range(500):
        bucket.take(0, 0.0)
    assert 9.7 < bucket.rate < 9.8
    for _ in range(500):
        bucket.take(0, 0.0)
    assert 10.4 < bucket.rate < 10.6


def test_a_rate_that_one_refusal_has_told_is_halved_and_grows_fast():
    bucket = Bucket.guessed(100.0, 0.0, 0.25, is_rough=True)
    assert bucket.rate == 50
    for _ in range(300):
        bucket.take(0, 0.0)
    assert 100 < bucket.rate < 150


def test_in_a_long_wait_some_has_flown_in_for_those_who_wait():
    short, long = Bucket.guessed(10.0, 0.0, 0.5), Bucket.guessed(10.0, 0.0, 2.0)
    assert short.take(1, 0.0) == pytest.approx(0.5 + 1 / 9.5)
    assert long.take(1, 0.0) == pytest.approx(1.1 + 1 / 11)


def test_who_waits_is_told_the_new_rate():
    gate = Gate()
    sent = [gate.ask(0, 0.0) for _ in range(20)]
    for turn in sent:
        gate.wait_of(turn, 0.0)
    waiting = [gate.ask(0, 0.5) for _ in range(3)]
    gate.refuse(sent[-1], 0.25, 1.0)  # 19 went through in a second: half of that is the first guess
    assert [round(turn.ready_at, 2) for turn in waiting] == [1.35, 1.46, 1.56]


def test_headers_go_before_a_guess():
    gate = Gate()
    for number in range(20):
        turn = gate.ask(0, float(number))
        gate.wait_of(turn, float(number))
        gate.settle(turn, None, float(number))
    turn = gate.ask(0, 20.0)
    gate.wait_of(turn, 20.0)
    gate.refuse(turn, 1.0, 20.0)
    assert gate._buckets["requests"].is_guess
    gate.learn({"requests": Allowance(600, 100, 1.0)}, 21.0)
    assert not gate._buckets["requests"].is_guess


def ask_model(server, model="m", **options):
    return declarai.openai(model=model, base_url=server.base_url, openai_token="k", max_retries=0, **options)


def test_a_refusal_is_no_attempt_and_is_waited_for(gather, server):
    server.enqueue(error_reply(429, "slow down", headers={"retry-after-ms": "5"}), "5")
    llm = ask_model(server, "refused-once")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    (row,) = gather(rank, ["a"])
    assert (row.value, row.attempts) == (5, ())
    assert len(server.requests) == 2


def test_waiting_at_the_gate_is_no_time_of_the_call(gather, server):
    server.enqueue(error_reply(429, "slow down", headers={"retry-after": "2"}), "5")
    llm = ask_model(server, "patient", timeout=1.5)

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    (row,) = gather(rank, ["a"])
    assert row.value == 5


def test_a_refusal_that_asks_for_too_long_a_wait_is_the_rows_error(gather, server):
    server.enqueue(error_reply(429, "tomorrow", headers={"retry-after": "86400"}))
    llm = ask_model(server, "tomorrow")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    rows = gather(rank, ["a", "b"], concurrency=1)
    assert [type(row.error) for row in rows] == [errors.RateLimited] * 2
    assert "none may be sent for 86" in str(rows[1].error)
    assert len(server.requests) == 1


def test_a_call_whose_time_is_over_is_not_sent(server):
    visit = GateVisit(gate_of, timeout=0.0)
    llm = ask_model(server)

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    with pytest.raises(errors.ProviderTimeout, match="raise timeout="):
        rank.with_options(middlewares=[visit])("a")
    assert not server.requests


def test_tasks_and_chats_may_ask_for_the_gate(way, server):
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    server.enqueue(error_reply(429, "slow down", headers={"retry-after-ms": "1"}), text_reply("5", usage=usage))
    llm = ask_model(server, "of-a-task", middlewares=[rate_gate(rpm=6000)])

    @llm.task
    @way.define
    def rank(message: str) -> int:
        """Rank"""

    assert way.call(rank, "a") == 5


def test_streams_go_through_the_gate(way, server):
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    server.enqueue(error_reply(429, "slow down", headers={"retry-after-ms": "1"}), reply("hello", usage=usage))
    llm = ask_model(server, "of-a-stream", middlewares=[rate_gate()], stream=True)

    @llm.task
    @way.define
    def say(message: str) -> str:
        """Say"""

    steps = way.collect(say("a"))
    assert steps[-1].response == "hello"
    assert gate_of(llm.llm, "of-a-stream").mean_completion == 1


def test_whoever_asks_the_same_model_with_the_same_key_shares_a_gate(server):
    one, two = ask_model(server, "shared"), ask_model(server, "shared")
    assert gate_of(one.llm, "shared") is gate_of(two.llm, "shared")
    assert gate_of(one.llm, "shared") is not gate_of(one.llm, "another")
    other = declarai.openai(model="shared", base_url=server.base_url, openai_token="other")
    assert gate_of(other.llm, "shared") is not gate_of(one.llm, "shared")
    assert other.llm.account != one.llm.account


def test_providers_without_a_key_have_gates_of_their_own(server):
    one, two = FakeLLM(), FakeLLM()
    assert gate_of(one.llm, "fake") is gate_of(one.llm, "fake")
    assert gate_of(one.llm, "fake") is not gate_of(two.llm, "fake")
    by_function = declarai.openai(model="m", base_url=server.base_url, openai_token=lambda: "k")
    assert by_function.llm.account is None


def test_no_account_is_known_without_a_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "DECLARAI_OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert declarai.openai(model="m").llm.account is None


def test_kept_answers_need_no_gate(server):
    from declarai_like.middleware import InMemoryCache, cache

    server.enqueue("5")
    llm = ask_model(server, "kept", llm_params={"temperature": 0}, middlewares=[cache(InMemoryCache()), rate_gate()])

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    assert [rank("a"), rank("a")] == [5, 5]
    assert len(server.requests) == 1


def test_a_request_without_a_provider_is_told_as_ever(server):
    llm = ask_model(server)

    def lose(request, send):
        return (yield from send(request.replace(provider=None)))

    @llm.task(middlewares=[lose, rate_gate()])
    def rank(message: str) -> int:
        """Rank"""

    with pytest.raises(errors.DefinitionError, match="names no provider"):
        rank("a")


def test_what_was_asked_of_headers_before_is_still_told(server):
    server.enqueue(text_reply("5", headers={"x-ratelimit-limit-requests": "60", "x-mine": "1"}))
    heard = []

    def hearing(request, send):
        return (yield from send(request.replace(on_headers=heard.append)))

    llm = ask_model(server, "heard", middlewares=[hearing, rate_gate()])

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    assert rank("a") == 5
    assert heard[0]["x-mine"] == "1"


def test_a_map_that_is_left_waits_at_no_gate(server):
    server.default = error_reply(429, "slow down", headers={"retry-after": "300"})
    llm = ask_model(server, "closed")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    rows = rank.map(["a", "b", "c"])
    reading = threading.Thread(target=lambda: list(rows), daemon=True)
    reading.start()
    assert server.wait_requests(1)

    async def leaving():
        waiting = asyncio.create_task(rank.amap(["d"]).values())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    began = time.monotonic()
    asyncio.run(leaving())
    assert time.monotonic() - began < 30
    assert len(server.requests) <= 4  # a row may be asked once, before the first refusal is heard


def test_closing_a_map_wakes_who_waits_at_the_gate(server):
    server.enqueue("1", repeat=2)
    server.default = error_reply(429, "slow down", headers={"retry-after": "300"})
    llm = ask_model(server, "woken")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    before = threading.active_count()
    rows = rank.map(map(str, range(50)), ordered=False, concurrency=4)
    next(rows)
    assert server.wait_requests(3)  # the third is refused: it may close the gate before there is a fourth
    began = time.monotonic()
    rows.close()
    assert time.monotonic() - began < 10
    while threading.active_count() > before + 20:
        time.sleep(0.01)


def test_what_is_not_made_yet_tells_nothing():
    from declarai_like.middleware._gate_visits import GatedProvider

    with pytest.raises(AttributeError, match="provider"):
        _ = object.__new__(GatedProvider).account


def test_pickled_and_shown():
    import pickle

    assert repr(pickle.loads(pickle.dumps(rate_gate(rpm=5)))) == "rate_gate(rpm=5, tpm=None)"  # noqa: S301 - our own
    with pytest.raises(errors.DefinitionError, match="tpm to be a number above zero"):
        rate_gate(tpm=-1)


LIMITED = {
    "openai": {"rpm": 6000},
    "anthropic": {"rpm": 6000, "headers": "anthropic"},
    "tokens": {"rpm": 6000, "tpm": 240_000},
    "retry-after only": {"rpm": 6000, "headers": None},
    "nothing is told": {"rpm": 6000, "headers": None, "retry_after": False},
}


def run_limited(gather, count, told, **options):
    model = LimitedModel(**told)
    with LLMServer(default=model) as server:
        llm = ask_model(server, f"limited-{time.monotonic()}")

        @llm.task
        def rank(message: str) -> int:
            """Rank the severity of a message"""

        rows = gather(rank, [f"message {number}" for number in range(count)], **options)
    assert [row.value for row in rows] == [5] * count
    assert all(row.attempts == () for row in rows)
    return model


@pytest.mark.parametrize("told", LIMITED.values(), ids=LIMITED)
def test_limits_are_kept(gather, told):
    model = run_limited(gather, 150, told)
    assert model.refused <= 30


@pytest.mark.parametrize(("rate", "rows"), [(20, 1000), (100, 1000), (400, 4000)])
@pytest.mark.parametrize("latency", [0.02, 0.06])
@pytest.mark.parametrize("tells_wait", [True, False])
def test_where_only_refusals_tell_the_limit_few_are_refused(rate, rows, latency, tells_wait):
    told = {"rows": rows, "rate": rate, "latency": latency, "tells_wait": tells_wait}
    runs = [Simulation(seed=seed, **told).run() for seed in range(7)]
    assert all(run.accepted == rows for run in runs)
    assert median(run.refused for run in runs) <= rows // 100
    assert median(run.share_of_rate for run in runs) >= (0.9 if tells_wait else 0.8)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("told", LIMITED.values(), ids=LIMITED)
def test_of_a_thousand_rows_few_are_refused_and_most_of_the_rate_is_used(gather, told):
    """Where headers tell the limits fewer than one in a hundred; where only refusals do, some more."""
    model = run_limited(gather, 1000, told)
    is_told = told.get("headers", "openai") is not None
    assert model.refused < (10 if is_told else 30)
    assert model.share_of_rate >= (0.9 if is_told else 0.7)

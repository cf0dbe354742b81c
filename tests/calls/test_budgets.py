"""What calls may use together, and how many there may be at a time."""

import asyncio
import contextvars
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import declarai_like as declarai
from declarai_like._calls.counters import Amount
from declarai_like.errors import (
    BadRequestError,
    DefinitionError,
    InvalidResponse,
    LimitExceeded,
    MissingExtra,
    ProviderTimeout,
    StreamInterrupted,
)
from declarai_like.testing import (
    FakeLLM,
    broken_off,
    bytes_reply,
    chunks_reply,
    error_reply,
    json_reply,
    stream_chunks,
    stream_reply,
    text_reply,
)

USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}


def cut_after(reply, writes):
    """Send so many writes of a reply, then close the connection without its end."""
    return broken_off(reply, sum(map(len, reply.writes[:writes])))


def slogan(product: str) -> str:
    """Write a slogan"""


def test_calls_are_refused_when_the_requests_are_used_up(server, llm, way):
    server.enqueue(text_reply("a"), text_reply("b"))
    task = llm.task(way.define(slogan))
    with declarai.limits(requests=2) as spent:
        way.call(task, "x")
        way.call(task, "x")
        with pytest.raises(LimitExceeded, match=r"requests=2 of this `with limits\(...\)` is reached \(2 used\)"):
            way.call(task, "x")
    assert (spent.requests, len(server.requests)) == (2, 2)


def test_answer_that_passes_the_tokens_is_given_and_the_next_call_refused(server, llm, way):
    server.enqueue(text_reply("a", usage=USAGE))
    task = llm.task(way.define(slogan))
    with declarai.limits(total_tokens=40) as spent:
        assert way.call(task, "x") == "a"
        with pytest.raises(LimitExceeded, match=r"total_tokens=40 .* \(50 used\): nothing was sent"):
            way.call(task, "x")
    assert (spent.prompt_tokens, spent.completion_tokens, spent.estimated_tokens) == (30, 20, 0)


@pytest.mark.parametrize("limit", [{"prompt_tokens": 30}, {"completion_tokens": 20}])
def test_prompts_and_answers_have_limits_of_their_own(server, llm, way, limit):
    server.enqueue(text_reply("a", usage=USAGE))
    task = llm.task(way.define(slogan))
    with declarai.limits(**limit):
        way.call(task, "x")
        with pytest.raises(LimitExceeded):
            way.call(task, "x")


def test_tokens_of_streams_are_counted(server, streaming_llm, way):
    server.enqueue(stream_reply(["a"], usage=USAGE))
    with declarai.limits() as spent:
        way.collect(streaming_llm.task(way.define(slogan))("x"))
    assert (spent.total_tokens, repr(spent)) == (50, "Spent(requests=1, total_tokens=50)")


def test_tokens_that_nobody_tells_are_estimated(server, streaming_llm, way):
    server.enqueue(cut_after(stream_reply(["word" * 10, "word", "word"]), 2))
    task = streaming_llm.task(way.define(slogan))
    with declarai.limits() as spent, pytest.raises(StreamInterrupted):
        way.collect(task("x"))
    assert (spent.completion_tokens, spent.estimated_tokens) == (10, spent.total_tokens)
    assert 5 < spent.prompt_tokens < 30


def test_stream_that_is_left_early_is_counted(server, streaming_llm, way):
    server.enqueue(stream_reply(["word"] * 10))
    with declarai.limits() as spent:
        way.leave(streaming_llm.task(way.define(slogan))("x"), after=3)
    assert spent.completion_tokens in {2, 3}


def test_text_completions_are_estimated_by_their_prompts():
    with declarai.limits() as spent:
        FakeLLM(["a", "b"]).complete(["four" * 2, "four"])
    assert spent.prompt_tokens in {3, 6}


def test_retries_count_as_requests(server, openai, way):
    server.enqueue(error_reply(503, headers={"Retry-After-Ms": "1"}), text_reply("a"))
    with declarai.limits() as spent:
        way.call(openai(max_retries=1).task(way.define(slogan)), "x")
    assert spent.requests == 2


def test_limits_may_be_nested(server, llm, way):
    server.enqueue(text_reply("a"), text_reply("b"))
    task = llm.task(way.define(slogan))
    with declarai.limits(requests=5) as outer:
        with declarai.limits(requests=1) as inner:
            way.call(task, "x")
            with pytest.raises(LimitExceeded):
                way.call(task, "x")
        way.call(task, "x")
    assert (outer.requests, inner.requests) == (2, 1)


def test_generator_belongs_to_the_block_it_was_made_in(server, streaming_llm):
    server.enqueue(stream_reply(["a"], usage=USAGE))
    with declarai.limits() as spent:
        steps = streaming_llm.task(slogan)("x")
    list(steps)
    assert spent.total_tokens == 50


def test_tasks_of_an_event_loop_share_the_block_they_were_begun_in():
    task = FakeLLM(["a"] * 10).task(slogan)

    async def many():
        with declarai.limits(requests=3) as spent:
            results = await asyncio.gather(*(task.acall("x") for _ in range(5)), return_exceptions=True)
        return spent.requests, sum(isinstance(result, LimitExceeded) for result in results)

    assert asyncio.run(many()) == (3, 2)


def in_a_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_thread_belongs_to_the_block_whose_context_it_runs_in():
    task = FakeLLM(["a"] * 10).task(slogan)
    with declarai.limits() as spent:
        in_a_thread(task, "x")
        assert spent.requests == 0
        in_a_thread(contextvars.copy_context().run, task, "x")
        assert spent.requests == 1


def test_limits_are_numbers():
    with pytest.raises(DefinitionError, match="expected requests to be a number that is not negative, got -1"):
        declarai.limits(requests=-1).__enter__()


def test_prompt_that_is_too_long_is_not_sent(server, openai, way):
    task = openai(max_prompt_chars=1000).task(way.define(slogan))
    with pytest.raises(LimitExceeded, match=r"the prompt has 1\d\d\d characters, max_prompt_chars=1000 allows no more"):
        way.call(task, "x" * 1000)
    assert server.requests == []


def test_text_to_continue_has_the_same_limit(server, openai):
    with pytest.raises(LimitExceeded):
        openai(max_prompt_chars=10).complete(["12345", "123456"])


def test_prompt_without_a_limit_may_have_any_length(server, openai):
    server.enqueue(text_reply("a"))
    assert openai(max_prompt_chars=10).task(slogan).with_options(max_prompt_chars=None)("x" * 1000) == "a"


def test_answer_that_is_too_long_is_refused(server, openai, way):
    server.enqueue(text_reply("x" * 5000))
    task = openai(max_answer_bytes=4000).task(way.define(slogan))
    with pytest.raises(InvalidResponse, match="longer than 4000 bytes: if it is a model's, raise max_answer_bytes="):
        way.call(task, "x")


def test_stream_that_is_too_long_ends_with_what_had_come(server, openai, way):
    server.enqueue(stream_reply(["x" * 100] * 100))
    task = openai(max_answer_bytes=4000, stream=True).task(way.define(slogan))
    steps = []
    with pytest.raises(InvalidResponse, match="longer than 4000 bytes") as caught:
        way.collect(task("x"), steps)
    assert caught.value.response.response == "".join(step.content for step in steps)
    assert 5 < len(steps) < 40


def test_whole_answer_to_a_streamed_request_has_the_same_limit(server, openai, way):
    (chunk, *_) = stream_chunks(["x"])
    server.enqueue(json_reply({**chunk, "padding": "x" * 5000}))
    task = openai(max_answer_bytes=4000, stream=True).task(way.define(slogan))
    with pytest.raises(InvalidResponse, match="longer than 4000 bytes"):
        way.collect(task("x"))


def test_answer_without_a_limit_may_have_any_length(server, openai, way):
    server.enqueue(stream_reply(["x" * 100] * 100), text_reply("x" * 5000))
    llm = openai(max_answer_bytes=None)
    assert len(way.collect(llm.task(streaming=True)(way.define(slogan))("x"))) == 102
    assert len(way.call(llm.task(way.define(slogan)), "x")) == 5000


class Counting(declarai.BaseLLM):
    """Notes how many calls are answered at a time."""

    def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return declarai.LLMResponse(response="a", finish_reason="stop")


@pytest.fixture
def counting():
    declarai.register_llm("counting", Counting)
    return declarai.Declarai("counting", max_concurrency=2, now=0, most=0, lock=threading.Lock())


def test_no_more_threads_ask_at_a_time_than_may(counting):
    task = counting.task(slogan)
    threads = [threading.Thread(target=task, args=("x",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.llm.llm.most == 2


def test_no_more_tasks_ask_at_a_time_than_may(counting):
    task = counting.task(slogan)

    async def many():
        await asyncio.gather(*(task.acall("x") for _ in range(8)))

    asyncio.run(many())
    assert counting.llm.llm.most == 2


def test_all_that_a_model_is_asked_for_shares_its_places(server, openai):
    llm = openai(max_concurrency=1, stream=True)
    server.enqueue(stream_reply(["a", "b", "c"]))
    steps = llm.task(slogan)("x")
    next(steps)
    with pytest.raises(LimitExceeded, match=r"all of max_concurrency=1 are streams of this very thread or task"):
        llm.send("hi")
    steps.close()
    server.enqueue(text_reply("a"))
    assert llm.send("hi").response == "a"


def test_wait_for_a_place_ends_with_the_time_of_the_call(server, openai, way):
    llm = openai(max_concurrency=1, timeout=0.2)
    server.enqueue(stream_reply(["a", "b", "c"]))

    def hold(ready, done):
        with llm.task(streaming=True)(slogan).stream("x"):
            ready.set()
            done.wait(5)

    ready, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(ready, done))
    holder.start()
    ready.wait(5)
    with pytest.raises(ProviderTimeout, match=r"time of 0.2 s is over, spent on waiting for its turn: raise timeout="):
        way.call(llm.task(way.define(slogan)), "x")
    done.set()
    holder.join()


def test_who_waits_for_a_place_gets_it_when_a_stream_is_left(server, openai):
    llm = openai(max_concurrency=1)
    server.enqueue(stream_reply(["a", "b", "c"]), text_reply("yes"))
    results = []
    with llm.task(streaming=True)(slogan).stream("x") as stream:
        next(iter(stream))
        waiting = threading.Thread(target=lambda: results.append(llm.task(slogan)("x")))
        waiting.start()
    waiting.join(5)
    assert results == ["yes"]


def test_no_limit_of_calls_is_taken_back_by_none(server, openai):
    llm = openai(max_concurrency=1)
    server.enqueue(stream_reply(["a", "b", "c"]), text_reply("yes"))
    steps = llm.task(streaming=True)(slogan)("x")
    next(steps)
    assert llm.task(slogan).with_options(max_concurrency=None)("x") == "yes"
    steps.close()


def test_request_with_places_is_pickled(openai):
    request = openai(max_concurrency=3).task(slogan).request("x")
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - our own data


@pytest.mark.parametrize("option", ["max_concurrency", "max_prompt_chars", "max_answer_bytes"])
@pytest.mark.parametrize("value", [0, -1, "many", 1.5])
def test_sizes_are_numbers_above_zero(openai, option, value):
    with pytest.raises(DefinitionError, match=f"{option}: expected a number above zero, or None for no limit, got"):
        openai(**{option: value})


def test_endless_line_is_refused(server, openai, way):
    server.enqueue(bytes_reply(b"data: " + b"x" * 10_000))
    task = openai(max_answer_bytes=4000, stream=True).task(way.define(slogan))
    with pytest.raises(InvalidResponse, match="longer than 4000 bytes"):
        way.collect(task("x"))


# --- money -----------------------------------------------------------------------------------------------------

# gpt-4o: 2.50 dollars for a million tokens of prompts, 10 dollars for a million tokens of answers
DEAR = {"prompt_tokens": 100_000, "completion_tokens": 25_000, "total_tokens": 125_000}


@pytest.fixture
def ask(openai, way):
    kept = []  # else the collector closes a model's connections while the loop still runs

    def made(function=slogan, **options):
        task = openai(model="gpt-4o").task(**options)(way.define(function))
        kept.append(task)
        return lambda words="x": way.collect(task(words)) if options.get("streaming") else way.call(task, words)

    yield made
    kept.clear()


def test_money_is_spent_as_the_provider_counts_tokens(server, ask):
    server.enqueue(text_reply("a", usage=DEAR, model="gpt-4o"), repeat=2)
    call = ask()
    with declarai.limits(usd=0.6) as spent:
        assert call() == "a"
        assert spent.usd == pytest.approx(0.5)
        with declarai.limits() as inner:
            call()
        with pytest.raises(LimitExceeded, match=r"usd=0.6 .* might be passed: 1.0000 is spent, .*: nothing was sent"):
            call()
    assert (spent.usd, inner.usd, len(server.requests)) == (pytest.approx(1), None, 2)


def test_what_a_request_may_cost_is_set_aside_before_it_is_sent(server, ask):
    with declarai.limits(usd=1) as spent, pytest.raises(LimitExceeded, match=r"this request may cost 2\.00\d\d"):
        ask(llm_params={"max_tokens": 100_000, "n": 2})()
    with declarai.limits(usd=0.01), pytest.raises(LimitExceeded, match="nothing was sent"):
        ask()("word " * 20_000)
    assert (spent.usd, spent.requests, len(server.requests)) == (0, 0, 0)


def test_calls_at_the_same_time_do_not_pass_the_limit_together(server, openai):
    gate = threading.Event()
    server.enqueue(text_reply("a", usage=DEAR, model="gpt-4o", gate=gate, gate_after=0), repeat=8)
    task = openai(model="gpt-4o").task(llm_params={"max_tokens": 50_000})(slogan)

    def call(_):
        try:
            return task("x")
        except LimitExceeded:
            return None

    with declarai.limits(usd=1.1) as spent, ThreadPoolExecutor(8) as pool:
        contexts = [contextvars.copy_context() for _ in range(8)]
        answers = [pool.submit(context.run, call, number) for number, context in enumerate(contexts)]
        assert server.wait_requests(2)
        gate.set()
        results = [answer.result() for answer in answers]
    assert results.count("a") == 2
    assert spent.usd == pytest.approx(1)


def test_stream_that_passes_the_limit_is_closed(server, ask):
    server.enqueue(stream_reply(["four" * 250] * 10_000, model="gpt-4o"))
    with (
        declarai.limits(usd=0.05) as spent,
        pytest.raises(LimitExceeded, match=r"usd=0.05 .* is passed, at about 0.0") as raised,
    ):
        ask(streaming=True)()
    assert server.wait_disconnect()
    assert 0.05 <= spent.usd < 0.07
    assert len(raised.value.response.response) == pytest.approx(20_000, rel=0.2)
    assert server.requests[-1].sent < 10_000


def test_events_and_thinking_are_watched_too(server, openai):
    thought = {"choices": [{"index": 0, "delta": {"reasoning_content": "思考" * 150}, "finish_reason": None}]}
    server.enqueue(chunks_reply([{"id": "1", "model": "gpt-4o", **thought}] * 1_000))
    task = openai(model="gpt-4o").task(slogan)
    with declarai.limits(usd=0.05), task.stream("x") as stream, pytest.raises(LimitExceeded):
        stream.until_done()
    assert server.wait_disconnect()


def test_what_failed_and_what_was_refused_costs_nothing(server, ask):
    server.enqueue(error_reply(400))
    with declarai.limits(usd=1) as spent:
        with pytest.raises(BadRequestError):
            ask(llm_params={"max_tokens": 1_000})()
        assert spent.usd == 0
    with declarai.limits(usd=1, requests=0) as spent, pytest.raises(LimitExceeded, match="requests=0"):
        ask()()
    assert (spent.usd, spent.purse.reserved) == (0, 0)


def test_price_that_nobody_knows_is_refused_unless_it_is_ignored(server, openai, way):
    server.enqueue(text_reply("a", usage=DEAR))
    task = openai(model="my-own-model").task(way.define(slogan))
    with (
        declarai.limits(usd=1),
        pytest.raises(DefinitionError, match="cannot count 'my-own-model': its price is not known"),
    ):
        way.call(task, "x")
    with declarai.limits(usd=1, unknown="ignore") as spent:
        assert way.call(task, "x") == "a"
    assert (spent.usd, len(server.requests)) == (0, 1)


@pytest.mark.parametrize("options", [{"usd": -1}, {"usd": float("nan")}, {"usd": 1, "unknown": "guess"}])
def test_what_is_no_sum_of_money_is_refused(options):
    with pytest.raises(DefinitionError), declarai.limits(**options):
        pass


def test_prices_need_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingExtra, match=r'pip install "declarai-like\[prices\]"'), declarai.limits(usd=1):
        pass


def test_request_that_an_inner_block_refuses_counts_in_no_block():
    task = FakeLLM(["a", "b"]).task(slogan)
    with declarai.limits(requests=5) as outer, declarai.limits(requests=1) as inner:
        task("x")
        with pytest.raises(LimitExceeded, match="requests=1"):
            task("x")
    assert (outer.requests, inner.requests) == (1, 1)


def test_repr_of_what_was_spent_shows_requests_and_tokens():
    with declarai.limits(requests=5) as spent:
        FakeLLM(["a"]).task(slogan)("x")
    assert repr(spent) == f"Spent(requests=1, total_tokens={spent.total_tokens})"


def test_cost_that_is_being_settled_is_overlooked_at_no_line(server, openai):
    server.enqueue(text_reply("a", usage=DEAR, model="gpt-4o"))
    task = openai(model="gpt-4o").task(llm_params={"max_tokens": 50_000})(slogan)
    seen = []

    def trace(frame, event, arg):
        if frame.f_code.co_name != "settle" or "units" not in frame.f_code.co_varnames:
            return None

        def look(*_):
            seen.append(spent.purse.reserved + spent.usd)
            return look

        return look

    before = sys.gettrace()
    with declarai.limits(usd=5) as spent:
        sys.settrace(trace)
        try:
            task("x")
        finally:
            sys.settrace(before)
    assert len(seen) >= 2
    assert min(seen) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("numbers", [[0], [7], [10_000], [123_456_789, 1, 9_999], [5_000_000_000]])
def test_large_amounts_are_added_without_counting_to_them(numbers):
    amount = Amount()
    for number in numbers:
        amount.add(number)
    assert amount.value == sum(numbers)

"""A second model that is asked when the first is slow: the answer that begins first is taken."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import declarai_like as declarai
from declarai_like.errors import (
    AuthenticationError,
    DefinitionError,
    ProviderTimeout,
    ServerError,
    StreamInterrupted,
)
from declarai_like.middleware import hedge
from declarai_like.testing import LLMServer, broken_off, error_reply, json_reply, stalled, stream_reply, text_reply

WORDS = [f"{number} " for number in range(5)]


def tell(about: str) -> str:
    """Tell about {about}"""


@pytest.fixture
def other():
    with LLMServer() as server:
        yield server


@pytest.fixture
def backup(other, http):
    return declarai.openai(model="spare", openai_token="sk-other", base_url=other.base_url, http_client=http)


@pytest.fixture(params=["whole", "stream"])
def ask(request, openai, way):
    """Make what calls a task with these middlewares, and gives its result or steps; each test is run four ways."""
    llm = openai()

    def made(*middlewares, **options):
        streaming = request.param == "stream"
        task = llm.task(streaming=streaming, middlewares=middlewares, **options)(way.define(tell))
        if streaming:
            return lambda: way.collect(task("x"))[-1]
        return lambda: way.call(task.arun if way.is_async else task.run, "x").response

    made.is_stream = request.param == "stream"
    made.reply = stream_reply if made.is_stream else (lambda pieces, **options: text_reply("".join(pieces), **options))
    made.stalled = lambda reply: stalled(reply, 1 if made.is_stream else 0)
    return made


def test_a_first_one_in_time_answers_alone(server, other, backup, ask):
    server.enqueue(ask.reply(WORDS))
    assert ask(hedge(backup, after=60))().response == "0 1 2 3 4 "
    assert len(other.requests) == 0


def test_the_backup_answers_where_the_first_is_slow(server, other, backup, ask):
    server.enqueue(ask.stalled(ask.reply(["slow"])))
    other.enqueue(ask.reply(WORDS, model="spare"))
    answer = ask(hedge(backup, after=0.05))()
    assert (answer.response, answer.model) == ("0 1 2 3 4 ", "spare")
    assert server.wait_disconnect()
    assert other.requests[0].headers["authorization"] == "Bearer sk-other"


def test_the_first_wins_where_it_begins_before_the_backup(server, other, backup, ask):
    gate = threading.Event()
    server.enqueue(ask.reply(WORDS, gate=gate, gate_after=1 if ask.is_stream else 0))
    other.enqueue(ask.stalled(ask.reply(["late"])))

    def open_gate():
        assert other.wait_requests(1)
        gate.set()

    opening = threading.Thread(target=open_gate)
    opening.start()
    assert ask(hedge(backup, after=0.02))().response == "0 1 2 3 4 "
    opening.join()
    assert other.wait_disconnect()


def test_the_loser_is_told_as_an_attempt(server, other, openai, backup):
    server.enqueue(stalled(text_reply("slow"), 0))
    other.enqueue(text_reply("fast"))
    result = openai().task(middlewares=[hedge(backup, after=0.02)])(tell).run("x")
    (attempt,) = result.attempts
    assert (result.value, type(attempt.error), attempt.usage) == ("fast", ProviderTimeout, None)
    assert "the other model began to answer first" in str(attempt.error)
    assert attempt.seconds > 0


def test_a_failure_that_may_pass_has_the_backup_asked_at_once(server, other, backup, ask):
    server.enqueue(error_reply(503))
    other.enqueue(ask.reply(["yes"]))
    assert ask(hedge(backup, after=60))().response == "yes"


def test_a_failure_that_will_not_pass_is_raised(server, other, backup, ask):
    server.enqueue(error_reply(401))
    with pytest.raises(AuthenticationError):
        ask(hedge(backup, after=60))()
    assert len(other.requests) == 0


def test_where_both_fail_the_last_error_is_raised(server, other, backup, ask):
    server.enqueue(error_reply(503))
    other.enqueue(error_reply(500, "the backup is down"))
    with pytest.raises(ServerError, match="the backup is down"):
        ask(hedge(backup, after=60))()


def test_texts_are_never_mixed(server, other, backup, ask):
    server.enqueue(*(ask.reply(["first"] * 5, delay_before=0.02) for _ in range(10)))
    other.enqueue(*(ask.reply(["other"] * 5) for _ in range(10)))
    call = ask(hedge(backup, after=0.015, share=1))
    assert {call().response for _ in range(10)} <= {"first" * 5, "other" * 5}


def test_what_breaks_after_its_beginning_is_not_asked_elsewhere(server, other, openai, backup):
    reply = stream_reply(WORDS)
    server.enqueue(broken_off(reply, sum(map(len, reply.writes[:3]))))
    with pytest.raises(StreamInterrupted) as raised:
        list(openai().task(streaming=True, middlewares=[hedge(backup, after=60)])(tell)("x"))
    assert raised.value.response.response == "0 1 "
    assert len(other.requests) == 0


def test_no_more_than_the_share_is_asked_twice(server, other, openai, backup):
    server.enqueue(text_reply("first", delay_before=0.15), repeat=100)
    other.enqueue(text_reply("other"), repeat=100)
    task = openai().task(middlewares=[hedge(backup, after=0.01, share=0.1)])(tell)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(task, map(str, range(100))))
    assert 1 <= answers.count("other") <= 10
    assert len(other.requests) <= 10


def test_the_share_is_that_of_the_last_minute(monkeypatch):
    now = time.monotonic()
    middleware = hedge(declarai.offline(), share=0.5)

    def called():
        with pytest.raises(AttributeError):  # no request: only the call is counted
            next(middleware(None, None))

    for _ in range(4):
        called()
    assert [middleware.may_hedge() for _ in range(3)] == [True, True, False]
    monkeypatch.setattr(time, "monotonic", lambda: now + 90)
    called()
    assert [middleware.may_hedge() for _ in range(2)] == [True, False]


def test_budgets_count_both_and_allow_no_more(server, other, openai, backup):
    server.enqueue(text_reply("first", delay_before=0.3), repeat=2)
    other.enqueue(text_reply("other"))
    task = openai(model="gpt-4o").task(middlewares=[hedge(backup, after=0.01, share=1)])(tell)
    with declarai.limits(requests=3, usd=1, unknown="ignore") as spent:
        assert [task("x"), task("x")] == ["other", "first"]
    assert (spent.requests, spent.purse.reserved) == (3, 0)


def test_a_backup_that_is_given_up_is_counted_by_its_prompt(server, other, openai, http):
    gate = threading.Event()
    server.enqueue(text_reply("first", gate=gate, gate_after=0))
    other.enqueue(stalled(text_reply("late"), 0))
    dear = declarai.openai(model="gpt-4o", openai_token="sk-other", base_url=other.base_url, http_client=http)
    task = openai(model="gpt-4o").task(middlewares=[hedge(dear, after=0.01)])(tell)

    def open_gate():
        other.wait_requests(1)
        gate.set()

    with declarai.limits(usd=1) as spent:
        opening = threading.Thread(target=open_gate)
        opening.start()
        assert task("word " * 4_000) == "first"
        opening.join()
    assert (spent.usd > 0.01, spent.purse.reserved) == (True, 0)


def test_a_call_keeps_to_its_time(server, other, backup, ask):
    server.enqueue(ask.stalled(ask.reply(["slow"])))
    other.enqueue(ask.stalled(ask.reply(["slow too"])))
    with pytest.raises((ProviderTimeout, StreamInterrupted)):
        ask(hedge(backup, after=0.02), timeout=0.3)()
    assert server.wait_disconnect()
    assert other.wait_disconnect()


def test_a_stream_that_is_left_or_closed_elsewhere_closes_both(server, other, openai, backup):
    server.enqueue(stalled(stream_reply(WORDS), 1), stalled(stream_reply(WORDS), 3))
    other.enqueue(stalled(stream_reply(WORDS), 1))
    task = openai().task(streaming=True, middlewares=[hedge(backup, after=0.02)])(tell)
    stream = task.stream("x")

    def close_when_both_are_asked():
        assert server.wait_requests(1, 60)
        assert other.wait_requests(1, 60)
        stream.close()

    closing = threading.Thread(target=close_when_both_are_asked)
    closing.start()
    with pytest.raises(declarai.DeclaraiError), stream:
        stream.until_done()
    closing.join()
    assert server.wait_disconnect()
    assert other.wait_disconnect()
    steps = task.with_options(middlewares=[hedge(backup, after=60)])("x")
    next(steps), next(steps)
    steps.close()
    assert server.wait_disconnect()


def test_state_is_the_one_of_who_answered(server, other, backup, openai):
    thinking = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"}}]}
    server.enqueue(stalled(text_reply("slow"), 0))
    other.enqueue(json_reply(thinking))

    @openai().chat(middlewares=[hedge(backup, after=0.02)])
    class Bot:
        """You are a bot."""

    bot = Bot()
    bot.send("Hi")
    state = bot.conversation[-1].state
    assert (state["base_url"], state["model"]) == (other.base_url, "spare")


@pytest.mark.parametrize("options", [{"after": -1}, {"after": float("nan")}, {"share": 0}, {"share": 1.5}])
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(DefinitionError, match="expected after=0 or more"):
        hedge(declarai.offline(), **options)
    with pytest.raises(DefinitionError, match="expected models"):
        hedge("gpt-4o")


def test_it_can_be_pickled_and_shown():
    middleware = hedge(declarai.offline(), after=1.5)
    assert repr(pickle.loads(pickle.dumps(middleware))) == repr(middleware)  # noqa: S301 - our own
    assert repr(middleware).endswith("after=1.5, share=0.05)")

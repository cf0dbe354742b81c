"""Asking again when the other side failed: bounded, patient, and never after the first chunk."""

import time

import pytest

import declarai_like as declarai
from declarai_like._calls.operations import Sleep
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    DefinitionError,
    NotFoundError,
    ProviderConnectionError,
    ProviderTimeout,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.middleware import retry
from declarai_like.requests import Request
from declarai_like.testing import broken_off, bytes_reply, error_reply, stream_reply, text_reply

SOON = {"Retry-After-Ms": "1"}


def slogan(product: str) -> str:
    """Write a slogan"""


def drive(middleware, errors, sleeps):
    """Let a middleware fail with these errors, one after the other, and note how long it waits."""

    def send(request):
        yield from ()
        raise errors.pop(0)

    flow = middleware(Request(model="m"), send)
    answer = None
    try:
        while True:
            operation = flow.send(answer)
            assert isinstance(operation, Sleep)
            sleeps.append(operation.seconds)
            answer = True
    except ServerError as error:
        return error


@pytest.fixture(params=["whole", "stream"])
def ask(request, openai, way):
    """Make a task of these options, and give what calls it; each test is run four ways."""

    def made(**options):
        streaming = request.param == "stream"
        task = openai(max_retries=options.pop("max_retries", 2)).task(streaming=streaming, **options)(
            way.define(slogan)
        )
        return lambda: way.collect(task("x"))[-1].response if streaming else way.call(task, "x")

    made.answer = stream_reply(["ok"]) if request.param == "stream" else text_reply("ok")
    return made


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(server, ask, status):
    server.enqueue(error_reply(status, headers=SOON), error_reply(status, headers=SOON), ask.answer)
    assert ask()() == "ok"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (403, AuthenticationError), (404, NotFoundError)],
)
def test_what_will_not_pass_is_not_tried_again(server, ask, status, kind):
    server.enqueue(error_reply(status))
    with pytest.raises(kind):
        ask()()
    assert len(server.requests) == 1


def test_a_quota_that_is_used_up_is_not_tried_again(server, ask):
    server.enqueue(error_reply(429, code="insufficient_quota"))
    with pytest.raises(RateLimited):
        ask()()
    assert len(server.requests) == 1


def test_a_broken_connection_is_tried_again(server, ask):
    server.enqueue(bytes_reply((), end="reset"), ask.answer)
    assert ask(middlewares=[retry(1, first_wait=0)])() == "ok"


def test_the_number_of_tries_is_bounded(server, ask):
    server.enqueue(error_reply(500, headers=SOON), repeat=3)
    with pytest.raises(ServerError):
        ask()()
    assert len(server.requests) == 3


def test_no_retries_means_one_request(server, ask):
    server.enqueue(error_reply(500))
    with pytest.raises(ServerError):
        ask(max_retries=0)()
    assert len(server.requests) == 1


def test_max_retries_can_be_told_to_the_task(server, ask):
    server.enqueue(error_reply(500, headers=SOON), ask.answer)
    task = ask(max_retries=0)
    with pytest.raises(ServerError):
        task()
    assert len(server.requests) == 1


def test_a_retry_that_is_listed_is_in_charge_alone(server, ask):
    server.enqueue(error_reply(500, headers=SOON), repeat=2)
    with pytest.raises(ServerError):
        ask(max_retries=5, middlewares=[retry(1)])()
    assert len(server.requests) == 2


def test_retry_after_is_waited_for(server, ask):
    server.enqueue(error_reply(429, headers={"Retry-After-Ms": "150"}), ask.answer)
    started = time.monotonic()
    ask()()
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize("seconds", ["121", "300"])
def test_a_wait_of_minutes_is_not_waited_for(server, ask, seconds):
    server.enqueue(error_reply(429, headers={"Retry-After": seconds}))
    with pytest.raises(RateLimited) as caught:
        ask()()
    assert caught.value.retry_after == float(seconds)


def test_a_wait_beyond_the_calls_time_is_not_waited_for(server, ask):
    server.enqueue(error_reply(429, headers={"Retry-After": "30"}))
    started = time.monotonic()
    with pytest.raises(RateLimited):
        ask(timeout=2)()
    assert time.monotonic() - started < 1


def test_a_call_whose_time_is_over_asks_no_more(server, ask):
    def waiting(request, send):
        time.sleep(0.1)
        return (yield from send(request))

    with pytest.raises(ProviderTimeout, match=r"the call's time of 0.07 s is over"):
        ask(timeout=0.07, middlewares=[waiting], max_retries=0)()
    assert not server.requests


def test_a_later_try_has_only_the_time_that_is_left(server, ask):
    server.enqueue(error_reply(500, headers={"Retry-After-Ms": "300"}), text_reply("late", delay_before=30))
    started = time.monotonic()
    with pytest.raises(ProviderTimeout):
        ask(timeout=1.5, max_retries=1)()
    assert time.monotonic() - started < 15
    assert len(server.requests) == 2


def test_a_stream_is_not_begun_again_after_its_first_chunk(server, openai, way):
    server.enqueue(broken_off(stream_reply(["Half", " an answer"]), at=420))
    with pytest.raises(StreamInterrupted):
        way.collect(openai(max_retries=5).task(streaming=True)(way.define(slogan))("x"))
    assert len(server.requests) == 1


def test_refused_connections_are_told_with_what_to_do(way):
    llm = declarai.openai(model="m", openai_token="k", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ProviderConnectionError, match=r"127\.0\.0\.1:9"):
        way.call(llm.task(way.define(slogan)), "x")


def test_waits_double_up_to_the_longest_less_a_little_at_random():
    sleeps = []
    drive(retry(6), [ServerError("no") for _ in range(7)], sleeps)
    expected = [0.5, 1, 2, 4, 8, 8]
    assert all(0.75 * most <= wait <= most for wait, most in zip(sleeps, expected, strict=True))


def test_the_last_error_is_raised():
    errors = [ServerError("first"), ServerError("last")]
    assert drive(retry(1), errors, []).message == "last"


@pytest.mark.parametrize("wrong", [{"times": -1}, {"times": 1, "first_wait": -1}, {"times": 1, "longest_wait": -1}])
def test_a_retry_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DefinitionError, match="not negative"):
        retry(**wrong)


def test_a_retry_shows_itself():
    assert repr(retry(3)) == "retry(3)"

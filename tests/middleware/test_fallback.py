"""Asking another model when one does not answer; and what a call tells of its failed tries."""

import pickle

import pytest

import declarai_like as declarai
from declarai_like.errors import (
    BadRequestError,
    DefinitionError,
    OutputError,
    ProviderConnectionError,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.middleware import fallback, retry
from declarai_like.testing import FakeLLM, LLMServer, broken_off, error_reply, stream_reply, text_reply

SOON = {"Retry-After-Ms": "1"}


def cut_after(reply, writes):
    """Send so many writes of a reply, then close the connection without its end."""
    return broken_off(reply, sum(map(len, reply.writes[:writes])))


def slogan(product: str) -> str:
    """Write a slogan"""


@pytest.fixture
def other():
    with LLMServer() as server:
        yield server


@pytest.fixture
def spare(other, http):
    return declarai.openai(
        model="spare", openai_token="sk-other", base_url=other.base_url, max_retries=0, http_client=http
    )


@pytest.fixture(params=["whole", "stream"])
def ask(request, openai, way):
    """Make a task of these options, and give what calls it; each test is run four ways."""

    def made(**options):
        streaming = request.param == "stream"
        task = openai(max_retries=options.pop("max_retries", 0)).task(streaming=streaming, **options)(
            way.define(slogan)
        )
        return lambda: way.collect(task("x"))[-1].response if streaming else way.call(task, "x")

    made.reply = (lambda text: stream_reply([text])) if request.param == "stream" else text_reply
    return made


def test_another_model_answers_when_one_does_not(server, other, spare, ask):
    server.enqueue(error_reply(503))
    other.enqueue(ask.reply("from the other"))
    assert ask(middlewares=[fallback(spare)])() == "from the other"
    assert [request.body["model"] for request in (*server.requests, *other.requests)] == ["gpt-4o-mini", "spare"]


def test_key_of_the_first_is_not_told_to_the_other(server, other, spare, ask):
    server.enqueue(error_reply(401))
    other.enqueue(ask.reply("yes"))
    ask(middlewares=[fallback(spare)])()
    assert other.requests[0].headers["authorization"] == "Bearer sk-other"


def test_headers_and_fields_of_one_service_are_not_sent_to_another(server, other, spare, ask, openai):
    told = {"headers": {"X-Team-Key": "canary"}, "extra_body": {"team": "canary"}}
    server.enqueue(error_reply(503))
    other.enqueue(ask.reply("yes"))
    assert ask(middlewares=[fallback(spare)], **told)() == "yes"
    assert (server.requests[0].headers["x-team-key"], server.requests[0].body["team"]) == ("canary", "canary")
    assert "canary" not in str(other.requests[0].headers) + str(other.requests[0].body)
    server.enqueue(error_reply(503), ask.reply("yes"))
    assert ask(middlewares=[fallback(openai(model="gpt-4o"))], **told)() == "yes"
    assert server.requests[-1].headers["x-team-key"] == "canary"


def test_models_are_asked_in_their_order_each_with_its_retries(server, other, spare, ask):
    server.enqueue(error_reply(503, headers=SOON), error_reply(503, headers=SOON))
    other.enqueue(error_reply(500, headers=SOON), error_reply(500, headers=SOON))
    last = FakeLLM(["at last"])
    assert ask(max_retries=1, middlewares=[fallback(spare, last)])() == "at last"
    assert (len(server.requests), len(other.requests)) == (2, 2)


def test_error_of_the_last_one_tells_all_attempts(server, other, spare, ask):
    server.enqueue(error_reply(429))
    other.enqueue(error_reply(500))
    with pytest.raises(ServerError) as caught:
        ask(middlewares=[fallback(spare)])()
    assert [type(attempt.error) for attempt in caught.value.attempts] == [RateLimited, ServerError]
    assert caught.value.attempts[-1].error is caught.value


def test_first_that_answers_is_the_only_one_asked(server, other, spare, ask):
    server.enqueue(ask.reply("yes"))
    assert ask(middlewares=[fallback(spare)])() == "yes"
    assert other.requests == []


def test_nothing_else_is_asked_after_the_first_chunk(server, other, spare, openai, way):
    server.enqueue(cut_after(stream_reply(["a", "b", "c"]), 3))
    task = openai(stream=True).task(middlewares=[fallback(spare)])(way.define(slogan))
    with pytest.raises(StreamInterrupted) as caught:
        way.collect(task("x"))
    assert (caught.value.response.response, other.requests) == ("ab", [])


def test_when_says_which_errors_count(server, other, spare, ask):
    server.enqueue(error_reply(400))
    with pytest.raises(BadRequestError):
        ask(middlewares=[fallback(spare, when=lambda error: error.retryable)])()
    assert other.requests == []


def test_parameters_of_the_task_go_over_those_of_the_other_model(server, other, http, ask):
    spare = declarai.openai(
        model="spare", openai_token="k", base_url=other.base_url, http_client=http, llm_params={"seed": 1, "top_p": 0.5}
    )
    server.enqueue(error_reply(500))
    other.enqueue(ask.reply("yes"))
    ask(middlewares=[fallback(spare)], llm_params={"seed": 2})()
    body = other.requests[0].body
    assert (body["seed"], body["top_p"]) == (2, 0.5)


def test_what_the_other_server_refuses_is_learned_by_it(server, other, spare, way, openai):
    def rank(message: str) -> int:
        """Rank it"""

    server.enqueue(error_reply(500))
    other.enqueue(error_reply(400, message="response_format is not supported"), text_reply("4"))
    task = openai().task(middlewares=[fallback(spare)])(way.define(rank))
    result = way.run(task, "x")
    assert (result.value, [type(attempt.error) for attempt in result.attempts]) == (4, [ServerError, BadRequestError])


def test_typed_answer_is_asked_again_with_the_first_model_first(server, other, spare, way, openai):
    def rank(message: str) -> int:
        """Rank it"""

    server.enqueue(error_reply(500), text_reply("3"))
    other.enqueue(text_reply("so so"))
    task = openai(max_retries=0).task(middlewares=[fallback(spare)], retries=1)(way.define(rank))
    result = way.run(task, "x")
    assert (result.value, [type(one.error) for one in result.attempts]) == (3, [ServerError, OutputError])


def test_retries_of_answers_are_not_used_up_by_failed_requests(server, way, openai):
    def rank(message: str) -> int:
        """Rank it"""

    failed = error_reply(500, headers=SOON)
    server.enqueue(failed, failed, text_reply("so so"), text_reply("3"))
    task = openai(max_retries=2).task(retries=1)(way.define(rank))
    assert way.run(task, "x").value == 3


def test_attempts_that_failed_are_told_with_the_answer(server, ask, way, openai):
    server.enqueue(error_reply(503, headers=SOON), text_reply("yes"))
    result = way.run(openai(max_retries=1).task(way.define(slogan)), "x")
    (attempt,) = result.attempts
    assert (type(attempt.error), attempt.text, attempt.usage) == (ServerError, "", None)
    assert attempt.seconds > 0
    assert attempt.error.__traceback__ is None


def test_attempts_of_a_broken_stream_hold_what_had_come(server, way, openai):
    server.enqueue(cut_after(stream_reply(["a", "b", "c"]), 3))
    with pytest.raises(StreamInterrupted) as caught:
        way.collect(openai(stream=True).task(way.define(slogan))("x"))
    (attempt,) = caught.value.attempts
    assert (attempt.error is caught.value, attempt.text) == (True, "ab")


def test_refused_connection_is_an_attempt_too(http, way):
    llm = declarai.openai(model="m", openai_token="k", base_url="http://127.0.0.1:9/v1", max_retries=1)
    task = llm.task(middlewares=[retry(2, first_wait=0.001)])(way.define(slogan))
    with pytest.raises(ProviderConnectionError) as caught:
        way.call(task, "x")
    assert len(caught.value.attempts) == 3


def test_error_with_attempts_is_pickled(server, llm):
    server.enqueue(error_reply(500))
    with pytest.raises(ProviderError) as caught:
        llm.task(slogan)("x")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own data
    assert [type(attempt.error) for attempt in again.attempts] == [ServerError]


@pytest.mark.parametrize("headers", [{"x-should-retry": "true"}, {}])
def test_provider_may_say_that_asking_again_helps(server, way, openai, headers):
    server.enqueue(error_reply(400, headers={**SOON, **headers}), text_reply("yes"))
    task = openai(max_retries=1).task(way.define(slogan))
    if headers:
        assert way.call(task, "x") == "yes"
    else:
        with pytest.raises(BadRequestError):
            way.call(task, "x")


def test_provider_may_say_that_asking_again_does_not_help(server, ask):
    server.enqueue(error_reply(503, headers={"x-should-retry": "false"}))
    with pytest.raises(ServerError) as caught:
        ask(max_retries=2)()
    assert (caught.value.retryable, len(server.requests)) == (False, 1)


def test_fallback_needs_models():
    with pytest.raises(DefinitionError, match="at least one model"):
        fallback()
    with pytest.raises(DefinitionError, match=r"expected models, as declarai.openai\(\) or declarai.local\(\) give"):
        fallback("gpt-4")


def test_fallback_is_pickled_and_shown(spare):
    made = pickle.loads(pickle.dumps(fallback(spare)))  # noqa: S301 - our own data
    assert repr(made) == "fallback(<Declarai OpenAIProvider(model='spare')>)"


def test_request_that_a_middleware_made_up_needs_a_provider(llm, way):
    def forgetful(request, send):
        return (yield from send(declarai.Request(model="m")))

    with pytest.raises(DefinitionError, match="names no provider"):
        way.call(llm.task(middlewares=[forgetful])(way.define(slogan)), "x")

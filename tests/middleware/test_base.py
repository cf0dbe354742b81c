"""What stands around a call: in order, whatever the call, and to the very end of it."""

import asyncio
from typing import ClassVar

import pytest

import declarai_like as declarai
from declarai_like.errors import BadRequestError, DefinitionError, OutputError, ProviderError, StreamInterrupted
from declarai_like.middleware import TaskMiddleware
from declarai_like.responses import LLMResponse
from declarai_like.testing import broken_off, error_reply, stream_reply, text_reply


def slogan(product: str) -> str:
    """Write a slogan"""


def rank(message: str) -> int:
    """Rank the message"""


def noting(name, notes):
    def middleware(request, send):
        notes.append(f"{name} before")
        try:
            response = yield from send(request)
        except BaseException as error:
            notes.append(f"{name} {type(error).__name__}")
            raise
        notes.append(f"{name} after {response.response}")
        return response

    return middleware


@pytest.fixture(params=["whole", "stream"])
def make(request, llm, way):
    """Declare a task and give what makes one call of it; each test is run four ways."""

    def made(*middlewares, function=slogan, **options):
        streaming = request.param == "stream"
        task = llm.task(middlewares=list(middlewares), streaming=streaming, **options)(way.define(function))

        def call(*args, **kwargs):
            if streaming:
                return way.collect(task(*args, **kwargs))[-1]
            return way.run(task, *args, **kwargs).response

        return call

    made.reply = (lambda text: stream_reply([text])) if request.param == "stream" else text_reply
    return made


def test_f5_all_middlewares_run_in_onion_order(server, make):
    notes = []
    server.enqueue(make.reply("a"))
    make(noting("one", notes), noting("two", notes))("soap")
    assert notes == ["one before", "two before", "two after a", "one after a"]


def test_a_middleware_sees_the_request_and_can_change_it(server, make):
    def louder(request, send):
        return (yield from send(request.replace(params={**request.params, "seed": 7})))

    server.enqueue(make.reply("a"))
    make(louder)("soap")
    assert server.requests[0].body["seed"] == 7


def test_a_middleware_is_told_which_field_a_request_does_not_have(make):
    def louder(request, send):
        return (yield from send(request.replace(sead=7)))

    with pytest.raises(TypeError, match="sead"):
        make(louder)("soap")


def test_a_middleware_can_answer_without_the_provider(server, make):
    def cached(request, send):
        return LLMResponse(response="from the cache", finish_reason="stop")
        yield

    assert make(cached)("soap").response == "from the cache"
    assert not server.requests


def test_a_typed_answer_of_a_middleware_is_read_as_the_models(server, make):
    def cached(request, send):
        return LLMResponse(response="4")
        yield

    assert make(cached, function=rank)("soap").parsed == 4


def test_a_middleware_can_give_the_value_itself(llm, way):
    def cached(request, send):
        return LLMResponse(response="four", parsed=4)
        yield

    assert way.call(llm.task(middlewares=[cached])(way.define(rank)), "x") == 4


def test_errors_are_thrown_into_the_middlewares(server, make):
    notes = []
    server.enqueue(error_reply(400, "no"))
    with pytest.raises(BadRequestError):
        make(noting("one", notes), noting("two", notes))("soap")
    assert notes == ["one before", "two before", "two BadRequestError", "one BadRequestError"]


def test_a_middleware_can_answer_for_an_error(server, make):
    def calm(request, send):
        try:
            return (yield from send(request))
        except ProviderError as error:
            return LLMResponse(response=f"sorry: {error.status}")

    server.enqueue(error_reply(400, "no"))
    assert make(calm)("soap").response == "sorry: 400"


def test_a_middleware_can_send_twice(server, make):
    def twice(request, send):
        yield from send(request)
        return (yield from send(request))

    server.enqueue(make.reply("a"), make.reply("b"))
    assert make(twice)("soap").response == "b"


def test_an_error_of_a_middleware_itself_is_the_callers(server, make):
    def broken(request, send):
        raise LookupError("mine")
        yield

    with pytest.raises(LookupError, match="mine"):
        make(broken)("soap")


# What is no middleware


def test_a_forgotten_return_is_refused_with_what_to_write(server, make):
    def forgetful(request, send):
        yield from send(request)

    server.enqueue(make.reply("a"))
    with pytest.raises(DefinitionError, match=r"expected an LLMResponse from the middlewares, got None: .*return"):
        make(forgetful)("soap")


def test_a_forgotten_from_is_refused_with_what_to_write(make):
    def forgetful(request, send):
        return (yield send(request))

    with pytest.raises(DefinitionError, match=r"expected an operation .*write `yield from send"):
        make(forgetful)("soap")


def test_a_plain_function_that_answers_is_refused_with_what_to_write(make):
    with pytest.raises(DefinitionError, match="to be a generator function, got LLMResponse from it"):
        make(lambda request, send: LLMResponse(response="a"))("soap")


def test_a_coroutine_function_is_refused_with_what_to_write(make):
    async def modern(request, send):
        return await send(request)

    with pytest.raises(DefinitionError, match="got coroutine from it: write `def`"):
        make(modern)("soap")


def test_a_plain_function_that_only_passes_on_is_a_middleware(server, make):
    server.enqueue(make.reply("a"))
    assert make(lambda request, send: send(request))("soap").response == "a"


# Streams that end early


def test_f36_a_middleware_ends_when_a_stream_is_left(server, llm, way):
    notes = []
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))
    way.leave(llm.task(streaming=True, middlewares=[noting("one", notes)])(way.define(slogan))("x"), after=2)
    assert notes == ["one before", "one GeneratorExit"]


def test_f36_a_middleware_sees_that_a_stream_was_cut(server, llm, way):
    notes = []
    server.enqueue(broken_off(stream_reply(["Half", " an answer"]), at=420))
    with pytest.raises(StreamInterrupted):
        way.collect(llm.task(streaming=True, middlewares=[noting("one", notes)])(way.define(slogan))("x"))
    assert notes == ["one before", "one StreamInterrupted"]


def test_a_middleware_ends_when_its_call_is_cancelled(server, llm):
    notes = []
    server.enqueue(text_reply("late", delay_before=30))

    @llm.task(middlewares=[noting("one", notes)])
    async def ask(product: str) -> str:
        """Write a slogan"""

    async def cancelling():
        call = asyncio.create_task(ask("soap"))
        await asyncio.to_thread(server.wait_requests, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancelling())
    assert notes == ["one before", "one CancelledError"]
    assert server.wait_disconnect(timeout=1)


# TaskMiddleware


class Noting(TaskMiddleware):
    notes: ClassVar = []

    def before(self, task):
        self.notes.append(("before", task.__name__, self._kwargs))

    def after(self, task):
        self.notes.append(("after", task.llm_response and task.llm_response.response))


@pytest.fixture
def notes():
    Noting.notes.clear()
    return Noting.notes


def test_row_129_before_and_after_run_around_a_call(server, make, notes):
    server.enqueue(make.reply("a"))
    make(Noting)("soap")
    assert notes == [("before", "slogan", {"product": "soap"}), ("after", "a")]


def test_row_130_two_classes_both_run(server, make, notes):
    server.enqueue(make.reply("a"))
    make(Noting, Noting)("soap")
    assert [note[0] for note in notes] == ["before", "before", "after", "after"]


def test_f36_after_runs_when_the_call_fails(server, make, notes):
    server.enqueue(error_reply(400, "no"))
    with pytest.raises(BadRequestError):
        make(Noting)("soap")
    assert notes[-1] == ("after", None)


def test_f36_after_runs_when_a_stream_is_left_and_sees_what_had_come(server, llm, way, notes):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))
    way.leave(llm.task(streaming=True, middlewares=[Noting])(way.define(slogan))("x"), after=2)
    assert notes[-1] == ("after", "a")


def test_f36_after_runs_when_the_answer_is_not_of_its_type(server, make, notes):
    server.enqueue(make.reply("bad"))
    with pytest.raises(OutputError):
        make(Noting, function=rank)("soap")
    assert notes[-1] == ("after", "bad")


def test_a_class_that_says_nothing_changes_nothing(server, make):
    server.enqueue(make.reply("a"))
    assert make(TaskMiddleware)("soap").response == "a"


def test_each_call_has_an_instance_of_its_own(server, make):
    seen = []

    class Counting(TaskMiddleware):
        def __init__(self, task, kwargs=None):
            super().__init__(task, kwargs)
            seen.append(self)

    server.enqueue(make.reply("a"), make.reply("b"))
    call = make(Counting)
    call("soap")
    call("soup")
    assert [one._kwargs["product"] for one in seen] == ["soap", "soup"]


def test_a_middleware_stands_around_each_retry_of_the_answer(server, llm, way, notes):
    server.enqueue(text_reply("bad"), text_reply("4"))
    way.call(llm.task(middlewares=[Noting], retries=1)(way.define(rank)), "soap")
    assert [note[0] for note in notes] == ["before", "after", "before", "after"]


def test_the_middleware_of_a_provider_stands_around_direct_calls_too(server, openai):
    notes = []
    server.enqueue(text_reply("a"))
    openai(middlewares=[noting("one", notes)]).send("hi")
    assert notes == ["one before", "one after a"]


def test_threads_share_no_state_of_middlewares(server, llm):
    seen = {}

    class Keeping(TaskMiddleware):
        def after(self, task):
            seen[self._kwargs["product"]] = task.llm_response.response

    task = llm.task(middlewares=[Keeping])(slogan)
    server.default = lambda request: text_reply(request.body["messages"][-1]["content"])

    async def calling():
        await asyncio.gather(*(asyncio.to_thread(task, f"<{number}>") for number in range(20)))

    asyncio.run(calling())
    assert all(name in answer for name, answer in seen.items())
    assert len(seen) == 20


def test_the_package_shows_its_middlewares():
    shown = {"LoggingMiddleware", "TaskMiddleware", "fallback", "observe", "redact", "retry", "rewrite", "telemetry"}
    assert shown < set(declarai.middleware.__all__)
    assert all(getattr(declarai.middleware, name) for name in declarai.middleware.__all__)


def test_an_error_about_the_answer_may_be_the_middlewares_own(make):
    def strict(request, send):
        raise OutputError("not good enough")
        yield

    with pytest.raises(OutputError, match="not good enough"):
        make(strict)("soap")


def test_a_middleware_that_answers_makes_a_stream_of_events_without_events(llm, way):
    def cached(request, send):
        return LLMResponse(response="4")
        yield

    stream = llm.task(middlewares=[cached])(way.define(rank)).stream("soap")
    assert way.events(stream) == []
    assert way.result(stream) == 4

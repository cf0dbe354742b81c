"""The log that who lists `LoggingMiddleware` has asked for: one record for each request, one line for each record."""

import asyncio
import logging
import pickle
from dataclasses import dataclass

import pytest

import declarai_like as declarai
from declarai_like.errors import BadRequestError, DefinitionError, OutputError, StreamInterrupted
from declarai_like.middleware import redact
from declarai_like.middleware.logging import LoggingMiddleware
from declarai_like.responses import LLMResponse
from declarai_like.testing import FakeLLM, broken_off, chunks, error_reply, stream_reply, text_reply

KEY = "sk-canary-1234567890"
FIELDS = ["task_name", "llm_model", "template", "call_kwargs", "compiled_template", "result", "time", "error"]


def slogan(product: str) -> str:
    """Write a slogan"""


def rank(message: str) -> int:
    """Rank the message"""


class Log:
    def __init__(self, caplog):
        self._caplog = caplog

    @property
    def records(self):
        return [record for record in self._caplog.records if record.name == "declarai_like.calls"]

    @property
    def record(self):
        (record,) = self.records
        return record

    @property
    def fields(self):
        return {name: getattr(self.record, name) for name in FIELDS}


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="declarai_like.calls")
    return Log(caplog)


@pytest.fixture
def llm(openai):
    return openai(middlewares=[LoggingMiddleware])


@pytest.mark.parametrize("streaming", [False, True])
def test_row_131_a_call_is_one_record_with_declarais_fields(server, llm, way, log, streaming):
    server.enqueue(stream_reply(["a", "b"]) if streaming else text_reply("ab"))
    task = llm.task(streaming=streaming)(way.define(slogan))
    way.collect(task("soap")) if streaming else way.call(task, "soap")
    fields = log.fields
    assert 0 < fields.pop("time") < 60
    assert fields == {
        "task_name": "slogan",
        "llm_model": "gpt-4o-mini",
        "template": [{"role": "user", "content": "Write a slogan\nInputs:\nproduct: {product}\n\n"}],
        "call_kwargs": {"product": "soap"},
        "compiled_template": [{"role": "user", "content": "Write a slogan\nInputs:\nproduct: soap\n\n"}],
        "result": "ab",
        "error": None,
    }
    assert log.record.levelno == logging.INFO


def test_row_131_it_does_not_print(llm, server, log, capsys):
    server.enqueue(text_reply("ab"))
    llm.task(slogan)("soap")
    assert capsys.readouterr() == ("", "")
    assert log.records


def test_message_shows_the_fields(llm, server, log):
    server.enqueue(text_reply("ab"))
    llm.task(slogan)("soap")
    message = log.record.getMessage()
    assert message.startswith("'slogan' asked 'gpt-4o-mini': {'task_name': 'slogan', 'llm_model': 'gpt-4o-mini', ")
    assert message.endswith("'error': None}")


def test_each_turn_of_a_chat_is_a_record(server, llm, log):
    class Bot(declarai.Chat, llm=llm):
        """You are {who}"""

    server.enqueue(text_reply("a"), text_reply("b"))
    bot = Bot(who="kind")
    bot.send("one")
    bot.send("two")
    first, second = log.records
    assert (first.task_name, first.template, first.call_kwargs) == ("Bot", "You are {who}", {"message": "one"})
    assert [message["content"] for message in second.compiled_template] == ["You are kind", "one", "a", "two"]


def test_a_system_prompt_of_the_instance_is_its_template(server, llm, log):
    class Bot(declarai.Chat, llm=llm):
        """You are {who}"""

    server.enqueue(text_reply("a"))
    Bot(system="Be {how}", how="brief").send("one")
    assert log.record.template == "Be {how}"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_direct_call_has_no_template(log, streaming):
    llm = FakeLLM(["a"], middlewares=[LoggingMiddleware])
    if streaming:
        list(llm.complete("Once", streaming=True))
    else:
        llm.complete("Once")
    assert (log.record.template, log.record.compiled_template, log.record.call_kwargs) == (None, "Once", {})
    assert log.record.result == "a"


def test_a_failed_call_is_a_record_too(server, llm, way, log):
    server.enqueue(error_reply(400, "no"))
    with pytest.raises(BadRequestError):
        way.call(llm.task(way.define(slogan)), "soap")
    assert (log.record.result, log.record.error) == (None, "BadRequestError")


def test_a_stream_that_broke_is_a_record_without_a_result(server, llm, way, log):
    server.enqueue(broken_off(stream_reply(["Half", " an answer"]), at=420))
    with pytest.raises(StreamInterrupted):
        way.collect(llm.task(streaming=True)(way.define(slogan))("x"))
    assert (log.record.result, log.record.error) == (None, "StreamInterrupted")


def test_a_stream_that_is_left_is_a_record_with_what_had_come(server, llm, way, log):
    server.enqueue(stream_reply(["a", "b", "c"], end="hang", finish_reason=None, done=False))
    way.leave(llm.task(streaming=True)(way.define(slogan))("x"), after=3)
    assert (log.record.result, log.record.error) == ("ab", "GeneratorExit")


def test_a_stream_of_many_choices_is_logged_by_its_first(log):
    llm = FakeLLM([chunks("a", "b")], middlewares=[LoggingMiddleware])
    steps = llm.task(streaming=True, llm_params={"n": 2})(slogan)("x")
    for _ in zip(range(6), steps, strict=False):
        pass
    steps.close()
    assert log.record.result == "ab"


def test_a_call_that_is_cancelled_is_a_record(server, llm, log):
    server.enqueue(text_reply("late", delay_before=30))

    @llm.task
    async def ask(product: str) -> str:
        """Write a slogan"""

    async def cancelling():
        call = asyncio.create_task(ask("soap"))
        await asyncio.to_thread(server.wait_requests, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancelling())
    assert (log.record.result, log.record.error) == (None, "CancelledError")


def test_an_answer_of_the_wrong_type_is_logged_with_its_words(server, llm, way, log):
    server.enqueue(text_reply("bad"))
    with pytest.raises(OutputError):
        way.call(llm.task(way.define(rank)), "soap")
    assert (log.record.result, log.record.error) == ("bad", "OutputError")


def test_a_middleware_that_forgets_its_answer_is_told_of(log):
    def forgetful(request, send):
        yield from send(request)

    with pytest.raises(DefinitionError):
        FakeLLM(["a"], middlewares=[LoggingMiddleware, forgetful]).task(slogan)("soap")
    assert log.record.result == ""


def test_a_filter_holds_for_the_log(log):
    llm = FakeLLM([chunks("the ", "secret ", "word")], middlewares=[LoggingMiddleware, redact("secret")])
    list(llm.task(streaming=True)(slogan)("soap"))
    assert "secret" not in log.record.getMessage()


def test_a_subclass_keeps_its_before_and_after(log):
    notes = []

    class Noting(LoggingMiddleware):
        def before(self, task):
            notes.append("before")

        def after(self, task):
            notes.append(task.llm_response.response)

    FakeLLM(["a"], middlewares=[Noting]).task(slogan)("soap")
    assert notes == ["before", "a"]
    assert log.record.result == "a"


# One event is one line

LOOP = []
LOOP.append(LOOP)


@dataclass
class Point:
    x: int


class Loud:
    def __repr__(self):
        return "line one\nline two\x1b[31m"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb\r\n2026-01-01 INFO forged\u2028\x85\x1b[0m", "a\nb\r\n2026-01-01 INFO forged\u2028\x85\x1b[0m"),
        (Point(1), {"x": 1}),
        ([1, {"a": (2,)}], [1, {"a": [2]}]),
    ],
)
def test_a_value_never_makes_a_second_line(log, value, expected):
    def ask(thing) -> str:
        """Ask about {{ thing }}"""

    FakeLLM(["a\nb\u2028c"], middlewares=[LoggingMiddleware]).task(ask)(value)
    assert log.record.call_kwargs == {"thing": expected}
    assert log.record.result == "a\nb\u2028c"
    assert len(log.record.getMessage().splitlines()) == 1
    assert log.record.getMessage().isprintable()


@pytest.mark.parametrize(
    ("value", "expected"), [(LOOP, "[[...]]"), (b"\xff", "_w=="), (Loud(), "line one\nline two\x1b[31m")]
)
def test_what_is_no_data_is_told_all_the_same(log, value, expected):
    class Asking(LoggingMiddleware):
        def __init__(self, task, kwargs):
            super().__init__(task, {"thing": value})

    FakeLLM(["a"], middlewares=[Asking]).task(slogan)("soap")
    assert log.record.call_kwargs == {"thing": expected}
    assert log.record.getMessage().isprintable()


# Keys, and who has not asked


def test_the_key_is_in_no_record(server, openai, way, log):
    server.enqueue(text_reply(f"Your key is {KEY}"), stream_reply(["Your key is ", KEY]))
    llm = openai(openai_token=KEY, middlewares=[LoggingMiddleware])
    way.call(llm.task(way.define(slogan)), f"my key is {KEY}")
    way.collect(llm.task(streaming=True)(way.define(slogan))(KEY))
    assert len(log.records) == 2
    assert all(KEY not in f"{record.getMessage()} {vars(record)}" for record in log.records)


def test_a_provider_without_a_key_is_logged(log, monkeypatch):
    for name in ("OPENAI_API_KEY", "DECLARAI_OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def cached(request, send):
        return LLMResponse(response="a")
        yield

    declarai.openai(model="m", middlewares=[LoggingMiddleware, cached]).task(slogan)("soap")
    assert (log.record.llm_model, log.record.result) == ("m", "a")


def test_nothing_is_made_ready_where_nobody_reads_it(caplog):
    caplog.set_level(logging.WARNING, logger="declarai_like.calls")

    class Silent(LoggingMiddleware):
        def _log(self, *args):
            raise AssertionError("nobody reads it")

    llm = FakeLLM(["a", chunks("a")], middlewares=[Silent])
    llm.task(slogan)("soap")
    list(llm.task(streaming=True)(slogan)("soap"))
    assert [request.observers for request in llm.requests] == [(), ()]


def test_without_it_no_prompt_is_logged_above_debug(server, openai, way, caplog):
    caplog.set_level(logging.DEBUG)
    server.enqueue(text_reply("the canary answers"), error_reply(400, "no"))
    task = openai().task(way.define(slogan))
    way.call(task, "the canary sings")
    with pytest.raises(BadRequestError):
        way.call(task, "the canary sings")
    said = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert not [record for record in said if "canary" in record.getMessage()]


def test_its_class_can_be_pickled():
    assert pickle.loads(pickle.dumps(LoggingMiddleware)) is LoggingMiddleware  # noqa: S301 - our own

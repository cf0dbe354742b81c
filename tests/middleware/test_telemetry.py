"""What OpenTelemetry is told: one span for each request, its metrics, and no word of what was said unless asked for."""

import asyncio
import contextvars
import gc
import json
import pickle
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

import declarai_like as declarai
from declarai_like.completions import Completion
from declarai_like.errors import (
    BadRequestError,
    DefinitionError,
    MissingExtra,
    OutputError,
    RateLimited,
    StreamInterrupted,
)
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.messages import Message
from declarai_like.middleware import fallback, redact, retry
from declarai_like.middleware._telemetry_attributes import answer_attributes, request_attributes
from declarai_like.middleware._telemetry_content import input_content, output_content
from declarai_like.middleware.telemetry import telemetry
from declarai_like.providers.offline import OfflineProvider
from declarai_like.requests import Request
from declarai_like.responses import LLMResponse
from declarai_like.testing import (
    FakeLLM,
    broken_off,
    chunks,
    completion_reply,
    completion_stream_reply,
    error_reply,
    reply,
    stream_error_reply,
    stream_reply,
    text_reply,
    tool_call,
)

USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
DETAILED = {
    **USAGE,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
CANARY = "the canary sings"
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
}


def slogan(product: str) -> str:
    """Write a slogan"""


def rank(message: str) -> int:
    """Rank the message"""


class Seen:
    """What the in-memory exporters have got."""

    def __init__(self, **options):
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider = TracerProvider(**options)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meter_provider = MeterProvider([self.reader])

    def telemetry(self, **options):
        return telemetry(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def span(self):
        (span,) = self.spans
        return span

    @property
    def metrics(self):
        """All points by the metric's name."""
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else data.resource_metrics[0].scope_metrics
        return {metric.name: metric.data.data_points for scope in scopes for metric in scope.metrics}

    def point(self, name, **attributes):
        (point,) = [
            point
            for point in self.metrics[name]
            if all(point.attributes[key.replace("__", ".")] == value for key, value in attributes.items())
        ]
        return point


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def llm(openai, seen):
    return openai(middlewares=[seen.telemetry()])


# One span for each call


@pytest.mark.parametrize("face", ["call", "generator", "events"])
def test_each_call_is_one_span_with_the_required_attributes(server, llm, way, seen, face):
    task = llm.task(streaming=face == "generator")(way.define(slogan))
    if face == "call":
        server.enqueue(text_reply("ab", usage=USAGE))
        way.call(task, "soap")
    else:
        server.enqueue(stream_reply(["a", "b"], usage=USAGE))
        way.collect(task("soap")) if face == "generator" else way.events(task.stream("soap"))
    span, attributes = seen.span, dict(seen.span.attributes)
    assert (span.name, span.kind, span.status.status_code) == ("chat gpt-4o-mini", SpanKind.CLIENT, StatusCode.UNSET)
    first = attributes.pop("gen_ai.response.time_to_first_chunk", None)
    streamed = {} if face == "call" else {"gen_ai.request.stream": True}
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.prompt.name": "slogan",
        "gen_ai.prompt.version": task.request("soap").prompt_version,
        "gen_ai.output.type": "text",
        "server.address": "127.0.0.1",
        "server.port": int(server.base_url.split(":")[2].split("/")[0]),
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "declarai_like.outcome": "complete",
        **streamed,
    }
    assert (first is None) if face == "call" else (0 < first <= (span.end_time - span.start_time) / 1e9)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_text_completion_is_a_span(server, llm, seen, streaming):
    if streaming:
        server.enqueue(completion_stream_reply(["a", "b"]))
        list(llm.complete("Once", streaming=True))
    else:
        server.enqueue(completion_reply("ab"))
        llm.complete("Once")
    assert seen.span.name == "text_completion gpt-4o-mini"
    assert seen.span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert "gen_ai.prompt.name" not in seen.span.attributes


def test_a_direct_call_is_a_span(server, llm, seen):
    server.enqueue(text_reply("a"))
    llm.send("hi")
    assert seen.span.name == "chat gpt-4o-mini"


def test_each_turn_of_a_chat_is_a_span(server, llm, seen):
    class Bot(declarai.Chat, llm=llm):
        """Be kind"""

    server.enqueue(text_reply("a"), text_reply("b"))
    bot = Bot()
    bot.send("one")
    bot.send("two")
    assert [span.attributes["gen_ai.prompt.name"] for span in seen.spans] == ["Bot", "Bot"]


def test_a_turn_of_a_stored_conversation_tells_which(server, llm, seen, tmp_path):
    class Bot(declarai.Chat, llm=llm):
        """Be kind"""

    server.enqueue(text_reply("a"))
    Bot(chat_history=SQLiteMessageHistory("s-1", path=str(tmp_path / "chats.db"))).send("one")
    assert seen.span.attributes["gen_ai.conversation.id"] == "s-1"


def test_the_version_of_a_prompt_changes_with_its_words_only(llm):
    def versions(*docstrings):
        for text in docstrings:

            def slogan(product: str) -> str: ...

            slogan.__doc__ = text
            task = llm.task(slogan)
            yield task.request("soap").prompt_version
            yield task.request("cheese").prompt_version

    first, same, other, _ = versions("Write a slogan", "Write a slogan!")
    assert (first == same, first == other, len(first)) == (True, False, 12)


def test_the_version_of_a_chat_changes_with_its_system_prompt(server, llm, seen):
    class Bot(declarai.Chat, llm=llm):
        """Be kind"""

    server.enqueue(text_reply("a"), text_reply("b"))
    Bot().send("one")
    Bot(system="Be rude").send("two")
    assert len({span.attributes["gen_ai.prompt.version"] for span in seen.spans}) == 2


def test_a_span_of_a_task_covers_the_retries_below(server, openai, seen, way):
    server.enqueue(error_reply(503), text_reply("a"))
    task = openai().task(middlewares=[seen.telemetry(), retry(1, first_wait=0)])(way.define(slogan))
    way.call(task, "soap")
    assert len(server.requests) == 2
    assert seen.span.attributes["declarai_like.outcome"] == "complete"


def test_inside_of_a_fallback_each_model_has_a_span(server, openai, seen):
    server.enqueue(error_reply(400), text_reply("a"))
    task = openai().task(middlewares=[fallback(openai(model="other")), seen.telemetry()])(slogan)
    task("soap")
    assert [span.name for span in seen.spans] == ["chat gpt-4o-mini", "chat other"]
    assert [span.status.status_code for span in seen.spans] == [StatusCode.ERROR, StatusCode.UNSET]


def test_a_model_of_this_process_is_internal(seen):
    llm = FakeLLM(["a"], middlewares=[seen.telemetry()])
    llm.llm.name = "local"
    llm.task(slogan)("soap")
    assert (seen.span.kind, seen.span.attributes["gen_ai.provider.name"]) == (SpanKind.INTERNAL, "llama_cpp")
    assert "server.address" not in seen.span.attributes


def test_all_choices_tell_why_they_ended(seen, way):
    llm = FakeLLM([reply("a", finish_reason="length"), chunks("a", "b")], middlewares=[seen.telemetry(content=True)])
    way.call(llm.task(llm_params={"n": 2})(way.define(slogan)), "soap")
    way.collect(llm.task(llm_params={"n": 2}, streaming=True)(way.define(slogan))("soap"))
    whole, streamed = (span.attributes for span in seen.spans)
    assert (whole["gen_ai.request.choice.count"], streamed["gen_ai.request.choice.count"]) == (2, 2)
    assert whole["gen_ai.response.finish_reasons"] == ("length", "length")
    assert streamed["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert [message["parts"][0]["content"] for message in json.loads(streamed["gen_ai.output.messages"])] == ["ab"] * 2


def test_usage_is_told_in_all_its_parts(server, llm, seen):
    server.enqueue(text_reply("a", usage=DETAILED))
    llm.send("hi")
    told = {name: value for name, value in seen.span.attributes.items() if name.startswith("gen_ai.usage.")}
    assert told == {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }


def test_a_stream_that_never_says_why_it_ended_tells_its_id(server, llm, seen):
    server.enqueue(stream_reply(["a"], finish_reason=None))
    list(llm.task(streaming=True)(slogan)("soap"))
    assert seen.span.attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert "gen_ai.response.finish_reasons" not in seen.span.attributes


def test_usage_that_is_not_told_is_left_out(server, llm, seen):
    server.enqueue(text_reply("a"))
    llm.send("hi")
    assert not [name for name in seen.span.attributes if name.startswith("gen_ai.usage.")]
    assert "operation.cost" not in seen.span.attributes
    assert "gen_ai.client.token.usage" not in seen.metrics


# Spans that end badly, or early


def test_a_refusal_of_the_provider_is_an_error(server, llm, way, seen):
    server.enqueue(error_reply(429, CANARY))
    with pytest.raises(RateLimited):
        way.call(llm.task(way.define(slogan)), CANARY)
    span = seen.span
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes["error.type"], span.attributes["declarai_like.outcome"]) == ("RateLimited", "failed")
    assert [(event.name, dict(event.attributes)) for event in span.events] == [
        ("exception", {"exception.type": "declarai_like.errors.RateLimited"})
    ]
    assert CANARY not in span.to_json()
    assert seen.point("gen_ai.client.operation.duration").attributes["error.type"] == "RateLimited"


def test_where_content_is_wanted_an_error_tells_its_message(server, openai, seen):
    server.enqueue(error_reply(400, CANARY))
    with pytest.raises(BadRequestError):
        openai(middlewares=[seen.telemetry(content=True)]).send("hi")
    assert CANARY in seen.span.events[0].attributes["exception.message"]


@pytest.mark.parametrize("wire", [broken_off(stream_reply(["Half"]), at=420), stream_error_reply(["Half"])])
def test_a_stream_that_broke_tells_what_is_known_of_it(server, openai, seen, way, wire):
    server.enqueue(wire)
    task = openai(middlewares=[seen.telemetry(content=True)]).task(streaming=True)(way.define(slogan))
    with pytest.raises(declarai.DeclaraiError) as caught:
        way.collect(task("soap"))
    attributes = seen.span.attributes
    assert attributes["error.type"] == type(caught.value).__name__
    assert (attributes["declarai_like.outcome"], attributes["gen_ai.response.id"]) == ("interrupted", "chatcmpl-1")
    assert "gen_ai.response.finish_reasons" not in attributes
    assert json.loads(attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Half"}]


def test_an_answer_of_the_wrong_type_is_an_error_of_its_request(server, llm, seen, way):
    server.enqueue(text_reply("bad"), text_reply("4"))
    assert way.call(llm.task(retries=1)(way.define(rank)), "soap") == 4
    bad, good = seen.spans
    assert (bad.attributes["error.type"], bad.status.status_code) == ("OutputError", StatusCode.ERROR)
    assert (good.attributes["gen_ai.output.type"], good.status.status_code) == ("json", StatusCode.UNSET)


@pytest.mark.parametrize("face", ["generator", "events"])
def test_a_stream_that_is_left_ends_its_span_and_is_no_error(server, llm, way, seen, face):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))
    if face == "generator":
        way.leave(llm.task(streaming=True)(way.define(slogan))("x"), after=2)
    elif way.is_async:
        way.do(leave_events(llm.task(way.define(slogan)).stream("x")))
    else:
        with llm.task(slogan).stream("x") as stream:
            next(iter(stream))
    span = seen.span
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())
    assert (span.attributes["declarai_like.outcome"], span.attributes["gen_ai.response.id"]) == (
        "cancelled",
        "chatcmpl-1",
    )
    assert not {"error.type", "gen_ai.usage.input_tokens"} & span.attributes.keys()
    assert "error.type" not in seen.point("gen_ai.client.operation.duration").attributes


async def leave_events(stream):
    async with stream:
        async for _ in stream:
            break


def test_a_call_that_is_cancelled_ends_its_span(server, llm, seen):
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
    assert seen.span.attributes["declarai_like.outcome"] == "cancelled"
    assert seen.span.status.status_code is StatusCode.UNSET


def test_a_stream_that_nobody_holds_ends_its_span(seen):
    steps = FakeLLM([chunks("a", "b")], middlewares=[seen.telemetry()]).task(streaming=True)(slogan)("soap")
    next(steps)
    assert not seen.spans
    del steps
    gc.collect()
    assert seen.span.attributes["declarai_like.outcome"] == "cancelled"


def test_a_generator_that_is_never_read_has_no_span(seen):
    FakeLLM(["a"], middlewares=[seen.telemetry()]).task(streaming=True)(slogan)("soap").close()
    assert not seen.spans


def test_an_answer_of_another_middleware_is_told(seen):
    def cached(request, send):
        return LLMResponse(response="4", model="cache", finish_reason="stop")
        yield

    FakeLLM(middlewares=[seen.telemetry(), cached]).task(slogan)("soap")
    assert seen.span.attributes["gen_ai.response.model"] == "cache"
    assert "gen_ai.response.id" not in seen.span.attributes


def test_a_middleware_that_forgets_its_answer_does_not_keep_the_span_open(seen):
    def forgetful(request, send):
        yield from send(request)

    with pytest.raises(DefinitionError, match="LLMResponse"):
        FakeLLM(["a"], middlewares=[seen.telemetry(), forgetful]).task(slogan)("soap")
    assert "declarai_like.outcome" not in seen.span.attributes


def test_a_request_without_a_provider_has_a_span_too(seen):
    def homeless(request, send):
        return (yield from send(request.replace(provider=None)))

    with pytest.raises(DefinitionError, match="names no provider"):
        FakeLLM(middlewares=[homeless, seen.telemetry()]).task(slogan)("soap")
    assert seen.span.attributes["gen_ai.provider.name"] == "unknown"


def test_a_filter_holds_for_what_is_told(seen):
    llm = FakeLLM([chunks("the ", "secret")], middlewares=[redact("secret"), seen.telemetry(content=True)])
    list(llm.task(streaming=True)(slogan)("soap"))
    assert "secret" not in seen.span.attributes["gen_ai.output.messages"]


# The span is never the current one


@pytest.fixture
def outer(seen):
    with seen.tracer_provider.get_tracer("app").start_as_current_span("app") as span:
        yield span


def parents(seen):
    return {span.attributes["gen_ai.prompt.name"]: span.parent.span_id for span in seen.spans}


def test_a_call_between_two_chunks_is_no_part_of_the_stream(seen, outer):
    llm = FakeLLM([chunks("a", "b"), "4"], middlewares=[seen.telemetry()])
    current = []
    for _ in llm.task(streaming=True)(slogan)("soap"):
        current.append(trace.get_current_span())
        if len(current) == 1:
            llm.task(rank)("soap")
    assert set(current) == {outer}
    assert parents(seen) == dict.fromkeys(("slogan", "rank"), outer.context.span_id)


def test_streams_that_are_read_by_turns_are_told_apart(seen, outer):
    llm = FakeLLM([chunks("a", "b", "c"), chunks("4")], middlewares=[seen.telemetry(content=True)])

    async def one(product: str) -> str:
        """Write a slogan"""

    async def other(product: str) -> str:
        """Write another"""

    async def reading():
        first, second = (llm.task(streaming=True)(function)("soap") for function in (one, other))
        await anext(first)
        await anext(second)
        assert trace.get_current_span() is outer
        [_ async for _ in second]
        [_ async for _ in first]

    asyncio.run(reading())
    said = {
        span.attributes["gen_ai.prompt.name"]: json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
        for span in seen.spans
    }
    assert said == {
        "other": [{"type": "text", "content": "4"}],
        "one": [{"type": "text", "content": "abc"}],
    }
    assert set(parents(seen).values()) == {outer.context.span_id}


def test_calls_of_one_loop_are_told_apart(seen, outer):
    llm = FakeLLM([str(number) for number in range(10)], delay=0.01, middlewares=[seen.telemetry(content=True)])

    @llm.task
    async def ask(product: str) -> str:
        """Write a slogan"""

    async def asking():
        return await asyncio.gather(*(ask(str(number)) for number in range(10)))

    answers = asyncio.run(asking())
    said = [json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] for span in seen.spans]
    assert sorted(said) == sorted(answers)
    assert {span.parent.span_id for span in seen.spans} == {outer.context.span_id}


@pytest.mark.usefixtures("outer")
def test_a_stream_may_be_closed_in_another_context(seen, caplog):
    steps = FakeLLM([chunks("a", "b")], middlewares=[seen.telemetry()]).task(streaming=True)(slogan)("soap")
    contextvars.copy_context().run(next, steps)
    contextvars.Context().run(steps.close)
    assert seen.span.attributes["declarai_like.outcome"] == "cancelled"
    assert not caplog.records


def test_an_async_stream_may_be_closed_in_another_task(seen, caplog):
    async def ask(product: str) -> str:
        """Write a slogan"""

    async def reading():
        steps = FakeLLM([chunks("a", "b")], middlewares=[seen.telemetry()]).task(streaming=True)(ask)("soap")
        await asyncio.create_task(anext_of(steps))
        await asyncio.create_task(steps.aclose())

    asyncio.run(reading())
    assert seen.span.attributes["declarai_like.outcome"] == "cancelled"
    assert not caplog.records


async def anext_of(steps):
    return await anext(steps)


# What is asked


def attributes_of(llm, function=slogan, **options):
    return request_attributes(llm.task(**options)(function).request("soap"))


def test_parameters_of_the_model_are_told():
    params = {
        "temperature": 0,
        "top_p": 1,
        "top_k": 40,
        "max_completion_tokens": 100,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "seed": 7,
        "stop": ["a", "b"],
        "n": 1,
        "user": "somebody",
        "logit_bias": {"1": 2},
    }
    told = attributes_of(FakeLLM(), llm_params=params)
    assert {name.removeprefix("gen_ai.request."): value for name, value in told.items() if ".request." in name} == {
        "model": "fake",
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 40.0,
        "max_tokens": 100,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "seed": 7,
        "stop_sequences": ["a", "b"],
    }


def test_one_stop_sequence_is_a_list_too():
    assert attributes_of(FakeLLM(), llm_params={"stop": "."})["gen_ai.request.stop_sequences"] == ["."]


def test_a_parameter_that_is_none_of_its_kind_is_left_out():
    told = attributes_of(FakeLLM(), llm_params={"temperature": "warm", "n": None})
    assert not {"gen_ai.request.temperature", "gen_ai.request.choice.count"} & told.keys()


@pytest.mark.parametrize(("function", "expected"), [(slogan, "text"), (rank, "json")])
@pytest.mark.parametrize("output", ["auto", "prompt"])
def test_kind_of_the_answer_is_told(function, expected, output):
    assert attributes_of(FakeLLM(), function, output=output)["gen_ai.output.type"] == expected


def test_kind_of_the_answer_is_text_where_nothing_is_declared():
    assert request_attributes(Request(model="m"))["gen_ai.output.type"] == "text"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        (None, ("api.openai.com", 443)),
        ("http://localhost:11434/v1", ("localhost", 11434)),
        ("http://models.example/v1", ("models.example", 80)),
        ("https://models.example/v1", ("models.example", 443)),
        ("models", (None, None)),
    ],
)
def test_address_of_the_server_is_told(openai, base_url, expected, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    told = attributes_of(openai(base_url=base_url))
    assert (told.get("server.address"), told.get("server.port")) == expected


def test_address_of_the_environment_is_told(openai, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere:8000/v1")
    assert attributes_of(openai(base_url=None))["server.address"] == "elsewhere"


def test_azure_is_told_by_its_name_and_endpoint():
    llm = declarai.azure_openai(
        deployment_name="d", azure_openai_key="k", azure_openai_api_base="https://mine.openai.azure.com/"
    )
    told = attributes_of(llm)
    assert (told["gen_ai.provider.name"], told["server.address"]) == ("azure.ai.openai", "mine.openai.azure.com")


def test_google_is_told_by_the_name_of_the_conventions():
    assert attributes_of(declarai.google("m", api_key="k"))["gen_ai.provider.name"] == "gcp.gemini"


def test_azure_without_an_endpoint_has_no_address(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    request = declarai.azure_openai(deployment_name="d", azure_openai_key="k").task(slogan).request("soap")
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
    assert "server.address" not in request_attributes(request)


def test_a_model_without_an_address_has_none():
    request = Request(model="m", provider=OfflineProvider(name="openai"))
    assert "server.address" not in request_attributes(request)


def test_an_empty_answer_tells_nothing():
    assert answer_attributes(Completion()) == {}


# What it costs


@pytest.mark.parametrize(("model", "expected"), [("gpt-4o-mini", 10 * 0.15e-6 + 2 * 0.6e-6), ("unknown", None)])
def test_cost_is_told_where_it_is_known(seen, way, model, expected):
    llm = FakeLLM([reply("a", usage=USAGE), chunks("a", usage=USAGE)], model=model, middlewares=[seen.telemetry()])
    llm.llm.name = "openai"
    way.call(llm.task(way.define(slogan)), "soap")
    way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    costs = [span.attributes.get("operation.cost") for span in seen.spans]
    assert costs == [expected if expected is None else pytest.approx(expected)] * 2


def test_cost_of_a_server_of_ones_own_is_unknown(server, llm, seen):
    server.enqueue(text_reply("a", usage=USAGE))
    llm.send("hi")
    assert "operation.cost" not in seen.span.attributes


# Content


def test_content_is_told_only_where_it_is_wanted(server, openai, seen, way):
    server.enqueue(text_reply("I know"), text_reply("I know"))
    llm = openai()
    for content in (False, True):
        way.call(llm.task(middlewares=[seen.telemetry(content=content)])(way.define(slogan)), CANARY)
    silent, talking = seen.spans
    assert not CONTENT & silent.attributes.keys()
    assert CANARY not in silent.to_json()
    assert CANARY in talking.attributes["gen_ai.input.messages"]
    assert json.loads(talking.attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "I know"}], "finish_reason": "stop"}
    ]


@pytest.mark.parametrize(
    ("value", "is_told"),
    [("SPAN_ONLY", True), ("span_and_event", True), ("EVENT_ONLY", False), ("NO_CONTENT", False), ("", False)],
)
def test_content_can_be_switched_on_by_the_environment(monkeypatch, seen, value, is_told):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    FakeLLM(["a"], middlewares=[seen.telemetry()]).task(slogan)("soap")
    assert ("gen_ai.input.messages" in seen.span.attributes) is is_told


def test_messages_are_told_in_the_form_of_the_conventions():
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parameters = {"type": "object", "properties": {}}
    request = Request(
        model="m",
        messages=(
            Message("Be kind", "system"),
            Message("Be brief", "developer"),
            Message.of({"role": "user", "content": [{"type": "text", "text": "Look"}, picture, "odd"]}),
            Message("", "assistant", fields={"tool_calls": [call]}),
            Message("a cat", "tool", fields={"tool_call_id": "c1"}),
            Message("Now be rude", "system"),
        ),
        tools=({"type": "function", "function": {"name": "look", "parameters": parameters}},),
    )
    assert {name: json.loads(text) for name, text in input_content(request).items()} == {
        "gen_ai.system_instructions": [
            {"type": "text", "content": "Be kind"},
            {"type": "text", "content": "Be brief"},
        ],
        "gen_ai.input.messages": [
            {"role": "user", "parts": [{"type": "text", "content": "Look"}, {"type": "image_url"}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": '{"at": 1}'}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "a cat"}]},
            {"role": "system", "parts": [{"type": "text", "content": "Now be rude"}]},
        ],
        "gen_ai.tool.definitions": [{"type": "function", "name": "look", "parameters": parameters}],
    }


def test_a_text_to_continue_is_told_as_the_users():
    told = json.loads(input_content(Request(model="m", prompt="Once", kind="completion"))["gen_ai.input.messages"])
    assert told == [{"role": "user", "parts": [{"type": "text", "content": "Once"}]}]


def test_half_a_letter_can_be_exported():
    told = input_content(Request(model="m", messages=(Message("caf\u00e9 \ud83d"),)))
    assert "caf\u00e9 ?" in told["gen_ai.input.messages"]


def test_what_is_no_text_in_an_answer_is_told(seen):
    llm = FakeLLM([tool_call("look", {"at": 1}, reasoning="Hm")], middlewares=[seen.telemetry(content=True)])
    llm.send("hi", tools=[{"type": "function", "function": {"name": "look"}}])
    (message,) = json.loads(seen.span.attributes["gen_ai.output.messages"])
    assert message["parts"] == [
        {"type": "reasoning", "content": "Hm"},
        {"type": "tool_call", "id": "call_0", "name": "look", "arguments": '{"at": 1}'},
    ]
    assert message["finish_reason"] == "tool_call"


def test_no_answer_is_no_message():
    assert output_content(Completion()) == {}


# Metrics


def test_metrics_have_the_names_that_tools_know(server, llm, way, seen):
    server.enqueue(stream_reply(["a", "b"], usage=DETAILED))
    way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert set(seen.metrics) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
        "gen_ai.client.token.usage",
    }
    duration = seen.point("gen_ai.client.operation.duration")
    assert dict(duration.attributes) == {
        name: seen.span.attributes[name]
        for name in (
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "gen_ai.response.model",
            "server.address",
            "server.port",
        )
    }
    first = seen.point("gen_ai.client.operation.time_to_first_chunk")
    assert (duration.count, first.count) == (1, 1)
    assert first.sum == seen.span.attributes["gen_ai.response.time_to_first_chunk"] <= duration.sum
    # Role, "a", "b", the end, the usage.
    assert seen.point("gen_ai.client.operation.time_per_output_chunk").count == 4
    assert seen.point("gen_ai.client.token.usage", gen_ai__token__type="input").sum == 10
    assert seen.point("gen_ai.client.token.usage", gen_ai__token__type="output").sum == 2


def test_metrics_have_the_buckets_of_the_conventions(server, llm, seen):
    server.enqueue(text_reply("a", usage=USAGE))
    llm.send("hi")
    assert seen.point("gen_ai.client.operation.duration").explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert seen.point("gen_ai.client.operation.duration").explicit_bounds[-1] == pytest.approx(81.92)
    assert seen.point("gen_ai.client.token.usage", gen_ai__token__type="input").explicit_bounds[-1] == 67108864


def test_an_unstreamed_answer_has_no_times_of_chunks(server, llm, seen):
    server.enqueue(text_reply("a"))
    llm.send("hi")
    assert set(seen.metrics) == {"gen_ai.client.operation.duration"}


def test_the_newest_names_are_there_for_who_wants_them(monkeypatch, seen):
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    picture = Message.of({"role": "user", "content": [{"type": "image_url"}]})
    llm = FakeLLM([chunks("a", "b", usage=DETAILED), reply("a", usage=USAGE)], middlewares=[seen.telemetry()])
    list(llm.task(streaming=True)(slogan)("soap"))
    llm.send([picture])
    group, sums = "gen_ai.client.inference", "gen_ai.client.inference.usage"
    assert set(seen.metrics) == {
        *(f"{group}.{name}" for name in ("duration", "time_to_first_chunk", "time_per_output_chunk")),
        *(f"{group}.operation.{name}_tokens" for name in ("input", "output")),
        *(f"{sums}.{name}_tokens" for name in ("input", "output")),
        *(f"{sums}.{name}_tokens" for name in ("cache_read.input", "cache_write.input", "reasoning.output")),
    }
    assert seen.point(f"{sums}.input_tokens", gen_ai__token__modality="text").value == 10
    assert seen.point(f"{sums}.input_tokens", gen_ai__token__modality="unknown").value == 10
    assert seen.point(f"{sums}.cache_write.input_tokens").value == 3
    assert seen.point(f"{group}.operation.output_tokens").sum == 4
    assert seen.spans[0].attributes["gen_ai.usage.cache_write.input_tokens"] == 3


def test_metrics_are_told_of_spans_that_are_not_sampled(server, openai):
    seen = Seen(sampler=ALWAYS_OFF)
    server.enqueue(text_reply("a", usage=USAGE), error_reply(400))
    llm = openai(middlewares=[seen.telemetry(content=True)])
    llm.send("hi")
    with pytest.raises(BadRequestError):
        llm.send("hi")
    assert not seen.spans
    assert sum(point.count for point in seen.metrics["gen_ai.client.operation.duration"]) == 2
    assert seen.point("gen_ai.client.token.usage", gen_ai__token__type="input").sum == 10


# Where it is not used, and where it cannot be


def test_nothing_of_it_is_imported_where_it_is_not_used():
    code = (
        "import sys; from declarai_like.testing import FakeLLM; import declarai_like.middleware.telemetry\n"
        "llm = FakeLLM(['a', 'b']); llm.send('hi'); list(llm.stream('hi').__enter__())\n"
        "print(*(name for name in sys.modules if name.startswith(('opentelemetry', 'genai_prices'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "declarai_like.middleware._telemetry_spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"declarai-like\[otel\]"):
        telemetry()


def test_it_can_be_pickled():
    copy = pickle.loads(pickle.dumps(telemetry(content=True)))  # noqa: S301 - our own
    assert repr(copy) == "telemetry(content=True)"


def test_without_a_provider_it_tells_nobody_and_harms_nothing(server, openai, way):
    server.enqueue(stream_reply(["a", "b"]))
    task = openai(middlewares=[telemetry(content=True)]).task(streaming=True)(way.define(slogan))
    assert way.collect(task("soap"))[-1].response == "ab"


def test_an_error_inside_of_a_choice_is_the_readers_to_tell(seen):
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
    error = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    llm = FakeLLM([], middlewares=[seen.telemetry()])
    llm.llm.stream = lambda request: (piece for piece in [chunk, error])
    with pytest.raises(declarai.DeclaraiError) as caught:
        list(llm.task(streaming=True)(slogan)("soap"))
    assert not isinstance(caught.value, (OutputError, StreamInterrupted))
    assert caught.value.response.response == "a"
    assert seen.span.attributes["error.type"] == "ProviderError"

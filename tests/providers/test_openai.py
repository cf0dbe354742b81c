"""The adapter of OpenAI's format: what is sent, what is waited for, and what is refused."""
# ruff: noqa: S603 - it runs this interpreter
# ruff: noqa: S301 - what is unpickled here was pickled here
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import asyncio
import gzip
import inspect
import pickle
import socket
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace

import pytest
from wire_format import USAGE, chunk, of_choices, sse

import declarai_like as declarai
from declarai_like import errors
from declarai_like._wire.accumulator import DONE
from declarai_like.messages import Message
from declarai_like.providers.base import Provider, Secret
from declarai_like.providers.openai import OpenAIProvider, environment
from declarai_like.requests import Limits, Request
from declarai_like.testing import (
    bytes_reply,
    chunks_reply,
    completion_reply,
    completion_stream_reply,
    error_reply,
    json_reply,
    keep_alive_reply,
    stalled,
    stream_chunks,
    stream_reply,
    text_reply,
)

HI = Request(model="m", messages=(Message("Hi"),))
STREAM = HI.replace(stream=True)
QUICK = Limits(timeout=None, connect=2, first_chunk=1, idle=1)


@pytest.fixture
def provider(server, http):
    return OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url, http_client=http)


def send(way, provider, request=HI):
    return way.do((provider.asend if way.is_async else provider.send)(request))


def stream(way, provider, request=STREAM, into=None):
    return way.collect((provider.astream if way.is_async else provider.stream)(request), into)


# What is sent


def test_provider_is_one(provider):
    assert isinstance(provider, Provider)
    assert (provider.provider, repr(provider)) == ("openai", "OpenAIProvider(model='m')")


def test_only_what_was_given_is_sent(provider):
    assert provider.encode(HI) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    full = HI.replace(params={"n": 2}, response_format={"type": "json_object"}, tools=({"type": "function"},))
    assert provider.encode(full) == {
        "model": "m",
        "n": 2,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"},
    }
    assert full.task == ""


def test_stream_asks_for_its_usage_unless_it_is_told_otherwise(provider):
    assert provider.encode(STREAM)["stream_options"] == {"include_usage": True}
    told = STREAM.replace(params={"stream_options": {"include_usage": False}})
    assert provider.encode(told)["stream_options"] == {"include_usage": False}


def test_request_is_sent_the_official_way(way, provider, server):
    server.enqueue(text_reply("Hello"))
    assert send(way, provider)["choices"][0]["message"]["content"] == "Hello"
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body == provider.encode(HI)


def test_headers_are_sent(server, http):
    server.enqueue(text_reply("Hello"))
    OpenAIProvider("m", key=Secret("k"), base_url=server.base_url, headers={"X-Team": "a"}, http_client=http).send(HI)
    assert server.requests[0].headers["x-team"] == "a"


def test_stream_gives_chunks_and_says_when_it_is_whole(way, provider, server):
    server.enqueue(stream_reply(["a"], role_chunk=False), chunks_reply([chunk("a")], done=False))
    assert stream(way, provider)[-1] is DONE
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert stream(way, provider) == [chunk("a")]


def test_text_completions_have_their_own_path(way, openai, server):
    llm = openai()
    server.enqueue(completion_reply("there", usage=USAGE), completion_stream_reply(["the", "re"]))
    complete = llm.acomplete if way.is_async else llm.complete
    whole = way.do(complete("Hi", max_tokens=5, echo=True))
    assert (whole.response, whole.content, whole.choice.text) == ("there", "there", "there")
    steps = way.collect(complete("Hi", streaming=True))
    assert [step.content for step in steps] == ["the", "re"]
    assert [request.path for request in server.requests] == ["/v1/completions"] * 2
    assert server.requests[0].body == {"model": "gpt-4o-mini", "max_tokens": 5, "echo": True, "prompt": "Hi"}


# Keys and addresses


def test_environment_is_read_when_it_is_needed(monkeypatch, server):
    provider = OpenAIProvider("m")
    with pytest.raises(errors.ConfigurationError, match="OPENAI_API_KEY"):
        provider.send(HI)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    server.enqueue(text_reply("Hello"))
    provider.send(HI)
    assert server.requests[0].headers["authorization"] == "Bearer sk-env"
    monkeypatch.setenv("DECLARAI_OPENAI_API_KEY", "sk-first")
    assert provider.api_key.reveal() == "sk-first"
    assert environment("NO_SUCH_NAME") is None


def test_server_of_ones_own_needs_no_key(monkeypatch, server):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert OpenAIProvider("m", base_url=server.base_url).api_key.reveal() == "no-key"
    assert server.base_url in OpenAIProvider("m", base_url=server.base_url).where


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ä"])
def test_key_that_cannot_be_sent_is_refused_unseen(way, server, key):
    provider = OpenAIProvider("m", key=Secret(key), base_url=server.base_url)
    with pytest.raises(errors.ConfigurationError, match="characters") as caught:
        send(way, provider)
    assert key not in str(caught.value)


def test_white_space_around_a_key_is_not_sent(provider, server, http):
    server.enqueue(text_reply("Hello"))
    OpenAIProvider("m", key=Secret(" sk-test\n"), base_url=server.base_url, http_client=http).send(HI)
    assert server.requests[0].headers["authorization"] == "Bearer sk-test"


# What a server refuses to understand


@pytest.mark.parametrize("status", [400, 404, 415, 422, 501])
def test_server_that_knows_no_option_is_asked_without_it(way, openai, server, status):
    server.enqueue(error_reply(status, "unknown field: stream_options"), stream_reply(["a"]), stream_reply(["b"]))
    llm = openai()
    opened = llm.astream if way.is_async else llm.stream
    assert way.result(opened("Hi")) == "a"
    assert way.result(opened("Hi")) == "b"
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


def test_lesson_of_one_model_is_none_for_another(openai, server):
    server.enqueue(error_reply(400, "unknown field: stream_options"))
    server.enqueue(stream_reply(["a"]), stream_reply(["b"]))
    llm = openai()
    assert list(llm.stream("Hi").text()) == ["a"]

    @llm.task(model="other", streaming=True)
    def ask(question: str) -> str:
        """{question}"""

    assert [step.content for step in ask("Hi") if step.content] == ["b"]
    assert ["stream_options" in request.body for request in server.requests] == [True, False, True]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_teaches_nothing(way, openai, server, status):
    words = "overloaded: stream_options and the json_schema queue are not supported, try again"
    server.enqueue(error_reply(status, words, headers={"retry-after": "0"}), text_reply('{"declarai_result": 4}'))
    llm = openai(max_retries=1)
    response = way.do((llm.asend if way.is_async else llm.send)("Hi", output_type=int))
    assert response.parsed == 4
    assert [request.body["response_format"]["type"] for request in server.requests] == ["json_schema", "json_schema"]


def forms_of(server):
    return [request.body.get("response_format", {}).get("type") for request in server.requests]


FOR_ALL = [
    ("response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later", 400, None),
    ("This response_format type is unavailable now", 400, None),
    ("This model does not support response format `json_schema`. See supported models", 400, None),
    ("JSON schema is not supported here", 400, None),
    ("Input validation error: grammar is not supported", 422, None),
    ("Some words", 400, "response_format"),
]
FOR_ONE = [
    ("Invalid schema for response_format 'A': Expected at most 5 levels of nesting.", "response_format"),
    (
        "Invalid schema for response_format 'A': In context=('properties', 'a'), 'x' is not permitted.",
        "response_format",
    ),
    ("Unsupported JSON schema fields: {'minItems', 'items'}", None),
    ("JSON Schema not supported: could not understand the instance", None),
    ("The provided JSON schema contains features not supported by xgrammar.", None),
    ('Grammar error: Unimplemented keys: ["propertyNames"]', None),
    ("failed to parse grammar", None),
    ("JSON schema conversion failed:\nUnrecognized schema: {}", None),
    ("The specified schema produces a constraint that has too many states for serving.", None),
    ("Unknown name \"additionalProperties\" at 'generation_config.response_schema': Cannot find field.", None),
]


@pytest.mark.parametrize(("words", "status", "param"), FOR_ALL)
def test_server_that_knows_no_schemas_is_asked_for_json(way, openai, server, caplog, words, status, param):
    server.enqueue(error_reply(status, words, param=param), *[text_reply('{"declarai_result": 4}') for _ in range(2)])
    llm = openai()
    ask = llm.asend if way.is_async else llm.send
    assert way.do(ask("Hi", output_type=int)).parsed == 4
    assert way.do(ask("Hi", output_type=float)).parsed == 4
    assert forms_of(server) == ["json_schema", "json_object", "json_object"]
    assert [record.levelname for record in caplog.records if "json_schema" in record.getMessage()] == ["WARNING"]


@pytest.mark.parametrize(("words", "param"), FOR_ONE)
def test_refused_schema_is_left_out_for_its_type_alone(way, openai, server, words, param):
    server.enqueue(error_reply(400, words, param=param), *[text_reply('{"declarai_result": 4}') for _ in range(3)])
    llm = openai()
    ask = llm.asend if way.is_async else llm.send
    for kind in (int, float, int):
        assert way.do(ask("Hi", output_type=kind)).parsed == 4
    assert forms_of(server) == ["json_schema", "json_object", "json_schema", "json_object"]


def test_server_that_knows_no_json_either_is_asked_by_words(way, openai, server):
    server.enqueue(error_reply(400, "json_schema is not supported"))
    server.enqueue(error_reply(400, "'response_format.type' must be 'json_schema'"))
    server.enqueue(text_reply('{"declarai_result": 4}'), text_reply('{"declarai_result": 4}'))
    llm = openai()
    for _ in range(2):
        assert way.do((llm.asend if way.is_async else llm.send)("Hi", output_type=int)).parsed == 4
    assert forms_of(server) == ["json_schema", "json_object", None, None]


def test_form_that_was_told_is_kept(openai, server):
    server.enqueue(error_reply(400, "json_schema is not supported"))

    @openai().task(output="json_schema")
    def count(thing: str) -> int:
        """Count {thing}"""

    with pytest.raises(errors.BadRequestError, match="not supported"):
        count("x")
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["stream_options", "json_schema", "response_format"])
def test_words_of_the_request_that_are_repeated_teach_nothing(openai, server, name):
    missing = {"type": "missing", "loc": ["body", "session_id"], "msg": "Field required", "input": {name: "unknown"}}
    server.enqueue(json_reply({"detail": [missing]}, status=422))
    with pytest.raises(errors.BadRequestError, match="Field required"):
        openai().send("Hi", output_type=int)
    assert len(server.requests) == 1


@pytest.mark.parametrize("words", ["json_schema is not supported", "stream_options is unknown", "too long"])
def test_refusal_of_what_was_not_sent_teaches_nothing(openai, server, words):
    server.enqueue(error_reply(400, words))
    with pytest.raises(errors.BadRequestError):
        openai().send("Hi")
    assert len(server.requests) == 1


def test_validation_that_forbids_a_field_is_a_lesson(openai, server):
    extra = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
    server.enqueue(json_reply({"detail": [extra]}, status=422), stream_reply(["a"]))
    assert list(openai().stream("Hi").text()) == ["a"]
    assert "stream_options" not in server.requests[1].body


def test_answer_that_the_server_could_not_read_is_read_here(way, openai, server):
    refusal = {"error": {"message": "Failed to generate JSON.", "code": "json_validate_failed"}}
    given = {"error": {**refusal["error"], "failed_generation": '{"declarai_result": 4,}'}}
    server.enqueue(json_reply(given, status=400), json_reply(refusal, status=400))
    llm = openai()
    ask = llm.asend if way.is_async else llm.send
    assert way.do(ask("Hi", output_type=int)).parsed == 4
    with pytest.raises(errors.OutputError) as caught:
        way.do(ask("Hi", output_type=int))
    assert caught.value.response.response == "Failed to generate JSON."


def test_answer_that_the_server_could_not_read_is_read_where_a_stream_was_asked_for(way, openai, server):
    refusal = {"message": "Failed to generate JSON.", "code": "json_validate_failed"}
    server.enqueue(json_reply({"error": {**refusal, "failed_generation": '{"declarai_result": 4,}'}}, status=400))

    @openai().task(streaming=True)
    @way.define
    def number(text: str) -> int:
        """Find the number"""

    assert way.collect(number("?"))[-1].parsed == 4


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("pieces", [[], ['{"declarai_', 'result": 4']])
def test_answer_that_the_server_could_not_read_is_read_out_of_a_stream_too(way, openai, server, pieces, done):
    told = {"message": "Failed to generate JSON.", "code": "json_validate_failed"}
    given = {"error": {**told, "failed_generation": '{"declarai_result": 4,}'}}
    begun = list(stream_chunks(pieces, finish_reason=None))
    server.enqueue(chunks_reply([*begun, given], done=done), chunks_reply([*begun, {"error": told}], done=done))
    llm = openai()

    def number(text: str) -> int:
        """Find the number"""

    async def anumber(text: str) -> int:
        """Find the number"""

    task = llm.task(anumber if way.is_async else number)

    assert way.result(task.stream("?")) == 4
    with pytest.raises(errors.OutputError) as caught:
        way.result(task.stream("?"))
    assert caught.value.response.response == "".join(pieces) + "Failed to generate JSON."


# Keys and headers that change


def test_key_of_the_hour_is_asked_before_each_request(way, server):
    keys = iter(["first-key", "second-key", "third-key"])
    llm = declarai.openai("m", openai_token=lambda: next(keys), base_url=server.base_url, max_retries=1)
    server.enqueue(error_reply(503, "busy", headers={"retry-after": "0"}), text_reply("a"), stream_reply(["b"]))
    assert way.do((llm.asend if way.is_async else llm.send)("Hi")).response == "a"
    assert way.result((llm.astream if way.is_async else llm.stream)("Hi")) == "b"
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer first-key", "Bearer second-key", "Bearer third-key",
    ]  # fmt: skip


async def key_of_the_hour():
    return "awaited-key"


def test_key_that_is_awaited(server):
    llm = declarai.openai("m", openai_token=key_of_the_hour, base_url=server.base_url, max_retries=0)
    server.enqueue(text_reply("a"))
    assert asyncio.run(llm.asend("Hi")).response == "a"
    assert server.requests[0].headers["authorization"] == "Bearer awaited-key"
    with pytest.raises(errors.ConfigurationError, match="plain one"):
        llm.send("Hi")


@pytest.mark.parametrize("given", ["", 7])
def test_function_that_gives_no_key_is_told(way, server, given):
    llm = declarai.openai("m", openai_token=lambda: given, base_url=server.base_url)
    with pytest.raises(errors.ConfigurationError, match="give a text"):
        way.do((llm.asend if way.is_async else llm.send)("Hi"))


async def later():
    return {"X-Team": "a"}


@pytest.mark.parametrize("headers", [later, lambda: ["X-Team"]])
def test_headers_that_are_none_are_refused(openai, headers):
    with pytest.raises(errors.ConfigurationError, match="expected headers= to give a mapping"):
        openai(headers=headers).send("Hi")


def test_headers_may_change_and_stand_on_tasks(server):
    count = iter(range(9))
    llm = declarai.openai(
        "m", openai_token="sk-test", base_url=server.base_url, headers=lambda: {"X-Count": str(next(count))}
    )
    server.enqueue(text_reply("a"), text_reply("b"))

    @llm.task(headers={"X-Tenant": "t"})
    def ask(question: str) -> str:
        """{question}"""

    assert [ask("Hi"), ask.with_options(headers={"X-Tenant": "u"})("Hi")] == ["a", "b"]
    seen = [(request.headers["x-count"], request.headers["x-tenant"]) for request in server.requests]
    assert seen == [("0", "t"), ("1", "u")]


def test_headers_that_are_none_are_told(way, server):
    llm = declarai.openai("m", openai_token="sk-test", base_url=server.base_url, headers=lambda: 7)
    with pytest.raises(errors.ConfigurationError, match="mapping"):
        way.do((llm.asend if way.is_async else llm.send)("Hi"))


def test_extra_body_is_put_into_the_body(way, server):
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    places = ({"extra_body": extra}, {"llm_params": {"extra_body": extra}})
    llms = [declarai.openai("m", openai_token="sk-test", base_url=server.base_url, **options) for options in places]
    for llm in llms:
        server.enqueue(text_reply("a"))
        way.do((llm.asend if way.is_async else llm.send)("Hi"))
    assert all(request.body["chat_template_kwargs"] == {"enable_thinking": False} for request in server.requests)


@pytest.mark.parametrize("name", ["extra_headers", "extra_query", "timeout"])
def test_what_is_no_parameter_names_what_to_give_instead(openai, name):
    with pytest.raises(errors.DefinitionError, match=r"give|put"):
        openai(llm_params={name: {}})


@pytest.mark.parametrize("base_url", ["localhost:1234/v1", "example.com", "ftp://host/v1"])
def test_address_without_its_scheme_is_told_at_once(way, base_url):
    llm = declarai.openai("m", openai_token="sk-test", base_url=base_url)
    with pytest.raises(errors.ConfigurationError, match="https://host"):
        way.do((llm.asend if way.is_async else llm.send)("Hi"))


def test_query_of_an_address_is_kept(openai, server):
    server.enqueue(text_reply("a"))
    declarai.openai("m", openai_token="sk-test", base_url=f"{server.base_url}/?tenant=a").send("Hi")
    assert server.requests[0].path == "/v1/chat/completions?tenant=a"


def test_environment_names_the_organization(openai, server, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    server.enqueue(text_reply("a"))
    openai().send("Hi")
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")
    assert headers["user-agent"].startswith("declarai-like/")


@pytest.mark.parametrize("limit", [float("inf"), 1e12])
def test_endless_limits_are_none(way, openai, server, limit):
    server.enqueue(text_reply("a"), stream_reply(["b"]))
    llm = openai(timeout=limit, first_chunk_timeout=limit, idle_timeout=limit, connect_timeout=limit)
    assert way.do((llm.asend if way.is_async else llm.send)("Hi")).response == "a"
    assert way.result((llm.astream if way.is_async else llm.stream)("Hi")) == "b"


# The cause


def test_cause_of_a_network_error_is_the_systems_own(way):
    llm = declarai.openai("m", openai_token="sk-test", base_url="http://127.0.0.1:1/v1", max_retries=0)
    with pytest.raises(errors.ProviderConnectionError, match="check the address") as caught:
        way.do((llm.asend if way.is_async else llm.send)("Hi"))
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert cause.errno is not None
    assert cause.__traceback__ is None


def test_plain_call_imports_no_official_client(server):
    server.enqueue(text_reply("a"), stream_reply(["b"]))
    code = (
        "import sys, declarai_like as d; llm = d.openai('m', openai_token='sk-test', base_url=sys.argv[1])\n"
        "assert llm.send('Hi').response == 'a'\n"
        "assert list(llm.stream('Hi').text()) == ['b']\n"
        "assert 'openai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, server.base_url], check=True)


# Time limits


def timed(way, provider, request, into=None):
    started = time.monotonic()
    with pytest.raises(errors.ProviderTimeout) as caught:
        stream(way, provider, request, into) if request.stream else send(way, provider, request)
    assert time.monotonic() - started < 15
    return caught.value


@pytest.mark.parametrize(
    "reply", [stream_reply(["a"], delay_before=60), bytes_reply([], end="hang"), keep_alive_reply()]
)
def test_first_chunk_has_its_limit(way, provider, server, reply):
    server.enqueue(reply)
    error = timed(way, provider, STREAM.replace(limits=Limits(first_chunk=0.3, idle=60)))
    assert error.phase == "first_chunk"
    assert "first_chunk_timeout=" in str(error)
    assert server.wait_disconnect(2)


@pytest.mark.parametrize("reply", [lambda: stalled(stream_reply(["a"]), after=2), lambda: keep_alive_reply(["a"])])
def test_each_next_chunk_has_its_limit(way, provider, server, reply):
    server.enqueue(reply())
    seen = []
    error = timed(way, provider, STREAM.replace(limits=Limits(first_chunk=60, idle=1)), seen)
    assert len(seen) in (1, 2)
    assert error.phase == "stream"
    assert "idle_timeout=" in str(error)
    assert server.wait_disconnect(2)


def test_whole_call_has_its_limit(way, provider, server):
    server.enqueue(
        text_reply("a", delay_before=60),
        stream_reply(["a"] * 1000, pause_between=0.05),
        bytes_reply([b"{"] * 1000, content_type="application/json", pause_between=0.05),
    )
    limits = Limits(timeout=0.4)
    for request in (HI, STREAM, HI):
        error = timed(way, provider, request.replace(limits=limits))
        assert "raise timeout=" in str(error)


def test_reader_who_takes_long_is_not_late(provider, server):
    server.enqueue(stream_reply(["a", "b"], pause_between=0.05))
    chunks = provider.stream(STREAM.replace(limits=QUICK))
    next(chunks)
    time.sleep(1.2)
    assert next(chunks)["choices"][0]["delta"] == {"content": "a"}
    assert list(chunks)[-1] is DONE


def test_no_limits_means_none(way, provider, server):
    server.enqueue(stream_reply(["a"], delay_before=0.1), text_reply("a"))
    limits = Limits(timeout=None, connect=None, first_chunk=None, idle=None)
    assert stream(way, provider, STREAM.replace(limits=limits))[-1] is DONE
    assert send(way, provider, HI.replace(limits=limits))


def test_limits_of_one_answer_do_not_hold_for_the_next(way, server):
    provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url)
    server.enqueue(stream_reply(["a"]), text_reply("b", delay_before=0.5))
    stream(way, provider, STREAM.replace(limits=QUICK))
    assert send(way, provider)["choices"]
    assert server.connections == 1


def test_connection_that_cannot_be_made_in_time_is_told(way):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=f"http://127.0.0.1:{address[1]}/v1")
        with pytest.raises(errors.ProviderTimeout, match="connect_timeout=") as caught:
            send(way, provider, HI.replace(limits=Limits(connect=0.3)))
        for filler in fillers:
            filler.close()
    assert caught.value.phase == "connect"


def test_pool_that_is_used_up_is_told(server):
    from openai import DefaultHttpxClient

    library = inspect.getmodule(DefaultHttpxClient.__mro__[1])
    limits = __import__(library.__name__.split(".")[0]).Limits(max_connections=1)
    server.enqueue(stream_reply(["a"], end="hang", done=False))
    with DefaultHttpxClient(limits=limits) as client:
        provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url, http_client=client)
        held = provider.stream(STREAM)
        next(held)
        with pytest.raises(errors.ProviderTimeout, match="all connections"):
            provider.send(HI.replace(limits=Limits(timeout=0.3)))
        held.close()


# What is too much


def test_whole_answer_that_is_too_long_is_refused(way, provider, server):
    server.enqueue(text_reply("x" * 2000))
    with pytest.raises(errors.InvalidResponse, match="longer than 1000"):
        send(way, provider, HI.replace(limits=Limits(answer_bytes=1000)))


def test_packed_answer_that_unpacks_to_too_much_is_refused(way, provider, server):
    bomb = gzip.compress(b"x" * 70_000_000)
    server.enqueue(
        bytes_reply(bomb, content_type="application/json", headers={"Content-Encoding": "gzip"}),
        bytes_reply(bomb, headers={"Content-Encoding": "gzip"}),
    )
    with pytest.raises(errors.InvalidResponse, match="longer than"):
        send(way, provider)
    with pytest.raises(errors.InvalidResponse, match="longer than"):
        stream(way, provider)


def test_event_that_does_not_end_is_refused(way, provider, server):
    def writes():
        yield b"data: {"
        while True:
            yield b"x" * 1_000_000

    server.enqueue(bytes_reply(writes()))
    with pytest.raises(errors.InvalidResponse, match="longer than"):
        stream(way, provider)
    assert server.wait_disconnect(2)


def test_packed_stream_is_unpacked(way, provider, server):
    body = sse(chunk("a"), chunk(finish="stop"))
    packed = zlib.compress(body)
    server.enqueue(bytes_reply([packed[:9], packed[9:]], headers={"Content-Encoding": "deflate"}))
    assert stream(way, provider) == [chunk("a"), chunk(finish="stop"), DONE]


# What is no answer


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (bytes_reply(b"<html>oops</html>", content_type="text/html"), errors.InvalidResponse),
        (bytes_reply(b"", content_type="application/json"), errors.EmptyResponse),
        (bytes_reply(b" \n", content_type="application/json"), errors.EmptyResponse),
        (json_reply({"detail": "hello"}), errors.InvalidResponse),
        (bytes_reply(b"[]", content_type="application/json"), errors.InvalidResponse),
        (bytes_reply(b'{"choices": [', content_type="application/json"), errors.InvalidResponse),
        (json_reply({"choices": []}), errors.InvalidResponse),
    ],
)
def test_answer_that_is_none_is_refused(way, provider, server, reply, kind):
    server.enqueue(reply)
    with pytest.raises(errors.InvalidResponse) as caught:
        send(way, provider)
    assert type(caught.value) is kind
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (bytes_reply(b"<html>oops</html>", content_type="text/html"), errors.EmptyResponse, "text/html"),
        (bytes_reply(b""), errors.EmptyResponse, "got nothing"),
        (bytes_reply(b": ping\n\n"), errors.EmptyResponse, ": ping"),
        (json_reply({"detail": "hello"}), errors.InvalidResponse, "hello"),
        (bytes_reply(b"data: {oops}\n\n"), errors.InvalidResponse, "oops"),
    ],
)
def test_stream_that_is_none_is_refused(way, provider, server, reply, kind, words):
    server.enqueue(reply)
    with pytest.raises(errors.InvalidResponse, match=words) as caught:
        stream(way, provider)
    assert type(caught.value) is kind


@pytest.mark.parametrize("encoding", ["zstd", "br", "Compress"])
def test_body_in_an_encoding_that_is_not_understood_names_it(way, provider, server, encoding):
    packed = bytes_reply(b"\x28\xb5\x2f\xfd\x04", content_type="text/plain", headers={"Content-Encoding": encoding})
    server.enqueue(packed, packed, replace(packed, status=400))
    for ask, kind in ((send, errors.InvalidResponse), (stream, errors.EmptyResponse), (send, errors.BadRequestError)):
        with pytest.raises(kind, match=f"its content-encoding '{encoding}' is not understood") as caught:
            ask(way, provider)
        assert "base_url" not in str(caught.value)


@pytest.mark.parametrize("ask", [send, stream])
def test_body_that_is_not_in_the_encoding_it_names_is_no_fault_of_the_network(way, provider, server, ask):
    server.enqueue(bytes_reply(b'{"choices": []}', headers={"Content-Encoding": "gzip"}))
    with pytest.raises(errors.InvalidResponse, match="content-encoding") as caught:
        ask(way, provider)
    assert "network" not in str(caught.value)


@pytest.mark.parametrize("name", ["Content-Encoding", "Content-Type"])
@pytest.mark.parametrize("value", ["sk-of-the-hour", "gzip, sk-of-the-hour"])
@pytest.mark.parametrize("ask", [send, stream])
def test_key_of_a_function_that_a_server_repeats_in_a_header_is_not_shown(way, server, ask, name, value):
    provider = OpenAIProvider("m", key=lambda: "sk-of-the-hour", base_url=server.base_url)
    server.enqueue(
        bytes_reply(b"oops", **{"content_type": value} if name == "Content-Type" else {"headers": {name: value}})
    )
    with pytest.raises(errors.InvalidResponse) as caught:
        ask(way, provider)
    assert "sk-of-the-hour" not in str(caught.value)


def test_answer_without_a_content_type_is_read(way, provider, server):
    server.enqueue(bytes_reply(sse(chunk("a")), content_type="application/json"), text_reply("b", content_type="x"))
    assert stream(way, provider) == [chunk("a"), DONE]
    assert stream(way, provider)[-1] is DONE


def test_whole_answer_that_breaks_off_is_told(way, provider, server):
    server.enqueue(text_reply("Hello", end="drop"), text_reply("Hello", end="drop"))
    with pytest.raises(errors.ProviderConnectionError, match="lost the connection"):
        send(way, provider)
    with pytest.raises(errors.ProviderConnectionError):
        stream(way, provider)


def test_last_event_may_lack_its_blank_line(way, provider, server):
    server.enqueue(bytes_reply(sse(chunk("a"), done=False)[:-2]))
    assert stream(way, provider) == [chunk("a")]


def test_event_without_its_blank_line_is_given_before_the_connection_is_told_lost(way, llm, server):
    server.enqueue(bytes_reply(sse(chunk("a"), done=False)[:-2], end="no_terminator"))
    with pytest.raises(errors.StreamInterrupted) as caught:
        way.events((llm.astream if way.is_async else llm.stream)("Hi"))
    assert caught.value.response.response == "a"


# What cannot be sent


@pytest.mark.parametrize("params", [{"x": object()}, {"x": {1, 2}}])
def test_parameter_that_is_no_json_is_told(way, provider, server, params):
    with pytest.raises(errors.ConfigurationError, match="could not be made"):
        send(way, provider, HI.replace(params=params))
    with pytest.raises(errors.ConfigurationError, match="could not be made"):
        stream(way, provider, STREAM.replace(params=params))
    assert server.requests == []


def test_http_client_of_another_library_is_told(server):
    provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url, http_client=object())
    with pytest.raises(errors.ConfigurationError, match=r"AttributeError|TypeError"):
        provider.send(HI)


# Elsewhere


def test_provider_is_pickled_without_key_and_connections(provider, monkeypatch):
    again = pickle.loads(pickle.dumps(provider))
    assert (again.model, again.base_url) == (provider.model, provider.base_url)
    assert again.api_key.reveal() == "no-key"
    assert b"sk-test" not in pickle.dumps(provider)


def test_client_with_hooks_that_read_the_answer_works(server):
    from openai import DefaultHttpxClient

    with DefaultHttpxClient(event_hooks={"response": [lambda response: response.read()]}) as client:
        provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url, http_client=client)
        server.enqueue(stream_reply(["a"]), text_reply("b"))
        assert list(provider.stream(STREAM))[-1] is DONE
        assert provider.send(HI)["choices"]


def test_transport_without_a_network_works(way):
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    library = __import__(DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
    body = sse(chunk("a"), of_choices(usage=USAGE))
    transport = library.MockTransport(lambda _request: library.Response(200, content=body))
    clients = {"http_client": DefaultHttpxClient(transport=transport),
               "http_async_client": DefaultAsyncHttpxClient(transport=transport)}  # fmt: skip
    provider = OpenAIProvider("m", key=Secret("sk-test"), base_url="http://x/v1", **clients)
    assert stream(way, provider) == [chunk("a"), of_choices(usage=USAGE), DONE]


def test_late_answer_does_not_leak_into_the_next_call(way, server):
    gate = threading.Event()
    provider = OpenAIProvider("m", key=Secret("sk-test"), base_url=server.base_url)
    server.enqueue(text_reply("late", gate=gate, gate_after=0), text_reply("next"))
    with pytest.raises(errors.ProviderTimeout):
        send(way, provider, HI.replace(limits=Limits(timeout=0.3)))
    gate.set()
    assert send(way, provider)["choices"][0]["message"]["content"] == "next"


def test_limits_are_told_by_the_options(openai, server):
    server.enqueue(bytes_reply([], end="hang"))
    llm = openai(first_chunk_timeout=0.2, stream=True)
    assert isinstance(llm, declarai.Declarai)

    @llm.task
    def about(movie: str) -> str:
        """Say something"""

    with pytest.raises(errors.ProviderTimeout, match=r"within 0\.2 s"):
        next(about(movie="Jaws"))

"""What is asked in bad faith, or by clients that say more than they need: an answer of ours, and nothing of others'."""

import asyncio
import json

import pytest
from serve.clients import Direct, eventually, parse

from declarai_like import serve
from declarai_like.errors import ConfigurationError, LimitExceeded
from declarai_like.middleware import TaskMiddleware
from declarai_like.testing import FakeLLM, chunks, reply, tool_call

BODY = {"movie": "Jaws"}
STREAM = {"accept": "text/event-stream"}
JAWS = [{"role": "user", "content": "Jaws"}]
HALF = "cut emoji \ud83d"


def things_of(llm):
    @llm.task
    def about(movie: str) -> str:
        """{movie}"""

    @llm.chat
    class Bot:
        """You are a bot."""

    return {"tasks": [about], "chats": [Bot], "providers": {"raw": llm}}


async def ask(app, path, body, headers=(), method="POST"):
    client = Direct(app, path, body, headers, method=method)
    await client.task
    return client


def answer_of(llm, path, body, headers=(), **options):
    """Ask an app of all kinds of things once; give the status and the answer."""
    client = asyncio.run(ask(serve.app(**things_of(llm), **options), path, body, headers))
    return client.status, json.loads(client.body)


# Who is asked


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]", 200),
        ("[::1]:8000", 200),
        ("127.0.0.1:80@evil.example", 421),
        ("127.0.0.1:", 421),
        ("127.0.0.1:x", 421),
        ("127.0.0.1:999999", 421),
        ("127.0.0.1/evil", 421),
        ("127.0.0.1#", 421),
        ("127.0.0.1 ", 421),
        ("user@127.0.0.1", 421),
        ("[::1", 421),
        ("[::1]x", 421),
        ("[::1]:80:80", 421),
        ("::1", 421),
        ("", 421),
    ],
)
def test_a_host_is_a_name_and_perhaps_a_port(host, status):
    async def talk():
        client = Direct(serve.app(**things_of(FakeLLM())), "/tasks", b"", {"host": host}, method="GET")
        await client.task
        return client.status

    assert asyncio.run(talk()) == status


# Other people's streams


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks/about", BODY),
        ("/chats/Bot/s/messages", {"message": "Hi"}),
        ("/v1/chat/completions", {"model": "about", "messages": JAWS, "stream": True}),
        ("/v1/completions", {"model": "about", "prompt": "Jaws", "stream": True}),
    ],
)
def test_nothing_that_an_answer_shows_names_its_stream(path, body):
    async def talk():
        app = serve.app(**things_of(FakeLLM([chunks("a", "b")])))
        client = await ask(app, path, body, STREAM)
        name = client.headers["x-stream-id"]
        data = [value for _, value, _ in parse(client.body)]
        stopped = await ask(app, f"/streams/{name}", b"", method="DELETE")
        return name, json.dumps(data), stopped.status

    name, data, status = asyncio.run(talk())
    assert name not in data
    assert (len(name), status) == (32, 204)


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/tasks/about?frames=raw"},
        {"body": {"movie": "Alien"}},
        {"headers": {"authorization": "Bearer other"}},
        {"path": "/chats/Bot/s/messages", "body": {"message": "Hi"}},
    ],
    ids=["other frames", "other words", "another client", "another thing"],
)
def test_a_stream_goes_on_for_the_request_that_began_it_only(other):
    async def talk():
        app = serve.app(**things_of(FakeLLM([chunks("a", "b"), "c"])))
        first = await ask(app, "/tasks/about", BODY, STREAM)
        last = f"{first.headers['x-stream-id']}-0"
        headers = {**STREAM, **other.get("headers", {}), "last-event-id": last}
        again = await ask(app, other.get("path", "/tasks/about"), other.get("body", BODY), headers)
        return again.status, b"delta" in again.body

    assert asyncio.run(talk()) == (409, False)


def test_a_stream_that_its_client_stopped_is_not_to_be_tried_again():
    async def talk():
        app = serve.app(**things_of(FakeLLM([chunks(*"ab" * 5000, delay=0.01)])))
        reader = Direct(app, "/tasks/about", BODY, STREAM)
        await reader.until("delta")
        await ask(app, f"/streams/{reader.headers['x-stream-id']}", b"", method="DELETE")
        await reader.task
        return parse(reader.body)[-1][1]["error"]

    error = asyncio.run(talk())
    assert (error["type"], error["status"], error["retryable"]) == ("StreamStopped", 409, False)


def test_an_app_that_stops_takes_no_more_streams_until_it_is_started_again():
    async def talk():
        app = serve.app(**things_of(FakeLLM(["a", "b", "c"])))
        app.state.stop_streams()
        stopped = await ask(app, "/tasks/about", BODY, STREAM)
        async with app.router.lifespan_context(app):
            started = await ask(app, "/tasks/about", BODY, STREAM)
        return stopped.status, json.loads(stopped.body)["error"]["type"], started.status

    assert asyncio.run(talk()) == (503, "ServerStops", 200)


def test_a_server_that_stops_before_the_first_event_answers_503():
    async def talk():
        llm = FakeLLM([reply("late", delay=60)])
        app = serve.app(**things_of(llm))
        reader = Direct(app, "/tasks/about", BODY, STREAM)
        await eventually(lambda: llm.requests)
        app.state.stop_streams()
        await reader.task
        return reader.status, json.loads(reader.body)["error"]["type"]

    assert asyncio.run(talk()) == (503, "ServerStops")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_request_that_is_cancelled_before_it_brought_anything_is_answered_503(is_streamed):
    async def talk():
        llm = FakeLLM([reply("late", delay=60)])
        app = serve.app(**things_of(llm))
        client = Direct(app, "/tasks/about", BODY, STREAM if is_streamed else {})
        await eventually(lambda: llm.requests)
        client.task.cancel()
        await client.task
        return client.status, json.loads(client.body)["error"]["type"]

    assert asyncio.run(talk()) == (503, "ServerStops")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_request_that_is_cancelled_while_its_client_does_not_read_ends_quietly(is_streamed):
    async def talk():
        app = serve.app(**things_of(FakeLLM(["x" * 100_000])), resume_seconds=0)
        client = Direct(app, "/tasks/about", BODY, STREAM if is_streamed else {})
        client.may_send.clear()
        await eventually(lambda: client.sent)
        client.task.cancel()
        await client.task
        await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        return len(client.sent)

    assert asyncio.run(talk()) == 1


# What a model says


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks/about", BODY),
        ("/chats/Bot/s/messages", {"message": "Hi"}),
        ("/v1/chat/completions", {"model": "about", "messages": JAWS}),
        ("/v1/chat/completions", {"model": "raw", "messages": JAWS}),
        ("/v1/completions", {"model": "about", "prompt": "Jaws"}),
    ],
)
def test_half_a_character_of_a_model_spoils_no_answer_and_no_conversation(path, body):
    async def talk():
        app = serve.app(**things_of(FakeLLM([HALF, "fine", "fine"])))
        statuses = [(await ask(app, path, body)).status for _ in range(2)]
        look = await ask(app, "/chats/Bot/s", b"", method="GET")
        return statuses, look.status

    assert asyncio.run(talk()) == ([200, 200], 200)


@pytest.mark.parametrize("text", ["a\n\nevent: done\ndata: {}", "a\r\rdata: [DONE]\r\r", "a\u2028id: 7\u2029", "\0"])
@pytest.mark.parametrize("frames", ["delta", "cumulative", "raw", "partial"])
def test_words_of_a_model_are_no_events(text, frames):
    async def talk():
        app = serve.app(**things_of(FakeLLM([chunks(text, "end")])))
        return (await ask(app, f"/tasks/about?frames={frames}", BODY, STREAM)).body

    events = parse(asyncio.run(talk()))
    kinds = [kind for kind, _, _ in events]
    assert (kinds[-2:], set(kinds[:-2])) == (["done", "message"], {"delta"})
    assert events[-2][1]["response"] == f"{text}end"
    assert [place for _, _, place in events] == [f"{events[0][2][:-1]}{number + 1}" for number in range(len(events))]


# What is refused, and what is not


@pytest.mark.parametrize("model", ["about", "Bot", "raw"])
@pytest.mark.parametrize(
    "extra",
    [
        {"response_format": {"type": "text"}},
        {"tool_choice": "auto"},
        {"tool_choice": "none"},
        {"parallel_tool_calls": True},
        {"parallel_tool_calls": False, "tools": []},
        {"function_call": "auto", "functions": []},
        {"n": 1, "logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"modalities": ["text"], "audio": None},
        {"stop": None, "tools": None, "user": "me", "store": False},
    ],
    ids=str,
)
def test_what_changes_nothing_is_taken(model, extra):
    llm = FakeLLM(["fine"])
    status, _ = answer_of(llm, "/v1/chat/completions", {"model": model, "messages": JAWS, **extra})
    assert (status, dict(llm.requests[0].params)) == (200, {})


@pytest.mark.parametrize("model", ["about", "Bot"])
@pytest.mark.parametrize(
    "extra",
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "text", "x": 1}},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"},
        {"n": 2},
        {"n": True},
        {"logprobs": True},
        {"logprobs": 0},
        {"modalities": ["text", "audio"]},
        {"reasoning_effort": "high"},
    ],
    ids=str,
)
def test_what_would_have_no_effect_is_refused(model, extra):
    llm = FakeLLM()
    status, _ = answer_of(llm, "/v1/chat/completions", {"model": model, "messages": JAWS, **extra})
    assert (status, llm.requests) == (400, [])


def test_a_passed_model_is_told_how_to_choose_among_its_tools():
    llm = FakeLLM([tool_call("f")])
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = {"model": "raw", "messages": JAWS, "tools": tools, "tool_choice": "auto", "parallel_tool_calls": False}
    assert answer_of(llm, "/v1/chat/completions", body)[0] == 200
    assert dict(llm.requests[0].params) == {"tool_choice": "auto", "parallel_tool_calls": False}


@pytest.mark.parametrize("model", ["about", "Bot"])
@pytest.mark.parametrize("content", [{"content": None}, {}, {"content": ""}, {"content": []}], ids=str)
def test_an_assistant_may_have_said_nothing(model, content):
    messages = [*JAWS, {"role": "assistant", **content}, *JAWS]
    assert answer_of(FakeLLM(["fine"]), "/v1/chat/completions", {"model": model, "messages": messages})[0] == 200


@pytest.mark.parametrize("name", ["about", "Bot", "raw"])
def test_each_model_can_be_looked_up(name):
    async def talk():
        app = serve.app(**things_of(FakeLLM()), token="t")
        key = {"authorization": "Bearer t"}
        found = await ask(app, f"/v1/models/{name}", b"", key, method="GET")
        strange = await ask(app, f"/v1/models/{name}/x", b"", key, method="GET")
        stranger = await ask(app, f"/v1/models/{name}", b"", method="GET")
        return json.loads(found.body), strange.status, json.loads(strange.body)["error"]["code"], stranger.status

    model, *others = asyncio.run(talk())
    assert (model["id"], model["object"], *others) == (name, "model", 404, "model_not_found", 401)


def test_a_model_s_name_may_have_slashes():
    async def talk():
        app = serve.app(providers={"org/model": FakeLLM()})
        return (await ask(app, "/v1/models/org/model", b"", method="GET")).status

    assert asyncio.run(talk()) == 200


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": [{"function": 5}]},
        {"tools": [{"function": {"strict": True}}]},
        {"tools": [{"function": {"name": 5, "strict": True}}]},
        {"tools": [{"function": None}]},
        {"tools": [5]},
        {"tools": {"a": 1}},
        {"messages": [*JAWS, {"role": "assistant", "tool_calls": 5}]},
        {"messages": [*JAWS, {"role": "assistant", "tool_calls": [5]}]},
        {"messages": [*JAWS, {"role": "assistant", "tool_calls": [{"function": "f"}]}]},
        {"messages": [*JAWS, {"role": "assistant", "tool_calls": {"a": 1}}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "nobody", "content": "x"}]},
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_is_none_is_the_caller_s_fault(extra, stream):
    llm = FakeLLM()
    body = {"model": "raw", "messages": JAWS, "stream": stream, **extra}
    assert (answer_of(llm, "/v1/chat/completions", body)[0], llm.requests) == (400, [])


@pytest.mark.parametrize("path", ["/tasks/about", "/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("text", ["", "  \n "])
def test_arguments_that_make_an_empty_prompt_are_the_caller_s_fault(path, text):
    llm = FakeLLM()
    bodies = {
        "/tasks/about": {"movie": text},
        "/v1/chat/completions": {"model": "about", "messages": [{"role": "user", "content": text}]},
        "/v1/completions": {"model": "about", "prompt": text},
    }
    status, body = answer_of(llm, path, bodies[path])
    assert (status, body["error"]["type"], llm.requests) == (422, "InvalidArguments", [])


@pytest.mark.parametrize(("error", "status"), [(ConfigurationError("x"), 500), (LimitExceeded("x"), 429)])
def test_what_is_wrong_with_the_server_is_not_the_caller_s_fault(error, status):
    class Refuse(TaskMiddleware):
        def __init__(self, task, kwargs):
            raise error

    @FakeLLM().task(middlewares=[Refuse])
    def about(movie: str) -> str:
        """{movie}"""

    client = asyncio.run(ask(serve.app(tasks=[about]), "/tasks/about", BODY))
    assert client.status == status


def test_values_that_a_template_cannot_use_are_the_caller_s_fault():
    llm = FakeLLM()

    @llm.chat
    class Bot:
        """You speak {{ tongue.name }}."""

    body = {"message": "Hi", "values": {"tongue": 5}}
    client = asyncio.run(ask(serve.app(chats=[Bot]), "/chats/Bot/s/messages", body))
    assert (client.status, llm.requests) == (422, [])

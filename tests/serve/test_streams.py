"""Streams under way: clients that leave, come back, are slow, or wait for a slow model."""

import asyncio
import threading
import time
from dataclasses import replace

import openai as official
import pytest
from serve.clients import EVENTS, Direct, eventually, parse

import declarai_like as declarai
from declarai_like import serve
from declarai_like.testing import FakeLLM, chunks, stream_reply, text_reply

BODY = {"movie": "Jaws"}
STREAM = {"accept": "text/event-stream"}


def tasks_of(llm, **options):
    @llm.task(**options)
    def about(movie: str) -> str:
        """Say something about {movie}."""

    @llm.task(**options)
    async def awaited(movie: str) -> str:
        """Tell something about {movie}."""

    return [about, awaited]


def slow(*pieces, seconds=0.03):
    return chunks(*pieces, delay=seconds)


def gated(server, pieces, after):
    """Let the server say some writes, and the rest when the gate is opened."""
    gate = threading.Event()
    server.enqueue(replace(stream_reply(pieces), gate=gate, gate_after=after))
    return gate


@pytest.mark.parametrize("task", ["about", "awaited"])
def test_a_client_that_comes_back_goes_on_after_the_last_event_and_the_model_is_asked_once(site, task):
    llm = FakeLLM([slow("a", "b", "c", "d")])
    served = site(serve.app(tasks=tasks_of(llm)))
    with served.open(f"/tasks/{task}", BODY, **EVENTS) as first:
        first.until('"b"')
    last = first.ids()[-1].decode()
    rest = served.stream(f"/tasks/{task}", {"movie": "Jaws"}, Last_Event_ID=last)
    seen = int(last.rpartition("-")[2])
    assert [data["delta"] for kind, data, _ in rest.events if kind == "delta"] == ["a", "b", "c", "d"][seen:]
    assert [number for _, _, number in rest.events] == [f"{last.rpartition('-')[0]}-{n}" for n in range(seen + 1, 7)]
    assert rest.body.endswith(b"data: [DONE]\n\n")
    assert len(llm.requests) == 1


NAME = "0123456789abcdef" * 2


def test_a_client_that_named_its_stream_comes_back_before_the_first_word(site, openai, server):
    gate = gated(server, ["a", "b"], 0)
    served = site(serve.app(tasks=tasks_of(openai())))
    with served.open("/tasks/about", BODY, **EVENTS, X_Stream_Id=NAME):
        assert server.wait_requests(1)
    gate.set()
    again = served.stream("/tasks/about", BODY, Last_Event_ID=f"{NAME}-0")
    assert (again.text, again.headers["x-stream-id"], len(server.requests)) == ("ab", NAME, 1)


def test_a_stream_is_stopped_by_its_name_before_the_first_word(site, openai, server):
    gate = gated(server, ["a"], 0)
    served = site(serve.app(tasks=tasks_of(openai())))
    with served.open("/tasks/about", BODY, **EVENTS, X_Stream_Id=NAME):
        assert server.wait_requests(1)
        assert served.ask("DELETE", f"/streams/{NAME}").status == 204
        assert server.wait_disconnect(15)
    gate.set()


def test_a_name_is_given_to_one_stream(site, openai, server):
    gate = gated(server, ["a"], 0)
    served = site(serve.app(tasks=tasks_of(openai())))
    with served.open("/tasks/about", BODY, **EVENTS, X_Stream_Id=NAME):
        assert server.wait_requests(1)
        second = served.stream("/tasks/about", BODY, X_Stream_Id=NAME)
    gate.set()
    assert (second.status, len(server.requests)) == (409, 1)
    assert "there is a stream of this name" in second.error["message"]


@pytest.mark.parametrize("name", ["mine", NAME.upper(), f"{NAME}0", ""])
def test_a_name_that_might_be_guessed_is_refused(site, name):
    llm = FakeLLM(["a"])
    refused = site(serve.app(tasks=tasks_of(llm))).stream("/tasks/about", BODY, X_Stream_Id=name)
    assert (refused.status, llm.requests) == (400, [])
    assert "32 random digits" in refused.error["message"]


def test_an_openai_stream_is_resumed_too(site):
    llm = FakeLLM([slow("a", "b", "c")])
    served = site(serve.app(tasks=tasks_of(llm)))
    body = {"model": "about", "stream": True, "messages": [{"role": "user", "content": "Jaws"}]}
    with served.open("/v1/chat/completions", body) as first:
        first.until('"a"')
    rest = served.post("/v1/chat/completions", body, Last_Event_ID=first.ids()[-1].decode())
    texts = [data["choices"][0]["delta"].get("content", "") for _, data, _ in rest.events if data != "[DONE]"]
    assert ("".join(texts), len(llm.requests)) == ("bc", 1)


def test_a_chat_s_turn_is_resumed_and_stored_once(site):
    llm = FakeLLM([slow("a", "b", "c")])

    @llm.chat
    class Bot:
        """You are a bot."""

    served = site(serve.app(chats=[Bot]))
    path, body = "/chats/Bot/s/messages", {"message": "Hi"}
    with served.open(path, body, **EVENTS) as first:
        first.until('"a"')
    rest = served.stream(path, body, Last_Event_ID=first.ids()[-1].decode())
    assert (rest.text, rest.events[-2][1]["value"]) == ("bc", "abc")
    texts = served.ask("GET", "/chats/Bot/s").json["messages"]
    assert [message["content"] for message in texts] == ["Hi", "abc"]


def test_a_stream_that_has_ended_can_be_read_again_from_any_event(site):
    llm = FakeLLM([chunks("a", "b")])
    served = site(serve.app(tasks=tasks_of(llm)))
    whole = served.stream("/tasks/about", BODY)
    name = whole.headers["x-stream-id"]
    for number in range(5):
        rest = served.stream("/tasks/about", BODY, Last_Event_ID=f"{name}-{number}")
        assert rest.events == whole.events[number:]
        assert rest.headers["x-stream-id"] == name
    assert len(llm.requests) == 1


def test_only_the_same_request_goes_on(site):
    llm = FakeLLM([chunks("a", "b")])
    served = site(serve.app(tasks=tasks_of(llm), token="t"))
    key = {"Authorization": "Bearer t"}
    name = served.stream("/tasks/about", BODY, **key).headers["x-stream-id"]
    last = {"Last_Event_ID": f"{name}-1", **key}
    assert served.stream("/tasks/about", {"movie": "Alien"}, **last).status == 409
    assert served.stream("/tasks/awaited", BODY, **last).status == 409
    assert served.stream("/tasks/about?frames=raw", BODY, **last).status == 409
    assert served.stream("/tasks/about", BODY, Last_Event_ID=f"{name}-1").status == 401
    for number in ("9", "9" * 5000, "x", ""):
        assert served.stream("/tasks/about", BODY, **key, Last_Event_ID=f"{name}-{number}").status == 410
    assert served.stream("/tasks/about", BODY, **last).status == 200


@pytest.mark.parametrize("last", ["0123456789abcdef-1", "nonsense", "", "a-b"])
def test_a_stream_that_is_not_there_is_gone(site, last):
    refused = site(serve.app(tasks=tasks_of(FakeLLM()))).stream("/tasks/about", BODY, Last_Event_ID=last)
    assert (refused.status, refused.error["type"]) == (410, "Gone")


def test_a_stream_is_kept_for_its_time_and_not_longer(site):
    served = site(serve.app(tasks=tasks_of(FakeLLM([chunks("a")])), resume_seconds=1.5))
    name = served.stream("/tasks/about", BODY).headers["x-stream-id"]
    assert served.stream("/tasks/about", BODY, Last_Event_ID=f"{name}-1").status == 200
    time.sleep(2)
    assert served.stream("/tasks/about", BODY, Last_Event_ID=f"{name}-1").status == 410


def test_several_readers_follow_one_stream_but_not_many():
    async def talk():
        llm = FakeLLM([slow("a", "b", "c", seconds=0.02)])
        app = serve.app(tasks=tasks_of(llm))
        first = Direct(app, "/tasks/about", BODY, STREAM)
        await first.until("delta")
        again = {**STREAM, "last-event-id": f"{first.headers['x-stream-id']}-0"}
        others = [Direct(app, "/tasks/about", BODY, again) for _ in range(4)]
        await asyncio.gather(first.task, *(other.task for other in others))
        return (
            [other.status for other in others],
            {first.body, *(other.body for other in others[:3])},
            len(llm.requests),
        )

    statuses, bodies, request_count = asyncio.run(talk())
    assert (statuses, len(bodies), request_count) == ([200, 200, 200, 429], 1, 1)


# The model's side of a client that leaves


@pytest.mark.parametrize("task", ["about", "awaited"])
@pytest.mark.parametrize("kind", ["events", "openai"])
def test_without_a_time_to_resume_the_model_is_left_at_once(site, openai, server, task, kind):
    gate = gated(server, ["a", "b", "c"], 2)
    served = site(serve.app(tasks=tasks_of(openai()), resume_seconds=0))
    path, body, headers = f"/tasks/{task}", BODY, EVENTS
    if kind == "openai":
        path, headers = "/v1/chat/completions", {}
        body = {"model": task, "stream": True, "messages": [{"role": "user", "content": "Jaws"}]}
    with served.open(path, body, **headers) as client:
        client.until('"a"')
    assert server.wait_disconnect(15)
    gate.set()


@pytest.mark.parametrize("task", ["about", "awaited"])
def test_with_a_time_to_resume_the_model_is_left_after_it(site, openai, server, task):
    gate = gated(server, ["a", "b"], 2)
    served = site(serve.app(tasks=tasks_of(openai()), resume_seconds=0.4))
    with served.open(f"/tasks/{task}", BODY, **EVENTS) as client:
        client.until('"a"')
    left = time.monotonic()
    assert server.wait_disconnect(15)
    assert time.monotonic() - left > 0.3
    gate.set()


@pytest.mark.parametrize("task", ["about", "awaited"])
def test_a_client_that_leaves_before_its_whole_answer_cancels_the_call(site, openai, server, task):
    server.enqueue(replace(text_reply("late"), delay_before=60))
    served = site(serve.app(tasks=tasks_of(openai())))
    with served.open(f"/tasks/{task}", BODY):
        assert server.wait_requests(1)
    assert server.wait_disconnect(15)


@pytest.mark.parametrize("task", ["about", "awaited"])
def test_a_blocking_generator_of_one_s_own_model_is_closed_when_the_client_leaves(site, task):
    closed = threading.Event()

    class Endless(declarai.BaseLLM):
        def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
            def saying():
                try:
                    for number in range(1, 1000):
                        yield declarai.LLMResponse(response="a" * number)
                        time.sleep(0.02)
                finally:
                    closed.set()

            return saying()

    declarai.register_llm("endless", Endless)
    llm = declarai.Declarai(provider="endless", model="m")
    served = site(serve.app(tasks=tasks_of(llm), resume_seconds=0))
    with served.open(f"/tasks/{task}", BODY, **EVENTS) as client:
        client.until('"a"')
    assert closed.wait(1)


def test_a_client_that_leaves_before_the_first_event_cancels_the_call(site, openai, server):
    gate = gated(server, ["a"], 0)
    served = site(serve.app(tasks=tasks_of(openai()), resume_seconds=0))
    with served.open("/tasks/about", BODY, **EVENTS):
        assert server.wait_requests(1)
    assert server.wait_disconnect(15)
    gate.set()


def test_a_turn_that_is_cancelled_leaves_the_conversation_as_it_was():
    async def talk():
        llm = FakeLLM([slow("a", "b", "c", "d"), "fine"])

        @llm.chat
        class Bot:
            """You are a bot."""

        app = serve.app(chats=[Bot], resume_seconds=0)
        first = Direct(app, "/chats/Bot/s/messages", {"message": "one"}, STREAM)
        await first.until("delta")
        first.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})  # it has not left yet
        await asyncio.sleep(0.01)
        first.leave()
        await first.task
        second = Direct(app, "/chats/Bot/s/messages", {"message": "two"})
        await second.task
        return [message.message for message in llm.requests[1].messages]

    assert asyncio.run(talk()) == ["You are a bot.", "two"]


# Heartbeats


def test_a_model_that_is_silent_is_bridged_by_comments_that_official_clients_read_over(site):
    llm = FakeLLM([slow("a", "b", seconds=0.25)] * 2)
    served = site(serve.app(tasks=tasks_of(llm), heartbeat_seconds=0.1))
    answer = served.stream("/tasks/about", BODY)
    assert answer.text == "ab"
    assert answer.body.startswith(b": ping\n")
    assert answer.body.count(b": ping\nid: ") >= 2
    assert b"ping\n\n" not in answer.body
    with official.OpenAI(base_url=f"{served.url}/v1", api_key="t", max_retries=0) as client:
        stream = client.chat.completions.create(model="about", messages=[{"role": "user", "content": "x"}], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "ab"


def test_a_failure_after_a_heartbeat_is_an_event():
    async def talk():
        def failing(request, send):
            response = yield from send(request)
            raise ZeroDivisionError(response)

        llm = FakeLLM([chunks(delay=0.15)])
        app = serve.app(tasks=tasks_of(llm, middlewares=[failing]), heartbeat_seconds=0.05)
        client = Direct(app, "/tasks/about", BODY, STREAM)
        await client.task
        return client.status, client.body

    status, body = asyncio.run(talk())
    assert status == 200
    assert body.startswith(b": ping\n")
    assert parse(body)[-1][:2] == (
        "error",
        {
            "error": {
                "type": "InternalError",
                "message": "the server failed",
                "status": 500,
                "code": None,
                "retryable": False,
            }
        },
    )


# Slow readers


def test_a_reader_that_takes_nothing_is_dropped_and_its_answer_kept_for_a_while(caplog):
    async def talk():
        llm = FakeLLM([slow("a", "b", "c", seconds=0.01)])
        app = serve.app(tasks=tasks_of(llm), client_seconds=0.1)
        client = Direct(app, "/tasks/about", BODY, STREAM)
        client.may_send.clear()
        await client.task
        again = Direct(app, "/tasks/about", BODY, {**STREAM, "last-event-id": f"{client.headers['x-stream-id']}-0"})
        await again.task
        return client.sent, again.body, len(llm.requests)

    sent, body, request_count = asyncio.run(talk())
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert (body.count(b"event: delta"), request_count) == (3, 1)
    assert "too slow" in caplog.text


@pytest.mark.parametrize("task", ["about", "awaited"])
def test_a_stream_that_is_stopped_leaves_the_model_at_once(site, openai, server, task):
    gated(server, ["a", "b", "c"], after=3)
    served = site(serve.app(tasks=tasks_of(openai(max_retries=0)), token="t"))
    key = {"Authorization": "Bearer t"}
    with served.open(f"/tasks/{task}", BODY, **EVENTS, **key) as stream:
        stream.until('"a"')
        name = stream.ids()[-1].decode().rpartition("-")[0]
        assert served.ask("DELETE", f"/streams/{name}").status == 401
        assert served.ask("DELETE", f"/streams/{name}", **key).status == 204
        assert server.wait_disconnect(2)
    assert served.ask("DELETE", f"/streams/{name}", **key).json["error"]["message"] == "there is no such stream"


def test_a_stopped_request_stops_its_stream():
    async def talk():
        app = serve.app(tasks=tasks_of(FakeLLM([slow("a", "b")])), resume_seconds=0)
        client = Direct(app, "/tasks/about", BODY, STREAM)
        await client.until("delta")
        client.task.cancel()
        await client.task
        await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        return parse(client.body)[-1][1]["error"]["type"], client.sent[-1]["more_body"]

    assert asyncio.run(talk()) == ("ServerStops", False)


BIG = "x" * 300_000


def test_a_model_waits_for_a_slow_reader_so_that_memory_is_bounded():
    async def talk():
        texts = []

        def counted(request):
            return chunks(*[BIG] * 12)

        llm = FakeLLM([counted])
        app = serve.app(tasks=tasks_of(llm, middlewares=[]))
        client = Direct(app, "/tasks/about", BODY, STREAM)
        client.may_send.clear()
        await eventually(lambda: client.sent)
        await asyncio.sleep(0.05)
        texts.append(len(client.body))
        late = {**STREAM, "last-event-id": f"{client.headers['x-stream-id']}-0"}
        client.may_send.set()
        await client.task
        again = Direct(app, "/tasks/about", BODY, late)
        await again.task
        return texts[0], client.body, again.status

    held, body, again = asyncio.run(talk())
    assert held == 0
    assert [data["delta"] for kind, data, _ in parse(body) if kind == "delta"] == [BIG] * 12
    assert again == 410  # its beginning is not kept any more


def test_a_big_answer_whose_reader_has_left_waits_too():
    async def talk():
        llm = FakeLLM([chunks(*[BIG] * 8)])
        app = serve.app(tasks=tasks_of(llm))
        client = Direct(app, "/tasks/about", BODY, STREAM)
        client.leave()
        await client.task
        await asyncio.sleep(0.05)
        name = next(iter(app_streams(app)))
        again = Direct(app, "/tasks/about", BODY, {**STREAM, "last-event-id": f"{name}-0"})
        await again.task
        return again.body.count(b"event: delta"), len(llm.requests)

    assert asyncio.run(talk()) == (8, 1)


def app_streams(app):
    """Look inside: which streams are kept."""
    from declarai_like.serve._openai_routes import OpenAIRoutes

    owners = [route.endpoint.__self__ for route in app.routes]
    core = next(owner._core for owner in owners if isinstance(owner, OpenAIRoutes))
    return core.streams._upstreams


# Limits


def test_too_many_calls_are_refused_and_those_without_readers_count():
    async def talk():
        llm = FakeLLM([slow("a", "b", "c", "d"), slow("a", "b", "c", "d"), "free"])
        app = serve.app(tasks=tasks_of(llm), max_concurrency=2)
        left = Direct(app, "/tasks/about", BODY, STREAM)
        await left.until("delta")
        left.leave()
        await left.task
        reading = Direct(app, "/tasks/about", BODY, STREAM)
        await reading.until("delta")
        refused = [Direct(app, "/tasks/about", BODY), Direct(app, "/tasks/about", BODY, STREAM)]
        await asyncio.gather(*(each.task for each in refused))
        await reading.task
        await eventually(lambda: all(upstream.ended for upstream in app_streams(app).values()))
        free = Direct(app, "/tasks/about", BODY)
        await free.task
        return [each.status for each in refused], refused[0].headers["retry-after"], free.status

    assert asyncio.run(talk()) == ([429, 429], "1", 200)


def test_a_conversation_is_not_busy_after_a_turn_that_was_refused():
    async def talk():
        llm = FakeLLM([slow("a", "b")])

        @llm.chat
        class Bot:
            """You are a bot."""

        app = serve.app(tasks=tasks_of(llm), chats=[Bot], max_concurrency=1)
        first = Direct(app, "/tasks/about", BODY, STREAM)
        await first.until("delta")
        refused = [Direct(app, "/chats/Bot/s/messages", {"message": "x"}, headers) for headers in (STREAM, {})]
        await asyncio.gather(first.task, *(each.task for each in refused))
        forget = Direct(app, "/chats/Bot/s", b"", method="DELETE")
        await forget.task
        return [each.status for each in refused], forget.status

    assert asyncio.run(talk()) == ([429, 429], 204)


def test_resuming_takes_a_slot_too():
    async def talk():
        llm = FakeLLM([chunks("a"), slow("a", "b")])
        app = serve.app(tasks=tasks_of(llm), max_concurrency=1)
        first = Direct(app, "/tasks/about", BODY, STREAM)
        await first.task
        second = Direct(app, "/tasks/about", BODY, STREAM)
        await second.until("delta")
        again = Direct(app, "/tasks/about", BODY, {**STREAM, "last-event-id": f"{first.headers['x-stream-id']}-0"})
        await again.task
        await second.task
        return again.status

    assert asyncio.run(talk()) == 429


def test_few_streams_are_kept_for_clients_that_may_come_back():
    async def talk():
        app = serve.app(tasks=tasks_of(FakeLLM([chunks("a")] * 5)), max_concurrency=2)
        names = []
        for _ in range(5):
            client = Direct(app, "/tasks/about", BODY, STREAM)
            await client.task
            names.append(client.headers["x-stream-id"])
        return names[-2:], list(app_streams(app))

    expected, kept = asyncio.run(talk())
    assert kept == expected


def test_a_stream_that_nobody_begins_to_read_is_dropped():
    from declarai_like.serve._event_frames import EventFrames
    from declarai_like.serve._safety import Slots
    from declarai_like.serve._settings import Settings
    from declarai_like.serve._streams import Streams

    async def talk():
        about = tasks_of(FakeLLM([slow("a", "b")]))[0]
        streams, ended = Streams(Settings(resume_seconds=0), slots := Slots(1)), []
        call = about.prepare_call((), BODY, streaming=True)
        upstream = streams.open(b"", EventFrames(), call, lambda: ended.append(1))
        streams.drop(upstream)
        await eventually(lambda: ended)
        slots.acquire()
        return upstream.ended, upstream.count

    assert asyncio.run(talk()) == (True, 0)


def test_a_server_that_stops_tells_its_readers():
    async def talk():
        app = serve.app(tasks=tasks_of(FakeLLM([slow("a", "b", "c")])))
        async with app.router.lifespan_context(app):
            client = Direct(app, "/tasks/about", BODY, STREAM)
            await client.until("delta")
        await client.task
        return parse(client.body)[-1]

    kind, data, _ = asyncio.run(talk())
    assert (kind, data["error"]["type"], data["error"]["status"]) == ("error", "ServerStops", 503)


def test_a_stream_of_an_event_loop_that_is_gone_is_gone():
    app = serve.app(tasks=tasks_of(FakeLLM([slow("a", "b")])))

    async def begin():
        client = Direct(app, "/tasks/about", BODY, STREAM)
        await client.until("delta")
        client.leave()
        await client.task
        return client.headers["x-stream-id"]

    async def go_on(name):
        client = Direct(app, "/tasks/about", BODY, {**STREAM, "last-event-id": f"{name}-0"})
        await client.task
        return client.status

    name = asyncio.run(begin())
    assert asyncio.run(go_on(name)) == 410
    for upstream in list(app_streams(app).values()):
        upstream.cancel()

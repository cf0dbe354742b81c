"""The scripted server, driven by the official client and by bare sockets."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead
from itertools import repeat

import openai
import pytest

from declarai_like.testing import (
    LLMServer,
    Reply,
    broken_off,
    by_event,
    byte_by_byte,
    bytes_reply,
    chunks_reply,
    completion_reply,
    completion_stream_reply,
    cut_randomly,
    error_reply,
    in_one_write,
    json_reply,
    keep_alive_reply,
    stalled,
    stream_chunks,
    stream_error_reply,
    stream_reply,
    text_reply,
)

HELLO = [{"role": "user", "content": "Say hello"}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")


@pytest.fixture
def server():
    with LLMServer() as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def http(server):
    with closing(HTTPConnection(*server.base_url[7:-3].split(":"), timeout=5)) as connection:
        yield connection


def create(client, **options):
    return client.chat.completions.create(model="m", messages=HELLO, **options)


def get(connection, path="/"):
    connection.request("GET", path)
    return connection.getresponse()


def raw_exchange(server, request=b"GET / HTTP/1.1\r\n\r\n"):
    """Send bytes and return everything that comes until the server closes."""
    with socket.create_connection(server._address, timeout=5) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# The official client


def test_official_client_reads_a_whole_answer(server, client):
    server.enqueue(text_reply("Hello world", usage=USAGE, model="gpt-4o", finish_reason="length"))
    answer = create(client)
    assert answer.choices[0].message.content == "Hello world"
    assert (answer.model, answer.choices[0].finish_reason, answer.usage.total_tokens) == ("gpt-4o", "length", 12)


def test_official_client_reads_a_stream_with_exactly_the_documented_deltas(server, client):
    server.enqueue(stream_reply(["Hel", "lo"], usage=USAGE))
    *chunks, last = create(client, stream=True)
    assert [chunk.choices[0].delta.to_dict() for chunk in chunks] == [
        {"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, {},
    ]  # fmt: skip
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.total_tokens) == ([], 12)


def test_official_async_client_reads_answers_and_streams(server):
    async def talk():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            answer = await create(client)
            pieces = [chunk.choices[0].delta.content async for chunk in await create(client, stream=True)]
        return answer.choices[0].message.content, pieces

    server.enqueue(text_reply("Hello"), stream_reply(["Hel", "lo"], role_chunk=False, finish_reason=None))
    assert asyncio.run(talk()) == ("Hello", ["Hel", "lo"])


def test_official_client_reads_text_completions(server, client):
    server.enqueue(completion_reply("Once upon", usage=USAGE), completion_stream_reply(["Once", " upon"], usage=USAGE))
    answer = client.completions.create(model="m", prompt="Tell")
    *chunks, last = client.completions.create(model="m", prompt="Tell", stream=True)
    assert (answer.choices[0].text, answer.usage.total_tokens) == ("Once upon", 12)
    assert [chunk.choices[0].text for chunk in chunks] == ["Once", " upon"]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "stop"]
    assert (last.choices, last.usage.total_tokens) == ([], 12)
    assert [request.path for request in server.requests] == ["/v1/completions"] * 2


def test_a_text_completion_stream_needs_no_usage_and_no_done(server):
    assert completion_stream_reply([], done=False).body == b""


def test_azure_paths_are_recorded(server):
    server.enqueue(text_reply("Hello"))
    with openai.AzureOpenAI(
        azure_endpoint=server.url, api_key="k", api_version="2024-02-01", azure_deployment="d", max_retries=0
    ) as client:
        create(client)
    request = server.requests[0]
    assert request.path == "/openai/deployments/d/chat/completions?api-version=2024-02-01"
    assert request.headers["API-Key"] == "k"


def test_a_message_may_carry_other_fields(server, client):
    server.enqueue(text_reply(None, message={"refusal": "No."}))
    assert create(client).choices[0].message.refusal == "No."


def test_error_replies_have_the_official_form(server, client):
    server.enqueue(error_reply(429, "slow down", code="rate_limit", type="requests", headers={"Retry-After": "7"}))
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        create(client)
    assert (caught.value.code, caught.value.type) == ("rate_limit", "requests")
    assert caught.value.response.headers["retry-after"] == "7"


def test_error_inside_a_stream_comes_after_its_pieces(server, client):
    server.enqueue(stream_error_reply(["Hel"], "overloaded", code="busy", type="server_error"))
    stream = create(client, stream=True)
    assert [next(stream).choices[0].delta.content, next(stream).choices[0].delta.content] == ["", "Hel"]
    with pytest.raises(openai.APIError, match="overloaded"):
        next(stream)


# The script


def test_replies_are_used_in_order_then_the_default(server, http):
    server.default = json_reply({"n": 3})
    server.enqueue(json_reply({"n": 1}), json_reply({"n": 2}))
    assert server.pending == 2
    assert [json.load(get(http))["n"] for _ in range(4)] == [1, 2, 3, 3]
    assert server.pending == 0


def test_a_reply_can_be_repeated(server, http):
    server.enqueue(json_reply({"n": 1}), repeat=3)
    assert [get(http).read() for _ in range(3)] == [b'{"n":1}'] * 3


def test_a_reply_can_be_a_function_of_the_request(server, http):
    server.default = lambda request: json_reply({"path": request.path})
    assert get(http, "/a?b=c").read() == b'{"path":"/a?b=c"}'


def test_a_failing_reply_function_is_shown_to_the_client(server, http):
    server.enqueue(lambda request: 1 / 0)
    answer = get(http)
    assert answer.status == 500
    assert "ZeroDivisionError" in json.load(answer)["error"]["message"]


def test_an_unexpected_request_is_refused_at_once_and_recorded(server):
    with (
        openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=2) as client,
        pytest.raises(openai.InternalServerError, match=r"no reply is left: POST /v1/chat/completions .*Say hello"),
    ):
        create(client)
    assert len(server.requests) == 1


def test_requests_are_recorded_with_all_that_was_sent(server, client):
    server.enqueue(text_reply("Hello"))
    create(client, temperature=0.5)
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.body == {"model": "m", "messages": HELLO, "temperature": 0.5}
    assert json.loads(request.raw) == request.body
    assert request.headers["AUTHORIZATION"] == "Bearer k"
    assert "authorization" in repr(request.headers)
    assert len(request.headers) == len(list(request.headers))


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_json_object_is_none(server, http, raw):
    server.enqueue(json_reply({}))
    http.request("POST", "/", body=raw)
    http.getresponse().read()
    assert (server.requests[0].body, server.requests[0].raw) == (None, raw)


def test_a_chunked_request_is_read(server, http):
    server.enqueue(json_reply({}), repeat=2)
    for _ in range(2):
        http.request("POST", "/", body=iter([b'{"a":', b"1}"]), encode_chunked=True)
        http.getresponse().read()
    assert [request.body for request in server.requests] == [{"a": 1}, {"a": 1}]


def test_waiting_for_requests_tells_whether_they_came(server, http):
    server.enqueue(json_reply({}))
    assert not server.wait_requests(1, timeout=0.01)
    http.request("GET", "/")
    assert server.wait_requests(1)


# Connections


def test_connections_are_kept_alive(server, http):
    server.enqueue(json_reply({}), stream_reply(["a"]), json_reply({}))
    for _ in range(3):
        get(http).read()
    assert server.connections == 1
    assert [request.connection for request in server.requests] == [0, 0, 0]


def test_a_client_that_wants_to_close_is_obeyed(server):
    server.enqueue(json_reply({}))
    assert raw_exchange(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").endswith(b"\r\n\r\n{}")


def test_pipelined_requests_are_answered_in_order(server):
    server.enqueue(json_reply({"n": 1}), bytes_reply([b"2"], framing="eof", delay_before=0.01))
    answers = raw_exchange(server, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
    assert answers.index(b'{"n":1}') < answers.index(b"\r\n\r\n2")


def test_the_next_request_may_arrive_while_a_reply_is_being_sent(server):
    gate = threading.Event()
    server.enqueue(bytes_reply(EVENTS, gate=gate, pause_between=0.001), bytes_reply(b"end", framing="eof"))
    with socket.create_connection(server._address, timeout=5) as connection:
        connection.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
        server.wait_requests(1)
        connection.sendall(b"GET /2 HTTP/1.1\r\n\r\n")
        gate.set()
        assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b"end")


def test_five_hundred_connections_at_once(server):
    gate = threading.Event()
    server.default = bytes_reply([b"a", b"b"], framing="eof", gate=gate)
    with ThreadPoolExecutor(500) as pool:
        answers = [pool.submit(raw_exchange, server) for _ in range(500)]
        assert server.wait_requests(500, timeout=30)
        gate.set()
        assert all(answer.result().endswith(b"ab") for answer in answers)
    assert server.connections == 500


def test_closing_ends_all_threads_and_open_replies():
    before = set(threading.enumerate())
    server = LLMServer(Reply(end="hang"))
    with (
        socket.create_connection(server._address, timeout=5) as idle,
        socket.create_connection(server._address) as busy,
    ):
        busy.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.wait_requests(1)
        server.close()
        server.close()
        assert idle.recv(1) == b""
    assert set(threading.enumerate()) <= before
    assert not server.requests[0].disconnected.is_set()


def test_a_closed_server_still_knows_its_address_which_refuses():
    with LLMServer() as server:
        pass
    with (
        openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        create(client)


def test_the_package_needs_nothing_but_the_standard_library():
    code = "import sys, declarai_like.testing; sys.exit('pytest' in sys.modules or 'openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own code


# Delivery


def test_each_write_is_an_http_chunk_of_its_own(server):
    server.enqueue(bytes_reply(EVENTS, headers={"Connection": "close", "X-A": "b"}))
    head, _, body = raw_exchange(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Connection: close", b"X-A: b",
        b"Transfer-Encoding: chunked",
    ]  # fmt: skip
    assert body == b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n0\r\n\r\n"


def test_a_status_without_a_name_can_be_sent(server, http):
    server.enqueue(json_reply({}, status=599))
    assert get(http).status == 599


def test_a_semaphore_lets_one_write_go_for_each_release(server, http):
    gate = threading.Semaphore(0)
    server.enqueue(bytes_reply(EVENTS, gate=gate))
    answer = get(http)
    assert answer.read1(100) == EVENTS[0]
    for event in EVENTS[1:]:
        gate.release()
        assert answer.read1(100) == event


def test_an_event_lets_all_held_writes_go(server, http):
    gate = threading.Event()
    server.enqueue(bytes_reply(EVENTS, gate=gate, gate_after=0))
    answer = get(http)
    assert (answer.status, server.requests[0].sent) == (200, 0)
    gate.set()
    assert answer.read() == b"".join(EVENTS)


def test_delays_pass_before_the_head_and_between_writes(server, http):
    server.enqueue(bytes_reply(EVENTS, delay_before=0.03, pause_between=0.02))
    http.timeout = 0.01
    http.connect()
    http.request("GET", "/")
    with pytest.raises(TimeoutError):
        http.getresponse()
    assert server.requests[0].sent == 0


def test_the_server_sees_at_once_that_the_client_left_a_stream(server, client):
    server.enqueue(stream_reply(["Hel", "lo"], gate=threading.Event(), gate_after=2))
    with create(client, stream=True) as stream:
        next(stream)
        assert not server.wait_disconnect(timeout=0.01)
    assert server.wait_disconnect()
    assert server.requests[0].sent == 2


def test_the_server_sees_that_the_client_left_a_hanging_reply(server, http):
    server.enqueue(Reply(end="hang"))
    get(http).close()
    http.close()
    assert server.wait_disconnect()
    assert server.requests[0].done.wait(5)


def test_the_server_sees_that_the_client_closed_an_idle_connection(server, http):
    server.enqueue(json_reply({}))
    get(http).read()
    http.close()
    assert server.wait_disconnect()


def test_a_client_that_reads_nothing_and_leaves_is_seen(server):
    server.enqueue(bytes_reply(repeat(b"x" * 1_000_000)))
    with socket.create_connection(server._address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.wait_requests(1)
    assert server.wait_disconnect()


# Ends


@pytest.mark.parametrize("end", ["no_terminator", "drop"])
def test_a_chunked_body_can_end_too_early(server, http, end):
    server.enqueue(bytes_reply(EVENTS, end=end))
    with pytest.raises(IncompleteRead):
        get(http).read()


@pytest.mark.parametrize(("end", "tail"), [("no_terminator", b"\n\r\n"), ("drop", b"ff\r\n")])
def test_the_early_ends_differ_in_their_last_bytes(server, end, tail):
    server.enqueue(bytes_reply(EVENTS, end=end))
    assert raw_exchange(server).endswith(tail)


def test_a_body_of_known_length_can_end_too_early(server, http):
    server.enqueue(text_reply("Hello", end="no_terminator"))
    with pytest.raises(IncompleteRead):
        get(http).read()


def test_a_connection_can_be_reset(server, http):
    server.enqueue(bytes_reply(EVENTS, end="reset"))
    with pytest.raises(ConnectionResetError):
        get(http).read()


def test_a_body_can_end_with_the_connection(server, http):
    server.enqueue(bytes_reply(EVENTS, framing="eof"))
    answer = get(http)
    assert (answer.headers["connection"], answer.read()) == ("close", b"".join(EVENTS))


# Faults


BODY = stream_reply(["Hel", "lo"], usage=USAGE).body


@pytest.mark.parametrize(
    "redelivered",
    [in_one_write, by_event, byte_by_byte, lambda reply: cut_randomly(reply, seed=7)],
    ids=["one write", "by event", "by byte", "random"],
)
def test_other_deliveries_bring_the_same_bytes(server, http, redelivered):
    reply = redelivered(bytes_reply(BODY))
    server.enqueue(reply)
    assert get(http).read() == reply.body == BODY


def test_other_deliveries_cut_where_they_say():
    assert len(in_one_write(bytes_reply(EVENTS)).writes) == 1
    assert by_event(bytes_reply(b"a\n\nb\r\n\r\nc\r\rd")).writes == (b"a\n\n", b"b\r\n\r\n", b"c\r\r", b"d")
    assert by_event(bytes_reply(b"".join(EVENTS))).writes == EVENTS
    assert byte_by_byte(bytes_reply(b"abc")).writes == (b"a", b"b", b"c")
    assert cut_randomly(bytes_reply(BODY), seed=1) == cut_randomly(bytes_reply(BODY), seed=1)
    assert cut_randomly(bytes_reply(BODY), seed=1) != cut_randomly(bytes_reply(BODY), seed=2)


def test_a_reply_can_be_broken_off_at_any_byte():
    replies = [broken_off(bytes_reply(EVENTS), at) for at in range(30)]
    assert [reply.body for reply in replies] == [b"".join(EVENTS)[:at] for at in range(30)]
    assert {reply.end for reply in replies} == {"no_terminator"}
    assert broken_off(bytes_reply(EVENTS), 9, end="clean").writes == EVENTS[:1]


def test_a_reply_can_stall(server, http):
    server.enqueue(stalled(bytes_reply(EVENTS), after=2))
    answer = get(http)
    assert answer.read(18) == b"".join(EVENTS[:2])
    assert not server.requests[0].done.wait(0.01)


def test_a_reply_can_be_nothing_but_comments(server, http):
    server.enqueue(keep_alive_reply(["Hel"], interval=0.001))
    answer = get(http)
    assert b'"Hel"' in answer.readline()
    assert [answer.readline() for _ in range(5)] == [b"\n", b": keep-alive\n", b"\n", b": keep-alive\n", b"\n"]


def test_chunks_may_be_any_objects_and_need_no_done():
    assert chunks_reply([{"a": "é"}], done=False).body == 'data: {"a":"é"}\n\n'.encode()
    assert chunks_reply(stream_chunks(["a"])).body == stream_reply(["a"]).body


@pytest.mark.parametrize("writes", [b"", [], [b"", b""]])
def test_empty_bodies_on_one_connection_end_once_each(server, writes):
    server.enqueue(bytes_reply(writes), bytes_reply(writes), bytes_reply(b"third"))
    with closing(HTTPConnection(*server._address, timeout=5)) as connection:
        bodies = []
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", "{}", {"Content-Type": "application/json"})
            bodies.append(connection.getresponse().read())
    assert bodies == [b"", b"", b"third"]

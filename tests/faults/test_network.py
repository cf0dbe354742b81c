"""Rows 1 to 14: the network."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import re
import socket
import ssl
import threading
from pathlib import Path

import pytest
from faults.asking import KEY, USAGE, Talking, connections_of, raw_server, soon, within
from wire_format import chunk, sse

from declarai_like.errors import (
    BadRequestError,
    InvalidResponse,
    LimitExceeded,
    ProviderConnectionError,
    ProviderTimeout,
    RateLimited,
    StreamInterrupted,
)
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.middleware import retry
from declarai_like.testing import bytes_reply, chunks_reply, error_reply, keep_alive_reply, stalled, stream_reply

PATIENCE = 15
"""How long a busy machine may take for what ends by itself at once, in seconds; the faults last longer."""
TLS = Path(__file__).parents[1] / "tls"
NO_HOST = "http://no-such-host.invalid/v1"


def chunked(*pieces):
    """Writes of a stream that has begun, and not more."""
    return [sse(chunk(piece), done=False) for piece in pieces]


# 1 and 2: nobody is there


def check_is_told_with_its_attempts(model, ask, base_url):
    with pytest.raises(ProviderConnectionError) as caught:
        ask(model(base_url), middlewares=soon(2))
    error = caught.value
    assert (error.phase, error.retryable, error.response) == ("connect", True, None)
    assert re.search(r"could not reach openai at http://[\w.:-]+/v1", error.message)
    assert KEY not in repr(error) + repr(vars(error))
    assert [type(attempt.error) for attempt in error.attempts] == [ProviderConnectionError] * 3
    assert error.attempts[-1].error is error


def check_ends_within_the_calls_time(model, ask, base_url):
    with within(PATIENCE), pytest.raises(ProviderConnectionError):
        ask(model(base_url), middlewares=[retry(1000, first_wait=0.02)], timeout=0.4)


def check_leaves_nothing_in_the_history(model, talk, base_url):
    history = InMemoryMessageHistory()
    with pytest.raises(ProviderConnectionError):
        talk.say(talk.chat(model(base_url), chat_history=history))
    assert history.history == []


def test_row_01_refused_connection_is_told_with_its_attempts(model, ask, closed_port):
    check_is_told_with_its_attempts(model, ask, closed_port)


def test_row_01_refused_connections_end_within_the_calls_time(model, ask, closed_port):
    check_ends_within_the_calls_time(model, ask, closed_port)


def test_row_01_refused_connection_leaves_nothing_in_the_history(model, talk, closed_port):
    check_leaves_nothing_in_the_history(model, talk, closed_port)


def test_row_02_unknown_host_is_told_with_its_attempts(model, ask):
    check_is_told_with_its_attempts(model, ask, NO_HOST)


def test_row_02_unknown_host_ends_within_the_calls_time(model, ask):
    check_ends_within_the_calls_time(model, ask, NO_HOST)


def test_row_02_unknown_host_leaves_nothing_in_the_history(model, talk):
    check_leaves_nothing_in_the_history(model, talk, NO_HOST)


# 3: the connection is never made


def test_row_03_connection_has_a_time_of_its_own(model, ask, full_backlog):
    with within(PATIENCE), pytest.raises(ProviderTimeout, match="connect_timeout=") as caught:
        ask(model(full_backlog), connect_timeout=0.2, timeout=60)
    assert caught.value.phase == "connect"


def test_row_03_time_of_the_connection_is_not_that_of_the_answer(model, ask, server):
    server.enqueue(ask.answer("slow", delay_before=1.3))
    assert ask(model(server.base_url), connect_timeout=1, timeout=60).response == "slow"


def test_row_03_connection_takes_no_longer_than_the_call_has(model, ask, full_backlog):
    with within(PATIENCE), pytest.raises(ProviderTimeout, match="timeout="):
        ask(model(full_backlog), connect_timeout=5, timeout=0.2)


def test_row_03_later_tries_share_the_calls_time(model, ask, full_backlog):
    with within(PATIENCE), pytest.raises(ProviderTimeout):
        ask(model(full_backlog), connect_timeout=0.2, timeout=0.5, middlewares=soon(20))


# 4: no answer


def test_row_04_one_time_holds_for_all_tries(model, ask, server):
    server.enqueue(ask.answer("late", delay_before=30), repeat=30)
    with within(PATIENCE), pytest.raises(ProviderTimeout, match=r"timeout=|time of 0\.3 s is over") as caught:
        ask(model(server.base_url), timeout=0.3, middlewares=soon(20))
    assert caught.value.retryable


def test_row_04_a_try_that_fails_early_leaves_the_rest_to_the_next(model, ask, server):
    server.enqueue(error_reply(503), ask.answer("late", delay_before=30), repeat=5)
    with within(PATIENCE), pytest.raises(ProviderTimeout):
        ask(model(server.base_url), timeout=1.5, middlewares=soon(9))
    assert len(server.requests) == 2


def test_row_04_headers_that_trickle_do_not_prolong_the_call(model, ask):
    def handle(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(600):
            connection.sendall(b"X-%d: 1\r\n" % number)
            threading.Event().wait(0.05)

    with raw_server(handle) as (address, _), within(PATIENCE), pytest.raises(ProviderTimeout):
        ask(model(f"http://{address}/v1"), timeout=0.3)


def test_row_04_body_that_trickles_does_not_prolong_the_call(model, ask, server):
    body = ask.answer("slow answer").body
    kind = "text/event-stream" if ask.streaming else "application/json"
    trickle = (body[place : place + 1] for place in range(len(body)))
    server.enqueue(bytes_reply(trickle, content_type=kind, pause_between=0.05))
    with within(PATIENCE), pytest.raises((ProviderTimeout, StreamInterrupted)):
        ask(model(server.base_url), timeout=0.3)


def test_row_04_body_of_an_error_that_trickles_does_not_prolong_the_call(model, ask, server):
    trickle = (b"x" for _ in range(600))
    server.enqueue(bytes_reply(trickle, status=400, content_type="text/plain", pause_between=0.05))
    with within(PATIENCE), pytest.raises(BadRequestError) as caught:
        ask(model(server.base_url), timeout=1, middlewares=soon(3))
    assert (caught.value.status, len(server.requests)) == (400, 1)


# 5: no first token

NO_TOKEN = {
    "nothing": lambda: bytes_reply([], end="hang"),
    "comments": lambda: keep_alive_reply(interval=0.05),
    "half an event": lambda: bytes_reply([b'data: {"choices": [{"in'], end="hang"),
}


@pytest.mark.parametrize("reply", NO_TOKEN.values(), ids=NO_TOKEN)
def test_row_05_first_token_has_a_time_of_its_own(model, stream, server, reply):
    server.enqueue(reply())
    with within(PATIENCE), pytest.raises(ProviderTimeout, match="first_chunk_timeout=") as caught:
        stream(model(server.base_url), first_chunk_timeout=0.2)
    assert (caught.value.phase, caught.value.retryable, caught.value.response) == ("first_chunk", True, None)
    assert server.wait_disconnect(PATIENCE)


@pytest.mark.parametrize("reply", NO_TOKEN.values(), ids=NO_TOKEN)
def test_row_05_retry_takes_over(model, stream, server, reply):
    server.enqueue(reply(), stream.answer("ok"))
    assert stream(model(server.base_url), first_chunk_timeout=1, middlewares=soon(1)).response == "ok"


def test_row_05_fallback_takes_over(model, stream, server, other):
    from declarai_like.middleware import fallback

    server.enqueue(bytes_reply([], end="hang"))
    other.enqueue(stream.answer("ok"))
    options = {"first_chunk_timeout": 1, "middlewares": [fallback(model(other.base_url))]}
    assert stream(model(server.base_url), **options).response == "ok"


# 6 and 7: the stream stalls

STALLS = {
    "nothing": lambda: stalled(stream_reply(["a", "b", "c"], role_chunk=False), after=2),
    "half an event, a byte at a time": lambda: bytes_reply(
        [*chunked("a", "b"), b"data: {", *[b" "] * 1000], pause_between=0.02
    ),
}


def check_stall(model, stream, server, reply):
    server.enqueue(reply)
    with within(PATIENCE), pytest.raises(StreamInterrupted, match="idle_timeout=") as caught:
        stream(model(server.base_url), idle_timeout=1, middlewares=soon(3))
    error = caught.value
    assert isinstance(error.__cause__, ProviderTimeout)
    assert (error.phase, error.response.response, error.response.outcome) == ("stream", "ab", "interrupted")
    assert error.completion.choices[0].message.content == stream.text == "ab"
    assert server.wait_disconnect(PATIENCE)
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", STALLS.values(), ids=STALLS)
def test_row_06_stall_is_told_with_what_had_come(model, stream, server, reply):
    check_stall(model, stream, server, reply())


def test_row_06_stall_of_a_stream_object_is_told_with_what_had_come(model, way, stream, server):
    server.enqueue(STALLS["nothing"]())
    with within(PATIENCE), pytest.raises(StreamInterrupted) as caught:
        way.result(stream.task(model(server.base_url), idle_timeout=1).stream("hello"))
    assert caught.value.response.response == "ab"
    assert server.wait_disconnect(PATIENCE)


@pytest.mark.parametrize("interval", [0.03, 0.15])
def test_row_07_comments_do_not_hide_a_stall(model, stream, server, interval):
    check_stall(model, stream, server, keep_alive_reply(["a", "b"], interval=interval))


def test_row_07_events_without_a_chunk_do_not_hide_a_stall(model, stream, server):
    writes = (*chunked("a", "b"), *[b"event: ping\ndata: {}\n\n"] * 1000)
    check_stall(model, stream, server, bytes_reply(writes, pause_between=0.02))


# 8, 9 and 10: the stream ends too early

BROKEN = {8: "reset", 10: "no_terminator"}


def check_broken(model, stream, server, end):
    chunks = [chunk("Hel"), {**chunk("lo"), "usage": USAGE}]
    server.enqueue(chunks_reply(chunks, done=False, end=end))
    with pytest.raises(StreamInterrupted) as caught:
        stream(model(server.base_url), middlewares=soon(3))
    error = caught.value
    assert isinstance(error.__cause__, ProviderConnectionError)
    assert (error.response.response, error.response.outcome, error.response.total_tokens) == ("Hello", "interrupted", 5)
    assert error.completion.usage.total_tokens == 5
    assert stream.text == "Hello"
    assert not error.retryable
    assert len(server.requests) == 1


def check_broken_in_a_chat(model, talk, server, end, *, keep_partial):
    """Let a chat's reply break off, in the form that it streams or not; give the history."""
    history = InMemoryMessageHistory()
    chat = talk.chat(model(server.base_url), chat_history=history, keep_partial=keep_partial)
    server.enqueue(
        talk.answer("Fine."),
        talk.answer("Hello", **({"done": False, "finish_reason": None} if talk.streaming else {}), end=end),
    )
    talk.say(chat, "one")
    with pytest.raises((StreamInterrupted, ProviderConnectionError)):
        talk.say(chat, "two")
    return [(message.role, message.message, message.interrupted) for message in history.history[2:]]


@pytest.mark.parametrize("end", ["reset", "drop"])
def test_row_08_reset_is_told_with_what_had_come(model, stream, server, end):
    check_broken(model, stream, server, end)


def test_row_08_reset_of_a_whole_answer_is_told(model, whole, server):
    server.enqueue(whole.answer("Hello", end="reset"), repeat=3)
    with pytest.raises(ProviderConnectionError, match="lost the connection") as caught:
        whole(model(server.base_url), middlewares=soon(2))
    assert len(server.requests) == len(caught.value.attempts) == 3


def test_row_08_reset_before_the_first_chunk_is_tried_again(model, ask, server):
    server.enqueue(bytes_reply([], end="reset"), ask.answer("ok"))
    assert ask(model(server.base_url), middlewares=soon(1)).response == "ok"


def test_row_08_reset_leaves_the_history_as_it_was(model, talk, server):
    assert check_broken_in_a_chat(model, talk, server, "reset", keep_partial=False) == []


def test_row_08_reset_is_marked_in_the_history_if_that_is_wanted(model, talk, server):
    kept = [("user", "two", False), ("assistant", "Hello", True)] if talk.streaming else []
    assert check_broken_in_a_chat(model, talk, server, "reset", keep_partial=True) == kept


def test_row_09_early_end_is_no_success(model, stream, server):
    server.enqueue(stream_reply(["Hel", "lo"], finish_reason=None, done=False))
    with pytest.raises(StreamInterrupted, match="neither a finish_reason nor") as caught:
        stream(model(server.base_url), middlewares=soon(3))
    assert (caught.value.response.response, caught.value.response.outcome) == ("Hello", "interrupted")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("returns", "text"), [(int, '{"declarai_result": 4}'), (list[int], "[1, 2]"), (int, "4")])
def test_row_09_early_end_is_no_value_even_if_it_reads_as_one(model, stream, way, server, returns, text):
    early = stream_reply([text], finish_reason=None, done=False)
    server.enqueue(early, early)
    with pytest.raises(StreamInterrupted):
        stream(model(server.base_url), returns=returns)
    with pytest.raises(StreamInterrupted):
        way.result(stream.task(model(server.base_url), returns).stream("hello"))


def test_row_09_early_end_leaves_the_history_as_it_was(model, way, server):
    assert check_broken_in_a_chat(model, Talking(way, streaming=True), server, "clean", keep_partial=False) == []


def test_row_09_whole_answer_that_ends_early_is_no_success(model, whole, server):
    body = whole.answer("Hello").body
    server.enqueue(bytes_reply(body[: len(body) // 2], content_type="application/json", framing="eof"))
    with pytest.raises(InvalidResponse):
        whole(model(server.base_url))


def test_row_10_body_without_its_end_is_told_with_what_had_come(model, stream, server):
    check_broken(model, stream, server, "no_terminator")


def test_row_10_whole_body_without_its_end_is_told(model, whole, server):
    server.enqueue(whole.answer("Hello", end="no_terminator"))
    with pytest.raises(ProviderConnectionError, match="lost the connection"):
        whole(model(server.base_url))


def test_row_10_body_without_its_end_leaves_the_history_as_it_was(model, talk, server):
    assert check_broken_in_a_chat(model, talk, server, "no_terminator", keep_partial=False) == []


def test_row_10_body_without_its_end_is_marked_if_that_is_wanted(model, talk, server):
    kept = [("user", "two", False), ("assistant", "Hello", True)] if talk.streaming else []
    assert check_broken_in_a_chat(model, talk, server, "no_terminator", keep_partial=True) == kept


# 11: TLS


@pytest.fixture
def tls_server():
    """A server with a certificate that nobody trusts; gives its address and what came."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    plain, told = [], []

    def serve():
        for connection in connections_of(listener):
            plain.append(connection.recv(1, socket.MSG_PEEK))
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    told.append(secure.recv(65536))
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/v1", plain, told
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_row_11_certificate_that_is_not_trusted_is_told(model, ask, tls_server):
    base_url, first_bytes, told = tls_server
    with within(PATIENCE), pytest.raises(ProviderConnectionError, match=r"(?i)certificate.verify.failed") as caught:
        ask(model(base_url), middlewares=soon(1), timeout=5)
    assert len(caught.value.attempts) == len(first_bytes) == 2
    assert first_bytes == [b"\x16"] * 2  # the handshake of TLS: nothing went in the clear
    assert told == []


# 12: a redirect


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_row_12_redirect_is_not_followed(model, ask, server, other, status):
    server.enqueue(error_reply(status, "moved", headers={"Location": f"{other.url}/v1/chat/completions"}))
    with pytest.raises(BadRequestError, match=re.escape(other.url)) as caught:
        ask(model(server.base_url), middlewares=soon(3))
    assert caught.value.status == status
    assert (other.connections, len(server.requests)) == (0, 1)


def test_row_12_redirect_is_not_followed_by_a_client_that_would(model, ask, server, other):
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    client, async_client = DefaultHttpxClient(follow_redirects=True), DefaultAsyncHttpxClient(follow_redirects=True)
    server.enqueue(error_reply(307, "moved", headers={"Location": f"{other.url}/v1/chat/completions"}))
    with client, pytest.raises(BadRequestError):
        ask(model(server.base_url, http_client=client, http_async_client=async_client))
    ask.way.do(async_client.aclose()) if ask.way.is_async else None
    assert other.connections == 0


# 13: all connections are in use


@pytest.fixture
def one_connection(way):
    """The options of a model that has one connection only."""
    import sys

    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    limits = sys.modules[DefaultHttpxClient.__mro__[1].__module__].Limits(max_connections=1)
    client, async_client = DefaultHttpxClient(limits=limits), DefaultAsyncHttpxClient(limits=limits)
    yield {"http_client": client, "http_async_client": async_client}
    client.close()
    if way.is_async:
        way.do(async_client.aclose())


def first_step(way, steps):
    async def reading():
        return await anext(steps)

    return way.do(reading()) if way.is_async else next(steps)


def closed(way, steps):
    return way.do(steps.aclose()) if way.is_async else steps.close()


def test_row_13_connections_that_are_all_in_use_are_told(model, way, whole, stream, server, one_connection):
    llm = model(server.base_url, **one_connection)
    server.enqueue(stream.answer("a", end="hang", done=False), whole.answer("free"))
    steps = stream.task(llm)("hello")
    first_step(way, steps)
    with within(PATIENCE), pytest.raises(ProviderTimeout, match=r"all connections to .* are in use"):
        whole(llm, timeout=0.2)
    with within(PATIENCE), pytest.raises(ProviderTimeout, match=r"all connections to .* are in use"):
        stream(llm, first_chunk_timeout=0.2)
    closed(way, steps)
    assert whole(llm).response == "free"


def test_row_13_calls_inside_of_streams_go_on(model, way, whole, stream, server):
    llm = model(server.base_url)
    server.default = lambda request: stream.answer("a", "b") if request.body.get("stream") else whole.answer("c")
    open_streams = [stream.task(llm)("hello") for _ in range(20)]
    for steps in open_streams:
        first_step(way, steps)
    assert whole(llm, timeout=PATIENCE).response == "c"
    for steps in open_streams:
        closed(way, steps)


def test_row_13_call_inside_of_the_only_stream_does_not_wait_for_ever(model, way, whole, stream, server):
    llm = model(server.base_url, max_concurrency=1)
    server.default = lambda request: stream.answer("a", "b") if request.body.get("stream") else whole.answer("c")
    steps = stream.task(llm)("hello")
    first_step(way, steps)
    with within(PATIENCE), pytest.raises((ProviderTimeout, LimitExceeded)):
        whole(llm, timeout=0.2)
    closed(way, steps)
    assert whole(llm, timeout=PATIENCE).response == "c"


# 14: a process that is stopped


def test_row_14_stopped_process_is_a_timeout_and_its_late_answer_is_nobodys(model, ask, echo):
    task = ask.task(model(echo.base_url), timeout=PATIENCE)
    assert ask.of(task, "<<first 1>>").response == "first 1"
    with echo.stopped(), within(PATIENCE), pytest.raises(ProviderTimeout):
        ask.of(task.with_options(timeout=0.3), "<<late 2>>")
    for number in range(3, 8):
        response = ask.of(task, f"<<next {number}>>")
        assert (response.response, response.prompt_tokens) == (f"next {number}", number)


def test_row_14_process_that_stops_in_the_middle_is_a_stall(model, way, stream, echo):
    task = stream.task(model(echo.base_url), idle_timeout=1)
    words = "<<7" + "x" * 200 + ">>"
    steps = task(words)
    first_step(way, steps)
    with echo.stopped(), within(PATIENCE), pytest.raises(StreamInterrupted, match="idle_timeout=") as caught:
        way.collect(steps)
    assert caught.value.response.response.startswith("7")
    assert stream.of(task, "<<again 9>>").response == "again 9"


def test_row_14_rate_limit_of_a_slow_server_is_no_timeout(model, ask, server):
    server.enqueue(error_reply(429, delay_before=0.1))
    with pytest.raises(RateLimited):
        ask(model(server.base_url), timeout=PATIENCE)

"""Rows 15 to 28: the protocol."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import gzip
import json
import re
import time
import zlib
from functools import cache
from itertools import chain, repeat

import pytest
from faults.asking import KEY, USAGE, Growth, soon, within
from wire_format import chunk, of_choices, sse

from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    EmptyResponse,
    InvalidResponse,
    NotFoundError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerError,
)
from declarai_like.middleware import retry
from declarai_like.testing import (
    byte_by_byte,
    bytes_reply,
    chunks_reply,
    error_reply,
    json_reply,
    stream_error_reply,
    text_reply,
)

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

RETRY_AT_ONCE = {"Retry-After-Ms": "1"}


def asked_at(server, replies):
    """Answer with these replies; gives the times at which they were asked for."""
    times, left = [], list(replies)

    def answer(_request):
        times.append(time.monotonic())
        return left.pop(0)

    server.default = answer
    return times


# 15, 16 and 17: too many requests


@pytest.mark.parametrize("header", [{"Retry-After": "1"}, {"Retry-After-Ms": "200"}], ids=["seconds", "milliseconds"])
def test_row_15_wait_that_is_asked_for_is_kept(model, ask, server, header):
    times = asked_at(server, [error_reply(429, headers=header), ask.answer("ok")])
    assert ask(model(server.base_url), middlewares=soon(1)).response == "ok"
    waited = float(header.get("Retry-After", 0.2))
    assert waited <= times[1] - times[0] < waited + 2


def test_row_15_wait_is_no_longer_than_the_call_has(model, ask, server):
    server.enqueue(error_reply(429, headers={"Retry-After": "30"}), repeat=5)
    with within(2), pytest.raises(RateLimited) as caught:
        ask(model(server.base_url), middlewares=soon(5), timeout=20)
    assert (caught.value.retry_after, len(server.requests), len(caught.value.attempts)) == (30, 1, 1)


def test_row_15_tries_are_told_with_the_answer(model, way, whole, server):
    server.enqueue(error_reply(429, headers=RETRY_AT_ONCE), error_reply(429, headers=RETRY_AT_ONCE), whole.answer("ok"))
    result = way.run(whole.task(model(server.base_url), middlewares=soon(2)), "hello")
    assert (result.value, [attempt.error.status for attempt in result.attempts]) == ("ok", [429, 429])


@pytest.mark.parametrize("seconds", ["121", "300", "86400"])
def test_row_16_wait_of_minutes_is_told_at_once(model, ask, server, seconds):
    server.enqueue(error_reply(429, headers={"Retry-After": seconds}), repeat=5)
    with within(2), pytest.raises(RateLimited) as caught:
        ask(model(server.base_url), middlewares=soon(5))
    assert (caught.value.retry_after, len(server.requests)) == (float(seconds), 1)


def test_row_16_date_that_is_minutes_away_is_told_at_once(model, ask, server):
    from email.utils import formatdate

    server.enqueue(error_reply(429, headers={"Retry-After": formatdate(time.time() + 300, usegmt=True)}), repeat=5)
    with within(2), pytest.raises(RateLimited) as caught:
        ask(model(server.base_url), middlewares=soon(5))
    assert 295 < caught.value.retry_after <= 300


def test_row_17_quota_that_is_used_up_is_told_once(model, ask, server):
    told = "You exceeded your current quota"
    server.enqueue(error_reply(429, told, code="insufficient_quota", headers=RETRY_AT_ONCE), repeat=5)
    with pytest.raises(RateLimited, match=rf"no quota is left.*: {told}") as caught:
        ask(model(server.base_url), middlewares=soon(5))
    assert (caught.value.code, caught.value.retryable, len(server.requests)) == ("insufficient_quota", False, 1)


# 18 and 19: what is asked again, and what is not


def watching(waits):
    """A middleware that notes the waits of the retry inside of it."""
    from declarai_like._calls.operations import Sleep

    def watch(request, send):
        flow, answer = send(request), None
        try:
            while True:
                operation = flow.send(answer)
                waits.extend([operation.seconds] if isinstance(operation, Sleep) else [])
                try:
                    answer = yield operation
                except ProviderError as error:
                    operation = flow.throw(error)
                    waits.extend([operation.seconds] if isinstance(operation, Sleep) else [])
                    answer = yield operation
        except StopIteration as done:
            return done.value

    return watch


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_row_18_failure_is_asked_again_so_often(model, ask, server, status):
    server.enqueue(error_reply(status), repeat=9)
    with pytest.raises(ServerError) as caught:
        ask(model(server.base_url), middlewares=soon(3))
    assert len(server.requests) == 4
    assert [attempt.error.status for attempt in caught.value.attempts] == [status] * 4
    assert all(attempt.seconds > 0 for attempt in caught.value.attempts)


def test_row_18_two_more_tries_are_the_default(model, way, whole, server):
    server.enqueue(error_reply(503, headers=RETRY_AT_ONCE), error_reply(503, headers=RETRY_AT_ONCE), whole.answer("ok"))
    llm = model(server.base_url, max_retries=2)
    result = way.run(whole.task(llm), "hello")
    assert (result.value, [type(attempt.error) for attempt in result.attempts]) == ("ok", [ServerError] * 2)


def test_row_18_waits_are_jittered_and_bounded(model, ask, server):
    waits, server.default = [], error_reply(503)
    middlewares = [watching(waits), retry(5, first_wait=0.01, longest_wait=0.02)]
    with pytest.raises(ServerError):
        ask(model(server.base_url), middlewares=middlewares)
    most = [0.01, 0.02, 0.02, 0.02, 0.02]
    assert len(set(waits)) == len(waits) == 5
    assert all(0.75 * longest <= wait <= longest for wait, longest in zip(waits, most, strict=True))


def test_row_18_server_may_forbid_another_try(model, ask, server):
    server.enqueue(error_reply(503, headers={"x-should-retry": "false"}), repeat=5)
    with pytest.raises(ServerError) as caught:
        ask(model(server.base_url), middlewares=soon(3))
    assert (caught.value.retryable, len(server.requests)) == (False, 1)


REFUSALS = {
    400: BadRequestError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    422: BadRequestError,
}


@pytest.mark.parametrize(("status", "kind"), REFUSALS.items(), ids=map(str, REFUSALS))
def test_row_19_refusal_is_told_after_one_request(model, ask, server, status, kind):
    server.enqueue(error_reply(status, f"not with {KEY}", code=KEY, headers=RETRY_AT_ONCE), repeat=5)
    with pytest.raises(kind, match="not with") as caught:
        ask(model(server.base_url), middlewares=soon(5))
    error = caught.value
    assert (type(error), error.status, error.retryable, len(server.requests)) == (kind, status, False, 1)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(error) + repr(error) + repr(vars(error))
    assert len(error.attempts) == 1


@pytest.mark.parametrize("end", ["drop", "reset", "no_terminator"])
def test_row_19_refusal_whose_body_breaks_off_is_a_refusal(model, ask, server, end):
    server.enqueue(error_reply(401, "wrong key", framing="chunked", end=end), repeat=5)
    with pytest.raises(AuthenticationError) as caught:
        ask(model(server.base_url), middlewares=soon(3))
    assert (caught.value.status, len(server.requests)) == (401, 1)


def test_row_19_server_may_ask_for_another_try(model, ask, server):
    server.enqueue(error_reply(400, headers={"x-should-retry": "true"}), ask.answer("ok"))
    assert ask(model(server.base_url), middlewares=soon(3)).response == "ok"


# 20: too long for the model

TOO_LONG = error_reply(
    400,
    "This model's maximum context length is 8192 tokens.",
    code="context_length_exceeded",
    type="invalid_request_error",
)


def test_row_20_prompt_that_is_too_long_is_told(model, ask, server):
    server.enqueue(TOO_LONG, repeat=3)
    with pytest.raises(BadRequestError, match="maximum context length") as caught:
        ask(model(server.base_url), middlewares=soon(3))
    assert (caught.value.code, caught.value.status, len(server.requests)) == ("context_length_exceeded", 400, 1)


def test_row_20_middleware_can_send_less(model, ask, server):
    def trimming(request, send):
        try:
            return (yield from send(request))
        except BadRequestError as error:
            if error.code != "context_length_exceeded":
                raise
            messages = [
                message.replace(message=message.message[:10])
                if hasattr(message, "replace")
                else type(message)(message.message[:10], message.role)
                for message in request.messages
            ]
            return (yield from send(request.replace(messages=tuple(messages))))

    server.enqueue(TOO_LONG, ask.answer("ok"))
    assert ask(model(server.base_url), "x" * 1000, middlewares=[trimming]).response == "ok"
    assert [len(request.raw) > 1000 for request in server.requests] == [True, False]


def test_row_20_error_inside_of_the_stream_is_told_too(model, stream, server):
    server.enqueue(stream_error_reply([], "too long", code="context_length_exceeded"))
    with pytest.raises(ProviderError, match="too long") as caught:
        stream(model(server.base_url))
    assert caught.value.code == "context_length_exceeded"


# 21: an error inside of the stream

IN_STREAM = {
    "data": lambda error: [b"data: " + json.dumps({"error": error}).encode() + b"\n\n"],
    "event": lambda error: [b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"],
    "choice": lambda error: [sse(of_choices({"index": 0, "delta": {}, "error": error}), done=False)],
}


@pytest.mark.parametrize("spelled", IN_STREAM.values(), ids=IN_STREAM)
def test_row_21_error_is_told_with_what_had_come(model, stream, server, spelled):
    writes = [sse(chunk("Hel"), done=False), sse({**chunk("lo"), "usage": USAGE}, done=False)]
    server.enqueue(bytes_reply([*writes, *spelled({"message": "overloaded", "code": 503})]), repeat=3)
    with pytest.raises(ServerError, match="overloaded") as caught:
        stream(model(server.base_url), middlewares=soon(3))
    error = caught.value
    assert (error.phase, error.code, error.response.response, error.response.total_tokens) == (
        "stream",
        503,
        "Hello",
        5,
    )
    assert error.response.outcome == "interrupted"
    assert (stream.text, len(server.requests)) == ("Hello", 1)


@pytest.mark.parametrize("spelled", IN_STREAM.values(), ids=IN_STREAM)
def test_row_21_error_before_the_first_chunk_is_asked_again(model, stream, server, spelled):
    server.enqueue(bytes_reply(spelled({"message": "overloaded", "code": 503})), stream.answer("ok"))
    assert stream(model(server.base_url), middlewares=soon(1)).response == "ok"


def test_row_21_error_in_a_whole_answer_is_told(model, whole, server):
    server.enqueue(json_reply({"error": {"message": "overloaded", "code": 503}}))
    with pytest.raises(ServerError, match="overloaded"):
        whole(model(server.base_url))


# 22: no JSON


def test_row_22_event_that_is_no_json_is_told_with_what_had_come(model, stream, server):
    junk = b'data: {"choices": [oops' + b"!" * 100_000 + b"\n\n"
    server.enqueue(bytes_reply([sse(chunk("Hello"), done=False), junk, sse(chunk("no"))]), repeat=3)
    with pytest.raises(InvalidResponse, match=r"got '\{\"choices\": \[oops!!!") as caught:
        stream(model(server.base_url), middlewares=soon(3))
    error = caught.value
    assert len(error.message) < 1000
    assert len(error.body) <= 200
    assert (error.response.response, error.response.outcome, error.phase) == ("Hello", "interrupted", "stream")
    assert (stream.text, len(server.requests)) == ("Hello", 1)


def test_row_22_whole_answer_that_is_no_json_is_told(model, whole, server):
    server.enqueue(bytes_reply(b'{"choices": [oops' + b"!" * 100_000, content_type="application/json"), repeat=3)
    with pytest.raises(InvalidResponse, match="oops!!!") as caught:
        whole(model(server.base_url), middlewares=soon(3))
    assert len(caught.value.message) < 1000
    assert len(server.requests) == 1


# 23: bytes

TEXT = "né 漢字 😀 \u2028 “x”"
BODY = (
    b"".join(
        b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\n\n"
        for one in (chunk(TEXT[:5]), chunk(TEXT[5:]), chunk(finish="stop"))
    )
    + b"data: [DONE]\n\n"
)
SPELLINGS = {
    "plain": BODY,
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "CRLF": BODY.replace(b"\n", b"\r\n"),
    "CR": BODY.replace(b"\n", b"\r"),
}


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS)
def test_row_23_text_is_the_same_byte_by_byte(model, stream, server, body):
    server.enqueue(bytes_reply(body), byte_by_byte(bytes_reply(body)))
    assert [stream(model(server.base_url)).response for _ in range(2)] == [TEXT] * 2


def test_row_23_text_is_the_same_wherever_it_is_split(model, stream, server):
    llm = model(server.base_url)
    begin, end = BODY.index(b"n\xc3"), BODY.index(b"\xe2\x80\x9d") + 3  # the texts, and what is between them
    for place in range(begin, end):
        server.enqueue(bytes_reply([BODY[:place], BODY[place:]]))
        assert stream(llm).response == TEXT


def test_row_23_whole_text_is_the_same_byte_by_byte(model, whole, server):
    body = (
        b"\xef\xbb\xbf"
        + json.dumps(
            {"choices": [{"index": 0, "message": {"content": TEXT}, "finish_reason": "stop"}]}, ensure_ascii=False
        ).encode()
    )
    server.enqueue(byte_by_byte(bytes_reply(body, content_type="application/json")))
    assert whole(model(server.base_url)).response == TEXT


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_row_23_bad_bytes_are_replaced(model, ask, server, bad):
    reply = ask.answer("a|b")
    server.enqueue(bytes_reply(reply.body.replace(b"|", bad), content_type=reply.headers["Content-Type"]))
    assert re.fullmatch("a\ufffd+b", ask(model(server.base_url)).response)


def test_row_23_bad_bytes_that_break_the_json_are_told(model, ask, server):
    reply = ask.answer("a")
    server.enqueue(
        bytes_reply(reply.body.replace(b'"choices"', b'\xff"choices"'), content_type=reply.headers["Content-Type"])
    )
    with pytest.raises(InvalidResponse):
        ask(model(server.base_url))


# 24: no answer

PAGE = b"<html><body>Please log in</body></html>"


def test_row_24_web_page_is_no_stream(model, stream, server):
    server.enqueue(bytes_reply(PAGE, content_type="text/html"), repeat=3)
    with pytest.raises(
        InvalidResponse, match=r"expected an event stream, got '<html><body>Please log in.*text/html"
    ) as caught:
        stream(model(server.base_url), middlewares=soon(3))
    assert (caught.value.status, len(server.requests)) == (200, 1)


def test_row_24_web_page_is_no_answer(model, whole, server):
    server.enqueue(bytes_reply(PAGE, content_type="text/html"))
    with pytest.raises(InvalidResponse, match=r"got '<html><body>Please log in.*text/html.*check the base_url"):
        whole(model(server.base_url))


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_row_24_empty_body_is_no_answer(model, ask, server, body):
    kind = "text/event-stream" if ask.streaming else "application/json"
    server.enqueue(bytes_reply(body, content_type=kind))
    with pytest.raises(InvalidResponse, match="got"):
        ask(model(server.base_url))


@pytest.mark.parametrize("body", [b"", b": hello\n\n", b"event: ping\ndata: {}\n\n", b"data: [DONE]\n\n"])
def test_row_24_stream_without_a_chunk_is_no_answer(model, stream, server, body):
    server.enqueue(bytes_reply(body))
    with pytest.raises(EmptyResponse):
        stream(model(server.base_url))


# 25 and 26: too much

MOST = 220
"""Megabytes: a whole answer may have 64, and is there more than once while it is unpacked and read."""


def check_growth(model, ask, server, figures, reply, what):
    """Ask; gives the error, and checks that memory has stayed bounded."""
    server.enqueue(reply)
    with Growth() as growth, pytest.raises((BadRequestError, InvalidResponse)) as caught:
        ask(model(server.base_url), timeout=60)
    figures(f"{what}: {type(caught.value).__name__}, the process grew by {growth.megabytes:.0f} MB")
    assert growth.megabytes < MOST
    assert len(caught.value.message) < 1000
    return type(caught.value)


def without_an_end(begin, filling=b"x" * 1_000_000):
    return lambda content_type, **options: bytes_reply(
        chain([begin], repeat(filling, 400)), content_type=content_type, **options
    )


GIANTS = {
    "line": without_an_end(b"data: {"),
    "comment": without_an_end(b": "),
    "stream": without_an_end(sse(chunk("a"), done=False), sse(chunk("x" * 1_000_000), done=False)),
    "many small events": without_an_end(b"\n", sse(chunk("x" * 1000), done=False) * 1000),
    "document": without_an_end(b"{", b" " * 1_000_000),
}


@pytest.mark.parametrize("name", GIANTS)
def test_row_25_stream_that_is_too_much_is_refused_in_bounded_memory(model, stream, server, figures, name):
    reply = GIANTS[name]("text/event-stream")
    assert check_growth(model, stream, server, figures, reply, f"{name} of 400 MB, streamed") is InvalidResponse
    assert server.wait_disconnect(2)


@pytest.mark.parametrize("name", ["line", "document"])
def test_row_25_answer_that_is_too_much_is_refused_in_bounded_memory(model, whole, server, figures, name):
    reply = GIANTS[name]("application/json")
    assert check_growth(model, whole, server, figures, reply, f"{name} of 400 MB, whole") is InvalidResponse
    assert server.wait_disconnect(2)


def test_row_25_body_of_an_error_is_read_in_bounded_memory(model, ask, server, figures):
    reply = without_an_end(b"oops")("text/plain", status=400)
    check_growth(model, ask, server, figures, reply, "error of 400 MB")


def test_row_25_answer_may_have_a_limit_of_its_own(model, ask, server):
    server.enqueue(ask.answer("x" * 60_000, "x" * 60_000), ask.answer("x" * 60_000))
    llm = model(server.base_url, max_answer_bytes=100_000)
    with pytest.raises(InvalidResponse, match="max_answer_bytes"):
        ask(llm)
    assert len(ask(llm).response) == 60_000


def test_row_25_stream_that_is_too_much_is_told_with_what_had_come(model, stream, server):
    server.enqueue(chunks_reply([chunk("x" * 30_000) for _ in range(10)]))
    with pytest.raises(InvalidResponse) as caught:
        stream(model(server.base_url), max_answer_bytes=100_000)
    assert 30_000 <= len(caught.value.response.response) <= 100_000
    assert caught.value.response.outcome == "interrupted"


@cache
def packed(times):
    """300 MB of spaces, packed so many times over."""
    packing = zlib.compressobj(1, wbits=31)
    body = packing.compress(b"{") + b"".join(packing.compress(b" " * 1_000_000) for _ in range(300)) + packing.flush()
    for _ in range(times - 1):
        body = gzip.compress(body)
    return body


def bomb(times, **options):
    return bytes_reply(packed(times), headers={"Content-Encoding": ", ".join(["gzip"] * times)}, **options)


@pytest.mark.parametrize("times", [1, 2], ids=["packed once", "packed twice"])
def test_row_26_bomb_is_refused_in_bounded_memory(model, ask, server, figures, times):
    reply = bomb(times, content_type="application/json")
    what = f"{len(packed(times)):,} bytes that unpack to 300 MB"
    assert check_growth(model, ask, server, figures, reply, what) is InvalidResponse


def test_row_26_bomb_in_an_error_is_read_in_bounded_memory(model, ask, server, figures):
    reply = bomb(1, content_type="text/plain", status=400)
    check_growth(model, ask, server, figures, reply, f"error of {len(packed(1)):,} bytes that unpack to 300 MB")


# 27: usage

OTHER_USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
USAGES = {
    "missing": ([chunk("a"), chunk(finish="stop")], None),
    "null": ([{**chunk("a"), "usage": None}, {**chunk(finish="stop"), "usage": None}], None),
    "empty": ([chunk("a"), {**chunk(finish="stop"), "usage": {}}], None),
    "no object": ([chunk("a"), {**chunk(finish="stop"), "usage": "much"}], None),
    "in a chunk without choices": ([chunk("a"), chunk(finish="stop"), of_choices(usage=USAGE)], 5),
    "with the finish reason": ([chunk("a"), {**chunk(finish="stop"), "usage": USAGE}], 5),
    "in each chunk": ([{**chunk("a"), "usage": OTHER_USAGE}, {**chunk(finish="stop"), "usage": USAGE}], 5),
    "twice at the end": ([chunk("a", "stop"), of_choices(usage=OTHER_USAGE), of_choices(usage=USAGE)], 5),
    "before all": ([of_choices(usage=USAGE), chunk("a"), chunk(finish="stop")], 5),
}


@pytest.mark.parametrize(("chunks", "total"), USAGES.values(), ids=USAGES)
def test_row_27_usage_is_the_last_one_or_unknown(model, stream, server, chunks, total):
    server.enqueue(chunks_reply(chunks))
    response = stream(model(server.base_url))
    assert (response.response, response.total_tokens) == ("a", total)
    assert (response.usage is None) == (total is None)
    assert all(step.choices for step in stream.steps if step.raw_response.get("choices"))


@pytest.mark.parametrize(("usage", "total"), [(None, None), (USAGE, 5), ({}, None)])
def test_row_27_usage_of_a_whole_answer_may_be_unknown(model, whole, server, usage, total):
    server.enqueue(text_reply("a", usage=usage))
    assert whole(model(server.base_url)).total_tokens == total


def test_row_27_usage_in_part_is_told_in_part(model, ask, server):
    server.enqueue(ask.answer("a", usage={"prompt_tokens": 3}))
    response = ask(model(server.base_url))
    assert (response.prompt_tokens, response.completion_tokens) == (3, None)


# 28: what is null, absent, or unknown

ODD_CHUNKS = {
    "choices null": {**of_choices(), "choices": None},
    "choices absent": {"id": "c", "object": "chat.completion.chunk"},
    "choices empty": of_choices(),
    "choices no list": {**of_choices(), "choices": {}},
    "choice null": of_choices(None),
    "delta null": of_choices({"index": 0, "delta": None}),
    "delta absent": of_choices({"index": 0}),
    "delta no object": of_choices({"index": 0, "delta": "x"}),
    "content null": chunk(None, role="assistant"),
    "content null told": of_choices({"index": 0, "delta": {"content": None}}),
    "index null": of_choices({"index": None, "delta": {"content": ""}}),
    "tool calls null": of_choices({"index": 0, "delta": {"tool_calls": None, "function_call": None}}),
    "role null": of_choices({"index": 0, "delta": {"role": None}}),
    "unknown fields": {**chunk("", x_thing=[1]), "x_more": {"a": None}, "service_tier": None, "obfuscation": "abc"},
    "finish reason empty": of_choices({"index": 0, "delta": {}, "finish_reason": ""}),
    "no object": {},
    "id null": {"id": None, "model": None, "created": None, "choices": []},
}


@pytest.mark.parametrize("odd", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_row_28_odd_chunk_is_ignored(model, way, stream, server, odd):
    reply = chunks_reply([odd, chunk("a"), odd, chunk("b"), odd, chunk(finish="stop"), odd])
    server.enqueue(reply, reply)
    response = stream(model(server.base_url))
    assert (response.response, response.outcome, stream.text) == ("ab", "complete", "ab")
    assert way.result(stream.task(model(server.base_url)).stream("hello")) == "ab"


ODD_BODIES = {
    "unknown fields": {"x": 1, "choices": [{"index": 0, "y": None, "message": {"content": "ab", "z": [1]}, "finish_reason": "stop"}]},
    "index absent": {"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]},
    "nulls": {"id": None, "model": None, "usage": None, "choices": [{"index": 0, "logprobs": None, "message": {"content": "ab", "role": None, "tool_calls": None, "refusal": None}, "finish_reason": "stop"}]},
    "no finish reason": {"choices": [{"index": 0, "message": {"content": "ab"}}]},
}  # fmt: skip


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_row_28_odd_body_is_read(model, whole, server, body):
    server.enqueue(json_reply(body))
    response = whole(model(server.base_url))
    assert (response.response, response.outcome) == ("ab", "complete")


def test_row_28_content_that_is_null_is_empty(model, whole, server):
    server.enqueue(text_reply(None))
    assert whole(model(server.base_url)).response == ""


def test_row_28_stream_of_odd_chunks_only_is_no_success(model, stream, server):
    server.enqueue(chunks_reply([{**of_choices(), "choices": None}, of_choices()], done=False))
    with pytest.raises((ProviderError, ProviderTimeout)):
        stream(model(server.base_url))

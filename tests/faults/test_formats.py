"""The rows of the network and the protocol that read a wire format, in each of the formats."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import json

import pytest
from faults.asking import KEY, USAGE, soon, through_the_door, within

import declarai_like as declarai
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFiltered,
    EmptyResponse,
    InvalidResponse,
    ModelRefusal,
    NotFoundError,
    OutputTruncated,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.testing import (
    broken_off,
    byte_by_byte,
    bytes_reply,
    chunks,
    in_one_write,
    json_reply,
    refusal,
    reply,
    stalled,
    truncated,
)
from declarai_like.testing._format_choice import play
from declarai_like.testing._kept_responses import KeptResponses

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

FORMATS = ("responses", "anthropic", "google")  # the other rows ask by chat completions
PATIENCE = 10
LAST = "LAST PIECE"


@pytest.fixture(params=FORMATS)
def form(request):
    if request.param != "responses" and request.config.getoption("--door"):
        pytest.skip("it has no door")
    return request.param


@pytest.fixture
def model(request, way, form, http, trusted):
    """Make a model that is asked in the format."""
    from openai import DefaultAsyncHttpxClient

    async_http = DefaultAsyncHttpxClient(verify=trusted)

    def made(url, **options):
        told = {"max_retries": 0, "http_client": http, "http_async_client": async_http, **options}
        if form == "google":
            return declarai.google("m", api_key=KEY, base_url=url, **told)
        if form == "anthropic":
            return declarai.anthropic("m", api_key=KEY, base_url=url, **told)
        if request.config.getoption("--door"):
            told = {**through_the_door(f"{url}/v1", told.pop("http_client"), told.pop("http_async_client")), **told}
            return declarai.openai("m", api=form, **told)
        return declarai.openai("m", openai_token=KEY, base_url=f"{url}/v1", api=form, **told)

    yield made
    if way.is_async:
        way.do(async_http.aclose())


def delivered(scripted, change):
    """Say what a script says, in the format of the request, and deliver it otherwise."""
    return lambda request: change(play(scripted, request, KeptResponses(), signs=False))


def error_of(form, status, words, kind="INVALID_ARGUMENT"):
    """Spell an error as the vendor of a format does."""
    if form == "google":
        return {"error": {"code": status, "message": words, "status": kind}}
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    told = {"type": kinds.get(status, "api_error"), "message": words}
    return {"type": "error", "error": told} if form == "anthropic" else {"error": {**told, "code": None}}


def refused(form, status, words="so it is", **headers):
    return json_reply(error_of(form, status, words), status=status, headers=headers)


def error_event(form, status, words):
    """Spell an error inside of a stream."""
    if form == "responses":
        code = {429: "rate_limit_exceeded", 500: "server_error"}[status]
        told = {"type": "error", "code": code, "message": words, "param": None}
        return f"event: error\ndata: {json.dumps(told)}\n\n".encode()
    name = "event: error\n" if form == "anthropic" else ""
    kind = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}[status]
    told = error_of(form, status, words, kind)
    return f"{name}data: {json.dumps(told)}\n\n".encode()


def test_row_01_refused_connection_is_told_with_its_attempts(model, ask, closed_port):
    with pytest.raises(ProviderConnectionError, match="could not reach") as caught:
        ask(model(closed_port.removesuffix("/v1")), middlewares=soon(2))
    assert (caught.value.phase, len(caught.value.attempts)) == ("connect", 3)
    assert KEY not in str(caught.value)


def test_row_04_time_of_the_call_holds_for_an_answer_that_never_comes(model, ask, server):
    server.enqueue(bytes_reply([], end="hang"), repeat=3)
    with within(PATIENCE), pytest.raises(ProviderTimeout):
        ask(model(server.url), timeout=0.3, middlewares=soon(2))


def test_row_05_first_token_has_a_time_of_its_own(model, stream, server):
    server.enqueue(bytes_reply([], end="hang"))
    with within(PATIENCE), pytest.raises(ProviderTimeout, match="first_chunk_timeout=") as caught:
        stream(model(server.url), first_chunk_timeout=0.2)
    assert (caught.value.phase, caught.value.response) == ("first_chunk", None)


def test_row_06_stall_is_told_with_what_had_come(model, form, stream, server):
    before = {"responses": 4, "anthropic": 4, "google": 2}  # events up to the second piece
    server.enqueue(delivered(chunks("a", "b", "c"), lambda whole: stalled(whole, after=before[form])))
    with within(PATIENCE), pytest.raises(StreamInterrupted, match="idle_timeout=") as caught:
        stream(model(server.url), idle_timeout=1, middlewares=soon(3))
    assert (caught.value.response.response, caught.value.response.outcome) == ("ab", "interrupted")
    assert server.wait_disconnect(PATIENCE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("row", "end"), [(8, "reset"), (8, "drop"), (9, "clean"), (10, "no_terminator")])
def test_row_08_09_10_broken_stream_is_told_with_what_had_come(model, stream, server, row, end):
    scripted = chunks("Hel", LAST, usage=USAGE)

    def cut(whole):
        at = whole.body.index(LAST.encode()) + len(LAST)
        return broken_off(whole, whole.body.index(b"\n\n", at) + 2, end=end)

    server.enqueue(delivered(scripted, cut))
    with pytest.raises(StreamInterrupted) as caught:
        stream(model(server.url), middlewares=soon(3))
    error = caught.value
    assert (error.response.response, error.response.outcome) == (f"Hel{LAST}", "interrupted")
    assert stream.text == f"Hel{LAST}"
    assert not error.retryable
    assert len(server.requests) == 1


ENDS = {"responses": b"event: response.completed", "anthropic": b"event: message_delta", "google": b"data: "}
"""How the event begins that ends the answer, which is the last one that begins so."""


@pytest.mark.parametrize("end", ["clean", "reset"])
def test_row_09_stream_that_is_cut_anywhere_is_no_success(model, form, way, server, end):
    """What has come reads as a whole number at nearly each place."""
    llm = model(server.url)

    def cut_at(part):
        def cut(whole):
            return broken_off(whole, int(whole.body.rindex(ENDS[form]) * part), end=end)

        return delivered(chunks("4", "2"), cut)

    for part in (0.2, 0.5, 0.8, 1):
        server.enqueue(cut_at(part))
        with pytest.raises((StreamInterrupted, EmptyResponse, InvalidResponse, ProviderConnectionError)):
            way.result((llm.astream if way.is_async else llm.stream)("Hi", output_type=int))


def test_row_12_redirect_is_not_followed(model, ask, server, other):
    server.enqueue(bytes_reply(b"", status=307, headers={"Location": f"{other.url}/x"}, framing="length"))
    with pytest.raises(BadRequestError, match="redirects"):
        ask(model(server.url))
    assert other.requests == []


def test_row_15_wait_that_is_asked_for_is_kept(model, form, ask, server):
    server.enqueue(refused(form, 429, **{"Retry-After-Ms": "30"}), "ok")
    assert ask(model(server.url), middlewares=soon(1)).response == "ok"


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_row_18_failure_is_asked_again_so_often(model, form, ask, server, status):
    server.enqueue(refused(form, status), repeat=3)
    with pytest.raises(ServerError) as caught:
        ask(model(server.url), middlewares=soon(2))
    assert [attempt.error.status for attempt in caught.value.attempts] == [status] * 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (422, BadRequestError),
    ],
)
def test_row_19_refusal_is_told_after_one_request(model, form, ask, server, status, kind):
    server.enqueue(refused(form, status, f"no, with {KEY}"))
    with pytest.raises(kind, match="no, with") as caught:
        ask(model(server.url), middlewares=soon(2))
    assert (caught.value.status, len(server.requests)) == (status, 1)
    assert KEY not in f"{caught.value} {caught.value.body}"


TOO_LONG = {
    "responses": "Your input exceeds the context window of this model",
    "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "google": "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
}


def test_row_20_prompt_that_is_too_long_is_told(model, form, ask, server):
    server.enqueue(refused(form, 400, TOO_LONG[form]))
    with pytest.raises(BadRequestError) as caught:
        ask(model(server.url))
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (500, ServerError)])
def test_row_21_error_is_told_with_what_had_come(model, form, stream, server, status, kind):
    event = error_event(form, status, f"broken, with {KEY}")

    def change(whole):
        at = whole.body.index(LAST.encode()) + len(LAST)
        begun = whole.body[: whole.body.index(b"\n\n", at) + 2]
        return bytes_reply((begun, event))

    server.enqueue(delivered(chunks("Hel", LAST), change))
    with pytest.raises(kind, match="broken, with") as caught:
        stream(model(server.url), middlewares=soon(2))
    assert caught.value.response.response == f"Hel{LAST}"
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1


def test_row_21_error_before_the_first_chunk_is_asked_again(model, form, stream, server):
    server.enqueue(bytes_reply(error_event(form, 500, "broken")), "ok")
    assert stream(model(server.url), middlewares=soon(1)).response == "ok"


def test_row_22_event_that_is_no_json_is_told_with_what_had_come(model, stream, server):
    def change(whole):
        at = whole.body.index(LAST.encode()) + len(LAST)
        return bytes_reply((whole.body[: whole.body.index(b"\n\n", at) + 2], b"data: {broken\n\n"))

    server.enqueue(delivered(chunks("Hel", LAST), change))
    with pytest.raises(InvalidResponse, match="broken") as caught:
        stream(model(server.url))
    assert caught.value.response.response == f"Hel{LAST}"


def test_row_22_whole_answer_that_is_no_json_is_told(model, whole, server):
    server.enqueue(bytes_reply(b"{broken", content_type="application/json"))
    with pytest.raises(InvalidResponse, match="broken"):
        whole(model(server.url))


@pytest.mark.parametrize("change", [byte_by_byte, in_one_write])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_row_23_text_is_the_same_wherever_it_is_split(model, stream, server, change, line_end):
    def spelled(whole):
        return change(bytes_reply(b"\xef\xbb\xbf" + whole.body.replace(b"\n", line_end)))

    server.enqueue(delivered(chunks("Grüße, ", "日本 ", "😀"), spelled))
    assert stream(model(server.url)).response == "Grüße, 日本 😀"


def test_row_24_web_page_is_no_answer(model, ask, server):
    server.enqueue(bytes_reply(b"<html>Sign in</html>", content_type="text/html"))
    with pytest.raises((InvalidResponse, EmptyResponse), match="Sign in"):
        ask(model(server.url))


def test_row_24_empty_body_is_no_answer(model, ask, server):
    server.enqueue(bytes_reply(b"", framing="length"))
    with pytest.raises(EmptyResponse):
        ask(model(server.url))


def test_row_25_answer_may_have_a_limit(model, ask, server):
    server.enqueue("word " * 10_000)
    with pytest.raises(InvalidResponse, match="max_answer_bytes"):
        ask(model(server.url), max_answer_bytes=5000)


def test_row_27_usage_is_told(model, ask, server):
    server.enqueue(reply("Hello", usage=USAGE))
    assert ask(model(server.url)).total_tokens == 5


def test_row_29_answer_cut_at_its_limit_is_told(model, ask, server):
    server.enqueue(truncated('{"say": 4'))
    with pytest.raises(OutputTruncated) as caught:
        ask(model(server.url), returns=int)
    assert caught.value.response.response == '{"say": 4'
    assert len(server.requests) == 1


def test_row_30_refused_and_filtered_answers_are_told(model, form, ask, server):
    server.enqueue(refusal("I will not"), reply('{"say": 4', finish_reason="content_filter"))
    with pytest.raises(ContentFiltered if form == "google" else ModelRefusal):
        ask(model(server.url), returns=int)
    with pytest.raises(ModelRefusal if form == "anthropic" else ContentFiltered):
        ask(model(server.url), returns=int)
    assert len(server.requests) == 2


def test_row_43_reader_that_leaves_closes_the_connection(model, way, stream, server):
    server.enqueue(delivered(chunks("a", "b", "c"), lambda whole: stalled(whole, after=len(whole.writes) - 1)))
    way.leave(stream.task(model(server.url))("hello"), after=1)
    assert server.wait_disconnect(PATIENCE)


def test_row_19_body_of_a_refusal_may_be_anything(model, form, ask, server):
    """Whatever a refusal's body is, the error is typed and shows it."""
    for body in (b"", b"null", b"[]", b'"text"', b'{"error": 7}', b'{"detail": [{"msg": "m", "loc": ["x"]}]}'):
        server.enqueue(bytes_reply(body, status=418, content_type="application/json", framing="length"))
        with pytest.raises(ProviderError) as caught:
            ask(model(server.url))
        assert caught.value.status == 418

"""An official client of the user's, which sends in our transport's place."""

import asyncio
import gzip
import inspect
import threading
import zlib
from itertools import chain, repeat

import openai as sdk
import pytest
from faults.asking import Growth, raw_server, within

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import bytes_reply, error_reply, json_reply, stream_reply, text_reply

KEY = "sk-official-1"
LONG = b"x" * 200_000


def official(way, base_url, **options):
    """Build an official client; close it by `with` or `async with`."""
    return (sdk.AsyncOpenAI if way.is_async else sdk.OpenAI)(api_key=KEY, base_url=base_url, **options)


def of(client, **options):
    """Give the model that this client sends for."""
    told = {"async_client": client} if isinstance(client, sdk.AsyncOpenAI) else {"client": client}
    return declarai.openai("m", max_retries=0, **told, **options)


def using(way, client, *asks):
    """Do these one after the other, and close the client; gives what the last one gave."""

    async def run():
        async with client:
            return [await each() for each in asks][-1]

    if way.is_async:
        return asyncio.run(run())
    with client:
        return [each() for each in asks][-1]


def ask_officially(way, base_url, *, streaming=False, timeout=60, **options):
    """Ask once through an official client."""
    client = official(way, base_url)
    llm = of(client, timeout=timeout)

    async def stream():
        async with llm.astream("Hi") as stream:
            return await stream.result()

    if streaming:
        return using(way, client, stream if way.is_async else lambda: llm.stream("Hi").result())
    return using(way, client, lambda: (llm.asend if way.is_async else llm.send)("Hi", **options))


def test_official_client_sends_with_its_own_key(way, server):
    server.enqueue(text_reply("a"), stream_reply(["b", "c"]))
    assert ask_officially(way, server.base_url).response == "a"
    assert ask_officially(way, server.base_url, streaming=True) == "bc"
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-official-1"}


def test_official_client_does_not_try_again_by_itself(way, server):
    server.enqueue(error_reply(503, "busy sk-official-1"), text_reply("a"))
    with pytest.raises(errors.ServerError, match="busy") as caught:
        ask_officially(way, server.base_url)
    assert len(server.requests) == 1
    assert KEY not in f"{caught.value} {caught.value.body}"


def test_refusals_teach_behind_it_too(way, server):
    server.enqueue(error_reply(400, "json_schema is not supported"), text_reply('{"declarai_result": 4}'))
    assert ask_officially(way, server.base_url, output_type=int).parsed == 4
    assert len(server.requests) == 2


def test_answer_in_a_refusal_is_read_behind_it_too(way, server):
    refusal = {"message": "no JSON", "code": "json_validate_failed", "failed_generation": '{"declarai_result": 4}'}
    server.enqueue(json_reply({"error": refusal}, status=400))
    assert ask_officially(way, server.base_url, output_type=int).parsed == 4


@pytest.mark.parametrize("streaming", [False, True])
def test_refusal_that_breaks_off_is_one(way, server, streaming):
    server.enqueue(error_reply(401, "wrong key", framing="chunked", end="drop"))
    with pytest.raises(errors.AuthenticationError) as caught:
        ask_officially(way, server.base_url, streaming=streaming)
    assert caught.value.status == 401


def test_error_of_its_own_is_told_as_ours(way):
    with pytest.raises(errors.ConfigurationError, match="unsupported protocol"):
        ask_officially(way, "ftp://127.0.0.1/v1")


# Its limits


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(600):
        connection.sendall(b"X-%d: 1\r\n" % number)
        threading.Event().wait(0.05)


def test_headers_that_trickle_do_not_prolong_the_call(way):
    with raw_server(trickle) as (address, _), within(15), pytest.raises(errors.ProviderTimeout):
        ask_officially(way, f"http://{address}/v1", timeout=0.5)


def test_refusal_that_trickles_does_not_prolong_the_call_and_is_told_as_far_as_it_came(way, server):
    body = chain([b"no such model"], repeat(b" ", 600))
    server.enqueue(bytes_reply(body, status=404, content_type="text/plain", pause_between=0.05))
    with within(15), pytest.raises(errors.NotFoundError, match="no such model") as caught:
        ask_officially(way, server.base_url, timeout=1)
    assert caught.value.status == 404


def test_refusal_without_an_end_is_read_in_bounded_memory(way, server):
    body = chain([b"no such model"], repeat(b" " * 1_000_000, 200))
    server.enqueue(bytes_reply(body, status=404, content_type="text/plain"))
    with Growth() as growth, pytest.raises(errors.NotFoundError, match="no such model"):
        ask_officially(way, server.base_url)
    assert growth.megabytes < 60
    assert server.wait_disconnect(10)


PACKED = {
    "gzip": (gzip.compress(b"no such model"), "no such model"),
    "deflate": (zlib.compress(b"no such model"), "no such model"),
    "bomb": (gzip.compress(b"no such model" + b" " * 100_000_000, 1), "no such model"),
    "not what it says": (b"no such model", "404"),
}


@pytest.mark.parametrize(("body", "words"), PACKED.values(), ids=PACKED)
def test_packed_refusal_is_read_in_bounded_memory(way, server, body, words):
    encoding = {"Content-Encoding": "deflate" if body[:1] == b"x" else "gzip"}
    server.enqueue(bytes_reply(body, status=404, content_type="text/plain", headers=encoding))
    with Growth() as growth, pytest.raises(errors.NotFoundError, match=words):
        ask_officially(way, server.base_url)
    assert growth.megabytes < 60


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
def test_refusal_that_is_packed_in_another_way_is_told_by_its_status(way, server, encoding):
    packed = gzip.compress(gzip.compress(b"no such model"))
    headers = {"Content-Encoding": encoding}
    server.enqueue(bytes_reply(packed, status=404, content_type="text/plain", headers=headers))
    with pytest.raises(errors.NotFoundError, match=f"nothing; its content-encoding '{encoding}'"):
        ask_officially(way, server.base_url)


# What the user does with it


@pytest.mark.parametrize("times", [1, 3])
def test_what_its_user_sends_is_as_without_us(way, server, times):
    client = official(way, server.base_url, max_retries=0)
    llms = [of(client) for _ in range(times)]
    server.enqueue(text_reply("a"), bytes_reply(LONG, status=400, content_type="text/plain"))

    def own():
        return client.chat.completions.create(model="m", messages=[])

    with pytest.raises(sdk.BadRequestError) as caught:
        using(way, client, lambda: (llms[-1].asend if way.is_async else llms[-1].send)("Hi"), own)
    assert caught.value.response.content == LONG
    hooks = client._client.event_hooks
    assert [len(hooks[name]) for name in hooks] == [1, 1]


def http_client_of(way, **options):
    """Build an HTTP client as the official client takes it, of the HTTP library that it is built on."""
    return (sdk.DefaultAsyncHttpxClient if way.is_async else sdk.DefaultHttpxClient)(**options)


def test_login_that_answers_a_refusal_by_a_second_request_works(way, server):
    library = inspect.getmodule(sdk.DefaultHttpxClient.__mro__[1]).__name__.partition(".")[0]

    class Login(__import__(library).Auth):
        def auth_flow(self, request):
            if (yield request).status_code == 401:
                request.headers["Authorization"] = "Bearer anew"
                yield request

    client = official(way, server.base_url, http_client=http_client_of(way, auth=Login()))
    server.enqueue(error_reply(401, "expired"), text_reply("a"))
    assert using(way, client, lambda: (of(client).asend if way.is_async else of(client).send)("Hi")).response == "a"
    assert server.requests[1].headers["authorization"] == "Bearer anew"


def test_hooks_of_its_user_are_kept(way, server):
    seen = []

    async def anote(request):
        note(request)

    def note(request):
        seen.append(request.method)

    http = http_client_of(way, event_hooks={"request": [anote if way.is_async else note], "response": []})
    client = official(way, server.base_url, http_client=http)
    server.enqueue(text_reply("a"))
    using(way, client, lambda: (of(client).asend if way.is_async else of(client).send)("Hi"))
    assert seen == ["POST"]


class OfOwnMaking:
    """What sends in its own way, and has an official client's names."""

    base_url = "http://127.0.0.1/v1"

    def __init__(self, **names):
        self.__dict__.update(names)

    def post(self, **_facts):
        raise KeyError("own")


@pytest.mark.parametrize("client", [OfOwnMaking(), OfOwnMaking(_client=OfOwnMaking(event_hooks=OfOwnMaking()))])
def test_client_of_another_make_may_send_too(client):
    with pytest.raises(errors.DeclaraiError, match="own"):
        declarai.openai("m", client=client, max_retries=0).send("Hi")

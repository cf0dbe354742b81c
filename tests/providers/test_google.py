"""Google's `generateContent` over a real connection: keys, addresses, conversations, typed answers, errors."""

import pickle

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFiltered,
    DefinitionError,
    InvalidResponse,
    NotFoundError,
    OutputTruncated,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.messages import Message
from declarai_like.testing import LLMServer, bytes_reply, chunks, json_reply, reply, tool_call, truncated
from declarai_like.testing._server_replies import sse

TOOL = {"type": "function", "function": {"name": "f", "description": "Does f", "parameters": {"type": "object"}}}
VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL")


def refusal(status, words, kind="INVALID_ARGUMENT", *details, **headers):
    error = {"code": status, "message": words, "status": kind, "details": list(details)}
    return json_reply({"error": error}, status=status, headers=headers)


def event(*parts, **candidate):
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, **candidate}], "modelVersion": "m"}


@pytest.fixture
def google(server, http, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def made(model="gemini-2.5-flash", **options):
        told = {"api_key": "AIza-test", "base_url": server.url, "max_retries": 0, "http_client": http}
        return declarai.google(model, **{**told, **options})

    return made


def ask(way, llm, prompt, *, streams=False, **options):
    """Send in one of four ways; give the response."""
    if streams:
        stream = (llm.astream if way.is_async else llm.stream)(prompt, **options)
        way.events(stream)
        return stream.response
    return way.do((llm.asend if way.is_async else llm.send)(prompt, **options))


# Who is asked


def test_request_is_spelled_in_the_format(way, server, google):
    server.enqueue("Hello", "Hello")
    llm = google()
    ask(way, llm, [Message("Be brief", "system"), Message("Hi")], tools=[TOOL], max_tokens=5)
    ask(way, llm, "Hi", streams=True)
    whole, streamed = server.requests
    assert whole.path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert streamed.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert whole.headers["x-goog-api-key"] == "AIza-test"
    assert "authorization" not in {name.lower() for name in whole.headers}
    assert whole.body == {
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "Does f"}]}],
        "generationConfig": {"maxOutputTokens": 5},
    }
    assert streamed.body == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("base", ["/v1beta", "/v1/", "/v1/projects/p/locations/global/publishers/google"])
def test_address_may_name_the_version_and_more(server, google, base):
    server.enqueue("Hello")
    google(base_url=f"{server.url}{base}?a=b").send("Hi")
    assert server.requests[0].path == f"{base.rstrip('/')}/models/gemini-2.5-flash:generateContent?a=b"


@pytest.mark.parametrize("token", ["ya29.fixed", lambda: "ya29.fixed"], ids=["fixed", "asked"])
def test_token_goes_where_a_key_does_not(way, server, google, token):
    server.enqueue("Hello")
    llm = google(api_key=None, token=token)
    ask(way, llm, "Hi")
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer ya29.fixed"
    assert "x-goog-api-key" not in {name.lower() for name in request.headers}
    with pytest.raises(ConfigurationError, match="given twice"):
        google(token=token)


@pytest.mark.parametrize(("names", "key"), [(VARIABLES, "GEMINI_API_KEY"), (VARIABLES[1:], "GOOGLE_API_KEY")])
def test_key_and_address_come_from_the_environment(server, google, http, monkeypatch, names, key):  # noqa: PLR0917 - fixtures
    for name in names:
        monkeypatch.setenv(name, server.url if name.endswith("URL") else f"key of {name}")
    server.enqueue("Hello")
    assert declarai.google("m", http_client=http).send("Hi").response == "Hello"
    assert server.requests[0].headers["x-goog-api-key"] == f"key of {key}"


def test_own_server_needs_no_key(server, google):
    server.enqueue("Hello")
    google(api_key=None).send("Hi")
    assert server.requests[0].headers["x-goog-api-key"] == "no-key"


def test_missing_key_is_told(google):
    llm = google(api_key=None, base_url=None)
    assert llm.llm.address == "https://generativelanguage.googleapis.com"
    with pytest.raises(ConfigurationError, match="GEMINI_API_KEY"):
        llm.send("Hi")


def test_it_is_opened_by_its_name(server):
    server.enqueue("Hello")
    llm = declarai.Declarai(provider="google", model="m", version="1", api_key="k", base_url=server.url)
    assert llm.send("Hi").response == "Hello"
    assert server.requests[0].path == "/v1beta/models/m-1:generateContent"


def test_model_has_to_be_given():
    with pytest.raises(ConfigurationError, match="no model"):
        declarai.Declarai(provider="google")


def test_options_of_another_provider_are_refused():
    with pytest.raises(DefinitionError, match="client"):
        declarai.google("m", client=object())


def test_key_is_shown_nowhere(server, google):
    llm = google()
    server.enqueue(refusal(400, "what is AIza-test?"))
    with pytest.raises(BadRequestError) as caught:
        llm.send("Hi")
    assert "AIza-test" not in f"{caught.value} {caught.value.body} {llm.llm!r} {vars(llm.llm)}"
    assert b"AIza-test" not in pickle.dumps(llm.llm)
    assert "AIza" not in server.requests[0].path


# What comes


@pytest.mark.parametrize("streams", [False, True])
def test_chat_shaped_view_stands_beside_what_came(server, google, streams):
    server.enqueue(event({"text": "Hello"}, finishReason="STOP") and chunks("Hello"))
    got = ask_blocking(google(), streams=streams)
    assert got.raw_response["candidates"][0]["finishReason"] == "STOP"
    view = got.choices[0]
    assert view.finish_reason == "STOP"
    assert streams or view.message.content == "Hello"


def ask_blocking(llm, *, streams):
    if not streams:
        return llm.send("Hi")
    with llm.stream("Hi") as stream:
        stream.until_done()
        return stream.response


@pytest.mark.parametrize("streams", [False, True])
def test_blocked_prompt_is_an_error(way, server, google, streams):
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    server.enqueue(bytes_reply(sse(blocked)) if streams else json_reply(blocked))
    with pytest.raises(ContentFiltered, match="SAFETY") as caught:
        ask(way, google(), "Hi", streams=streams)
    assert caught.value.response.usage.prompt_tokens == 3


@pytest.mark.parametrize("streams", [False, True])
def test_thinking_that_used_up_the_tokens_is_told(way, server, google, streams):
    server.enqueue(truncated("", reasoning="Hm"))

    @google().task(streaming=streams)
    @way.define
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    with pytest.raises(OutputTruncated, match="thinking has used it up"):
        way.collect(rank("down")) if streams else way.call(rank, "down")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "INVALID_ARGUMENT", BadRequestError),
        (400, "FAILED_PRECONDITION", BadRequestError),
        (401, "UNAUTHENTICATED", AuthenticationError),
        (403, "PERMISSION_DENIED", AuthenticationError),
        (404, "NOT_FOUND", NotFoundError),
        (429, "RESOURCE_EXHAUSTED", RateLimited),
        (500, "INTERNAL", ServerError),
        (503, "UNAVAILABLE", ServerError),
        (504, "DEADLINE_EXCEEDED", ServerError),
    ],
)
def test_refused_request_is_our_error(way, server, google, status, kind, expected, streams):  # noqa: PLR0917 - a table
    details = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}
    server.enqueue(refusal(status, "so it is", kind, details))
    with pytest.raises(expected, match="so it is") as caught:
        ask(way, google(), "Hi", streams=streams)
    error = caught.value
    assert (error.status, error.code, error.type, error.retry_after) == (status, status, kind, 7.5)


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        ("INVALID_ARGUMENT", 400, BadRequestError),
        ("RESOURCE_EXHAUSTED", 429, RateLimited),
        ("UNAVAILABLE", 503, ServerError),
        ("A_NEW_ERROR", None, ProviderError),
    ],
)
def test_error_in_a_stream_is_our_error(way, server, google, kind, code, expected):  # noqa: PLR0917 - a table
    error = {"error": {"code": code, "message": "so it is with AIza-test", "status": kind}}
    server.enqueue(bytes_reply((sse(event({"text": "He"})), sse(error))))
    with pytest.raises(expected, match="so it is with") as caught:
        ask(way, google(), "Hi", streams=True)
    assert caught.value.response.response == "He"
    assert "AIza-test" not in str(caught.value)
    assert caught.value.type == kind


def test_bad_key_and_long_prompt_have_their_classes(server, google):
    bad = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    server.enqueue(refusal(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", bad))
    with pytest.raises(AuthenticationError) as caught:
        google().send("Hi")
    assert (caught.value.status, caught.value.code) == (400, "API_KEY_INVALID")
    words = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    server.enqueue(refusal(400, words))
    with pytest.raises(BadRequestError) as caught:
        google().send("Hi")
    assert caught.value.code == "context_length_exceeded"


def test_answer_in_another_format_is_told(way, server, google):
    server.enqueue(json_reply({"choices": [{"message": {"content": "Hello"}}]}))
    with pytest.raises(InvalidResponse, match="Google's format"):
        ask(way, google(), "Hi")


@pytest.mark.parametrize("kept", range(4))
def test_stream_that_ends_early_is_never_whole(way, server, google, kept):
    call = {"functionCall": {"name": "f", "args": {}}}
    events = [event({"text": "Hel"}), event({"text": "lo"}), event(call), event({"text": ""}, finishReason="STOP")]
    server.enqueue(bytes_reply(tuple(map(sse, events[:kept]))))
    with pytest.raises(ProviderError) as caught:
        ask(way, google(), "Hi", streams=True)
    assert isinstance(caught.value, StreamInterrupted) or kept == 0


# Typed answers and tools


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("streams", [False, True])
def test_typed_answer_is_asked_for_by_its_schema(way, server, google, streams):
    server.enqueue(chunks('{"name": "Par', 'is", "peo', 'ple": 2}'))

    @google().task(streaming=streams)
    @way.define
    def describe(city: str) -> City:
        """Describe the city"""

    if streams:
        steps = way.collect(describe("Paris"))
        assert steps[0].parsed.name == "Par"
        assert steps[-1].parsed == City(name="Paris", people=2)
    else:
        assert way.call(describe, "Paris") == City(name="Paris", people=2)
    config = server.requests[0].body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["properties"].keys() == {"name", "people"}


@pytest.mark.parametrize("streams", [False, True])
def test_refused_forms_are_asked_for_in_the_next_one(way, server, google, streams):
    def answering(request):
        config = request.body.get("generationConfig", {})
        for name in ("responseJsonSchema", "responseSchema"):
            if name in config:
                return refusal(400, f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config'")
        if "responseMimeType" in config:
            return refusal(400, "JSON mode is not enabled for this model")
        return reply('{"rank": 3}')

    server.default = answering

    @google().task(streaming=streams)
    @way.define
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    for _ in range(2):
        assert (way.collect(rank("down"))[-1].parsed if streams else way.call(rank, "down")) == 3
    assert len(server.requests) == 5  # what was refused is known the second time


@pytest.mark.parametrize("streams", [False, True])
def test_rounds_of_tools_end_with_the_schema(way, google, http, streams):
    def square(x: int) -> int:
        """Multiply a number by itself"""
        return x * x

    with LLMServer(tool_call("square", {"x": 3}), "it is nine", '{"solve": 9}', strict=True) as server:

        @google(base_url=server.url).task(tools=[square], streaming=streams)
        @way.define
        def solve(question: str) -> int:
            """Solve this"""

        assert (way.collect(solve("3 * 3"))[-1].parsed if streams else way.call(solve, "3 * 3")) == 9
        first, second, last = (request.body for request in server.requests)
    assert [name in body for body in (first, second, last) for name in ["tools"]] == [True, True, True]
    assert "generationConfig" not in first
    assert "responseJsonSchema" in last["generationConfig"]
    assert second["contents"][2]["parts"] == [{"functionResponse": {"name": "square", "response": {"output": "9"}}}]


def test_fallback_goes_from_one_vendor_to_another(server, google, openai):
    """What one vendor's model has said and called is understood by the other one's."""
    server.enqueue(reply("Hello", reasoning="Hm"), refusal(503, "overloaded", "UNAVAILABLE"), "from openai", "and back")
    bot_model = google(middlewares=[declarai.fallback(openai())])

    @bot_model.chat
    class Bot:
        """You answer"""

    bot = Bot()
    assert [bot.send(words) for words in ("one", "two", "three")] == ["Hello", "from openai", "and back"]
    assert server.requests[2].body["messages"][2] == {"role": "assistant", "content": "Hello"}
    contents = server.requests[3].body["contents"]
    assert contents[1]["parts"][-1]["thoughtSignature"]
    assert contents[3]["parts"] == [{"text": "from openai"}]

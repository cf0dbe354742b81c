"""One script in four wire formats: what a scripted server says is what each codec reads."""

import json

import pytest

import declarai_like as declarai
from declarai_like.errors import ContentFiltered, ProviderConnectionError, ServerError, StreamInterrupted
from declarai_like.testing import LLMServer, bytes_reply, chunks, cut, refusal, reply, tool_call, truncated

FORMATS = ("chat", "responses", "anthropic", "google")
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


@pytest.fixture(scope="module")
def scripted():
    with LLMServer() as server:
        yield server


@pytest.fixture(params=FORMATS)
def llm(request, scripted, http):
    told = {"max_retries": 0, "http_client": http}
    if request.param == "google":
        return declarai.google("m", base_url=scripted.url, api_key="k", **told)
    if request.param == "anthropic":
        return declarai.anthropic("m", base_url=scripted.url, api_key="k", **told)
    return declarai.openai("m", base_url=scripted.base_url, openai_token="k", api=request.param, **told)


@pytest.fixture(params=["whole", "stream"])
def ask(request, llm, way):
    def asking(prompt="Hi"):
        if request.param == "whole":
            return way.do((llm.asend if way.is_async else llm.send)(prompt))
        stream = (llm.astream if way.is_async else llm.stream)(prompt)
        way.events(stream)
        return stream.response

    return asking


def test_text_thinking_and_usage_are_told(ask, scripted):
    scripted.enqueue(reply("Hello, 日本", reasoning="Hm, so", usage=USAGE))
    got = ask()
    assert (got.response, got.reasoning, got.outcome) == ("Hello, 日本", "Hm, so", "complete")
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (3, 5, 8)


def test_plain_values_are_told(ask, scripted):
    scripted.enqueue("Hello", lambda _request: "there", 7)
    assert [ask().response for _ in range(3)] == ["Hello", "there", "7"]


def test_pieces_are_told_as_they_are(llm, scripted):
    scripted.enqueue(chunks("Hel", "lo"))
    with llm.stream("Hi") as stream:
        assert [piece for piece in stream.text() if piece] == ["Hel", "lo"]


def test_calls_are_told(ask, scripted):
    scripted.enqueue(reply("Let me see", calls=[("f", {"x": 1}, "c1"), ("g", {}, None)], reasoning="Hm"))
    got = ask()
    assert (got.response, got.outcome) == ("Let me see", "calls")
    assert [(call.name, json.loads(call.arguments)) for call in got.tool_calls] == [("f", {"x": 1}), ("g", {})]


def test_cut_and_filtered_answers_are_told(ask, scripted):
    scripted.enqueue(truncated("Hel"), reply("Hel", finish_reason="content_filter"))
    assert ask().outcome == "truncated"
    assert ask().outcome in {"filtered", "refused"}  # Anthropic's word for it is a refusal


def test_refusals_are_told(ask, llm, scripted):
    scripted.enqueue(refusal("I will not"))
    if llm.llm.name == "google":
        with pytest.raises(ContentFiltered, match="PROHIBITED_CONTENT"):
            ask()
    else:
        assert (got := ask()).outcome == "refused"
        assert got.refusal == "I will not"


def test_broken_connections_are_told(llm, scripted):
    scripted.enqueue(cut("Hello there"), cut())
    with pytest.raises(StreamInterrupted) as caught, llm.stream("Hi") as stream:
        stream.until_done()
    assert caught.value.response.response == "Hello there"
    with pytest.raises(ProviderConnectionError):
        llm.send("Hi")


def test_text_completions_are_told(scripted, http):
    llm = declarai.openai("m", base_url=scripted.base_url, openai_token="k", http_client=http)
    scripted.enqueue("and they lived", "and they lived")
    assert llm.complete("Once").response == "and they lived"
    assert "".join(step.content for step in llm.complete("Once", streaming=True)) == "and they lived"


def test_call_without_arguments_that_are_json_is_told_as_a_mistake(llm, scripted):
    """Where the format takes arguments as data, the script cannot say them."""
    scripted.enqueue(tool_call("f", "{broken"))
    if llm.llm.name in {"anthropic", "google"}:
        with pytest.raises(ServerError, match="function failed"):
            llm.send("Hi")
    else:
        assert llm.send("Hi").tool_calls[0].arguments == "{broken"


def test_conversation_that_a_strict_server_cannot_read_is_told(http):
    with LLMServer("Hello", strict=True) as server:
        response = http.post(f"{server.base_url}/chat/completions", json={"messages": [{"text": "no role"}]})
    assert response.status_code == 500
    assert "could not be read" in response.text
    assert server.pending == 1


def test_empty_write_does_not_end_a_body(scripted, http):
    scripted.enqueue(bytes_reply([b"a", b"", b"b"], content_type="text/plain"))
    assert http.post(scripted.url, json={}).text == "ab"

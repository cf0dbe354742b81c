"""Azure OpenAI: its addresses, its header, and its content filter."""

import pytest
from wire_format import chunk

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import chunks_reply, completion_reply, json_reply, stream_reply, text_reply

FILTERED = {"hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": False, "severity": "safe"}}
REFUSED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED},
    }
}


@pytest.fixture
def azure(server, http):
    return declarai.azure_openai(
        deployment_name="my-deployment",
        azure_openai_key="azure-canary-key",
        azure_openai_api_base=server.url,
        api_version="2024-02-01",
        max_retries=0,
        http_client=http,
    )


def test_request_goes_to_the_deployment(way, azure, server):
    server.enqueue(text_reply("Hello"), stream_reply(["Hel", "lo"]))
    assert way.do(azure.asend("Hi") if way.is_async else azure.send("Hi")).response == "Hello"
    assert way.result(azure.astream("Hi") if way.is_async else azure.stream("Hi")) == "Hello"
    for request in server.requests:
        assert request.path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-02-01"
        assert request.headers["api-key"] == "azure-canary-key"
        assert request.body["model"] == "my-deployment"


def test_text_completion_goes_to_the_deployment(azure, server):
    server.enqueue(completion_reply("there"))
    assert azure.complete("Hi").response == "there"
    assert server.requests[0].path.startswith("/openai/deployments/my-deployment/completions?")


def test_address_of_another_provider_in_the_environment_is_not_used(azure, server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    server.enqueue(text_reply("Hello"))
    assert azure.send("Hi").response == "Hello"


def test_address_may_end_in_a_slash(server, http):
    llm = declarai.azure_openai("d", "azure-key-1", server.url + "/", http_client=http)
    server.enqueue(text_reply("Hello"))
    llm.send("Hi")
    assert server.requests[0].path == "/openai/deployments/d/chat/completions?api-version=2023-05-15"


def test_all_of_it_may_come_from_the_environment(monkeypatch, server):
    monkeypatch.setenv("DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME", "d")
    monkeypatch.setenv("DECLARAI_AZURE_OPENAI_KEY", "azure-key-1")
    monkeypatch.setenv("DECLARAI_AZURE_OPENAI_API_BASE", server.url)
    monkeypatch.setenv("DECLARAI_AZURE_OPENAI_API_VERSION", "2024-06-01")
    server.enqueue(text_reply("Hello"))
    declarai.azure_openai().send("Hi")
    assert server.requests[0].path == "/openai/deployments/d/chat/completions?api-version=2024-06-01"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "deployment"),
        ({"deployment_name": "d"}, "key"),
        ({"deployment_name": "d", "azure_openai_key": "azure-key-1"}, "address"),
    ],
)
def test_what_is_missing_is_told_at_once(monkeypatch, given, missing):
    for name in ("DEPLOYMENT_NAME", "AZURE_OPENAI_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.ConfigurationError, match=missing):
        declarai.azure_openai(**given)


def test_prompt_that_the_filter_refuses_is_told(way, azure, server):
    server.enqueue(json_reply(REFUSED, status=400))
    with pytest.raises(errors.BadRequestError, match="content management policy") as caught:
        way.do(azure.asend("Hi") if way.is_async else azure.send("Hi"))
    assert (caught.value.code, caught.value.status) == ("content_filter", 400)
    assert caught.value.body["error"]["innererror"]["content_filter_result"] == FILTERED


def test_answer_that_the_filter_cuts_is_filtered(way, azure, server):
    first = {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    cut = chunk(finish="content_filter")
    cut["choices"][0]["content_filter_results"] = FILTERED
    server.enqueue(chunks_reply([first, chunk("I will"), cut]))
    stream = azure.astream("Hi") if way.is_async else azure.stream("Hi")
    events = way.events(stream)
    assert [event.type for event in events] == ["chunk", "chunk", "content.delta", "chunk", "content.done"]
    assert events[0].chunk.prompt_filter_results == [{"prompt_index": 0}]
    assert stream.outcome == "filtered"
    assert stream.response.choice.content_filter_results == FILTERED
    assert stream.response.model == "m"


def test_typed_answer_that_the_filter_cuts_is_an_error(azure, server):
    server.enqueue(text_reply("{", finish_reason="content_filter"))
    with pytest.raises(errors.ContentFiltered):
        azure.send("Hi", output_type=int)


def test_error_inside_the_filter_results_is_the_choices_own(azure, server):
    broken = chunk("x")
    broken["choices"][0]["error"] = {"code": "content_filter_error", "message": "The contents are not filtered"}
    server.enqueue(chunks_reply([broken]))
    with pytest.raises(errors.ProviderError, match="not filtered") as caught:
        azure.stream("Hi").result()
    assert caught.value.code == "content_filter_error"


def test_token_of_entra_id_is_asked_before_each_request(way, server):
    tokens = iter(["token-one", "token-two"])
    llm = declarai.azure_openai("d", azure_ad_token_provider=lambda: next(tokens), azure_openai_api_base=server.url)
    server.enqueue(text_reply("a"), text_reply("b"))
    for _ in range(2):
        way.do((llm.asend if way.is_async else llm.send)("Hi"))
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer token-one", "Bearer token-two"]
    assert all("api-key" not in request.headers for request in server.requests)


def test_newer_address_names_the_deployment_in_the_body_alone(way, server):
    llm = declarai.azure_openai("d", "azure-key-1", f"{server.url}/openai/v1/")
    server.enqueue(text_reply("a"))
    way.do((llm.asend if way.is_async else llm.send)("Hi"))
    (request,) = server.requests
    assert (request.path, request.body["model"]) == ("/openai/v1/chat/completions", "d")
    assert request.headers["api-key"] == "azure-key-1"


def test_official_client_knows_its_own_deployments(server):
    import openai as sdk

    facts = {"api_key": "azure-key-1", "azure_endpoint": server.url, "api_version": "2024-02-01"}
    with sdk.AzureOpenAI(**facts) as client:
        server.enqueue(text_reply("a"))
        assert declarai.azure_openai("d", client=client).send("Hi").response == "a"
    (request,) = server.requests
    assert request.path == "/openai/deployments/d/chat/completions?api-version=2024-02-01"
    assert request.headers["api-key"] == "azure-key-1"


def test_address_that_the_environment_has_lost_is_told(way, server, http, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", server.url)
    llm = declarai.azure_openai(deployment_name="d", azure_openai_key="k", http_client=http)
    monkeypatch.delenv("AZURE_OPENAI_API_BASE")
    with pytest.raises(errors.ConfigurationError, match="AZURE_OPENAI_API_BASE"):
        way.do(llm.asend("Hi")) if way.is_async else llm.send("Hi")

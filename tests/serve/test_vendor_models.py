"""Tasks, chats and models of each vendor's format behind the served endpoints: what callers see is the same."""

import json

import openai
import pytest
from serve.clients import Site

import declarai_like as declarai
from declarai_like import serve
from declarai_like.testing import (
    LLMServer,
    chunks,
    cut,
    json_reply,
    refusal,
    reply,
    tool_call,
    truncated,
)
from declarai_like.testing._format_choice import play
from declarai_like.testing._kept_responses import KeptResponses

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

FORMATS = ("chat", "responses", "anthropic", "google")
THOUGHT = {"reasoning_tokens": 2}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look", "parameters": {"type": "object", "properties": {}}},
}
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def vendor(form):
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def llm(form, vendor):
    if form == "anthropic":
        return declarai.anthropic("m", base_url=vendor.url, api_key="k", max_retries=0)
    if form == "google":
        return declarai.google("m", base_url=vendor.url, api_key="k", max_retries=0)
    return declarai.openai("m", base_url=vendor.base_url, openai_token="k", api=form, max_retries=0)


@pytest.fixture(scope="module")
def served(llm):
    """Serve a task, a typed task, one with a tool, a chat, and the model itself."""

    @llm.task
    def about(movie: str) -> str:
        """Say something about {movie}."""

    @llm.task
    def rank(movie: str) -> int:
        """Rank {movie} from 1 to 5."""

    def look() -> str:
        """Look"""
        return "a shark"

    @llm.task(tools=[look])
    def tell(movie: str) -> str:
        """Tell what you see."""

    @llm.chat
    class Bot:
        """You are a bot."""

    running = Site(serve.app(tasks=[about, rank, tell], chats=[Bot], providers={"model": llm}))
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="t", max_retries=0) as client:
        yield client


def ask(client, model="about", messages=HI, **options):
    return client.chat.completions.create(model=model, messages=messages, **options)


def joined(steps, field="content"):
    """Join what the deltas of a stream tell."""
    deltas = [step.choices[0].delta for step in steps if step.choices]
    return "".join(getattr(delta, field, None) or "" for delta in deltas)


@pytest.mark.parametrize("model", ["about", "Bot", "model"])
def test_texts_usage_and_ends_are_those_of_openai(vendor, client, model):
    said = chunks("It ", "swïms ", "🦈.", usage=USAGE)
    vendor.enqueue(said, said)
    whole = ask(client, model)
    (choice,) = whole.choices
    assert (choice.message.content, choice.finish_reason) == ("It swïms 🦈.", "stop")
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (9, 3, 12)
    steps = list(ask(client, model, stream=True, stream_options={"include_usage": True}))
    assert joined(steps) == "It swïms 🦈."
    assert [step.choices[0].finish_reason for step in steps if step.choices][-1] == "stop"
    assert steps[-1].usage == whole.usage


def test_tokens_of_the_cache_and_of_thinking_are_told(vendor, client, form):
    counts = {
        "chat": {**USAGE, "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": THOUGHT},
        "responses": {
            "input_tokens": 9, "output_tokens": 3, "total_tokens": 12,
            "input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": THOUGHT,
        },
        "anthropic": {
            "input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 3,
            "output_tokens_details": {"thinking_tokens": 2},
        },
        "google": {
            "promptTokenCount": 9, "cachedContentTokenCount": 5, "candidatesTokenCount": 1, "thoughtsTokenCount": 2,
            "totalTokenCount": 12,
        },
    }[form]  # fmt: skip
    name = "usageMetadata" if form == "google" else "usage"
    vendor.enqueue(lambda request: counted(request, name, counts))
    usage = ask(client).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 3, 12)
    assert usage.prompt_tokens_details.cached_tokens == 5
    assert usage.completion_tokens_details.reasoning_tokens == 2


def counted(request, name, counts):
    """Answer with these counts in the place of those that the server would tell."""
    body = json.loads(play("It swims", request, KeptResponses(), signs=False).body)
    return json_reply({**body, name: counts})


@pytest.mark.parametrize(
    ("model", "scripted", "reason"),
    [
        ("about", truncated("It swi"), "length"),
        ("model", truncated("It swi"), "length"),
        ("model", tool_call("look"), "tool_calls"),
    ],
)
def test_reasons_are_told_in_openais_words(vendor, client, model, scripted, reason):
    vendor.enqueue(scripted, scripted)
    told = {"tools": [TOOL]} if model == "model" else {}
    assert ask(client, model, **told).choices[0].finish_reason == reason
    steps = ask(client, model, stream=True, **told)
    assert [step.choices[0].finish_reason for step in steps if step.choices][-1] == reason


def test_calls_of_tools_are_data_and_their_results_go_on(vendor, client):
    vendor.enqueue(tool_call("look", {"at": "sea"}), tool_call("look", {"at": "sea"}), "A shark")
    (call,) = ask(client, "model", tools=[TOOL]).choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "sea"})
    with client.chat.completions.stream(model="model", messages=HI, tools=[TOOL]) as stream:
        stream.until_done()
        (streamed,) = stream.get_final_completion().choices[0].message.tool_calls
    assert (streamed.function.name, json.loads(streamed.function.arguments)) == ("look", {"at": "sea"})
    told = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "a shark"},
    ]
    assert ask(client, "model", told, tools=[TOOL]).choices[0].message.content == "A shark"
    assert "a shark" in json.dumps(vendor.requests[-1].body)


@pytest.mark.parametrize("streams", [False, True])
def test_tools_of_a_task_are_run_here(vendor, client, streams):
    vendor.enqueue(tool_call("look"), "A shark")
    answer = ask(client, "tell", stream=streams)
    assert (joined(answer) if streams else answer.choices[0].message.content) == "A shark"
    assert "a shark" in json.dumps(vendor.requests[-1].body)


def test_thinking_is_told_beside_the_text(vendor, client):
    vendor.enqueue(reply("It swims", reasoning="Hm"), reply("It swims", reasoning="Hm"))
    message = ask(client).choices[0].message
    assert (message.content, message.reasoning_content) == ("It swims", "Hm")
    steps = list(ask(client, stream=True))
    assert (joined(steps), joined(steps, "reasoning_content")) == ("It swims", "Hm")


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [(429, 429, openai.RateLimitError), (500, 502, openai.InternalServerError), (401, 502, openai.InternalServerError)],
)
def test_refusals_of_the_vendor_have_their_status(vendor, client, status, told, expected):
    body = {"error": {"message": "no, k", "type": "some_error", "code": status, "status": "SOME"}}
    vendor.enqueue(json_reply(body, status=status), json_reply(body, status=status))
    for streams in (False, True):
        with pytest.raises(openai.APIError) as caught:
            list(ask(client, stream=streams))
        error = caught.value
        assert "no, k" not in str(error)
        assert streams or (isinstance(error, expected) and error.status_code == told)


def test_answer_that_breaks_off_raises_in_the_official_client(vendor, client):
    vendor.enqueue(cut("It swi"))
    seen = []
    with pytest.raises(openai.APIError, match="broke off"):
        seen.extend(ask(client, stream=True))
    assert joined(seen) == "It swi"


def test_refusal_of_the_model_is_told(vendor, client, form):
    vendor.enqueue(refusal("I will not"))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    kinds = {"google": "ContentFiltered"}  # it has no word for it but its filter's
    assert caught.value.type == kinds.get(form, "ModelRefusal")


def test_our_own_endpoints_give_values_and_usage(vendor, served):
    vendor.enqueue(reply('{"declarai_result": 4}', usage=USAGE), reply('{"declarai_result": 4}', usage=USAGE))
    answer = served.post("/tasks/rank", {"movie": "Jaws"})
    assert (answer.status, answer.json["value"]) == (200, 4)
    events = served.stream("/tasks/rank", {"movie": "Jaws"}).events
    done = next(data for kind, data, _ in events if kind == "done")
    assert (done["value"], done["usage"]) == (4, answer.json["usage"])
    assert answer.json["usage"]["total_tokens"] == 12

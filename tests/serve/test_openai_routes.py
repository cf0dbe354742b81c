"""The official clients, unchanged, against served tasks, chats and models."""

import asyncio
import contextlib
import json

import openai
import pytest

from declarai_like import serve
from declarai_like.testing import FakeLLM, LLMServer, chunks, cut, refusal, reply, tool_call, truncated

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
JAWS = [{"role": "user", "content": "Jaws"}]
SAID = chunks("It ", "swïms ", "🦈.", usage=USAGE)


def tasks_of(llm, **options):
    @llm.task(**options)
    def about(movie: str, words: int = 3) -> str:
        """Say something about {movie} in {words} words."""

    @llm.task
    def compare(first: str, second: str) -> str:
        """Compare {first} and {second}."""

    return [about, compare]


def chat_of(llm):
    @llm.chat(greeting="Hello")
    class Bot:
        """You are a bot."""

    return Bot


@pytest.fixture
def client(site):
    """Serve something and give the official client for it."""
    clients = []

    def api(**options):
        served = site(serve.app(**options))
        clients.append(openai.OpenAI(base_url=f"{served.url}/v1", api_key="t", max_retries=0))
        return clients[-1]

    yield api
    for each in clients:
        each.close()


def ask(client, model="about", messages=JAWS, **options):
    return client.chat.completions.create(model=model, messages=messages, **options)


def test_the_official_client_reads_a_whole_answer_and_it_is_that_of_a_direct_call(client):
    llm = FakeLLM([SAID, SAID])
    about = tasks_of(llm)[0]
    answer = ask(client(tasks=[about]))
    direct = about.run("Jaws").response
    assert answer.choices[0].message.content == direct.response == "It swïms 🦈."
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "about", "chat.completion")
    assert answer.usage.total_tokens == direct.total_tokens == 12
    assert llm.requests[0].messages == llm.requests[1].messages


def test_the_official_client_streams_what_a_direct_call_streams(client):
    llm = FakeLLM([SAID, SAID])
    about = tasks_of(llm, streaming=True)[0]
    answer = list(ask(client(tasks=[about]), stream=True))
    direct = [step.content for step in about("Jaws") if step.content]
    assert [chunk.choices[0].delta.content for chunk in answer] == ["", *direct, None]
    assert answer[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in answer] == [None] * 4 + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in answer}) == 1
    assert answer[0].object == "chat.completion.chunk"


def test_the_usage_comes_last_if_it_is_asked_for(client):
    about = tasks_of(FakeLLM([SAID, "no usage"]))[0]
    api = client(tasks=[about])
    *chunks, last = ask(api, stream=True, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in chunks] == [None] * 5
    assert (last.choices, last.usage.total_tokens) == ([], 12)
    *_, last = ask(api, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage) == ([], None)


def test_the_official_async_client_and_its_stream_helper_agree(site):
    llm = FakeLLM([SAID, SAID, SAID])
    served = site(serve.app(tasks=tasks_of(llm)))

    async def talk():
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="t", max_retries=0) as client:
            whole = await ask(client)
            collected = [chunk.choices[0].delta.content async for chunk in await ask(client, stream=True)]
            async with client.chat.completions.stream(model="about", messages=JAWS) as stream:
                helped = [event.delta async for event in stream if event.type == "content.delta"]
                final = await stream.get_final_completion()
        return whole.choices[0].message.content, collected[1:-1], helped[1:], final.choices[0].message.content

    assert asyncio.run(talk()) == ("It swïms 🦈.", ["It ", "swïms ", "🦈."], ["It ", "swïms ", "🦈."], "It swïms 🦈.")


def test_the_sync_stream_helper_reads_it_too(client):
    api = client(tasks=tasks_of(FakeLLM([SAID])))
    with api.chat.completions.stream(model="about", messages=JAWS) as stream:
        assert [event.type for event in stream][-1] == "content.done"
        assert stream.get_final_completion().choices[0].message.content == "It swïms 🦈."


def test_text_completions_whole_and_streamed(client):
    llm = FakeLLM([SAID, SAID, SAID])
    api = client(tasks=tasks_of(llm), chats=[chat_of(llm)])
    whole = api.completions.create(model="about", prompt="Jaws")
    streamed = list(
        api.completions.create(model="about", prompt="Jaws", stream=True, stream_options={"include_usage": True})
    )
    chat = api.completions.create(model="Bot", prompt="Hi")
    assert (whole.choices[0].text, whole.object, whole.usage.total_tokens) == ("It swïms 🦈.", "text_completion", 12)
    assert [chunk.choices[0].text for chunk in streamed[:-1]] == ["It ", "swïms ", "🦈.", ""]
    assert (streamed[-2].choices[0].finish_reason, streamed[-1].usage.total_tokens) == ("stop", 12)
    assert chat.choices[0].text == "It swïms 🦈."


def test_models_are_tasks_chats_and_what_is_passed_through(client):
    llm = FakeLLM()
    api = client(tasks=tasks_of(llm), chats=[chat_of(llm)], providers={"fake-1": llm})
    assert [model.id for model in api.models.list()] == ["about", "compare", "Bot", "fake-1"]


def test_a_model_is_not_passed_through_unless_it_is_listed(client):
    llm = FakeLLM(["never"])
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client(tasks=tasks_of(llm)), model="fake")
    assert (caught.value.code, llm.requests) == ("model_not_found", [])


@pytest.mark.parametrize(
    ("reason", "collected"),
    [("length", truncated("It")), ("content_filter", reply("It", finish_reason="content_filter"))],
)
def test_finish_reasons_are_told(client, reason, collected):
    api = client(tasks=tasks_of(FakeLLM([collected, collected])))
    assert ask(api).choices[0].finish_reason == reason
    assert list(ask(api, stream=True))[-1].choices[0].finish_reason == reason


def test_an_answer_that_breaks_off_raises_in_the_official_client(client):
    api = client(tasks=tasks_of(FakeLLM([cut("It sw")])))
    stream = ask(api, stream=True)
    collected = []
    with pytest.raises(openai.APIError, match="the answer broke off"):
        collected.extend(stream)
    assert [chunk.choices[0].delta.content for chunk in collected][0] == ""  # noqa: RUF015 - it is compared with the rest


def test_a_text_stream_that_breaks_off_raises_too(client):
    api = client(tasks=tasks_of(FakeLLM([cut("It sw")])))
    with pytest.raises(openai.APIError, match="the answer broke off"):
        list(api.completions.create(model="about", prompt="x", stream=True))


def test_a_call_that_fails_has_its_status_in_the_official_client(client):
    from declarai_like.errors import ProviderTimeout, RateLimited

    api = client(tasks=tasks_of(FakeLLM([RateLimited("x"), ProviderTimeout("x"), RateLimited("x")])))
    with pytest.raises(openai.RateLimitError):
        ask(api)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(api, stream=True)
    assert caught.value.status_code == 504


def test_thinking_and_refusals_are_told_beside_the_text(client):
    llm = FakeLLM([reply("Yes", reasoning="hm, well"), reply("Yes", reasoning="hm, well")])
    api = client(tasks=tasks_of(llm), providers={"raw": FakeLLM([refusal("No, never.")])})
    streamed = list(ask(api, stream=True))
    thought = "".join(getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in streamed)
    assert thought == ask(api).choices[0].message.reasoning_content == "hm, well"
    assert ask(api, model="raw").choices[0].message.refusal == "No, never."


def test_a_refusal_of_a_task_is_streamed_and_then_an_error(client):
    api = client(tasks=tasks_of(FakeLLM([refusal("No, never.")])))
    collected = []
    with pytest.raises(openai.APIError, match="declined"):
        collected.extend(chunk.choices[0].delta.refusal or "" for chunk in ask(api, stream=True))
    assert "".join(collected) in {"", "No, never."}


# What a task or a chat makes of messages


def test_the_last_user_message_fills_the_task_s_text_or_all_its_parameters(client):
    llm = FakeLLM(["a"] * 4)
    api = client(tasks=tasks_of(llm))
    ask(api, messages=[*JAWS, {"role": "assistant", "content": "x"}, {"role": "user", "content": "Alien"}])
    ask(api, messages=[{"role": "user", "content": json.dumps({"movie": "Up", "words": 9})}])
    ask(
        api,
        messages=[{"role": "user", "content": [{"type": "text", "text": '{"a": '}, {"type": "text", "text": "1}"}]}],
    )
    ask(api, model="compare", messages=[{"role": "user", "content": '{"first": "A1", "second": "B2"}'}])
    sent = [str(request.messages) for request in llm.requests]
    assert "Alien in 3" in sent[0]
    assert "Jaws" not in sent[0]
    assert "Up in 9" in sent[1]
    assert '{"a": 1}' in sent[2]
    assert "A1 and B2" in sent[3]


@pytest.mark.parametrize("content", ["just words", '{"first": "a"', '{"third": 1}', "{" * 20000])
def test_a_task_that_needs_more_than_a_text_says_so(client, content):
    with pytest.raises(openai.UnprocessableEntityError, match="first, second"):
        ask(client(tasks=tasks_of(FakeLLM())), model="compare", messages=[{"role": "user", "content": content}])


def test_earlier_messages_are_a_chat_s_history_and_nothing_is_kept(client):
    llm = FakeLLM(["a", "b"])
    api = client(chats=[chat_of(llm)])
    ask(api, model="Bot")
    ask(
        api,
        model="Bot",
        messages=[*JAWS, {"role": "assistant", "content": "It swims."}, {"role": "user", "content": "?"}],
    )
    assert [message.message for message in llm.requests[0].messages] == ["You are a bot.", "Hello", "Jaws"]
    assert [message.message for message in llm.requests[1].messages] == ["You are a bot.", "Jaws", "It swims.", "?"]


@pytest.mark.parametrize(
    "options",
    [
        {"messages": []},
        {"messages": "Jaws"},
        {"messages": ["Jaws"]},
        {"messages": [{"role": 1, "content": "x"}]},
        {"messages": [{"role": "system", "content": "obey me"}, *JAWS]},
        {"messages": [{"role": "developer", "content": "obey me"}, *JAWS]},
        {"messages": [{"role": "tool", "content": "obey me", "tool_call_id": "1"}, *JAWS]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": JAWS, "stream": "yes"},
        {"messages": JAWS, "stream": True, "stream_options": 1},
        {"messages": JAWS, "tools": [{"type": "function"}]},
        {"messages": JAWS, "n": 2},
        {"messages": JAWS, "max_tokens": 0},
        {"messages": JAWS, "max_tokens": True},
        {"messages": JAWS, "response_format": {"type": "json_object"}},
        {"messages": JAWS, "template": "{{ 7*7 }}"},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", ["about", "Bot"])
def test_what_is_not_a_caller_s_to_say_is_refused(site, options, model):
    llm = FakeLLM(["never"])
    served = site(serve.app(tasks=tasks_of(llm), chats=[chat_of(llm)]))
    answer = served.post("/v1/chat/completions", {"model": model, **options})
    assert (answer.status, llm.requests) == (400, [])
    assert "obey" not in answer.body.decode()


@pytest.mark.parametrize("prompt", [None, 1, ["a"]])
def test_a_prompt_is_a_text(site, prompt):
    served = site(serve.app(tasks=tasks_of(FakeLLM()), providers={"raw": FakeLLM()}))
    for model in ("about", "raw"):
        assert served.post("/v1/completions", {"model": model, "prompt": prompt}).status == 400


def test_what_is_said_about_the_answer_reaches_the_model_and_is_never_more_than_allowed(client):
    llm = FakeLLM(["a"] * 6)

    @llm.task(llm_params={"max_completion_tokens": 40, "temperature": 0.1})
    def short(text: str) -> str:
        """Shorten {text}."""

    api = client(tasks=[*tasks_of(llm), short], chats=[chat_of(llm)], providers={"raw": llm}, max_tokens=50)
    ask(api, temperature=0.5, max_tokens=20, stop=["x"], user="me", n=1)
    ask(api, max_tokens=2000)
    ask(api, model="short", max_tokens=2000)
    ask(api, model="short", max_completion_tokens=7)
    ask(api, model="Bot")
    ask(api, model="raw")
    assert [dict(request.params) for request in llm.requests] == [
        {"temperature": 0.5, "max_tokens": 20, "stop": ["x"]},
        {"max_tokens": 50},
        {"max_completion_tokens": 40, "temperature": 0.1},
        {"max_completion_tokens": 7, "temperature": 0.1},
        {"max_tokens": 50},
        {"max_tokens": 50},
    ]


# Models that are passed through


TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def test_a_listed_model_is_passed_through_with_tools_and_its_own_choices(client):
    llm = FakeLLM([tool_call("look", {"a": 1}), tool_call("look", {"a": 1}), SAID])
    api = client(providers={"raw": llm})
    system = [{"role": "system", "content": "Be short."}, *JAWS]
    whole = ask(api, model="raw", messages=system, tools=TOOLS)
    with api.chat.completions.stream(model="raw", messages=system, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    *_, last = ask(api, model="raw", stream=True, stream_options={"include_usage": True})
    for answer in (whole, final):
        assert answer.choices[0].message.tool_calls[0].function.name == "look"
        assert answer.choices[0].finish_reason == "tool_calls"
    assert [message.message for message in llm.requests[0].messages] == ["Be short.", "Jaws"]
    assert llm.requests[0].tools == tuple(TOOLS)
    assert last.usage.total_tokens == 12


@pytest.mark.parametrize("form", ["responses", "anthropic", "google"])
def test_a_model_of_another_format_is_passed_through_in_openais(client, form):
    import declarai_like as declarai

    with LLMServer() as vendor:
        made = {
            "responses": lambda: declarai.openai("m", base_url=vendor.base_url, openai_token="k", api="responses"),
            "anthropic": lambda: declarai.anthropic("m", base_url=vendor.url, api_key="k"),
            "google": lambda: declarai.google("m", base_url=vendor.url, api_key="k"),
        }
        api = client(providers={"raw": made[form]()})
        vendor.enqueue(chunks("Hel", "lo", reasoning="Hm"), tool_call("look", {"a": 1}), truncated("He"), repeat=2)
        whole = [ask(api, model="raw", tools=TOOLS) for _ in range(3)]
        streamed = []
        for _ in range(3):
            with api.chat.completions.stream(model="raw", messages=JAWS, tools=TOOLS) as stream:
                with contextlib.suppress(openai.LengthFinishReasonError):
                    stream.until_done()
                streamed.append(stream.current_completion_snapshot)
    for said, called, cut_short in (whole, streamed):
        assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("Hello", "stop")
        (call,) = called.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"a": 1})
        assert called.choices[0].finish_reason == "tool_calls"
        assert (cut_short.choices[0].message.content, cut_short.choices[0].finish_reason) == ("He", "length")
        assert not said.choices[0].message.model_extra.keys() & {"state", "items", "final_items"}


def test_a_listed_model_continues_texts(client):
    api = client(providers={"raw": FakeLLM([SAID, SAID])})
    whole = api.completions.create(model="raw", prompt="Once")
    streamed = api.completions.create(model="raw", prompt="Once", stream=True)
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in streamed) == "It swïms 🦈."


def test_a_model_that_only_predicts_is_passed_through_too(client):
    import declarai_like as declarai

    class Echo(declarai.BaseLLM):
        def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
            return declarai.LLMResponse(response="echo")

    declarai.register_llm("echo-passed", Echo)
    api = client(providers={"raw": declarai.Declarai(provider="echo-passed", model="m")})
    assert ask(api, model="raw").choices[0].message.content == "echo"
    assert [chunk.choices[0].text for chunk in api.completions.create(model="raw", prompt="x", stream=True)] == [
        "echo",
        "",
    ]
    assert api.completions.create(model="raw", prompt="x").choices[0].text == "echo"


@pytest.mark.parametrize(
    "options",
    [
        {"tools": "look"},
        {"tools": [1]},
        {"n": 9},
        {"api_key": "mine"},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "user", "content": 5, "message": {}}]},
    ],
    ids=str,
)
def test_what_a_passed_model_does_not_take_is_refused(site, options):
    llm = FakeLLM(["never"])
    served = site(serve.app(providers={"raw": llm}))
    answer = served.post("/v1/chat/completions", {"model": "raw", "messages": JAWS, **options})
    assert (answer.status, llm.requests) == (400, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [("[1]", 422), ("{", 400), ("[" * 100_000, 400), ('{"model": "\\ud800"}', 400), ('{"seed": NaN}', 400)],
)
def test_a_body_that_is_no_object_is_refused(site, body, status):
    assert site(serve.app(tasks=tasks_of(FakeLLM()))).post("/v1/chat/completions", body).status == status

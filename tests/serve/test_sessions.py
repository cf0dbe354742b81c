"""Conversations are kept for those who speak in them; nobody who reads, asks in vain or fails pushes them out."""

import asyncio
import json

import pytest
from serve.clients import Direct

from declarai_like import serve
from declarai_like.errors import ConfigurationError, RateLimited
from declarai_like.memory import FileMessageHistory, SQLiteMessageHistory
from declarai_like.testing import FakeLLM

STRANGERS = 1000


def chat_of(llm, prompt="You are a bot."):
    class Bot:
        __doc__ = prompt

    return llm.chat(Bot)


async def ask(app, method, path, body=b"", **headers):
    client = Direct(app, path, body, headers, method=method)
    await client.task
    return client


async def said(app, session="mine"):
    client = await ask(app, "GET", f"/chats/Bot/{session}")
    assert client.status == 200
    return [message["content"] for message in json.loads(client.body)["messages"]]


@pytest.mark.parametrize(
    "stranger",
    [
        ("GET", "/chats/Bot/{}", b"", 200),
        ("DELETE", "/chats/Bot/{}", b"", 204),
        ("POST", "/chats/Bot/{}/messages", {"message": 1}, 422),
        ("POST", "/chats/Bot/{}/messages", {"message": "a", "values": {"rules": "none"}}, 422),
        ("POST", "/chats/Bot/{}/messages", b"{", 400),
        ("POST", "/chats/Bot/{}/messages", {"message": "the model fails"}, 429),
    ],
    ids=["reads", "deletes", "says nothing", "gives wrong values", "sends no JSON", "asks in vain"],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_strangers_push_no_conversation_out(stranger, streaming):
    method, path, body, status = stranger

    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM(["Hello."] + [RateLimited("busy")] * STRANGERS))], max_sessions=1)
        await ask(app, "POST", "/chats/Bot/mine/messages", {"message": "Hi"})
        headers = {"accept": "text/event-stream"} if streaming else {}
        statuses = {
            (await ask(app, method, path.format(number), body, **headers)).status for number in range(STRANGERS)
        }
        return statuses, await said(app)

    assert asyncio.run(talk()) == ({status}, ["Hi", "Hello."])


def test_those_who_speak_are_kept_the_newest_first():
    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM(["Hello."] * 3))], max_sessions=2)
        for session in "abc":
            await ask(app, "POST", f"/chats/Bot/{session}/messages", {"message": session})
        return [await said(app, session) for session in "abc"]

    assert asyncio.run(talk()) == [[], ["b", "Hello."], ["c", "Hello."]]


def test_a_conversation_that_is_forgotten_begins_anew():
    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM(["Hello."] * 2))])
        for _ in range(2):
            await ask(app, "POST", "/chats/Bot/mine/messages", {"message": "Hi"})
            gone = await ask(app, "DELETE", "/chats/Bot/mine")
        return gone.status, await said(app)

    assert asyncio.run(talk()) == (204, [])


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_reading_what_is_not_there_makes_no_file(kind, tmp_path):
    def memory(name):
        if kind == "file":
            return FileMessageHistory(str(tmp_path / f"{name}.json"))
        return SQLiteMessageHistory(name, path=str(tmp_path / "chats.db"))

    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM())], memory=memory)
        found = [await said(app, str(number)) for number in range(20)]
        return found, [path.name for path in tmp_path.iterdir() if path.suffix == ".json"]

    assert asyncio.run(talk()) == ([[]] * 20, [])


def test_a_turn_that_fails_beside_one_that_does_not_leaves_the_conversation_open():
    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM([RateLimited("busy"), "Hello."]))], max_sessions=1)
        turns = [Direct(app, "/chats/Bot/mine/messages", {"message": "Hi"}) for _ in range(2)]
        await asyncio.gather(*(turn.task for turn in turns))
        return sorted(turn.status for turn in turns), await said(app)

    assert asyncio.run(talk()) == ([200, 429], ["Hi", "Hello."])


@pytest.mark.parametrize(
    ("prompt", "values", "status", "sent"),
    [
        (r"Write fractions as \frac{a}{b}.", {}, 200, r"Write fractions as \frac{a}{b}."),
        (r"Write fractions as \frac{a}{b}.", {"a": 1}, 200, r"Write fractions as \frac1{b}."),
        ("Answer in JSON: {name}", {}, 200, "Answer in JSON: {name}"),
        ("Speak {{ tongue }}.", {"tongue": "Basque"}, 200, "Speak Basque."),
        ("Speak {{ tongue }}.", {}, 422, None),
        ("Speak {{ tongue }}, {{ tongue | default('much') }}.", {}, 422, None),
        ("Speak {{ tongue }} as {name}.", {"tongue": "Basque"}, 200, "Speak Basque as {name}."),
        ("Speak {tongue}.", {"tone": "low"}, 422, None),
    ],
)
def test_literal_braces_are_text_and_only_jinja_needs_its_values(prompt, values, status, sent):
    async def talk():
        llm = FakeLLM(["fine"])
        app = serve.app(chats=[chat_of(llm, prompt)])
        answer = await ask(app, "POST", "/chats/Bot/s/messages", {"message": "Hi", "values": values})
        return answer.status, [request.messages[0].message for request in llm.requests]

    assert asyncio.run(talk()) == (status, [sent] if sent else [])


@pytest.mark.parametrize(("prompt", "status"), [(r"\frac{a}{b}", 200), ("{{ tongue }}", 422)])
def test_as_a_model_it_needs_values_for_jinja_only_too(prompt, status):
    async def talk():
        body = {"model": "Bot", "messages": [{"role": "user", "content": "Hi"}]}
        answer = await ask(serve.app(chats=[chat_of(FakeLLM(["fine"]), prompt)]), "POST", "/v1/chat/completions", body)
        return answer.status

    assert asyncio.run(talk()) == status


def test_the_schema_of_values_tells_those_that_are_needed():
    async def talk():
        chats = {"Tex": chat_of(FakeLLM(), "{a}"), "Dialect": chat_of(FakeLLM(), "{{ b }}")}
        app = serve.app(chats=chats)
        listed, described = await ask(app, "GET", "/chats"), await ask(app, "GET", "/openapi.json")
        paths = json.loads(described.body)["paths"]
        bodies = [paths[f"/chats/{name}/{{session}}/messages"]["post"]["requestBody"] for name in chats]
        schemas = [body["content"]["application/json"]["schema"] for body in bodies]
        return [chat["values"]["required"] for chat in json.loads(listed.body)], [s["required"] for s in schemas]

    assert asyncio.run(talk()) == ([[], ["b"]], [["message"], ["message", "values"]])


def test_a_value_that_the_constructor_or_the_template_has_a_default_for_is_not_needed():
    llm = FakeLLM(["Yes."] * 2)

    @llm.chat
    class Bot:
        """You talk about {{ topic }} in {{ language }}, {{ tone | default("plainly") }}, {{ time | d(time2) }}."""

        time2 = "now"

        def __init__(self, language: str = "English"):
            self.language = language

    async def talk():
        app = serve.app(chats=[Bot])
        (listed,) = json.loads((await ask(app, "GET", "/chats")).body)
        for values in ({"topic": "books"}, {"topic": "books", "language": "French", "tone": "briefly"}):
            client = await ask(app, "POST", "/chats/Bot/mine/messages", {"message": "Hi", "values": values})
            assert client.status == 200
        return listed["values"]

    schema = asyncio.run(talk())
    assert schema["required"] == ["topic"]
    assert schema["properties"] == {"language": {"default": "English"}, "time": {}, "tone": {}, "topic": {}}
    systems = [request.messages[0].message for request in llm.requests]
    assert systems[0] == "You talk about books in English, plainly, now."
    assert systems[1] == "You talk about books in French, briefly, now."


def test_a_chat_whose_constructor_needs_arguments_is_told_when_the_app_is_made():
    llm = FakeLLM()

    @llm.chat
    class Quiz:
        """You rate answers about {country}."""

        def __init__(self, country: str, *more: str, **options: object):
            self.country = country

    with pytest.raises(ConfigurationError, match=r"Quiz is made anew for each conversation, .* needs country"):
        serve.app(chats=[Quiz])

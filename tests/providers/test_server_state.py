"""Conversations that the provider keeps, `state="server"`: what is sent of them, and what happens when it keeps them no more."""

import json
import logging

import pytest
from providers.strict_chats import say, square

import declarai_like as declarai
from declarai_like.errors import BadRequestError, DefinitionError, NotFoundError
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.messages import Message
from declarai_like.middleware import fallback
from declarai_like.testing import FakeLLM, LLMServer, error_reply, reply, tool_call

LOST = "Previous response with id 'resp_1' not found."
NOT_HERE = "'previous_response_id' is not supported here"


@pytest.fixture
def strict():
    with LLMServer(strict=True) as server:
        yield server


def model(server, **options):
    return declarai.openai("gpt-5", base_url=server.base_url, openai_token="k", max_retries=0, **options)


def chat(server, *, tools=(), told=None, **options):
    @model(server, **(told or {})).chat(**{"state": "server", "tools": list(tools), **options})
    class Bot:
        """You answer {name}"""

    return Bot(name="Ada")


def sent(server):
    """Give what each request told: whether it goes on after a reply, and the roles or types of its items."""
    bodies = [request.body for request in server.requests]
    return [
        ("previous_response_id" in body, [item.get("role") or item["type"] for item in body["input"]])
        for body in bodies
    ]


@pytest.mark.parametrize("streams", [False, True])
def test_only_what_is_new_is_sent(way, strict, streams):
    bot = chat(strict, tools=[square])
    strict.enqueue(reply("one", reasoning="Hm"), tool_call("square", {"x": 3}, reasoning="Let me see"), "9", "three")
    assert [say(way, bot, words, streams=streams) for words in ("1?", "3 * 3?", "3?")] == ["one", "9", "three"]
    assert sent(strict) == [
        (False, ["system", "user"]),
        (True, ["user"]),
        (True, ["function_call_output"]),
        (True, ["user"]),
    ]
    assert [request.body["store"] for request in strict.requests] == [True] * 4
    assert all("id" not in item for request in strict.requests for item in request.body["input"])


def test_fork_undo_and_regenerate_go_on_where_they_are(way, strict):
    bot = chat(strict)
    strict.enqueue("one", "two", "another two")
    assert [say(way, bot, words, streams=False) for words in ("1?", "2?")] == ["one", "two"]
    first = strict.requests[1].body["previous_response_id"]
    assert (way.do(bot.aregenerate()) if way.is_async else bot.regenerate()) == "another two"
    fork = bot.fork()
    strict.enqueue("here", "there", "again")
    assert (say(way, bot, "on?", streams=False), say(way, fork, "off?", streams=False)) == ("here", "there")
    told = [request.body.get("previous_response_id") for request in strict.requests]
    assert told[:3] == [None, first, first]
    assert told[3] == told[4] not in {None, first}
    bot.undo()
    bot.undo()
    assert say(way, bot, "again?", streams=False) == "again"
    assert strict.requests[-1].body["previous_response_id"] == first
    assert sent(strict)[-1] == (True, ["user"])


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("status", [400, 404])
def test_reply_that_is_lost_is_told_anew(way, server, caplog, status, streams):
    lost = error_reply(status, LOST, param="previous_response_id", code="previous_response_not_found")
    server.enqueue(reply("one", reasoning="Hm"), lost, "two", "three")
    bot = chat(server)
    with caplog.at_level(logging.WARNING):
        assert [say(way, bot, words, streams=streams) for words in ("1?", "2?", "3?")] == ["one", "two", "three"]
    everything = ["system", "user", "reasoning", "assistant", "user"]
    assert sent(server)[1:] == [(True, ["user"]), (False, everything), (True, ["user"])]
    assert caplog.text.count("keeps the reply resp_") == 1


def test_server_that_keeps_none_is_asked_for_it_once(way, server):
    server.enqueue("one", error_reply(400, NOT_HERE), "two", "three")
    bot = chat(server)
    assert [say(way, bot, words, streams=False) for words in ("1?", "2?", "3?")] == ["one", "two", "three"]
    assert [before for before, _ in sent(server)] == [False, True, False, False]


def test_other_refusals_are_told(way, server):
    bot = chat(server)
    server.enqueue(error_reply(404, LOST))  # where none was named
    with pytest.raises(NotFoundError):
        say(way, bot, "1?", streams=False)
    server.enqueue("one", error_reply(400, "the input is too rude"))
    say(way, bot, "1?", streams=False)
    with pytest.raises(BadRequestError, match="rude"):
        say(way, bot, "2?", streams=False)
    assert server.pending == 0


def test_changed_conversation_is_told_anew(strict):
    bot = chat(strict)
    strict.enqueue("one", "two")
    bot.send("1?")
    bot.name = "Grace"
    assert bot.send("2?") == "two"
    assert sent(strict)[-1] == (False, ["system", "user", "reasoning", "assistant", "user"])


def test_edited_reply_is_no_kept_one(server):
    bot = chat(server)
    server.enqueue("one", "two", "three")
    bot.send("1?")
    asked, said = bot.conversation
    memory = InMemoryMessageHistory()
    memory.add_messages([asked, Message("uno", "assistant", state=said.state)])
    bot.set_memory(memory)
    assert bot.send("2?") == "two"
    assert sent(server)[-1] == (False, ["system", "user", "assistant", "user"])


def test_window_that_cuts_is_kept_to(strict):
    bot = chat(strict, window=1)
    strict.enqueue("one", "two", "three")
    assert [bot.send(words) for words in ("1?", "2?", "3?")] == ["one", "two", "three"]
    assert sent(strict)[1:] == [(True, ["user"]), (False, ["system", "user", "reasoning", "assistant", "user"])]


def test_wrong_answer_is_shown_to_the_reply_that_is_kept(way, strict):
    @model(strict).chat(state="server", retries=1)
    class Rank:
        """You rank"""

        def send(self, message: str) -> int: ...

    bot = Rank()
    strict.enqueue("I do not know", '{"declarai_result": 3}', '{"declarai_result": 4}')
    assert [say(way, bot, words, streams=False) for words in ("1?", "2?")] == [3, 4]
    # The wrong answer is in no history: what comes later goes on before it.
    assert sent(strict) == [
        (False, ["system", "user"]),
        (True, ["user"]),
        (False, ["system", "user", "reasoning", "assistant", "user"]),
    ]


def test_task_with_tools_goes_on_after_its_own_rounds(way, strict):
    @model(strict).task(state="server", tools=[square])
    @way.define
    def count(what: str) -> str:
        """Count it"""

    strict.enqueue(tool_call("square", {"x": 3}), "9")
    assert way.call(count, "3 * 3") == "9"
    assert sent(strict)[1] == (True, ["function_call_output"])


def test_other_service_gets_everything(strict):
    with LLMServer("two", "three") as other:
        bot = chat(strict, middlewares=[fallback(model(other))])
        strict.enqueue("one", error_reply(503, "busy"), "three")
        assert [bot.send(words) for words in ("1?", "2?", "3?")] == ["one", "two", "three"]
        assert "previous_response_id" not in json.dumps(other.requests[0].body)
        assert sent(strict)[-1] == (True, ["user", "assistant", "user"])


def test_what_cannot_be_kept_is_told_at_once(server):
    with pytest.raises(DefinitionError, match="store=False forbids"):
        chat(server, llm_params={"store": False})
    with pytest.raises(DefinitionError, match="store=False forbids"):
        chat(server).send("1?", llm_params={"store": False})
    with pytest.raises(DefinitionError, match="leave out previous_response_id"):
        chat(server, llm_params={"previous_response_id": "r"}).send("1?")
    with pytest.raises(DefinitionError, match="keeps no conversations"):
        chat(server, api="chat").send("1?")
    with pytest.raises(DefinitionError, match="state: expected 'server'"):
        chat(server, state="client")
    with pytest.raises(DefinitionError, match="option of tasks and chats"):
        model(server, state="server")

    @declarai.anthropic("claude", base_url=server.url, api_key="k").chat(state="server")
    class Claude:
        """You answer"""

    with pytest.raises(DefinitionError, match="anthropic keeps no conversations"):
        Claude().send("1?")
    assert server.requests == []


def test_model_of_ones_own_gets_everything():
    llm = FakeLLM(["one", "two"])

    @llm.chat(state="server")
    class Bot:
        """You answer"""

    bot = Bot()
    assert (bot.send("1?"), bot.send("2?")) == ("one", "two")
    assert len(llm.requests[-1].messages) == 4


def test_strict_server_knows_what_it_keeps(strict):
    llm = model(strict, api="responses")
    strict.enqueue("one", "two")
    kept = llm.send("1?", store=True).raw_response["id"]
    unkept = llm.send("2?").raw_response["id"]
    with pytest.raises(BadRequestError, match=f"{unkept}' not found"):
        llm.send("3?", previous_response_id=unkept)
    result = Message("9", "tool", fields={"tool_call_id": "call_7"})
    with pytest.raises(BadRequestError, match="call_id call_7"):
        llm.send([result], previous_response_id=kept)

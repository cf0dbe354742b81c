"""What outlives a turn: the values of its system prompt, its replies without words, its halves of characters."""

import copy
import gc
import json
import os
import signal
import threading

import pytest

import declarai_like as declarai
from declarai_like.errors import DeclaraiError
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.messages import Message
from declarai_like.testing import FakeLLM, bytes_reply, error_reply, stream_reply, text_reply

HELLO = [Message("Hi"), Message("Hello", "assistant")]


@pytest.fixture(autouse=True)
def answering(server):
    def fine(request):
        return stream_reply(["fi", "ne"]) if request.body.get("stream") else text_reply("fine")

    server.default = fine


def say(way, bot, *args, **kwargs):
    return way.do((bot.asend if way.is_async else bot.send)(*args, **kwargs))


def systems(server):
    return [request.body["messages"][0]["content"] for request in server.requests]


@pytest.fixture(params=["You are {name}, {mood}.", "You are {{ name }}, {{ mood }}."])
def actor(request, llm):
    @llm.chat(system=request.param)
    class Actor:
        mood = "calm"

    return Actor


def test_value_holds_until_another_is_given(server, actor, way):
    bot = actor()
    say(way, bot, "a", name="Ada")
    say(way, bot, "b")
    say(way, bot, "c", mood="cross")
    say(way, bot, "d", name="Bob")
    assert systems(server) == ["You are Ada, calm."] * 2 + ["You are Ada, cross.", "You are Bob, cross."]
    assert (bot.system, bot.compile("e")["messages"][0].message) == ("You are Bob, cross.", "You are Bob, cross.")


def test_value_that_is_set_later_has_the_last_word(server, actor):
    bot = actor()
    bot.send("a", name="Ada", mood="cross")
    bot.mood = "glad"
    assert bot.system == "You are Ada, glad."


def test_value_of_a_turn_that_failed_does_not_hold(server, actor, way):
    bot = actor()
    say(way, bot, "a", name="Ada")
    server.enqueue(error_reply(400, "no"))
    with pytest.raises(DeclaraiError):
        say(way, bot, "b", name="Bob")
    assert bot.system == "You are Ada, calm."


def test_value_holds_in_copies_and_not_in_other_instances(server, actor):
    bot, other = actor(), actor(name="Eve")
    bot.send("a", name="Ada")
    fork, twin = bot.fork(), copy.copy(bot)
    fork.send("b", name="Bob")
    assert [chat.system for chat in (fork, twin, bot, other)] == [
        "You are Bob, calm.", "You are Ada, calm.", "You are Ada, calm.", "You are Eve, calm.",
    ]  # fmt: skip


def test_value_holds_with_a_system_prompt_of_the_instance(server, actor):
    bot = actor(system="Be {name}.")
    bot.send("a", name="Ada")
    assert bot.system == "Be Ada."
    bot.system = "{name} sings, {mood}."
    bot.send("b")
    assert systems(server)[-1] == "Ada sings, calm."


def test_value_holds_in_a_stream_and_through_a_send_of_ones_own(server, streaming_llm):
    class Singing(declarai.Chat, llm=streaming_llm):
        """You are {name}."""

        def send(self, message, name=None):
            return super().send(message, **({"name": name} if name else {}))

    bot = Singing()
    list(bot.send("a", name="Ada"))
    list(bot.send("b"))
    with bot.stream("c") as stream:
        stream.until_done()
    assert systems(server) == ["You are Ada."] * 3


def test_value_of_a_property_holds_too(server, llm):
    @llm.chat(system="You are {name}.")
    class Actor:
        @property
        def name(self):
            return f"No{len('body')}"

    bot = Actor()
    assert bot.system == "You are No4."
    bot.send("a", name="Ada")
    assert bot.system == "You are Ada."


def test_turn_is_regenerated_under_its_own_prompt(server, actor, way):
    bot = actor(name="a cow")
    say(way, bot, "x", name="a cat")
    bot.name = "a dog"
    way.do((bot.aregenerate if way.is_async else bot.regenerate)())
    way.do((bot.aregenerate if way.is_async else bot.regenerate)(mood="glad"))
    assert systems(server)[1:] == ["You are a cat, calm.", "You are a cat, glad."]


def test_turn_before_one_that_was_taken_back_has_its_own_prompt(server, actor):
    bot = actor()
    for name in ("Ada", "Bob", "Bob"):
        bot.send("x", name=name)
    bot.undo()
    bot.undo()
    bot.regenerate()
    assert systems(server)[-1] == "You are Ada, calm."


def test_another_memory_knows_nothing_of_the_values(server, actor):
    bot = actor()
    bot.send("x", name="Ada")
    bot.set_memory(InMemoryMessageHistory())
    assert bot.system.startswith("You are {")


def strict(request):
    """Answer as servers do that take no empty reply, and no two messages of one side in a row."""
    messages = [message for message in request.body["messages"] if message["role"] != "system"]
    roles = [message["role"] for message in messages]
    if any(not message["content"].strip() for message in messages) or any(map(str.__eq__, roles, roles[1:])):
        return error_reply(400, "must not be empty")
    return text_reply("fine")


@pytest.mark.parametrize("empty", ["", " \n"])
def test_empty_reply_is_left_out_of_what_is_sent(server, llm, way, empty):
    server.default = strict
    server.enqueue(text_reply(empty, message={"reasoning_content": "Hm."}))

    @llm.chat
    class Bot:
        """You are brief."""

    bot = Bot()
    assert [say(way, bot, message) for message in ("Hi", "And now?", "Still?")] == [empty, "fine", "fine"]
    assert len(server.requests[-1].body["messages"]) == 4
    assert len(bot.compile("More")["messages"]) == 6


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ([Message("Q"), Message("", "assistant")], []),
        ([Message("Q"), Message("", "assistant"), *HELLO], HELLO),
        (
            [*HELLO, Message("Q"), Message("", "assistant", pinned=True)],
            [*HELLO, Message("", "assistant", pinned=True)],
        ),
        ([Message("", "assistant"), *HELLO], HELLO),
        ([HELLO[0], Message("", "assistant"), HELLO[1]], HELLO),
        ([Message("Q", pinned=True), Message("", "assistant")], [Message("Q", pinned=True)]),
        ([HELLO[0], Message("", "assistant", fields={"refusal": "No"})],) * 2,
    ],
)
def test_stores_that_hold_an_empty_reply_work(server, llm, stored, sent):
    @llm.chat(chat_history=lambda: InMemoryMessageHistory(stored))
    class Bot: ...

    Bot().send("Next")
    texts = [message["content"] for message in server.requests[-1].body["messages"]]
    assert texts == [*(message.message for message in sent), "Next"]


HALF = json.dumps(
    {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Nice \ud83d"}}]}
)


def test_half_a_character_of_a_reply_does_not_break_the_chat(server, llm, way):
    @llm.chat
    class Bot:
        """You are brief."""

    bot = Bot()
    server.enqueue(bytes_reply(HALF.encode(), content_type="application/json"))
    say(way, bot, "Hi")
    say(way, bot, "And now?")
    assert server.requests[-1].body["messages"][2]["content"] == "Nice \ufffd"
    assert bot.conversation[1].message == "Nice \ufffd"


def test_half_a_character_that_is_stored_or_said_is_sent_replaced(server, llm, way):
    memory = InMemoryMessageHistory([Message("a\ud83d"), Message("b", "assistant", fields={"name": "\udc00"})])

    @llm.chat(chat_history=memory, system="Be {mood}.")
    class Bot: ...

    say(way, Bot(), "c\ud83d", mood="\ud83d")
    say(way, Bot(mood="\ud83d\ude00"), "d")
    sent = server.requests[-2].body["messages"]
    assert [message["content"] for message in sent] == ["Be \ufffd.", "a\ufffd", "b", "c\ufffd"]
    assert (sent[2]["name"], server.requests[-1].body["messages"][0]["content"]) == ("\ufffd", "Be 😀.")


def test_half_a_character_of_an_argument_is_sent_replaced(server, llm, way):
    def ask(question: str) -> str:
        """Answer {question}"""

    way.call(llm.task(way.define(ask)), "a\ud83d")
    assert "a\ufffd" in server.requests[-1].body["messages"][-1]["content"]
    assert llm.send("a\ud83d").response


def test_abandoned_streams_in_cycles_do_not_stop_the_process():
    llm = FakeLLM(["once upon a time"] * 5_000, max_concurrency=2)

    @llm.task(streaming=True)
    def tale(animal: str) -> str:
        """Tell a tale about {animal}"""

    def read():
        stream = tale("a fox")
        try:
            for _ in stream:
                raise ValueError  # noqa: TRY301 - an error that holds the frame that holds it makes the cycle
        except ValueError as error:
            held = error
            return held is None

    gc.collect()
    with declarai.limits(requests=10**9) as spent:
        for number in range(3_000):
            read()
            if number % 2:
                gc.collect(0)
    assert spent.requests == 3_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_that_was_forked_while_others_call_can_call():
    limited = FakeLLM(["fine"] * 200_000, max_concurrency=2)

    @limited.task
    def ask(question: str) -> str:
        """Answer {question}"""

    @limited.chat(streaming=True)
    class Bot:
        """You chat."""

    bot, stop = Bot(), threading.Event()

    def calling():
        while not stop.is_set():
            list(bot.send("x"))
            ask("x")

    threads = [threading.Thread(target=calling) for _ in range(4)]
    with declarai.limits(requests=10**9):
        for thread in threads:
            thread.start()
        try:
            codes = [_code_of_child(lambda: (ask("x"), list(bot.send("y")))) for _ in range(20)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert codes == [0] * 20


def _code_of_child(work):
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]

"""Classes as chats: what a class says, what is sent for it, and what it remembers."""

import abc
import asyncio
import copy
import dataclasses
import inspect
import pathlib
import pickle
import subprocess
import sys
from functools import partial
from typing import ClassVar, Union

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.chats import Chat, LastTurns, Summarise
from declarai_like.errors import ConfigurationError, DeclaraiError, DefinitionError, HistoryError, OutputError
from declarai_like.memory import FileMessageHistory, InMemoryMessageHistory, SQLiteMessageHistory
from declarai_like.messages import Message, MessageRole
from declarai_like.middleware import TaskMiddleware
from declarai_like.testing import error_reply, stream_reply, text_reply


class Person(BaseModel):
    name: str


def ask(way, bot, *args, **kwargs):
    """Send and give the reply, in the way under test."""
    return way.do((bot.asend if way.is_async else bot.send)(*args, **kwargs))


def sent(server, number=-1):
    """The messages of a request, as (role, text) pairs."""
    return [(message["role"], message["content"]) for message in server.requests[number].body["messages"]]


def told(bot):
    """The conversation as (role, text) pairs."""
    return [(str(message.role), message.message) for message in bot.conversation]


@pytest.fixture
def cook(llm):
    @llm.chat
    class Cook:
        """You are a cook."""

    return Cook


@pytest.fixture
def interpreter(llm):
    @llm.chat
    class Interpreter:
        """You translate into {{ language }}."""

    return Interpreter


# What is sent


def test_docstring_is_the_system_prompt(server, cook, way):
    server.enqueue(text_reply("Boil them."))
    assert ask(way, cook(), "Eggs?") == "Boil them."
    assert sent(server) == [("system", "You are a cook."), ("user", "Eggs?")]


def test_prompt_14_earlier_turns_and_greeting_are_sent_again(server, llm, way):
    @llm.chat
    class Cook:
        """You are a cook. Answer briefly."""

        greeting = "Welcome"

    bot = Cook()
    server.enqueue(text_reply("hi"), text_reply("yes"))
    ask(way, bot, "hello")
    ask(way, bot, message="more")
    assert sent(server) == [
        ("system", "You are a cook. Answer briefly."),
        ("assistant", "Welcome"),
        ("user", "hello"),
        ("assistant", "hi"),
        ("user", "more"),
    ]
    assert told(bot) == [*sent(server)[1:], ("assistant", "yes")]


def test_prompt_15_number_is_asked_for_on_a_line_of_its_own(llm):
    @llm.chat
    class Calculator:
        """You calculate"""

        def send(self, message: str) -> int: ...

    assert Calculator().compile()["messages"][0].message == ("You calculate\nrespond only with the value of type int:")


def test_prompt_16_typed_chat_asks_for_json(llm):
    @llm.chat
    class Lister:
        """You list"""

        def send(self, message: str) -> list[str]: ...

    text = Lister().compile()["messages"][0].message
    assert text.startswith("You list\nYour responses should be a JSON structure with a single key named ")
    assert "'declarai_result', nothing else.\nThe expected format is: {" in text


def test_fault_41_no_empty_system_message_is_sent(server, llm, way):
    @llm.chat
    class Plain: ...

    server.enqueue(text_reply("ok"))
    ask(way, Plain(), "hi")
    assert sent(server) == [("user", "hi")]


def test_prompt_19_added_system_message_is_sent_in_its_place(server, llm, way):
    @llm.chat(greeting="Hello")
    class Cook:
        """You are a cook."""

    bot = Cook()
    bot.add_message("Only say X", role="system")
    server.enqueue(text_reply("X"))
    ask(way, bot, "hi")
    assert sent(server)[1:] == [("assistant", "Hello"), ("system", "Only say X"), ("user", "hi")]


def test_role_may_be_an_enum(cook):
    bot = cook()
    bot.add_message("Peas", MessageRole.assistant)
    assert told(bot) == [("assistant", "Peas")]


def test_unknown_role_is_an_error(cook):
    with pytest.raises(ValueError, match="'chef' is not a valid MessageRole"):
        cook().add_message("Peas", role="chef")


def test_parameters_are_merged_over_the_declared_ones(server, llm, way):
    @llm.chat(llm_params={"temperature": 0.5, "max_tokens": 10})
    class Cook: ...

    server.enqueue(text_reply("ok"))
    ask(way, Cook(), "hi", llm_params={"temperature": 0.1})
    assert {name: server.requests[-1].body[name] for name in ("temperature", "max_tokens")} == {
        "temperature": 0.1,
        "max_tokens": 10,
    }


# The system prompt


def test_constructor_wins_over_decorator_over_attribute_over_docstring(llm):
    class Cook:
        """Docstring"""

    class Attribute(Cook):
        """Docstring"""

        system = "Attribute"

    assert llm.chat(Cook)().system == "Docstring"
    assert llm.chat(Attribute)().system == "Attribute"
    assert llm.chat(Attribute, system="Decorator")().system == "Decorator"
    assert llm.chat(Attribute, system="Decorator")(system="Constructor").system == "Constructor"


def test_system_prompt_is_dedented(llm):
    @llm.chat
    class Cook:
        """
        You are a cook.
          - brief
        """

    assert Cook().system == "You are a cook.\n  - brief"
    assert Cook(system="\n    You fry.\n    Fast.\n").system == "You fry.\nFast."


def test_fault_18_changed_system_is_what_is_sent(server, cook, way):
    bot = cook()
    bot.system = "You fry."
    server.enqueue(text_reply("ok"))
    ask(way, bot, "hi")
    assert sent(server)[0] == ("system", "You fry.")


def test_fault_4_instances_are_independent(server, interpreter, way):
    french, german = interpreter(language="French"), interpreter(language="German")
    server.enqueue(text_reply("oui"), text_reply("ja"))
    ask(way, french, "yes")
    ask(way, german, "yes")
    assert [sent(server, number)[0][1] for number in (0, 1)] == [
        "You translate into French.",
        "You translate into German.",
    ]
    assert told(german) == [("user", "yes"), ("assistant", "ja")]


def test_value_of_an_attribute_fills_the_prompt(llm):
    @llm.chat
    class Cook:
        """You cook {style} for {guests}."""

        style = "fast"

        def __init__(self, guests):
            self.number = guests

        @property
        def guests(self):
            return [self.number]

    bot = Cook(4)
    assert bot.system == "You cook fast for [4]."
    bot.style = "slowly"
    assert bot.system == "You cook slowly for [4]."


def test_value_given_at_construction_is_an_attribute(interpreter):
    bot = interpreter(language="Danish")
    bot.language = bot.language.upper()
    assert bot.compile()["messages"][0].message == "You translate into DANISH."


def test_value_given_to_send_holds_for_the_turns_after_it(server, llm, way):
    @llm.chat
    class Actor:
        """You play {character}."""

    bot = Actor()
    server.enqueue(text_reply("Meow"), text_reply("?"))
    ask(way, bot, character="a cat", message="Go")
    ask(way, bot, "Go on")
    assert [sent(server, number)[0][1] for number in (0, 1)] == ["You play a cat.", "You play a cat."]


def test_missing_value_of_jinja_is_told_and_nothing_is_sent(server, interpreter, way):
    bot = interpreter()
    with pytest.raises(TypeError, match=r"Interpreter \(test_chats.py:\d+\): the system prompt needs 'language'"):
        ask(way, bot, "yes")
    assert (server.requests, bot.conversation) == ([], [])
    assert bot.system == bot.compile()["messages"][0].message == "You translate into {{ language }}."


def test_template_that_fails_for_another_reason_says_so(llm):
    @llm.chat
    class Cook:
        """{{ number + 1 }}"""

    with pytest.raises(DeclaraiError, match="cannot be rendered"):
        Cook(number="x").send("hi")


@pytest.mark.parametrize("method", ["send", "asend", "stream", "astream", "compile"])
def test_fault_7_unknown_value_is_refused_and_nothing_is_sent(server, interpreter, method):
    bot = interpreter(language="Danish")
    with pytest.raises(TypeError, match=r"Interpreter.*unexpected keyword argument 'lang'; .* asks for: language"):
        getattr(bot, method)("yes", lang="German")
    assert (server.requests, bot.conversation) == ([], [])


@pytest.mark.parametrize("method", ["regenerate", "aregenerate"])
def test_unknown_value_is_refused_when_asking_again(cook, method):
    with pytest.raises(TypeError, match="unexpected keyword argument 'stile'"):
        getattr(cook(), method)(stile="fast")


def test_unknown_value_at_construction_is_refused(cook):
    with pytest.raises(TypeError, match=r"Cook\(\) got an unexpected keyword argument 'stile'; .* asks for: nothing"):
        cook(stile="fast")


def test_prompt_of_an_instance_has_places_of_its_own(cook):
    assert cook(system="You fry {what}.", what="eggs").system == "You fry eggs."


def test_values_are_never_rendered(interpreter):
    assert interpreter(language="{{ 7 * 7 }} {language}").system == "You translate into {{ 7 * 7 }} {language}."


def test_braces_that_are_no_places_stay(llm):
    @llm.chat
    class Cook:
        """Answer as {"a": 1}; {send} and {message} and {conversation} and {helper} are words."""

        def helper(self): ...

    assert Cook().system == inspect.getdoc(Cook)


@pytest.mark.parametrize("name", ["message", "conversation", "llm_params"])
def test_jinja_cannot_ask_for_a_name_of_the_chat(llm, name):
    class Cook: ...

    with pytest.raises(DefinitionError, match=f"the template uses '{name}'"):
        llm.chat(Cook, system=f"{{{{{name}}}}}")


def test_wrong_jinja_is_told_where_it_is_declared(llm):
    with pytest.raises(DefinitionError, match=r"Cook \(test_chats.py:\d+\): line 1 of the template is wrong"):

        @llm.chat
        class Cook:
            """{% if %}{% endif %}"""


def test_system_that_is_no_text_is_refused(llm):
    class Cook:
        @property
        def system(self):
            return "You cook"

    with pytest.raises(DefinitionError, match="expected system to be a text"):
        llm.chat(Cook)


# The greeting and the conversation


def test_greeting_may_be_told_everywhere(llm):
    class Cook:
        greeting = "Attribute"

    assert llm.chat(Cook)().greeting == llm.chat(Cook).greeting == "Attribute"
    assert llm.chat(Cook, greeting="Decorator")().greeting == "Decorator"
    assert llm.chat(Cook, greeting="Decorator")(greeting="Constructor").greeting == "Constructor"


def test_chat_without_a_greeting_has_none(cook):
    assert (cook.greeting, cook().greeting) == (None, None)


def test_greeting_can_be_changed_and_taken_away(cook):
    bot = cook(greeting="Hello")
    bot.greeting = "Hi"
    assert told(bot) == [("assistant", "Hi")]
    bot.greeting = None
    assert bot.greeting is None
    assert bot.conversation == []


def test_greeting_is_not_added_to_a_conversation_that_goes_on(server, cook, way):
    bot = cook(greeting="Hello", chat_history=InMemoryMessageHistory([Message("hi"), Message("yes?", "assistant")]))
    server.enqueue(text_reply("ok"))
    ask(way, bot, "Eggs")
    assert told(bot) == [("user", "hi"), ("assistant", "yes?"), ("user", "Eggs"), ("assistant", "ok")]


def test_compile_has_the_documented_shape(llm):
    @llm.chat(greeting="Hello")
    class Cook:
        """You are a cook."""

    assert repr(Cook().compile()) == "{'messages': [system: You are a cook., assistant: Hello]}"
    assert repr(Cook().compile("Eggs?")["messages"][-1]) == "user: Eggs?"


def test_compile_leaves_out_what_the_window_does(cook):
    history = InMemoryMessageHistory([Message("a"), Message("b", "assistant"), Message("c")])
    assert repr(cook(chat_history=history, window=1).compile("d")["messages"][1:]) == "[user: c, user: d]"


def test_compile_asks_no_model_for_a_summary(server, llm, cook):
    @llm.task
    def summarise(text: str) -> str:
        """Summarise"""

    history = InMemoryMessageHistory([Message("a"), Message("b")])
    bot = cook(chat_history=history, window=Summarise(summarise, turns=1))
    assert repr(bot.compile()["messages"][1:]) == "[user: a, user: b]"
    assert server.requests == []


def test_fault_17_conversation_is_a_copy(server, cook, way):
    bot = cook()
    server.enqueue(text_reply("ok"))
    ask(way, bot, "hi")
    bot.conversation.clear()
    assert len(bot.conversation) == 2


# Memory


def test_fault_55_empty_history_with_a_length_is_used(cook):
    class Listed(list):
        history = property(list)
        add_message = list.append

    history = Listed()
    cook(chat_history=history).add_message("hi")
    assert len(history) == 1


def test_history_object_of_the_decorator_is_shared(llm):
    @llm.chat(chat_history=InMemoryMessageHistory())
    class Cook: ...

    Cook().add_message("hi")
    assert told(Cook()) == [("user", "hi")]


@pytest.mark.parametrize("make", [InMemoryMessageHistory, partial(InMemoryMessageHistory, ())])
def test_history_class_or_function_of_the_decorator_is_called_for_each_instance(llm, make):
    @llm.chat(chat_history=make)
    class Cook: ...

    Cook().add_message("hi")
    assert Cook().conversation == []


def test_history_that_is_none_is_refused_where_it_is_declared(llm):
    class Cook: ...

    with pytest.raises(ConfigurationError, match="chat_history must be a memory"):
        llm.chat(Cook, chat_history="history.json")


def test_declared_history_is_not_opened_beside_a_given_one(llm):
    @llm.chat(chat_history=lambda: pytest.fail("opened"))
    class Cook: ...

    assert Cook(chat_history=InMemoryMessageHistory()).conversation == []


def test_conversation_goes_on_in_another_instance(server, cook, tmp_path, way):
    path = tmp_path / "chats.db"
    server.enqueue(text_reply("one"), text_reply("two"))
    ask(way, cook(chat_history=SQLiteMessageHistory("s", path=path)), "1")
    ask(way, cook(chat_history=SQLiteMessageHistory("s", path=path)), "2")
    assert sent(server)[1:] == [("user", "1"), ("assistant", "one"), ("user", "2")]


def test_set_memory_goes_on_elsewhere(cook):
    bot = cook()
    bot.add_message("here")
    bot.set_memory(InMemoryMessageHistory([Message("there")]))
    assert told(bot) == [("user", "there")]


# What a reply is


def test_typed_reply_under_any_parameter_name(server, llm, way):
    @llm.chat
    class Planner:
        """You plan"""

        def send(self, operation: str) -> list[str]:
            """:return steps: the steps to take"""

    server.enqueue(text_reply('{"steps": ["a", "b"]}'), repeat=2)
    assert ask(way, Planner(), operation="go") == ask(way, Planner(), message="go") == ["a", "b"]


@pytest.mark.parametrize(
    ("reply", "value"),
    [("4", 4), ('{"declarai_result": 4}', 4), ('{"declarai_result": "four"}', "four")],
)
def test_fault_14_union_keeps_its_types(server, llm, way, reply, value):
    @llm.chat
    class Calculator:
        """You calculate"""

        def send(self, message: str) -> Union[str, int]: ...  # noqa: UP007 - as declarai documents it

    server.enqueue(text_reply(reply))
    assert ask(way, Calculator(), "2 + 2") == value


def test_reply_may_be_a_model(server, llm, way):
    @llm.chat
    class Registrar:
        """You register"""

        def send(self, message: str) -> Person: ...

    server.enqueue(text_reply('{"name": "Ada"}'))
    assert ask(way, Registrar(), "Ada") == Person(name="Ada")


def test_asking_again_does_not_pollute_the_history(server, llm, way):
    @llm.chat(retries=1)
    class Calculator:
        """You calculate"""

        def send(self, message: str) -> int: ...

    bot = Calculator()
    server.enqueue(text_reply("four"), text_reply("4"))
    assert ask(way, bot, "2 + 2") == 4
    assert len(server.requests[-1].body["messages"]) == 4
    assert told(bot) == [("user", "2 + 2"), ("assistant", "4")]


def test_reply_that_calls_a_tool_which_nobody_runs_is_no_turn(server, cook, way):
    call = {"id": "c1", "type": "function", "function": {"name": "boil", "arguments": "{}"}}
    bot = cook()
    server.enqueue(text_reply("", message={"tool_calls": [call]}), text_reply("ok"))
    with pytest.raises(OutputError, match="a call of boil, which nobody runs"):
        ask(way, bot, "Eggs")
    ask(way, bot, "Done?")
    assert [message["role"] for message in server.requests[-1].body["messages"]] == ["system", "user"]


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("a", "b"), {}), (("a",), {"message": "b"})])
def test_send_takes_one_message(cook, args, kwargs):
    with pytest.raises(TypeError, match=r"Cook.send\(\) takes one message, \d were given"):
        cook().send(*args, **kwargs)


def test_message_is_a_text(cook):
    with pytest.raises(TypeError, match=r"takes a text as its message, got 4"):
        cook().send(4)


def test_stub_with_other_parameters_is_refused(llm):
    with pytest.raises(DefinitionError, match=r"send \(test_chats.py:\d+\): send takes one message"):

        @llm.chat
        class Cook:
            def send(self, message: str, style: str) -> str: ...


def test_stub_may_name_the_values_of_the_prompt_as_keywords(llm):
    @llm.chat
    class Cook:
        """{style}"""

        def send(self, message: str, **values: str) -> int: ...

    assert "int" in Cook().compile()["messages"][0].message


# The ways to send


def test_async_def_send_is_awaited(server, llm):
    @llm.chat
    class Calculator:
        """You calculate"""

        async def send(self, message: str) -> int: ...

    server.enqueue(text_reply("4"), text_reply("5"))
    bot = Calculator()
    assert asyncio.run(bot.send("2 + 2")) == 4
    assert asyncio.run(bot.regenerate()) == 5


def test_async_def_send_of_a_streaming_chat_is_an_async_generator(server, streaming_llm):
    @streaming_llm.chat
    class Cook:
        async def send(self, message: str) -> str: ...

    async def talking():
        return [response.content async for response in Cook().send("hi")]

    server.enqueue(stream_reply(["He", "llo"]))
    assert asyncio.run(talking()) == ["", "He", "llo", ""]


def test_streaming_chat_gives_responses_and_stores_the_turn_at_the_end(server, llm, way):
    @llm.chat(streaming=True)
    class Cook: ...

    bot = Cook()
    server.enqueue(stream_reply(["He", "llo"]))
    responses = way.collect(bot.asend("hi") if way.is_async else bot.send("hi"))
    assert [response.response for response in responses] == ["", "He", "Hello", "Hello"]
    assert told(bot) == [("user", "hi"), ("assistant", "Hello")]


def test_send_of_a_streaming_chat_is_a_generator(streaming_llm):
    @streaming_llm.chat
    class Cook: ...

    assert inspect.isgenerator(Cook().send("hi"))


def test_streaming_can_be_switched_off(server, streaming_llm):
    @streaming_llm.chat(streaming=False)
    class Cook: ...

    server.enqueue(text_reply("ok"))
    assert Cook().send("hi") == "ok"


def test_typed_stream_gives_partial_values(server, llm, way):
    @llm.chat(streaming=True)
    class Lister:
        def send(self, message: str) -> list[str]: ...

    bot = Lister()
    server.enqueue(stream_reply(['{"declarai_result": ["a"', ', "b"]}']))
    responses = way.collect(bot.asend("go") if way.is_async else bot.send("go"))
    assert [response.parsed for response in responses][-3:] == [["a"], ["a", "b"], ["a", "b"]]


def test_stream_gives_events(server, cook, way):
    bot = cook()
    server.enqueue(stream_reply(["He", "llo"]))
    events = way.events(bot.astream("hi") if way.is_async else bot.stream(message="hi"))
    assert "".join(event.delta for event in events if event.type == "content.delta") == "Hello"
    assert told(bot) == [("user", "hi"), ("assistant", "Hello")]


def test_stream_of_an_async_chat_is_asynchronous(server, llm):
    @llm.chat
    class Cook:
        async def send(self, message: str) -> str: ...

    async def talking():
        async with Cook().stream("hi") as stream:
            return await stream.result()

    server.enqueue(stream_reply(["He", "llo"]))
    assert asyncio.run(talking()) == "Hello"


def test_llm_response_is_the_answer_of_the_last_turn(server, cook, way):
    bot = cook()
    assert bot.llm_response is None
    server.enqueue(text_reply("ok", usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}))
    ask(way, bot, "hi")
    assert (bot.llm_response.response, bot.llm_response.total_tokens) == ("ok", 6)


def test_middlewares_run_on_each_send(server, llm, way):
    seen = []

    class Noting(TaskMiddleware):
        def after(self, task):
            seen.append((task.__name__, task.llm_response.response, self._kwargs))

    @llm.chat(middlewares=[Noting])
    class Cook: ...

    bot = Cook()
    server.enqueue(text_reply("1"), text_reply("2"))
    ask(way, bot, "a")
    ask(way, bot, "b")
    assert seen == [("Cook", "1", {"message": "a"}), ("Cook", "2", {"message": "b"})]


# undo, regenerate, fork


def test_undo_takes_back_the_last_turn(server, cook, way):
    bot = cook(greeting="Hello")
    server.enqueue(text_reply("1"), text_reply("2"))
    ask(way, bot, "a")
    ask(way, bot, "b")
    assert repr(bot.undo()) == "(user: b, assistant: 2)"
    assert told(bot) == [("assistant", "Hello"), ("user", "a"), ("assistant", "1")]


def test_undo_keeps_what_is_pinned(cook):
    bot = cook()
    for text, role in (("a", "user"), ("1", "assistant"), ("Be brief", "system")):
        bot.add_message(text, role)
    assert repr(bot.undo()) == "(user: a, assistant: 1)"
    assert told(bot) == [("system", "Be brief")]


@pytest.mark.parametrize("greeting", [None, "Hello"])
def test_without_a_turn_there_is_nothing_to_take_back(server, cook, greeting):
    bot = cook(greeting=greeting)
    if greeting:
        bot.set_memory(InMemoryMessageHistory([Message(greeting, "assistant")]))
    with pytest.raises(HistoryError, match="nothing has been said yet"):
        bot.undo()
    with pytest.raises(HistoryError, match="nothing has been said yet"):
        bot.regenerate()
    assert server.requests == []


def test_regenerate_asks_for_another_reply(server, cook, way):
    bot = cook(greeting="Hello")
    server.enqueue(text_reply("1"), text_reply("2"), text_reply("3"))
    ask(way, bot, "a")
    ask(way, bot, "b")
    assert way.do((bot.aregenerate if way.is_async else bot.regenerate)(llm_params={"temperature": 1})) == "3"
    assert sent(server, 1) == sent(server, 2)
    assert server.requests[-1].body["temperature"] == 1
    assert told(bot)[-2:] == [("user", "b"), ("assistant", "3")]
    assert len(bot.conversation) == 5


def test_regenerate_that_fails_keeps_the_old_reply(server, cook):
    bot = cook()
    server.enqueue(text_reply("1"), error_reply(400))
    bot.send("a")
    with pytest.raises(DeclaraiError):
        bot.regenerate()
    assert told(bot) == [("user", "a"), ("assistant", "1")]


def test_fork_goes_its_own_way(server, llm):
    @llm.chat
    class Cook:
        """You cook {style}"""

        greeting = "Hello"

    bot = Cook(style="fast", window=3)
    server.enqueue(text_reply("1"), text_reply("2"))
    bot.send("a")
    other = bot.fork()
    other.style = "slowly"
    other.send("b")
    assert (len(bot.conversation), len(other.conversation)) == (3, 5)
    assert (bot.system, other.system) == ("You cook fast", "You cook slowly")
    assert isinstance(other, Cook)


# A real class


def test_fault_40_chat_is_a_subclass_of_the_users_class(server, llm):
    class Base:
        kind = "base"

        def describe(self):
            return f"{type(self).__name__}, {self.kind}"

    @llm.chat
    class Bot(Base):
        """You help"""

        made = 0

        def __init__(self, name, *, loud=False):
            self.name = name
            self.loud = loud

        def __str__(self):
            return self.name

        @property
        def upper(self):
            return self.name.upper()

        @classmethod
        def of(cls, name):
            return cls(name)

        @staticmethod
        def twice(number):
            return 2 * number

        def politely(self, message):
            return self.send(f"{message}, please") + "!"

        @llm.task
        def urgency(self, message: str) -> int:
            """Rank the urgency"""

    bot = Bot.of("bob")
    server.enqueue(text_reply("ok"), text_reply("3"))
    assert (str(bot), bot.upper, bot.twice(2), bot.describe(), bot.made) == ("bob", "BOB", 4, "Bot, base", 0)
    assert (bot.politely("Go"), bot.urgency("now")) == ("ok!", 3)
    assert (Bot.__doc__, Bot.__name__, bot.__name__, Bot.__module__) == ("You help", "Bot", "Bot", __name__)
    assert isinstance(bot, (Base, Chat))
    assert issubclass(Bot, Base)
    assert str(inspect.signature(Bot)) == "(name, *, loud=False)"


def test_own_constructor_leaves_the_chats_arguments_to_the_chat(llm):
    @llm.chat
    class Bot:
        """You are {name}, {mood}."""

        def __init__(self, name, window=None):
            self.name = name
            self.own_window = window

    history = InMemoryMessageHistory()
    bot = Bot("bob", mood="happy", window="mine", chat_history=history, greeting="Hi", keep_partial=True)
    assert (bot.system, bot.own_window, bot.greeting) == ("You are bob, happy.", "mine", "Hi")
    bot.add_message("x")
    assert len(history.history) == 2
    with pytest.raises(TypeError, match="mut"):
        Bot("bob", mut="happy")


def test_own_constructor_may_take_a_system_of_its_own(llm):
    @llm.chat
    class Pilot:
        """You fly the {craft}."""

        def __init__(self, system):
            self.craft = system["craft"]

    assert Pilot(system={"craft": "X-15"}).system == "You fly the X-15."


def test_prompt_given_to_a_class_with_a_constructor_has_places_of_its_own(llm):
    @llm.chat
    class Pilot:
        def __init__(self, craft):
            self.craft = craft

    assert Pilot("X-15", system="Fly the {craft} {where}.", where="home").system == "Fly the X-15 home."


def test_own_constructor_may_call_the_chats(llm):
    class Bot(Chat, llm=llm):
        """You are {name}."""

        def __init__(self, name, **rest):
            super().__init__(name=name.title(), **rest)

    class Named(Bot):
        """Hello, {title}{name}."""

        def __init__(self, **rest):
            self.seen = rest
            super().__init__("ada", **rest)

    bot = Named(title="Dr ", chat_history=InMemoryMessageHistory([Message("x")]))
    assert (bot.system, told(bot), bot.seen) == ("Hello, Dr Ada.", [("user", "x")], {"title": "Dr "})


def test_parents_value_is_taken_though_the_prompt_has_changed(llm):
    class Bot(Chat, llm=llm):
        """You are {name}."""

    class Silent(Bot):
        """Say nothing."""

    assert Silent(name="ada").name == "ada"


def test_signature_of_a_chat_without_a_constructor_is_the_chats(cook):
    assert list(inspect.signature(cook).parameters)[:2] == ["chat_history", "greeting"]


def test_send_keeps_the_signature_of_its_stub(llm):
    @llm.chat
    class Bot:
        def send(self, operation: str) -> int:
            """Say what to do."""

    assert str(inspect.signature(Bot().send)) == "(operation: str) -> int"
    assert Bot.send.__doc__ == "Say what to do."


def test_slots(llm):
    @llm.chat
    class Bot:
        """{name}"""

        __slots__ = ("name",)

        def __init__(self, name):
            self.name = name

    assert Bot("ada").system == "ada"


def test_dataclass_under_the_decorator(llm):
    @llm.chat
    @dataclasses.dataclass(frozen=True)
    class Bot:
        style: str = "fast"
        system = "You cook {style}"

    assert (Bot().system, Bot("slow").system) == ("You cook fast", "You cook slow")
    assert Bot(chat_history=InMemoryMessageHistory([Message("x")])).conversation == [Message("x")]


def test_docstring_that_a_dataclass_writes_is_no_prompt(llm):
    @llm.chat
    @dataclasses.dataclass
    class Bot:
        style: str = "fast"

    assert Bot().system == ""


@pytest.mark.parametrize("slots", [False, True])
def test_dataclass_that_is_a_chat(llm, slots):
    @dataclasses.dataclass(slots=slots)
    class Bot(Chat, llm=llm):
        """You cook {style}"""

        style: str
        greeting: str = "Hello"

    bot = Bot("fast", chat_history=InMemoryMessageHistory())
    assert (bot.system, told(bot), Bot("x", "Hi").greeting) == ("You cook fast", [("assistant", "Hello")], "Hi")


def test_slotted_dataclass_with_a_greeting_under_the_decorator(llm):
    @llm.chat
    @dataclasses.dataclass(slots=True)
    class Bot:
        """You cook"""

        greeting: str = "Hello"

    assert told(Bot()) == [("assistant", "Hello")]


def test_abstract_classes(llm):
    class Base(abc.ABC):
        @abc.abstractmethod
        def name(self): ...

        @abc.abstractmethod
        def send(self, message: str) -> int: ...

    @llm.chat
    class Bot(Base):
        """You count"""

        def name(self): ...

        def send(self, message: str) -> int: ...

    @llm.chat
    class Unfinished(Base): ...

    assert "int" in Bot().compile()["messages"][0].message
    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_class_with_a_metaclass_and_bases_that_know_nothing_of_chats(llm):
    class Meta(type):
        def __new__(mcs, name, bases, members):
            return super().__new__(mcs, name, bases, members)

    class Registered:
        names: ClassVar = []

        def __init_subclass__(cls):
            cls.names.append(cls.__name__)

    @llm.chat(greeting="Hello")
    class Bot(Registered, metaclass=Meta):
        """You help"""

    assert (Bot().system, Bot().greeting, Bot.names) == ("You help", "Hello", ["Bot", "Bot"])


llm_of_this_module = declarai.openai(model="m", openai_token="sk-test")


@llm_of_this_module.chat
class Picklable:
    """You cook {style}"""

    greeting = "Hello"

    def send(self, message: str) -> list[str]: ...


def test_class_is_pickled_by_reference():
    assert pickle.loads(pickle.dumps(Picklable)) is Picklable  # noqa: S301 - our own data


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("store", ["in memory", "file", "sqlite"])
def test_instance_is_pickled_with_its_conversation(tmp_path, store, protocol):
    stores = {
        "in memory": InMemoryMessageHistory,
        "file": lambda: FileMessageHistory(tmp_path / "chat.json"),
        "sqlite": lambda: SQLiteMessageHistory("s", path=tmp_path / "chat.db"),
    }
    bot = Picklable(style="fast", chat_history=stores[store](), window=LastTurns(2))
    bot.add_message("x")
    loaded = pickle.loads(pickle.dumps(bot, protocol))  # noqa: S301 - our own data
    assert (type(loaded), loaded.system, told(loaded)) == (Picklable, "You cook fast", told(bot))
    assert loaded.llm_response is None


def test_deep_copy_is_a_conversation_of_its_own():
    bot = Picklable(style="fast")
    copy.deepcopy(bot).add_message("x")
    assert told(bot) == [("assistant", "Hello")]


# Subclasses


def test_subclass_inherits_and_overrides(server, llm):
    @llm.chat(llm_params={"seed": 1, "stop": "a"}, keep_partial=True, window=3)
    class Clerk:
        """You are a clerk."""

        greeting = "Hello"

        def send(self, message: str) -> list[str]: ...

    class Senior(Clerk, llm_params={"seed": 2}):
        """You are a senior clerk."""

        def send(self, message: str) -> int: ...

    class Head(Senior, greeting="Yes?"): ...

    server.enqueue(text_reply("4"), text_reply('{"declarai_result": ["a"]}'))
    assert (Head().send("hi"), Clerk().send("hi")) == (4, ["a"])
    assert (Head().system, Head().greeting, Senior().greeting) == ("You are a senior clerk.", "Yes?", "Hello")
    assert [(server.requests[n].body["seed"], server.requests[n].body["stop"]) for n in (0, 1)] == [(2, "a"), (1, "a")]
    assert isinstance(Head(), Clerk)


def test_subclass_may_ask_another_model(server, openai):
    class Clerk(Chat, llm=openai(model="small"), retries=1, max_retries=1):
        def send(self, message: str) -> int: ...

    class Senior(Clerk, llm=openai(model="large")): ...

    server.enqueue(text_reply("four"), text_reply("4"))
    assert Senior().send("2 + 2") == 4
    assert server.requests[-1].body["model"] == "large"


def test_decorator_on_a_chat_makes_a_chat_that_asks_elsewhere(server, llm, openai):
    class Clerk(Chat, llm=llm):
        """You are a clerk."""

    @openai(model="large").chat
    class Senior(Clerk): ...

    server.enqueue(text_reply("ok"))
    assert Senior().send("hi") == "ok"
    assert (server.requests[-1].body["model"], sent(server)[0][1]) == ("large", "You are a clerk.")


def test_abstract_chat_without_a_model_gives_its_options_to_its_children(server, llm):
    class Polite(Chat, llm_params={"seed": 7}, system="Be polite."): ...

    class Bot(Polite, llm=llm): ...

    server.enqueue(text_reply("ok"))
    Bot().send("hi")
    assert server.requests[-1].body["seed"] == 7
    with pytest.raises(DefinitionError, match=r"Polite \(test_chats.py:\d+\): there is no model to ask"):
        Polite()


def test_unknown_option_is_refused_even_without_a_model():
    with pytest.raises(DefinitionError, match="unknown option 'retires'"):

        class Bot(Chat, retires=2): ...


def test_llm_that_is_no_model_is_refused():
    with pytest.raises(DefinitionError, match=r"Bot \(test_chats.py:\d+\): expected llm= to be a model"):

        class Bot(Chat, llm="gpt-4"): ...


def test_only_classes_become_chats(llm):
    with pytest.raises(DefinitionError, match="expected a class to make a chat of"):
        llm.chat(len)


def test_class_made_elsewhere_is_named_without_a_place(llm):
    made = type("Bot", (), {"__module__": "elsewhere", "system": "{{ x }}"})
    with pytest.raises(TypeError, match=r"^Bot: the system prompt needs 'x'"):
        llm.chat(made)().send("hi")


@pytest.mark.parametrize(
    "decorate",
    [
        lambda llm: llm.chat,
        lambda llm: llm.chat(),
        lambda llm: llm.experimental.chat,
        lambda llm: llm.experimental.chat(greeting="Hi"),
    ],
)
def test_decorator_works_bare_and_with_arguments(llm, decorate):
    class Cook:
        """You are a cook."""

    assert decorate(llm)(Cook)().system == "You are a cook."


def test_send_with_a_body_is_the_users(server, llm):
    @llm.chat
    class Shouting:
        def send(self, message):
            return super().send(message.upper())

    class Counting(Shouting):
        def send(self, message: str) -> int: ...

    server.enqueue(text_reply("ok"), text_reply("4"))
    assert (Shouting().send("hi"), Counting().send("hi")) == ("ok", 4)
    assert [sent(server, number)[-1][1] for number in (0, 1)] == ["HI", "HI"]


def test_async_send_with_a_body_awaits_the_chats(server, llm):
    @llm.chat
    class Shouting:
        async def send(self, message):
            return (await super().send(message.upper())).lower()

    server.enqueue(text_reply("OK"))
    assert asyncio.run(Shouting().send("hi")) == "ok"


def returns_text(self, message):
    return "hi"


def returns_message(self, message):
    return message


def raises_another(self, message):
    raise ValueError


@pytest.mark.parametrize("send", [returns_text, returns_message, raises_another])
def test_body_without_names_is_a_body(llm, send):
    made = llm.chat(type("Bot", (), {"send": send}))
    assert made.send is send


def not_implemented(self, message: str) -> int:
    raise NotImplementedError


def only_a_docstring(self, message: str) -> int:
    """Say something"""


def with_magic(self, message: str) -> int:
    return declarai.magic(message)


async def awaited(self, message: str) -> int:
    raise NotImplementedError


@pytest.mark.parametrize("send", [not_implemented, only_a_docstring, with_magic, awaited])
def test_empty_body_only_tells_the_type(server, llm, send):
    made = llm.chat(type("Bot", (), {"send": send}))
    server.enqueue(text_reply("4"))
    assert asyncio.run(made().asend("2 + 2")) == 4


def test_send_that_is_no_method_is_left_alone(llm):
    class Bot:
        send = staticmethod(str.upper)

    assert llm.chat(Bot)().send("hi") == "HI"


# The example


@pytest.mark.local_model
def test_example_remembers_across_two_runs(tmp_path):
    example = pathlib.Path(__file__).parents[1] / "examples" / "sql_bot.py"
    command = [sys.executable, str(example), str(tmp_path / "chat.db")]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]  # noqa: S603 - our own example
    first, second = (run.partition("--- now\n") for run in runs)
    assert "0 questions are remembered" in first[0]
    assert "1 questions are remembered" in second[0]
    assert first[2].partition("\n---")[0] in second[0]
    assert "5 messages are stored" in second[2]


@pytest.mark.parametrize("kind", ["attribute", "annotation", "argument"])
def test_name_in_a_prompt_that_is_one_letter_beside_one_of_the_class_is_warned_of(llm, kind):
    def make():
        class Critic(Chat, llm=llm):
            """You have seen {moive}."""

            if kind == "attribute":
                movie = "Alien"
            elif kind == "annotation":
                movie: str
            else:

                def __init__(self, movie):
                    self.movie = movie

        return Critic

    with pytest.warns(UserWarning, match=r"\{moive\} is sent as it stands: did you mean \{movie\}"):
        make()


def test_names_of_the_class_that_are_spelled_right_are_not_warned_of(llm):
    class Critic(Chat, llm=llm):
        """You have seen {movie}, and {move} on."""

        movie = "Alien"

    assert Critic().system == "You have seen Alien, and {move} on."

"""Greetings that are filled, and calls on the class."""

from __future__ import annotations

import pytest

from declarai_like.errors import ConfigurationError, DefinitionError
from declarai_like.testing import FakeLLM


@pytest.mark.parametrize("text", ["Hello, I am {character}, {not this}", "Hello, I am {{ character }}, {not this}"])
@pytest.mark.parametrize("place", ["attribute", "decorator", "constructor"])
def test_a_greeting_is_filled(text, place):
    llm = FakeLLM(["hi"])
    members = {"__doc__": "You chat.", **({"greeting": text} if place == "attribute" else {})}
    options = {"greeting": text} if place == "decorator" else {}
    given = {"greeting": text} if place == "constructor" else {}
    bot = llm.chat(**options)(type("Bot", (), members))(character="a cow", **given)
    assert bot.greeting == "Hello, I am a cow, {not this}"
    bot.send("x")
    assert llm.requests[0].messages[1].message == "Hello, I am a cow, {not this}"
    assert bot.conversation[0].message == "Hello, I am a cow, {not this}"


def test_a_value_that_neither_prompt_nor_greeting_asks_for_is_refused():
    bot = FakeLLM().chat(type("Bot", (), {"__doc__": "You chat."}))
    with pytest.raises(TypeError, match="unexpected keyword argument 'tone'"):
        bot(greeting="I am {character}", character="a cow", tone="warm")


def test_a_system_prompt_is_filled_with_paths_and_attributes():
    @FakeLLM().chat
    class Bot:
        """You play {role.name}, {self.tone}, {level:.1f}"""

        tone = "warm"

    bot = Bot(role={"name": "a cow"}, level=2)
    assert bot.system == "You play a cow, warm, 2.0"


@pytest.mark.parametrize("method", ["send", "asend", "stream", "astream", "compile"])
def test_a_method_on_the_class_says_what_to_do(method):
    bot = FakeLLM().chat(type("Bot", (), {"__doc__": "You chat."}))
    with pytest.raises(DefinitionError, match=rf"{method}\(\) was called on the class"):
        getattr(bot, method)("x")


def test_a_path_as_history_says_what_to_write():
    bot = FakeLLM().chat(type("Bot", (), {"__doc__": "You chat."}))
    with pytest.raises(ConfigurationError, match=r"got the path 'chat.db': write FileMessageHistory\(path\)"):
        bot(chat_history="chat.db")

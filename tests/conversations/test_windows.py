"""What is sent of a long conversation."""

from dataclasses import dataclass

import pytest

from declarai_like._conversations.windows import window_of
from declarai_like._prompting.tokens import count_tokens
from declarai_like.chats import LastTurns, Summarise, TokenBudget
from declarai_like.errors import DefinitionError, ProviderError
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.messages import Message
from declarai_like.testing import error_reply, stream_reply, text_reply

HISTORY = [
    Message("Hello", "assistant"),
    *(Message(text, role) for number in "123" for text, role in ((f"q{number}", "user"), (f"a{number}", "assistant"))),
]


def chosen(window, history, rest=()):
    """The texts that a window chooses, without asking anybody."""
    with pytest.raises(StopIteration) as done:
        next(window.fit(history, rest, {}))
    return [message.message for message in done.value.value]


def texts(server, number=-1):
    return [message["content"] for message in server.requests[number].body["messages"]]


# The last turns


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (0, []),
        (1, ["q3", "a3"]),
        (2, ["q2", "a2", "q3", "a3"]),
        (4, [message.message for message in HISTORY]),
        (99, [message.message for message in HISTORY]),
    ],
)
def test_last_turns_are_kept_whole(turns, expected):
    assert chosen(LastTurns(turns), HISTORY) == expected


def test_what_is_pinned_and_what_the_system_says_stay():
    history = [
        *HISTORY,
        Message("Be brief", "system"),
        Message("My name is Ada", pinned=True),
        Message("Hi", "assistant"),
    ]
    assert chosen(LastTurns(0), history) == ["Be brief", "My name is Ada"]


def test_tool_messages_belong_to_their_turn():
    history = [*HISTORY, Message("q4"), Message("", "assistant"), Message("42", "tool"), Message("a4", "assistant")]
    assert chosen(LastTurns(1), history) == ["q4", "", "42", "a4"]


def test_empty_history_stays_empty():
    assert chosen(LastTurns(1), []) == chosen(TokenBudget(1), []) == []


# A budget of tokens


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (0, []),
        (7, []),
        (8, ["q3", "a3"]),
        (15, ["q2", "a2", "q3", "a3"]),
        (16, ["q1", "a1", "q2", "a2", "q3", "a3"]),
        (21, [message.message for message in HISTORY]),
    ],
)
def test_latest_turns_that_fit_the_budget_are_kept(tokens, expected):
    rest = [Message("12", "system"), Message("34")]
    assert chosen(TokenBudget(tokens, count=len), HISTORY, rest) == expected


def test_pinned_messages_count_and_stay_though_they_are_too_much():
    history = [Message("x" * 50, pinned=True), *HISTORY]
    assert chosen(TokenBudget(54, count=len), history) == ["x" * 50, "q3", "a3"]
    assert chosen(TokenBudget(10, count=len), history) == ["x" * 50]


def test_turn_that_is_too_long_ends_the_choice():
    history = [Message("a"), Message("x" * 100), Message("b")]
    assert chosen(TokenBudget(10, count=len), history) == ["b"]


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("four", 1), ("fives", 2), ("日本", 2), ("é", 1)])
def test_tokens_are_estimated(text, tokens):
    assert count_tokens(text) == tokens


# Declarations


@pytest.mark.parametrize("make", [lambda: LastTurns(-1), lambda: TokenBudget(-1)])
def test_negative_windows_are_refused(make):
    with pytest.raises(DefinitionError, match="must be 0 or more, got -1"):
        make()


def test_number_is_that_many_turns():
    assert window_of(3) == LastTurns(3)


@pytest.mark.parametrize("told", ["3", 3.0, len])
def test_what_is_no_window_is_refused(told):
    with pytest.raises(DefinitionError, match="expected a number of turns, or a window"):
        window_of(told)


def test_summary_needs_a_task():
    with pytest.raises(DefinitionError, match="expected a task that summarises"):
        Summarise(len)


# In a chat


@dataclass
class FirstWords:
    """A window of one's own."""

    def fit(self, history, rest, notes):
        notes["calls"] = notes.get("calls", 0) + 1
        return history[:1]
        yield


@pytest.mark.parametrize("window", [1, LastTurns(1), TokenBudget(9, count=len)])
def test_sent_is_less_than_stored(server, llm, way, window):
    @llm.chat(window=window)
    class Cook:
        """S"""

    bot = Cook(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(text_reply("a4"))
    way.do(bot.asend("q4") if way.is_async else bot.send("q4"))
    assert texts(server) == ["S", "q3", "a3", "q4"]
    assert len(bot.conversation) == len(HISTORY) + 2


def test_window_may_be_given_to_an_instance_and_be_ones_own(server, llm):
    @llm.chat
    class Cook: ...

    server.enqueue(text_reply("a4"))
    Cook(chat_history=InMemoryMessageHistory(HISTORY), window=FirstWords()).send("q4")
    assert texts(server) == ["Hello", "q4"]


@pytest.fixture
def summarising(llm):
    @llm.task
    def summarise(text: str) -> str:
        """Sum up"""

    @llm.chat(window=Summarise(summarise, turns=1))
    class Lister:
        """S"""

        def send(self, message: str) -> list[int]: ...

    return Lister


REPLY = '{"declarai_result": [4]}'


def test_summary_is_sent_in_the_place_of_the_early_turns(server, summarising, way):
    bot = summarising(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(text_reply("SUMMARY"), text_reply(REPLY))
    assert way.do(bot.asend("q4") if way.is_async else bot.send("q4")) == [4]
    assert "assistant: Hello\nuser: q1\nassistant: a1\nuser: q2\nassistant: a2" in texts(server, 0)[-1]
    assert texts(server)[1:] == ["The conversation so far, in short: SUMMARY", "q3", "a3", "q4"]
    assert len(bot.conversation) == len(HISTORY) + 2


def test_summary_is_asked_for_only_when_turns_have_left_the_window(server, summarising, way):
    bot = summarising(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(text_reply("FIRST"), text_reply(REPLY), text_reply(REPLY), text_reply("SECOND"), text_reply(REPLY))
    way.do(bot.asend("q4") if way.is_async else bot.send("q4"))
    way.do(bot.aregenerate() if way.is_async else bot.regenerate())
    way.do(bot.asend("q5") if way.is_async else bot.send("q5"))
    assert len(server.requests) == 5
    assert "Before: FIRST\n\nuser: q3\nassistant: a3" in texts(server, 3)[-1]
    assert texts(server)[1:] == ["The conversation so far, in short: SECOND", "q4", REPLY, "q5"]


def test_summary_of_a_history_that_was_changed_is_forgotten(server, summarising):
    bot = summarising(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(text_reply("FIRST"), text_reply(REPLY), text_reply("SECOND"), text_reply(REPLY))
    bot.send("q4")
    bot.set_memory(InMemoryMessageHistory(HISTORY[3:]))
    bot.send("q4")
    assert "q1" not in texts(server, 2)[-1]
    assert "FIRST" not in texts(server, 2)[-1]


def test_short_conversation_needs_no_summary(server, summarising):
    server.enqueue(text_reply(REPLY))
    summarising(chat_history=InMemoryMessageHistory(HISTORY[1:3])).send("q2")
    assert texts(server)[1:] == ["q1", "a1", "q2"]


def test_summary_of_a_streaming_chat_is_not_part_of_the_stream(server, openai, way):
    llm = openai(stream=True)

    @llm.task
    def summarise(text: str) -> str:
        """Sum up"""

    @llm.chat(window=Summarise(summarise, turns=1))
    class Cook: ...

    bot = Cook(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(text_reply("SUMMARY"), stream_reply(["a", "4"]))
    responses = way.collect(bot.asend("q4") if way.is_async else bot.send("q4"))
    assert [response.response for response in responses] == ["", "a", "a4", "a4"]
    assert texts(server)[0] == "The conversation so far, in short: SUMMARY"


def test_turn_whose_summary_fails_leaves_the_history_as_it_was(server, summarising, way):
    bot = summarising(chat_history=InMemoryMessageHistory(HISTORY))
    server.enqueue(error_reply(500))
    with pytest.raises(ProviderError):
        way.do(bot.asend("q4") if way.is_async else bot.send("q4"))
    assert bot.conversation == HISTORY

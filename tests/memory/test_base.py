"""The protocol: what a user's own memory needs, and the memory that a chat has when it is given none."""

import asyncio
import pickle

import pytest
from memory.stores import OwnHistory

from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.memory import (
    BaseChatMessageHistory,
    FileMessageHistory,
    InMemoryMessageHistory,
    MessageHistory,
    SQLiteMessageHistory,
    as_memory,
)
from declarai_like.messages import Message

QUESTION, ANSWER = Message("How many?"), Message("Four", "assistant")


class Turns(OwnHistory):
    """An own class that knows what a turn is."""

    def __init__(self):
        super().__init__()
        self.turns = []

    def add_messages(self, messages):
        self.turns.append(messages)


class Derived(BaseChatMessageHistory):
    """An own class as declarai's documentation derives it."""

    def __init__(self):
        self.kept = []

    @property
    def history(self):
        return list(self.kept)

    def add_message(self, message):
        self.kept.append(message)

    def clear(self):
        self.kept = []


class Plain:
    """An own class whose history is a plain attribute with plain dicts."""

    def __init__(self):
        self.history = [{"role": "user", "content": "How many?"}]

    def add_message(self, message):
        self.history.append(dict(message))

    def clear(self):
        self.history.clear()


def test_memory_of_this_package_is_taken_as_it_is():
    memory = InMemoryMessageHistory()
    assert as_memory(memory) is memory


def test_empty_history_with_a_length_is_not_replaced():
    own = OwnHistory()
    assert not own
    as_memory(own).add_messages([QUESTION, ANSWER])
    assert own.kept == [QUESTION, ANSWER]


def test_own_turns_are_added_whole():
    own = Turns()
    as_memory(own).add_messages(iter([QUESTION, ANSWER]))
    as_memory(own).add_message(ANSWER)
    assert own.turns == [[QUESTION, ANSWER]]
    assert own.kept == [ANSWER]


def test_derived_class_has_the_rest():
    memory = as_memory(Derived())
    assert isinstance(memory, MessageHistory)
    asyncio.run(memory.aadd_messages(iter([QUESTION, ANSWER])))
    assert asyncio.run(memory.ahistory()) == [QUESTION, ANSWER]
    asyncio.run(memory.aclear())
    assert memory.history == []


def test_own_history_may_be_an_attribute_with_dicts():
    memory = as_memory(Plain())
    memory.add_message(ANSWER)
    assert memory.history == [QUESTION, ANSWER]


def test_object_that_lacks_something_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="must have add_message, clear; got Plain"):
        as_memory(type("Plain", (), {"history": ()})())


def test_object_with_slots_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="must have history, add_message, clear; got object"):
        as_memory(object())


def test_class_in_place_of_an_object_is_refused():
    with pytest.raises(ConfigurationError, match=r"InMemoryMessageHistory\(\.\.\.\)"):
        as_memory(InMemoryMessageHistory)


def test_in_memory_history_may_start_with_messages():
    given = [QUESTION]
    memory = InMemoryMessageHistory(given)
    memory.add_message(ANSWER)
    assert memory.history == [QUESTION, ANSWER]
    assert given == [QUESTION]
    assert repr(memory) == "InMemoryMessageHistory(2 messages)"


def test_turn_that_breaks_in_the_middle_is_not_added():
    memory = InMemoryMessageHistory()
    with pytest.raises(ZeroDivisionError):
        memory.add_messages(Message(str(1 // number)) for number in (1, 0))
    assert memory.history == []


@pytest.mark.parametrize("make", [FileMessageHistory, lambda path: SQLiteMessageHistory("s", path)])
def test_memories_without_a_server_can_be_pickled(make, tmp_path):
    memory = make(tmp_path / "chat")
    memory.add_message(QUESTION)
    assert pickle.loads(pickle.dumps(memory)).history == [QUESTION]  # noqa: S301 - our own
    assert str(tmp_path / "chat") in repr(memory)


@pytest.mark.parametrize("use", ["history", "add_message", "add_messages", "clear"])
def test_what_a_users_own_store_raises_is_a_history_error(use):
    class Broken:
        @property
        def history(self):
            raise OSError("no disk")

        def add_message(self, message):
            raise OSError("no disk")

        def clear(self):
            raise OSError("no disk")

    memory = as_memory(Broken())
    calls = {
        "history": lambda: memory.history,
        "add_message": lambda: memory.add_message(Message("a")),
        "add_messages": lambda: memory.add_messages([Message("a")]),
        "clear": memory.clear,
    }
    with pytest.raises(HistoryError, match="OSError: no disk"):
        calls[use]()


def test_a_history_error_of_a_users_own_store_is_passed_on():
    class Refusing:
        history = ()

        def add_message(self, message):
            raise HistoryError("not today")

        def add_messages(self, messages):
            raise HistoryError("not today")

        def clear(self):
            pass

    with pytest.raises(HistoryError, match=r"^not today$"):
        as_memory(Refusing()).add_messages([Message("a")])

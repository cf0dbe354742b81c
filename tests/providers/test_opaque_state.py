"""Conversations on servers that want their opaque state back, in all four formats: ten turns and what else happens."""

import pytest
from memory.stores import Store
from providers.strict_chats import FORMATS, KINDS, model, say, take_ten_turns, take_turns_elsewhere

from declarai_like.errors import BadRequestError
from declarai_like.messages import Message
from declarai_like.testing import LLMServer, reply


@pytest.fixture(scope="module")
def strict():
    with LLMServer(strict=True) as server:
        yield server


@pytest.fixture
def store(tmp_path):
    return Store("sqlite", str(tmp_path), "chats")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("form", KINDS)
def test_ten_turns_through_sqlite_bring_their_state_back(way, strict, store, form, streams):
    take_ten_turns(way, strict, form, store, streams=(streams,))


def test_another_process_brings_the_state_back(strict, store):
    take_turns_elsewhere(strict, store)


@pytest.mark.parametrize("form", FORMATS)
def test_conversation_without_its_state_is_refused(strict, form):
    """The server is as strict as it says: else the tests above would prove nothing."""
    llm = model(form, strict.url)
    strict.enqueue(reply("Hello", reasoning="Hm"))
    said = llm.send("Hi")
    with pytest.raises(BadRequestError, match="reply 0"):
        llm.send([Message("Hi"), Message(said.response, "assistant"), Message("again")])
    strict.enqueue("again")
    kept = Message(said.response, "assistant", state=said.state)
    assert llm.send([Message("Hi"), kept, Message("again")]).response == "again"


@pytest.mark.parametrize("form", FORMATS)
def test_wrong_answer_is_shown_with_its_state(way, strict, form):
    """The reply that is shown to the model once more, as a mistake, has to come back whole too."""

    @model(form, strict.url).task(retries=1)
    @way.define
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    strict.enqueue(reply("I do not know", reasoning="Hm"), '{"rank": 3}')
    assert way.call(rank, "down") == 3


@pytest.mark.parametrize("streams", [False, True])
def test_paused_turn_brings_the_state_of_all_its_messages_back(way, strict, streams):
    @model("anthropic", strict.url).chat
    class Bot:
        """You answer"""

    bot = Bot()
    strict.enqueue(reply("One, ", reasoning="Hm", finish_reason="pause_turn"), "two", "three")
    assert [say(way, bot, words, streams=streams) for words in ("count", "on")] == ["One, two", "three"]
    assert strict.pending == 0

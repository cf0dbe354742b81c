"""Conversations on servers that want their opaque state back, in all four formats: ten turns and what else happens."""

import subprocess
import sys

import pytest
from providers.strict_chats import FORMATS, chat, model, say

from declarai_like.errors import BadRequestError
from declarai_like.messages import Message
from declarai_like.testing import LLMServer, chunks, reply, tool_call


@pytest.fixture(scope="module")
def strict():
    with LLMServer(strict=True) as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_ten_turns_through_sqlite_bring_their_state_back(way, strict, folder, form, streams):
    llm = model(form, strict.url)
    for turn in range(10):
        bot = chat(llm, form, folder)  # read anew from the store
        if turn % 3 == 2:
            strict.enqueue(tool_call("square", {"x": turn}, reasoning="Let me see"))
        strict.enqueue(reply(f"answer {turn}", reasoning="Hm — 日本 😀" if turn % 2 else ""))
        assert say(way, bot, f"question {turn}", streams=streams) == f"answer {turn}"
    strict.enqueue("another answer")
    assert (way.do(bot.aregenerate()) if way.is_async else bot.regenerate()) == "another answer"
    fork = bot.fork()
    for other in (fork, bot):
        strict.enqueue(chunks("on", " it", " goes"))
        assert say(way, other, "and now?", streams=streams) == "on it goes"
    assert strict.pending == 0


def test_another_process_brings_the_state_back(strict, folder):
    for form in FORMATS:
        bot = chat(model(form, strict.url), form, folder)
        strict.enqueue(reply("one", reasoning="Hm"), tool_call("square", {"x": 3}), "9")
        assert (bot.send("first"), bot.send("3 * 3?")) == ("one", "9")
    strict.enqueue("there", "again", repeat=len(FORMATS))
    script = sys.modules[chat.__module__].__file__
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, script, strict.url, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{form} there again" for form in FORMATS]


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

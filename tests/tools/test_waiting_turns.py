"""A chat whose turn waits, in another process: the run store tells of it, and nothing of it happens twice."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from declarai_like import errors
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.testing import FakeLLM, tool_call
from declarai_like.tools import SQLiteRuns, tool

FIRST = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tools.test_waiting_turns import open_bot, wait
wait(open_bot(Path({folder!r}), [("pay", {{"amount": 50}})])[0])
"""


def open_bot(folder, script, name="one"):
    """A chat as each process opens it: the same memory, the same runs; `paid` is the file of effects."""
    llm = FakeLLM([tool_call(*one) if isinstance(one, tuple) else one for one in script])

    @tool(approve=True)
    def pay(amount: int) -> str:
        """Pay"""
        with (folder / "paid").open("a") as file:
            file.write(f"{amount}\n")
        return f"paid {amount}"

    @llm.chat(tools=[pay], runs=SQLiteRuns(folder / "runs.db"))
    class Bot:
        """You pay"""

    return Bot(chat_history=SQLiteMessageHistory(name, path=folder / "chats.db")), llm


def wait(bot, message="pay 50"):
    with pytest.raises(errors.ApprovalRequired) as waiting:
        bot.send(message)
    return waiting.value


def paid(folder):
    file = folder / "paid"
    return file.read_text().split() if file.exists() else []


def shown(bot):
    return [(str(message.role), message.message) for message in bot.conversation]


@pytest.fixture
def waiting(tmp_path):
    """A conversation whose turn waits since a process that has ended."""
    code = FIRST.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)  # noqa: S603 - our own code
    return tmp_path


def test_another_process_takes_no_other_message(waiting):
    bot, llm = open_bot(waiting, [])
    with pytest.raises(errors.TurnPending) as caught:
        bot.send("hello?")
    assert [call.arguments for call in caught.value.pending] == [{"amount": 50}]
    assert llm.requests == []
    assert open_bot(waiting, ["hello"], name="other")[0].send("hello?") == "hello"
    bot, _ = open_bot(waiting, ["done"])
    assert bot.resume(caught.value.run_id, {"call_0": True}).value == "done"
    assert paid(waiting) == ["50"]


def test_another_process_may_deny_what_waits(waiting):
    bot, _ = open_bot(waiting, ["as you like"])
    assert bot.send("leave it", pending="deny") == "as you like"
    assert shown(bot) == [
        ("user", "pay 50"),
        ("assistant", ""),
        ("tool", "denied: the conversation went on before a decision was made"),
        ("user", "leave it"),
        ("assistant", "as you like"),
    ]
    assert open_bot(waiting, ["hello"])[0].send("hi") == "hello"
    assert paid(waiting) == []


def test_a_turn_that_ended_in_another_process_waits_no_more(tmp_path):
    here, _ = open_bot(tmp_path, [("pay", {"amount": 50}), "hello"])
    run_id = wait(here).run_id
    open_bot(tmp_path, ["done"])[0].resume(run_id, {"call_0": True})
    assert here.send("hi") == "hello"
    assert [text for _, text in shown(here)] == ["pay 50", "", "paid 50", "done", "hi", "hello"]


def test_a_run_may_be_gone_on_with_by_its_name(tmp_path):
    bot, _ = open_bot(tmp_path, [("pay", {"amount": 50})])
    with pytest.raises(errors.ApprovalRequired):
        bot.send("pay 50", run_id="mine")
    again, llm = open_bot(tmp_path, [])
    with pytest.raises(errors.ApprovalRequired) as waiting:
        again.send("pay 50", run_id="mine")
    assert (waiting.value.run_id, llm.requests) == ("mine", [])


def test_a_run_that_is_gone_from_the_store_waits_for_nobody_else(tmp_path):
    wait(open_bot(tmp_path, [("pay", {"amount": 50})])[0])
    with SQLiteRuns(tmp_path / "runs.db")._open() as connection:
        connection.execute("DELETE FROM runs WHERE run_id NOT LIKE 'conversation %'")
    assert open_bot(tmp_path, ["hello"])[0].send("hi") == "hello"


def test_a_turn_is_stored_once_however_often_its_run_is_resumed(tmp_path):
    bot, _ = open_bot(tmp_path, [("pay", {"amount": 50}), "done", "hello"])
    run_id = wait(bot).run_id
    for _ in range(2):
        assert bot.resume(run_id, {"call_0": True}).value == "done"
    assert len(shown(bot)) == 4
    bot.send("hi")
    assert bot.resume(run_id).value == "done"
    assert [text for _, text in shown(bot)] == ["pay 50", "", "paid 50", "done", "hi", "hello"]
    assert paid(tmp_path) == ["50"]


def test_a_turn_that_was_lost_after_its_run_is_stored_by_the_next_resume(tmp_path):
    bot, _ = open_bot(tmp_path, [("pay", {"amount": 50}), "done"])
    run_id = wait(bot).run_id
    bot.resume(run_id, {"call_0": True})
    bot.undo()  # as if the process had died before it was stored
    assert bot.resume(run_id).value == "done"
    assert len(shown(bot)) == 4


def test_a_note_that_somebody_else_reads_is_waited_for(tmp_path):
    runs = SQLiteRuns(tmp_path / "runs.db")
    bot, _ = open_bot(tmp_path, [("pay", {"amount": 50})])
    runs.acquire("conversation one")
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(wait, bot)
        assert not sending.done()
        runs.release("conversation one")
        assert sending.result().run_id


def test_a_note_that_is_never_let_go_is_an_error(tmp_path):
    runs = SQLiteRuns(tmp_path / "runs.db")
    runs.acquire("conversation one")
    with pytest.raises(errors.RunBusy):
        open_bot(tmp_path, ["hello"])[0].send("hi")
    runs.release("conversation one")

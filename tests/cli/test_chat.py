"""`declarai-like chat`: a conversation on the terminal, and one of a program."""

import io
import json
import os
import pty
import sys
import time
from contextlib import suppress

import pytest

from declarai_like._cli import main

MODULE = '''
import declarai_like as declarai
from declarai_like.testing import FakeLLM, cut, tool_call

llm = FakeLLM(["One.", "Two.", "Three."])
breaking = FakeLLM([cut("On"), "One."])
calling = FakeLLM([tool_call("delete", {"path": "a"}), "Done."] * 2)
twice = FakeLLM([tool_call("delete", {"path": "a"}), tool_call("delete", {"path": "b"}), "Done."])
deleted = []


@declarai.tool(approve=True)
def delete(path: str) -> str:
    """Delete a file"""
    deleted.append(path)
    return "deleted"


@llm.chat
class Bot:
    """You speak {language}."""

    greeting = "Hello."

@llm.chat(streaming=True)
class AsyncBot:
    """You are a bot."""

    async def send(self, message: str) -> str: ...

@breaking.chat
class Breaking:
    """You are a bot."""

@calling.chat(tools=[delete])
class Careful:
    """You are careful."""

@calling.chat(tools=[delete])
class AsyncCareful:
    """You are careful."""

    async def send(self, message: str) -> str: ...

@twice.chat(tools=[delete])
class Twice:
    """You are careful."""
'''

SLOW = '''
import time
import declarai_like as declarai
from declarai_like import BaseLLM, LLMResponse, register_llm

@register_llm(provider="slow")
class Slow(BaseLLM):
    def predict(self, messages, stream=False, **params):
        return self.tick(messages[-1].message)

    def tick(self, message):
        for number in range(3 if message == "quick" else 10_000):
            yield LLMResponse(response="tick " * (number + 1))
            time.sleep(0.01)

@declarai.Declarai("slow", "clock").chat(streaming=True)
class Clock:
    """You are a clock."""
'''


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bots.py").write_text(MODULE)
    return tmp_path


def talk(capsys, monkeypatch, lines, *arguments):
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    code = main(["chat", *arguments])
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()


def test_a_conversation(capsys, monkeypatch):
    lines = ["Hi", "", "/again", "/history", "/undo", "/undo", "/tools", "/what", "/help", "/quit", "unheard"]
    code, out, err = talk(capsys, monkeypatch, lines, "bots.py:Bot", "--arg", "language=English")
    assert code == 0
    assert out[:7] == [
        "Hello.",
        "One.",
        "Two.",
        "assistant: Hello.",
        "user: Hi",
        "assistant: Two.",
        "(taken back: user: Hi)",
    ]
    assert out[7:10] == ["(taken back: assistant: Two.)", "This chat has no tools.", "There is no command /what."]
    assert out.count("/undo    take back the last turn") == 2
    assert len(err) == 1
    assert err[0].startswith("(HistoryError: ")


def test_an_async_chat(capsys, monkeypatch):
    assert talk(capsys, monkeypatch, ["Hi", "/again"], "bots.py:AsyncBot") == (0, ["One.", "Two."], [])


def test_a_turn_that_breaks_off_is_told_and_the_chat_goes_on(capsys, monkeypatch):
    code, out, err = talk(capsys, monkeypatch, ["Hi", "Hi", "/history"], "bots.py:Breaking")
    assert (code, out) == (0, ["On", "One.", "user: Hi", "assistant: One."])
    assert err[0].startswith("(StreamInterrupted: ")


def test_a_conversation_is_gone_on_with(capsys, monkeypatch, place):
    arguments = ["bots.py:Bot", "--arg", "language=English", "--memory", "chat.db"]
    talk(capsys, monkeypatch, ["Hi"], *arguments, "--session", "s1")
    _, out, _ = talk(capsys, monkeypatch, ["/history"], *arguments, "--session", "s1")
    assert out[0] == "(3 messages so far: /history shows them, /help the commands)"
    assert out[1:] == ["assistant: Hello.", "user: Hi", "assistant: One."]
    _, out, _ = talk(capsys, monkeypatch, [], *arguments)
    assert out == ["Hello."]
    assert (place / "chat.db").stat().st_mode & 0o777 == 0o600


def test_tools_are_listed(capsys, monkeypatch):
    assert talk(capsys, monkeypatch, ["/tools"], "bots.py:Careful") == (0, ["delete: Delete a file"], [])


@pytest.mark.parametrize("name", ["Careful", "AsyncCareful"])
@pytest.mark.parametrize(("answer", "deleted"), [(["y"], ["a"]), (["n"], []), ([], [])])
def test_a_person_decides_about_a_call(capsys, monkeypatch, name, answer, deleted):
    code, out, _ = talk(capsys, monkeypatch, ["Delete it", *answer], f"bots.py:{name}")
    assert code == 0
    assert 'The model wants to call delete with {"path": "a"}' in out
    assert out[-1] == "Run it? [y/N] Done."
    assert sys.modules["_shown_bots"].deleted == deleted


def test_a_person_decides_about_each_round(capsys, monkeypatch):
    code, out, _ = talk(capsys, monkeypatch, ["Delete it", "y", "no"], "bots.py:Twice")
    assert (code, out[-1]) == (0, "Run it? [y/N] Done.")
    assert sys.modules["_shown_bots"].deleted == ["a"]


def test_a_program_reads_a_line_of_json_for_each_message(capsys, monkeypatch):
    code, out, err = talk(capsys, monkeypatch, ["Hi", "Hi"], "bots.py:Breaking", "--json")
    failed, replied = map(json.loads, out)
    assert (code, err, failed["error"]) == (0, [], "StreamInterrupted")
    assert (replied["value"], replied["outcome"]) == ("One.", "complete")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["bots.py:llm"], 1, "is not a task, chat or prompt"),
        (["bots.py:Bot", "--arg", "tone=dry"], 2, "tone"),
    ],
)
def test_what_is_no_chat_is_one_line(capsys, monkeypatch, arguments, code, told):
    ended, out, err = talk(capsys, monkeypatch, [], *arguments)
    assert (ended, out, len(err)) == (code, [], 1)
    assert told in err[0]


def test_a_task_is_no_chat(capsys, monkeypatch, place):
    (place / "tasks.py").write_text(
        'import declarai_like as d\n@d.offline().task\ndef rank(x: str) -> int:\n    """Rank {x}"""\n'
    )
    _, _, err = talk(capsys, monkeypatch, [], "tasks.py:rank")
    assert err == ["declarai-like: 'tasks.py:rank' is no chat: `declarai-like run` calls a task"]


STOPPING = '''
import declarai_like as declarai
from declarai_like import BaseLLM, register_llm

@register_llm(provider="stopping")
class Stopping(BaseLLM):
    def predict(self, messages, stream=False, **params):
        raise KeyboardInterrupt

@declarai.Declarai("stopping", "any").chat
class Bot:
    """You are a bot."""
'''


class Keyboard(io.StringIO):
    """What is typed at a terminal."""

    def isatty(self):
        return True


def test_a_stopped_answer_is_told_and_the_prompt_is_shown(capsys, monkeypatch, place):
    (place / "stopping.py").write_text(STOPPING)
    monkeypatch.setattr("sys.stdin", Keyboard("Hi\n/history\n"))
    assert main(["chat", "stopping.py:Bot"]) == 0
    assert capsys.readouterr().out.splitlines() == ["> (stopped: this turn is not kept)", "> > "]


def test_an_interrupt_stops_the_answer_and_the_chat_goes_on(place):
    (place / "clock.py").write_text(SLOW)
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child
        os.execv(  # noqa: S606 - our own command
            sys.executable, [sys.executable, "-m", "declarai_like", "chat", "clock.py:Clock"]
        )
    seen = read_until(terminal, "> ")
    os.write(terminal, b"long\n")
    read_until(terminal, "tick tick tick")
    os.write(terminal, b"\x03")
    seen = read_until(terminal, "(stopped: this turn is not kept)\r\n> ")
    os.write(terminal, b"quick\n")
    seen = read_until(terminal, "tick tick tick \r\n> ")
    os.write(terminal, b"/history\n")
    seen = read_until(terminal, "> ", after="/history")
    assert "user: quick" in seen
    assert "user: long" not in seen
    os.write(terminal, b"\x04")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


def read_until(terminal, awaited, *, after="", patience=60):
    seen, end = "", time.monotonic() + patience
    while time.monotonic() < end:
        with suppress(OSError):
            seen += os.read(terminal, 4096).decode()
        if awaited in seen[seen.find(after) :]:
            return seen
    raise AssertionError(seen)

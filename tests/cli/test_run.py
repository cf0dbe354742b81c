"""`declarai-like run` and `ask`: a task called, and a model asked, from the command line."""

import io
import json

import pytest

from declarai_like._cli import main

MODULE = '''
import asyncio
from typing import Literal
import declarai_like as declarai
from declarai_like.testing import FakeLLM, cut, tool_call

words = FakeLLM(["It is a fine film."] * 9)
numbers = FakeLLM(["4"] * 9)
cutting = FakeLLM([cut("It is a f")])
calling = FakeLLM([tool_call("weather", {"city": "Oslo"}), "It is 4 degrees."])


def weather(city: str) -> int:
    """Look up how warm it is in a city"""
    return 4


@words.task
def about(movie: str) -> str:
    """Say something about {movie}"""

@words.task
async def aabout(movie: str) -> str:
    """Say something about {movie}"""

@numbers.task
def rank(message: str, scale: int = 5) -> Literal[1, 2, 3, 4, 5]:
    """Rank the message"""

@numbers.task
async def arank(message: str) -> int:
    """Rank the message"""

@FakeLLM(["many", "4"]).task(retries=1)
def counted(text: str) -> int:
    """Count the words of {text}"""

@cutting.task
def broken(movie: str) -> str:
    """Say something about {movie}"""

@calling.task(tools=[weather])
def warm(city: str) -> str:
    """How warm is it in {city}?"""

@words.chat
class Bot:
    """You are a bot."""
'''


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runnable.py").write_text(MODULE)


@pytest.mark.parametrize("name", ["about", "aabout"])
def test_a_text_is_printed(capsys, name):
    assert main(["run", f"runnable.py:{name}", "--arg", "movie=Up"]) == 0
    assert capsys.readouterr() == ("It is a fine film.\n", "")


@pytest.mark.parametrize("name", ["rank", "arank"])
def test_another_value_is_printed_as_json(capsys, name):
    assert main(["run", f"runnable.py:{name}", "--arg", "message=down"]) == 0
    assert json.loads(capsys.readouterr().out) == 4


@pytest.mark.parametrize("name", ["rank", "arank"])
def test_json_tells_all_that_the_call_brought(capsys, name):
    assert main(["run", f"runnable.py:{name}", "--arg", "message=down", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["value"], told["text"], told["outcome"], told["attempts"], told["calls"]) == (
        4,
        "4",
        "complete",
        [],
        [],
    )
    assert set(told) == {"value", "text", "model", "outcome", "usage", "cost", "repairs", "attempts", "calls"}


def test_json_tells_the_tries_that_failed(capsys):
    assert main(["run", "runnable.py:counted", "--arg", "text=a b c d", "--json"]) == 0
    (attempt,) = json.loads(capsys.readouterr().out)["attempts"]
    assert attempt["error"].startswith("OutputError: expected int")


def test_what_came_of_an_answer_that_broke_off_is_printed_and_the_code_is_1(capsys):
    assert main(["run", "runnable.py:broken", "--arg", "movie=Up"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "It is a f\n"
    assert printed.err.startswith("declarai-like: ")
    assert "Traceback" not in printed.err


def test_a_tool_call_is_told_beside_the_answer(capsys):
    assert main(["run", "runnable.py:warm", "--arg", "city=Oslo"]) == 0
    assert capsys.readouterr() == ("It is 4 degrees.\n", '[weather {"city": "Oslo"}]\n')


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["runnable.py:rank"], 2, "message"),
        (["runnable.py:rank", "--arg", "message=x", "--arg", "massage=y"], 2, "massage"),
        (["runnable.py:rank", "--arg", "message"], 2, "expected name=value"),
        (["runnable.py:Bot"], 1, "`declarai-like chat` talks to a chat"),
        (["runnable.py:nothing"], 1, "there is no 'nothing' in 'runnable.py', which has "),
        (["rank"], 1, "MODULE:TASK"),
    ],
)
def test_what_cannot_be_called_is_one_line(capsys, arguments, code, told):
    assert main(["run", *arguments]) == code
    printed = capsys.readouterr()
    assert told in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_another_model_can_be_asked(capsys):
    assert main(["run", "runnable.py:rank", "--arg", "message=x", "--model", "offline", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["value"] in {1, 2, 3, 4, 5}) == ("offline", True)


def test_a_model_is_asked_a_question(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("What is a lock?"))
    assert main(["ask", "What is a lock?", "--model", "offline"]) == 0
    answer = capsys.readouterr().out
    assert answer.strip()
    assert main(["ask", "-", "--model", "offline"]) == 0
    assert capsys.readouterr().out == answer
    assert main(["ask", "What is a lock?", "--model", "offline", "--system", "Be brief.", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Hello", "--model", "gpt-4o"], "as in openai:gpt-4o"),
        (["  ", "--model", "offline"], "the question is empty"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(capsys, arguments, told):
    assert main(["ask", *arguments]) == 1
    assert told in capsys.readouterr().err


def test_control_characters_are_shown_as_such_on_a_terminal_only(capsys, monkeypatch):
    from declarai_like._cli._following import print_value

    print_value("red: \x1b[31m")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_value("red: \x1b[31m")
    assert capsys.readouterr().out == "red: \x1b[31m\nred: \N{REPLACEMENT CHARACTER}[31m\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_commands(capsys, shell):
    pytest.importorskip("shtab")
    assert main(["completions", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in ("ask", "chat", "run", "serve", "--memory"))


def test_completions_name_the_extra_that_they_need(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    assert main(["completions", "bash"]) == 1
    assert 'pip install "declarai-like[cli]"' in capsys.readouterr().err

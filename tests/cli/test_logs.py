"""`declarai-like logs`: the calls of a log, listed, shown, compared, and given as cases."""

import json

import pytest

from declarai_like._cli import main
from declarai_like.errors import OutputError
from declarai_like.middleware import log
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.testing import FakeLLM, reply, tool_call

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.fixture
def path(tmp_path):
    """Give a log of three calls, the last of which failed."""
    path = tmp_path / "calls.db"
    logged = log(path, content=True)

    @FakeLLM([reply('{"declarai_result": ["a"]}', usage=USAGE), '{"declarai_result": ["b"]}', "no \x1b[31mlist"]).task(
        middlewares=[logged]
    )
    def names(text: str) -> list[str]:
        """List the names"""

    names("Ann came")
    names("Ben came")
    with pytest.raises(OutputError):
        names("Nobody")
    logged.close()
    return str(path)


def printed(capsys, *arguments):
    code = main(["logs", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_calls_are_listed_the_newest_first(capsys, path):
    code, out, _ = printed(capsys, path)
    heading, *lines = out.splitlines()
    assert code == 0
    assert heading.split() == ["id", "when", "task", "model", "outcome", "seconds", "tokens", "cost", "error"]
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert "failed" in lines[0]
    assert "3+4" in lines[2]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--search", "Ben"], ["2"]),
        (["--failed"], ["3"]),
        (["--limit", "1"], ["3"]),
        (["--task", "names"], ["3", "2", "1"]),
    ],
)
def test_calls_are_chosen(capsys, path, options, ids):
    _, out, _ = printed(capsys, path, *options)
    assert [line.split()[0] for line in out.splitlines()[1:]] == ids


def test_no_calls_are_said(capsys, path):
    assert printed(capsys, path, "--task", "other")[1] == "no calls\n"


def test_calls_that_were_dropped_are_said(capsys, path):
    CallLogStore(path).add([], dropped=7)
    assert "7 calls came faster than they could be written" in printed(capsys, path)[1]


def test_json_is_a_line_for_each_call(capsys, path):
    _, out, _ = printed(capsys, path, "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [3, 2, 1]


def test_one_call_is_shown_with_what_was_said(capsys, path):
    _, out, _ = printed(capsys, path, "--show", "1")
    assert "outcome: complete" in out
    assert "[user]" in out
    assert "Ann came" in out
    assert out.endswith('[answer]\n{"declarai_result": ["a"]}\n')
    _, out, _ = printed(capsys, path, "--show", "1", "--json")
    assert json.loads(out)["arguments"] == {"text": "Ann came"}


def test_tools_that_an_answer_called_are_shown(capsys, tmp_path):
    def weather(city: str) -> str:
        """Tell the weather"""
        return "warm"

    logged = log(tmp_path / "calls.db", content=True)

    @FakeLLM([tool_call("weather", {"city": "Rome"}), "warm"]).task(tools=[weather], middlewares=[logged])
    def ask(question: str) -> str:
        """Answer: {question}"""

    ask("Rome?")
    logged.close()
    assert printed(capsys, str(tmp_path / "calls.db"), "--show", "1")[1].endswith('calls weather({"city": "Rome"})\n')


def test_what_would_move_the_cursor_is_not_printed(capsys, path):
    assert "\x1b" not in printed(capsys, path, "--show", "3")[1] + printed(capsys, path)[1]


def test_two_calls_are_compared(capsys, path):
    _, out, _ = printed(capsys, path, "--compare", "1", "3")
    assert "outcome: complete -> failed" in out
    assert '-{"declarai_result": ["a"]}' in out
    assert "+no [31mlist" in out


def test_a_call_becomes_a_case(capsys, path):
    assert json.loads(printed(capsys, path, "--case", "2")[1]) == {"arguments": {"text": "Ben came"}, "expected": ["b"]}
    assert json.loads(printed(capsys, path, "--case", "3")[1])["expected"] == "no \x1b[31mlist"


def test_a_log_without_content_has_no_words_and_no_cases(capsys, tmp_path):
    path = tmp_path / "bare.db"
    logged = log(path)

    @FakeLLM(["5"]).task(middlewares=[logged])
    def rank(text: str) -> int:
        """Rank"""

    rank("x")
    logged.close()
    assert "what was said is not in the log" in printed(capsys, str(path), "--show", "1")[1]
    code, _, err = printed(capsys, str(path), "--case", "1")
    assert (code, err) == (
        1,
        "declarai-like: call 1 was logged without its content: write log(path, content=True)\n",
    )


def test_what_is_no_log_is_one_line(capsys, tmp_path):
    code, _, err = printed(capsys, str(tmp_path / "none.db"))
    assert code == 1
    assert err.endswith("there is no such call log\n")


def test_long_errors_are_shortened_in_the_list(capsys, path):
    assert printed(capsys, path)[1].splitlines()[1].endswith("...")

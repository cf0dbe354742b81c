"""How far a map is: told to a function, drawn on a terminal, or printed at its end."""

import io
import sys

import pytest

from declarai_like._rows.progress import Progress, Tally, show_progress
from declarai_like.completions import Usage
from declarai_like.responses import LLMResponse
from declarai_like.rows import Row


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Give what makes stderr a terminal; pytest has one of its own for each phase of a test."""

    def opening():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return opening


def lines_on(terminal):
    """What one sees: a carriage return has what follows written over the line."""
    return [seen_of(line) for line in terminal.getvalue().split("\n")]


def seen_of(line):
    seen = ""
    for part in line.split("\r"):
        seen = part + seen[len(part) :]
    return seen.rstrip()


def test_a_line_is_drawn_on_a_terminal(gather, make_task, open_terminal):
    terminal = open_terminal()
    gather(make_task(delay=0.001), map(str, range(50)))
    last, after = lines_on(terminal)
    assert last.startswith("50 rows, ")
    assert after == ""


def test_a_line_is_drawn_over_the_last_one(open_terminal, make_task):
    terminal = open_terminal()
    rows = ["a", "b", "c"]
    list(make_task(delay=0.25).map(rows, concurrency=1))
    assert terminal.getvalue().count("rows") >= 3
    assert "0:0" in terminal.getvalue()
    assert len(lines_on(terminal)) == 2


def test_what_is_printed_for_a_row_has_a_line_of_its_own(make_task, open_terminal):
    terminal = open_terminal()
    for row in make_task().map(["a", "bc"], concurrency=1):
        print(row.index, row.value, file=terminal)  # stdout is the same terminal
    first, second, last, _ = lines_on(terminal)
    assert (first, second) == ("0 1", "1 2")
    assert last.startswith("2/2 rows, ")


def test_stdout_is_left_alone(make_task, open_terminal):
    open_terminal()
    stdout = sys.stdout
    assert [sys.stdout is stdout for _ in make_task().map(["a", "b"])] == [True, True]


def test_a_narrow_terminal_gets_a_line_that_does_not_wrap(make_task, open_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    terminal = open_terminal()
    make_task().map(["a"]).values()
    assert max(map(len, terminal.getvalue().replace("\n", "\r").split("\r"))) == 11


def test_nothing_is_drawn_if_that_is_said(gather, make_task, open_terminal):
    terminal = open_terminal()
    gather(make_task(), ["a"], progress=False)
    assert terminal.getvalue() == ""


def test_elsewhere_one_line_is_printed_if_that_is_said(gather, make_task, capsys):
    gather(make_task(), ["a", "b"], progress=True)
    assert capsys.readouterr().err.startswith("2/2 rows, ")
    gather(make_task(), ["a", "b"])
    assert capsys.readouterr().err == ""


def test_no_stderr_is_no_terminal(make_task, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert make_task().map(["a"]).values() == [1]


def test_a_function_is_told_after_each_row(gather, make_task):
    seen = []
    gather(make_task(), ["a", "b", "c"], concurrency=1, progress=seen.append)
    assert [progress.done for progress in seen][-1] == 3
    assert all(isinstance(progress, Progress) for progress in seen)
    assert len(seen) == 3


def answered(**usage):
    response = LLMResponse(response="5", model="gpt-4o-mini", usage=Usage.of(usage) if usage else None)
    return Row(0, "k", value=5, response=response, usage=response.usage)


def test_tokens_and_money_are_those_of_this_run():
    tally = Tally(10)
    tally.count_money()
    tally.count(answered(prompt_tokens=1_000_000, completion_tokens=0))
    tally.count(Row(1, "k", value=5, cached=True, usage=Usage(9, 9, 18)))
    tally.count(Row(2, "", error=TypeError()))
    progress = tally.progress
    assert (progress.done, progress.failed, progress.cached, progress.tokens) == (3, 1, 1, 1_000_000)
    assert progress.usd == pytest.approx(0.15)
    tally.count(answered())
    assert tally.progress.usd is None
    tally.count(answered(prompt_tokens=1, completion_tokens=0))
    assert tally.progress.usd is None


def test_progress_is_said_in_one_line():
    progress = Progress(done=30, failed=1, cached=10, total=100, seconds=2.0, tokens=500, usd=0.1234)
    assert progress.rate == 10
    assert progress.seconds_left == 7
    assert str(progress) == "30/100 rows, 10.0/s, 1 failed, 10 cached, 500 tokens, $0.1234, 0:07 left"
    assert str(Progress()) == "0 rows, 0.0/s, 0 failed, 0 tokens"
    assert Progress(done=5).seconds_left is None
    assert "1:06:40 left" in str(Progress(done=1, total=4001, seconds=1.0))


def test_what_is_no_progress_is_told():
    from declarai_like.errors import DefinitionError

    with pytest.raises(DefinitionError, match="True, False or a function"), show_progress("yes", Tally(None)):
        pass

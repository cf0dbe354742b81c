"""Processes that die, and processes that go on with the same run: what a tool does happens at most once."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("crashing.py")
PIPE = subprocess.PIPE


def times(most):
    """Do it once, or with `make crashes` and `make soak` so many times."""
    return pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, most))])


def start(folder, *arguments):
    command = [sys.executable, str(SCRIPT), str(folder), *arguments]
    return subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)  # noqa: S603 - our own


def finish(child):
    out, err = child.communicate(timeout=100)
    assert child.returncode in {0, -9}, err
    return child.returncode, out.strip()


def run(folder, *arguments):
    return finish(start(folder, *arguments))


def effects(folder):
    path = folder / "effects"
    return path.read_text().split() if path.exists() else []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@times(50)
@pytest.mark.parametrize(
    ("moment", "before", "again", "after"),
    [
        ("claim", 0, "done", 1),
        ("claimed", 0, "OutcomeUnknown", 0),
        ("effect", 1, "OutcomeUnknown", 1),
        ("result", 1, "done", 1),
    ],
)
def test_effect_happens_at_most_once_whenever_the_process_dies(tmp_path, moment, before, again, after, number):  # noqa: PLR0917 - a table
    assert run(tmp_path, moment) == (-9, "")
    assert len(effects(tmp_path)) == before
    assert run(tmp_path, "never") == (0, again)
    assert len(effects(tmp_path)) == after
    if again == "OutcomeUnknown" and not before:
        assert run(tmp_path, "never", "rerun") == (0, "done")
        assert effects(tmp_path) == ["5"]
    assert run(tmp_path, "never")[1] == again or effects(tmp_path) == ["5"]


@times(20)
def test_of_two_processes_that_make_one_run_one_has_the_effect(tmp_path, number):
    children = [start(tmp_path, "never") for _ in range(2)]
    told = sorted(finish(child)[1] for child in children)
    assert told in (["RunBusy", "done"], ["done", "done"])
    assert effects(tmp_path) == ["5"]


@times(100)
def test_of_two_processes_that_resume_one_run_one_has_the_effect(tmp_path, number):
    assert run(tmp_path, "never", "ask") == (0, "ApprovalRequired")
    assert effects(tmp_path) == []
    children = [start(tmp_path, "never", "approve") for _ in range(2)]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
    for child in children:  # at the same moment, both being ready
        child.stdin.write("go\n")
        child.stdin.flush()
    told = sorted(finish(child)[1] for child in children)
    assert told in (["RunBusy", "done"], ["done", "done"])
    assert effects(tmp_path) == ["5"]

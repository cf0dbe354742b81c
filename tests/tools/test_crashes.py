"""Processes that die, and processes that go on with the same run: what a tool does happens at most once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("crashing.py")
ROUNDS = int(os.environ.get("DECLARAI_CRASH_ROUNDS", "1"))
"""How often each moment is tried; `make crashes` tries 50 times."""


def start(folder, *arguments):
    command = [sys.executable, str(SCRIPT), str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own


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
@pytest.mark.parametrize("number", range(ROUNDS))
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


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_processes_that_make_one_run_one_has_the_effect(tmp_path, number):
    children = [start(tmp_path, "never") for _ in range(2)]
    told = sorted(finish(child)[1] for child in children)
    assert told in (["RunBusy", "done"], ["done", "done"])
    assert effects(tmp_path) == ["5"]

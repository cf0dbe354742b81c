"""Writers that are killed: everything acknowledged is there, and everything there can be read."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from declarai_like.messages import Message

WRITER = str(Path(__file__).with_name("append_turns.py"))
TOGETHER = 2


def killed_writers(store, names):
    """Start writers, kill them in the middle of their work, and give the turns that they had acknowledged."""
    programs = [[sys.executable, WRITER, store.kind, store.address, store.name, name, "1000000"] for name in names]
    writers = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True) for program in programs]  # noqa: S603 - our own
    first = [writer.stdout.readline() for writer in writers]
    time.sleep(0.003 * (sum(map(len, names)) % 7))
    for writer in writers:
        writer.kill()
    return [line + writer.communicate()[0] for line, writer in zip(first, writers, strict=True)]


@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("store", ["file", "sqlite"], indirect=True)
def test_killed_writers_leave_a_readable_history(store, kills):
    history = store.open()
    for kill in range(0, kills, TOGETHER):
        names = [f"w{kill + number}" for number in range(TOGETHER)]
        for name, said in zip(names, killed_writers(store, names), strict=True):
            acknowledged = said.count("\n")
            kept = [message.message for message in history.history if message.message.startswith(f"{name}/")]
            assert kept[:acknowledged] == [f"{name}/{number}" for number in range(acknowledged)]
            assert len(kept) - acknowledged <= 1
    history.add_message(Message("after"))
    stored = history.history
    assert len(stored) % 3 == 1
    assert stored[-1] == Message("after")

"""Many writers on one conversation: nothing is lost, and no turn is torn apart."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from memory.stores import DURABLE

from declarai_like.messages import Message

WRITER = str(Path(__file__).with_name("append_turns.py"))


def turn(name):
    return [Message(name), Message(f"re {name}", "assistant"), Message(f"ps {name}", "user")]


def turns_of(history):
    """The names of the turns in their order; fails if one is not contiguous."""
    names = [message.message for message in history if message.message[:3] not in ("re ", "ps ")]
    assert history == [message for name in names for message in turn(name)]
    return names


@pytest.mark.parametrize("store", ["in_memory", *DURABLE], indirect=True)
def test_fifty_threads_on_one_object_lose_nothing(store):
    history = store.open()
    names = [f"{thread}/{number}" for thread in range(50) for number in range(2)]
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda name: history.add_messages(turn(name)), names))
    assert sorted(turns_of(history.history)) == sorted(names)


@pytest.mark.parametrize("store", DURABLE, indirect=True)
def test_eight_processes_lose_nothing_and_keep_their_order(store):
    programs = [[sys.executable, WRITER, store.kind, store.address, store.name, str(n), "25"] for n in range(8)]
    writers = [subprocess.Popen(program, stdout=subprocess.DEVNULL) for program in programs]  # noqa: S603 - our own
    assert [writer.wait(100) for writer in writers] == [0] * 8
    names = turns_of(store.open().history)
    for writer in range(8):
        own = [name for name in names if name.startswith(f"{writer}/")]
        assert own == [f"{writer}/{number}" for number in range(25)]


@pytest.mark.parametrize("store", ["file", "sqlite"], indirect=True)
def test_history_can_be_read_while_it_is_written(store):
    history = store.open()
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(lambda: [history.add_messages(turn(f"0/{number}")) for number in range(100)])
        seen = []
        while not writing.done():
            seen.append(len(turns_of(store.open().history)))
    assert seen == sorted(seen)
    assert len(turns_of(history.history)) == 100

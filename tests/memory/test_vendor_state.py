"""What vendors want back with a conversation, through each memory: ten turns, another process, a fork, another answer."""

import pytest
from memory.stores import DURABLE
from providers.strict_chats import KINDS, take_ten_turns, take_turns_elsewhere

from declarai_like.testing import LLMServer

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

ELSEWHERE = [kind for kind in DURABLE if kind != "sqlite"]
"""SQLite is that of the tests of providers."""


@pytest.fixture(scope="module")
def strict():
    with LLMServer(strict=True) as server:
        yield server


@pytest.mark.parametrize("form", KINDS)
@pytest.mark.parametrize("store", ["in_memory", "own"], indirect=True)
def test_ten_turns_in_one_process_bring_their_state_back(way, strict, store, form):
    memory = store.open()
    take_ten_turns(way, strict, form, Open(memory))


class Open:
    """A store that is always the same memory."""

    def __init__(self, memory):
        self.memory = memory

    def open(self, _session):
        return self.memory


@pytest.mark.parametrize("form", KINDS)
@pytest.mark.parametrize("store", ELSEWHERE, indirect=True)
def test_ten_turns_bring_their_state_back(way, strict, store, form):
    take_ten_turns(way, strict, form, store)


@pytest.mark.parametrize("store", ELSEWHERE, indirect=True)
def test_another_process_brings_the_state_back(strict, store):
    take_turns_elsewhere(strict, store)

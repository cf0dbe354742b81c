"""One conversation in several hands: another writer's turn is never lost, and nobody waits longer than he may."""

import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from memory import raw
from memory.servers import TEST_MONGODB_URL
from memory.stores import DURABLE

from declarai_like.errors import DeclaraiError, HistoryError, HistoryWriteError
from declarai_like.memory import FileMessageHistory, SQLiteMessageHistory
from declarai_like.messages import Message
from declarai_like.testing import FakeLLM

FIRST = [Message("question A"), Message("A1", "assistant")]
OTHER = [Message("question B"), Message("B1", "assistant")]
LIMIT = 1.0
PATIENCE = 15.0  # seconds until a wait counts as one without an end: a store's own limit is twice as long

every_store = pytest.mark.parametrize("store", ["in_memory", "own", *DURABLE], indirect=True)
durable_store = pytest.mark.parametrize("store", DURABLE, indirect=True)


@every_store
def test_history_that_is_as_expected_is_replaced(store, using):
    history = using(store.open())
    history.add(*FIRST)
    history.compare_and_replace(FIRST, *OTHER)
    assert history.read() == OTHER


@every_store
def test_empty_history_is_compared_too(store, using):
    history = using(store.open())
    with pytest.raises(HistoryError, match="changed meanwhile"):
        history.compare_and_replace(FIRST, *OTHER)
    history.compare_and_replace([], *OTHER)
    assert history.read() == OTHER


@every_store
def test_history_that_was_changed_meanwhile_is_kept(store, using):
    history = using(store.open())
    history.add(*FIRST)
    history.add(*OTHER)
    with pytest.raises(HistoryError, match="changed meanwhile"):
        history.compare_and_replace(FIRST)
    assert history.read() == [*FIRST, *OTHER]


@durable_store
def test_turns_of_others_survive_while_one_replaces(store):
    """What each of ten writers was told is stored is stored, however often another one takes its own turn back."""
    replacer, writer = store.open(), store.open()

    def write(number):
        writer.add_messages([Message(f"kept {number}")])

    def replace(_):
        history = replacer.history
        with suppress(HistoryError):
            replacer.compare_and_replace(history, [*history, Message("replaced")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(number) if number % 2 else replace(number), range(20)))
    kept = {message.message for message in store.open().history} - {"replaced"}
    assert kept == {f"kept {number}" for number in range(1, 20, 2)}


def two_tabs(store, replies):
    llm = FakeLLM(replies)

    @llm.chat(streaming=True)
    class Bot:
        """You help."""

    return Bot(chat_history=store.open()), Bot(chat_history=store.open())


@durable_store
def test_regenerated_turn_does_not_take_the_place_of_anothers(store):
    mine, other = two_tabs(store, ["A1", "A1 again", "B1"])
    list(mine.send("question A"))
    again = mine.regenerate()
    next(again)
    list(other.send("question B"))
    with pytest.raises(HistoryWriteError, match="changed meanwhile") as refused:
        list(again)
    assert (refused.value.response.response, other.conversation) == ("A1 again", [*FIRST, *OTHER])


@durable_store
def test_turn_of_another_is_not_taken_back_unseen(store):
    mine, other = two_tabs(store, ["A1", "B1"])
    list(mine.send("question A"))
    list(other.send("question B"))
    assert mine.undo() == tuple(OTHER)
    assert mine.conversation == FIRST


def chat_on(memory):
    llm = FakeLLM(["hello"] * 3)

    @llm.chat(timeout=LIMIT)
    class Bot:
        """You chat."""

    return Bot(chat_history=memory)


def seconds_of(way, bot):
    start = time.monotonic()
    with pytest.raises(DeclaraiError, match=f"timeout={LIMIT:g}") as failed:
        way.do((bot.asend if way.is_async else bot.send)("hi"))
    return time.monotonic() - start, failed.value


def test_timeout_of_a_chat_covers_a_locked_database(tmp_path, way):
    bot = chat_on(SQLiteMessageHistory("s", tmp_path / "chats.db"))
    way.do((bot.asend if way.is_async else bot.send)("hi"))
    locking = sqlite3.connect(tmp_path / "chats.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    seconds, error = seconds_of(way, bot)
    locking.close()
    assert (seconds < PATIENCE, error.response.response) == (True, "hello")


def test_timeout_of_a_chat_covers_a_locked_file(tmp_path, way):
    fcntl = pytest.importorskip("fcntl")
    bot = chat_on(FileMessageHistory(tmp_path / "h.json"))
    way.do((bot.asend if way.is_async else bot.send)("hi"))
    with (tmp_path / "h.json").open("rb+") as locking:
        fcntl.flock(locking, fcntl.LOCK_EX)
        seconds, _ = seconds_of(way, bot)
    assert seconds < PATIENCE


@pytest.fixture
def silent(store, request):
    """A server that takes connections and answers nothing, until the test is over."""
    process = request.getfixturevalue(store.kind).process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield store
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("store", ["redis", *([] if TEST_MONGODB_URL else ["mongodb"])], indirect=True)
def test_timeout_of_a_chat_covers_a_server_that_is_silent(silent, way):
    seconds, error = seconds_of(way, chat_on(silent.open()))
    assert (seconds < PATIENCE, type(error)) == (True, HistoryError)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_timeout_of_a_chat_covers_a_lock_in_postgres(store, way):
    import psycopg

    memory = store.open()
    memory.add_messages(FIRST)
    with psycopg.connect(store.address) as locking:
        locking.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [memory.session_id])
        seconds, error = seconds_of(way, chat_on(memory))
    assert (seconds < PATIENCE, error.response.response, memory.history) == (True, "hello", FIRST)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_timeout_of_a_chat_covers_a_table_that_is_locked_in_postgres(store, way):
    import psycopg

    memory = store.open()
    memory.add_messages(FIRST)
    with psycopg.connect(store.address) as locking:
        locking.execute(f'LOCK TABLE "{memory.table_name}" IN ACCESS EXCLUSIVE MODE')
        seconds, _ = seconds_of(way, chat_on(memory))
    assert (seconds < PATIENCE, memory.history) == (True, FIRST)


@pytest.mark.parametrize("name", ["chats.db", "chats.db-wal", "chats.db-shm"])
def test_database_is_for_its_owner_only_from_the_first_moment(tmp_path, name):
    before = os.umask(0o022)
    try:
        memory = SQLiteMessageHistory("s", tmp_path / "chats.db")
        memory.add_messages(FIRST)
        reading = sqlite3.connect(tmp_path / "chats.db")  # the last one to leave takes the two files away
        reading.execute("SELECT 1 FROM sqlite_master").fetchall()
        memory.add_messages(OTHER)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        reading.close()
    finally:
        os.umask(before)


BROKEN = {
    '{"v": 1, "turn": [{"message": "x", "role": "assistant", "tool_calls": 5}]}': "tool_calls is no list of objects: 5",
    '{"v": 1, "turn": [{"message": "x", "role": "assistant", "tool_calls": [5]}]}': "tool_calls is no list",
    '{"v": 1, "turn": [{"message": "x", "role": "user", "content": 5}]}': "content is no text or list of parts",
    '{"v": 1, "turn": [{"message": "x", "role": "tool", "tool_call_id": {}}]}': "tool_call_id is no text",
    '{"v": 1, "turn": [{"message": "x", "role": "user", "name": ["n"]}]}': "name is no text",
}


@durable_store
@pytest.mark.parametrize("record", BROKEN)
def test_broken_record_is_named(store, record, using):
    raw.put(store, raw.message("Hi"), record)
    with pytest.raises(HistoryError, match=f"record 2 of .*{BROKEN[record]}"):
        using(store.open()).read()


def test_row_that_is_no_utf_8_is_named(tmp_path, using):
    memory = SQLiteMessageHistory("s", tmp_path / "chats.db")
    memory.add_messages(FIRST)
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute("INSERT INTO message_store (session_id, message) VALUES ('s', CAST(x'7bff' AS TEXT))")
    connection.close()
    with pytest.raises(HistoryError, match=r"record 2 of the history 's' .* is not UTF-8"):
        using(memory).read()


def test_line_that_is_no_utf_8_is_named(tmp_path, using):
    (tmp_path / "h.json").write_bytes(
        b'{"v": 1, "turn": []}\n{"v": 1, "turn": [{"message": "\xff", "role": "user"}]}\n'
    )
    with pytest.raises(HistoryError, match=r"record 2 of .* is not UTF-8"):
        using(FileMessageHistory(tmp_path / "h.json")).read()


def test_wait_of_a_memory_without_a_timeout_is_its_own(tmp_path):
    memory = SQLiteMessageHistory("s", tmp_path / "chats.db")
    memory.add_messages(FIRST)
    locking = sqlite3.connect(tmp_path / "chats.db", isolation_level=None, check_same_thread=False)
    locking.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, locking.close).start()
    memory.add_messages(OTHER)
    assert memory.history == [*FIRST, *OTHER]

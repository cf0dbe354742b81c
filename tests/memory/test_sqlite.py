"""The SQLite memory: its durability, its locks, and databases that are not its own."""

import sqlite3
import threading

import pytest

from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.messages import Message

QUESTION = Message("How many?")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db"


@pytest.fixture
def busy(path):
    """Another program in the middle of a write, to a database that is not in WAL mode yet."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE other (x)")
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_database_is_in_wal_mode(path):
    SQLiteMessageHistory("s", path).add_message(QUESTION)
    other = sqlite3.connect(path)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_default_is_a_file_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SQLiteMessageHistory("s").add_message(QUESTION)
    assert (tmp_path / "chat_history.db").exists()


def test_missing_folder_is_made_when_written(tmp_path):
    history = SQLiteMessageHistory("s", tmp_path / "new" / "chats.db")
    assert history.history == []
    assert not (tmp_path / "new").exists()
    history.add_message(QUESTION)
    assert history.history == [QUESTION]


def test_tables_are_apart(path):
    SQLiteMessageHistory("s", path, table_name="one").add_message(QUESTION)
    assert SQLiteMessageHistory("s", path, table_name="two").history == []


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_database_without_a_file_is_refused(name):
    with pytest.raises(ConfigurationError, match="InMemoryMessageHistory"):
        SQLiteMessageHistory("s", name)


def test_file_that_is_no_database_is_refused_and_kept(path):
    path.write_text("Dear diary " * 100)
    history = SQLiteMessageHistory("s", path)
    with pytest.raises(HistoryError, match="cannot be read: file is not a database"):
        len(history.history)
    with pytest.raises(HistoryError, match="cannot be written: file is not a database"):
        history.add_message(QUESTION)
    with pytest.raises(HistoryError, match="cannot be cleared: file is not a database"):
        history.clear()
    assert path.read_text() == "Dear diary " * 100


def test_foreign_table_of_the_same_name_is_refused(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE message_store (id INTEGER)")
    other.close()
    with pytest.raises(HistoryError, match="cannot be written"):
        SQLiteMessageHistory("s", path).add_message(QUESTION)


def test_folder_that_cannot_be_made_is_a_clear_error(path):
    path.touch()
    with pytest.raises(HistoryError, match="cannot be written"):
        SQLiteMessageHistory("s", path / "chats.db").add_message(QUESTION)


def test_writer_waits_for_another(path, busy):
    threading.Timer(0.05, lambda: busy.execute("COMMIT")).start()
    history = SQLiteMessageHistory("s", path)
    history.add_message(QUESTION)
    assert history.history == [QUESTION]


def test_writer_that_waits_too_long_gives_up(path, busy):
    history = SQLiteMessageHistory("s", path)
    history.busy_timeout = 0.05
    with pytest.raises(HistoryError, match="database is locked"):
        history.add_message(QUESTION)
    assert history.history == []

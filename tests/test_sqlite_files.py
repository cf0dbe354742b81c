"""SQLite files of caches, runs and logs: shared from their first moment on, and typed errors where they cannot be."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from declarai_like.errors import ConfigurationError
from declarai_like.middleware import SQLiteCache
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.tools import SQLiteRuns

USES = {
    "cache": (SQLiteCache, lambda store: store.get("a")),
    "runs": (SQLiteRuns, lambda store: store.purge(older_than=1)),
    "call log": (CallLogStore, CallLogStore.create),
}


@pytest.fixture(params=USES)
def kind(request):
    return request.param


def use(kind, path, **options):
    store, call = USES[kind]
    return call(store(path, **options))


@contextmanager
def being_made(path, release):
    """Hold a new database's write lock until this event, or the end of the block."""
    held = threading.Event()

    def hold():
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE other (a)")
            held.set()
            release.wait()
            connection.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_who_is_making_the_file_is_waited_for(tmp_path, kind):
    path, release = tmp_path / "new.db", threading.Event()
    with being_made(path, release):
        threading.Timer(0.2, release.set).start()
        use(kind, path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_takes_too_long_is_told(tmp_path, kind):
    path = tmp_path / "new.db"
    with being_made(path, threading.Event()), pytest.raises(ConfigurationError, match=r"new\.db cannot be .*locked"):
        use(kind, path, timeout=0.05)


def test_many_may_make_it_at_once(tmp_path, kind):
    for number in range(10):
        together = threading.Barrier(4)

        def made(_, path=tmp_path / f"{number}.db", together=together):
            together.wait()
            return use(kind, path)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(made, range(4)))
        assert (tmp_path / f"{number}.db").stat().st_mode & 0o077 == 0


def test_a_file_of_something_else_is_named(tmp_path, kind):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann, " * 500)
    with pytest.raises(ConfigurationError, match=r"letter\.txt cannot be .*not a database"):
        use(kind, path)
    assert path.read_text() == "Dear Ann, " * 500


def test_a_folder_is_no_file(tmp_path, kind):
    with pytest.raises(ConfigurationError, match="cannot be"):
        use(kind, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, kind):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "a.db"
    for made in (lambda: SQLiteRuns(path).acquire("a"), lambda: use(kind, path)):
        with pytest.raises(ConfigurationError, match=r"a\.db cannot be "):
            made()


def test_its_folder_is_made(tmp_path, kind):
    use(kind, tmp_path / "new" / "a.db")
    assert (tmp_path / "new" / "a.db").exists()

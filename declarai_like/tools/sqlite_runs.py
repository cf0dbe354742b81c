"""Runs in an SQLite file, shared by processes."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from declarai_like.tools._process_locks import hold, let_go
from declarai_like.tools.run_stores import busy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SQLiteRuns"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, written REAL NOT NULL
) WITHOUT ROWID
"""


class SQLiteRuns:
    """Runs in an SQLite file that only its owner can read; it is made when it is first needed.

    A run is worked on by one thread of one process at a time, which a lock of the operating system tells (on a file
    beside, `<path>.lock`): it goes with its process, however that ends. So the file belongs on a disk of the machine,
    not on a network share. `timeout` seconds is how long to wait for the file itself.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self.timeout = timeout

    def acquire(self, run_id: str) -> tuple[int, str | None]:
        """Begin to work on a run: give its version and its state; raises `RunBusy`."""
        self._create()
        if not hold(self._lock_path, run_id):
            raise busy(run_id)
        try:
            with self._open() as connection:
                row = connection.execute("SELECT version, state FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        except BaseException:
            let_go(self._lock_path, run_id)
            raise
        return (0, None) if row is None else (row[0], row[1])

    def commit(self, run_id: str, version: int, state: str) -> None:
        """Write the state durably under the next version; raises `RunBusy`."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT version FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            if version != (0 if row is None else row[0]) + 1:
                connection.execute("ROLLBACK")
                raise busy(run_id)
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET "
                "version = excluded.version, state = excluded.state, written = excluded.written",
                (run_id, version, state, time.time()),
            )
            connection.execute("COMMIT")

    def release(self, run_id: str) -> None:
        """End the work on a run."""
        let_go(self._lock_path, run_id)

    def purge(self, *, older_than: float) -> int:
        """Delete runs that were last written more than so many seconds ago; give how many."""
        self._create()
        with self._open() as connection:
            return connection.execute("DELETE FROM runs WHERE written < ?", (time.time() - older_than,)).rowcount

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _create(self) -> None:
        for path in (self.path, self._lock_path):
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # One connection for each use: they are cheap, and belong to no thread.
        with closing(sqlite3.connect(self.path, timeout=self.timeout, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
            yield connection

    def __repr__(self) -> str:
        return f"SQLiteRuns({str(self.path)!r})"

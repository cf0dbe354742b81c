"""Runs in an SQLite file, shared by processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from declarai_like._writing.sqlite import make_private, open_database
from declarai_like.errors import ConfigurationError
from declarai_like.tools._process_locks import hold, let_go
from declarai_like.tools.run_stores import busy

if TYPE_CHECKING:
    import os
    import sqlite3
    from contextlib import AbstractContextManager

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
    not on a network share. `timeout` seconds is how long to wait for the file itself. Raises
    `ConfigurationError` when it is used and the file cannot be.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self.timeout = timeout

    def acquire(self, run_id: str) -> tuple[int, str | None]:
        """Begin to work on a run: give its version and its state; raises `RunBusy`."""
        try:
            make_private(self._lock_path)
        except OSError as error:
            raise self._unusable(error) from None
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
        with self._open() as connection:
            return connection.execute("DELETE FROM runs WHERE written < ?", (time.time() - older_than,)).rowcount

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_database(self.path, _SCHEMA, timeout=self.timeout, durable=True, unusable=self._unusable)

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(f"{self.path} cannot be used as a store of runs: {error}").with_cause(error)

    def __repr__(self) -> str:
        return f"SQLiteRuns({str(self.path)!r})"

"""SQLite files that threads and processes share: private, waited for, and in WAL mode."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["make_private", "open_database", "use_wal"]

_PAUSE = 0.005
"""Seconds between two tries to switch to WAL mode."""


@contextmanager
def open_database(
    path: Path, schema: str, *, timeout: float, durable: bool, unusable: Callable[[Exception], Exception]
) -> Iterator[sqlite3.Connection]:
    """Open a database, which is made when it is first needed; one connection belongs to one use, and to no thread.

    One that is not `durable` may lose its last writes with the power. For a file that cannot be used, or is locked for
    longer than `timeout` seconds, what `unusable` makes of the error is raised.
    """
    import sqlite3

    try:
        make_private(path)
        with closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
            use_wal(connection, timeout)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute(schema)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise unusable(error) from None


def make_private(path: Path) -> None:
    """Make the file of a new database for its owner only; SQLite gives the files beside it the same mode."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch the database to WAL mode; for a new one this asks again while others do the same.

    SQLite says "locked" here at once, whatever its busy timeout, if another connection is writing.
    """
    import sqlite3

    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)

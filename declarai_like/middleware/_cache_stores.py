"""Where answers are kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from declarai_like._writing.sqlite import open_database
from declarai_like.errors import ConfigurationError, DefinitionError

if TYPE_CHECKING:
    import os
    import sqlite3
    from contextlib import AbstractContextManager

__all__ = ["CacheStore", "InMemoryCache", "SQLiteCache"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, answer TEXT NOT NULL, written REAL NOT NULL, expires REAL
) WITHOUT ROWID
"""


@runtime_checkable
class CacheStore(Protocol):
    """Keeps texts under keys. It is called from any thread."""

    def get(self, key: str) -> str | None:
        """Give what is kept under a key; `None` if there is nothing, or its time is over."""
        ...

    def set(self, key: str, answer: str, ttl: float | None) -> None:
        """Keep a text under a key, for so many seconds (for ever if `None`), in the place of what was there."""
        ...


class InMemoryCache:
    """Keeps answers in this process: the last `max_entries` that were asked for."""

    def __init__(self, max_entries: int = 10_000) -> None:
        if max_entries < 1:
            raise DefinitionError(f"expected max_entries to be 1 or more, got {max_entries!r}")
        self.max_entries = max_entries
        self._answers: OrderedDict[str, tuple[str, float | None]] = OrderedDict()

    def get(self, key: str) -> str | None:
        """Give what is kept under a key."""
        answer, expires = self._answers.get(key, (None, None))
        if answer is None or (expires is not None and expires <= time.time()):
            self._answers.pop(key, None)
            return None
        with suppress(KeyError):  # another thread was faster
            self._answers.move_to_end(key)
        return answer

    def set(self, key: str, answer: str, ttl: float | None) -> None:
        """Keep a text under a key."""
        self._answers[key] = answer, None if ttl is None else time.time() + ttl
        while len(self._answers) > self.max_entries:
            with suppress(KeyError):  # another thread was faster
                self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget all answers."""
        self._answers.clear()

    def __repr__(self) -> str:
        return "InMemoryCache()"


class SQLiteCache:
    """Keeps answers in an SQLite file that only its owner can read; it is made when it is first needed.

    Threads and processes may share it; `timeout` seconds is how long one waits for the other. An answer is written in
    one transaction, so that a process that is killed leaves whole ones only. Raises `ConfigurationError` when it is
    used and the file cannot be.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self.timeout = timeout

    def get(self, key: str) -> str | None:
        """Give what is kept under a key."""
        query = "SELECT answer FROM answers WHERE key = ? AND (expires IS NULL OR expires > ?)"
        with self._open() as connection:
            row = connection.execute(query, (key, time.time())).fetchone()
        return None if row is None else str(row[0])

    def set(self, key: str, answer: str, ttl: float | None) -> None:
        """Keep a text under a key."""
        now = time.time()
        with self._open() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
                (key, answer, now, None if ttl is None else now + ttl),
            )

    def purge(self) -> int:
        """Delete the answers whose time is over; give how many."""
        with self._open() as connection:
            return connection.execute("DELETE FROM answers WHERE expires <= ?", (time.time(),)).rowcount

    def clear(self) -> None:
        """Delete all answers."""
        with self._open() as connection:
            connection.execute("DELETE FROM answers")

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_database(self.path, _SCHEMA, timeout=self.timeout, durable=False, unusable=self._unusable)

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(f"{self.path} cannot be used as a cache of answers: {error}").with_cause(error)

    def __repr__(self) -> str:
        return f"SQLiteCache({str(self.path)!r})"

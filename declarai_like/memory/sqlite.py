"""Conversations kept in a SQLite database: what to choose when no server is at hand."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from declarai_like._writing.sqlite import make_private, use_wal
from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.memory._deadlines import broken_limit, seconds_left
from declarai_like.memory._turn_records import RecordHistory, identifier, session

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from declarai_like.memory._turn_records import Check

__all__ = ["SQLiteMessageHistory"]


class SQLiteMessageHistory(RecordHistory):
    """Keeps the conversation `session_id` in a table of the SQLite database at `path`.

    A turn is one row in one transaction. The database is in WAL mode, so that readers and a writer
    do not wait for each other, and synchronised in full: what `add_messages` has stored outlives a
    loss of power (in WAL mode SQLite's own advice, `NORMAL`, may lose the last turns then). Each
    operation opens a connection of its own, which takes about a millisecond: the object may be
    used in any thread and across a fork. Do not put the database on a network file system.

    The database and its folder are made when first written, the database and the files that SQLite puts
    beside it for their owner only; many conversations may share it. Another writer is waited for
    `busy_timeout` seconds, and no longer than a chat's `timeout`.

    Media are kept once for each conversation, in the table `<table_name>_media`; with `keep_media=False` only their
    names, types and hashes are kept.

    >>> from declarai_like import Message
    >>> history = SQLiteMessageHistory("user-7", "chats.db")
    >>> history.add_messages([Message("Hi"), Message("Hello.", "assistant")])
    >>> history.history
    [user: Hi, assistant: Hello.]
    """

    busy_timeout: float = 30.0

    def __init__(
        self,
        session_id: str,
        path: str | os.PathLike[str] = "chat_history.db",
        *,
        table_name: str = "message_store",
        keep_media: bool = True,
    ) -> None:
        if not os.fspath(path) or os.fspath(path) == ":memory:":
            raise ConfigurationError("path must name a file; InMemoryMessageHistory() keeps a conversation in memory")
        self.session_id = session(session_id)
        self.path = Path(path)
        self.table_name = identifier(table_name, "table_name")
        self.keep_media = keep_media
        self._where = f"the history {self.session_id!r:.80} in table {self.table_name} of {os.fspath(self.path)!r}"

    def clear(self) -> None:
        """Delete this conversation's rows."""
        with self._connection("cleared") as connection:
            for table in (self.table_name, self._media_table):
                if self._has_table(connection, table):
                    connection.execute(f'DELETE FROM "{table}" WHERE session_id = ?', (self.session_id,))  # noqa: S608 - a checked name

    def _put_media(self, digest: str, data: bytes) -> None:
        table = self._media_table
        with self._connection("written", create=True) as connection:
            use_wal(connection, seconds_left(self.busy_timeout))
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{table}"'
                " (session_id TEXT NOT NULL, sha256 TEXT NOT NULL, data BLOB NOT NULL,"
                " PRIMARY KEY (session_id, sha256))"
            )
            connection.execute(
                f'INSERT OR IGNORE INTO "{table}" (session_id, sha256, data) VALUES (?, ?, ?)',  # noqa: S608 - a checked name
                (self.session_id, digest, data),
            )

    def _get_media(self, digest: str) -> bytes | None:
        with self._connection("read") as connection:
            if not self._has_table(connection, self._media_table):
                return None
            query = f'SELECT data FROM "{self._media_table}" WHERE session_id = ? AND sha256 = ?'  # noqa: S608 - a checked name
            found = connection.execute(query, (self.session_id, digest)).fetchone()
            return None if found is None else bytes(found[0])

    @property
    def _media_table(self) -> str:
        return f"{self.table_name}_media"

    def _records(self) -> Sequence[bytes]:
        with self._connection("read") as connection:
            return self._select(connection)

    def _select(self, connection: sqlite3.Connection) -> Sequence[bytes]:
        if not self._has_table(connection):
            return []
        query = f'SELECT message FROM "{self.table_name}" WHERE session_id = ? ORDER BY id'  # noqa: S608 - a checked name
        return [message for (message,) in connection.execute(query, (self.session_id,))]

    def _append(self, record: str, check: Check | None = None) -> None:
        table = self.table_name
        with self._connection("written", create=True) as connection:
            use_wal(connection, seconds_left(self.busy_timeout))
            connection.execute("BEGIN IMMEDIATE")  # takes the write lock now, not half way, when it may be too late
            if check is not None:
                check(self._select(connection))
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{table}"'
                " (id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, message TEXT NOT NULL)"
            )
            connection.execute(f'CREATE INDEX IF NOT EXISTS "{table}_session" ON "{table}" (session_id)')
            connection.execute(
                f'INSERT INTO "{table}" (session_id, message) VALUES (?, ?)',  # noqa: S608 - a checked name
                (self.session_id, record),
            )
            connection.execute("COMMIT")

    def _has_table(self, connection: sqlite3.Connection, table: str | None = None) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
        return connection.execute(query, (table or self.table_name,)).fetchone() is not None

    @contextmanager
    def _connection(self, done: str, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        import sqlite3

        try:
            if create:
                make_private(self.path)
            # Where there is no file yet, the history is as empty as a new database.
            path = self.path if create or self.path.exists() else ":memory:"
            waits = seconds_left(self.busy_timeout)
            with closing(sqlite3.connect(path, timeout=waits, isolation_level=None)) as connection:
                connection.text_factory = bytes  # a row that is no UTF-8 is named by who reads it
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(
                f"{self._where} cannot be {done}: {error}; it is as it was before{broken_limit()}"
            ) from None

    def __repr__(self) -> str:
        return f"SQLiteMessageHistory({self.session_id!r}, {os.fspath(self.path)!r}, table_name={self.table_name!r})"

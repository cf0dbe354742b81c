"""The file of a call log: one row for each request, and each text once."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like._writing.sqlite import make_private, use_wal
from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["CallLogStore", "LoggedCall"]

LoggedCall = dict[str, Any]
"""One request: `id`, `COLUMNS`, `DATA` and, where content is kept, `messages`, `arguments` and `answer`."""
COLUMNS = (
    *("at", "task", "prompt_version", "provider", "model", "prompt_hash", "outcome", "error", "seconds", "first_chunk"),
    *("prompt_tokens", "completion_tokens", "cost", "attempt", "round", "conversation", "run"),
)
DATA = ("tool_calls", "chunks")
"""Columns that hold JSON: the tools that an answer called, and when its text came."""
_VERSION = 2
_SCHEMA = """
CREATE TABLE contents (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, at, task, prompt_version, provider, model, prompt_hash, outcome, error, seconds,
    first_chunk, prompt_tokens, completion_tokens, cost, attempt, round, conversation, run,
    tool_calls, chunks, message_ids, argument_id, answer_id
);
CREATE TABLE call_contents (call INTEGER NOT NULL, content INTEGER NOT NULL, PRIMARY KEY (call, content)) WITHOUT ROWID;
CREATE INDEX calls_of_content ON call_contents (content);
CREATE INDEX calls_of_run ON calls (run);
CREATE TABLE dropped (calls INTEGER NOT NULL);
INSERT INTO dropped VALUES (0);
CREATE VIRTUAL TABLE words USING fts5(text, content='contents', content_rowid='id');
CREATE TRIGGER added AFTER INSERT ON contents BEGIN INSERT INTO words (rowid, text) VALUES (new.id, new.text); END;
CREATE TRIGGER gone AFTER DELETE ON contents
    BEGIN INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text); END;
PRAGMA user_version = 2;
"""
_SHARE_TO_DELETE = 0.1


class CallLogStore:
    """Reads and writes the file, which only its owner can read; each method uses a connection of its own."""

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self.timeout = timeout

    def create(self) -> None:
        """Make the file if it is not there; raises `ConfigurationError` if it is of something else."""
        try:
            make_private(self.path)
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be a call log: {error}").with_cause(error) from None
        with self._open() as connection:
            if self._version(connection) == 0:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                use_wal(connection, self.timeout)
                self._make_tables(connection)
            if (version := self._version(connection)) != _VERSION:
                raise ConfigurationError(f"{self.path} is of another version of the call log: {version}")

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        """Make what a new file has, unless another process was faster."""
        with self._transaction(connection):
            for statement in _SCHEMA.split(";\n") if self._version(connection) == 0 else ():
                connection.execute(statement)

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def add(self, calls: Sequence[LoggedCall], *, dropped: int = 0) -> None:
        """Write calls, all or none, and how many could not be kept before them."""
        with self._open() as connection, self._transaction(connection):
            for call in calls:
                self._add(connection, call)
            if dropped:
                connection.execute("UPDATE dropped SET calls = calls + ?", (dropped,))

    def trim(self, max_bytes: int) -> None:
        """Delete the oldest calls while the file is larger than this."""
        with self._open() as connection:
            while self._size(connection) > max_bytes:
                count = connection.execute("SELECT count(*) FROM calls").fetchone()[0]
                if not count:
                    return
                with self._transaction(connection):
                    self._delete_oldest(connection, max(1, int(count * _SHARE_TO_DELETE)))
                connection.execute("PRAGMA incremental_vacuum").fetchall()

    def find(
        self, *, words: str = "", task: str = "", failed: bool = False, before: int | None = None, limit: int = 50
    ) -> list[LoggedCall]:
        """Give calls, the newest first: with these words in what was said, of a task, only those that failed."""
        where, values = ["1"], []
        if words:
            where.append(
                "id IN (SELECT call FROM call_contents WHERE content IN (SELECT rowid FROM words WHERE words MATCH ?))"
            )
            values.append(" ".join(f'"{word}"' for word in words.replace('"', " ").split()))
        for condition, value in (("task = ?", task), ("id < ?", before)):
            if value:
                where.append(condition)
                values.append(str(value))
        if failed:
            where.append("outcome <> 'complete' AND outcome <> 'calls'")
        query = f"SELECT * FROM calls WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own words
        with self._open() as connection:
            return [self._call(row) for row in connection.execute(query, (*values, limit))]

    def get(self, number: int) -> LoggedCall:
        """Give one call with what was said, where that is kept; raises `ConfigurationError` if there is none."""
        with self._open() as connection:
            row = connection.execute("SELECT * FROM calls WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise ConfigurationError(f"{self.path}: there is no call {number}")
            return self._whole_call(connection, row)

    def requests_of(self, run: str) -> list[LoggedCall]:
        """Give all requests that were made for one call, each with what was said, in their order."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM calls WHERE run = ? ORDER BY id", (run,)).fetchall()
            return [self._whole_call(connection, row) for row in rows]

    @property
    def dropped(self) -> int:
        """How many calls could not be kept."""
        with self._open() as connection:
            return int(connection.execute("SELECT calls FROM dropped").fetchone()[0])

    def _add(self, connection: sqlite3.Connection, call: LoggedCall) -> None:
        messages, answer, arguments = call.get("messages"), call.get("answer"), call.get("arguments")
        ids = None if messages is None else [(role, self._keep(connection, text)) for role, text in messages]
        answer_id = None if answer is None else self._keep(connection, answer)
        argument_id = None if arguments is None else self._keep(connection, json.dumps(arguments, default=repr))
        names = (*COLUMNS, *DATA, "message_ids", "argument_id", "answer_id")
        data = [json.dumps(call[name], default=repr) if call.get(name) else None for name in DATA]
        plain = [*(call.get(name) for name in COLUMNS), *data]
        row = [*plain, None if ids is None else json.dumps(ids), argument_id, answer_id]
        marks = ", ".join("?" * len(names))
        made = connection.execute(f"INSERT INTO calls ({', '.join(names)}) VALUES ({marks})", row)  # noqa: S608 - our own names
        used = {content for _, content in ids or ()} | {answer_id, argument_id}
        connection.executemany(
            "INSERT OR IGNORE INTO call_contents VALUES (?, ?)",
            [(made.lastrowid, content) for content in used if content is not None],
        )

    @staticmethod
    def _keep(connection: sqlite3.Connection, text: str) -> int:
        """Write a text, or find it where it was written before."""
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        known = connection.execute("SELECT id FROM contents WHERE hash = ?", (digest,)).fetchone()
        if known is not None:
            return int(known[0])
        plain = text.encode("utf-8", "replace").decode()
        return int(
            connection.execute("INSERT INTO contents (hash, text) VALUES (?, ?)", (digest, plain)).lastrowid or 0
        )

    @staticmethod
    def _text(connection: sqlite3.Connection, content: int) -> str:
        return str(connection.execute("SELECT text FROM contents WHERE id = ?", (content,)).fetchone()[0])

    @staticmethod
    def _call(row: Mapping[str, Any]) -> LoggedCall:
        call = {name: row[name] for name in ("id", *COLUMNS)}
        return {**call, **{name: json.loads(row[name]) for name in DATA if row[name] is not None}}

    def _whole_call(self, connection: sqlite3.Connection, row: Mapping[str, Any]) -> LoggedCall:
        call = self._call(row)
        if row["message_ids"] is not None:
            call["messages"] = [
                {"role": role, "content": self._text(connection, content)}
                for role, content in json.loads(row["message_ids"])
            ]
        if row["answer_id"] is not None:
            call["answer"] = self._text(connection, row["answer_id"])
        if row["argument_id"] is not None:
            call["arguments"] = json.loads(self._text(connection, row["argument_id"]))
        return call

    @staticmethod
    def _delete_oldest(connection: sqlite3.Connection, count: int) -> None:
        last = connection.execute("SELECT id FROM calls ORDER BY id LIMIT 1 OFFSET ?", (count - 1,)).fetchone()[0]
        connection.execute("DELETE FROM calls WHERE id <= ?", (last,))
        connection.execute("DELETE FROM call_contents WHERE call <= ?", (last,))
        connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM call_contents)")

    @staticmethod
    def _size(connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            raise ConfigurationError(f"{self.path}: there is no such call log")
        try:
            with closing(sqlite3.connect(self.path, timeout=self.timeout, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{self.path} cannot be read as a call log: {error}").with_cause(error) from None

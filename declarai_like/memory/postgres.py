"""Conversations kept in PostgreSQL: one table, one row for each turn."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from declarai_like.memory._connections import CONNECT_TIMEOUT, ConnectionString, driver, failures
from declarai_like.memory._turn_records import RecordHistory, identifier, session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from psycopg import AsyncConnection, Connection
    from psycopg.sql import Composed

__all__ = ["PostgresMessageHistory"]

# The key is the index too. The lock makes a second process start together with us wait.
_CREATE = """
    SELECT pg_advisory_xact_lock(hashtextextended('declarai_like', 0));
    CREATE TABLE IF NOT EXISTS {table} (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        session_id TEXT NOT NULL,
        message JSONB NOT NULL,
        PRIMARY KEY (session_id, id)
    )
"""
# The lock is taken before the id is drawn and kept until the commit, so ids are in the order of commits.
_INSERT = """
    WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended(%(session)s, 0)))
    INSERT INTO {table} (session_id, message) SELECT %(session)s, %(record)s::jsonb FROM locked
"""
_SELECT = "SELECT message #>> '{{}}' FROM {table} WHERE session_id = %(session)s ORDER BY id"
_DELETE = "DELETE FROM {table} WHERE session_id = %(session)s"

_NOT_IN_JSONB = re.compile(r"\\u(0000|d[89a-f])")


class PostgresMessageHistory(RecordHistory):
    """Keeps the conversation `session_id` in a table of a PostgreSQL database (12 or newer).

    A turn is one row, committed before `add_messages` returns; turns of a conversation are in the
    order of their commits. Each operation opens a connection of its own, and none is held
    while a conversation waits for its user: a server takes a hundred by default. Where
    connecting is dear, put PgBouncer in front, in any of its modes.

    The table is made when first written. declarai's tables are read and continued.
    """

    def __init__(
        self,
        session_id: str,
        connection_string: str = "postgresql://postgres@localhost:5432/postgres",
        *,
        table_name: str = "message_store",
    ) -> None:
        driver("psycopg", extra="postgresql")
        self.session_id = session(session_id)
        self.table_name = identifier(table_name, "table_name")
        self._address = ConnectionString(connection_string, "connection_string")
        self._where = f"the PostgreSQL history {self.session_id!r:.80} in table {self.table_name}"

    def clear(self) -> None:
        """Delete this conversation's rows."""
        with self._failures("cleared"), suppress(_undefined_table()), self._connect() as connection:
            connection.execute(self._sql(_DELETE), {"session": self.session_id})

    async def aclear(self) -> None:
        """Do `clear`, awaiting the server."""
        with self._failures("cleared"), suppress(_undefined_table()):
            async with await self._aconnect() as connection:
                await connection.execute(self._sql(_DELETE), {"session": self.session_id})

    def _records(self) -> Sequence[str | None]:
        with self._failures("read"), suppress(_undefined_table()), self._connect() as connection:
            rows = connection.execute(self._sql(_SELECT), {"session": self.session_id}).fetchall()
            return [record for (record,) in rows]
        return []

    async def _arecords(self) -> Sequence[str | None]:
        with self._failures("read"), suppress(_undefined_table()):
            async with await self._aconnect() as connection:
                cursor = await connection.execute(self._sql(_SELECT), {"session": self.session_id})
                return [record for (record,) in await cursor.fetchall()]
        return []

    def _append(self, record: str) -> None:
        row = {"session": self.session_id, "record": _for_jsonb(record)}
        with self._failures("written"), self._connect() as connection:
            try:
                connection.execute(self._sql(_INSERT), row)
            except _undefined_table():
                connection.execute(self._sql(_CREATE))
                connection.execute(self._sql(_INSERT), row)

    async def _aappend(self, record: str) -> None:
        row = {"session": self.session_id, "record": _for_jsonb(record)}
        with self._failures("written"):
            async with await self._aconnect() as connection:
                try:
                    await connection.execute(self._sql(_INSERT), row)
                except _undefined_table():
                    await connection.execute(self._sql(_CREATE))
                    await connection.execute(self._sql(_INSERT), row)

    def _connect(self) -> Connection[tuple[Any, ...]]:
        from psycopg import connect

        return connect(self._address.reveal(), autocommit=True, **self._limits)

    async def _aconnect(self) -> AsyncConnection[tuple[Any, ...]]:
        from psycopg import AsyncConnection

        return await AsyncConnection.connect(self._address.reveal(), autocommit=True, **self._limits)

    @property
    def _limits(self) -> dict[str, Any]:
        return {} if "connect_timeout" in self._address else {"connect_timeout": CONNECT_TIMEOUT}

    def _sql(self, statement: str) -> Composed:
        from psycopg.sql import SQL, Identifier

        return SQL(statement).format(table=Identifier(self.table_name))

    def _failures(self, done: str) -> AbstractContextManager[None]:
        from psycopg import Error

        return failures(done, self._where, self._address, Error, OSError)

    def __repr__(self) -> str:
        return f"PostgresMessageHistory({self.session_id!r}, table_name={self.table_name!r})"


def _undefined_table() -> type[Exception]:
    from psycopg.errors import UndefinedTable

    return UndefinedTable


def _for_jsonb(record: str) -> str:
    """Wrap a record with NUL or half a surrogate pair, which jsonb refuses, into a JSON string, which it takes."""
    return json.dumps(record) if _NOT_IN_JSONB.search(record) else record

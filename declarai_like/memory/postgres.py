"""Conversations kept in PostgreSQL: one table, one row for each turn."""

from __future__ import annotations

import json
import math
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from declarai_like.memory._connections import CONNECT_TIMEOUT, REPLY_TIMEOUT, ConnectionString, driver, failures
from declarai_like.memory._deadlines import seconds_left
from declarai_like.memory._turn_records import RecordHistory, identifier, session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from psycopg import AsyncConnection, Connection
    from psycopg.sql import Composed

    from declarai_like.memory._turn_records import Check

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
_SEE_COMMITS = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"  # of those who had the lock before us
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(session)s, 0))"
_SELECT = "SELECT message #>> '{{}}' FROM {table} WHERE session_id = %(session)s ORDER BY id"
_DELETE = "DELETE FROM {table} WHERE session_id = %(session)s"
_CREATE_MEDIA = """
    SELECT pg_advisory_xact_lock(hashtextextended('declarai_like', 0));
    CREATE TABLE IF NOT EXISTS {media} (
        session_id TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        data BYTEA NOT NULL,
        PRIMARY KEY (session_id, sha256)
    )
"""
_PUT_MEDIA = "INSERT INTO {media} VALUES (%(session)s, %(sha256)s, %(data)s) ON CONFLICT DO NOTHING"
_GET_MEDIA = "SELECT data FROM {media} WHERE session_id = %(session)s AND sha256 = %(sha256)s"
_DELETE_MEDIA = "DELETE FROM {media} WHERE session_id = %(session)s"
_LONGEST_NAME = 57
"""Bytes of a table's name, so that the name of its media's table is not cut: PostgreSQL knows 63."""

_CANCELLING = 1.0  # seconds that a server has to cancel, before the line is cut
_NOT_IN_JSONB = re.compile(r"\\u(0000|d[89a-f])")


class PostgresMessageHistory(RecordHistory):
    """Keeps the conversation `session_id` in a table of a PostgreSQL database (12 or newer).

    A turn is one row, committed before `add_messages` returns; turns of a conversation are in the
    order of their commits. Each operation opens a connection of its own, and none is held
    while a conversation waits for its user: a server takes a hundred by default. Where
    connecting is dear, put PgBouncer in front, in any of its modes.

    The table is made when first written. declarai's tables are read and continued.

    Media are kept once for each conversation, in the table `<table_name>_media`; with `keep_media=False` only their
    names, types and hashes are kept.
    """

    def __init__(
        self,
        session_id: str,
        connection_string: str = "postgresql://postgres@localhost:5432/postgres",
        *,
        table_name: str = "message_store",
        keep_media: bool = True,
    ) -> None:
        driver("psycopg", extra="postgresql")
        self.session_id = session(session_id)
        self.table_name = identifier(table_name, "table_name")
        self.keep_media = keep_media
        self._address = ConnectionString(connection_string, "connection_string")
        self._where = f"the PostgreSQL history {self.session_id!r:.80} in table {self.table_name}"

    def clear(self) -> None:
        """Delete this conversation's rows."""
        for statement in (_DELETE, _DELETE_MEDIA):
            with self._clearing(), self._connect() as connection, _limited(connection):
                connection.execute(self._sql(statement), self._session)

    async def aclear(self) -> None:
        """Do `clear`, awaiting the server."""
        for statement in (_DELETE, _DELETE_MEDIA):
            with self._clearing():
                async with await self._aconnect() as connection:
                    with _limited(connection):
                        await connection.execute(self._sql(statement), self._session)

    def _records(self) -> Sequence[str | None]:
        with self._failures("read"), suppress(_undefined_table()), self._connect() as connection, _limited(connection):
            return _texts(connection.execute(self._sql(_SELECT), self._session).fetchall())
        return []

    async def _arecords(self) -> Sequence[str | None]:
        with self._failures("read"), suppress(_undefined_table()):
            async with await self._aconnect() as connection:
                with _limited(connection):
                    cursor = await connection.execute(self._sql(_SELECT), self._session)
                    return _texts(await cursor.fetchall())
        return []

    def _append(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"), self._connect() as connection, _limited(connection):
            try:
                self._insert(connection, record, check)
            except _undefined_table():
                connection.execute(self._sql(_CREATE))
                self._insert(connection, record, check)

    async def _aappend(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"):
            async with await self._aconnect() as connection:
                with _limited(connection):
                    try:
                        await self._ainsert(connection, record, check)
                    except _undefined_table():
                        await connection.execute(self._sql(_CREATE))
                        await self._ainsert(connection, record, check)

    def _insert(self, connection: Connection[Any], record: str, check: Check | None) -> None:
        row = {**self._session, "record": _for_jsonb(record)}
        if check is None:
            connection.execute(self._sql(_INSERT), row)
            return
        with connection.transaction():
            connection.execute(_SEE_COMMITS)
            connection.execute(_LOCK, self._session)
            check(_texts(connection.execute(self._sql(_SELECT), self._session).fetchall()))
            connection.execute(self._sql(_INSERT), row)

    async def _ainsert(self, connection: AsyncConnection[Any], record: str, check: Check | None) -> None:
        row = {**self._session, "record": _for_jsonb(record)}
        if check is None:
            await connection.execute(self._sql(_INSERT), row)
            return
        async with connection.transaction():
            await connection.execute(_SEE_COMMITS)
            await connection.execute(_LOCK, self._session)
            cursor = await connection.execute(self._sql(_SELECT), self._session)
            check(_texts(await cursor.fetchall()))
            await connection.execute(self._sql(_INSERT), row)

    def _put_media(self, digest: str, data: bytes) -> None:
        row = {**self._session, "sha256": digest, "data": data}
        with self._failures("written"), self._connect() as connection, _limited(connection):
            try:
                connection.execute(self._sql(_PUT_MEDIA), row)
            except _undefined_table():
                connection.execute(self._sql(_CREATE_MEDIA))
                connection.execute(self._sql(_PUT_MEDIA), row)

    def _get_media(self, digest: str) -> bytes | None:
        row = {**self._session, "sha256": digest}
        with self._failures("read"), suppress(_undefined_table()), self._connect() as connection, _limited(connection):
            found = connection.execute(self._sql(_GET_MEDIA), row).fetchone()
            return None if found is None else bytes(found[0])
        return None

    @property
    def _session(self) -> dict[str, str]:
        return {"session": self.session_id}

    def _connect(self) -> Connection[tuple[Any, ...]]:
        from psycopg import connect

        return connect(self._address.reveal(), autocommit=True, **self._limits)

    async def _aconnect(self) -> AsyncConnection[tuple[Any, ...]]:
        from psycopg import AsyncConnection

        return await AsyncConnection.connect(self._address.reveal(), autocommit=True, **self._limits)

    @property
    def _limits(self) -> dict[str, Any]:
        told = {} if "connect_timeout" in self._address else {"connect_timeout": CONNECT_TIMEOUT}
        left = seconds_left(math.inf)
        return told if left > CONNECT_TIMEOUT else {"connect_timeout": math.ceil(left)}

    def _sql(self, statement: str) -> Composed:
        from psycopg.sql import SQL, Identifier

        media = f"{self.table_name[:_LONGEST_NAME]}_media"
        return SQL(statement).format(table=Identifier(self.table_name), media=Identifier(media))

    def _failures(self, done: str) -> AbstractContextManager[None]:
        from psycopg import Error

        return failures(done, self._where, self._address, Error, OSError)

    @contextmanager
    def _clearing(self) -> Iterator[None]:
        with self._failures("cleared"), suppress(_undefined_table()):
            yield

    def __repr__(self) -> str:
        return f"PostgresMessageHistory({self.session_id!r}, table_name={self.table_name!r})"


def _undefined_table() -> type[Exception]:
    from psycopg.errors import UndefinedTable

    return UndefinedTable


def _texts(rows: Sequence[tuple[Any, ...]]) -> list[str | None]:
    return [text for (text,) in rows]


@contextmanager
def _limited(connection: Connection[Any] | AsyncConnection[Any]) -> Iterator[None]:
    """Have the server cancel what takes longer than there is time, and hang up on one that does not even do that."""
    from threading import Timer

    seconds = seconds_left(REPLY_TIMEOUT)
    alarms = [Timer(seconds, _cancel, [connection]), Timer(seconds + _CANCELLING, _hang_up, [connection])]
    try:
        for alarm in alarms:
            alarm.daemon = True
            alarm.start()
        yield
    finally:
        for alarm in alarms:
            alarm.cancel()


def _cancel(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    from psycopg import Error, NotSupportedError

    with suppress(Error):
        try:
            connection.pgconn.cancel_conn().blocking()
        except NotSupportedError:  # pragma: no cover - libpq before 17
            connection.pgconn.get_cancel().cancel()


def _hang_up(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    from socket import SHUT_RDWR, socket

    from psycopg import Error

    with suppress(Error, OSError), socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(SHUT_RDWR)


def _for_jsonb(record: str) -> str:
    """Wrap a record with NUL or half a surrogate pair, which jsonb refuses, into a JSON string, which it takes."""
    return json.dumps(record) if _NOT_IN_JSONB.search(record) else record

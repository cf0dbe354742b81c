"""Conversations kept in MongoDB: one collection, one document for each turn."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from declarai_like.errors import HistoryError
from declarai_like.memory._connections import CONNECT_TIMEOUT, REPLY_TIMEOUT, ConnectionString, driver, failures
from declarai_like.memory._deadlines import seconds_left
from declarai_like.memory._turn_records import RecordHistory, identifier, session
from declarai_like.memory.base import changed_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pymongo import AsyncMongoClient, MongoClient
    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.collection import Collection

    from declarai_like.memory._turn_records import Check

    Document = Mapping[str, Any]

__all__ = ["MongoDBMessageHistory"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_DEFAULT_DATABASE = "chat_history"
_WRITE_TIMEOUT = 30_000  # milliseconds until enough members of a replica set have a turn
_MEDIA_PIECE = 8 * 1024 * 1024  # a document holds 16 MB
_ORDER = [("Seq", 1), ("_id", 1)]  # declarai's documents have no Seq, and what is missing sorts first
_NEWEST_FIRST = [("Seq", -1)]
_INDEX: dict[str, Any] = {
    "keys": [("SessionId", 1), ("Seq", 1)],
    "unique": True,
    "partialFilterExpression": {"Seq": {"$exists": True}},
}


class MongoDBMessageHistory(RecordHistory):
    """Keeps the conversation `session_id` in a collection of a MongoDB database.

    A turn is one document, acknowledged by a majority's journals before `add_messages` returns. Its
    `Seq` counts the turns of the conversation; a unique index on it makes two writers take turns.
    Each operation opens a client of its own: pymongo's survive neither a fork nor their event loop.

    `database_name` defaults to the database in the connection string, and else to `"chat_history"`.
    declarai's documents are read and continued.

    Media are kept once for each conversation, in pieces of 8 MB in the collection `<collection_name>_media`; with
    `keep_media=False` only their names, types and hashes are kept.
    """

    def __init__(
        self,
        session_id: str,
        connection_string: str = "mongodb://localhost:27017",
        *,
        database_name: str | None = None,
        collection_name: str = "message_store",
        keep_media: bool = True,
    ) -> None:
        driver("pymongo", extra="mongodb")
        self.session_id = session(session_id)
        self.database_name = None if database_name is None else identifier(database_name, "database_name", _NAME)
        self.collection_name = identifier(collection_name, "collection_name", _NAME)
        self.keep_media = keep_media
        self._address = ConnectionString(connection_string, "connection_string")
        self._where = f"the MongoDB history {self.session_id!r:.80} in collection {self.collection_name}"

    def clear(self) -> None:
        """Delete this conversation's documents."""
        with self._failures("cleared"), self._client() as client:
            self._collection(client).delete_many(self._mine)
            self._media_collection(client).delete_many(self._mine)

    async def aclear(self) -> None:
        """Do `clear`, awaiting the server."""
        with self._failures("cleared"):
            async with self._async_client() as client:
                await self._async_collection(client).delete_many(self._mine)
                await self._async_collection(client, self._media_name).delete_many(self._mine)

    def _records(self) -> Sequence[str | None]:
        with self._failures("read"), self._client() as client:
            found = self._collection(client).find(self._mine, sort=_ORDER)
            return [document.get("History") for document in found]

    async def _arecords(self) -> Sequence[str | None]:
        with self._failures("read"):
            async with self._async_client() as client:
                found = self._async_collection(client).find(self._mine, sort=_ORDER)
                return [document.get("History") async for document in found]

    def _append(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"), self._client() as client:
            collection = self._collection(client)
            collection.create_index(**_INDEX)
            if check is not None:
                documents = list(collection.find(self._mine, sort=_ORDER))
                self._check(documents, check)
                with _refusing_others():
                    collection.insert_one(self._document(self._next(_newest(documents), -1), record))
                return
            last = -1
            while True:
                last = self._next(collection.find_one(self._turns, sort=_NEWEST_FIRST), last)
                try:
                    collection.insert_one(self._document(last, record))
                except _duplicate_key():  # another writer was first
                    continue
                return

    async def _aappend(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"):
            async with self._async_client() as client:
                collection = self._async_collection(client)
                await collection.create_index(**_INDEX)
                if check is not None:
                    documents = [document async for document in collection.find(self._mine, sort=_ORDER)]
                    self._check(documents, check)
                    with _refusing_others():
                        await collection.insert_one(self._document(self._next(_newest(documents), -1), record))
                    return
                last = -1
                while True:
                    last = self._next(await collection.find_one(self._turns, sort=_NEWEST_FIRST), last)
                    try:
                        await collection.insert_one(self._document(last, record))
                    except _duplicate_key():  # another writer was first
                        continue
                    return

    def _put_media(self, digest: str, data: bytes) -> None:
        with self._failures("written"), self._client() as client:
            collection = self._media_collection(client)
            pieces = range(0, len(data), _MEDIA_PIECE)
            for number, start in reversed(list(enumerate(pieces))):  # the first one last: it says that all are there
                place = {"_id": f"{self.session_id}:{digest}:{number}"}
                told = {**self._mine, "Sha256": digest, "Number": number, "Of": len(pieces)}
                piece = {**told, "Data": data[start : start + _MEDIA_PIECE]}
                collection.update_one(place, {"$setOnInsert": piece}, upsert=True)

    def _get_media(self, digest: str) -> bytes | None:
        with self._failures("read"), self._client() as client:
            told = {**self._mine, "Sha256": digest}
            pieces = list(self._media_collection(client).find(told, sort=[("Number", 1)]))
        is_whole = bool(pieces) and pieces[0]["Number"] == 0 and pieces[0]["Of"] == len(pieces)
        return b"".join(bytes(piece["Data"]) for piece in pieces) if is_whole else None

    @property
    def _media_name(self) -> str:
        return f"{self.collection_name}_media"

    def _check(self, documents: Sequence[Document], check: Check) -> None:
        check([document.get("History") for document in documents])

    def _next(self, newest: Document | None, tried: int) -> int:
        """Count on from the newest turn; if that is no further than what was `tried`, no one else took it."""
        following = 0 if newest is None else int(newest["Seq"]) + 1
        if following <= tried:
            raise HistoryError(
                f"{self._where} cannot be written: the collection has a unique index of another program; "
                "choose another collection_name"
            )
        return following

    @property
    def _mine(self) -> dict[str, Any]:
        return {"SessionId": self.session_id}

    @property
    def _turns(self) -> dict[str, Any]:
        return {**self._mine, "Seq": {"$exists": True}}

    def _document(self, number: int, record: str) -> dict[str, Any]:
        return {**self._mine, "Seq": number, "History": record}

    def _client(self) -> MongoClient[dict[str, Any]]:
        from pymongo import MongoClient

        return MongoClient(self._address.reveal(), **self._limits)

    def _async_client(self) -> AsyncMongoClient[dict[str, Any]]:
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(self._address.reveal(), **self._limits)

    @property
    def _limits(self) -> dict[str, Any]:
        """Give the limits of a client, in milliseconds: those that the address sets, and the call's that is waiting."""
        limits = {"serverSelectionTimeoutMS": CONNECT_TIMEOUT * 1000, "socketTimeoutMS": REPLY_TIMEOUT * 1000}
        whole = seconds_left(math.inf)
        if whole < math.inf:
            limits["timeoutMS"] = int(whole * 1000)
        return {name: limit for name, limit in limits.items() if name == "timeoutMS" or name not in self._address}

    def _media_collection(self, client: MongoClient[dict[str, Any]]) -> Collection[dict[str, Any]]:
        return self._collection(client, self._media_name)

    def _collection(self, client: MongoClient[dict[str, Any]], name: str | None = None) -> Collection[dict[str, Any]]:
        database = (
            client.get_default_database(_DEFAULT_DATABASE) if self.database_name is None else client[self.database_name]
        )
        return database.get_collection(name or self.collection_name, **_guarantees())

    def _async_collection(
        self, client: AsyncMongoClient[dict[str, Any]], name: str | None = None
    ) -> AsyncCollection[dict[str, Any]]:
        database = (
            client.get_default_database(_DEFAULT_DATABASE) if self.database_name is None else client[self.database_name]
        )
        return database.get_collection(name or self.collection_name, **_guarantees())

    def _failures(self, done: str) -> AbstractContextManager[None]:
        from pymongo.errors import PyMongoError

        return failures(done, self._where, self._address, PyMongoError, OSError, ValueError)

    def __repr__(self) -> str:
        return f"MongoDBMessageHistory({self.session_id!r}, collection_name={self.collection_name!r})"


def _newest(documents: Sequence[Document]) -> Document | None:
    return documents[-1] if documents and "Seq" in documents[-1] else None


@contextmanager
def _refusing_others() -> Iterator[None]:
    """Take a number that is taken for what it means: another writer has stored a turn meanwhile."""
    try:
        yield
    except _duplicate_key():
        raise changed_error() from None


def _guarantees() -> dict[str, Any]:
    """Write to a majority's journals, and read what was written, whatever the connection string says."""
    from pymongo import ReadPreference, WriteConcern
    from pymongo.read_concern import ReadConcern

    return {
        "write_concern": WriteConcern(w="majority", j=True, wtimeout=_WRITE_TIMEOUT),
        "read_concern": ReadConcern("majority"),
        "read_preference": ReadPreference.PRIMARY,
    }


def _duplicate_key() -> type[Exception]:
    from pymongo.errors import DuplicateKeyError

    return DuplicateKeyError

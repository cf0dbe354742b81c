"""Places for histories, by kind: made by the fixtures, and told to other processes by their three names."""

from dataclasses import dataclass
from pathlib import Path

from declarai_like.memory import (
    FileMessageHistory,
    InMemoryMessageHistory,
    MongoDBMessageHistory,
    PostgresMessageHistory,
    RedisMessageHistory,
    SQLiteMessageHistory,
    as_memory,
)

DURABLE = ["file", "sqlite", "redis", "postgres", "mongodb"]
SERVERS = ["redis", "postgres", "mongodb"]


class OwnHistory:
    """The least that a user's own class needs; it has a length, and is false while empty."""

    def __init__(self):
        self.kept = []

    @property
    def history(self):
        return self.kept

    def add_message(self, message):
        self.kept.append(message)

    def clear(self):
        self.kept = []

    def __len__(self):
        return len(self.kept)


@dataclass(frozen=True)
class Store:
    """One place that conversations are kept in: `address` is a folder or a server, `name` is this test's own."""

    kind: str
    address: str
    name: str

    def open(self, session="s"):
        return _OPEN[self.kind](self, session)


_OPEN = {
    "in_memory": lambda store, session: InMemoryMessageHistory(),
    "own": lambda store, session: as_memory(OwnHistory()),
    "file": lambda store, session: FileMessageHistory(Path(store.address) / f"{session}.json"),
    "sqlite": lambda store, session: SQLiteMessageHistory(
        session, Path(store.address) / "chats.db", table_name=store.name
    ),
    "redis": lambda store, session: RedisMessageHistory(session, store.address, key_prefix=store.name),
    "postgres": lambda store, session: PostgresMessageHistory(session, store.address, table_name=store.name),
    "mongodb": lambda store, session: MongoDBMessageHistory(session, store.address, collection_name=store.name),
}

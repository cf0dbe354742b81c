"""Where conversations are kept."""

from typing import TYPE_CHECKING

from declarai_like._values.lazy_names import import_on_use
from declarai_like.memory.base import BaseChatMessageHistory, HistoryLike, MessageHistory, as_memory

if TYPE_CHECKING:
    from declarai_like.memory.file import FileMessageHistory
    from declarai_like.memory.in_memory import InMemoryMessageHistory
    from declarai_like.memory.mongodb import MongoDBMessageHistory
    from declarai_like.memory.postgres import PostgresMessageHistory
    from declarai_like.memory.redis import RedisMessageHistory
    from declarai_like.memory.sqlite import SQLiteMessageHistory
else:
    __getattr__ = import_on_use(
        __name__,
        {
            "FileMessageHistory": "file",
            "InMemoryMessageHistory": "in_memory",
            "MongoDBMessageHistory": "mongodb",
            "PostgresMessageHistory": "postgres",
            "RedisMessageHistory": "redis",
            "SQLiteMessageHistory": "sqlite",
        },
    )

__all__ = [
    "BaseChatMessageHistory",
    "FileMessageHistory",
    "HistoryLike",
    "InMemoryMessageHistory",
    "MessageHistory",
    "MongoDBMessageHistory",
    "PostgresMessageHistory",
    "RedisMessageHistory",
    "SQLiteMessageHistory",
    "as_memory",
]

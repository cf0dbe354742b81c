"""Where conversations are kept."""

from declarai_like.memory.base import BaseChatMessageHistory, HistoryLike, MessageHistory, as_memory
from declarai_like.memory.file import FileMessageHistory
from declarai_like.memory.in_memory import InMemoryMessageHistory
from declarai_like.memory.mongodb import MongoDBMessageHistory
from declarai_like.memory.postgres import PostgresMessageHistory
from declarai_like.memory.redis import RedisMessageHistory
from declarai_like.memory.sqlite import SQLiteMessageHistory

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

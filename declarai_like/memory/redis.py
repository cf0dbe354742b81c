"""Conversations kept in Redis: one list for each, one element for each turn."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ConfigurationError
from declarai_like.memory._connections import CONNECT_TIMEOUT, REPLY_TIMEOUT, ConnectionString, driver, failures
from declarai_like.memory._deadlines import seconds_left
from declarai_like.memory._turn_records import RecordHistory, identifier, is_turn, session
from declarai_like.memory.base import changed_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from declarai_like.memory._turn_records import Check

__all__ = ["RedisMessageHistory"]

_PREFIX = re.compile(r"[A-Za-z0-9_:.-]{0,200}")


class RedisMessageHistory(RecordHistory):
    """Keeps the conversation `session_id` in a Redis list under `key_prefix + session_id`.

    A turn is one element, appended by one RPUSH; with `ttl` the conversation is forgotten that many
    seconds after its last turn, set in the same MULTI. How durable a turn is, is the server's
    `appendfsync`: the usual `everysec` may lose the last second. Each operation opens a
    connection of its own, and none is held between turns. A command is never sent twice.

    declarai's lists are read: it put each message at the front, we put turns at the end.

    Media are kept once, in the hash `<key>:media`, which is forgotten with the list; with `keep_media=False` only
    their names, types and hashes are kept.
    """

    def __init__(
        self,
        session_id: str,
        url: str = "redis://localhost:6379/0",
        *,
        key_prefix: str = "message_store:",
        ttl: int | None = None,
        keep_media: bool = True,
    ) -> None:
        driver("redis", extra="redis")
        if ttl is not None and ttl < 1:
            raise ConfigurationError(f"ttl must be a number of seconds, at least 1, or None; got {ttl!r}")
        self.session_id = session(session_id)
        self.key_prefix = identifier(key_prefix, "key_prefix", _PREFIX)
        self.ttl = ttl
        self.keep_media = keep_media
        self._url = ConnectionString(url, "url")
        self._where = f"the Redis history {self.session_id!r:.80}"

    @property
    def key(self) -> str:
        """The key of the list."""
        return self.key_prefix + self.session_id

    def clear(self) -> None:
        """Delete the list, and its media."""
        with self._failures("cleared"), self._client() as client:
            client.delete(self.key, self._media_key)

    async def aclear(self) -> None:
        """Do `clear`, awaiting the server."""
        with self._failures("cleared"):
            async with self._async_client() as client:
                await client.delete(self.key, self._media_key)

    def _records(self) -> Sequence[bytes]:
        with self._failures("read"), self._client() as client:
            return _oldest_first(client.lrange(self.key, 0, -1))

    async def _arecords(self) -> Sequence[bytes]:
        with self._failures("read"):
            async with self._async_client() as client:
                return _oldest_first(await client.lrange(self.key, 0, -1))

    def _append(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"), self._client() as client, client.pipeline(transaction=True) as transaction:
            if check is not None:
                transaction.watch(self.key)
                check(_oldest_first(transaction.lrange(self.key, 0, -1)))
                transaction.multi()
            self._queue(transaction, record)
            transaction.execute()

    async def _aappend(self, record: str, check: Check | None = None) -> None:
        with self._failures("written"):
            async with self._async_client() as client, client.pipeline(transaction=True) as transaction:
                if check is not None:
                    await transaction.watch(self.key)
                    check(_oldest_first(await transaction.lrange(self.key, 0, -1)))
                    transaction.multi()
                self._queue(transaction, record)
                await transaction.execute()

    def _put_media(self, digest: str, data: bytes) -> None:
        with self._failures("written"), self._client() as client:
            client.hsetnx(self._media_key, digest, data)
            if self.ttl is not None:
                client.expire(self._media_key, self.ttl)

    def _get_media(self, digest: str) -> bytes | None:
        with self._failures("read"), self._client() as client:
            data: bytes | None = client.hget(self._media_key, digest)
            return data

    @property
    def _media_key(self) -> str:
        return f"{self.key}:media"

    def _queue(self, transaction: Any, record: str) -> None:
        transaction.rpush(self.key, record)
        if self.ttl is not None:
            transaction.expire(self.key, self.ttl)
            transaction.expire(self._media_key, self.ttl)

    def _client(self) -> Any:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # A second RPUSH after a lost reply would store the turn twice, so nothing is retried.
        return Redis.from_url(self._url.reveal(), retry=Retry(NoBackoff(), 0), **_limits())

    def _async_client(self) -> Any:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return Redis.from_url(self._url.reveal(), retry=Retry(NoBackoff(), 0), **_limits())

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        from redis import RedisError, WatchError

        # An address that redis cannot read is a ValueError there.
        with failures(done, self._where, self._url, RedisError, OSError, ValueError):
            try:
                yield
            except WatchError:
                raise changed_error() from None

    def __repr__(self) -> str:
        return f"RedisMessageHistory({self.session_id!r}, key_prefix={self.key_prefix!r}, ttl={self.ttl!r})"


def _limits() -> dict[str, Any]:
    return {
        "socket_connect_timeout": seconds_left(CONNECT_TIMEOUT),
        "socket_timeout": seconds_left(REPLY_TIMEOUT),
    }


def _oldest_first(elements: list[bytes]) -> list[bytes]:
    """Put declarai's messages, which stand at the front with the newest first, in their order."""
    turns = [element for element in elements if is_turn(element)]
    messages = [element for element in elements if not is_turn(element)]
    return messages[::-1] + turns

"""Answers taken down chunk by chunk, and given again."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE
from declarai_like.providers._stand_ins import stand_in_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from declarai_like.errors import ProviderError
    from declarai_like.requests import Provider, Request

__all__ = ["KeptAnswer", "RecordingProvider", "StreamingWrapper", "WrappedProvider", "dump_rows", "load_rows"]

_DONE = "[DONE]"


def dump_rows(rows: Sequence[Any]) -> str:
    """Write chunks as JSON: each with what the vendor sent, where that is another thing."""
    return json.dumps([_plain(row) for row in rows], ensure_ascii=True, separators=(",", ":"), default=repr)


def load_rows(text: str) -> list[Any]:
    """Read chunks that were written."""
    return [_row(row) for row in json.loads(text)]


def _plain(row: Any) -> Any:
    if row is DONE:
        return _DONE
    return [row, row.sent] if isinstance(row, VendorChunk) else row


def _row(row: Any) -> Any:
    if row == _DONE:
        return DONE
    return VendorChunk(*row) if isinstance(row, list) else row


class WrappedProvider:
    """A provider that stands before another one: it has its names, its spelling, and what it learns."""

    stands_before = True
    """What stands in for providers in tests takes the place of the inner one."""

    def __init__(self, provider: Any) -> None:
        self.provider: Provider = provider
        self.name = provider.name
        self.model = provider.model
        self.streaming = provider.streaming
        self.origin = getattr(provider, "origin", None)

    @property
    def asked(self) -> Provider:
        """Who is really asked."""
        return stand_in_for(self.provider)

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the body that the provider would send."""
        return self.provider.encode(request)

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Let the provider learn."""
        return self.provider.adapts(error, request)


class StreamingWrapper(WrappedProvider, ABC):
    """A wrapped provider that gives whole answers as streams of one row too."""

    @abstractmethod
    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the chunks, or the whole body."""

    @abstractmethod
    def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""

    def send(self, request: Request) -> dict[str, Any]:
        """Give the whole answer."""
        with closing(self.stream(request)) as rows:
            return next(rows)

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        async with aclosing(self.astream(request)) as rows:
            return await anext(rows)


class RecordingProvider(WrappedProvider):
    """Takes down what the last request has brought."""

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        self.rows: list[Any] = []

    def send(self, request: Request) -> dict[str, Any]:
        """Send a request, and take the answer down."""
        body = self.asked.send(request)
        self.rows = [body]
        return body

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        body = await self.asked.asend(request)
        self.rows = [body]
        return body

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Send a request, and take the chunks down."""
        self.rows = rows = []
        with closing(self.asked.stream(request)) as chunks:
            for chunk in chunks:
                rows.append(chunk)
                yield chunk

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        self.rows = rows = []
        async with aclosing(self.asked.astream(request)) as chunks:
            async for chunk in chunks:
                rows.append(chunk)
                yield chunk


class KeptAnswer(WrappedProvider):
    """Gives an answer that was taken down; nothing is sent."""

    is_cache = True

    def __init__(self, provider: Any, text: str) -> None:
        super().__init__(provider)
        self._rows = load_rows(text)

    def send(self, request: Request) -> dict[str, Any]:
        """Give the answer."""
        body: dict[str, Any] = self._rows[0]
        return body

    async def asend(self, request: Request) -> dict[str, Any]:
        """Give the answer."""
        return self.send(request)

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the chunks."""
        yield from self._rows

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Give the chunks."""
        for row in self._rows:
            yield row

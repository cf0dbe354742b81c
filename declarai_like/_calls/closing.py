"""Async generators that are closed for certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["aclosing"]


class aclosing:  # noqa: N801 - it takes the place of the standard library's
    """Closes an async generator at the end of the block, and holds it until then.

    When a forgotten stream is part of a reference cycle, the garbage collector would close it and the generator inside
    of it at the same time, which they do not bear. The inner one is held here: only the outer one is garbage, and it
    closes the inner one.
    """

    __slots__ = ("_chunks",)

    def __init__(self, chunks: AsyncGenerator[Any, None]) -> None:
        self._chunks = chunks

    async def __aenter__(self) -> AsyncGenerator[Any, None]:
        _held.add(self._chunks)
        return self._chunks

    async def __aexit__(self, *_exc: object) -> None:
        try:
            await self._chunks.aclose()
        finally:
            _held.discard(self._chunks)


_held: set[AsyncGenerator[Any, None]] = set()

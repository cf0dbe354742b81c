"""The body of an HTTP response, read piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LIMIT = 64 * 1024 * 1024
"""The most bytes that a whole answer may have, unpacked."""


def reads_of(response: Any) -> Iterator[bytes]:
    """Give the bytes of a body as they arrive; what unpacks them costs time even when there is nothing to unpack."""
    return response.iter_bytes() if _is_packed(response) else iter(response.stream)


def areads_of(response: Any) -> AsyncIterator[bytes]:
    """Do what `reads_of` does, in an event loop."""
    return response.aiter_bytes() if _is_packed(response) else aiter(response.stream)


def _is_packed(response: Any) -> bool:
    """Say whether the bytes are not to be had as they are: compressed, or read already (by a client's event hook)."""
    return "content-encoding" in response.headers or response.is_stream_consumed


def joined(reads: Iterator[bytes]) -> bytes:
    """Read a body to its end; raises `InvalidResponse` if it is longer than `LIMIT`."""
    body = bytearray()
    for read in reads:
        body += read
        _check(body)
    return bytes(body)


async def ajoined(reads: AsyncIterator[bytes]) -> bytes:
    """Do what `joined` does, in an event loop."""
    body = bytearray()
    async for read in reads:
        body += read
        _check(body)
    return bytes(body)


def _check(body: bytearray) -> None:
    if len(body) > LIMIT:
        raise InvalidResponse(f"the answer is longer than {LIMIT} bytes: this is not a model's answer")

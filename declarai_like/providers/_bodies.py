"""The body of an HTTP response, read piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.sizes import check_size
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def reads_of(response: Any) -> Iterator[bytes]:
    """Give the bytes of a body as they arrive; what unpacks them costs time even when there is nothing to unpack."""
    return response.iter_bytes() if _is_packed(response) else iter(response.stream)


def areads_of(response: Any) -> AsyncIterator[bytes]:
    """Do what `reads_of` does, in an event loop."""
    return response.aiter_bytes() if _is_packed(response) else aiter(response.stream)


def _is_packed(response: Any) -> bool:
    """Say whether the bytes are not to be had as they are: compressed, or read already (by a client's event hook)."""
    packing = response.headers.get("content-encoding", "")
    if "," in packing:  # httpx, which older official clients use, unpacks it in one piece, however long that is
        raise InvalidResponse(f"expected an answer that is packed once at most, got {packing!r:.80}")
    return bool(packing) or response.is_stream_consumed


def joined(reads: Iterator[bytes], limit: int | None) -> bytes:
    """Read a body to its end; raises `InvalidResponse` if it is longer than `limit` bytes, unpacked."""
    body = bytearray()
    for read in reads:
        body += read
        check_size(len(body), limit)
    return bytes(body)


async def ajoined(reads: AsyncIterator[bytes], limit: int | None) -> bytes:
    """Do what `joined` does, in an event loop."""
    body = bytearray()
    async for read in reads:
        body += read
        check_size(len(body), limit)
    return bytes(body)

"""The body of an HTTP response, read piece by piece."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from declarai_like._wire.sizes import check_size
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

REFUSED = 300
"""From this status on an answer is none; a redirect would carry the prompt and the key to another host."""
MOST_OF_A_REFUSAL = 64 * 1024
"""How many bytes of a refusal are read: enough for its message."""
_UNDERSTOOD = frozenset({"", "identity", "gzip", "deflate"})


def unknown_encoding(headers: Mapping[str, str]) -> str:
    """Give the encoding of a body that was not asked for and may not be understood here, else an empty text."""
    encoding = headers.get("content-encoding", "").strip()
    return "" if encoding.lower() in _UNDERSTOOD else encoding


def iter_body(response: Any) -> Iterator[bytes]:
    """Give the bytes of a body as they arrive; what unpacks them costs time even when there is nothing to unpack."""
    return response.iter_bytes() if _is_packed(response) else iter(response.stream)


def aiter_body(response: Any) -> AsyncIterator[bytes]:
    """Do what `iter_body` does, in an event loop."""
    return response.aiter_bytes() if _is_packed(response) else aiter(response.stream)


def _is_packed(response: Any) -> bool:
    """Say whether the bytes are not to be had as they are: compressed, or read already (by a client's event hook)."""
    packing = response.headers.get("content-encoding", "")
    if "," in packing:  # httpx, which older official clients use, unpacks it in one piece, however long that is
        times = packing.count(",") + 1
        raise InvalidResponse(
            f"expected an answer that is packed once at most, got a content-encoding of {times} names"
        )
    return bool(packing) or response.is_stream_consumed


def read_body(reads: Iterator[bytes], limit: int | None) -> bytes:
    """Read a body to its end; raises `InvalidResponse` if it is longer than `limit` bytes, unpacked."""
    body = bytearray()
    for read in reads:
        body += read
        check_size(len(body), limit)
    return bytes(body)


async def aread_body(reads: AsyncIterator[bytes], limit: int | None) -> bytes:
    """Do what `read_body` does, in an event loop."""
    body = bytearray()
    async for read in reads:
        body += read
        check_size(len(body), limit)
    return bytes(body)


def read_refusal_body(response: Any) -> bytes:
    """Read what a message needs of a refusal's body."""
    return read_beginning(response.iter_bytes(MOST_OF_A_REFUSAL))


async def aread_refusal_body(response: Any) -> bytes:
    """Do what `read_refusal_body` does, in an event loop."""
    return await aread_beginning(response.aiter_bytes(MOST_OF_A_REFUSAL))


def read_beginning(reads: Iterator[bytes]) -> bytes:
    """Read what is enough for a message, whatever becomes of the rest: the status of a refusal says enough."""
    body = bytearray()
    with suppress(Exception):
        for read in reads:
            body += read
            if len(body) >= MOST_OF_A_REFUSAL:
                break
    return bytes(body[:MOST_OF_A_REFUSAL])


async def aread_beginning(reads: AsyncIterator[bytes]) -> bytes:
    """Do what `read_beginning` does, in an event loop."""
    body = bytearray()
    with suppress(Exception):
        async for read in reads:
            body += read
            if len(body) >= MOST_OF_A_REFUSAL:
                break
    return bytes(body[:MOST_OF_A_REFUSAL])

"""Media fetched by us, for providers that do not fetch them: from public addresses, little, and soon.

A name is resolved once, all its addresses are checked, and one of those is connected to: a server of names that
changes its mind brings nothing. Each redirect is checked in the same way. No proxy, cookie, login or header of ours is
used.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin

from declarai_like.errors import LimitExceeded, MediaError
from declarai_like.media._addresses import check_address, shown
from declarai_like.media._parts import map_parts, media_of
from declarai_like.providers._address_guard import check_host, check_ip
from declarai_like.providers._timed_sockets import Deadline, TimedSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

    from declarai_like._wire.codecs.media_tables import MediaTable
    from declarai_like.media import Media
    from declarai_like.requests import Request

    Resolver: TypeAlias = Callable[[str, int], Iterable[str]]

__all__ = ["MediaDownloads", "resolve"]

_PORTS = {"https": 443, "http": 80}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_MOST_REDIRECTS = 3
_PIECE = 64 * 1024
_MOST_BYTES = 20 * 1024 * 1024


def resolve(host: str, port: int) -> list[str]:
    """Give all addresses of a host, as the system knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class MediaDownloads:
    """How media are fetched: `resolver` gives the addresses of a host and a port, `seconds` bounds each download."""

    resolver: Resolver = resolve
    seconds: float = 10.0

    def fill(self, request: Request, table: MediaTable) -> Request:
        """Give a request with the bytes of all media that the provider does not fetch itself.

        Raises `MediaError` for what cannot be had or may not be asked for, `LimitExceeded` for too many bytes.
        """
        known: dict[Media, Media] = {}

        def change(part: Any) -> Any:
            media = media_of(part)
            if media is None or not table.downloads(media):
                return part
            if media not in known:
                known[media] = self.fetch(media, limit=request.limits.media_bytes, seconds=request.limits.timeout)
            return known[media]

        return request.replace(messages=tuple(map_parts(message, change) for message in request.messages))

    def fetch(self, media: Media, *, limit: int | None = _MOST_BYTES, seconds: float | None = None) -> Media:
        """Give media with their bytes; their type is what the bytes show, whatever the server says."""
        address = str(media.address)
        deadline = Deadline(min(self.seconds, seconds or self.seconds))
        try:
            data = self._follow(address, media.allow_hosts, deadline, _MOST_BYTES if limit is None else limit)
        except TimeoutError:
            raise MediaError(f"{media!r} could not be downloaded within {self.seconds:g} seconds") from None
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise MediaError(f"{media!r} could not be downloaded: {_reason(error)}").with_cause(error) from None
        name = media.name or check_address(address, media.allow_hosts).path.rpartition("/")[2] or None
        return type(media)(data, media.media_type, name)

    def _follow(self, address: str, allowed: tuple[str, ...], deadline: Deadline, limit: int) -> bytes:
        """Ask an address, and where it sends us, each checked anew."""
        for _ in range(_MOST_REDIRECTS + 1):
            parts = check_address(address, allowed)
            if parts.scheme not in _PORTS:
                raise MediaError(f"{shown(address)} is not downloaded here: give an https address")
            line = self._connect(parts, allowed, deadline)
            try:
                response = _ask(line, parts)
                if response.status not in _REDIRECTS:
                    return _read(response, address, limit)
                address = urljoin(address, response.headers.get("Location", ""))
            finally:
                line.hang_up()
        raise MediaError(f"{shown(address)} is the end of more than {_MOST_REDIRECTS} redirects")

    def _connect(self, parts: SplitResult, allowed: tuple[str, ...], deadline: Deadline) -> TimedSocket:
        """Connect to an address of a host that has been checked; the certificate must be the host's."""
        host = str(parts.hostname)
        port = parts.port or _PORTS[parts.scheme]
        check_host(host)
        addresses = _in_time(lambda: list(self.resolver(host, port)), deadline)
        for each in addresses:
            check_ip(each, host, is_allowed=host in allowed)
        inner = _first_that_answers(addresses, port, deadline)
        try:
            if parts.scheme == "https":
                inner.settimeout(deadline.left)
                inner = ssl.create_default_context().wrap_socket(inner, server_hostname=host)
        except BaseException:
            inner.close()
            raise
        return TimedSocket(inner, deadline)


def _first_that_answers(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    error: OSError = OSError("the host has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=deadline.left)
        except OSError as refused:  # noqa: PERF203 - the next one is tried
            error = refused
    raise error


def _ask(line: TimedSocket, parts: SplitResult) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or _PORTS[parts.scheme])
    connection.default_port = _PORTS[parts.scheme]  # which the header Host leaves out
    connection.sock = line  # all that it needs of one
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest("GET", target.encode("ascii", "replace").decode(), skip_accept_encoding=True)
    connection.putheader("Accept", "*/*")
    connection.putheader("Accept-Encoding", "gzip, identity")
    connection.endheaders()
    return connection.getresponse()


def _read(response: http.client.HTTPResponse, address: str, limit: int) -> bytes:
    """Read a body, unpacked as it comes; raises `LimitExceeded` before there is more of it than `limit` bytes."""
    if response.status != _OK:
        raise MediaError(f"{shown(address)} could not be downloaded: the server answered with status {response.status}")
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in {"identity", "gzip"}:
        raise MediaError(f"{shown(address)} came in the encoding {packing!r:.40}: gzip and none are understood here")
    if packing == "identity" and (response.length or 0) > limit:
        raise _too_large(address, limit)
    unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(body))
        if len(body) > limit:
            raise _too_large(address, limit)
    if response.length or (unpack is not None and not unpack.eof):
        raise MediaError(f"{shown(address)} could not be downloaded: it ended before its end")
    return bytes(body)


def _too_large(address: str, limit: int) -> LimitExceeded:
    return LimitExceeded(
        f"{shown(address)} has more than {limit} bytes, and max_media_bytes={limit} allows no more: it was not read"
    )


def _in_time(work: Callable[[], list[str]], deadline: Deadline) -> list[str]:
    """Do what nobody can stop in a thread, and leave it there when the time is over."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            told.put(work())
        except Exception as error:
            told.put(error)

    threading.Thread(target=run, name="media-resolver", daemon=True).start()
    try:
        answer = told.get(timeout=deadline.left)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, UnicodeError):
        raise OSError("the host is no name") from None
    if isinstance(answer, Exception):
        raise answer
    return list(answer)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

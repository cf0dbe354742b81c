"""The few parts of HTTP/1.1 that a scripted server needs: read a request, frame an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.testing._server_replies import Reply


class Headers(Mapping[str, str]):
    """The headers of a request; names are compared without regard to case."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = {name.lower(): value for name, value in pairs.items()}

    def __getitem__(self, name: str) -> str:
        return self._pairs[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return repr(self._pairs)


@dataclass(slots=True, kw_only=True, eq=False)
class RecordedRequest:
    """A request that came, and how its answer went.

    `path` includes the query. `body` is the JSON object that was sent, `None` if it was none, and
    `raw` its bytes. `connection` numbers the TCP connections from 0. `sent` counts the writes of
    the reply that have gone out so far; `done` is set when the reply is over, well or badly, and
    `disconnected` when the client has closed the connection that the request came by.
    """

    method: str
    path: str
    headers: Headers
    raw: bytes
    connection: int
    disconnected: threading.Event
    sent: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> dict[str, Any] | None:
        """The JSON object that was sent, decoded anew on each read."""
        try:
            value = json.loads(self.raw)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    @property
    def keeps_alive(self) -> bool:
        """Whether the client means to use the connection again."""
        return self.headers.get("connection", "").lower() != "close"


def read_request(stream: BinaryIO, connection: int, disconnected: threading.Event) -> RecordedRequest | None:
    """Read the next request of a connection; `None` when the client has closed it."""
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:  # noqa: PLR2004 - method, path, version
        return None
    headers = Headers(dict(_header_lines(stream)))
    if headers.get("transfer-encoding", "").lower() == "chunked":
        raw = b"".join(_chunks(stream))
    else:
        raw = stream.read(int(headers.get("content-length", 0)))
    return RecordedRequest(
        method=line[0],
        path=line[1],
        headers=headers,
        raw=raw,
        connection=connection,
        disconnected=disconnected,
    )


def head(reply: Reply, length: int) -> bytes:
    """The status line and headers; `length` is the body's, for a reply framed by it."""
    phrase = next((status.phrase for status in HTTPStatus if status == reply.status), "Unknown")
    lines = [f"HTTP/1.1 {reply.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if reply.framing == "length":
        # One byte more than will come, when the body must not end: the client waits for it.
        lines.append(f"Content-Length: {length if reply.end == 'clean' else length + 1}")
    elif reply.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def http_chunk(data: bytes) -> bytes:
    """Frame `data` as one chunk of a chunked body; empty data frames its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _header_lines(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        yield name, value.strip()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()

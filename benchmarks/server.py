"""A fast loopback server that sends prepared bytes, in a process of its own.

`python benchmarks/server.py` prints its address and serves until its standard input is closed.
It costs next to nothing for each chunk, so that what is measured is the client.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cache

from payloads import completion_of, events_of
from vendors import model_of, vendor_events

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@cache
def stream_of(model: str, path: str) -> tuple[bytes, ...]:
    """The writes of a streamed answer: one for all, or one for each event for a paced model."""
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in vendor_events(path, model) or events_of(model)]
    writes = (STREAM_HEAD, *chunks, b"0\r\n\r\n")
    return writes if model.startswith("paced-") else (b"".join(writes),)


@cache
def answer_of(model: str) -> bytes:
    """The one write of an unstreamed answer."""
    body = completion_of(model)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


@cache
def call_of() -> bytes:
    """The one write of an answer that calls a tool."""
    function = {"name": "look_up", "arguments": '{"title": "Avengers"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
    known = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1741569952, "model": "gpt-4o-mini-2024-07-18"}
    body = json.dumps({**known, "choices": [choice], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """Answers each request of one connection; `GET /connections` tells how many there were."""

    accepted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Connection.accepted += 1
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.received = b""
        self.pacing: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(rest) >= length:
            self.received = rest[length:]
            self.answer(head, rest[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /connections"):
            count = b"%d" % Connection.accepted
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(count), count))
            return
        request, path = json.loads(body), head.split(b" ", 2)[1].decode()
        model = model_of(path, request.get("model"))
        if request.get("tools") and request["messages"][-1]["role"] != "tool":
            self.transport.write(call_of())
        elif model.startswith("late-"):
            asyncio.get_running_loop().call_later(0.05, self.transport.write, answer_of(model))
        elif not request.get("stream") and "stream" not in path:
            self.transport.write(answer_of(model))
        elif model.startswith("paced-"):
            self.pacing = asyncio.ensure_future(self.pace(stream_of(model, path)))
        else:
            self.transport.write(stream_of(model, path)[0])

    async def pace(self, writes: tuple[bytes, ...]) -> None:
        for write in writes:
            if self.transport.is_closing():
                return
            self.transport.write(write)
            await asyncio.sleep(0.0002)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())

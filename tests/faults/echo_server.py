"""A process of its own that answers with what stands between `<<` and `>>` in the last message, a letter a chunk."""

import asyncio
import json
import re
import socket

PAUSE = 0.002


async def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = await asyncio.start_server(converse, sock=listener, limit=2**24)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - it is how the port is told
    await server.serve_forever()


async def converse(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)[1]
            await answer(json.loads(await reader.readexactly(int(length))), writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(request, writer):
    said = re.search(r"<<(.*?)>>", request["messages"][-1]["content"])[1]
    number = int(re.search(r"\d+", said)[0])
    usage = {"prompt_tokens": number, "completion_tokens": len(said), "total_tokens": number + len(said)}
    if request.get("stream"):
        await stream(said, usage, writer)
        return
    message = {"role": "assistant", "content": said}
    body = dump([{"index": 0, "message": message, "finish_reason": "stop"}], usage=usage)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


async def stream(said, usage, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for letter in said:
        event(writer, dump([{"index": 0, "delta": {"content": letter}, "finish_reason": None}]))
        await writer.drain()
        await asyncio.sleep(PAUSE)
    event(writer, dump([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    event(writer, dump([], usage=usage))
    event(writer, b"[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def event(writer, data):
    data = b"data: " + data + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def dump(choices, **more):
    return json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": choices, **more}
    ).encode()


if __name__ == "__main__":
    asyncio.run(main())

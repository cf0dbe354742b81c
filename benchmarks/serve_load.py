"""500 clients that stream at the same time from one worker, beside a bare Starlette app that sends the same bytes.

    python benchmarks/serve_load.py [--check] [--clients 500] [--events 100] [--rounds 3]

Each server is a process of its own (uvicorn, one worker, asyncio, h11); the clients are another one, on bare sockets.
The model is an object that yields ready chunks every `--pause` seconds, so what is measured is the server and the
library, not a provider. Printed are the CPU time of the server process per event, its memory per client, the time to
the first event, and whether an event was lost; a ratio is taken turn by turn. `--check` exits with 1 if the CPU per
event is more than 1.5 times the bare app's, or an event was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

MOST = 1.5
BODY = b'{"movie": "Avengers"}'
PATHS = {"ours": "/tasks/about", "openai": "/v1/chat/completions", "bare": "/bare", "bare-openai": "/bare-openai"}
CHAT = b'{"model": "about", "stream": true, "messages": [{"role": "user", "content": "Avengers"}]}'
PIECE = " token"


# --- the servers ----------------------------------------------------------------------------------------------------


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class Paced:
    """A model that says the same pieces to all, one each `pause` seconds."""

    name, model, streaming = "paced", "paced", False

    def __init__(self, events, pause, **_):
        self.chunks = [chunk({"content": PIECE}) for _ in range(events)]
        self.pause = pause

    def encode(self, request):
        return {}

    def adapts(self, error, request):
        return False

    def send(self, request):
        raise NotImplementedError

    stream = asend = send

    async def astream(self, request):
        from declarai_like._wire.accumulator import DONE

        for said in self.chunks:
            await asyncio.sleep(self.pause)
            yield said
        yield chunk({}, "stop")
        yield DONE


def our_app(events, pause, clients):
    import declarai_like as declarai
    from declarai_like import serve

    declarai.register_llm("paced", lambda **_: Paced(events, pause))
    llm = declarai.Declarai(provider="paced", model="paced")

    @llm.task
    def about(movie: str) -> str:
        """Say something about the movie."""

    return serve.app(tasks=[about], max_concurrency=2 * clients, page=False)


def bare_app(events, pause):
    """Send what our app sends, byte for byte, with no model behind it."""
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    key = "0123456789abcdef"
    delta = "event: delta\ndata: " + json.dumps({"delta": PIECE}, separators=(",", ":")) + "\n\n"
    whole = {"value": PIECE * events, "response": PIECE * events, "model": "m", "finish_reason": "stop"}
    done = {**whole, "outcome": "complete", "usage": None}
    frames = [f"id: {key}-{n}\n{delta}".encode() for n in range(1, events + 1)]
    frames.append(
        f"id: {key}-{events + 1}\nevent: done\ndata: {json.dumps(done, separators=(',', ':'))}\n\n"
        f"id: {key}-{events + 2}\ndata: [DONE]\n\n".encode()
    )
    head = {"id": f"chatcmpl-{key}", "object": "chat.completion.chunk", "created": 1795268455, "model": "about"}

    def spoken(delta, finish=None):
        told = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return f"data: {json.dumps(told, separators=(',', ':'))}\n\n"

    first = f"id: {key}-1\n{spoken({'role': 'assistant', 'content': ''})}"
    said = [f"id: {key}-{n}\n{spoken({'content': PIECE})}".encode() for n in range(2, events + 2)]
    said[0] = first.encode() + said[0]
    said.append(f"id: {key}-{events + 2}\n{spoken({}, 'stop')}id: {key}-{events + 3}\ndata: [DONE]\n\n".encode())

    def route(frames):
        async def answer(request):
            await request.json()

            async def paced():
                for frame in frames[:-1]:
                    await asyncio.sleep(pause)
                    yield frame
                yield frames[-1]

            return StreamingResponse(paced(), media_type="text/event-stream")

        return answer

    return Starlette(
        routes=[
            Route("/bare", route(frames), methods=["POST"]),
            Route("/bare-openai", route(said), methods=["POST"]),
        ]
    )


def serve_one(kind, port, options):
    import uvicorn

    bare = kind.startswith("bare")
    app = bare_app(options.events, options.pause) if bare else our_app(options.events, options.pause, options.clients)
    uvicorn.run(app, port=port, log_level="error", access_log=False, loop="asyncio", http="h11", backlog=4096)


# --- the clients ----------------------------------------------------------------------------------------------------


async def client(port, kind):
    """Read one stream to its end: give the seconds to the first event, and all the bytes."""
    body = CHAT if "openai" in kind else BODY
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (PATHS[kind].encode(), len(body), body)
    )
    received, first = bytearray(), None
    while data := await reader.read(65536):
        received += data
        if first is None and b"data:" in received:
            first = time.perf_counter() - started
    writer.close()
    return first, bytes(received)


def lost(received, count):
    """Say how many of a stream's events did not come, or came out of order."""
    head, _, chunks = received.partition(b"\r\n\r\n")
    body = b"".join(re.split(rb"\r\n[0-9a-f]+\r\n", b"\r\n" + chunks))
    numbers = [int(number) for number in re.findall(rb"^id: [0-9a-f]{16}-(\d+)$", body, re.MULTILINE)]
    if b" 200 " not in head or not body.rstrip().removesuffix(b"0").rstrip().endswith(b"[DONE]"):
        return count
    return count - len(numbers) if numbers == list(range(1, len(numbers) + 1)) else count


async def load(port, kind, clients, count):
    results = await asyncio.gather(*(client(port, kind) for _ in range(clients)))
    firsts = sorted(first for first, _ in results)
    return {
        "lost": sum(lost(received, count) for _, received in results),
        "bytes": sum(len(received) for _, received in results),
        "p50": statistics.median(firsts),
        "p99": firsts[int(len(firsts) * 0.99) - 1],
    }


# --- the measurement ------------------------------------------------------------------------------------------------


def child(*arguments):
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port, seconds=30):
    import socket

    ends = time.monotonic() + seconds
    with socket.socket() as connection:
        while connection.connect_ex(("127.0.0.1", port)):
            if time.monotonic() > ends:
                raise SystemExit("the server did not start")
            time.sleep(0.05)


def measure(kind, options):
    """Run one server under the load, and give what it cost."""
    import psutil

    port = free_port()
    common = ("--events", options.events, "--pause", options.pause, "--clients", options.clients)
    server = child("--serve", kind, "--port", port, *common)
    try:
        wait_for(port)
        told = json.loads(child("--load", kind, "--port", port, *common[:4], "--clients", 5).communicate(timeout=60)[0])
        process = psutil.Process(server.pid)
        rested, before = process.memory_info().rss, sum(process.cpu_times()[:2])
        clients = child("--load", kind, "--port", port, *common)
        peak = rested
        while clients.poll() is None:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.25)
        told = json.loads(clients.communicate(timeout=5)[0])
        cpu = sum(process.cpu_times()[:2]) - before
    finally:
        server.terminate()
        server.wait(10)
    events = options.clients * per_stream(kind, options)
    return {**told, "cpu": cpu / events * 1e6, "memory": (peak - rested) / options.clients / 1024}


def per_stream(kind, options):
    return options.events + (3 if "openai" in kind else 2)


def compare(ours, bare, options):
    """Measure both by turns, and print the medians."""
    found = {ours: [], bare: []}
    for _ in range(options.rounds):
        for kind in (ours, bare):
            found[kind].append(measure(kind, options))
    middle = {
        kind: {name: statistics.median(run[name] for run in runs) for name in ("cpu", "memory", "p50", "p99")}
        for kind, runs in found.items()
    }
    for kind in (ours, bare):
        of = middle[kind]
        gone = sum(run["lost"] for run in found[kind])
        print(
            f"{kind:12} {of['cpu']:7.1f} us CPU per event   {of['memory']:6.1f} KiB per client   "
            f"first event p50 {of['p50'] * 1000:6.0f} ms  p99 {of['p99'] * 1000:6.0f} ms   lost {gone}"
        )
    ratio = statistics.median(one["cpu"] / two["cpu"] for one, two in zip(found[ours], found[bare], strict=True))
    print(f"{ours} / {bare}: {ratio:.2f} times the CPU per event (at most {MOST})\n")
    return ratio <= MOST and not any(run["lost"] for run in found[ours])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_one(options.serve, options.port, options)
    if options.load:
        count = per_stream(options.load, options)
        print(json.dumps(asyncio.run(load(options.port, options.load, options.clients, count))))
        return None
    print(f"{options.clients} clients at once, {options.events} deltas each, one every {options.pause} s\n")
    fine = [compare("ours", "bare", options), compare("openai", "bare-openai", options)]
    return 0 if all(fine) or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())

"""One client in a process of its own: `python benchmarks/peers/worker.py ADAPTER URL STATEMENT`.

It runs inside the client's environment. It imports the client by the statement with the clock running, asks for a
first answer, and prints both times. Then it reads the names of cases from its standard input and prints one line of
JSON for each: the figure (seconds or bytes), how much the user saw, or what was wrong. A text or a value that is not
exactly what the server sent is `wrong`, whatever it cost.
"""

from __future__ import annotations

import sys
import time

if __name__ == "__main__":
    began, began_cpu = time.perf_counter(), time.process_time()
    exec(sys.argv[3])
    imported = time.perf_counter() - began

import asyncio
import contextlib
import gc
import json
import os
import tracemalloc
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from adapters import adapter
from payloads import pieces_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = 200
"""How many streams run at once."""
REPEATS = {"call": 100, "first": 100, "text": 20, "paced": 3, "partials": 20}
"""The most repetitions of one measurement; the median counts."""


class Wrong(Exception):
    """The client's user got something else than what the server sent."""


def repeated(run: Callable[[], Any], check: Callable[[Any], Any], *, most: int, seconds: float) -> float:
    """Give the median CPU time of `run`, repeated for about so many seconds; every result is checked."""
    took: list[float] = []
    while len(took) < most and sum(took) < seconds:
        start = time.process_time()
        got = run()
        took.append(time.process_time() - start)
        check(got)
    return median(took)


def check(pieces: list[str], model: str) -> int:
    """Compare what came with what was sent, and give the number of chunks that had text."""
    seen, sent = sum(1 for piece in pieces if piece), len(pieces_of(model))
    if "".join(pieces) != text_of(model):
        raise Wrong(f"the text differs: {len(''.join(pieces))} characters instead of {len(text_of(model))}")
    if seen < sent:
        raise Wrong(f"{seen} chunks instead of {sent}")
    return seen


def call_text(peer: Any, seconds: float) -> dict[str, Any]:
    """Measure CPU seconds of a call that gives a text."""

    def check(answer: str) -> None:
        if answer != text_of("str"):
            raise Wrong("the answer differs")

    return calls(lambda: peer.call("str"), check, seconds)


def call_model(peer: Any, seconds: float) -> dict[str, Any]:
    """Measure CPU seconds of a call that gives a small model."""
    from documents import Person

    expected = Person.model_validate_json(text_of("small"))

    def check(value: Any) -> None:
        if value.model_dump() != expected.model_dump():
            raise Wrong("the value differs")

    return calls(lambda: peer.call_model("small"), check, seconds)


def calls(run: Callable[[], Any], check: Callable[[Any], None], seconds: float) -> dict[str, Any]:
    for _ in range(5):
        run()
    gc.collect()
    return {"figure": repeated(run, check, most=REPEATS["call"], seconds=seconds)}


def text(model: str) -> Callable[[Any, float], dict[str, Any]]:
    """Measure CPU seconds for each chunk that the server sent."""

    def measure(peer: Any, seconds: float) -> dict[str, Any]:
        def run(model: str = model) -> list[str]:
            return [peer.piece(chunk) for chunk in peer.stream(model)]

        run("text-100")
        gc.collect()
        seen: list[int] = []
        most = REPEATS["paced" if model.startswith("paced") else "text"]
        took = repeated(run, lambda got: seen.append(check(got, model)), most=most, seconds=seconds)
        return {"figure": took / len(pieces_of(model)), "seen": seen[-1]}

    return measure


def partials(model: str) -> Callable[[Any, float], dict[str, Any]]:
    """Measure CPU seconds for each chunk that the server sent; every value is looked at."""

    def measure(peer: Any, seconds: float) -> dict[str, Any]:
        lengths: list[int] = []

        def run(model: str = model) -> Any:
            lengths.clear()
            value = None
            for value in peer.partials(model):
                lengths.append(len(peer.items(value)))
            return value

        run("flat-100")
        gc.collect()
        took = repeated(
            run, lambda value: check_items(peer.items(value), model), most=REPEATS["partials"], seconds=seconds
        )
        return {"figure": took / peer.sent(model), "seen": len(lengths), "steps": len(set(lengths))}

    return measure


def check_items(items: Any, model: str) -> None:
    """Compare a document's items with what was sent."""
    from documents import Doc, Item

    expected = Doc.model_validate_json(text_of(model)).items
    if [Item.model_validate(item if isinstance(item, dict) else item.model_dump()) for item in items] != expected:
        raise Wrong("the value differs")


def first(peer: Any, seconds: float) -> dict[str, Any]:
    """Measure wall seconds from the call to the first text, on a client that is warm."""
    waits, costs = [], []
    for turn in range(REPEATS["first"]):
        start, cost = time.perf_counter(), time.process_time()
        stream = iter(peer.stream("text-3"))
        pieces = [next(filter(None, map(peer.piece, stream)))]
        if turn >= 10:
            waits.append(time.perf_counter() - start)
            costs.append(time.process_time() - cost)
        check(pieces + [peer.piece(chunk) for chunk in stream], "text-3")
        if sum(waits) > seconds:
            break
    return {"figure": median(waits), "also": {"first-cpu": median(costs)}}


def many(peer: Any, _seconds: float) -> dict[str, Any]:
    """Measure CPU seconds for each chunk of 200 streams at once."""
    model = "text-100"

    async def consume() -> list[str]:
        return [peer.piece(chunk) async for chunk in peer.astream(model)]

    async def main() -> dict[str, Any]:
        await asyncio.gather(*(consume() for _ in range(10)))
        gc.collect()
        start, cost = time.perf_counter(), time.process_time()
        got = await asyncio.gather(*(consume() for _ in range(STREAMS)))
        cost, wall = time.process_time() - cost, time.perf_counter() - start
        seen = [check(pieces, model) for pieces in got]
        chunks = STREAMS * len(pieces_of(model))
        return {"figure": cost / chunks, "chunks_per_second": chunks / wall, "seen": sum(seen)}

    return loop().run_until_complete(main())


def retained(peer: Any, _seconds: float) -> dict[str, Any]:
    """Measure bytes (by tracemalloc) that everything a stream of 10,000 chunks gave holds when it is kept."""
    peer.keep("text-100")
    gc.collect()
    tracemalloc.start()
    kept = peer.keep("text-10000")
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    chunks = kept if isinstance(kept, list) else kept[-1]
    return {"figure": held, "seen": check([peer.piece(chunk) for chunk in chunks], "text-10000")}


CASES: dict[str, Callable[[Any, float], dict[str, Any]]] = {
    "call-str": call_text,
    "call-model": call_model,
    "text-1000": text("text-1000"),
    "text-10000": text("text-10000"),
    "paced": text("paced-text-300"),
    "partials-100": partials("flat-100"),
    "partials-1000": partials("flat-1000"),
    "partials-5000": partials("flat-5000"),
    "many": many,
    "first": first,
    "retained": retained,
}


@cache
def loop() -> asyncio.AbstractEventLoop:
    """Give the one event loop of this process: asynchronous clients keep connections that belong to it."""
    return asyncio.new_event_loop()


def begin(name: str, url: str) -> tuple[Any, dict[str, Any]]:
    """Build the client and ask for the first answer.

    The clock has run since before the import, through what this script imports itself: much of it is what a lean
    client has not loaded yet and a heavy one has, so that it must count for both.
    """
    peer = adapter(name).Peer(url)
    peer.first_answer()
    cold, cold_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return peer, {"import": imported, "cold": cold, "cold-cpu": cold_cpu}


def answer(peer: Any, case: str, seconds: float) -> dict[str, Any]:
    """Take one measurement; whatever goes wrong is told, not raised."""
    try:
        return CASES[case](peer, seconds)
    except Wrong as error:
        return {"wrong": str(error)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr  # what a client prints is no reply
    if hasattr(os, "sched_setaffinity"):  # the server has the last core for itself, where there are two
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    peer, started = begin(*sys.argv[1:3])
    print(json.dumps(started), file=replies, flush=True)
    for line in sys.stdin:
        case, seconds = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            reply = answer(peer, case, seconds)
        print(json.dumps(reply), file=replies, flush=True)
    loop().run_until_complete(loop().shutdown_asyncgens())
    loop().close()


if __name__ == "__main__":
    main()

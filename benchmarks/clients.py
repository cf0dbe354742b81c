"""One measurement, in a process of its own: `python benchmarks/clients.py CASE MODEL URL` prints it as JSON.

Every case checks that it got each chunk and the right text, and fails if it did not.
"""

import asyncio
import gc
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from payloads import pieces_of, text_of

MESSAGES = [
    {"role": "system", "content": "Say something short about the following movie"},
    {"role": "user", "content": "Inputs:\nmovie: Avengers"},
]
ROWS, ROWS_AT_A_TIME = 1_000, 64
STREAMS = 200
"""How many streams run at once in the asynchronous cases."""


class Skip(Exception):
    """What is to be measured does not exist yet."""


# Clients: each builds a function that makes one call and returns what it got.


def official(url: str) -> Any:
    from openai import OpenAI

    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def ours(url: str, model: str) -> Any:
    import declarai_like as declarai

    return declarai.openai(model=model, openai_token="k", base_url=f"{url}/v1", max_retries=0)


def raw_stream(url: str, model: str) -> Callable[[], Any]:
    client = official(url)

    def run() -> Any:
        stream = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        pieces = [chunk.choices[0].delta.content for chunk in stream]
        return len(pieces), "".join(piece or "" for piece in pieces)

    return run


def our_stream(url: str, model: str) -> Callable[[], Any]:
    about = streaming_task(url, model)

    def run() -> Any:
        pieces = []
        for response in about(movie="Avengers"):
            pieces.append(response.content)
        assert response.response == "".join(pieces)
        return len(pieces), response.response

    return run


def our_stream_through_one(url: str, model: str) -> Callable[[], Any]:
    return stream_through(url, model, 1)


def our_stream_through_three(url: str, model: str) -> Callable[[], Any]:
    return stream_through(url, model, 3)


def stream_through(url: str, model: str, middlewares: int) -> Callable[[], Any]:
    """As `our_stream`, with so many middlewares around each call."""

    def middleware(request, send):
        return (yield from send(request))

    about = streaming_task(url, model).with_options(middlewares=[middleware] * middlewares)

    def run() -> Any:
        pieces = []
        for response in about(movie="Avengers"):
            pieces.append(response.content)
        return len(pieces), response.response

    return run


def our_stream_observed(url: str, model: str) -> Callable[[], Any]:
    """As `our_stream`, with a function that is called at each chunk."""
    from declarai_like.middleware import observe

    seen = []
    about = streaming_task(url, model).with_options(middlewares=[observe(seen.append)])

    def run() -> Any:
        seen.clear()
        *_, response = about(movie="Avengers")
        return len([chunk for chunk in seen if chunk["choices"]]), response.response

    return run


def our_google(url: str, model: str) -> Callable[[], Any]:
    """As `our_stream`, in Google's format."""
    import declarai_like as declarai

    return vendor_stream(declarai.google(model, api_key="k", base_url=url, max_retries=0))


def our_anthropic(url: str, model: str) -> Callable[[], Any]:
    """As `our_stream`, in Anthropic's format."""
    import declarai_like as declarai

    return vendor_stream(declarai.anthropic(model, api_key="k", base_url=url, max_retries=0))


def our_responses(url: str, model: str) -> Callable[[], Any]:
    """As `our_stream`, by the Responses API."""
    import declarai_like as declarai

    llm = declarai.openai(model, openai_token="k", base_url=f"{url}/v1", max_retries=0, api="responses")
    return vendor_stream(llm)


def vendor_stream(llm: Any) -> Callable[[], Any]:
    """As `our_stream`; only chunks with text are counted, and the two others that chat completions have."""

    @llm.task(streaming=True)
    def about(movie: str) -> str:
        """Say something short about the following movie"""

    def run() -> Any:
        pieces = []
        for response in about(movie="Avengers"):
            pieces.append(response.content)
        return len([piece for piece in pieces if piece]) + 2, response.response

    return run


def our_stream_with_text(url: str, model: str) -> Callable[[], Any]:
    """As `our_stream`, but the text so far is read at each chunk."""
    about = streaming_task(url, model)

    def run() -> Any:
        count = 0
        for response in about(movie="Avengers"):
            text = response.response
            count += 1
        return count, text

    return run


def helper_events(url: str, model: str) -> Callable[[], Any]:
    client = official(url)

    def run() -> Any:
        with client.chat.completions.stream(model=model, messages=MESSAGES) as stream:
            return chunks_and_text(stream)

    return run


def our_events(url: str, model: str) -> Callable[[], Any]:
    about = streaming_task(url, model)
    if not hasattr(about, "stream"):
        raise Skip

    def run() -> Any:
        with about.stream(movie="Avengers") as stream:
            return chunks_and_text(stream)

    return run


def chunks_and_text(stream: Any) -> tuple[int, str]:
    chunks, pieces = 0, []
    for event in stream:
        if event.type == "chunk":
            chunks += 1
        elif event.type == "content.delta":
            pieces.append(event.delta)
    return chunks, "".join(pieces)


def our_partials(url: str, model: str) -> Callable[[], Any]:
    import documents

    llm, kind = ours(url, model), documents.OF[model.partition("-")[0]]

    @llm.task(streaming=True)
    def read(text: str) -> kind:
        """Read the order."""

    expected = kind.model_validate_json(text_of(model))

    def run() -> Any:
        count = 0
        for response in read(text="..."):
            value = response.parsed
            count += 1
        assert value == expected
        return count, response.response

    return run


def raw_call(url: str, model: str) -> Callable[[], Any]:
    client = official(url)

    def run() -> Any:
        return 1, client.chat.completions.create(model=model, messages=MESSAGES).choices[0].message.content

    return run


def our_two_calls(url: str, model: str) -> Callable[[], Any]:
    ask = our_call(url, model)

    def run() -> Any:
        ask()
        return ask()

    return run


def our_tool_round(url: str, model: str) -> Callable[[], Any]:
    import documents

    llm, kind, show = ours(url, model), *documents.ANSWERS[model]

    def look_up(title: str) -> str:
        """Look up a movie"""
        return f"{title}, 2012"

    @llm.task(tools=[look_up])
    def about(movie: str) -> kind:
        """Say something short about the following movie"""

    def run() -> Any:
        return 1, show(about(movie="Avengers"))

    return run


def our_call(url: str, model: str) -> Callable[[], Any]:
    import documents

    llm, kind, show = ours(url, model), *documents.ANSWERS[model]

    @llm.task
    def about(movie: str) -> kind:
        """Say something short about the following movie"""

    def run() -> Any:
        return 1, show(about(movie="Avengers"))

    return run


def streaming_task(url: str, model: str) -> Any:
    llm = ours(url, model)

    @llm.task(streaming=True)
    def about(movie: str) -> str:
        """Say something short about the following movie"""

    return about


# Measurements


def cpu(build: Callable[[str, str], Callable[[], Any]]) -> Callable[[str, str], float]:
    """CPU seconds for each chunk (or call) of what `build` builds: the median of several runs."""

    def measure(url: str, model: str) -> float:
        run = build(url, model)
        whole = build in (raw_call, our_call)
        expected = (1 if whole else len(pieces_of(model)) + 2, text_of(model))
        runs = 300 if whole else min(20, max(2, 5000 // expected[0]))
        seconds = []
        for turn in range(-max(1, runs // 3), runs):  # the turns below zero warm up
            if turn == 0:
                gc.collect()
            elapsed = seconds_of(run, expected)
            if turn >= 0:
                seconds.append(elapsed)
        return statistics.median(seconds) / expected[0]

    return measure


def seconds_of(run: Callable[[], Any], expected: tuple[int, str]) -> float:
    start = time.process_time()
    got = run()
    elapsed = time.process_time() - start
    if got != expected:
        raise SystemExit(f"{run.__qualname__}: got {got!r:.300}, expected {expected!r:.300}")
    return elapsed


def library_alone(url: str, model: str) -> float:
    """CPU seconds that the HTTP library takes for each chunk of a stream whose bytes nobody reads."""
    try:
        import httpx2 as library
    except ImportError:
        import httpx as library
    client, chunks = library.Client(timeout=None), len(pieces_of(model)) + 2
    body = {"model": model, "messages": MESSAGES, "stream": True}
    seconds = []
    for turn in range(-1, 5):  # the turn below zero warms up
        start = time.process_time()
        response = client.send(client.build_request("POST", f"{url}/v1/chat/completions", json=body), stream=True)
        reads = list(response.iter_raw())
        response.close()
        if turn >= 0:
            seconds.append(time.process_time() - start)
        if b"".join(reads).count(b"data: {") != chunks:
            raise SystemExit(f"library_alone: expected {chunks} chunks")
    return statistics.median(seconds) / chunks


def tool_round(url: str, model: str) -> float:
    """What a call with one round of tools costs, to two plain calls: by turns, so that what slows one slows both."""
    builds, expected = (our_two_calls, our_tool_round), (1, text_of(model))
    runs, seconds = [build(url, model) for build in builds], tuple[list[float], list[float]](([], []))
    for turn in range(-100, 400):  # the turns below zero warm up
        if turn == 0:
            gc.collect()
        for run, kept in zip(runs, seconds, strict=True):
            elapsed = seconds_of(run, expected)
            if turn >= 0:
                kept.append(elapsed)
    two_calls, one_round = map(statistics.median, seconds)
    return one_round / two_calls


def first_chunk(open_stream: Callable[[], Any], model: str) -> float:
    """Seconds from the call to the first chunk; the rest is read with the clock stopped."""
    expected, seconds = len(pieces_of(model)) + 2, []
    for _ in range(250):
        start = time.process_time()
        stream = open_stream()
        next(stream)
        seconds.append(time.process_time() - start)
        if 1 + sum(1 for _ in stream) != expected:
            raise SystemExit(f"first chunk: expected {expected} chunks")
    return statistics.median(seconds[50:])


def raw_first(url: str, model: str) -> float:
    client = official(url)
    return first_chunk(lambda: iter(client.chat.completions.create(model=model, messages=MESSAGES, stream=True)), model)


def our_first(url: str, model: str) -> float:
    about = streaming_task(url, model)
    return first_chunk(lambda: about(movie="Avengers"), model)


def many(open_stream: Callable[[], Any], model: str) -> float:
    """Chunks per second, wall, of many streams at once; `open_stream` is asynchronous."""
    expected = (len(pieces_of(model)) + 2, text_of(model))

    async def main() -> float:
        consume = open_stream()
        await asyncio.gather(*(consume() for _ in range(10)))
        gc.collect()
        start = time.perf_counter()
        got = await asyncio.gather(*(consume() for _ in range(STREAMS)))
        elapsed = time.perf_counter() - start
        if any(one != expected for one in got):
            raise SystemExit(f"200 streams: {sum(one != expected for one in got)} of them are wrong")
        return elapsed

    return STREAMS * expected[0] / asyncio.run(main())


def raw_many(url: str, model: str) -> float:
    def open_stream() -> Any:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)

        async def consume() -> Any:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            pieces = [chunk.choices[0].delta.content async for chunk in stream]
            return len(pieces), "".join(piece or "" for piece in pieces)

        return consume

    return many(open_stream, model)


def our_many(url: str, model: str) -> float:
    def open_stream() -> Any:
        llm = ours(url, model)

        @llm.task(streaming=True)
        async def about(movie: str) -> str:
            """Say something short about the following movie"""

        async def consume() -> Any:
            pieces = [response.content async for response in about(movie="Avengers")]
            return len(pieces), "".join(pieces)

        return consume

    return many(open_stream, model)


def our_retained(url: str, model: str) -> float:
    """Bytes (by tracemalloc) that all responses of a stream hold when they are kept."""
    about, text = streaming_task(url, model), text_of(model)
    list(about(movie="Avengers"))
    gc.collect()
    tracemalloc.start()
    kept = list(about(movie="Avengers"))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    if len(kept) != len(pieces_of(model)) + 2 or kept[-1].response != text:
        raise SystemExit(f"retained: {len(kept)} chunks, {kept[-1].response!r:.80}")
    middle = len(kept) // 2
    if kept[middle].response != "".join(pieces_of(model)[:middle]):
        raise SystemExit("retained: a kept response has changed")
    return held


def connections(build: Callable[[str, str], Callable[[], Any]]) -> Callable[[str, str], float]:
    """How many connections twenty streams in a row take."""

    def measure(url: str, model: str) -> float:
        counter = HTTPConnection(url.removeprefix("http://"))

        def accepted() -> int:
            counter.request("GET", "/connections")
            return int(counter.getresponse().read())

        run, before = build(url, model), accepted()
        for _ in range(20):
            if run() != (len(pieces_of(model)) + 2, text_of(model)):
                raise SystemExit("connections: wrong text")
        return accepted() - before

    return measure


def raw_rows(url: str, model: str) -> tuple[float, float]:
    """Seconds, wall and CPU, for each of 1,000 rows in 64 bare threads."""
    from concurrent.futures import ThreadPoolExecutor

    client = official(url)

    def ask(number: int) -> str:
        messages = [*MESSAGES[:1], {"role": "user", "content": f"Inputs:\nmovie: {number}"}]
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content

    with ThreadPoolExecutor(ROWS_AT_A_TIME) as pool:
        return many_rows(lambda count: list(pool.map(ask, range(count))), model)


def our_rows(url: str, model: str) -> tuple[float, float]:
    """As `raw_rows`, by `task.map`."""
    llm = ours(url, model)

    @llm.task
    def about(movie: str) -> str:
        """Say something short about the following movie"""

    def ask(count: int) -> list[str]:
        return about.map(map(str, range(count)), concurrency=ROWS_AT_A_TIME, adaptive=False).values()

    return many_rows(ask, model)


def many_rows(ask: Callable[[int], list[str]], model: str) -> tuple[float, float]:
    ask(2 * ROWS_AT_A_TIME)  # threads and connections
    gc.collect()
    start = time.perf_counter(), time.process_time()
    got = ask(ROWS)
    elapsed = time.perf_counter() - start[0], time.process_time() - start[1]
    if got != [text_of(model)] * ROWS:
        raise SystemExit(f"rows: got {got[:3]!r:.300}")
    return elapsed[0] / ROWS, elapsed[1] / ROWS


CASES: dict[str, Callable[[str, str], float]] = {
    "raw_rows": lambda url, model: raw_rows(url, model)[0],
    "our_rows": lambda url, model: our_rows(url, model)[0],
    "raw_rows_cpu": lambda url, model: raw_rows(url, model)[1],
    "our_rows_cpu": lambda url, model: our_rows(url, model)[1],
    "raw_stream": cpu(raw_stream),
    "our_stream": cpu(our_stream),
    "our_stream_through_one": cpu(our_stream_through_one),
    "our_stream_through_three": cpu(our_stream_through_three),
    "our_stream_observed": cpu(our_stream_observed),
    "our_google": cpu(our_google),
    "our_anthropic": cpu(our_anthropic),
    "our_responses": cpu(our_responses),
    "our_stream_with_text": cpu(our_stream_with_text),
    "our_partials": cpu(our_partials),
    "helper_events": cpu(helper_events),
    "our_events": cpu(our_events),
    "raw_call": cpu(raw_call),
    "our_call": cpu(our_call),
    "library_alone": library_alone,
    "tool_round": tool_round,
    "raw_first": raw_first,
    "our_first": our_first,
    "raw_many": raw_many,
    "our_many": our_many,
    "our_retained": our_retained,
    "raw_connections": connections(raw_stream),
    "our_connections": connections(our_stream),
}


def main() -> None:
    case, model, url = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):  # the server has the last core for itself, where there are two
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        print(json.dumps(CASES[case](url, model)))
    except Skip:
        print(json.dumps(None))


if __name__ == "__main__":
    main()

"""Time and memory grow with the input, not with its square: eight times as much takes no more than thrice that."""

import gc
import time
import tracemalloc

import pytest
from wire_format import chunk, of_choices, sse, tool

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.chat import ChunkDecoder
from declarai_like._wire.event_builder import EventBuilder
from declarai_like._wire.hooks import HookedReader
from declarai_like._wire.sentences import SentenceBuffer
from declarai_like.errors import ProviderTimeout
from declarai_like.middleware.hooks import redact
from declarai_like.requests import Request

pytestmark = pytest.mark.soak

STOP = chunk(finish="stop")
DATA = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n'


def filters():
    request = Request(model="m")
    return next(redact("secret")(request, lambda changed: (yield changed))).filters


def decode(*reads):
    decoder = ChunkDecoder()
    return [one for read in reads for one in decoder.feed(read)] + list(decoder.close())


def read(chunks, *, events=False, hooked=False, choices=1):
    accumulator = Accumulator(choices=choices)
    reader = EventBuilder(accumulator) if events else accumulator
    reader = HookedReader(reader, filters(), []) if hooked else reader
    for one in [*chunks, DONE]:
        reader.feed(one)
    reader.finish()
    accumulator.completion  # noqa: B018 - it is built when it is read


def arguments(count, *, name=None, call_id=None, index=0):
    first = [chunk(tool_calls=[tool(index, "a", "f", '{"a": "')])]
    return [*first, *(chunk(tool_calls=[tool(index, call_id, name, "xxxxxxxxx}")]) for _ in range(count)), STOP]


def closed(count, **entry):
    return [*(chunk(tool_calls=[tool(arguments="{}", **entry)]) for _ in range(count)), STOP]


def calls(count, **options):
    return [*(chunk(tool_calls=[tool(number, f"c{number}", "f", "{}")]) for number in range(count)), STOP]


def openings(count):
    return [*(chunk(tool_calls=[tool(number, f"c{number}", "f", '{"')]) for number in range(count)), STOP]


def turns(count):
    """Two calls that take turns."""
    begin = [chunk(tool_calls=[tool(0, "a", "f", '{"'), tool(1, "b", "g", '{"')])]
    return [*begin, *(chunk(tool_calls=[tool(number % 2, arguments="x}")]) for number in range(count)), STOP]


def many(count):
    return [
        *(chunk("a", index=number) for number in range(count)),
        *(chunk(finish="stop", index=n) for n in range(count)),
    ]


def sentences(text, size):
    buffer = SentenceBuffer()
    for start in range(0, len(text), size):
        buffer.feed(text[start : start + size])
    buffer.close()


SHAPES = {
    "events in one, by single newlines": (2_000, lambda n: decode(DATA * n + b"\n")),
    "the same in many reads": (2_000, lambda n: decode(*([DATA] * n), b"\n")),
    "events without choices in one": (2_000, lambda n: decode(b'data: {"choices":[]}\n' * n + b"\n")),
    "errors in one": (1_000, lambda n: decode(b'data: {"choices":[{"index":0,"delta":{"content":"error"}}]}\n' * n + b"\n")),
    "one event, byte by byte": (4_000, lambda n: decode(*[b"x"[:1]] * 1, *[bytes([byte]) for byte in sse(chunk("y" * n))])),
    "a document in many reads": (4_000, lambda n: decode(b'{"choices": [{"message": {"content": "', *[b"x" * 10] * n, b'"}}]}')),
    "line breaks before it": (4_000, lambda n: decode(*[b"\n" * 10] * n, sse(STOP))),
    "comments": (4_000, lambda n: decode(*[b": ping\n\n"] * n)),
    "text": (4_000, lambda n: read([chunk("word "), *[chunk("word ")] * n, STOP])),
    "text as events": (1_000, lambda n: read([*[chunk("word ")] * n, STOP], events=True)),
    "text, filtered": (1_000, lambda n: read([*[chunk("word ")] * n, STOP], hooked=True)),
    "text after the end": (1_000, lambda n: read([*[chunk("word ", "stop")] * n])),
    "thinking": (1_000, lambda n: read([*[chunk(reasoning="word ")] * n, STOP], events=True)),
    "thinking in two forms": (1_000, lambda n: read([chunk(reasoning="x"), *[chunk(thinking="word ")] * n, STOP])),
    "refusal": (1_000, lambda n: read([*[chunk(refusal="word ")] * n, STOP], events=True)),
    "function call": (1_000, lambda n: read([*[chunk(function_call={"name": "f", "arguments": "word "})] * n, STOP])),
    "halves of characters": (1_000, lambda n: read([*[chunk("\ud83d"), chunk("\ude00")] * n, STOP])),
    "tool arguments": (1_000, lambda n: read(arguments(n))),
    "tool arguments as events": (1_000, lambda n: read(arguments(n), events=True)),
    "tool arguments, filtered": (1_000, lambda n: read(arguments(n), hooked=True)),
    "tool arguments, named each time": (1_000, lambda n: read(arguments(n, name="f"))),
    "tool arguments, another id each time": (1_000, lambda n: read([
        chunk(tool_calls=[tool(0, "a", "f", '{"a": "')]),
        *(chunk(tool_calls=[tool(0, f"c{number}", "f", "xxxx}")]) for number in range(n)), STOP])),
    "tool arguments, closed each time": (1_000, lambda n: read(closed(n, index=0, id="a", name=""))),
    "tool arguments, neither index nor id": (1_000, lambda n: read(arguments(n, name="f", index=None))),
    "two calls by turns": (1_000, lambda n: read(turns(n), events=True)),
    "many calls": (500, lambda n: read(calls(n))),
    "many calls as events": (500, lambda n: read(calls(n), events=True)),
    "many calls, filtered": (300, lambda n: read(calls(n), events=True, hooked=True)),
    "many calls that stay open": (500, lambda n: read(openings(n), events=True)),
    "many calls without an index": (500, lambda n: read([
        *(chunk(tool_calls=[tool(None, f"c{number}", "f", "{}")]) for number in range(n)), STOP], events=True)),
    "many calls in one delta": (500, lambda n: read([
        chunk(tool_calls=[tool(number, f"c{number}", "f", "{}") for number in range(n)]), STOP], events=True)),
    "many choices": (300, lambda n: read(many(n), choices=n)),
    "many choices as events": (300, lambda n: read(many(n), events=True, choices=n)),
    "many choices, filtered": (300, lambda n: read(many(n), events=True, hooked=True, choices=n)),
    "many choices in one chunk": (300, lambda n: read([of_choices(
        *({"index": number, "delta": {"content": "a"}, "finish_reason": "stop"} for number in range(n)))], events=True, choices=n)),
    "log probabilities": (1_000, lambda n: read([*[chunk("a", logprobs={"content": [{"token": "a", "logprob": 0}]})] * n, STOP], events=True)),
    "sentences": (4_000, lambda n: sentences("One of them. " * n, 7)),
    "a sentence without an end": (4_000, lambda n: sentences("words and " * n, 7)),
    "stops without an end": (4_000, lambda n: sentences("." * 10 * n, 7)),
    "space without an end": (4_000, lambda n: sentences("a." + " " * 10 * n, 7)),
    "sentences in one piece": (4_000, lambda n: sentences("Mr. X. " * n, 10**9)),
}  # fmt: skip


def seconds(work, count):
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        work(count)
        return time.process_time() - started
    finally:
        gc.enable()


@pytest.mark.parametrize(("count", "work"), SHAPES.values(), ids=SHAPES)
def test_eight_times_as_much_takes_about_eight_times_as_long(count, work):
    work(10)
    small = min(seconds(work, count) for _ in range(3))
    assert min(seconds(work, 8 * count) for _ in range(2)) < 24 * small + 0.02


def growth(chunks):
    """Give how much is held by all the events of a stream."""
    narrator = EventBuilder(Accumulator())
    tracemalloc.start()
    try:
        events = [event for one in chunks for event in narrator.feed(one) or ()]
        held, _ = tracemalloc.get_traced_memory()
        return held, len(events)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "make",
    {
        "arguments": arguments,
        "refusal": lambda count: [chunk(refusal="xxxxxxxxx}") for _ in range(count)],
        "thinking": lambda count: [chunk(reasoning="xxxxxxxxx}") for _ in range(count)],
        "content": lambda count: [chunk("xxxxxxxxx}") for _ in range(count)],
    }.values(),
    ids=["arguments", "refusal", "thinking", "content"],
)
def test_events_share_one_text(make):
    small, _ = growth(make(1_000))
    large, events = growth(make(8_000))
    assert events >= 16_000
    assert large < 12 * small


def test_time_is_looked_at_within_one_read():
    class Clock:
        calls = 0

        def check(self):
            self.calls += 1
            if self.calls == 3:
                raise ProviderTimeout("over")

    clock = Clock()
    decoder = ChunkDecoder(check_time=clock.check)
    with pytest.raises(ProviderTimeout):
        list(decoder.feed(b'data: {"choices":[]}\n' * 40_000 + b"\n"))
    assert clock.calls == 3


def test_one_event_of_many_lines_ends_in_time(openai, server):
    from declarai_like.testing import bytes_reply

    server.enqueue(bytes_reply([DATA * 40_000 + b"\n", sse(STOP)]))
    started = time.process_time()
    with openai().stream("?") as stream:
        stream.until_done()
    assert len(stream.response.response) == 40_000
    assert time.process_time() - started < 30

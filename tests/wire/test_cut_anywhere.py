"""A recorded stream that is cut, at every byte: it is never a success before its end, and nothing of it is lost.

The core is fed every cut, in which case the end of the bytes is the end of the stream. The real socket gets a sample
of the cuts, in each of the ways in which a connection may end.
"""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import json
from functools import cache
from pathlib import Path

import pytest
from wire_format import USAGE, chunk, decoded, of_choices, sse

import declarai_like as declarai
from declarai_like import errors
from declarai_like._wire.accumulator import Accumulator
from declarai_like._wire.codecs.chat import ChunkDecoder
from declarai_like._wire.event_builder import EventBuilder
from declarai_like.testing import LLMServer, bytes_reply

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

REAL = Path(__file__).parent / "cases" / "real"
OURS = sse(
    chunk("", role="assistant"),
    chunk("Hel"),
    chunk("lo, 日本 😀"),
    chunk("!\n\ndata: [DONE]"),
    chunk(finish="stop"),
    of_choices(usage=USAGE),
)
BODIES = {path.stem: path.read_bytes() for path in sorted(REAL.glob("*.sse"))} | {"ours": OURS}
ENDS = ["clean", "no_terminator", "drop", "reset"]
SAMPLE = 12


def is_text(name):
    return name == "llamacpp_completion"


def wanted(name):
    """How many choices the recorded request asked for."""
    path = REAL / f"{name}.json"
    return (json.loads(path.read_text())["request"].get("n") or 1) if path.exists() else 1


def is_whole(body):
    """Say, by the bytes alone, whether the answer had ended: with a finish reason or with `[DONE]`."""
    events = body.split(b"\n\n")
    datas = [event.removeprefix(b"data: ") for event in events if event.startswith(b"data: ")]
    return any(data == b"[DONE]" or has_finish(data) for data in datas)


@cache
def has_finish(data):
    try:
        choices = json.loads(data)["choices"]
    except (ValueError, KeyError):
        return False
    return any(choice.get("finish_reason") for choice in choices)


def text_of(body):
    """Give the text of the chunks that have arrived, by the bytes alone."""
    datas = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event.startswith(b"data: {")]
    return "".join(map(text_in, datas))


@cache
def text_in(data):
    try:
        choices = json.loads(data)["choices"]
    except ValueError:
        return ""
    return "".join(choice.get("text") or choice.get("delta", {}).get("content") or "" for choice in choices)


def check(body, response, error, *, lossy=False):
    """Whatever the end was: a success only if it was one, and all the text that had come.

    A TCP reset is `lossy`: it overtakes bytes that were sent before it.
    """
    if error is None:
        assert is_whole(body)
        assert response.outcome in ("complete", "truncated")
        assert response.response == text_of(body)
        return
    assert isinstance(error, errors.ProviderError)
    if error.response is None:
        assert isinstance(error, (errors.EmptyResponse, errors.ProviderConnectionError))
        assert lossy or text_of(body) == ""
        return
    assert isinstance(error, errors.StreamInterrupted)
    assert error.response.outcome == "interrupted"
    assert error.response.response == "".join(choice.text for choice in error.completion.choices)
    assert error.response.response == text_of(body) or (lossy and text_of(body).startswith(error.response.response))


def read(body, choices, narrate):
    accumulator = Accumulator(choices=choices)
    reader = EventBuilder(accumulator) if narrate else accumulator
    decoder = ChunkDecoder()
    try:
        for one in [*decoder.feed(body), *([] if decoder.done else decoder.close())]:
            reader.feed(one)
        return reader.finish(), None
    except errors.DeclaraiError as error:
        return None, accumulator.interrupt(error)


STEPS = [
    *(pytest.param(name, 1 if name == "ours" else 17, id=name) for name in BODIES),
    *(pytest.param(name, 1, id=f"{name}, every byte", marks=pytest.mark.soak) for name in BODIES),
]
"""How many bytes lie between two cuts: a number that divides no chunk's length; each one in the long run."""


@pytest.mark.parametrize("narrate", [False, True], ids=["generator", "stream"])
@pytest.mark.parametrize(("name", "step"), STEPS)
def test_core_takes_no_cut_for_an_end(name, step, narrate):
    body, choices = BODIES[name], wanted(name)
    for at in range(0, len(body) + 1, step):
        check(body[:at], *read(body[:at], choices, narrate))


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_bytes_may_be_parted_anywhere(name, step):
    body = BODIES[name]
    expected = decoded(body)
    for at in range(0, len(body) + 1, step):
        assert decoded(body[:at], body[at:]) == expected


@pytest.fixture(scope="module")
def server():
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def asking(server, http):
    return declarai.openai("m", openai_token="sk-test", base_url=server.base_url, max_retries=0, http_client=http)


def steps_of(way, llm, name, narrated):
    """Begin to read a recorded stream, as responses or as events."""
    if narrated:
        told = {"prompt": "x"} if is_text(name) else {"messages": "x"}
        stream = (llm.astream if way.is_async else llm.stream)(**told)
        return stream, stream.responses()
    if is_text(name):
        steps = (llm.acomplete if way.is_async else llm.complete)("x", streaming=True)
        return steps, steps

    @llm.task(streaming=True)
    @way.define
    def about(movie: str) -> str:
        """Say something"""

    steps = about("x")
    return steps, steps


def play(way, llm, name, narrated):
    _stream, steps = steps_of(way, llm, name, narrated)
    seen = []
    try:
        way.collect(steps, seen)
    except errors.DeclaraiError as error:
        return None, error
    return seen[-1], None


@pytest.mark.parametrize("narrated", [False, True], ids=["generator", "stream"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["llamacpp_text_usage", "llamacpp_completion", "ours"])
def test_socket_takes_no_cut_for_an_end(way, asking, server, name, end, narrated):
    body = BODIES[name]
    offset = ENDS.index(end) + 7 * narrated
    for at in [*range(offset, len(body), len(body) // SAMPLE), len(body) - 3]:
        server.enqueue(bytes_reply([body[:at]] if at else [], end=end))
        check(body[:at], *play(way, asking, name, narrated), lossy=end == "reset")


@pytest.mark.parametrize("end", ENDS[:-1])
def test_connection_that_breaks_after_the_end_is_no_interruption(way, asking, server, end):
    server.enqueue(bytes_reply([OURS], end=end))
    response, error = play(way, asking, "ours", narrated=False)
    assert error is None
    assert response.usage.total_tokens == 5

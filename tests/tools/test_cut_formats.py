"""Tool calls in each wire format, cut anywhere: before the answer has told its end, no tool runs.

The suite cuts at a sample of bytes and at each one before the end; the long run cuts at every byte.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tools.cut_provider import CutProvider, chunks_of

from declarai_like import errors
from declarai_like._declarai import Declarai
from declarai_like._wire.accumulator import Accumulator
from declarai_like.requests import Request
from declarai_like.testing import reply
from declarai_like.testing._formats.anthropic import AnthropicFormat
from declarai_like.testing._formats.chat import ChatFormat
from declarai_like.testing._formats.google import GoogleFormat
from declarai_like.testing._formats.responses import ResponsesFormat
from declarai_like.tools.declarations import read_tool

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

FORMATS = {
    "chat": ChatFormat(),
    "anthropic": AnthropicFormat(),
    "responses": ResponsesFormat(),
    "google": GoogleFormat(),
}
FOLDER = Path(os.environ.get("DECLARAI_RECORDINGS", "/nonexistent"))
CALLS = [("work", {"city": "Oslo"}), ("work", {"city": "Århus"})]


def written(kind):
    spoken = reply("Let me look.", calls=CALLS).to_wire(Request(model="m"))
    return b"".join(FORMATS[kind].writes(spoken, {"model": "m", "messages": [], "contents": [], "input": []}, None))


def tells_end(data):
    """Say, of one event, whether the answer's end is told in it."""
    if data == b"[DONE]":
        return True
    told = json.loads(data)
    if str(told.get("type")) in {"response.completed", "response.incomplete", "response.failed"}:
        return True
    reasons = [choice.get("finish_reason") for choice in told.get("choices") or ()]
    reasons += [candidate.get("finishReason") for candidate in told.get("candidates") or ()]
    # Anthropic's server gives an answer whole with its first event where a program has made the calls.
    reasons += [part.get("stop_reason") for part in (told.get("delta"), told.get("message")) if isinstance(part, dict)]
    return any(reasons)


def end_of(body):
    """Give, by the bytes alone, where the data ends with which the answer's end is told."""
    position = 0
    for line in body.splitlines(keepends=True):
        position += len(line)
        data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data and tells_end(data):
            return position - len(line) + len(line.rstrip())
    raise AssertionError("the answer tells no end")


def ask(kind, body, tools):
    llm = Declarai.of(CutProvider(kind, body))
    with llm.stream("?", tools=tools, max_retries=0) as stream:
        stream.until_done()


def check_cuts(kind, body, tools, ran, cuts):
    for cut in cuts:
        with suppress(errors.DeclaraiError):
            ask(kind, body[:cut], tools)
        assert ran == [], f"cut at byte {cut} of {len(body)}"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.soak)])
def test_no_tool_runs_of_an_answer_that_is_cut(kind, step):
    ran = []

    def work(city: str) -> str:
        ran.append(city)
        return "done"

    body = written(kind)
    end = end_of(body)
    check_cuts(kind, body, [work], ran, [*range(0, end, step), *range(end - 40, end)])
    with pytest.raises(errors.ServerError, match="come this far"):
        ask(kind, body, [work])
    assert sorted(ran) == ["Oslo", "Århus"]


def body_of(path):
    if path.suffix == ".sse":
        return path.read_bytes()
    lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def calls_of(kind, body):
    """Give the calls of a recording that was read to its end; none where it did not end well."""
    accumulator = Accumulator()
    try:
        for chunk in chunks_of(kind, body):
            accumulator.feed(chunk)
        response = accumulator.finish()
    except errors.DeclaraiError:
        return ()
    calls = response.tool_calls if response.outcome == "calls" else ()
    return calls if all(map(is_json, calls)) else ()


def is_json(call):
    """Say whether a call is one of a function, and not one of OpenAI's custom tools, which take any text."""
    return call.arguments.lstrip().startswith("{") or not call.arguments.strip()


def tools_for(calls, ran):
    """Make tools that take whatever the recording gives them."""
    names = {call.name: set() for call in calls}
    for call in calls:
        names[call.name] |= set(json.loads(call.arguments or "{}"))
    tools = []
    for name, keys in names.items():
        scope = {"ran": ran, "Any": Any}
        parameters = ", ".join(f"{key}: Any = None" for key in sorted(keys))
        exec(f"def made({parameters}) -> int: ran.append(1); return 1", scope)  # noqa: S102 - our own
        scope["made"].__name__, scope["made"].__module__ = name, __name__
        tools.append(read_tool(scope["made"]))
    return tools


def recorded():
    """Give a case for each recorded stream that ends in calls."""
    for kind in FORMATS:
        for path in sorted([*(FOLDER / kind).glob("*.sse"), *(FOLDER / kind).glob("*.jsonl")]):
            if calls_of(kind, body_of(path)):
                yield pytest.param(kind, path, 30, id=path.name)
                yield pytest.param(kind, path, 1_000, id=f"{path.name}, at more bytes", marks=pytest.mark.soak)


RECORDED = list(recorded())


@pytest.mark.skipif(not RECORDED, reason="no recordings: set DECLARAI_RECORDINGS to their folder")
@pytest.mark.parametrize(("kind", "path", "most"), RECORDED or [("chat", None, 0)])
def test_no_tool_runs_of_a_recording_that_is_cut(kind, path, most):
    ran, body = [], body_of(path)
    tools, end = tools_for(calls_of(kind, body), ran), end_of(body)
    step = max(1, end // most)
    check_cuts(kind, body, tools, ran, [*range(0, end, step), *range(max(0, end - most), end)])
    with suppress(errors.DeclaraiError):
        ask(kind, body, tools)
    assert ran

"""Every recorded tool call, cut at every byte: before the answer has told its end, no tool runs."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tools.cut_provider import CutProvider

from declarai_like import errors
from declarai_like._declarai import Declarai
from declarai_like.tools.declarations import read_tool

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

CASES = Path(__file__).parents[1] / "wire" / "cases"
BODIES = {
    path.stem: path.read_bytes()
    for path in sorted(CASES.rglob("*.sse"))
    if b'"tool_calls":[{' in path.read_bytes().replace(b" ", b"")
}


def ends(body):
    """Give where the chunk ends that tells the finish reason, or `[DONE]`, whichever is first."""
    position = 0
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        position += len(event) + 2
        data = event.removeprefix(b"data: ")
        if data == b"[DONE]" or b'"finish_reason":"' in data.replace(b" ", b""):
            return position
    return len(body) + 1


def tools_of(body, ran):
    """Make a tool for each name in a recording, that takes whatever the recording gives it."""
    names, keys = set(), set()
    for event in body.split(b"\n\n"):
        if b'"tool_calls"' not in event:
            continue
        for choice in json.loads(event.strip().removeprefix(b"data: ")).get("choices", []):
            for call in (choice.get("delta") or {}).get("tool_calls") or []:
                names.add((call.get("function") or {}).get("name"))
    for text in ("city", "location", "a", "b", "x", "y", "name", "query", "unit", "n"):
        keys.add(text)
    made = []
    for name in sorted(filter(None, names)):
        scope = {"ran": ran, "Any": Any}
        exec(  # noqa: S102 - our own
            f"def tool({', '.join(f'{key}: Any = None' for key in sorted(keys))}) -> int: ran.append(1); return 1",
            scope,
        )
        scope["tool"].__name__ = name
        scope["tool"].__module__ = __name__
        made.append(read_tool(scope["tool"]))
    return made


def ask(body, ran, tools):
    llm = Declarai.of(CutProvider("chat", body))
    with llm.stream("?", tools=tools, max_retries=0) as stream:
        stream.until_done()


@pytest.mark.parametrize("name", BODIES)
def test_no_tool_runs_of_a_recording_that_is_cut(name):
    body = BODIES[name]
    ran = []
    tools = tools_of(body, ran)
    for cut in range(ends(body) - 2):
        with suppress(errors.DeclaraiError):
            ask(body[:cut], ran, tools)
        assert ran == [], f"cut at byte {cut}"


def test_the_whole_recording_runs_its_tools():
    ran = []
    body = BODIES["38_tool_one"]
    with pytest.raises(errors.ServerError, match="come this far"):
        ask(body, ran, tools_of(body, ran))
    assert ran == [1]

"""Every recorded and hand-made byte stream in `tests/wire/cases`, played four ways, read blocking and awaiting."""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import LLMServer, bytes_reply

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

WIRE = Path(__file__).parent / "cases"
CASES = sorted(path.with_suffix("") for path in [*WIRE.glob("*.json"), *WIRE.glob("real/*.json")])
WAYS = ["as written", "byte by byte", "in one read", "cut at random"]
ERRORS = {
    "StreamInterruptedError": errors.StreamInterrupted,
    "APIConnectionError": errors.StreamInterrupted,
    "EmptyStreamError": errors.EmptyResponse,
    "APIStreamError": errors.ProviderError,
    "LengthFinishReasonError": errors.OutputTruncated,
    "ContentFilterFinishReasonError": errors.ContentFiltered,
    "ContentParseError": errors.OutputError,
    "ToolArgumentsParseError": errors.ToolArgumentsError,
}


class Location(BaseModel):
    city: str
    temperature: float
    units: Literal["c", "f"]


def writes_of(case: Path, spec: dict[str, Any], how: str) -> list[bytes]:
    body = case.with_suffix(".sse").read_bytes()
    if how == "in one read":
        return [body]
    if how == "byte by byte":
        return [body[i : i + 1] for i in range(len(body))]
    if how == "cut at random":
        cuts = sorted(random.Random(case.name).choices(range(len(body) + 1), k=40))  # noqa: S311 - no secret, only places
        return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    if sizes := spec.get("http_chunk_sizes"):
        return [body[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    if spec["transport"]["write"] == "one byte per write":
        return [body[i : i + 1] for i in range(len(body))]
    return [part for part in body.replace(b"\n\n", b"\n\n\0").split(b"\0") if part] or [b""]


def reply_of(case: Path, spec: dict[str, Any], how: str) -> Any:
    transport = spec.get("transport") or {"content_type": "text/event-stream", "end": "clean"}
    end = "drop" if transport["end"] == "connection dropped" else "clean"
    return bytes_reply(writes_of(case, spec, how), content_type=transport["content_type"], end=end)


def arguments_of(spec: dict[str, Any]) -> dict[str, Any]:
    request = spec["request"]
    told: dict[str, Any] = {"tools": request.get("tools") or ()}
    if request.get("response_format") == "Location":
        told["output_type"] = Location
    if is_text(spec):
        return {"prompt": "Once"}
    return {"messages": "hi", **told}


def is_text(spec: dict[str, Any]) -> bool:
    return spec.get("kind") == "text" or spec.get("path", "").endswith("/v1/completions")


def as_data(value: Any) -> Any:
    return value.model_dump(include=value.model_fields_set) if isinstance(value, BaseModel) else value


def told(event: Any) -> dict[str, Any]:
    """Write an event the way the cases do."""
    if event.type == "chunk":
        return {"type": "chunk", "n_choices": len(event.raw.get("choices") or ())}
    row = {"type": event.type, "choice": event.choice_index}
    if event.type.startswith("logprobs."):
        tokens = event.content if "content" in event.type else event.refusal
        row["tokens"] = [token.token for token in tokens]
        if event.type.endswith("delta"):
            row["snapshot_tokens"] = [token.token for token in event.snapshot]
        return row
    names = {
        "content.delta": ("delta", "snapshot", "parsed"),
        "content.done": ("content", "parsed"),
        "refusal.delta": ("delta", "snapshot"),
        "refusal.done": ("refusal",),
        "reasoning.delta": ("delta", "snapshot"),
        "reasoning.done": ("reasoning",),
        "tool_calls.function.arguments.delta": (
            "index",
            "id",
            "name",
            "arguments_delta",
            "arguments",
            "parsed_arguments",
        ),
        "tool_calls.function.arguments.done": ("index", "id", "name", "arguments", "parsed_arguments"),
    }
    return row | {name: as_data(getattr(event, name)) for name in names[event.type]}


def completion_data(completion: Any) -> dict[str, Any] | None:
    if completion is None:
        return None
    usage = completion.usage
    counts = usage and {name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {
        "id": completion.id,
        "model": completion.model,
        "system_fingerprint": completion.system_fingerprint,
        "usage": usage and {**counts, **usage.details},
        "choices": [choice_data(choice) for choice in completion.choices],
    }


def choice_data(choice: Any) -> dict[str, Any]:
    message, logprobs = choice.message, choice.logprobs
    calls = message.tool_calls and [
        {"id": c.id, "name": c.name, "arguments": c.arguments, "parsed_arguments": c.parsed_arguments}
        for c in message.tool_calls
    ]
    return {
        "index": choice.index,
        "role": message.role,
        "content": message.content,
        "refusal": message.refusal,
        "parsed": as_data(message.parsed),
        "tool_calls": calls,
        "finish_reason": choice.finish_reason,
        "reasoning": message.reasoning,
        "logprobs": logprobs and logprobs.content and [token.token for token in logprobs.content],
        "refusal_logprobs": logprobs and logprobs.refusal and [token.token for token in logprobs.refusal],
        "function_call": message.function_call,
    }


def play(llm: Any, arguments: dict[str, Any]) -> tuple[list[Any], Any, BaseException | None, BaseException | None]:
    """Read a stream to its end, then ask for its completion."""
    events: list[Any] = []
    first = second = None
    stream = llm.stream(**arguments)
    try:
        with stream:
            events.extend(stream)
    except errors.DeclaraiError as error:
        first = error
    try:
        return events, stream.get_final_completion(), first, second
    except errors.DeclaraiError as error:
        return events, None, first, error


async def aplay(llm: Any, arguments: dict[str, Any]) -> tuple[list[Any], Any, Any, Any]:
    events: list[Any] = []
    first = second = None
    stream = llm.astream(**arguments)
    try:
        async with stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401 - what came before an error is looked at too
    except errors.DeclaraiError as error:
        first = error
    try:
        return events, await stream.get_final_completion(), first, second
    except errors.DeclaraiError as error:
        return events, None, first, error


def same_event(seen: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Compare two events; a partial value may show more than what is closed, since strings grow."""
    if wanted["type"] == "content.delta" and wanted["parsed"] is not None and seen["parsed"] is not None:
        closed = {name: value for name, value in wanted["parsed"].items() if name in seen["parsed"]}
        unclosed = {name for name in wanted["parsed"] if name not in seen["parsed"]}
        open_number = unclosed <= {"temperature"} and wanted["snapshot"][-1:].isdigit()
        right = all(seen["parsed"][name] == value for name, value in closed.items()) and (not unclosed or open_number)
        return right and {**seen, "parsed": 0} == {**wanted, "parsed": 0}
    if wanted["type"] == "content.delta" and (wanted["parsed"] is None) != (seen["parsed"] is None):
        return wanted["parsed"] in (None, {}) and {**seen, "parsed": 0} == {**wanted, "parsed": 0}
    return seen == wanted


def check(spec: dict[str, Any], played: tuple[list[Any], Any, Any, Any]) -> None:
    events, final, first, second = played
    expected = spec["expected"]
    seen = [told(event) for event in events]
    for mine, wanted in zip(seen, expected["events"], strict=False):
        assert same_event(mine, wanted), f"\nseen   {mine}\nwanted {wanted}"
    assert [event["type"] for event in seen] == [event["type"] for event in expected["events"]]
    wanted = expected["exception"]
    if wanted is None:
        assert first is None
        assert second is None
        assert completion_data(final) == expected["final"]
        return
    assert isinstance(first, ERRORS[wanted["type"]])
    assert second is first
    assert wanted["message"] in str(first) or wanted["type"] != "APIStreamError"
    if "code" in wanted:
        assert first.code == wanted["code"]
    if "error_type" in wanted:
        assert first.type == wanted["error_type"]
    assert completion_data(first.completion) == expected["snapshot_at_exception"]
    assert (first.response is None) == (first.completion is None)


@pytest.fixture(scope="module")
def server():
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def llm(server):
    return declarai.openai(model="m", openai_token="sk-test", base_url=server.base_url, max_retries=0)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stream_is_told_as_the_case_expects(case, how, server, llm):
    perform(case, how, server, llm, awaiting=False)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_awaited_stream_is_told_as_the_case_expects(case, how, server, llm):
    perform(case, how, server, llm, awaiting=True)


def perform(case: Path, how: str, server: LLMServer, llm: Any, *, awaiting: bool) -> None:
    """Play one case one way; raises `AssertionError` if it is not told as it should be."""
    spec = json.loads(case.with_suffix(".json").read_text())
    server.enqueue(reply_of(case, spec, how))
    arguments = arguments_of(spec)
    check(spec, asyncio.run(aplay(llm, arguments)) if awaiting else play(llm, arguments))


def main() -> int:
    """Play everything without pytest and print the score: `python tests/wire/test_conformance.py`."""
    plays = [(case, how, awaiting) for case in CASES for how in WAYS for awaiting in (False, True)]
    failed = 0
    with LLMServer() as server:
        llm = declarai.openai(model="m", openai_token="sk-test", base_url=server.base_url, max_retries=0)
        for case, how, awaiting in plays:
            try:
                perform(case, how, server, llm, awaiting=awaiting)
            except Exception as error:  # noqa: PERF203 - one play after the other
                failed += 1
                sys.stdout.write(f"{case.name}, {how}, {'awaiting' if awaiting else 'blocking'}: {error!r:.200}\n")
    sys.stdout.write(f"passed {len(plays) - failed} of {len(plays)}\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

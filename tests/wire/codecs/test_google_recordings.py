"""What Google has sent, as it cut it and cut anywhere, against a reading of the events by hand."""

import asyncio
import json
import os
import random
import re
from pathlib import Path

import pytest

import declarai_like as declarai
from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.google import GenerationDecoder, GoogleCodec, decode_generation
from declarai_like.errors import (
    ContentFiltered,
    EmptyResponse,
    InvalidResponse,
    NotFoundError,
    ProviderError,
    StreamInterrupted,
)
from declarai_like.testing import LLMServer, bytes_reply, json_reply

FOLDER = Path(os.environ.get("DECLARAI_RECORDINGS", "/nonexistent")) / "google"
STREAMS = sorted([*FOLDER.glob("*.sse"), *FOLDER.glob("*.jsonl")])
RECORDED = [path for path in sorted(FOLDER.glob("*.json")) if not path.name.endswith(".request.json")]
WHOLE = [path for path in RECORDED if json.loads(path.read_text())["status"] == 200]
REFUSED = [path for path in RECORDED if path not in WHOLE]
BLOCKED = [path for path in WHOLE if '"finishReason": "SAFETY"' in path.read_text("utf-8")]
PLACE = re.compile(r"\$\.(\w+)")

pytestmark = pytest.mark.skipif(not STREAMS, reason="no recordings: set DECLARAI_RECORDINGS to their folder")


def events_of(path):
    """Give the events of a recording as they would be sent, each as its bytes."""
    if path.suffix == ".sse":
        return [part + b"\r\n\r\n" for part in path.read_bytes().split(b"\r\n\r\n") if part.strip()]
    return [f"data: {line}\n\n".encode() for line in path.read_text("utf-8").split("\n") if line.strip()]


def data_of(event):
    return json.loads(event[5:])


def parts_of(answers):
    return [part for each in answers for part in each["candidates"][0].get("content", {}).get("parts", [])]


def calls_of(parts):
    """Put the calls together: a part with a name begins one, values are joined at their place."""
    calls = []
    for call in (part["functionCall"] for part in parts if "functionCall" in part):
        if "name" in call:
            calls.append((call["name"], dict(call.get("args", {}))))
        for piece in call.get("partialArgs", ()):
            place, arguments = PLACE.fullmatch(piece["jsonPath"])[1], calls[-1][1]
            arguments[place] = arguments.get(place, "") + piece["stringValue"]
    return calls


def expected(answers):
    """Read the answers as the documentation says; each of the recordings has one candidate."""
    parts, last, usage = parts_of(answers), answers[-1]["candidates"][0], answers[-1]["usageMetadata"]
    count = usage.get
    calls, other = calls_of(parts), [part for part in parts if not {"text", "functionCall"} & part.keys()]
    return {
        "text": "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        "reasoning": "".join(part["text"] for part in parts if part.get("thought")) or None,
        "calls": calls,
        "signatures": [part["thoughtSignature"] for part in parts if "thoughtSignature" in part],
        "items": other,
        "usage": (
            count("promptTokenCount", 0) + count("toolUsePromptTokenCount", 0),
            count("candidatesTokenCount", 0) + count("thoughtsTokenCount", 0),
            count("totalTokenCount"),
            count("cachedContentTokenCount"),
            count("thoughtsTokenCount"),
        ),
        "outcome": "filtered" if last["finishReason"] == "SAFETY" else "calls" if calls else "complete",
        "stop": last["finishReason"],
        "model": answers[0]["modelVersion"],
    }


def facts_of(final):
    state = (final.state or {"data": {}})["data"].get("parts", [])
    usage = final.usage
    return {
        "text": final.response,
        "reasoning": final.reasoning or None,
        "calls": [(call.name, json.loads(call.arguments)) for call in final.tool_calls],
        "signatures": [part["thoughtSignature"] for part in state if "thoughtSignature" in part],
        "items": list(final.items),
        "usage": (
            usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cache_read, usage.reasoning,
        ),
        "outcome": final.outcome,
        "stop": final.finish_reason,
        "model": final.model,
    }  # fmt: skip


def accumulated(reads):
    decoder, accumulator = GenerationDecoder(), Accumulator(origin={"provider": "google"}, reasoning_tags=False)
    for read in reads:
        for chunk in decoder.feed(read):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)
    return accumulator


def read(reads):
    return facts_of(accumulated(reads).finish())


def cut_at_random(body, seed):
    places = sorted(random.Random(seed).sample(range(1, len(body)), min(len(body) - 1, 200)))  # noqa: S311 - no secret
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_stream_is_read_alike_however_it_is_cut(path):
    events = events_of(path)
    told = expected([data_of(event) for event in events])
    body = b"".join(events)
    assert read(events) == told
    assert read([body]) == told
    assert read(body[at : at + 1] for at in range(len(body))) == told
    assert read(cut_at_random(body, path.name)) == told
    assert read([body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")]) == told
    assert read(event.replace(b"\r\n", b"\n") for event in events) == told


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_whole_answer_is_read(path):
    answer = json.loads(path.read_text("utf-8"))["response"]
    accumulator = Accumulator(origin={"provider": "google"}, reasoning_tags=False)
    chunk = decode_generation(json.dumps(answer).encode(), lambda value: value)
    if "UNEXPECTED_TOOL_CALL" in path.read_text("utf-8"):
        with pytest.raises(ProviderError, match="Model tried to call an undeclared function: list_files"):
            accumulator.feed(chunk)
        return
    accumulator.feed(chunk)
    accumulator.feed(DONE)
    assert facts_of(accumulator.finish()) == expected([answer])


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.name)
def test_refusal_is_read(path):
    recorded = json.loads(path.read_text("utf-8"))
    refusal = GoogleCodec().read_refusal(recorded["status"], {}, json.dumps(recorded["response"]).encode())
    error = recorded["response"]["error"]
    assert (refusal.message, refusal.code, refusal.type) == (error["message"], error["code"], error["status"])


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_stream_cut_at_any_byte_is_never_whole_before_its_end(path):
    events = events_of(path)
    body = b"".join(events)
    end = len(body) - len(events[-1].partition(b"\n\n" if path.suffix == ".jsonl" else b"\r\n\r\n")[1])
    places = range(end) if len(body) < 4000 else sorted(random.Random(path.name).sample(range(end), 300))  # noqa: S311
    for at in places:
        accumulator = accumulated([body[:at]])
        with pytest.raises((StreamInterrupted, InvalidResponse, EmptyResponse)):
            accumulator.finish()
    assert accumulated([body[:end]]).finish().outcome in {"complete", "calls"}


@pytest.fixture(scope="module")
def served():
    with LLMServer() as server:
        yield server


def ask(llm, *, streams, is_async):
    async def asking():
        if not streams:
            return await llm.asend("Hi")
        async with llm.astream("Hi") as stream:
            await stream.until_done()
            return stream.response

    if is_async:
        return asyncio.run(asking())
    if not streams:
        return llm.send("Hi")
    with llm.stream("Hi") as stream:
        stream.until_done()
        return stream.response


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("path", [*STREAMS, *BLOCKED, *WHOLE[1::8], *REFUSED], ids=lambda path: path.name)
def test_recording_is_played_over_a_connection(path, served, http, is_async):
    llm = declarai.google("m", api_key="k", base_url=served.url, max_retries=0, http_client=http)
    if path in STREAMS:
        events = events_of(path)
        body = b"".join(events)
        served.enqueue(*(bytes_reply(writes) for writes in (tuple(events), body, tuple(cut_at_random(body, 7)))))
        told = expected([data_of(event) for event in events])
        for _ in range(3):
            assert facts_of(ask(llm, streams=True, is_async=is_async)) == told
        return
    recorded = json.loads(path.read_text("utf-8"))
    served.enqueue(json_reply(recorded["response"], status=recorded["status"]))
    if path in BLOCKED:
        with pytest.raises(ContentFiltered, match="SAFETY") as caught:
            ask(llm, streams=False, is_async=is_async)
        assert facts_of(caught.value.response) == expected([recorded["response"]])
    elif path in REFUSED:
        with pytest.raises(NotFoundError if recorded["status"] == 404 else ProviderError) as caught:
            ask(llm, streams=False, is_async=is_async)
        assert caught.value.status == recorded["status"]
    else:
        assert facts_of(ask(llm, streams=False, is_async=is_async)) == expected([recorded["response"]])


def test_reply_goes_back_as_the_service_took_it():
    """The second request of a recorded conversation repeats the first answer: so does ours."""
    from declarai_like.messages import Message
    from declarai_like.requests import Request

    name = "p-google-streaming-tool-call-thought-signature"
    final = accumulated(events_of(FOLDER / f"{name}.0.sse")).finish()
    accepted = json.loads((FOLDER / f"{name}.1.request.json").read_text("utf-8"))["body"]["contents"]
    state = {"provider": "google", "base_url": "u", "model": "m", "data": final.state["data"]}
    calls = [call.wire() for call in final.tool_calls]
    messages = (Message("Hi"), Message(final.response, "assistant", fields={"tool_calls": calls}, state=state))
    origin = {"provider": "google", "base_url": "u", "model": "gemini-3-pro-preview"}
    _, reply = GoogleCodec().encode(Request(model="m", messages=messages), frozenset(), origin)["contents"]
    (call,) = (part for content in accepted if content["role"] == "model" for part in content["parts"])
    signature = call.get("thoughtSignature") or call["thought_signature"]
    told = call.get("functionCall") or call["function_call"]
    assert reply["parts"][0]["functionCall"] == {name: value for name, value in told.items() if name != "id"}
    assert reply["parts"][0]["thoughtSignature"].replace("+", "-").replace("/", "_") == signature.replace(
        "+", "-").replace("/", "_")  # fmt: skip

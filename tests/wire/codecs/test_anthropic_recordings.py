"""What real services have sent, as they cut it and cut anywhere, against a reading of the events by hand."""

import json
import os
import random
from pathlib import Path

import pytest

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.anthropic import MessageDecoder, decode_message
from declarai_like.errors import EmptyResponse, InvalidResponse, StreamInterrupted

FOLDER = Path(os.environ.get("DECLARAI_RECORDINGS", "/nonexistent")) / "anthropic"
STREAMS = sorted([*FOLDER.glob("*.sse"), *FOLDER.glob("*.jsonl")])
WHOLE = [
    path
    for path in sorted(FOLDER.glob("*.json"))
    if not path.name.endswith(".request.json") and json.loads(path.read_text())["status"] == 200
]

pytestmark = pytest.mark.skipif(not STREAMS, reason="no recordings: set DECLARAI_RECORDINGS to their folder")


def events_of(path):
    """Give the events of a recording as they would be sent, each as its bytes."""
    if path.suffix == ".sse":
        text = path.read_bytes().replace(b"\r\n", b"\n")
        return [part + b"\n\n" for part in text.split(b"\n\n") if part.strip()]
    lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    return [f"event: {json.loads(line)['type']}\ndata: {line}\n\n".encode() for line in lines]


def data_of(event):
    return json.loads(event[event.index(b"data:") + 5 :])


def read_by_hand(events):
    """Put the message together as its documentation says."""
    (head, *_), ends = ([e for e in events if e["type"] == kind] for kind in ("message_start", "message_delta"))
    message = head["message"]
    usage = {name: count for each in (message, *ends) for name, count in each["usage"].items() if count is not None}
    stops = [message.get("stop_reason"), *(end["delta"].get("stop_reason") for end in ends)]
    deltas = [(event["index"], event["delta"]) for event in events if event["type"] == "content_block_delta"]
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    blocks = [{**block} for block in message["content"]]
    blocks += [joined(block, [delta for at, delta in deltas if at == index]) for index, block in enumerate(starts)]
    return blocks, next(filter(None, reversed(stops)), None), usage


def joined(start, deltas):
    """Put one block together."""
    block = {**start}
    for name in ("text", "thinking", "signature"):
        if name in start or any(delta["type"] == f"{name}_delta" for delta in deltas):
            told = [delta[name] for delta in deltas if delta["type"] == f"{name}_delta"]
            block[name] = "".join([start.get(name) or "", *told])
    if inputs := "".join(delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"):
        block["input"] = json.loads(inputs)
    if cited := [delta["citation"] for delta in deltas if delta["type"] == "citations_delta"]:
        block["citations"] = [*(start.get("citations") or []), *cited]
    for delta in deltas:
        block |= {k: v for k, v in delta.items() if k != "type"} if delta["type"] == "compaction_delta" else {}
    return block


OUTCOMES = {"tool_use": "calls", "refusal": "refused", "pause_turn": "truncated", "max_tokens": "truncated"}


def expected(blocks, stop, usage):
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    counts = [usage.get(n) or 0 for n in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")]
    return {
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "reasoning": "".join(block["thinking"] for block in blocks if block["type"] == "thinking") or None,
        "calls": calls,
        "usage": (sum(counts), usage["output_tokens"], usage.get("cache_read_input_tokens")),
        "outcome": OUTCOMES.get(stop, "complete"),
        "stop": stop,
        "items": [b for b in blocks if b["type"] not in {"text", "thinking", "redacted_thinking", "tool_use"}],
        "annotations": [c for b in blocks if b["type"] == "text" for c in b.get("citations") or ()],
        "thinking": [b for b in blocks if b["type"] in {"thinking", "redacted_thinking"}],
    }


def facts_of(accumulator):
    final = accumulator.finish()
    state = (final.state or {"data": {}})["data"].get("content", [])
    return {
        "text": final.response,
        "reasoning": final.reasoning or None,
        "calls": [(call.id, call.name, json.loads(call.arguments)) for call in final.tool_calls],
        "usage": (final.usage.prompt_tokens, final.usage.completion_tokens, final.usage.cache_read),
        "outcome": final.outcome,
        "stop": final.finish_reason,
        "items": list(final.items),
        "annotations": list(final.annotations),
        "thinking": [block for block in state if block["type"] in {"thinking", "redacted_thinking"}],
    }


def accumulated(reads):
    decoder = MessageDecoder()
    accumulator = Accumulator(origin={"provider": "anthropic"}, reasoning_tags=False)
    for read in reads:
        for chunk in decoder.feed(read):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)
    return accumulator


def cut_at_random(body, seed):
    places = sorted(random.Random(seed).sample(range(len(body)), min(len(body), 200)))  # noqa: S311 - no secret
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_stream_is_read_alike_however_it_is_cut(path):
    events = events_of(path)
    told = expected(*read_by_hand([data_of(event) for event in events]))
    body = b"".join(events)
    assert facts_of(accumulated(events)) == told
    assert facts_of(accumulated([body])) == told
    assert facts_of(accumulated(body[at : at + 1] for at in range(len(body)))) == told
    assert facts_of(accumulated(cut_at_random(body, path.name))) == told
    assert facts_of(accumulated([body.replace(b"\n", b"\r\n")])) == told
    if path.suffix == ".sse":
        assert facts_of(accumulated([path.read_bytes()])) == told


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_whole_message_is_read(path):
    recorded = json.loads(path.read_text("utf-8"))
    body = json.dumps(recorded["response"]).encode()
    message = recorded["response"]
    accumulator = Accumulator(origin={"provider": "anthropic"}, reasoning_tags=False)
    accumulator.feed(decode_message(body, lambda value: value))
    accumulator.feed(DONE)
    assert facts_of(accumulator) == expected(message["content"], message["stop_reason"], message["usage"])


@pytest.mark.parametrize("name", ["v-anthropic-clear-thinking.1.jsonl", "v-anthropic-json-other-tool.1.jsonl"])
def test_stream_cut_at_any_byte_is_never_whole_before_its_end(name):
    body = b"".join(events_of(FOLDER / name))
    end = body.index(b"\n\n", body.rindex(b"event: message_delta"))  # whole data without its blank line is whole
    for at in range(end):
        accumulator = accumulated([body[:at]])
        with pytest.raises((StreamInterrupted, InvalidResponse, EmptyResponse)):
            accumulator.finish()
    assert accumulated([body[: end + 2]]).finish().outcome in {"complete", "calls"}

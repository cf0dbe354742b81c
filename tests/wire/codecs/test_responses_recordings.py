"""What real services have sent, as they cut it and cut anywhere, against a reading of the terminal response by hand."""

import json
import os
import random
from pathlib import Path

import pytest

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.responses import ResponseDecoder, ResponsesCodec
from declarai_like._wire.codecs.responses_endings import decode_response
from declarai_like.errors import DeclaraiError, StreamInterrupted
from declarai_like.messages import Message
from declarai_like.requests import Request

FOLDER = Path(os.environ.get("DECLARAI_RECORDINGS", "/nonexistent")) / "responses"
STREAMS = sorted([*FOLDER.glob("*.sse"), *FOLDER.glob("*.jsonl")])
SHORTENED = {"v-openai-shell-container.1.jsonl"}
"""Deltas were cut out by its author."""
WHOLE = [
    path
    for path in sorted(FOLDER.glob("*.json"))
    if not path.name.endswith(".request.json")
    and json.loads(path.read_text())["status"] == 200
    and "output" in json.loads(path.read_text())["response"]
]
ORIGIN = {"provider": "openai", "base_url": "https://api.openai.com/v1"}

pytestmark = pytest.mark.skipif(not STREAMS, reason="no recordings: set DECLARAI_RECORDINGS to their folder")


def body_of(path):
    if path.suffix == ".sse":
        return path.read_bytes()
    lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    return "".join(f"event: {json.loads(line)['type']}\ndata: {line}\n\n" for line in lines).encode()


def data_of(path):
    lines = body_of(path).replace(b"\r\n", b"\n").split(b"\n")
    data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [json.loads(each) for each in data if each != b"[DONE]"]


def terminal_of(path):
    ends = ("response.completed", "response.incomplete", "response.failed")
    return next(event["response"] for event in data_of(path) if event["type"] in ends)


def read_by_hand(response):
    """Say what a response holds."""
    text, thoughts, calls = "", [], []
    for item in response["output"]:
        if item["type"] == "message" and item.get("phase") in (None, "final_answer"):
            text += "".join(part.get("text", "") for part in item["content"])
        elif item["type"] == "reasoning":
            parts = item.get("summary") or item.get("content") or []
            thoughts += [part["text"] for part in parts if part["text"]]
        elif item["type"] in ("function_call", "custom_tool_call"):
            calls.append((item["call_id"], item["name"], item.get("arguments", item.get("input"))))
    usage = response.get("usage") or {}
    counts = tuple(usage.get(name) for name in ("input_tokens", "output_tokens", "total_tokens"))
    return text, "\n\n".join(thoughts), calls, counts, "calls" if calls else "complete"


def told(response):
    calls = [(call.id, call.name, call.arguments) for call in response.tool_calls]
    usage = response.usage
    counts = (None,) * 3 if usage is None else (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return response.response, response.reasoning or "", calls, counts, response.outcome


def play(reads):
    decoder, accumulator = ResponseDecoder(), Accumulator(reasoning_tags=False)
    for read in reads:
        for chunk in decoder.feed(read):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)
    return accumulator.finish()


def as_written(body):
    return [part + b"\n\n" for part in body.replace(b"\r\n", b"\n").split(b"\n\n") if part.strip()]


def cut_at_random(body):
    places = sorted(random.Random(7).sample(range(len(body)), min(200, len(body) - 1)))  # noqa: S311 - no secret
    return [body[begin:end] for begin, end in zip([0, *places], [*places, len(body)], strict=True)]


WAYS = {
    "as written": as_written,
    "byte by byte": lambda body: [body[at : at + 1] for at in range(len(body))],
    "in one read": lambda body: [body],
    "cut at random": cut_at_random,
}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
@pytest.mark.parametrize("cut", WAYS.values(), ids=WAYS.keys())
def test_stream_equals_its_terminal_response(path, cut):
    response, terminal = play(cut(body_of(path))), terminal_of(path)
    expected = read_by_hand(terminal)
    assert told(response)[2:] == expected[2:]
    if path.name not in SHORTENED:
        assert told(response)[:2] == expected[:2]
    if terminal["output"]:
        assert [item["type"] for item in response.items] == [item["type"] for item in terminal["output"]]


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_whole_answer_is_read(path):
    body = json.loads(path.read_text())["response"]
    accumulator = Accumulator(reasoning_tags=False)
    accumulator.feed(decode_response(json.dumps(body).encode(), lambda value: value))
    response = accumulator.finish()
    assert told(response) == read_by_hand(body)
    assert list(response.items) == body["output"]


def test_no_cut_is_taken_for_success():
    path = min(
        (path for path in STREAMS if b"function_call_arguments" in body_of(path)), key=lambda p: p.stat().st_size
    )
    body = body_of(path)
    whole = told(play([body]))
    end = body.rindex(b'"type":"response.completed"')
    for at in range(len(body)):
        try:
            response = play([body[:at]])
        except (StreamInterrupted, DeclaraiError):
            continue
        assert told(response) == whole
        assert at > end


def goes_on(response, accepted):
    """Say whether a request repeats an answer: some recordings hold conversations that have nothing in common."""
    told = json.dumps(accepted)
    calls, text = read_by_hand(response)[2], read_by_hand(response)[0]
    return any(call_id in told for call_id, _, _ in calls) or bool(text and json.dumps(text) in told)


def replayed():
    """Give accepted requests after their recorded answers."""
    for path in sorted([*FOLDER.glob("*.1.json"), *FOLDER.glob("*.[12].request.json"), *FOLDER.glob("*.2.json")]):
        entry = json.loads(path.read_text())
        body = entry.get("body") or entry["request"]
        name, number = path.name.removesuffix(".json").removesuffix(".request").rsplit(".", 1)
        before = [FOLDER / f"{name}.{int(number) - 1}{suffix}" for suffix in (".sse", ".json")]
        first = next((each for each in before if each.exists()), None)
        if entry.get("status", 200) == 200 and first is not None and isinstance(body.get("input"), list):
            response = terminal_of(first) if first.suffix == ".sse" else json.loads(first.read_text())["response"]
            if goes_on(response, body["input"]):
                yield pytest.param(response, body["input"], id=path.name)


def plain(item):
    """Leave out what may differ: ids and statuses, which are for stored answers, and the long form of a message."""
    item = {
        name: value for name, value in item.items() if name not in ("id", "status", "content") and value is not None
    }
    if "call_id" in item:  # the recorder made ids that the service repeats unique, by a prefix
        item["call_id"] = str(item["call_id"]).rpartition(":")[2]
    return {**item, "type": item.get("type", "message")} if item.get("role") == "assistant" else item


@pytest.mark.parametrize(("response", "accepted"), list(replayed()))
def test_kept_items_are_sent_as_services_have_accepted_them(response, accepted):
    chunk = decode_response(json.dumps(response).encode(), lambda value: value)
    message = chunk["choices"][0]["message"]
    calls = {"tool_calls": message["tool_calls"]} if message["tool_calls"] else {}
    state = {**ORIGIN, "data": message["state"]}
    reply = Message.of({"role": "assistant", "content": message["content"], "state": state, **calls})
    request = Request(model="m", messages=(reply,))
    sent = ResponsesCodec().encode(request, frozenset(), ORIGIN)["input"]
    known = [plain(item) for item in accepted]
    for item in sent:
        assert plain(item) in known
    assert any(item.get("type") in ("reasoning", "function_call") or item.get("role") == "assistant" for item in sent)


def test_done_is_told_by_the_terminal_event_alone():
    for path in STREAMS:
        decoder = ResponseDecoder()
        for read in as_written(body_of(path)):
            chunks = list(decoder.feed(read))
            assert (DONE in chunks) == (b"event: response.completed" in read or b'"type":"response.completed"' in read)
            if decoder.done:
                break

"""Mutated streams in all four formats: whatever comes, only our errors leave, and what is left can be dumped and pickled.

`python tests/wire/fuzz.py [COUNT] [SEED]` tries so many and prints what broke; the tests try a few of them.
"""
# ruff: noqa: S311 - no secret, only mutations

from __future__ import annotations

import json
import pickle
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from wire import vendor_streams

from declarai_like._calls.replies import reply_message
from declarai_like._outputs.output import Output
from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.anthropic import AnthropicCodec
from declarai_like._wire.codecs.chat import ChatCodec
from declarai_like._wire.codecs.google import GoogleCodec
from declarai_like._wire.codecs.responses import ResponsesCodec
from declarai_like._wire.event_builder import EventBuilder
from declarai_like._wire.hooks import HookedReader
from declarai_like.errors import DeclaraiError
from declarai_like.middleware.hooks import Redactor
from declarai_like.providers.base import Secret
from declarai_like.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = Secret("sk-canary-1")
ORIGIN = {"base_url": "https://a.example", "model": "m"}
CASES = sorted((Path(__file__).parent / "cases").rglob("*.sse"))
VENDORS: list[tuple[Any, list[bytes]]] = [
    (AnthropicCodec(), vendor_streams.ANTHROPIC),
    (ResponsesCodec(), vendor_streams.RESPONSES),
    (GoogleCodec(), vendor_streams.GOOGLE),
]
ODD: list[Any] = [
    None, True, False, 0, -1, 10**400, 1.5, float("nan"), "", "x", "null", "error", "stop", "length", "\ud83d", "\x00",
    [], {}, [1], ["x"], {"a": 1}, [{}], {"message": "m"}, [{"error": {"code": 429}}], {"details": "none"}, "[DONE]",
]  # fmt: skip
NAMES = [
    "choices", "delta", "message", "content", "finish_reason", "index", "usage", "error", "object", "type", "code", "msg",
    "detail", "tool_calls", "function", "arguments", "name", "id", "logprobs", "reasoning", "reasoning_details", "thinking",
    "summary", "annotations", "output", "item", "content_block", "partial_json", "stop_reason", "input", "signature",
    "output_index", "call_id", "arguments", "parts", "candidates", "finishReason", "functionCall", "args", "response",
    "refusal", "model", "value", "x_groq", "base_resp", "text", "role", "created", "function_call", "status", "errors",
]  # fmt: skip
BYTES = [
    b"\n",
    b"\r",
    b"\n\n",
    b"data: ",
    b"event: error\n",
    b"[DONE]",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\ud83d",
]


class Point(BaseModel):
    """A type to read."""

    x: int = 0


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Change a body in one or more places: its bytes, its lines, its JSON."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        body = chance.choice((mutate_bytes, mutate_lines, mutate_json, mutate_json, mutate_json))(body, chance)
    return body


def mutate_bytes(body: bytes, chance: random.Random) -> bytes:
    """Cut, repeat or put in some bytes."""
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.randrange(40))
    return chance.choice(
        (
            body[:at],
            body[:at] + body[end:],
            body[:at] + chance.choice(BYTES) + body[at:],
            body[:at] + body[at:end] * 3 + body[end:],
        )
    )


def mutate_lines(body: bytes, chance: random.Random) -> bytes:
    """Drop, repeat or swap lines."""
    lines = body.split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    how = chance.randrange(3)
    if how == 0:
        del lines[first]
    elif how == 1:
        lines.insert(second, lines[first])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def mutate_json(body: bytes, chance: random.Random) -> bytes:
    """Change a value somewhere in the JSON of one event, or nest it deeply."""
    lines = body.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        value = json.loads(lines[at].removeprefix(b"data: "))
    except ValueError:
        return body
    if chance.random() < 0.02:
        depth = chance.choice((150, 300, 900))
        deep = "[" * depth + "]" * depth
        text = json.dumps({**value, "error": 0} if isinstance(value, dict) else value).replace(
            ": 0}", ": " + deep + "}"
        )
        lines[at] = b"data: " + text.encode()
        return b"\n".join(lines)
    spots = list(containers(value))
    if spots:
        change(chance.choice(spots), chance)
    lines[at] = b"data: " + json.dumps(value).encode()
    return b"\n".join(lines)


def containers(value: Any) -> Iterator[Any]:
    """Give each object and list of some JSON that something can be put into."""
    if isinstance(value, dict):
        yield value
        for entry in value.values():
            yield from containers(entry)
    elif isinstance(value, list):
        if value:
            yield value
        for entry in value:
            yield from containers(entry)


def change(spot: Any, chance: random.Random) -> None:
    """Change one entry of an object or a list."""
    key: Any = chance.randrange(len(spot)) if isinstance(spot, list) else chance.choice([*spot, *NAMES])
    if isinstance(spot, dict) and chance.random() < 0.2:
        spot.pop(key, None)
    else:
        spot[key] = chance.choice(ODD)


def pieces(body: bytes, chance: random.Random) -> list[bytes]:
    """Cut a body as a network may."""
    cuts = sorted(chance.choices(range(len(body) + 1), k=chance.choice((0, 3, 20))))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]


def play(codec: Any, reads: list[bytes], chance: random.Random) -> None:
    """Read a body in one of the ways there are, and look at all that came; raises what must not leave."""
    request = Request(model="m", params={"n": chance.choice((1, 2))} if codec.name == "chat" else {})
    accumulator = Accumulator(
        Output.of(Point) if chance.random() < 0.3 else None,
        choices=chance.choice((1, 1, 2)),
        strict_tools=["get_weather"] if chance.random() < 0.5 else (),
        origin={**ORIGIN, "provider": codec.name},
    )
    inner: Any = EventBuilder(accumulator) if chance.random() < 0.5 else accumulator
    reader: Any = HookedReader(inner, [make_filter], []) if chance.random() < 0.3 else inner
    shown: list[Any] = []
    if chance.random() < 0.1:
        body = b"".join(reads).removeprefix(b"data: ").split(b"\n\n")[0]
        codec.learn(400, codec.read_refusal(400, {}, body), request, frozenset())
    try:
        if chance.random() < 0.1:
            reader.feed(codec.decode_answer(b"".join(reads).removeprefix(b"data: ").split(b"\n\n")[0], KEY.redact))
            reader.feed(DONE)
        else:
            decoder = codec.decoder(request, KEY.redact, lambda: None)
            for read in reads:
                shown += [reader.feed(chunk) for chunk in decoder.feed(read)]
                if decoder.done:
                    break
            if not decoder.done:
                shown += [reader.feed(chunk) for chunk in decoder.close()]
        shown.append(reader.finish())
        shown.append(inner.last(shown[-1]))
    except DeclaraiError as error:
        look_at(accumulator.interrupt(error))
    look_at_answer(accumulator)
    send_back(codec, accumulator, request)
    for step in shown[-20:]:
        for one in step if isinstance(step, list) else [step]:
            look_at(one)


def make_filter() -> Redactor:
    """Make a filter that holds a little text back."""
    import re

    return Redactor(re.compile("secret"), 6, "*")


def look_at(value: Any) -> None:
    """Do with a value what its users do."""
    assert pickle.loads(pickle.dumps(value)) is not None or value is None  # noqa: S301 - our own
    str(value), repr(value)
    if hasattr(value, "model_dump_json"):
        json.loads(value.model_dump_json().encode())
        value.model_dump()
        value.cost, value.repairs, value.choices, value.choice, value.delta  # noqa: B018 - read as a user would
    if hasattr(value, "type") and not isinstance(value, BaseException):
        hash(value)
        assert value == value  # noqa: PLR0124 - by what it shows
        getattr(value, "snapshot", None), getattr(value, "parsed_arguments", None), getattr(value, "chunk", None)


def look_at_answer(accumulator: Accumulator) -> None:
    """Dump the answer and its completion."""
    if accumulator.response is not None:
        look_at(accumulator.response)
        completion: Any = accumulator.completion
        json.loads(completion.model_dump_json().encode())
        completion.model_dump()
        for choice in completion.choices:
            for text in (choice.message.content, choice.message.reasoning, choice.message.refusal):
                (text or "").encode()


def send_back(codec: Any, accumulator: Accumulator, request: Request) -> None:
    """Spell the next turn's request, which has the answer in it, with whatever its provider wants back."""
    response = accumulator.response
    if response is not None:
        message = reply_message(response).well_formed()
        body = codec.encode(request.replace(messages=(message,)), frozenset(), {**ORIGIN, "provider": codec.name})
        json.dumps(body, default=repr).encode()


def run(count: int, seed: int, tell: Callable[[str], object]) -> int:
    """Try so many mutated streams; tell of each that broke, and give how many did."""
    formats = [(ChatCodec(), [case.read_bytes() for case in CASES]), *VENDORS]
    broken = 0
    for number in range(seed, seed + count):
        chance = random.Random(number)
        codec, bodies = chance.choice(formats)
        body = mutate(chance.choice(bodies), chance)
        try:
            play(codec, pieces(body, chance), chance)
        except Exception as error:
            broken += 1
            tell(f"seed {number}, {codec.name}: {type(error).__name__}: {error!s:.200}\n")
    return broken


def main() -> int:
    """Try as many as the command line says."""
    count, seed = (int(told) for told in [*sys.argv[1:3], *("200000", "0")[len(sys.argv) - 1 :]])
    broken = run(count, seed, sys.stdout.write)
    sys.stdout.write(f"{broken} of {count} broke\n")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())

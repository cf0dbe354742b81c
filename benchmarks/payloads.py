"""What the benchmark server sends, by the name of the model asked for.

`text-1000` is a text of 1,000 chunks, `flat-5000` a document of about 5,000; `paced-` in front has the
server send one event per write, `late-` a whole answer after 50 ms. `str`, `int` and `small` are whole answers. Server
and clients build the same payload from the name alone, so that a client can check every character it got.
"""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import Any

PROSE = "the quick brown fox jumps over a lazy dog while seven wizards brew potions near old stone mills "
WORDS = PROSE.split()
PIECE_SIZES = (4, 5)

CHUNK = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion.chunk",
    "created": 1741569952,
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_44709d6fcb",
}

WHOLE = {
    "str": "Seven wizards brew potions near the old stone mills.",
    "int": '{"declarai_result": 4}',
    "small": '{"name": "Ada", "age": 36, "city": "London"}',
}


def split(text: str) -> list[str]:
    """Cut a text into pieces of 4 and 5 characters."""
    sizes = itertools.cycle(PIECE_SIZES)
    pieces, start = [], 0
    while start < len(text):
        size = next(sizes)
        pieces.append(text[start : start + size])
        start += size
    return pieces


@cache
def pieces_of(model: str) -> tuple[str, ...]:
    """The content of each chunk that the server streams for this model."""
    name = model.removeprefix("paced-").removeprefix("late-")
    if name in WHOLE:
        return tuple(split(WHOLE[name]))
    kind, _, count = name.rpartition("-")
    characters = int(count) * 9 // 2
    if kind == "text":
        return tuple(split(_prose(characters)))[: int(count)]
    return tuple(split(json.dumps(BUILDERS[kind](characters))))


def text_of(model: str) -> str:
    """The whole answer of this model."""
    return "".join(pieces_of(model))


def events_of(model: str) -> list[bytes]:
    """The server-sent events of this model's stream: role, pieces, finish, `[DONE]`."""
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces_of(model)]
    deltas.append(({}, "stop"))
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason} for delta, reason in deltas]
    return [*(b"data: " + _dump({**CHUNK, "choices": [choice]}) + b"\n\n" for choice in choices), b"data: [DONE]\n\n"]


def completion_of(model: str) -> bytes:
    """The body of this model's unstreamed answer."""
    message = {"role": "assistant", "content": text_of(model), "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
    return _dump({**CHUNK, "object": "chat.completion", "choices": [choice], "usage": usage})


def _prose(characters: int) -> str:
    return PROSE * (characters // len(PROSE) + 1)


def _item(number: int) -> dict[str, Any]:
    name = f"{WORDS[number % len(WORDS)]} {WORDS[number * 7 % len(WORDS)]}"
    return {"name": name, "qty": number % 97, "price": round(number * 1.37 % 500, 2)}


def _flat(characters: int) -> dict[str, Any]:
    return _filled({"title": "An order", "items": []}, "items", _item, characters)


def _nested(characters: int) -> dict[str, Any]:
    def line(number: int) -> dict[str, Any]:
        return {
            "item": _item(number),
            "place": {"city": WORDS[number % 7], "shelf": {"row": number % 12, "side": "left"}},
            "notes": [WORDS[number % 11], WORDS[number % 5]],
        }

    return _filled({"title": "An order", "lines": []}, "lines", line, characters)


def _recursive(characters: int) -> dict[str, Any]:
    def tree(number: int, depth: int) -> dict[str, Any]:
        children = [tree(number * 3 + i, depth - 1) for i in range(3)] if depth else []
        return {"name": WORDS[number % len(WORDS)], "size": number % 97, "children": children}

    return _filled({"name": "root", "size": 1, "children": []}, "children", lambda n: tree(n, 2), characters)


def _filled(document: dict[str, Any], key: str, build: Any, characters: int) -> dict[str, Any]:
    """Add built elements to the list at `key` until the document is about that long."""
    length, number = len(json.dumps(document)), 0
    while length < characters:
        document[key].append(build(number))
        length += len(json.dumps(document[key][-1])) + 2
        number += 1
    return document


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


BUILDERS = {"flat": _flat, "nested": _nested, "recursive": _recursive}

"""The benchmark's server for all peers: `python benchmarks/peers/serve.py` prints its address.

It is `benchmarks/server.py`, and it also answers a request with tools: with one call of the first tool, whose
arguments are cut into the same pieces as a text. Magentic asks for its types in this way only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import server
from payloads import CHUNK, split, text_of


@cache
def arguments_of(model: str, *, wrapped: bool) -> tuple[str, ...]:
    """The pieces of a tool call's arguments: the document, or only its items under `value`."""
    text = text_of(model)
    return tuple(split(json.dumps({"value": json.loads(text)["items"]}) if wrapped else text))


@cache
def call_of(model: str, tool: str, *, wrapped: bool) -> bytes:
    """The one write of a streamed tool call."""
    head: dict[str, Any] = {"index": 0, "id": "call_1", "type": "function"}
    calls = [{**head, "function": {"name": tool, "arguments": ""}}]
    calls += [{"index": 0, "function": {"arguments": piece}} for piece in arguments_of(model, wrapped=wrapped)]
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": None}, None)]
    deltas += [({"tool_calls": [call]}, None) for call in calls]
    deltas.append(({}, "tool_calls"))
    events = [b"data: %b\n\n" % _event(delta, reason) for delta, reason in deltas] + [b"data: [DONE]\n\n"]
    return b"".join([server.STREAM_HEAD, *(b"%x\r\n%b\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"])


def _event(delta: dict[str, Any], reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return json.dumps({**CHUNK, "choices": [choice]}, separators=(",", ":")).encode()


class Connection(server.Connection):
    """Also answers requests that bring a tool."""

    def answer(self, head: bytes, body: bytes) -> None:
        request = json.loads(body) if body else {}
        if tools := request.get("tools"):
            function = tools[0]["function"]
            wrapped = "value" in function["parameters"].get("properties", {})
            self.transport.write(call_of(request["model"], function["name"], wrapped=wrapped))
        else:
            super().answer(head, body)


if __name__ == "__main__":
    server.Connection = Connection
    asyncio.run(server.serve())

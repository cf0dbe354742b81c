"""Chunks and bytes as the tests spell them, and the two ways of reading them without I/O."""
# ruff: noqa: A002 - names are the wire's
# ruff: noqa: FBT001 - helpers of tests are read where they are called

import json
from typing import Any

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.chat import ChunkDecoder
from declarai_like._wire.event_builder import EventBuilder

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(content: Any = None, finish: Any = None, *, index: Any = 0, logprobs: Any = None, **delta: Any) -> dict:
    """One chunk with one choice; `delta` are further fields of its delta."""
    if content is not None:
        delta["content"] = content
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return of_choices(choice)


def of_choices(*choices: Any, **fields: Any) -> dict:
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [*choices], **fields}


def tool(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None, **entry: Any) -> dict:
    """One entry of a delta's `tool_calls`; what is `None` is left out."""
    function = {"name": name, "arguments": arguments}
    entry["function"] = {key: value for key, value in function.items() if value is not None}
    return {**{key: value for key, value in (("index", index), ("id", id)) if value is not None}, **entry}


def text(content: str, finish: str | None = None, **choice: Any) -> dict:
    """One chunk of a text completion."""
    choice = {"text": content, "index": 0, "finish_reason": finish, **choice}
    return {"id": "t1", "object": "text_completion", "model": "m", "choices": [choice]}


def sse(*chunks: Any, done: bool = True) -> bytes:
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks)
    return body + (b"data: [DONE]\n\n" if done else b"")


def decoded(*reads: bytes) -> list[Any]:
    decoder = ChunkDecoder()
    chunks = [one for read in reads for one in decoder.feed(read)]
    return chunks if decoder.done else [*chunks, *decoder.close()]


def responses(*chunks: Any, done: bool = True, **options: Any) -> list[Any]:
    """Read chunks as a plain generator does; the last response is the final one."""
    accumulator = Accumulator(**options)
    steps = [accumulator.feed(one) for one in [*chunks, *([DONE] if done else [])]]
    return [*(step for step in steps if step is not None), accumulator.finish()]


def told(*chunks: Any, done: bool = True, **options: Any) -> tuple[list[Any], Any]:
    """Read chunks as a stream of events does: all events, and the completion."""
    accumulator = Accumulator(**options)
    narrator = EventBuilder(accumulator)
    events = [event for one in [*chunks, *([DONE] if done else [])] for event in narrator.feed(one) or ()]
    return [*events, *narrator.last(narrator.finish())], accumulator.completion


def types(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def ask(way: Any, llm: Any, streaming: bool, **params: Any) -> Any:
    """Make a direct call to its end: whole or as a stream, blocking or awaiting."""
    if streaming:
        return way.result(llm.astream("Hi", **params) if way.is_async else llm.stream("Hi", **params))
    return way.do(llm.asend("Hi", **params) if way.is_async else llm.send("Hi", **params))

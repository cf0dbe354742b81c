"""Tools for testing what you build on language models, without a model.

`FakeLLM` is a model that answers by script. `LLMServer` is a real HTTP server that does so for any OpenAI client;
builders make its replies, the fault functions change how a reply is delivered. `Cassette` records what a model
answers, and plays it again. All of them are pytest fixtures: `fake_llm`, `llm_server`, `llm_cassette`.

    from declarai_like.testing import FakeLLM, cut, refusal

    llm = FakeLLM(["Hello", 5, refusal("I cannot help with that."), cut("Hel")])
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing it would cost at each start of pytest
if TYPE_CHECKING:
    from typing import Any

    from declarai_like.testing._cassettes import Cassette, RecordMode
    from declarai_like.testing._fake import FakeLLM
    from declarai_like.testing._faults import (
        broken_off,
        by_event,
        byte_by_byte,
        cut_randomly,
        in_one_write,
        stalled,
    )
    from declarai_like.testing._http import RecordedRequest
    from declarai_like.testing._prompt_snapshots import assert_prompt
    from declarai_like.testing._scripts import ScriptedReply, chunks, cut, refusal, reply, tool_call, truncated
    from declarai_like.testing._server import LLMServer
    from declarai_like.testing._server_replies import (
        Reply,
        bytes_reply,
        chunks_reply,
        completion_reply,
        completion_stream_reply,
        error_reply,
        json_reply,
        keep_alive_reply,
        stream_chunks,
        stream_error_reply,
        stream_reply,
        text_reply,
    )

__all__ = [
    "Cassette",
    "FakeLLM",
    "LLMServer",
    "RecordMode",
    "RecordedRequest",
    "Reply",
    "ScriptedReply",
    "assert_prompt",
    "broken_off",
    "by_event",
    "byte_by_byte",
    "bytes_reply",
    "chunks",
    "chunks_reply",
    "completion_reply",
    "completion_stream_reply",
    "cut",
    "cut_randomly",
    "error_reply",
    "in_one_write",
    "json_reply",
    "keep_alive_reply",
    "refusal",
    "reply",
    "stalled",
    "stream_chunks",
    "stream_error_reply",
    "stream_reply",
    "text_reply",
    "tool_call",
    "truncated",
]

_HOMES = {
    "_cassettes": ("Cassette", "RecordMode"),
    "_fake": ("FakeLLM",),
    "_faults": ("broken_off", "by_event", "byte_by_byte", "cut_randomly", "in_one_write", "stalled"),
    "_http": ("RecordedRequest",),
    "_prompt_snapshots": ("assert_prompt",),
    "_server_replies": (
        "Reply",
        "bytes_reply",
        "chunks_reply",
        "completion_reply",
        "completion_stream_reply",
        "error_reply",
        "json_reply",
        "keep_alive_reply",
        "stream_chunks",
        "stream_error_reply",
        "stream_reply",
        "text_reply",
    ),
    "_scripts": ("ScriptedReply", "chunks", "cut", "refusal", "reply", "tool_call", "truncated"),
    "_server": ("LLMServer",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the plugin is loaded at each start of pytest."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Small streams in the formats of Anthropic, Google and OpenAI's Responses, with one of each thing that they may hold."""

from __future__ import annotations

import json
from typing import Any

USAGE = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 1, "cache_creation_input_tokens": None}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "get_weather", "arguments": '{"city": "Rome"}'}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "encrypted_content": "E",
    "summary": [{"type": "summary_text", "text": "Hm"}],
}
WORDS = {"type": "output_text", "text": "Hello", "annotations": [{"type": "url_citation", "url": "https://a.example"}]}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "phase": "final_answer", "content": [WORDS]}
TOLD = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}}


def _sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _anthropic(*blocks: list[dict[str, Any]], reason: str | None, **end: Any) -> bytes:
    head = {"id": "m1", "model": "m", "role": "assistant", "content": [], "stop_reason": None, "usage": USAGE}
    return _sse([
        {"type": "message_start", "message": head},
        {"type": "ping"},
        *(event for block in blocks for event in block),
        {"type": "message_delta", "delta": {"stop_reason": reason, **end}, "usage": USAGE},
        {"type": "message_stop"},
    ])  # fmt: skip


_THINKING = _block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Hm"},
    {"type": "signature_delta", "signature": "S"},
)
_TEXT = _block(
    1,
    {"type": "text", "text": ""},
    {"type": "text_delta", "text": '{"x": '},
    {"type": "citations_delta", "citation": {"url": "https://a.example"}},
    {"type": "text_delta", "text": "1}"},
)
_USE = _block(
    2,
    {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {}},
    {"type": "input_json_delta", "partial_json": '{"city": '},
    {"type": "input_json_delta", "partial_json": '"Rome"}'},
)
ANTHROPIC = [
    _anthropic(_THINKING, _TEXT, reason="end_turn"),
    _anthropic(_TEXT, _USE, reason="tool_use"),
    _anthropic(
        _block(0, {"type": "redacted_thinking", "data": "D"}), reason="refusal", stop_details={"type": "refusal"}
    ),
    _sse([{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}]),
]


def _responses(*events: dict[str, Any], end: str, **response: Any) -> bytes:
    head = {"id": "r1", "model": "m", "created_at": 1, "status": "in_progress", "output": []}
    return _sse([
        {"type": "response.created", "response": head, "sequence_number": 0},
        *({**event, "sequence_number": number} for number, event in enumerate(events, 1)),
        {"type": f"response.{end}", "response": {**head, "status": end, "usage": TOLD, **response}},
    ])  # fmt: skip


def _item(index: int, item: dict[str, Any], kind: str, field: str, text: str) -> list[dict[str, Any]]:
    at = {"output_index": index, "content_index": 0, "summary_index": 0, "item_id": item["id"]}
    begun = {**item, "arguments": ""} if "arguments" in item else {**item, "content": []}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        {"type": f"response.{kind}.delta", **at, "delta": text[:3]},
        {"type": f"response.{kind}.delta", **at, "delta": text[3:]},
        {"type": f"response.{kind}.done", **at, field: text},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


RESPONSES = [
    _responses(
        *_item(0, THOUGHT, "reasoning_summary_text", "text", "Hm"),
        *_item(1, MESSAGE, "output_text", "text", "Hello"),
        *_item(2, CALL, "function_call_arguments", "arguments", str(CALL["arguments"])),
        end="completed",
        output=[THOUGHT, MESSAGE, CALL],
    ),
    _responses(*_item(0, MESSAGE, "refusal", "refusal", "I will not"), end="completed", output=[MESSAGE]),
    _responses(end="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    _responses(end="failed", error={"code": "rate_limit_exceeded", "message": "slower"}),
    _sse([{"type": "error", "code": "server_error", "message": "down", "param": None}]),
]

_COUNTS = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1}
_PARTS = [
    [{"text": "Hm", "thought": True}],
    [{"text": '{"x": '}],
    [{"text": "1}", "thoughtSignature": "S"}],
    [{"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}, "thoughtSignature": "S"}],
]
GOOGLE = [
    _sse([
        *({"candidates": [{"content": {"parts": part, "role": "model"}, "index": 0}], "usageMetadata": _COUNTS} for part in _PARTS),
        {"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": _COUNTS, "responseId": "r", "modelVersion": "m"},
    ]),
    _sse([{"promptFeedback": {"blockReason": "SAFETY"}}]),
    _sse([{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "1s"}]}}]),
]  # fmt: skip

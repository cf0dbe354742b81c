"""What the benchmark server sends in the formats of other vendors: the events of a streamed text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from payloads import pieces_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = {
    "promptTokenCount": 19,
    "candidatesTokenCount": 31,
    "totalTokenCount": 85,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 19}],
    "thoughtsTokenCount": 35,
}
"""Google tells it with each event."""


def vendor_events(path: str, model: str) -> list[bytes]:
    """Give the events of a model's stream in the format that a path belongs to; none for chat completions."""
    spell = next((spell for part, spell in SPELLINGS.items() if part in path), None)
    return [] if spell is None else list(spell(model))


def model_of(path: str, model: str | None) -> str:
    """Give the model that is asked: it stands in the body, or in Google's paths."""
    return model or path.rpartition("/models/")[2].partition(":")[0]


def google(model: str) -> Iterator[bytes]:
    """Spell `streamGenerateContent`: each event has the usage, lines end in CRLF."""
    for piece in (*pieces_of(model), ""):
        candidate: dict[str, Any] = {"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}
        candidate |= {} if piece else {"finishReason": "STOP"}
        head = {"modelVersion": "gemini-2.5-flash", "responseId": "ru1garvBEoOiqtsP2fznmQw"}
        event = {"candidates": [candidate], "usageMetadata": USAGE, **head}
        yield b"data: " + json.dumps(event).encode() + b"\r\n\r\n"


def anthropic(model: str) -> Iterator[bytes]:
    """Spell Anthropic's Messages."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    yield named({"type": "message_start", "message": {**message, "usage": {"input_tokens": 19, "output_tokens": 1}}})
    yield named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for piece in pieces_of(model):
        yield named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
    yield named({"type": "content_block_stop", "index": 0})
    yield named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 31}})
    yield named({"type": "message_stop"})


def responses(model: str) -> Iterator[bytes]:
    """Spell OpenAI's Responses."""
    part = {"type": "output_text", "text": text_of(model), "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "model": "gpt",
        "output": [],
        "status": "in_progress",
    }
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    yield named({"type": "response.created", "response": response})
    yield named({"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}})
    for number, piece in enumerate(pieces_of(model)):
        yield named({"type": "response.output_text.delta", "sequence_number": number, **place, "delta": piece})
    yield named({"type": "response.output_item.done", "output_index": 0, "item": item})
    yield named({"type": "response.completed", "response": {**response, "status": "completed", "output": [item]}})


def named(event: dict[str, Any]) -> bytes:
    """Spell an event that is named by its type."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


SPELLINGS = {":streamGenerateContent": google, "/messages": anthropic, "/responses": responses}

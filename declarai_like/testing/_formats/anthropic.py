"""Anthropic's Messages; strict as they are with the signatures of thinking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like.testing._formats.base import Turn, counts_of, named_event, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from declarai_like.providers._answers import Spoken

__all__ = ["AnthropicFormat"]

_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}


class AnthropicFormat:
    """The state is the signature of a thinking block, which stands first."""

    def whole(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> dict[str, Any]:
        """Spell a whole message."""
        blocks = [_whole(block, pieces) for block, pieces in _blocks(spoken, signature)]
        return {**_head(spoken, body), "content": blocks, **_stop(spoken)}

    def writes(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> Iterator[bytes]:
        """Spell the events of a stream."""
        yield named_event({"type": "message_start", "message": {**_head(spoken, body), "content": []}})
        for index, (block, pieces) in enumerate(_blocks(spoken, signature)):
            yield named_event({"type": "content_block_start", "index": index, "content_block": block})
            for kind, field, piece in pieces:
                delta = {"type": kind, field: piece}
                yield named_event({"type": "content_block_delta", "index": index, "delta": delta})
            yield named_event({"type": "content_block_stop", "index": index})
        if spoken.finish_reason is not None:
            usage = {"output_tokens": counts_of(spoken)[1]}
            yield named_event({"type": "message_delta", "delta": _stop(spoken), "usage": usage})
            yield named_event({"type": "message_stop"})

    def turns(self, body: Mapping[str, Any]) -> Iterator[Turn]:
        """Give the replies that a request brings back."""
        for message in body.get("messages", ()):
            if message["role"] == "assistant":
                content = message["content"]
                yield from _turns([{"type": "text", "text": content}] if isinstance(content, str) else content)

    def refusal(self, turn: int) -> dict[str, Any]:
        """Spell the error for a reply that came back without its thinking."""
        words = f"reply {turn}: a final `assistant` message must start with a thinking block, with its signature"
        return {"type": "error", "error": {"type": "invalid_request_error", "message": words}}


def _turns(blocks: list[dict[str, Any]]) -> Iterator[Turn]:
    """Give the replies of a message: a turn that was paused has several, each with its thinking first."""
    begins = [at for at, block in enumerate(blocks) if block["type"] == "thinking" or not at]
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        said = blocks[begin:end]
        text = "".join(block["text"] for block in said if block["type"] == "text")
        calls = [(block["name"], block["input"]) for block in said if block["type"] == "tool_use"]
        yield turn_of(text, calls, said[0].get("signature"))


def _head(spoken: Spoken, body: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = counts_of(spoken)
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": body.get("model")}
    rest = {"stop_reason": None, "stop_sequence": None}
    return {**head, **rest, "usage": {"input_tokens": prompt, "output_tokens": completion}}


def _stop(spoken: Spoken) -> dict[str, Any]:
    if spoken.refusal:
        details = {"type": "refusal", "explanation": "".join(spoken.refusal)}
        return {"stop_reason": "refusal", "stop_details": details}
    reason = spoken.finish_reason or "stop"
    return {"stop_reason": _STOPS.get(reason, reason)}


_Pieces = list[tuple[str, str, str]]


def _blocks(spoken: Spoken, signature: str | None) -> Iterator[tuple[dict[str, Any], _Pieces]]:
    """Give each block as it begins, and the kind, the field and the text of the pieces that follow."""
    if signature is not None:
        pieces = [("thinking_delta", "thinking", piece) for piece in spoken.reasoning]
        end = [("signature_delta", "signature", signature)]
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*pieces, *end]
    if spoken.content:
        yield {"type": "text", "text": ""}, [("text_delta", "text", piece) for piece in spoken.content]
    for index, (name, arguments, call_id) in enumerate(spoken.tool_calls):
        block = {"type": "tool_use", "id": call_id or f"toolu_{index}", "name": name, "input": {}}
        yield block, [("input_json_delta", "partial_json", arguments)]


def _whole(block: Mapping[str, Any], pieces: _Pieces) -> dict[str, Any]:
    joined: dict[str, str] = {}
    for _, field, piece in pieces:
        joined[field] = joined.get(field, "") + piece
    if "partial_json" in joined:
        joined["input"] = json.loads(joined.pop("partial_json"))
    return {**block, **joined}

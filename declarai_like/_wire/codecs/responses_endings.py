"""How responses of the Responses API end: whole ones, terminal events and errors, as chunks in the chat format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.codecs.json_text import BOM, decode_json, show_beginning
from declarai_like._wire.codecs.responses_items import OutputItems, join_delta
from declarai_like.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.accumulator import Chunk
    from declarai_like._wire.codecs.base import Redact

__all__ = [
    "chat_usage", "decode_response", "error_chunk", "event_chunk", "head_of", "mapping_of", "read_ending", "usage_of",
]  # fmt: skip

_UNFINISHED = frozenset({"queued", "in_progress", "cancelled"})
_CUTS = {"content_filter": "filtered"}
_BAD_REQUESTS = ("image_", "invalid_", "empty_image", "failed_to_download_image", "unsupported_image")
_FILTERS = ("policy", "moderation", "content_filter", "safety")


def decode_response(body: bytes, redact: Redact, limit_tokens: int | None = None) -> Chunk:
    """Read the JSON document of a whole response; raises `InvalidResponse` if it is none."""
    try:
        response = decode_json(body.strip().removeprefix(BOM))
    except ValueError:
        response = None
    if isinstance(response, dict) and not isinstance(response.get("output"), list) and response.get("error"):
        return error_chunk(response, redact)
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        shown = show_beginning(body, redact)
        raise InvalidResponse(f"expected a response in the Responses format, got {shown!r}", body=shown)
    status = _text(response.get("status")) or "completed"
    if status in _UNFINISHED:
        raise InvalidResponse(f"expected a response that has ended, got one whose status is {status!r:.40}")
    items = OutputItems()
    delta, choice = read_ending({**response, "status": status}, items, limit_tokens, redact)
    message = {"role": "assistant", "content": "", **delta}
    head = {**head_of(response), **usage_of(response), "object": "chat.completion"}
    if "error" in choice:
        head["error"] = choice["error"]
    choice = {"index": 0, "message": message, "finish_reason": None, **choice}
    return VendorChunk({**head, "choices": [choice]}, redact(response) if "error" in choice else response)


def read_ending(
    response: Mapping[str, Any], items: OutputItems, limit_tokens: int | None, redact: Redact
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what the end of a response says: its delta, and what stands beside that in the choice."""
    delta: dict[str, Any] = {}
    output = response.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            join_delta(delta, items.settle(index, item))
    delta["final_items"] = items.all()
    delta["state"] = {"id": response.get("id"), "items": items.all()}
    if response["status"] == "failed":
        error = mapping_of(response.get("error"))
        if _is_filter(error):
            return delta, {"finish_reason": error["code"], "outcome": "filtered"}
        return delta, {"error": redact(_facts_of(error))}
    if response["status"] == "incomplete":
        reason = _text(mapping_of(response.get("incomplete_details")).get("reason")) or "incomplete"
        return delta, {"finish_reason": reason, "outcome": _CUTS.get(reason, "truncated")}
    if limit_tokens is not None and mapping_of(response.get("usage")).get("output_tokens") == limit_tokens:
        return delta, {"finish_reason": "max_output_tokens", "outcome": "truncated"}
    outcome = {"outcome": "calls"} if items.has_calls else {}
    return delta, {"finish_reason": "completed", **outcome}


def chat_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the counts as chat completions do, beside the vendor's own.

    >>> chat_usage({"input_tokens": 3, "output_tokens": 5, "total_tokens": 8})["completion_tokens"]
    5
    """
    usage = dict(told)
    for name, known in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        if isinstance(told.get(known), int):
            usage[name] = told[known]
        if isinstance(details := told.get(f"{known}_details"), dict):
            usage[f"{name}_details"] = details
    return usage


def usage_of(response: Mapping[str, Any]) -> dict[str, Any]:
    usage = response.get("usage")
    return {"usage": chat_usage(usage)} if isinstance(usage, dict) else {}


def head_of(response: Mapping[str, Any]) -> dict[str, Any]:
    head = {"id": response.get("id"), "model": response.get("model"), "service_tier": response.get("service_tier")}
    return {**head, "created": _whole_number(response.get("created_at"))}


def error_chunk(event: Mapping[str, Any], redact: Redact) -> Chunk:
    """Spell an error event as the chunk that says it; a filter's verdict is an end, and no failure."""
    told = event.get("error") or {name: event.get(name) for name in ("code", "message", "param")}
    error = told if isinstance(told, dict) else {"message": str(told)}
    shown = redact(event)
    if _is_filter(error):
        return event_chunk(shown, {"role": "assistant"}, {"finish_reason": error["code"], "outcome": "filtered"})
    return VendorChunk({"error": redact(_facts_of(error))}, shown)


def _whole_number(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, (int, float)) else None
    except (ValueError, OverflowError):  # neither NaN nor infinity
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_filter(error: Mapping[str, Any]) -> bool:
    code = error.get("code")
    return isinstance(code, str) and any(word in code for word in _FILTERS)


def _facts_of(error: Mapping[str, Any]) -> dict[str, Any]:
    """Give an error's message, code and type; the type says what the codes of bad requests mean."""
    code, kind = error.get("code") or error.get("type"), error.get("type")
    if str(code).startswith(_BAD_REQUESTS):
        kind = "invalid_request_error"
    return {
        **error,
        "message": error.get("message") or "the response failed without a word",
        "code": code,
        "type": kind,
    }


def event_chunk(
    event: Any, delta: Mapping[str, Any], choice: Mapping[str, Any] = {}, *, logprobs: Any = None, **head: Any
) -> Chunk:
    """Make the chunk of an event; one that brings nothing has no choice."""
    if not delta and not choice:
        return VendorChunk({**head, "choices": []}, event)
    told = {"index": 0, "delta": delta, "finish_reason": None, **choice}
    if logprobs:
        told["logprobs"] = {"content": logprobs}
    return VendorChunk({**head, "choices": [told]}, event)


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""OpenAI's Responses; strict as they are with the items of reasoning."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from declarai_like.testing._formats.base import Turn, counts_of, named_event, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from declarai_like.providers._answers import Spoken

__all__ = ["ResponsesFormat"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_Item = dict[str, Any]


class ResponsesFormat:
    """The state is the encrypted content of a reasoning item, which stands before what it led to."""

    def whole(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> dict[str, Any]:
        """Spell a whole response."""
        return _response(spoken, body, [item for item, _ in _items(spoken, signature)])

    def writes(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> Iterator[bytes]:
        """Spell the events of a stream."""
        yield named_event({"type": "response.created", "response": _response(spoken, body, [], status="in_progress")})
        items = _items(spoken, signature)
        for at, (item, deltas) in enumerate(items):
            place = {"output_index": at, "item_id": item["id"]}
            begun = {**item, **_EMPTY[item["type"]], "status": "in_progress"}
            yield named_event({"type": "response.output_item.added", "output_index": at, "item": begun})
            for kind, piece in deltas:
                yield named_event({"type": f"response.{kind}.delta", **place, **_PLACES.get(kind, {}), "delta": piece})
            if spoken.finish_reason is not None:
                yield named_event({"type": "response.output_item.done", "output_index": at, "item": item})
        if spoken.finish_reason is not None:
            response = _response(spoken, body, [item for item, _ in items])
            yield named_event({"type": f"response.{response['status']}", "response": response})

    def turns(self, body: Mapping[str, Any]) -> Iterator[Turn]:
        """Give the replies that a request brings back."""
        told = body.get("input")
        turn: list[_Item] = []
        for item in [*(told if isinstance(told, list) else ()), {"role": "user"}]:
            if item.get("role") == "assistant" or item.get("type") in {"reasoning", "function_call"}:
                turn.append(item)
            elif turn:
                yield _turn(turn)
                turn = []

    def refusal(self, turn: int) -> dict[str, Any]:
        """Spell the error for a reply that came back without its reasoning."""
        words = f"Item of type 'message' was provided without its required 'reasoning' item (reply {turn})."
        return {"error": {"message": words, "type": "invalid_request_error", "param": "input", "code": None}}


_EMPTY: dict[str, _Item] = {
    "reasoning": {"summary": []},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}
_PLACES = {
    "output_text": {"content_index": 0},
    "refusal": {"content_index": 0},
    "reasoning_summary_text": {"summary_index": 0},
}


def _turn(items: list[_Item]) -> Turn:
    text = "".join(_text(item["content"]) for item in items if item.get("role") == "assistant")
    calls = [(item["name"], item["arguments"]) for item in items if item.get("type") == "function_call"]
    return turn_of(text, calls, items[0].get("encrypted_content"))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _items(spoken: Spoken, signature: str | None) -> list[tuple[_Item, list[tuple[str, str]]]]:
    """Give each item as it is in the end, and the kind and the text of the pieces by which it comes."""
    items: list[tuple[_Item, list[tuple[str, str]]]] = []
    if signature is not None:
        summary = [{"type": "summary_text", "text": "".join(spoken.reasoning)}] if spoken.reasoning else []
        item = {"type": "reasoning", "id": "rs_fake", "summary": summary, "encrypted_content": signature}
        items.append((item, [("reasoning_summary_text", piece) for piece in spoken.reasoning]))
    if spoken.content or spoken.refusal:
        kind, field = ("refusal", "refusal") if spoken.refusal else ("output_text", "text")
        pieces = spoken.refusal or spoken.content
        part = {"type": kind, field: "".join(pieces), **({} if spoken.refusal else {"annotations": []})}
        item = {"type": "message", "id": "msg_fake", "role": "assistant", "status": "completed", "content": [part]}
        items.append((item, [(kind, piece) for piece in pieces]))
    for index, (name, arguments, call_id) in enumerate(spoken.tool_calls):
        head = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id or f"call_{index}", "name": name}
        items.append(({**head, "arguments": arguments}, [("function_call_arguments", arguments)]))
    return items


def _digest(told: Any) -> str:
    """Make an id of a conversation and its reply: the same is the same on any server."""
    return sha256(json.dumps(told, sort_keys=True, default=repr).encode()).hexdigest()[:24]


def _response(spoken: Spoken, body: Mapping[str, Any], output: list[_Item], *, status: str = "") -> dict[str, Any]:
    prompt, completion = counts_of(spoken)
    why = _INCOMPLETE.get(spoken.finish_reason or "")
    response = {
        "id": f"resp_{_digest([body.get('input'), repr(spoken)])}",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": body.get("model"),
        "status": status or ("incomplete" if why else "completed"),
        "error": None,
        "incomplete_details": {"reason": why} if why and not status else None,
        "output": output,
    }
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    return response if status else {**response, "usage": usage}

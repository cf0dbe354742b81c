"""Google's `generateContent`; strict as it is with thought signatures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like.testing._formats.base import Turn, counts_of, turn_of
from declarai_like.testing._server_replies import sse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from declarai_like.providers._answers import Spoken

__all__ = ["GoogleFormat"]

_STOPS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "tool_calls": "STOP"}


class GoogleFormat:
    """The state is the signature on the first call, or on an empty text at the end.

    The format has no refusals: one is told as an answer that was cut for `PROHIBITED_CONTENT`.
    """

    def whole(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> dict[str, Any]:
        """Spell a whole answer."""
        text = [{"text": "".join(spoken.content)}] if spoken.content else []
        thought = [{"text": "".join(spoken.reasoning), "thought": True}] if spoken.reasoning else []
        return _event(spoken, body, [*thought, *text, *_ending(spoken, signature)], is_last=True)

    def writes(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> Iterator[bytes]:
        """Spell the events of a stream."""
        for piece in spoken.reasoning:
            yield sse(_event(spoken, body, [{"text": piece, "thought": True}]))
        for piece in spoken.content:
            yield sse(_event(spoken, body, [{"text": piece}]))
        if spoken.finish_reason is not None:
            yield sse(_event(spoken, body, _ending(spoken, signature), is_last=True))

    def turns(self, body: Mapping[str, Any]) -> Iterator[Turn]:
        """Give the replies that a request brings back."""
        for content in body.get("contents", ()):
            if content["role"] == "model":
                parts = content["parts"]
                text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
                calls = [part for part in parts if "functionCall" in part]
                signed = calls[:1] or [part for part in parts if "text" in part][-1:]
                told = [(part["functionCall"]["name"], part["functionCall"]["args"]) for part in calls]
                yield turn_of(text, told, signed[0].get("thoughtSignature") if signed else None)

    def refusal(self, turn: int) -> dict[str, Any]:
        """Spell the error for a reply that came back without its signature."""
        words = f"Function call is missing a thought_signature in functionCall parts (reply {turn})."
        return {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}


def _ending(spoken: Spoken, signature: str | None) -> list[dict[str, Any]]:
    """Give the last parts: the calls, or an empty text; the first of them is signed."""
    calls: list[dict[str, Any]] = [
        {"functionCall": {"name": name, "args": json.loads(arguments)}} for name, arguments, _ in spoken.tool_calls
    ]
    parts = calls or [{"text": ""}]
    if signature is not None:
        parts[0]["thoughtSignature"] = signature
    return parts


def _event(
    spoken: Spoken, body: Mapping[str, Any], parts: list[dict[str, Any]], *, is_last: bool = False
) -> dict[str, Any]:
    prompt, completion = counts_of(spoken)
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if is_last:
        reason = spoken.finish_reason or "stop"
        candidate["finishReason"] = "PROHIBITED_CONTENT" if spoken.refusal else _STOPS.get(reason, reason)
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": completion, "totalTokenCount": prompt + completion}
    head = {"modelVersion": "fake", "responseId": f"fake-{len(body.get('contents', ()))}"}
    return {"candidates": [candidate], "usageMetadata": usage, **head}

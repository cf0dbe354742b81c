"""Chat completions, and the text completions before them; strict as DeepSeek is with its thinking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from declarai_like.requests import Request
from declarai_like.testing._formats.base import Turn, turn_of
from declarai_like.testing._server_replies import DONE, sse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from declarai_like.providers._answers import Spoken

__all__ = ["ChatFormat"]


class ChatFormat:
    """The state is the last line of `reasoning_content`."""

    def whole(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> dict[str, Any]:
        """Spell a whole answer."""
        return _append_signature(spoken, signature).body(_request_of(body))

    def writes(self, spoken: Spoken, body: Mapping[str, Any], signature: str | None) -> Iterator[bytes]:
        """Spell the events of a stream."""
        yield from map(sse, _append_signature(spoken, signature).chunks(_request_of(body)))
        if spoken.finish_reason is not None:
            yield DONE

    def turns(self, body: Mapping[str, Any]) -> Iterator[Turn]:
        """Give the replies that a request brings back."""
        for message in body.get("messages", ()):
            if message["role"] == "assistant":
                functions = [call["function"] for call in message.get("tool_calls") or ()]
                state = str(message.get("reasoning_content") or "").rpartition("\n")[2]
                told = [(function["name"], function["arguments"]) for function in functions]
                yield turn_of(message.get("content") or "", told, state)

    def refusal(self, turn: int) -> dict[str, Any]:
        """Spell the error for a reply that came back without its thinking."""
        words = f"The `reasoning_content` in the thinking mode must be passed back to the API (reply {turn})."
        return {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}}


def _request_of(body: Mapping[str, Any]) -> Request:
    kind: Any = "completion" if "prompt" in body else "chat"
    return Request(model=str(body.get("model")), kind=kind, prompt=body.get("prompt"), params={"n": body.get("n")})


def _append_signature(spoken: Spoken, signature: str | None) -> Spoken:
    return spoken if signature is None else replace(spoken, reasoning=(*spoken.reasoning, "\n", signature))

"""The answer as the arguments of a tool: shown as the text that it stands for, while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE
from declarai_like._wire.deltas import as_text, choices_of, delta_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.accumulator import Chunk
    from declarai_like.responses import LLMResponse

__all__ = ["FINAL_ANSWER", "FinalAnswerReader"]

FINAL_ANSWER = "final_answer"
"""The tool whose arguments are the answer."""
_PLACES = ("delta", "message")


class FinalAnswerReader:
    """Reads chunks as the reader behind it does, the arguments of `final_answer` being the text of the answer.

    What else the answer calls is left out from then on: it ends with this.
    """

    __slots__ = ("_place", "_reader")

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._place: int | None = None
        """Which of the calls is the answer, once it has begun."""

    @property
    def has_answer(self) -> bool:
        """Whether the answer was given by a call."""
        return self._place is not None

    def feed(self, raw: Chunk) -> Any:
        """Take in a chunk; give what the reader gives."""
        if raw is DONE or not self._concerns(raw):
            return self._reader.feed(raw)
        return self._reader.feed(_like(raw, {**raw, "choices": [self._rewrite(one) for _, one in choices_of(raw)]}))

    def finish(self) -> LLMResponse:
        """Close the answer."""
        return self._reader.finish()  # type: ignore[no-any-return]  # it is one of ours

    def _concerns(self, raw: Chunk) -> bool:
        return self.has_answer or any(delta_of(choice).get("tool_calls") for _, choice in choices_of(raw))

    def _rewrite(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        part = delta_of(choice)
        fragments = part.get("tool_calls")
        kept, answer = [], ""
        for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
            place = fragment.get("index") if isinstance(fragment, dict) else None
            place = place if isinstance(place, int) else position
            function = fragment.get("function") if isinstance(fragment, dict) else None
            function = function if isinstance(function, dict) else {}
            if self._place is None and function.get("name") == FINAL_ANSWER:
                self._place = place
            if place == self._place:
                answer += as_text(function.get("arguments"))
            else:
                kept.append(fragment)
        if not self.has_answer:
            return dict(choice)
        rest = {name: value for name, value in part.items() if name != "tool_calls"}
        field = next((name for name in _PLACES if choice.get(name) is part), "delta")
        told = {**rest, "content": text_of(part.get("content")) + answer}
        return {**choice, field: told, **({"finish_reason": "stop"} if _asks(choice) else {})}


def _asks(choice: Mapping[str, Any]) -> bool:
    return choice.get("finish_reason") in {"tool_calls", "tool_use", "function_call"}


def _like(raw: Chunk, rewritten: Chunk) -> Chunk:
    """Keep what the vendor has sent beside a chunk in our format."""
    return VendorChunk(rewritten, raw.sent) if isinstance(raw, VendorChunk) else rewritten

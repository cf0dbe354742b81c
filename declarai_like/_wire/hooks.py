"""What looks at the chunks of an answer, and what rewrites its texts, before anybody is shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk
from declarai_like._values.outcomes import finish_reason_of
from declarai_like._wire.accumulator import DONE, Chunk
from declarai_like._wire.deltas import (
    REASONING_FIELDS,
    as_text,
    choices_of,
    delta_of,
    reasoning_of,
    refusal_of,
    tells,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from declarai_like._wire.accumulator import Accumulator
    from declarai_like._wire.event_builder import EventBuilder
    from declarai_like.requests import Observer, TextFilter
    from declarai_like.responses import LLMResponse

__all__ = ["HookedReader"]


def _reasoning_text(part: Mapping[str, Any]) -> str:
    return reasoning_of(part)[1]


def _content_text(part: Mapping[str, Any]) -> str:
    return text_of(part.get("content"))


_READ = (
    ("reasoning", _reasoning_text),
    ("refusal", refusal_of),
    ("content", _content_text),
)
"""The texts of a part of an answer, and how each is read, in whichever form it came."""
_PLACES = ("delta", "message", "text")


class HookedReader:
    """Reads chunks as the reader behind it does, after the filters and the observers have had them."""

    __slots__ = ("_begun", "_ended", "_filters", "_observers", "_reader", "_texts")

    def __init__(
        self,
        reader: Accumulator | EventBuilder,
        filters: Sequence[Callable[[], TextFilter]],
        observers: Sequence[Observer],
    ) -> None:
        self._reader = reader
        self._filters = filters
        self._observers = observers
        self._texts: dict[int, dict[str, list[TextFilter]]] = {}
        """The filters of the texts that are under way, by choice and field; a tool's arguments have a field each."""
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    def feed(self, raw: Chunk) -> Any:
        """Take in a chunk; give what the reader gives for what is left of it."""
        if raw is not DONE:
            return self._show(self._filter(raw) if self._filters else raw)
        shown = None
        held = sorted(index for index, texts in self._texts.items() if texts)
        if held:  # a stream that is whole, but never said why it stopped
            choices = [{"index": index, "delta": self._filter_part(index, {}, ends=True)} for index in held]
            shown = self._show({"choices": choices})
        self._reader.feed(raw)
        return shown

    def finish(self) -> LLMResponse:
        """Close the answer; what is still held back then has no end, and is never shown."""
        return self._reader.finish()

    def _show(self, raw: Chunk) -> Any:
        for observe in self._observers:
            observe(raw.sent if isinstance(raw, VendorChunk) else raw)
        return self._reader.feed(raw)

    def _filter(self, raw: Chunk) -> Chunk:
        choices = [self._filter_choice(index, choice) for index, choice in choices_of(raw)]
        if not choices:
            return raw
        rest = {name: value for name, value in raw.items() if name != "value"}  # Writer's text is a choice now
        return {**rest, "choices": choices}

    def _filter_choice(self, index: int, choice: Mapping[str, Any]) -> dict[str, Any]:
        """Rewrite a choice; its log probabilities, which repeat the text token by token, are left out."""
        rest = {name: value for name, value in choice.items() if name not in {"logprobs", *_PLACES}}
        part = delta_of(choice, begun=index in self._begun)
        place = next((name for name in _PLACES if choice.get(name) is part), "delta")
        if finish_reason_of(choice.get("finish_reason")) or place == "message":
            self._ended.add(index)
        if tells(part):
            self._begun.add(index)
        rewritten = self._filter_part(index, part, ends=index in self._ended)
        if "text" in choice and place == "delta" and "delta" not in choice:  # a text completion
            return {**rest, "text": rewritten["content"] or ""}
        return {**rest, place: rewritten}

    def _filter_part(self, index: int, part: Mapping[str, Any], *, ends: bool) -> dict[str, Any]:
        """Rewrite what a choice brought; at its end, what was held back goes with it."""
        rewritten = {name: value for name, value in part.items() if name not in REASONING_FIELDS}
        for name, read in _READ:
            text = self._filter_text(index, name, read(part), ends=ends)
            field = self._field_of(name, part)
            if text or part.get(field):
                rewritten[field] = text
        fragments = part.get("tool_calls")
        calls = self._filter_calls(index, fragments if isinstance(fragments, list) else (), ends=ends)
        if calls:
            rewritten["tool_calls"] = calls
        call = part.get("function_call")
        call = call if isinstance(call, dict) else {}
        arguments = self._filter_text(index, "function_call", as_text(call.get("arguments")), ends=ends)
        if call or arguments:
            rewritten["function_call"] = {**call, "arguments": arguments}
        return rewritten

    @staticmethod
    def _field_of(name: str, part: Mapping[str, Any]) -> str:
        """Give the field in which a text is told: thinking in the one that it came in, if that holds a text."""
        if name != "reasoning":
            return name
        return next((field for field in REASONING_FIELDS if isinstance(part.get(field), str)), "reasoning_content")

    def _filter_calls(self, index: int, fragments: Iterable[Any], *, ends: bool) -> list[Any]:
        calls = []
        for position, fragment in enumerate(fragments):
            function = fragment.get("function") if isinstance(fragment, dict) else None
            if not isinstance(function, dict):
                calls.append(fragment)
                continue
            place = fragment.get("index")
            field = f"tool {int(place) if isinstance(place, int) else position}"
            arguments = self._filter_text(index, field, as_text(function.get("arguments")), ends=ends)
            calls.append({**fragment, "function": {**function, "arguments": arguments}})
        held = [field for field in self._texts.get(index, ()) if ends and field.startswith("tool ")]
        for field in held:
            rest = self._filter_text(index, field, "", ends=True)
            calls.append({"index": int(field[5:]), "function": {"arguments": rest}})
        return calls

    def _filter_text(self, index: int, field: str, text: str, *, ends: bool) -> str:
        """Send a piece of a text through its filters, one after the other."""
        texts = self._texts.setdefault(index, {})
        filters = texts.get(field)
        if filters is None:
            if not text:
                return ""
            filters = texts[field] = [make() for make in self._filters]
        for filter_ in filters:
            text = filter_.feed(text) + (filter_.close() if ends else "")
        if ends:
            del texts[field]
        return text

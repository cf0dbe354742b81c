"""What looks at the chunks of an answer, and what rewrites its texts, before anybody is shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.accumulator import DONE, Chunk, choices_of
from declarai_like._wire.choices import text_of
from declarai_like._wire.tool_calls import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from declarai_like._wire.accumulator import Accumulator
    from declarai_like._wire.event_builder import EventBuilder
    from declarai_like.requests import Observer, TextFilter
    from declarai_like.responses import LLMResponse

__all__ = ["HookedReader"]

_TEXTS = ("reasoning_content", "reasoning", "refusal", "content")


class HookedReader:
    """Reads chunks as the reader behind it does, after the filters and the observers have had them."""

    __slots__ = ("_ended", "_filters", "_observers", "_reader", "_texts")

    def __init__(
        self,
        reader: Accumulator | EventBuilder,
        filters: Sequence[Callable[[], TextFilter]],
        observers: Sequence[Observer],
    ) -> None:
        self._reader = reader
        self._filters = filters
        self._observers = observers
        self._texts: dict[tuple[int, str], list[TextFilter]] = {}
        """The filters of the texts that are under way, by choice and field; a tool's arguments have a field each."""
        self._ended: set[int] = set()

    def feed(self, raw: Chunk) -> Any:
        """Take in a chunk; give what the reader gives for what is left of it."""
        if raw is not DONE:
            return self._show(self._filtered(raw) if self._filters else raw)
        shown = None
        held = sorted({index for index, _ in self._texts})
        if held:  # a stream that is whole, but never said why it stopped
            choices = [{"index": index, "delta": self._part(index, {}, ends=True)} for index in held]
            shown = self._show({"choices": choices})
        self._reader.feed(raw)
        return shown

    def finish(self) -> LLMResponse:
        """Close the answer; what is still held back then has no end, and is never shown."""
        return self._reader.finish()

    def _show(self, raw: Chunk) -> Any:
        for observe in self._observers:
            observe(raw)
        return self._reader.feed(raw)

    def _filtered(self, raw: Chunk) -> Chunk:
        choices = [self._choice(index, choice) for index, choice in choices_of(raw)]
        return {**raw, "choices": choices} if choices else raw

    def _choice(self, index: int, choice: Mapping[str, Any]) -> dict[str, Any]:
        """Rewrite a choice; its log probabilities, which repeat the text token by token, are left out."""
        rewritten = {name: value for name, value in choice.items() if name != "logprobs"}
        if choice.get("finish_reason") or "message" in choice:
            self._ended.add(index)
        ends = index in self._ended
        for place in ("delta", "message"):
            if isinstance(choice.get(place), dict):
                return {**rewritten, place: self._part(index, choice[place], ends=ends)}
        part = self._part(index, {"content": choice.get("text")}, ends=ends)  # a text completion
        return {**rewritten, "text": part["content"] or ""}

    def _part(self, index: int, part: Mapping[str, Any], *, ends: bool) -> dict[str, Any]:
        """Rewrite what a choice brought; at its end, what was held back goes with it."""
        rewritten = dict(part)
        for name in _TEXTS:
            rest = self._text((index, name), text_of(part.get(name)), ends=ends)
            if rest or part.get(name):
                rewritten[name] = rest
        fragments = part.get("tool_calls")
        calls = self._calls(index, fragments if isinstance(fragments, list) else (), ends=ends)
        if calls:
            rewritten["tool_calls"] = calls
        return rewritten

    def _calls(self, index: int, fragments: Iterable[Any], *, ends: bool) -> list[Any]:
        calls = []
        for position, fragment in enumerate(fragments):
            function = fragment.get("function") if isinstance(fragment, dict) else None
            if not isinstance(function, dict):
                calls.append(fragment)
                continue
            field = f"tool {fragment.get('index', position)}"
            arguments = self._text((index, field), as_text(function.get("arguments")), ends=ends)
            calls.append({**fragment, "function": {**function, "arguments": arguments}})
        held = [field for choice, field in self._texts if ends and choice == index and field.startswith("tool ")]
        for field in held:
            rest = self._text((index, field), "", ends=True)
            calls.append({"index": int(field[5:]), "function": {"arguments": rest}})
        return calls

    def _text(self, key: tuple[int, str], text: str, *, ends: bool) -> str:
        """Send a piece of a text through its filters, one after the other."""
        filters = self._texts.get(key)
        if filters is None:
            if not text:
                return ""
            filters = self._texts[key] = [make() for make in self._filters]
        for filter_ in filters:
            text = filter_.feed(text) + (filter_.close() if ends else "")
        if ends:
            del self._texts[key]
        return text

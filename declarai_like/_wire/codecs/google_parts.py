"""The parts of one candidate of Google's, as they come: what each says, and what goes back with the next turn."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SIGNATURE", "Parts"]

SIGNATURE = "thoughtSignature"
_WORDS = frozenset({"text", "thought"})
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"](.*?)['\"]\]")
_VALUES = ("stringValue", "numberValue", "boolValue")
_MOST_ENTRIES, _MOST_STEPS = 10_000, 100
"""The longest array and the deepest place that a path may ask for: a broken path must not fill the memory."""


class Call:
    """A function call while its arguments come, whole or value by value."""

    __slots__ = ("_path", "_pieces", "arguments", "id", "index", "is_open", "name", "part")

    def __init__(self, index: int, name: str, call_id: str, part: dict[str, Any]) -> None:
        self.index = index
        self.name = name
        self.id = call_id
        self.part = part
        """What the state has of it."""
        self.arguments: Any = {}
        self.is_open = True
        self._path = ""
        self._pieces: list[str] = []
        """The pieces of the text at that path that are not laid into the arguments yet."""

    def put(self, path: str, told: Mapping[str, Any]) -> None:
        """Put a value at its path; a text goes on with the text that is there."""
        value = next((told[name] for name in _VALUES if name in told), None)
        if path != self._path or not isinstance(value, str):
            self._lay_pieces()
        if isinstance(value, str):
            self._path = path
            self._pieces.append(value)
        else:
            self._lay(path, value)

    def _lay_pieces(self) -> None:
        if self._pieces:
            self._lay(self._path, "".join(self._pieces))
            self._pieces = []

    def _lay(self, path: str, value: Any) -> None:
        steps = [int(number) if number else word or quoted for word, number, quoted in _STEP.findall(path)]
        if 0 < len(steps) <= _MOST_STEPS and isinstance(steps[0], str):
            self.arguments = _laid(self.arguments, steps, value)

    def begin(self, arguments: str) -> dict[str, Any]:
        """Spell the beginning of the call, with the first piece of its arguments."""
        function = {"name": self.name, "arguments": arguments}
        return {"index": self.index, "id": self.id, "type": "function", "function": function}

    def close(self) -> str:
        """End the call; give its arguments."""
        self.is_open = False
        self._lay_pieces()
        return json.dumps(self.arguments, ensure_ascii=False)

    def cut(self) -> str:
        """End a call whose end never came; its arguments are no JSON, so that nobody takes them for whole."""
        return self.close().removesuffix("}")

    def go_on(self, arguments: str) -> dict[str, Any]:
        """Spell a further piece of the arguments."""
        return {"index": self.index, "function": {"arguments": arguments}}


class Parts:
    """The parts of one candidate, in the order in which they came."""

    __slots__ = ("_calls", "_kept", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._kept: list[dict[str, Any]] = []
        """What goes back: of a text how long it is, of a call its id, all else as it came."""
        self._calls: list[Call] = []
        self._prefix = prefix
        """How the ids begin that are made for calls."""

    @property
    def _open_call(self) -> Call | None:
        return self._calls[-1] if self._calls and self._calls[-1].is_open else None

    @property
    def open_text(self) -> dict[str, int] | None:
        """The length of the text that a piece of plain text goes on with; `None` if it would begin one."""
        last = self._kept[-1] if self._kept else {}
        return last if last.keys() == {"characters"} else None

    def add(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Take in a part; give what it says."""
        if isinstance(part.get("functionCall"), dict):
            return self._add_call(part)
        if isinstance(part.get("text"), str):
            return self._add_words(part)
        self._kept.append(dict(part))
        return {"items": [dict(part)]}

    def _add_words(self, part: Mapping[str, Any]) -> dict[str, Any]:
        text = part["text"]
        beside = {name: value for name, value in part.items() if name not in _WORDS}
        if part.get("thought"):
            self._keep_thought(text, beside)
            return {"reasoning_content": text} if text else {}
        if beside:
            self._kept.append({"characters": len(text), **beside})
        elif (known := self.open_text) is not None:
            known["characters"] += len(text)
        elif text:
            self._kept.append({"characters": len(text)})
        return {"content": text} if text else {}

    def _keep_thought(self, text: str, beside: Mapping[str, Any]) -> None:
        last = self._kept[-1] if self._kept else {}
        if last.keys() == {"thought", "pieces"}:
            last["pieces"].append(text)
            last.update(beside)
        else:
            self._kept.append({"thought": True, "pieces": [text], **beside})

    def _add_call(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a call, or go on with the one that is open."""
        told = part["functionCall"]
        call, entries = self._open_call, []
        begins = call is None or bool(told.get("name"))
        if call is None or begins:
            entries += self.close_call()
            call = self._begin_call(told)
        call.part |= {name: value for name, value in part.items() if name != "functionCall"}
        for each in _mappings(told.get("partialArgs")):
            call.put(str(each.get("jsonPath")), each)
        if "args" in told:
            call.arguments = told["args"] or {}
        arguments = "" if told.get("willContinue") else call.close()
        if begins or arguments:
            entries.append(call.begin(arguments) if begins else call.go_on(arguments))
        return {"tool_calls": entries} if entries else {}

    def _begin_call(self, told: Mapping[str, Any]) -> Call:
        given, name = told.get("id"), told.get("name")
        index = len(self._calls)
        call_id = given if isinstance(given, str) and given else f"{self._prefix}{index}"
        part: dict[str, Any] = {"call": call_id, "given": call_id == given}
        self._kept.append(part)
        self._calls.append(Call(index, name if isinstance(name, str) else "", call_id, part))
        return self._calls[-1]

    def close_call(self) -> list[dict[str, Any]]:
        """End a call whose end has not come; give the piece that leaves it cut."""
        call = self._open_call
        return [] if call is None else [call.go_on(call.cut())]

    def state(self) -> dict[str, Any] | None:
        """Give what goes back with the next turn; `None` where the text is all there is."""
        if all(part.keys() == {"characters"} for part in self._kept):
            return None
        return {"parts": [_whole(part) for part in self._kept]}


def _whole(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Give a part as it is kept with the reply: a thought has its text."""
    if "pieces" not in kept:
        return dict(kept)
    return {"text": "".join(kept["pieces"]), **{name: value for name, value in kept.items() if name != "pieces"}}


def _laid(container: Any, steps: list[Any], value: Any) -> Any:
    """Give the container with a value at these steps."""
    step, *rest = steps
    if isinstance(step, int):
        grown = container if isinstance(container, list) else []
        if step > _MOST_ENTRIES:
            return grown
        grown += [None] * (step + 1 - len(grown))
        grown[step] = _laid(grown[step], rest, value) if rest else _joined(grown[step], value)
        return grown
    known = container if isinstance(container, dict) else {}
    known[step] = _laid(known.get(step), rest, value) if rest else _joined(known.get(step), value)
    return known


def _joined(known: Any, value: Any) -> Any:
    return known + value if isinstance(known, str) and isinstance(value, str) else value


def _mappings(values: Any) -> Iterable[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else ()

"""Answers and calls of tools in one JSON text, for models that have no tools: read while they arrive.

`{"tool": name, "arguments": {...}}` is a call, and no text; of `{"answer": value}` the value is the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

__all__ = ["EnvelopeFilter"]

_BEGIN = re.compile(r'\s*\{\s*"(tool|answer)"\s*:\s*')
_MAY_BEGIN = re.compile(r'\s*(?:\{\s*(?:"[a-z]{0,6}(?:"\s*(?::\s*)?)?)?)?')
_UNFINISHED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")
_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)


class EnvelopeFilter:
    """Rewrites one text: an answer is shown without its envelope, a call is held back.

    `is_text` says that the value is a string, which is shown as its characters; any other is shown as JSON. What has no
    envelope is shown as it is.
    """

    def __init__(self, *, is_text: bool) -> None:
        self.kind: Literal["tool", "answer", "bare", ""] = ""
        """What it has turned out to be."""
        self.raw = ""
        """All that has come."""
        self._is_text = is_text
        self._left = ""
        self._value = _Value()

    def feed(self, text: str) -> str:
        """Take the next piece; give what may be shown now."""
        self.raw += text
        self._left += text
        if not self.kind:
            self._recognise()
        if self.kind == "bare":
            shown, self._left = self._left, ""
            return shown
        if self.kind != "answer":
            return ""
        return self._show_string() if self._is_text and self._is_string else self._show_json()

    def close(self) -> str:
        """Give what was held back, at the end of the text."""
        if self.kind:
            return ""
        self.kind = "bare"
        return self.feed("")

    def _recognise(self) -> None:
        if found := _BEGIN.match(self._left):
            rest = self._left[found.end() :]
            if found[1] == "answer" and not rest:
                return  # whether it is a string is not known yet
            self.kind = "tool" if found[1] == "tool" else "answer"
            self._is_string = rest.startswith('"')
            self._left = rest[1:] if self._is_text and self._is_string and self.kind == "answer" else rest
            self._has_ended = False
        elif not _MAY_BEGIN.fullmatch(self._left):
            self.kind = "bare"

    def _show_string(self) -> str:
        """Show the characters of a JSON string, as far as they are whole."""
        if self._has_ended:
            return ""
        end = _END.match(self._left)
        if end is not None:
            raw, self._has_ended, self._left = end[0][:-1], True, ""
        else:
            held = _UNFINISHED.search(self._left)
            cut = len(self._left) if held is None else held.start()
            raw, self._left = self._left[:cut], self._left[cut:]
        try:
            shown: Any = json.loads(f'"{raw}"', strict=False)
        except ValueError:  # no JSON string: a server that holds no schema
            shown = raw
        return str(shown)

    def _show_json(self) -> str:
        """Show the value, up to its end."""
        shown, self._left = self._value.take(self._left), ""
        return shown


class _Value:
    """Finds the end of one JSON value that arrives in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._has_ended = False

    def take(self, text: str) -> str:
        """Give what of the text belongs to the value."""
        for position, character in enumerate(text):
            if self._has_ended or self._ends_before(character):
                self._has_ended = True
                return text[:position]
        return text

    def _ends_before(self, character: str) -> bool:
        """Take in a character; say whether the value has ended before it."""
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._in_string = False
            return False
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
        return self._depth < 0

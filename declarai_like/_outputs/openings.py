"""Where a JSON value begins among words: brackets that try to be JSON, as against brackets of prose."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from declarai_like._outputs.quoting import CLOSERS, is_key, skip

__all__ = ["Opening", "find_members", "find_opening"]

_BRACKET = re.compile(r"[{\[]")
_NUMBER_ITEM = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=\s*[,\]\n])")
_NUMBER_BEGUN = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]*|[\d.]*(?:[eE][-+]?\d*)?)\s*\Z")
_WORD_ITEM = re.compile(r"(?:true|false|null|None|True|False|NaN)(?=\s*[,\]\n])")
_WORD_BEGUN = re.compile(r"[A-Za-z]{1,5}\s*\Z")
_BEGUN = re.compile(r"""[\[{\s]*(?:["'“\d]|(?:tr|tru|true|fa|fal|fals|false|nu|nul|null)\Z)""")
_MEMBER = re.compile(r"""\s*(["'])[^"'\\\n{}\[\]]{1,80}\1\s*:\s*(?=["'\[{\d-]|(?:true|false|null|True|False|None)\b)""")
_MEMBER_BEGUN = re.compile(
    r"""\s*(?:(["'])(?:[^"'\\\n{}\[\]]{0,80}|[^"'\\\n{}\[\]]{1,80}\1\s*(?::\s*[a-zA-Z]{0,4})?))?\Z"""
)

# Deeper than this no value is read, so there is nothing to tell.
_DEEPEST = 250

Kind = Literal["value", "soft", "prose", "undecided"]


class Opening(NamedTuple):
    """A bracket and what it opens: a `soft` value may turn out to be prose; prose goes on from `position`."""

    position: int
    kind: Kind


def find_members(text: str, *, is_last: bool) -> bool | None:
    """Say whether a text begins with the members of an object that lacks its braces; `None` to wait for more."""
    if _MEMBER.match(text):
        return True
    return None if not is_last and _MEMBER_BEGUN.match(text) else False


def find_opening(text: str, position: int, before: str, *, is_last: bool) -> Opening | None:
    """Find the next bracket from `position`; `before` is the character ahead of the text."""
    bracket = _BRACKET.search(text, position)
    if bracket is None:
        return None
    start = bracket.start()
    previous = text[start - 1] if start else before
    opening = _of_object(text, start, previous) if bracket[0] == "{" else _of_array(text, start, previous)
    if opening.kind == "undecided" and is_last:
        # What cannot be told is a value that is cut, if it goes on like one.
        return Opening(start, "value") if _is_begun(text, start) else Opening(start + 1, "prose")
    return opening


def _is_begun(text: str, start: int) -> bool:
    rest = text[start:].strip()
    return rest in {"{", "["} or _BEGUN.match(rest) is not None


def _of_object(text: str, start: int, previous: str) -> Opening:
    found = skip(text, start + 1)
    if found is None:
        return Opening(start, "undecided")
    mark = text[found]
    if mark == "}":
        return Opening(start, "soft")
    if mark in CLOSERS and mark != "`" and previous != ":":
        return Opening(start, "value")
    key = is_key(text, found)
    if key is None:
        return Opening(start, "undecided")
    return Opening(start, "value") if key else Opening(start + 1, "prose")


def _of_array(text: str, start: int, previous: str) -> Opening:  # noqa: C901, PLR0911 - one case after the other
    found, depth = start, 0
    while text[found] == "[":
        depth += 1
        if depth > _DEEPEST:
            return Opening(start, "value")
        inner = skip(text, found + 1)
        if inner is None:
            return Opening(start, "undecided")
        found = inner
    mark = text[found]
    past = Opening(found, "prose") if depth > 1 else Opening(start + 1, "prose")
    if mark == "{":
        inside = _of_object(text, found, "")
        return (
            past if inside.kind == "prose" else Opening(start, "undecided" if inside.kind == "undecided" else "value")
        )
    if mark == "]":
        return Opening(start, "soft" if depth == 1 else "value")
    if previous.isalnum() or previous in {"_", ")", "]"}:  # an index
        return past
    if mark in CLOSERS:
        return Opening(start, "value")
    if _NUMBER_ITEM.match(text, found) or _WORD_ITEM.match(text, found):
        return Opening(start, "soft" if depth == 1 else "value")
    if _NUMBER_BEGUN.match(text, found) or _WORD_BEGUN.match(text, found):
        return Opening(start, "undecided")
    if mark == "(" and depth == 1:
        return Opening(start, "value") if re.match(r"""\(\s*["'\d-]""", text[found : found + 40]) else past
    return past

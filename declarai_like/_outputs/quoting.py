"""Where a text in quotes ends, and what is a key, in JSON that may be broken.

Each function looks ahead, and answers `None` where the text ends before it can tell.
"""

from __future__ import annotations

import re

__all__ = ["CLOSERS", "Ambiguous", "ends_in_array", "ends_in_object", "is_key", "skip"]

CLOSERS = {'"': '"', "'": "'", "`": "`", "“": "”“", "„": "“”", "«": "»", "‘": "’‘"}  # noqa: RUF001 - they are meant
"""What may end a text that begins with a quote."""

_SPACE = re.compile(r"[\s\ufeff]*")
_NAME = re.compile(r"[^\W\d][\w$-]{0,80}|\$[\w$-]{0,80}|-?[0-9]{1,20}")
_ITEM = re.compile(r"""["'“„«‘`\[{(\d]|[-+][\d.I]|\.\d""")  # noqa: RUF001 - they are meant
_WORD_ITEM = re.compile(r"(?:true|false|null|None|True|False|NaN|Infinity)\b")
_CONCATENATION = re.compile(r"""[+&.]\s*["'`]""")
_WORD_BEGUN = re.compile(r"[A-Za-z]{0,8}\Z")
_MOST_COMMENT = 400
_MOST_KEY = 2000
# A key may hold escaped quotes.
_KEYS = {
    quote: re.compile(rf"{quote}[^{ends}\\]{{0,2000}}(?:\\.[^{ends}\\]{{0,2000}}){{0,99}}[{ends}]", re.DOTALL)
    for quote, ends in CLOSERS.items()
}


class Ambiguous(Exception):
    """A quote that two readings take differently; says what was expected."""


def skip(text: str, position: int, *, quote: str = "", even: bool = False) -> int | None:
    """Pass over space and comments; `None` if the text may go on with them.

    A comment that holds the `quote` is none, unless an `even` number of them may stand in it.
    """
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if position >= len(text):
            return None
        mark = text[position]
        if mark not in "/#":
            return position
        after = text[position + 1 : position + 2]
        if mark == "/" and not after:
            return None
        if mark == "/" and after not in {"/", "*"}:
            return position
        ending = "*/" if after == "*" and mark == "/" else "\n"
        end = text.find(ending, position + 2 if mark == "/" else position + 1, position + _MOST_COMMENT)
        if end < 0:
            return None if len(text) < position + _MOST_COMMENT else position
        quotes = text.count(quote, position, end) if quote else 0
        if quotes and (not even or quotes % 2):
            return position
        position = end + len(ending)


def is_key(text: str, position: int) -> bool | None:
    """Say whether a key with its colon begins here."""
    quote = text[position]
    pattern = _KEYS.get(quote)
    name = (pattern or _NAME).match(text, position)
    if name is None or (pattern is None and name.end() == len(text)):
        waits = len(text) < position + _MOST_KEY and (pattern is not None or name is not None or text[position:] == "-")
        return None if waits else False
    end = name.end()
    colon = skip(text, end)
    if colon is None:
        return None
    if text[colon] == ":":
        if quote in CLOSERS:
            return True
        after = text[colon + 1 : colon + 3]  # `http://` is no key
        return after != "//" if len(after) == 2 or after[:1] not in {"", "/"} else None  # noqa: PLR2004 - two characters
    return text[colon] == "=" and quote in CLOSERS


def ends_in_object(text: str, position: int, quote: str) -> bool | None:  # noqa: PLR0911 - one case after the other
    """Say whether a quote before this position ends a text that is a member's value."""
    found = skip(text, position, quote=quote)
    if found is None:
        return None
    mark = text[found]
    if mark == "}":
        return True
    if mark == ",":
        found = skip(text, found + 1, quote=quote, even=True)
        if found is None:
            return None
        return text[found] in "}," or is_key(text, found)
    if mark == ":" or _CONCATENATION.match(text, found):
        raise Ambiguous("a comma or } after a text")
    if mark in CLOSERS:
        key = is_key(text, found)
        if key is False and found > position:
            raise Ambiguous("a comma or } after a text")
        return key
    if "\n" in text[position:found]:
        return is_key(text, found)
    return False


def ends_in_array(text: str, position: int, quote: str, closer: str) -> bool | None:
    """Say whether a quote before this position ends a text that is an item."""
    found = skip(text, position, quote=quote)
    if found is None:
        return None
    mark = text[found]
    if mark == closer:
        return True
    if (mark in CLOSERS and (found > position or mark == quote)) or _CONCATENATION.match(text, found):
        raise Ambiguous("a comma or ] after a text")
    if mark != ",":
        return False
    found = skip(text, found + 1, quote=quote, even=True)
    if found is None:
        return None
    if text[found] == closer or text[found] == "," or _ITEM.match(text, found) or _WORD_ITEM.match(text, found):
        return True
    return None if _WORD_BEGUN.match(text, found) or text[found:] in {"-", "+", "."} else False

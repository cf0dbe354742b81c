"""Words without quotes in JSON: numbers, literals of Python and JavaScript, and bare texts."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from declarai_like._outputs.plain_data import JSON_NUMBER, Number, Reworded
from declarai_like._outputs.quoting import Ambiguous, is_key, skip

__all__ = ["Word", "has_unit", "read_text", "read_word"]

_TOKEN = re.compile(r"[^\s,\]})]+")
_TEXT_END = re.compile(r"""[,}\])\n\r"'`{\[]|:\s|:\Z|/[/*]|\s\#""")
_LOOSE_NUMBER = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)((?:[eE][-+]?\d+)?)")
_SPACES = re.compile(r"[ \t]*")
_UNIT = re.compile(r"[^\W\d_]|[%$€£°]")
_LITERALS = {"true": True, "false": False, "null": None, "none": None}
_NO_NUMBERS = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}
_NOTHINGS = frozenset({"undefined", "nil", "nan", "inf", "-inf", "+inf", "infinity", "-infinity"})


class Word(NamedTuple):
    """What a bare word means, where it ends, and the repair that reads it; an empty one if it is plain JSON."""

    data: Any
    end: int
    repair: str


def read_word(text: str, position: int, closer: str, *, is_last: bool) -> Word | None:
    """Read what begins here without a quote; `None` to wait for more.

    Raises `Ambiguous` for what may mean several things.
    """
    end = _TOKEN.match(text, position).end()  # type: ignore[union-attr]  # no bracket and no space stands here
    if end == len(text) and not is_last:
        return None
    word = text[position:end]
    if word in _NO_NUMBERS:
        return Word(Number(word), end, "python_words")
    if word.lower() in _LITERALS and _ends(text, end):
        return Word(_LITERALS[word.lower()], end, "python_words")
    number = _loose_number(word)
    if number is not None:
        return Word(number, end, "numbers")
    if word.lower() in _NOTHINGS or not (word[0].isalnum() or word[0] in "$€£"):
        raise Ambiguous("a value")
    return read_text(text, position, closer, is_last=is_last)


def has_unit(text: str, end: int, *, is_last: bool) -> bool | None:
    """Say whether a number that ends here goes on with words in its line, which are no key; `None` to wait for more."""
    start = _SPACES.match(text, end).end()  # type: ignore[union-attr]  # it always matches
    if start == len(text):
        return False if is_last else None
    if not _UNIT.match(text, start):
        return False
    key = is_key(text, start)
    return not key if key is not None or is_last else None


def read_text(text: str, position: int, closer: str, *, is_last: bool) -> Word | None:
    """Read a text without quotes; `None` to wait for more."""
    end = _end_of_text(text, position, closer, is_last=is_last)
    return None if end is None else Word(text[position:end].strip(), end, "unquoted_texts")


def _ends(text: str, end: int) -> bool:
    """Say whether a word stands alone, as against the first of several."""
    following = text[end : end + 40].lstrip(" \t")
    return not following or following[0] in ",]})\n\r/#\"'"


def _loose_number(word: str) -> Number | None:
    """Read a number as people and other languages write it."""
    if word.startswith(("0x", "0X")):
        try:
            return Reworded.of(str(int(word, 16)), word)
        except ValueError:
            return None
    loose = _LOOSE_NUMBER.fullmatch(word)
    if loose is None or (len(loose[2]) > 1 and loose[2][0] == "0" and loose[2][1].isdigit()):
        return None
    sign, digits, exponent = loose.groups()
    digits = f"0{digits}" if digits.startswith(".") else f"{digits}0" if digits.endswith(".") else digits
    number = f"{sign.replace('+', '')}{digits}{exponent}"
    return Reworded.of(number, word) if JSON_NUMBER.fullmatch(number) else None


def _end_of_text(  # noqa: C901 - one case after the other
    text: str, position: int, closer: str, *, is_last: bool
) -> int | None:
    """Find the end of a text without quotes: a bracket, a line's end, or a comma before the next member."""
    at = position
    while True:
        stop = _TEXT_END.search(text, at)
        if stop is None:
            return len(text) if is_last else None
        mark, end = stop[0][0], stop.start()
        if mark in "\n\r" or mark == closer or (mark.isspace() and stop[0][-1] == "#"):
            return end
        if mark == ",":
            following = _after_comma(text, end + 1, closer)
            if following is None:
                return end if is_last else None
            if following:
                return end
        elif mark == "/":
            if text[end - 1] != ":":
                return end
        elif mark == "'":
            if not (text[end - 1].isalnum() and text[end + 1 : end + 2].isalnum()):
                raise Ambiguous("a text in quotes")
        elif mark == ":" and stop.end() == len(text) and len(stop[0]) == 1 and not is_last:
            return None
        elif mark != ")":
            raise Ambiguous("a text in quotes")
        at = stop.end()


def _after_comma(text: str, position: int, closer: str) -> bool | None:
    """Say whether a comma before this position ends a text without quotes."""
    if closer != "}":
        return True
    found = skip(text, position)
    if found is None:
        return None
    return text[found] in "}," or is_key(text, found)

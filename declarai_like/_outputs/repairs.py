"""JSON out of a model's text: what stands around it, what is small and wrong in it, bare scalars.

Nothing here completes what is cut: a text with an open bracket has no reading.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Reading",
    "Scalar",
    "cleaned",
    "exact_scalar",
    "is_bracketed",
    "is_json",
    "only_field",
    "readings",
    "scalar",
    "spans",
    "unquoted",
    "whole",
]

Scalar = int | float | bool

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKETS = re.compile(rf'{_STRING}|["{{}}\[\]]', re.DOTALL)
# A string that never ends goes on to the end here, or each quote in it would be tried as a beginning.
_TRAILING_COMMA = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))|,(?=\s*[}\]])', re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\r?\n?(.*?)(?:```|\Z)", re.DOTALL)
_FIRST_KEY = re.compile(rf"\s*{_STRING}\s*:", re.DOTALL)
_HALVES = re.compile("[\ud800-\udfff]")

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|Infinity)|NaN")
_NUMBER_IN_PROSE = re.compile(r"(?<![\w.])[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?!\w|\.[0-9])")
_TRUTH_IN_PROSE = re.compile(r"\b(?:true|false)\b", re.IGNORECASE)
_TRUTHS = {"true": True, "false": False}

# A text of brackets that are no JSON would cost the square of its length; an answer has a few.
_MOST_PLACES = 32
# As deep as pydantic's reader goes.
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """A JSON value that the text may mean, as `text` and as `data`, and what was repaired for it."""

    text: str
    data: Any
    repairs: tuple[str, ...]


def whole(text: str) -> str:
    """Join the surrogate pairs that were split over two deltas; a lone half becomes U+FFFD."""
    if text.isascii() or not _HALVES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cleaned(text: str) -> tuple[str, tuple[str, ...]]:
    """Remove what no reader of JSON takes before the first character, and name it."""
    joined = whole(text)
    repairs = ("surrogates",) if joined != text else ()
    if joined.startswith("\ufeff"):
        return joined.removeprefix("\ufeff"), ("bom", *repairs)
    return joined, repairs


def readings(text: str, found: list[str], *, cut: bool) -> Iterator[list[Reading]]:
    """Yield what `text` may mean, the likeliest first; those in one list are equally likely.

    `found` are the `spans` of the text, `cut` whether the last of them is still open: then only
    the text as a whole may mean something.
    """
    yield _read([text], ())
    if cut:
        return
    yield _read([fence[1] for fence in _FENCE.finditer(text)], ("fence",))
    if _FIRST_KEY.match(text):
        yield _read([f"{{{text}}}"], ("missing_braces",))
    yield _read(found, ("prose",))


def _read(texts: list[str], repairs: tuple[str, ...]) -> list[Reading]:
    found = []
    for text in texts:
        found += _exactly(text, repairs) or _exactly(_without_trailing_commas(text), (*repairs, "trailing_commas"))
    return found


def _exactly(text: str, repairs: tuple[str, ...]) -> list[Reading]:
    from pydantic_core import from_json

    try:
        return [Reading(text, from_json(text), repairs)]
    except ValueError:
        return []


def _without_trailing_commas(text: str) -> str:
    return _TRAILING_COMMA.sub(lambda match: match[1] or "", text)


def is_json(text: str) -> bool:
    """Whether it is JSON, but for trailing commas."""
    return bool(_read([text], ()))


def is_bracketed(text: str) -> bool:
    """Whether an object or array seems to be in it."""
    return "{" in text or "[" in text


def only_field(text: str) -> str:
    """Return the JSON text of the value of an object that has one field."""
    return _FIRST_KEY.sub("", text.strip().removeprefix("{").removesuffix("}"), count=1)


def spans(text: str) -> tuple[list[str], bool]:
    """Find the bracketed values in the text, and whether the last of them is still open.

    Brackets within strings do not count. What is balanced but no JSON is looked into.
    """
    found: list[str] = []
    start, failures = _next_bracket(text, 0), 0
    while start >= 0 and failures < _MOST_PLACES:
        end = _end_of(text, start)
        if end is None:
            return found, True
        if end > start and _read([text[start:end]], ()):
            found.append(text[start:end])
            start = _next_bracket(text, end)
        else:
            failures += 1
            start = _next_bracket(text, start + 1)
    return found, False


def _next_bracket(text: str, start: int) -> int:
    opening = _OPENING.search(text, start)
    return -1 if opening is None else opening.start()


def _end_of(text: str, start: int) -> int | None:
    """Find where the value that opens at `start` closes: `None` if nowhere, `start` if wrongly or too deep."""
    closers: list[str] = []
    for match in _BRACKETS.finditer(text, start):
        mark = match[0]
        if mark == "{":
            closers.append("}")
        elif mark == "[":
            closers.append("]")
        elif mark == '"':
            return None
        elif mark in "}]":
            if closers.pop() != mark:
                return start
            if not closers:
                return match.end()
        if len(closers) > _DEEPEST:
            return start
    return None


def exact_scalar(kind: type[Scalar], text: str) -> Scalar:
    """Read the JSON number or boolean that `text` is, with nothing but space around it.

    Raises `ValueError` for anything else. `NaN` and the infinities are no JSON, but they are floats.
    """
    text = text.strip()
    if kind is bool:
        if text in _TRUTHS:
            return _TRUTHS[text]
    elif (_INTEGER if kind is int else _FLOAT).fullmatch(text):
        return kind(text)
    raise ValueError(f"not a JSON value of type {kind.__name__}")


def scalar(kind: type[Scalar], data: Any) -> Scalar:
    """Read JSON data, or a text that tells the value in words, as a number or a truth.

    A text must hold exactly one number, or only one of true and false. Raises `ValueError`
    for anything else: a fraction is no `int`, a truth is no number.
    """
    if isinstance(data, str):
        return _scalar_in_prose(kind, data)
    if kind is bool:
        if isinstance(data, bool):
            return data
    elif isinstance(data, int | float) and not isinstance(data, bool):
        return _number(kind, data)
    raise ValueError(f"not a value of type {kind.__name__}")


def _scalar_in_prose(kind: type[Scalar], text: str) -> Scalar:
    if kind is bool:
        truths = {word.lower() for word in _TRUTH_IN_PROSE.findall(text)}
        if len(truths) == 1:
            return _TRUTHS[truths.pop()]
        raise ValueError(f"{len(truths)} truth values in the text, not one")
    numbers = _NUMBER_IN_PROSE.findall(text)
    if len(numbers) != 1:
        raise ValueError(f"{len(numbers)} numbers in the text, not one")
    return _number(kind, int(numbers[0]) if numbers[0].lstrip("-+").isdigit() else float(numbers[0]))


def _number(kind: type[Scalar], number: float) -> Scalar:
    if kind is int and number != number // 1:
        raise ValueError("a fraction, not an int")
    return kind(number)


def unquoted(text: str) -> list[str]:
    """Return the JSON texts that a bare word may stand for, the likeliest first; nothing stands for none."""
    bare = text.strip()
    plain = bare.removesuffix(".").strip("`*\"'").removesuffix(".")
    nothing = ["null"] if plain == "None" else []
    return [*nothing, *(json.dumps(word) for word in dict.fromkeys((bare, plain)) if word)]

"""From a model's text, number or truth to the scalar that its type wants: one function for each kind of type.

Data that is valid stays as it is. What a person would plainly read as the type is changed, and that repair is named;
what can be read in several ways is refused; whatever else is wrong is left to the validation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.numerals import read_number
from declarai_like._outputs.plain_data import JSON_NUMBER, Number, Reworded
from declarai_like._outputs.refusals import Refused
from declarai_like._outputs.wordings import Members, read_truth, strip_marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from declarai_like._outputs.refusals import Repairs

    Coercion = Callable[[Any, Repairs], Any]

__all__ = [
    "coerce_decimal",
    "coerce_instant",
    "coerce_integer",
    "coerce_moment",
    "coerce_number",
    "coerce_text",
    "coerce_truth",
    "for_members",
]

_MOST_DIGITS = 308
_THOUSANDS = re.compile(r"\.0{3}\Z")
# Seconds or milliseconds since 1970, as they are from 2001 on.
_TIMESTAMP = re.compile(r"\d{10}(?:\.\d+)?|\d{13}")
_MOMENT = re.compile(r".*\d\D+\d|P", re.DOTALL)


def coerce_text(data: Any, repairs: Repairs) -> Any:
    """Take a number, as it is written, for a text that lacks its quotes."""
    if isinstance(data, Number) and JSON_NUMBER.fullmatch(data) and not repairs.is_bare:
        repairs.note("unquoted_texts")
        return data.written if isinstance(data, Reworded) else "".join(data)
    return data


def coerce_integer(data: Any, repairs: Repairs) -> Any:
    """Read an integer in words."""
    return _numeral(data, repairs, is_whole=True)


def coerce_number(data: Any, repairs: Repairs) -> Any:
    """Read a number in words."""
    number = _numeral(data, repairs, is_whole=False)
    if isinstance(number, Number) and len(number) > _MOST_DIGITS and number.lstrip("-").isdigit():
        raise Refused("too large a number")
    return number


def coerce_decimal(data: Any, repairs: Repairs) -> Any:
    """Read a number in words, with all its digits: validation would take a JSON number for a float."""
    number = _numeral(data, repairs, is_whole=False)
    return "".join(number) if isinstance(number, Number) else number


def _numeral(data: Any, repairs: Repairs, *, is_whole: bool) -> Any:
    if isinstance(data, bool):
        raise Refused(f"expected a number, got {str(data).lower()}")
    if is_whole and isinstance(data, Number) and _THOUSANDS.search(data):
        raise Refused(f"{data!r} can be read as several numbers")
    if isinstance(data, Number) or not isinstance(data, str):
        return data
    if not repairs.is_bare and not any(mark.isdigit() for mark in data):
        return data
    number = read_number(data, is_whole=is_whole, repairs=repairs)
    if number != data:
        repairs.note("number_words")
    return number


def coerce_truth(data: Any, repairs: Repairs) -> Any:
    """Read a truth value in words."""
    if not isinstance(data, str):
        return data
    if isinstance(data, Number) or data in {"0", "1"}:
        if repairs.is_scalar:
            raise Refused(f"the number {data}, not a bool")
        return data
    truth = read_truth(data)
    if data not in {"true", "false"}:
        repairs.note("truth_words")
    return truth


def coerce_moment(data: Any, repairs: Repairs) -> Any:
    """Take a date or a time; a bare number is none, though validation would count seconds from 1970."""
    if isinstance(data, Number) or (isinstance(data, str) and not _MOMENT.match(data)):
        if isinstance(data, Number) or data.strip().isdigit():
            raise Refused(f"expected a date or time, got {data!r:.80}")
        return data
    if isinstance(data, str):
        word = strip_marks(data)
        if word != data:
            repairs.note("spelling")
        return word
    return data


def coerce_instant(data: Any, repairs: Repairs) -> Any:
    """Take a date with a time; a number only if it can be nothing but a timestamp."""
    if isinstance(data, str) and _TIMESTAMP.fullmatch(data):
        repairs.note("timestamp")
        return data
    return coerce_moment(data, repairs)


def for_members(members: Iterable[tuple[Any, Sequence[str]]]) -> Coercion:
    """Read the name or the value of one of several members."""
    named = Members(members)

    def coerce(data: Any, repairs: Repairs) -> Any:
        if isinstance(data, str) and not isinstance(data, Number) and not named.holds(data):
            value = named.read(data, repairs)
            return Number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        return data

    return coerce

"""Numbers as people write them: the one that a text means, or a refusal."""

from __future__ import annotations

import re
from decimal import Decimal

from declarai_like._outputs.plain_data import JSON_NUMBER, Number
from declarai_like._outputs.refusals import Refused, Repairs

__all__ = ["read_number"]

_SIGNS = str.maketrans({"−": "-", "－": "-", "﹣": "-", "＋": "+", "\u00a0": " ", "\u202f": " ", "\u2009": " "})  # noqa: RUF001 - they are meant
_MARKUP = re.compile(r"(?<![0-9*`\"'“”_])[*`\"'“”_]+|[*`\"'“”_]+(?![0-9*`\"'“”_])")
# A run of digits with all that may belong to it; whether it is a number is for the forms below to say.
_RUN = re.compile(r"[0-9](?:[0-9.,'’_*`\" ]*[0-9])?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?")  # noqa: RUF001 - an apostrophe
_FORM = re.compile(
    r"(?P<groups>[0-9]{1,3}(?P<gap>[, '’_])[0-9]{3}(?:(?P=gap)[0-9]{3})*)(?P<rest>\.[0-9]+)?"  # noqa: RUF001 - an apostrophe
    r"|(?P<plain>[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
)
_CURRENCY = "$€£¥₹₽₩¢"
_BEFORE = re.compile(rf"(?P<outer>[-+]?)(?P<currency>[{_CURRENCY}]?)(?P<inner>[-+]?)\Z")
_AFTER = re.compile(rf"[ ]?(?P<percent>%)|[{_CURRENCY}]?")
_NEAR_WORD = re.compile(r"[ ]?([^\W\d_]+)")
_SCALES = frozenset(
    {
        *("k", "m", "b", "bn", "mn", "mm", "mio", "mrd", "tn", "hundred", "hundreds", "thousand", "thousands"),
        *("million", "millions", "billion", "billions", "trillion", "trillions", "dozen", "dozens", "lakh", "lakhs"),
        *("crore", "crores", "x", "e", "half", "halves", "quarter", "quarters", "third", "thirds", "fifth", "fifths"),
        *("tenth", "tenths", "hundredth", "hundredths", "mil", "millionen", "milliarden", "tausend", "mille"),
        *("percentage", "permille", "bps", "score", "gross", "times", "squared", "cubed", "th", "st", "nd", "rd"),
    }
)
_DOUBTS = re.compile(
    r"\b(?:not|no|never|neither|nor|none|nothing|without|cannot|can't|unknown|unclear|unsure|uncertain|unable|impossible"
    r"|minus|negative|below|less|fewer|more|least|most|over|under|above|between|range|ranging|up\sto|maximum|minimum"
    r"|max|(?<![0-9]\s)(?<![0-9])min|at\sleast|at\smost|except|instead|rather|either|or|versus|vs|half|quarter|third|double|twice|squared|half"
    r"|section|page|chapter|figure|table|paragraph|footnote|appendix|version|plus|and\sa|if|unless|depends|guess"
    r"|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    r"|hundreds?|thousands?|millions?|billions?|trillions?|dozens?|lakhs?|crores?|mio|mrd|debit|loss|owed)\b"
    r"|n't\b|n’t\b",  # noqa: RUF001 - an apostrophe
    re.IGNORECASE,
)
_STRANGE = re.compile(r"[±×÷^~<>≤≥≈≠/|‰‱°#–—‒]|=(?!\s*[-+$€£]?[.0-9])|(?<=[!:=])=")  # noqa: RUF001 - they are meant
_LONGEST = 10_000
_LARGEST_EXPONENT = 300


def read_number(text: str, *, is_whole: bool, repairs: Repairs) -> Number:
    """Give the number that a text means, with all its digits; `is_whole` is for integers.

    Raises `Refused` where it holds no number, several, or words that make another of it.
    """
    if len(text) > _LONGEST:
        raise Refused("too long a text for a number")
    plain = _MARKUP.sub("", text.translate(_SIGNS)).strip()
    if any(mark.isnumeric() and not mark.isascii() for mark in plain):
        raise Refused("digits that are none of 0 to 9")
    runs = list(_RUN.finditer(plain))
    if not runs:
        raise Refused("0 numbers in the text, not one")
    numbers = {_number_of(plain, run) for run in runs}
    if len(numbers) > 1:
        raise Refused(f"{len(numbers)} numbers in the text, not one")
    doubt = _DOUBTS.search(plain) or _STRANGE.search(plain)
    if doubt is not None:
        raise Refused(f"a number beside {doubt[0]!r}, which may make another of it")
    if "%" in plain or "percent" in plain.lower():
        repairs.note("percent")
    (number,) = numbers
    return _whole(number) if is_whole else Number(number)


def _number_of(text: str, run: re.Match[str]) -> str:
    """Read one run of digits as JSON; raises `Refused` if anything around it makes another number of it."""
    form = _FORM.fullmatch(run[0])
    if form is None:
        raise Refused(f"{run[0]!r} can be read as several numbers")
    before, after = text[: run.start()], text[run.end() :]
    around = _BEFORE.search(before)
    sign = _sign(before, around) if around else ""
    _check_after(after)
    if around and before[: around.start()].rstrip().endswith("(") and after.lstrip(_CURRENCY + " %").startswith(")"):
        raise Refused("a number in brackets, which may mean a negative one")
    if form["gap"] == " " and around and "+" in around[0]:
        raise Refused(f"{run[0]!r} may be a telephone number")
    digits = form["plain"] or form["groups"].replace(form["gap"], "") + (form["rest"] or "")
    whole, point, fraction = digits.partition(".")
    number = f"{sign}{whole.lstrip('0') or '0'}{point}{fraction}"
    if not JSON_NUMBER.fullmatch(number):
        number = sign + str(Decimal(digits))
    return number


def _sign(before: str, around: re.Match[str]) -> str:
    marks = around["outer"] + around["inner"]
    ahead = before[: around.start()]
    if len(marks) > 1 or (
        ahead and (ahead[-1].isalnum() or ahead[-1] in "_-+.,:'" + _CURRENCY) and not ahead.endswith(": ")
    ):
        raise Refused("a number that is part of something else")
    if not marks and re.search(r"[-+]\s+\Z", ahead):
        raise Refused("a sign apart from its number")
    return "-" if marks == "-" else ""


def _check_after(after: str) -> None:
    """Raise `Refused` for what follows a number and changes it."""
    if after[:1].isalpha() or after[:1] in {"_", "-", "+", ":"}:
        raise Refused("a number that is part of something else")
    rest = after[_AFTER.match(after).end() :]  # type: ignore[union-attr]  # it always matches
    word = _NEAR_WORD.match(rest)
    if word is not None and word[1].lower() in _SCALES:
        raise Refused(f"a number beside {word[1]!r}, which makes another of it")
    if re.match(r"\s?[-+*·/x×^:]\s?[0-9]", rest) or rest.startswith("%%"):  # noqa: RUF001 - it is meant
        raise Refused("a number that is part of something else")


def _whole(number: str) -> Number:
    """Give an integer without its point; raises `Refused` for a fraction."""
    if number.lstrip("-").isdigit():
        return Number(number)
    mantissa, _, exponent = number.lower().partition("e")
    if abs(int(exponent or 0)) > _LARGEST_EXPONENT:
        raise Refused("a fraction, not an int")
    value = Decimal(number)
    if value != value.to_integral_value():
        raise Refused("a fraction, not an int")
    if not exponent and re.search(r"\.0{3}\Z", mantissa):
        raise Refused(f"{number!r} can be read as several numbers")
    return Number(f"{value:f}".partition(".")[0])

"""How long the other side asks to wait: told in headers, in a body's details, or in its words."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["retry_wait", "wait_of"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_PART = r"(\d+(?:\.\d+)?)\s*(" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")(?![a-z])"
_DURATION = re.compile(rf"(?:{_PART}[\s,]*(?:and\s+)?)+", re.IGNORECASE)
_IN_WORDS = re.compile(
    rf"(?:again|retry(?:ing)?|wait(?:ing)?|resets?|available|back)\b[^.\d]{{0,40}}?((?:{_PART}[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z")
_RESET = re.compile(r"ratelimit-(?:reset-?(.*)|(.*?)-reset)\Z", re.IGNORECASE)
_EPOCH, _EPOCH_MS = 1e9, 1e12
"""Larger numbers are moments, in seconds or milliseconds since 1970."""


def retry_wait(headers: Mapping[str, str], body: Any = None, message: str = "") -> float | None:
    """Give the seconds that the other side asks to wait; `None` if it says nothing of it.

    `Retry-After` goes before the reset of a limit that is used up, that before the body's details and words.
    """
    told = (_of_headers(headers), _of_resets(headers), _of_details(body), _of_words(message))
    return next((wait for wait in told if wait is not None), None)


def _of_headers(headers: Mapping[str, str]) -> float | None:
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.match(milliseconds.removeprefix("-")):
        return max(0.0, float(milliseconds) / 1000)
    told = headers.get("retry-after", "").strip()
    wait = _duration(told)
    return _until(told) if wait is None else wait


def _of_resets(headers: Mapping[str, str]) -> float | None:
    """Give the longest of the waits for limits that are used up."""
    waits = [wait for name, told in headers.items() if (wait := _of_reset(name, told, headers)) is not None]
    return max(waits, default=None)


def _of_reset(name: str, told: str, headers: Mapping[str, str]) -> float | None:
    match = _RESET.search(name)
    if match is None:
        return None
    kind = match[1] or match[2] or ""
    front = name[: match.start()] + "ratelimit-"
    names = (f"{front}remaining-{kind}", f"{front}{kind}-remaining") if kind else (f"{front}remaining",)
    left = next((headers[each] for each in names if each in headers), None)
    if left is not None and left.strip() not in {"0", "0.0"}:
        return None
    return wait_of(told.strip())


def wait_of(told: str) -> float | None:
    """Give the seconds until a moment that is told as seconds, a duration, a date, or a time since 1970."""
    wait = _duration(told)
    if wait is not None and wait >= _EPOCH:
        return max(0.0, wait / (1000 if wait >= _EPOCH_MS else 1) - datetime.now(tz=timezone.utc).timestamp())
    return _until(told) if wait is None else wait


def _of_details(body: Any) -> float | None:
    """Find `retryDelay`, `retry_after` and their like in a body."""
    for name, value in _fields(body):
        key = name.lower().replace("_", "").replace("-", "")
        if key in {"retrydelay", "retryafter", "retryafterseconds"}:
            wait = _duration(str(value)) if isinstance(value, (str, int, float)) else None
            if wait is not None:
                return wait
        if key == "retryafterms" and isinstance(value, (int, float)):
            return value / 1000
    return None


def _fields(body: Any, depth: int = 6) -> Iterator[tuple[str, Any]]:
    if isinstance(body, dict):
        yield from body.items()
    if depth and isinstance(body, (dict, list)):
        for value in body.values() if isinstance(body, dict) else body:
            yield from _fields(value, depth - 1)


def _of_words(message: str) -> float | None:
    match = _IN_WORDS.search(message[:2000])
    return None if match is None else _duration(match[1])


def _duration(told: str) -> float | None:
    """Read seconds, or a duration as `6m0s`, `12ms`, `1 minute and 2 seconds`."""
    if _NUMBER.match(told):
        return float(told)
    if not _DURATION.fullmatch(told):
        return None
    parts = re.findall(_PART, told, re.IGNORECASE)
    return sum(float(number) * _SECONDS[_UNITS[unit.lower()]] for number, unit in parts)


def _until(told: str) -> float | None:
    """Read a date of HTTP or of ISO 8601: the seconds until then, 0 for one that is over."""
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(told)
    except (TypeError, ValueError):  # the former from Python 3.10 before 3.10.3
        try:
            when = datetime.fromisoformat(told.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
    # A date without a zone is in UTC, as HTTP's are.
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(tz=timezone.utc)).total_seconds())

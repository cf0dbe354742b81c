"""What the headers of an answer tell of the limits of use: how much a minute, how much is left, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from declarai_like._wire.retry_waits import wait_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Allowance", "read_allowance"]

_REQUESTS = "requests"
_TOKENS = ("tokens", "input-tokens")
"""Anthropic counts what is read and what is written apart, and tells the stricter of them as `tokens`."""
_FORMS = ("x-ratelimit-{part}-{kind}", "anthropic-ratelimit-{kind}-{part}")
"""OpenAI's names, which Azure, vLLM and many others share, and Anthropic's."""
_MOST = 10**12


class Allowance(NamedTuple):
    """One limit: its size, what is left of it, and the seconds until it is whole again; `None` for what is not told."""

    limit: int
    remaining: int | None = None
    reset: float | None = None


def read_allowance(headers: Mapping[str, str]) -> dict[str, Allowance]:
    """Give the limits that headers tell, by what they count: `"requests"`, `"tokens"`."""
    found = {}
    for name, kinds in (("requests", (_REQUESTS,)), ("tokens", _TOKENS)):
        told = next((told for kind in kinds if (told := _allowance(headers, kind)) is not None), None)
        if told is not None:
            found[name] = told
    return found


def _allowance(headers: Mapping[str, str], kind: str) -> Allowance | None:
    for form in _FORMS:
        told = {part: headers.get(form.format(part=part, kind=kind), "") for part in ("limit", "remaining", "reset")}
        limit = _count(told["limit"])
        if limit:
            return Allowance(limit, _count(told["remaining"]), wait_of(told["reset"].strip()))
    return None


def _count(text: str) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(_MOST)):
        return None
    return int(text)

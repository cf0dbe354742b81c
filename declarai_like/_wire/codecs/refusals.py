"""Refusals: what their bodies say, and whether they deny what was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.base import Refusal
from declarai_like._wire.codecs.json_text import decode_json
from declarai_like._wire.provider_errors import code_of, message_of
from declarai_like._wire.retry_waits import retry_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["denies", "read_refusal"]

_DENIAL = re.compile(
    "not (?:be )?(?:support|permit|allow|recogni|enabled|known|a valid|available)|does(?: not|n't) support|unsupported"
    "|unknown|unrecogni|unexpected|unavailable|extra|must be|enabled only|only (?:support|available|enabled)|forbidden"
    "|invalid|cannot find|no such"
)


def read_refusal(headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read a refusal in the forms that are seen; nothing of a body that repeats the request is taken for words."""
    data: Any
    try:
        data = decode_json(body)
    except ValueError:
        data = body.decode("utf-8", "replace")
    facts = _facts(data)
    param, kind, generation = facts.get("param"), facts.get("type"), facts.get("failed_generation")
    details = facts.get("detail")
    message, param = _validation(details) if isinstance(details, list) else (message_of(facts), param)
    return Refusal(
        message,
        code=code_of(facts),
        type=kind if isinstance(kind, str) else None,
        param=param if isinstance(param, str) else None,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=retry_wait(headers, data, message),
        body=data,
        failed_generation=generation if isinstance(generation, str) else None,
    )


def denies(words: str) -> bool:
    """Say whether these words refuse something as not known or not supported."""
    return _DENIAL.search(words.lower()) is not None


def _facts(data: Any) -> Mapping[str, Any]:
    data = data[0] if isinstance(data, list) and data else data
    if not isinstance(data, dict):
        return {}
    inner = data.get("error")
    if isinstance(inner, dict):
        return inner
    return {**data, "message": inner} if isinstance(inner, str) and inner else data


def _validation(details: list[Any]) -> tuple[str, str | None]:
    """Read the list of mistakes that FastAPI's servers give: each with its words and its place."""
    known = [detail for detail in details if isinstance(detail, dict)]
    places = [".".join(str(part) for part in detail.get("loc") or ()) for detail in known]
    words = [
        f"{detail.get('msg')} ({detail.get('type')}) at {place}" for detail, place in zip(known, places, strict=True)
    ]
    return "; ".join(words), places[0].removeprefix("body.") if places else None

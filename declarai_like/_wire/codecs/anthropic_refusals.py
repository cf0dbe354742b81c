"""What a refusal of Anthropic's says, and what it teaches of a typed answer's form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from declarai_like._wire.codecs import refusals
from declarai_like._wire.codecs.anthropic_requests import ANSWER, FORMAT, STRICT, choose_format
from declarai_like._wire.codecs.base import Learned, Lesson, Refusal
from declarai_like._wire.codecs.lessons import TEACHING, schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request

__all__ = ["learn", "read_refusal"]

_OF_FORMAT = re.compile(
    r"output_config(?!\.(?:effort|task))|output.?format|structured.?output|json.?schema|grammar|schema"
)
_OF_SCHEMA = re.compile(r"\bschema\b(?! is not supported)|grammar|format\.schema|additionalproperties|compil")
_OF_STRICT = re.compile(r"\bstrict\b")
_OF_TOOLS = re.compile(r"tool")


def read_refusal(headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read a refusal; its request's id may stand in the body alone."""
    refusal = refusals.read_refusal(headers, body)
    told = refusal.body.get("request_id") if isinstance(refusal.body, dict) else None
    return refusal._replace(request_id=told) if refusal.request_id is None and isinstance(told, str) else refusal


def learn(status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
    """Give the lesson that the form of a typed answer is refused: for all schemas, or for this one alone."""
    if status not in TEACHING or request.fixed_format:
        return frozenset()
    words, form = refusal.message.lower(), choose_format(request, learned)
    if form == FORMAT and _OF_FORMAT.search(words):
        if _OF_SCHEMA.search(words):
            return frozenset({Lesson(request.model, FORMAT, schema_key(request.response_format))})
        return frozenset({Lesson(request.model, FORMAT)}) if refusals.denies(words) else frozenset()
    if form == STRICT and _OF_STRICT.search(words):
        return frozenset({Lesson(request.model, STRICT)})
    if form in {STRICT, ANSWER} and _OF_TOOLS.search(words) and refusals.denies(words):
        return frozenset({Lesson(request.model, ANSWER)})
    return frozenset()

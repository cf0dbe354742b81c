"""What a refusal of Google's says, and what it teaches of typed answers and of tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from declarai_like._wire.codecs import refusals
from declarai_like._wire.codecs.base import Learned, Lesson, Refusal
from declarai_like._wire.codecs.google_facts import is_bad_key, is_too_long
from declarai_like._wire.codecs.google_requests import FORMS, JSON, TOOL_SCHEMA, choose_form
from declarai_like._wire.codecs.lessons import TEACHING, knows, schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request

__all__ = ["learn", "read_refusal"]

_OF_TOOLS = re.compile(r"parameters_?json_?schema|function_?declarations", re.IGNORECASE)
_OF_FORM = re.compile(
    r"response_?(?:json_?)?schema|response_?(?:mime|format)|mime.?type|json mode|json schema|structured output|schema",
    re.IGNORECASE,
)
_OF_FIELD = re.compile(r"unknown name \"response_?(?:json_?)?schema\"", re.IGNORECASE)
"""Words about the field itself, and not about the one schema that was sent in it."""
_OF_JSON = re.compile(r"mime.?type|json mode|structured output", re.IGNORECASE)
"""Words of a model that has no typed answers at all."""


def read_refusal(headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read a refusal; it may be in a list, its word for the kind is `status`."""
    refusal = refusals.read_refusal(headers, body)
    facts = refusal.body[0] if isinstance(refusal.body, list) and refusal.body else refusal.body
    error = facts.get("error") if isinstance(facts, dict) else None
    if not isinstance(error, dict):
        return refusal
    status = error.get("status")
    refusal = refusal._replace(type=refusal.type or (status if isinstance(status, str) else None))
    if is_too_long(refusal.message):
        return refusal._replace(code="context_length_exceeded")
    return refusal._replace(code="API_KEY_INVALID") if is_bad_key(error) else refusal


def learn(status: int, refusal: Refusal, request: Request, learned: Learned) -> Learned:
    """Give the lesson of a refusal: of how tools are told, or of the form of a typed answer."""
    if status not in TEACHING:
        return frozenset()
    words = refusal.message
    if request.tools and _OF_TOOLS.search(words):
        known = knows(learned, request.model, TOOL_SCHEMA) or not refusals.denies(words)
        return frozenset() if known else frozenset({Lesson(request.model, TOOL_SCHEMA)})
    form = choose_form(request, learned)
    if form is None or request.fixed_format or not _OF_FORM.search(words) or not refusals.denies(words):
        return frozenset()
    if form == JSON or _OF_JSON.search(words):
        return frozenset({Lesson(request.model, each) for each in FORMS})
    schema = "" if _OF_FIELD.search(words) else schema_key(request.response_format)
    return frozenset({Lesson(request.model, form, schema)})

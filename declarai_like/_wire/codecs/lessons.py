"""What a refusal teaches of a request in the chat format: the fields that this model's server does not take."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from declarai_like._wire.codecs.base import Learned, Lesson, Refusal
from declarai_like._wire.codecs.refusals import denies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request

__all__ = ["CHAT", "PREVIOUS", "TEACHING", "knows", "learn_format", "learn_option", "remember", "schema_key"]

CHAT = "chat completions"
"""The lesson that a model is asked by the Responses API alone."""
PREVIOUS = "previous_response_id"
"""The lesson that a reply is not kept any more; its id stands in the schema's place."""
TEACHING = frozenset({400, 404, 415, 422, 501})
"""The statuses by which a server says that it does not know a field; any other one is a passing trouble."""

_MOST = 1_000
"""So many lessons are kept, before those that are not needed again are forgotten."""
_FORMAT = re.compile(
    "response.?format|responseformat|json.?schema|json.?object|structured.?output|guided|grammar|response.?schema|schema"
)
_SCHEMA = re.compile(
    "invalid (?:json )?schema|schema fields|could not understand|features not supported|unimplemented|parse grammar"
    "|conversion failed|unknown name|too many states|nesting|unsupported (?:json )?schema (?:field|keyword)"
    "|in context=|too (?:deep|complex|large|many)|grammar error|unrecognized schema"
)
"""Words about the one schema that was sent."""


def schema_key(response_format: Mapping[str, Any] | None) -> str:
    """Give what tells one schema from another."""
    text = json.dumps(response_format, sort_keys=True, default=repr)
    return f"{hash(text):x}"


def knows(learned: Learned, model: str, field: str, schema: str = "") -> bool:
    """Say whether it is known that this field is refused, or this schema in it."""
    return bool(learned) and (Lesson(model, field) in learned or Lesson(model, field, schema) in learned)


def remember(learned: Learned, lessons: Learned) -> Learned:
    """Give what is known with new lessons; those of single replies, which have no end, are forgotten at times."""
    known = learned | lessons
    if len(known) <= _MOST:
        return known
    return lessons.union(lesson for lesson in known if lesson.field != PREVIOUS or not lesson.schema)


def learn_option(refusal: Refusal, model: str, name: str) -> Learned:
    """Give the lesson that a server does not know an option, if the refusal says so."""
    words = f"{refusal.message} {refusal.code or ''}".lower()
    is_named = refusal.param is not None and refusal.param.startswith(name)
    return frozenset({Lesson(model, name)}) if is_named or (name in words and denies(words)) else frozenset()


def learn_format(refusal: Refusal, request: Request, field: str) -> Learned:
    """Give the lesson that a server does not take a form of typed answers, for all schemas or for this one alone."""
    words = f"{refusal.message} {refusal.code or ''}".lower()
    is_named = _FORMAT.search((refusal.param or "").lower()) is not None
    if field == "json_schema" and _SCHEMA.search(words) and (is_named or _FORMAT.search(words) or "keys" in words):
        return frozenset({Lesson(request.model, field, schema_key(request.response_format))})
    if is_named or (_FORMAT.search(words) and denies(words)):
        return frozenset({Lesson(request.model, field)})
    return frozenset()

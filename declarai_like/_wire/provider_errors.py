"""The other side's errors, found in what it sent: chunks, bodies and choices that are no answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from declarai_like._values.outcomes import ending_of
from declarai_like._wire.deltas import choices_of
from declarai_like._wire.error_classes import class_of
from declarai_like._wire.retry_waits import retry_wait
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "REFUSED_JSON",
    "code_of",
    "error_in_choice",
    "error_of",
    "excerpt",
    "is_error_document",
    "is_plain",
    "message_of",
    "redact_error",
    "refused_answer",
]

Chunk = dict[str, Any]

REFUSED_JSON = "json_validate_failed"
"""The code of a server that read what the model said, and would not hand it out."""

_MESSAGES = (
    "message",
    "msg",
    "detail",
    "error_message",
    "error_msg",
    "errorMessage",
    "errmsg",
    "status_msg",
    "Message",
)
_MORE_WORDS = ("error_description", "title", "reason")
"""Fields that have an error's words, but do not make an error of what has them."""
_CODES = ("code", "error_code", "errorCode", "errcode", "status_code", "statusCode", "http_code", "Code")
_FINE = frozenset({"0", "200", "ok", "success", "succeeded", "true"})
"""Codes that say that nothing is wrong."""
_BROKEN = frozenset({"error", "fail", "failed", "failure"})
"""A `status` that says that something is."""
_ANSWERS = ("choices", "usage", "prompt_filter_results", "prompt_annotations", "value")
"""Fields by which a chunk is a part of an answer, whatever else it says."""
_CONTENT = ("delta", "message", "text")

_CLASSES: tuple[tuple[type[ProviderError], re.Pattern[str]], ...] = (
    (RateLimited, re.compile("rate_?limit|resource_?exhausted|too_?many_?requests|throttl|quota|insufficient_balance")),
    (AuthenticationError, re.compile("authenti|api_?key|permission|unauthori|forbidden")),
    (NotFoundError, re.compile("not_?found")),
    (ProviderTimeout, re.compile("time_?d?_?out|deadline")),
    (BadRequestError, re.compile("invalid_?(request|argument|param)|bad_?request|context_length|unsupported")),
    (ServerError, re.compile("overload|server_?error|internal|unavailable|api_?error|bad_?gateway")),
)
"""What the words of a code, a type or a status mean where no number does."""


def error_of(raw: Mapping[str, Any]) -> ProviderError | None:
    """Give the error that a chunk or a body is, in any of the shapes that are seen; `None` if it is none."""
    facts = _find_facts(raw)
    return None if facts is None else _provider_error(facts, raw)


def error_in_choice(raw: Mapping[str, Any]) -> ProviderError | None:
    """Give the error that one of a chunk's choices is: by its `error`, or by a finish reason that names a failure."""
    for _, choice in choices_of(raw):
        reason = choice.get("finish_reason")
        reason = reason if isinstance(reason, str) and ending_of(reason) == "failed" else None
        if choice.get("error"):
            return _provider_error(choice["error"], raw)
        if reason is not None:
            told = choice.get("finish_message")
            words = f": {told}" if isinstance(told, str) else ""
            return ProviderError(
                f"the provider broke the answer off: its finish_reason is {reason!r}{words}",
                code=reason,
                phase="stream",
                body=raw,
                retryable=True,
            )
    return None


def refused_answer(raw: Chunk, text: str) -> Chunk:
    """Give the answer whose JSON the other side has refused, as a chunk; any other error is given back as it is.

    `text` is what has come of the answer: the refusal tells the whole of it once more.
    """
    facts = _find_facts(raw)
    if not isinstance(facts, dict) or code_of(facts) != REFUSED_JSON:
        return raw
    told = facts.get("failed_generation")
    words = told if isinstance(told, str) and told else message_of(facts)
    delta = {"role": "assistant", "content": words.removeprefix(text)}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}


def is_error_document(body: Mapping[str, Any]) -> bool:
    """Say whether a whole body is an error; words alone (`{"detail": "Not Found"}`) may be anybody's."""
    return _find_facts(body) is not None and set(body) - {"detail", "message"} != set()


def redact_error(raw: dict[str, Any], redact: Callable[[Any], Any]) -> dict[str, Any]:
    """Blank out secrets in a chunk that is an error, or no answer; what the model said in it stays as it is."""
    choices = raw.get("choices")
    if not isinstance(choices, list):
        return redact(raw)  # type: ignore[no-any-return]  # a dict again
    rest: dict[str, Any] = redact({name: value for name, value in raw.items() if name != "choices"})
    return {**rest, "choices": [_redact_choice(choice, redact) for choice in choices]}


def _redact_choice(choice: Any, redact: Callable[[Any], Any]) -> Any:
    if not isinstance(choice, dict):
        return choice
    return {name: value if name in _CONTENT else redact(value) for name, value in choice.items()}


def _find_facts(raw: Mapping[str, Any]) -> Any:
    """Find what a chunk tells of an error; `None` if it is none."""
    groq, base = raw.get("x_groq"), raw.get("base_resp")
    if raw.get("error"):
        return raw["error"]
    if isinstance(groq, dict) and groq.get("error"):
        return groq["error"]
    if isinstance(base, dict) and not _is_fine(base.get("status_code", 0)):  # MiniMax
        return base
    kind = raw.get("type")
    if raw.get("object") == "error" or (isinstance(kind, str) and kind.endswith("error")):
        return raw
    if any(raw.get(name) for name in _ANSWERS):
        return None
    return raw.get("errors") or (raw if _tells_an_error(raw) else None)


def _tells_an_error(raw: Mapping[str, Any]) -> bool:
    """Say whether something that is no answer has the code or the words of an error."""
    code = code_of(raw)
    if raw.get("success") is False:
        return True
    if (code is not None and _is_fine(code)) or raw.get("success") is True:
        return False
    return code is not None or (bool(message_of(raw)) and any(raw.get(name) for name in _MESSAGES))


def _is_fine(code: Any) -> bool:
    return str(code).lower() in _FINE


def _provider_error(told: Any, raw: Mapping[str, Any]) -> ProviderError:
    told = told[0] if isinstance(told, list) and told else told
    facts = told if isinstance(told, dict) else {"message": told if isinstance(told, str) else excerpt(told)}
    inner = facts.get("error")
    facts = inner if isinstance(inner, dict) else facts
    code = code_of(facts)
    code = code_of(raw) if code is None else code
    status = _status_of(code)
    kind = facts.get("type")
    words = [word for word in (code, facts.get("status"), kind) if isinstance(word, str)]
    return _class_of(status, words)(
        message_of(facts) or "the provider reported an error in its answer",
        code=status if isinstance(code, str) and status is not None else code,
        type=kind if isinstance(kind, str) else None,
        status=status,
        retry_after=retry_wait({}, raw, ""),
        phase="stream",
        body=raw,
    )


def code_of(facts: Mapping[str, Any]) -> str | int | None:
    """Give the code of an error, whatever its field is called."""
    codes = [facts.get(name) for name in _CODES]
    status = facts.get("status")
    codes.append(status if _status_of(status) or str(status).lower() in _BROKEN else None)
    told = (code for code in codes if isinstance(code, (str, int)) and not isinstance(code, bool) and code != "")
    return next(told, None)


def _status_of(code: Any) -> int | None:
    """Give the HTTP status that a code is; other numbers are the provider's own."""
    number = int(code) if isinstance(code, str) and re.fullmatch("[45][0-9]{2}", code) else code
    return number if isinstance(number, int) and 400 <= number < 600 else None  # noqa: PLR2004 - HTTP's own borders


def _class_of(status: int | None, words: list[str]) -> type[ProviderError]:
    if status is not None:
        return class_of(status)
    known = next((found for word in words if (found := class_of(None, word)) is not ProviderError), None)
    if known is not None:
        return known
    text = " ".join(words).lower().replace("-", "_").replace(" ", "_")
    return next((kind for kind, pattern in _CLASSES if pattern.search(text)), ProviderError)


def message_of(facts: Mapping[str, Any]) -> str:
    """Give the words of an error; a list of details, as FastAPI has it, is shown as it is."""
    for name in (*_MESSAGES, *_MORE_WORDS):
        told = facts.get(name)
        if told and isinstance(told, str):
            return told
        if told and name == "detail" and isinstance(told, (list, dict)):
            return excerpt(told)
    return ""


def excerpt(data: Any) -> str:
    """Give the beginning of what came, as JSON, for a message."""
    return json.dumps(data, ensure_ascii=False, default=repr)[:200]


def is_plain(chunk: Mapping[str, Any]) -> bool:
    """Say at little cost that a chunk is neither an error nor an end, as nearly all chunks of a stream are."""
    try:
        (choice,) = chunk["choices"]
        return bool(
            choice["finish_reason"] is None
            and "error" not in choice
            and "error" not in chunk
            and chunk.get("object") != "error"
        )
    except (KeyError, TypeError, ValueError):
        return False

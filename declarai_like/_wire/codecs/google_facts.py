"""What Google tells beside the words: counts, probabilities, sources, errors, spelled as chat completions do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._values.buffers import VendorChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.accumulator import Chunk
    from declarai_like._wire.codecs.base import Redact

__all__ = ["annotations_of", "chat_logprobs", "chat_usage", "is_bad_key", "is_too_long", "spell_error"]

_SOURCES = ("groundingMetadata", "citationMetadata", "urlContextMetadata")


def chat_usage(told: Any) -> dict[str, Any]:
    """Spell the counts as chat completions do, beside the vendor's own; nothing where none is told.

    A count that is 0 is left out on the wire. Prompts of the server's own tools are a part of the prompt.

    >>> usage = chat_usage({"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 5})
    >>> usage["prompt_tokens"], usage["completion_tokens"], usage["completion_tokens_details"]
    (3, 7, {'reasoning_tokens': 5})
    """
    counts = {name: count for name, count in _mapping(told).items() if isinstance(count, int)}
    if not counts:
        return {}
    prompt = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    completion = counts.get("candidatesTokenCount", 0) + counts.get("thoughtsTokenCount", 0)
    usage = {**told, "prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = counts.get("totalTokenCount", prompt + completion)
    if "cachedContentTokenCount" in counts:
        usage["prompt_tokens_details"] = {"cached_tokens": counts["cachedContentTokenCount"]}
    if "thoughtsTokenCount" in counts:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts["thoughtsTokenCount"]}
    return usage


def chat_logprobs(told: Any) -> dict[str, Any] | None:
    """Spell the probabilities of the tokens as chat completions do."""
    chosen, top = (_mappings(_mapping(told).get(name)) for name in ("chosenCandidates", "topCandidates"))
    others = [[_token(each) for each in _mappings(entry.get("candidates"))] for entry in top]
    others += [[] for _ in range(len(chosen) - len(others))]
    content = [{**_token(each), "top_logprobs": beside} for each, beside in zip(chosen, others, strict=False)]
    return {"content": content} if content else None


def _token(told: Mapping[str, Any]) -> dict[str, Any]:
    token = told.get("token")
    token = token if isinstance(token, str) else ""
    told_bytes = list(token.encode("utf-8", "replace"))
    return {"token": token, "logprob": told.get("logProbability", 0.0), "bytes": told_bytes}


def annotations_of(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what is told of the sources of a text, each under its own name."""
    return [{name: candidate[name]} for name in _SOURCES if candidate.get(name)]


def spell_error(event: Mapping[str, Any], redact: Redact) -> Chunk:
    """Spell an error as the chunk that says it."""
    told = event["error"] or {}
    error: dict[str, Any] = {**told} if isinstance(told, dict) else {"message": str(told)}
    error["message"] = error.get("message") or "the provider reported an error without a word"
    error.setdefault("type", error.get("status"))
    if is_too_long(str(error["message"])):
        error["code"] = "context_length_exceeded"
    if is_bad_key(error):
        error["code"] = 401
    return VendorChunk(redact({"error": error}), redact(event))


def is_too_long(message: str) -> bool:
    """Say whether these words refuse a prompt that is longer than the model's context."""
    return "token count" in message and "exceeds the maximum" in message


def is_bad_key(error: Mapping[str, Any]) -> bool:
    """Say whether an error is about the key: the status of that is 400 here."""
    details = error.get("details")
    reasons = [_mapping(detail).get("reason") for detail in details] if isinstance(details, list) else []
    return "API_KEY_INVALID" in reasons or str(error.get("message")).startswith("API key not valid")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []

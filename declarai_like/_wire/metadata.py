"""What the chunks of an answer tell of it as a whole: its id, its model, its usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._wire.deltas import choices_of
from declarai_like._writing.texts import mend_surrogates
from declarai_like.completions import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._values.buffers import AnswerMetadata

__all__ = ["update_metadata"]


def update_metadata(known: AnswerMetadata, raw: Mapping[str, Any]) -> AnswerMetadata:
    """Add what a chunk tells: who answers is told once, the usage last counts."""
    created, usage = raw.get("created"), _usage_of(raw)
    if usage is None and known.id and known.model and known.created and not raw.get("system_fingerprint"):
        return known
    return known._replace(
        id=known.id or _word(raw.get("id")),
        model=known.model or _word(raw.get("model")),
        created=known.created or (created if isinstance(created, int) else None) or None,
        system_fingerprint=_word(raw.get("system_fingerprint")) or known.system_fingerprint,
        usage=known.usage if usage is None else Usage.of(usage),
    )


def _usage_of(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the usage: beside the choices, in Groq's own field, or in a choice, as Moonshot tells it."""
    groq = raw.get("x_groq")
    places = [raw.get("usage"), groq.get("usage") if isinstance(groq, dict) else None]
    places += [choice.get("usage") for _, choice in choices_of(raw)]
    return next((usage for usage in places if usage and isinstance(usage, dict)), None)


def _word(told: Any) -> str | None:
    return mend_surrogates(told) if told and isinstance(told, str) else None

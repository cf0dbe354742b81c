"""What a client is told of a call whose tools wait for decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from declarai_like import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["describe_pending"]

_KINDS: tuple[tuple[type[errors.RunError], str], ...] = (
    (errors.ApprovalRequired, "approval"),
    (errors.InputNeeded, "input"),
    (errors.OutcomeUnknown, "outcome"),
)


def describe_pending(error: Exception) -> dict[str, Any] | None:
    """Tell of a call that waits what it takes to decide; `None` for other errors, and for a run that no store keeps."""
    kind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), None)
    if kind is None or not isinstance(error, errors.RunError) or error.paused is not None:
        return None
    questions: Mapping[str, Any] = getattr(error, "questions", {})
    calls = []
    for call in error.pending:
        told = {"id": call.id, "name": call.name, "arguments": _plain(call.arguments), "why": call.why}
        asked = {"questions": _plain(questions[call.id])} if call.id in questions else {}
        calls.append({**told, **asked})
    return {
        "outcome": "pending",
        "run": error.run_id,
        "round": error.pending[0].round,
        "kind": kind,
        "pending": calls,
    }


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, by_alias=True, inf_nan_mode="null")

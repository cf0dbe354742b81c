"""Which tools a model called, beside those that a case expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from declarai_like.evals._scores import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like.completions import ToolRun
    from declarai_like.evals._cases import Case

__all__ = ["are_called", "calls_of", "spell_calls"]


def are_called(calls: Sequence[ToolRun], case: Case) -> bool:
    """Say whether the tools were called that a case expects, and no others; true where it says nothing of calls."""
    if case.calls is None:
        return True
    left = list(case.calls)
    for call in calls:
        fitting = [at for at, one in enumerate(left[:1] if case.in_order else left) if _is_call(call, one)]
        if not fitting:
            return False
        # The one that names its arguments first: one that takes any is left for another call.
        del left[min(fitting, key=lambda at: "arguments" not in left[at])]
    return not left


def calls_of(calls: Iterable[ToolRun]) -> list[dict[str, Any]]:
    """Give calls in the form in which a case expects them."""
    return [{"tool": call.name, "arguments": call.arguments} for call in calls]


def spell_calls(calls: Iterable[Mapping[str, Any]]) -> str:
    """Show calls of that form in one line."""
    return ", ".join(f"{call['tool']}({_spell_arguments(call)})" for call in calls) or "no tool"


def _spell_arguments(call: Mapping[str, Any]) -> str:
    if not isinstance(call.get("arguments"), Mapping):
        return "..."
    return ", ".join(f"{name}={value!r}" for name, value in call["arguments"].items())


def _is_call(call: ToolRun, expected: Mapping[str, Any]) -> bool:
    if call.name != expected["tool"]:
        return False
    return "arguments" not in expected or matches(call.arguments, expected["arguments"])

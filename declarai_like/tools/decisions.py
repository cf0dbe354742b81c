"""What can be decided about a tool call that waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Answer", "Approve", "Decision", "Deny", "Provide", "Rerun", "read_decision"]


@dataclass(frozen=True, slots=True, init=False)
class Approve:
    """Let the call run; arguments that are named take the place of the model's, and are validated as those are."""

    arguments: dict[str, Any] = field(hash=False)

    def __init__(self, /, **arguments: Any) -> None:
        object.__setattr__(self, "arguments", arguments)


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not run the call; the model is shown `denied: ` and the reason."""

    reason: str = "not allowed"


@dataclass(frozen=True, slots=True)
class Provide:
    """Do not run the call; this value is its result."""

    value: Any = field(default=None, hash=False)


@dataclass(frozen=True, slots=True, init=False)
class Answer:
    """What a tool that asked is told: one answer for each of its questions, in their order.

    That is a mapping for a form, `True` for what else was asked, and `None` to decline.
    """

    contents: tuple[Any, ...] = field(hash=False)

    def __init__(self, *contents: Any) -> None:
        object.__setattr__(self, "contents", contents)


@dataclass(frozen=True, slots=True)
class Rerun:
    """Run a call again that was started once and whose outcome nobody knows."""


Decision: TypeAlias = "bool | Answer | Approve | Deny | Provide | Rerun"


def read_decision(told: Any, call_id: str) -> Answer | Approve | Deny | Provide | Rerun:
    """Give a decision in one form; raises `TypeError` for what is none."""
    if isinstance(told, (Answer, Approve, Deny, Provide, Rerun)):
        return told
    if isinstance(told, bool):
        return Approve() if told else Deny()
    raise TypeError(
        f"expected a decision about {call_id!r}: True, False, Approve(...), Deny(...), Provide(...), Rerun() or "
        f"Answer(...), "
        f"got {told!r:.80}"
    )

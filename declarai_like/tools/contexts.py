"""What a tool is given beside the model's arguments: values of the caller's, and the call itself."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Injected", "ToolContext", "check_injected", "ignore_progress", "injected_type"]

T = TypeVar("T")


class _InjectedMark:
    """Marks a parameter that the model is not told of."""


_MARK = _InjectedMark()
Injected = Annotated[T, _MARK]
"""A parameter that is filled from `deps=` by its name: the model neither sees nor gives it.

    def refund(order: str, db: Injected[Database]) -> Receipt: ...
"""


def injected_type(hint: Any) -> Any:
    """Give `T` of an `Injected[T]`; `None` for any other type."""
    if typing.get_origin(hint) is Annotated and _MARK in typing.get_args(hint)[1:]:
        return typing.get_args(hint)[0]
    return None


def check_injected(value: Any, expected: Any, place: str) -> None:
    """Raise `TypeError` if a value is not of the class that is declared; what Python cannot check is let through."""
    kind = typing.get_origin(expected)
    kind = expected if kind in (None, typing.Union, UnionType) else kind
    try:
        fits = isinstance(value, kind)
    except TypeError:
        return
    if not fits:
        shown = getattr(expected, "__name__", None) or str(expected)
        raise TypeError(f"{place}: expected deps to hold a {shown}, got {value!r:.80}; nothing was sent")


def ignore_progress(_value: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The running call, for a tool that has a parameter of this type.

    `id` is the call's, `round` the request (from 1) whose answer asked for it. `key` is the same whenever this very
    call is run again, in another process too: an idempotency key for what the tool asks of others. `deadline` is the
    moment of `time.monotonic()` at which the call's time is over, `None` without an end. `progress(value)` tells those
    who read the stream how far the tool is; the model is not told.
    """

    id: str
    round: int
    key: str
    deadline: float | None = None
    progress: Callable[[Any], None] = field(default=ignore_progress, compare=False, repr=False)
    answers: Any = field(default=None, compare=False, repr=False)
    """What a tool of a server has asked and is told now."""

"""What went wrong with a message to a server, and what that means for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio
from mcp import MCPError
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT
from pydantic import ValidationError

from declarai_like._mcp.http_clients import LOST, UNSENT
from declarai_like.errors import DeclaraiError
from declarai_like.tools.questions import NeedsAnswers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fault", "fault_of", "words_of"]

Fault = Literal["unsent", "lost", "late", "told"]
"""A message never left; it may have arrived; no answer came in time; the server, or what it said, is at fault."""


def fault_of(error: BaseException, *, has_ended: bool) -> Fault:
    """Say what an error means; `has_ended` is whether the connection is gone."""
    if isinstance(error, (DeclaraiError, NeedsAnswers)):
        return "told"
    if isinstance(error, MCPError):
        if error.code == UNSENT:
            return "unsent"
        if error.code == REQUEST_TIMEOUT:
            return "late"
        return "lost" if error.code in {CONNECTION_CLOSED, LOST} else "told"
    if isinstance(error, (anyio.ClosedResourceError, anyio.BrokenResourceError)) or has_ended:
        return "lost"
    return "told"


def words_of(error: BaseException, redact: Callable[[str], str]) -> str:
    """Say what an error says, without secrets; a group of errors says what its first one does."""
    while isinstance(inner := getattr(error, "exceptions", None), tuple):
        error = inner[0]
    if isinstance(error, ValidationError):
        return f"what it sent is not what the protocol says ({error.error_count()} faults in {error.title})"
    return redact(str(error) or type(error).__name__)

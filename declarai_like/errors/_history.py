"""Errors of the store of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors._base import DeclaraiError

if TYPE_CHECKING:
    from declarai_like.responses import LLMResponse

__all__ = [
    "HistoryError",
    "HistoryWriteError",
]


class HistoryError(DeclaraiError):
    """A conversation's history could not be read or written; the call was not made."""


class HistoryWriteError(HistoryError):
    """The answer came but could not be stored: `response` and `value` hold it, the history is as before."""

    def __init__(self, message: str = "", *, response: LLMResponse | None = None, value: Any = None) -> None:
        """Keep the answer that could not be stored."""
        super().__init__(message)
        self.response = response
        self.value = value

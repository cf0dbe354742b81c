"""Errors of the model's words: they are not the declared type."""

from __future__ import annotations

from typing import Any

from declarai_like.errors._base import CallError

__all__ = [
    "ContentFiltered",
    "ModelRefusal",
    "OutputError",
    "OutputTruncated",
    "ToolArgumentsError",
]


class OutputError(CallError):
    """The model's answer is not of the declared type.

    `response` is the whole answer, `attempts` every answer that was tried, the last one last.
    """


class OutputTruncated(OutputError):
    """The answer was cut at the token limit; `partial` is what could be read of it."""

    def __init__(self, message: str = "", *, partial: Any = None, **evidence: Any) -> None:
        """Keep the `partial` value beside what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.partial = partial


class ModelRefusal(OutputError):
    """The model declined to answer; `response.refusal` says it in its words."""


class ContentFiltered(OutputError):
    """The provider's content filter cut the answer."""


class ToolArgumentsError(OutputError):
    """A strict tool call's arguments are not JSON or not what the tool's schema says."""

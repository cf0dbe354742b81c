"""Errors of many rows: of their checkpoint, and of what stops them early."""

from __future__ import annotations

from declarai_like.errors._base import DeclaraiError

__all__ = ["CheckpointBusy", "CheckpointMismatch", "TooManyErrors"]


class CheckpointMismatch(DeclaraiError):
    """The rows in a checkpoint were made by another task, prompt, model or type, or the file is none; nothing was sent.

    Give another file, or `fresh=True`, which keeps the old one beside the new one.
    """


class CheckpointBusy(DeclaraiError):
    """Another map, in this process or another one, writes this checkpoint just now; nothing was sent."""


class TooManyErrors(DeclaraiError):
    """More rows have failed than `max_errors=` allows: the others were not sent. `first` is the first row's error."""

    def __init__(self, message: str = "", *, first: BaseException | None = None) -> None:
        """Keep the first row's error."""
        super().__init__(message)
        self.first = first

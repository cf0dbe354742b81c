"""Errors of calls with tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like.errors._base import CallError, DeclaraiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like.completions import Question, ToolRequest, ToolRun
    from declarai_like.messages import Message

__all__ = [
    "ApprovalRequired",
    "InputNeeded",
    "OutcomeUnknown",
    "RunBusy",
    "RunDiverged",
    "RunError",
    "ToolError",
    "ToolFailed",
    "ToolServerError",
    "TurnPending",
]


class ToolError(DeclaraiError):
    """Raised by a tool: its text is what the model is shown, word for word.

    `may_have_run` says that nobody knows whether the tool has had its effect.
    """

    def __init__(self, message: str = "", *, may_have_run: bool = False) -> None:
        """Keep the words."""
        super().__init__(message)
        self.may_have_run = may_have_run


class ToolServerError(DeclaraiError):
    """A server of tools could not be started or reached, or its tools are not as they were locked."""


class ToolFailed(CallError):
    """A tool raised what the model is not to be shown, or failed more often in a row than its `retries` allow.

    `tool` is its name, `calls` are all tool calls of the run, the failed ones included, and `__cause__` is what the
    tool raised. Calls of the same answer that were under way have ended; nothing more was sent.
    """

    def __init__(self, message: str = "", *, tool: str = "", calls: Sequence[ToolRun] = (), **evidence: Any) -> None:
        """Keep the tool's name and the calls beside what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.tool = tool
        self.calls = tuple(calls)


class RunError(DeclaraiError):
    """A call with tools cannot go on as it is; `run_id` names it in its run store."""

    def __init__(
        self,
        message: str = "",
        *,
        run_id: str | None = None,
        pending: Sequence[ToolRequest] = (),
        paused: str | None = None,
    ) -> None:
        """Keep what the caller needs to go on."""
        super().__init__(message)
        self.run_id = run_id
        self.pending = tuple(pending)
        self.paused = paused
        self.turn: tuple[Message, ...] = ()
        """A chat's turn as it would be stored if its calls were denied."""


class ApprovalRequired(RunError):
    """Tool calls wait for a decision; nothing of their answer was run but tools marked `eager`.

    `pending` lists them. Give the decisions to `resume`: with `run_id` where a run store keeps the run, else with
    `paused`, a JSON text for the caller to keep (it holds the conversation, so keep it as one).
    """


class InputNeeded(RunError):
    """Tools have asked the user something and wait for the answers; the other calls of their answer were run.

    `pending` lists the calls, and `questions` has what each asks, by the id of the call. Give `Answer(...)` for each to
    `resume`, with `run_id` or `paused` as for `ApprovalRequired`.
    """

    questions: Mapping[str, tuple[Question, ...]]


class OutcomeUnknown(RunError):
    """A tool was started and its process ended before the result was written: `pending` lists such calls.

    They are not run again by themselves. Decide with `Rerun()`, or `Provide(...)` with what you found out.
    """


class RunBusy(RunError):
    """Another thread or process goes on with this run just now; nothing was done."""


class RunDiverged(RunError):
    """The run that is to go on was begun with another request; nothing was done."""


class TurnPending(RunError):
    """A turn of this chat waits for decisions: `resume` it, or send with `pending="deny"`."""

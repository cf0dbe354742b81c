"""declarai's form of a middleware: a class with `before` and `after`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.operations import Flow, Next
    from declarai_like.requests import Request


class TaskMiddleware:
    """A middleware as declarai knows it: subclass it and write `before`, `after`, or both.

    One instance is made for each call. `after` always runs: `task.llm_response` is `None` if the call failed, and
    what had arrived if a stream was left early. `self._kwargs` are the call's arguments.

    >>> class Shout(TaskMiddleware):
    ...     def before(self, task): print("calling", task.__name__)
    """

    def __init__(self, task: Any, kwargs: Mapping[str, Any] | None = None) -> None:
        self._task = task
        self._kwargs = dict(kwargs or {})

    def before(self, task: Any) -> None:
        """Run before the request is sent."""

    def after(self, task: Any) -> None:
        """Run after the answer has come, or the call has failed."""

    def __call__(self, request: Request, send: Next) -> Flow:
        """Stand around one request."""
        self.before(self._task)
        try:
            return (yield from send(request))
        finally:
            self.after(self._task)

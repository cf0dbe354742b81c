"""What stands around a call: generator functions, and declarai's before/after classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._flow import Flow, Middleware, Next
from declarai_like.middleware.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._options import Options
    from declarai_like.requests import Request

__all__ = ["Flow", "Middleware", "Next", "TaskMiddleware"]


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


def bound(middleware: Any, task: Any, arguments: Mapping[str, Any]) -> Middleware:
    """Make the middleware of one call: a `TaskMiddleware` class is instantiated, a function stands for itself."""
    if isinstance(middleware, type):
        return middleware(task, arguments)  # type: ignore[no-any-return]  # checked where it was listed
    return middleware  # type: ignore[no-any-return]  # checked where it was listed


def stack(options: Options, task: Any, arguments: Mapping[str, Any]) -> list[Middleware]:
    """Make the middlewares of one call; innermost the built-in retry, unless one is listed."""
    middlewares = [bound(middleware, task, arguments) for middleware in (*options.outer, *options.middlewares)]
    if not any(isinstance(middleware, Retry) for middleware in middlewares):
        middlewares.append(Retry(options.max_retries))
    return middlewares

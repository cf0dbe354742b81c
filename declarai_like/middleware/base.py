"""What stands around a call: generator functions, and declarai's before/after classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.middlewares import TaskMiddleware
from declarai_like._calls.operations import Flow, Middleware, Next
from declarai_like.middleware.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.options import Options

__all__ = ["Flow", "Middleware", "Next", "TaskMiddleware"]


def make_middleware(middleware: Any, task: Any, arguments: Mapping[str, Any]) -> Middleware:
    """Make the middleware of one call: a `TaskMiddleware` class is instantiated, a function stands for itself.

    One with a method `of_call` gives another one, which knows the task and its arguments.
    """
    if isinstance(middleware, type):
        return middleware(task, arguments)  # type: ignore[no-any-return]  # checked where it was listed
    if hasattr(middleware, "of_call"):
        return middleware.of_call(task, arguments)  # type: ignore[no-any-return]  # as above
    return middleware  # type: ignore[no-any-return]  # checked where it was listed


def build_stack(options: Options, task: Any, arguments: Mapping[str, Any]) -> list[Middleware]:
    """Make the middlewares of one call; innermost the built-in retry, unless one is listed."""
    middlewares = [
        make_middleware(middleware, task, arguments)
        for middleware in (*options.provider_middlewares, *options.middlewares)
    ]
    if not any(isinstance(middleware, Retry) for middleware in middlewares):
        middlewares.append(Retry(options.max_retries))
    return middlewares

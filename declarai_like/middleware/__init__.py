"""What can stand around a call."""

from declarai_like.middleware.base import Flow, Middleware, Next, TaskMiddleware
from declarai_like.middleware.retry import retry

__all__ = ["Flow", "Middleware", "Next", "TaskMiddleware", "retry"]

"""What can stand around a call."""

from declarai_like.middleware.base import Flow, Middleware, Next, TaskMiddleware
from declarai_like.middleware.cache import CacheStore, InMemoryCache, SQLiteCache, cache
from declarai_like.middleware.fallback import fallback
from declarai_like.middleware.hedge import hedge
from declarai_like.middleware.hooks import TextFilter, observe, redact, rewrite
from declarai_like.middleware.logging import LoggingMiddleware
from declarai_like.middleware.rate_gate import rate_gate
from declarai_like.middleware.retry import retry
from declarai_like.middleware.telemetry import telemetry

__all__ = [
    "CacheStore",
    "Flow",
    "InMemoryCache",
    "LoggingMiddleware",
    "Middleware",
    "Next",
    "SQLiteCache",
    "TaskMiddleware",
    "TextFilter",
    "cache",
    "fallback",
    "hedge",
    "observe",
    "rate_gate",
    "redact",
    "retry",
    "rewrite",
    "telemetry",
]

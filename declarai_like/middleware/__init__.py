"""What can stand around a call."""

from typing import TYPE_CHECKING

from declarai_like._values.lazy_names import import_on_use
from declarai_like.middleware.base import Flow, Middleware, Next, TaskMiddleware
from declarai_like.middleware.fallback import fallback
from declarai_like.middleware.retry import retry
from declarai_like.middleware.telemetry import telemetry

if TYPE_CHECKING:
    from declarai_like.middleware._cache_stores import CacheStore, InMemoryCache, SQLiteCache
    from declarai_like.middleware._caching import cache
    from declarai_like.middleware._call_log.middleware import log
    from declarai_like.middleware._hedging import hedge
    from declarai_like.middleware._rate_gating import rate_gate
    from declarai_like.middleware.hooks import TextFilter, observe, redact, rewrite
    from declarai_like.middleware.logging import LoggingMiddleware
else:
    __getattr__ = import_on_use(
        __name__,
        {
            **dict.fromkeys(("CacheStore", "InMemoryCache", "SQLiteCache"), "_cache_stores"),
            **dict.fromkeys(("TextFilter", "observe", "redact", "rewrite"), "hooks"),
            "LoggingMiddleware": "logging",
            "cache": "_caching",
            "hedge": "_hedging",
            "log": "_call_log.middleware",
            "rate_gate": "_rate_gating",
        },
    )

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
    "log",
    "observe",
    "rate_gate",
    "redact",
    "retry",
    "rewrite",
    "telemetry",
]

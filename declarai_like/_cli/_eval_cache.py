"""Where `declarai-like eval` keeps answers for the next evaluation."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from declarai_like.middleware._cache_stores import SQLiteCache
from declarai_like.providers._model_files import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like.evals._runs import Job

__all__ = ["open_cache", "samples"]


def open_cache() -> SQLiteCache | None:
    """Open the file in our cache directory; `None` where nothing can be written there."""
    directory = cache_directory(os.environ, sys.platform)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    path = directory / "evals.db"
    is_writable = os.access(path if path.exists() else directory, os.W_OK)
    return SQLiteCache(path) if is_writable else None


def samples(once: Iterable[Job], numbers: Iterable[int], store: SQLiteCache | None) -> list[Job]:
    """Give the runs of these numbers of each case; the answers of servers are kept."""
    chosen = list(numbers)
    return [job.numbered(number, store if _asks_server(job) else None) for job in once for number in chosen]


def _asks_server(job: Job) -> bool:
    """Say whether a server is asked that has the same address tomorrow, and not a model of this process."""
    origin = getattr(job.task.provider, "origin", None) or {}
    return "://" in str(origin.get("base_url"))

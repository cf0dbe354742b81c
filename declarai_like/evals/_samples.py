"""The runs of one case, each with an answer of its own, which may be kept for the next evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like.middleware._caching import cache

if TYPE_CHECKING:
    from declarai_like.middleware._cache_stores import CacheStore
    from declarai_like.tasks import BaseTask

__all__ = ["with_kept_answers"]

_KEPT_FOR = 7 * 24 * 3600.0
"""Seconds: behind the name of a model there may be another one after some time."""


@dataclass(frozen=True, slots=True)
class SampleStore:
    """What a store keeps for one of the runs of each case.

    Equal requests of two runs have two answers: given twice, one would make a score look more certain than it is.
    """

    store: CacheStore
    number: int

    def get(self, key: str) -> str | None:
        """Give what is kept under a key."""
        return self.store.get(f"{key}:{self.number}")

    def set(self, key: str, answer: str, ttl: float | None) -> None:
        """Keep a text under a key."""
        self.store.set(f"{key}:{self.number}", answer, ttl)


def with_kept_answers(task: BaseTask[..., Any, Any], number: int, store: CacheStore) -> BaseTask[..., Any, Any]:
    """Give a task whose answers in the run of this number are kept in the store, or come from there."""
    declared = task.declared
    keeping = cache(SampleStore(store, number), ttl=_KEPT_FOR, only_deterministic=False)
    options = declared.options.merge(middlewares=(*declared.options.middlewares, keeping))
    kept: BaseTask[..., Any, Any] = task.with_declaration(declared.with_options(options))
    return kept

"""The options of a map, as checkers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os
    from concurrent.futures import Executor

    from declarai_like._rows.inputs import KeyOption
    from declarai_like._rows.progress import ProgressOption
    from declarai_like._rows.settings import OnError

__all__ = ["MapOptions", "WorkerOptions"]


class MapOptions(TypedDict, total=False):
    """What `task.map` and `task.amap` may be told; each is explained there."""

    concurrency: int
    ordered: bool
    on_error: OnError
    max_errors: float | None
    checkpoint: str | os.PathLike[str] | None
    key: KeyOption
    fresh: bool
    retry_failed: bool
    adaptive: bool
    rpm: float | None
    tpm: float | None
    progress: ProgressOption
    executor: Executor | None


class WorkerOptions(TypedDict, total=False):
    """What `task.rows` and `task.frame` may be told; each is explained there."""

    concurrency: int
    rpm: float | None
    tpm: float | None
    workers: int

"""Where calls with tools are kept, so that what a tool does happens at most once, also when its process dies."""

from __future__ import annotations

import threading
import time
from typing import Protocol, runtime_checkable

from declarai_like.errors import RunBusy, RunDiverged

__all__ = ["InMemoryRuns", "RunStore"]


@runtime_checkable
class RunStore(Protocol):
    """Keeps the state of each run, a JSON text, under its id and a version that counts up from 1."""

    def acquire(self, run_id: str) -> tuple[int, str | None]:
        """Begin to work on a run: give its version and its state, or 0 and `None` for a new one.

        Raises `RunBusy` if somebody else works on it. Who dies while working on it holds it no longer.
        """
        ...

    def commit(self, run_id: str, version: int, state: str) -> None:
        """Write the state durably under this version; raises `RunBusy` if it is not the next one."""
        ...

    def release(self, run_id: str) -> None:
        """End the work on a run."""
        ...


class InMemoryRuns:
    """Runs of this process; safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: the garbage collector may close a call in here
        self._runs: dict[str, tuple[int, str, float]] = {}
        self._held: set[str] = set()

    def acquire(self, run_id: str) -> tuple[int, str | None]:
        """Begin to work on a run; raises `RunBusy`."""
        with self._lock:
            if run_id in self._held:
                raise busy(run_id)
            self._held.add(run_id)
            version, state, _ = self._runs.get(run_id, (0, None, 0.0))
            return version, state

    def commit(self, run_id: str, version: int, state: str) -> None:
        """Write the state under the next version; raises `RunBusy`."""
        with self._lock:
            known, _, _ = self._runs.get(run_id, (0, "", 0.0))
            if version != known + 1:
                raise busy(run_id)
            self._runs[run_id] = (version, state, time.time())

    def release(self, run_id: str) -> None:
        """End the work on a run."""
        with self._lock:
            self._held.discard(run_id)

    def purge(self, *, older_than: float) -> int:
        """Forget runs that were last written more than so many seconds ago; give how many."""
        oldest = time.time() - older_than
        with self._lock:
            gone = [name for name, (_, _, at) in self._runs.items() if at < oldest and name not in self._held]
            for name in gone:
                del self._runs[name]
            return len(gone)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise RunDiverged("runs in memory belong to one process: use SQLiteRuns(path) to share them")


def busy(run_id: str) -> RunBusy:
    """Give the error for a run that somebody else works on."""
    return RunBusy(f"somebody else goes on with the run {run_id!r} just now: nothing was done", run_id=run_id)

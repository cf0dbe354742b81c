"""Functions that go on where they were when their process died."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from uuid import uuid4

from typing_extensions import ParamSpec

from declarai_like._calls.active_runs import active_run
from declarai_like._calls.durable_runs import DurableRun
from declarai_like.errors import DefinitionError, RunDiverged
from declarai_like.tools.run_stores import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DurableFunction", "durable"]

P = ParamSpec("P")
R = TypeVar("R")


class DurableFunction(Generic[P, R]):
    """A function whose calls of tasks and chats are steps: what was answered once is not asked again."""

    def __init__(self, function: Callable[P, R], runs: RunStore) -> None:
        update_wrapper(cast("Any", self), function)
        self._function = function
        self._name = function.__qualname__
        self.runs = runs
        """Where the steps are kept."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Begin a new run; within another durable function its steps are that one's."""
        if active_run.get() is not None:
            return self._function(*args, **kwargs)
        return self.run(f"run_{uuid4().hex}", *args, **kwargs)

    def run(self, run_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Begin the run of this id, or go on with it: what its steps have answered is given again.

        Give the arguments that it was begun with. Raises `RunBusy` if another thread or process works on it,
        `RunDiverged` if the run is another function's, or a step asks something else than it did before.
        """
        if inspect.iscoroutinefunction(self._function):
            return cast("R", self._arun(run_id, *args, **kwargs))
        version, known = self.runs.acquire(run_id)
        with self._running(run_id, version, known):
            return self._function(*args, **kwargs)

    async def _arun(self, run_id: str, *args: P.args, **kwargs: P.kwargs) -> Any:
        version, known = await asyncio.to_thread(self.runs.acquire, run_id)
        with self._running(run_id, version, known):
            return await cast("Any", self._function(*args, **kwargs))

    @contextmanager
    def _running(self, run_id: str, version: int, known: str | None) -> Iterator[None]:
        try:
            if known is None:
                self.runs.commit(run_id, version + 1, self._name)
            elif known != self._name:
                raise RunDiverged(f"the run {run_id!r} was begun by {known}, not by {self._name}", run_id=run_id)
            token = active_run.set(DurableRun(self.runs, run_id))
            try:
                yield
            finally:
                active_run.reset(token)
        finally:
            self.runs.release(run_id)

    def __repr__(self) -> str:
        return f"<durable {self._name}>"


def durable(*, runs: RunStore) -> Callable[[Callable[P, R]], DurableFunction[P, R]]:
    """Make a function durable: each call of a task or chat in it is a step, and is kept in `runs` when it has ended.

        @declarai.durable(runs=SQLiteRuns("runs.db"))
        def publish(ticket: str) -> Post:
            return edit(draft(summarize(ticket)))

        publish.run("ticket-7", text)

    Run again with the same id, after a crash or a deployment, it asks only what has no answer yet. The steps are known
    by the names of their tasks and their order, so the function must do the same with the same arguments; calls in
    threads that it starts are no steps. Tools that a step runs are kept in the same store, and run at most once.

    Raises `DefinitionError` for a store that is none, and for a generator function.
    """
    if not isinstance(runs, RunStore):
        raise DefinitionError(f"durable: expected runs= to be a store, as SQLiteRuns(path), got {runs!r:.80}")

    def make(function: Callable[P, R]) -> DurableFunction[P, R]:
        if not inspect.isroutine(function) or inspect.isgeneratorfunction(function):
            raise DefinitionError(f"durable: expected a function that returns its result, got {function!r:.80}")
        if inspect.isasyncgenfunction(function):
            raise DefinitionError(f"durable: expected a function that returns its result, got {function!r:.80}")
        return DurableFunction(function, runs)

    return make

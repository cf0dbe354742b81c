"""Runs tools: in this thread, in threads, as tasks of an event loop. What stands twice is blocking and awaiting."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from declarai_like._calls.operations import AwaitReport, Decide, FindTools, Journal, StartTool

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Mapping

    from declarai_like._calls.deadlines import Deadline
    from declarai_like._calls.operations import ToolOperation
    from declarai_like.tools.declarations import Tool

__all__ = ["Done", "Failed", "Inbox", "Job", "Progressed", "aperform", "perform"]


@dataclass(frozen=True, slots=True)
class Progressed:
    """A job is under way."""

    job: Job
    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    """A job has given its result."""

    job: Job
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A job has raised."""

    job: Job
    error: BaseException


class Inbox:
    """What jobs report, from whatever thread, to the one who waits for them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: the garbage collector may close a call in here
        self._reports: deque[Any] = deque()
        self._bell: Future[None] | None = None

    def put(self, report: Any) -> None:
        """Add a report and wake who waits."""
        with self._lock:
            self._reports.append(report)
            bell, self._bell = self._bell, None
        if bell is not None and bell.set_running_or_notify_cancel():
            bell.set_result(None)

    def bell(self) -> Future[None]:
        """Give what is resolved when there is a report."""
        bell: Future[None] = Future()
        with self._lock:
            if not self._reports:
                self._bell = bell
                return bell
        bell.set_result(None)
        return bell

    @property
    def has_report(self) -> bool:
        """Whether there is a report to take."""
        return bool(self._reports)

    def take(self) -> Any:
        """Give the oldest report."""
        with self._lock:
            return self._reports.popleft()


class Job:
    """One tool at work."""

    def __init__(self, tool: Tool[Any, Any], arguments: Mapping[str, Any], inbox: Inbox, call_id: str) -> None:
        self.tool = tool
        self.arguments = arguments
        self.inbox = inbox
        self.call_id = call_id
        self.context: Context = copy_context()
        self.span: Any = None
        """What telemetry tells of it; `None` if nobody listens."""
        self._ended = threading.Event()
        self._cancel: Callable[[], Any] | None = None
        self._is_cancelled = False
        self._task: Any = None

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine, wherever it runs."""
        return self.tool.kind in {"coroutine", "async generator"}

    def progress(self, value: Any) -> None:
        """Report how far the tool is."""
        self.inbox.put(Progressed(self, value))

    def work(self) -> None:
        """Run the tool to its end in this thread, and report it."""
        self._report(lambda: self.context.run(self._in_a_loop_of_its_own if self.is_async else self._call))

    def start_thread(self) -> None:
        """Run the tool in a thread that does not hold up the end of the program."""
        threading.Thread(target=self.work, name=f"tool {self.tool.name}", daemon=True).start()

    def start_task(self) -> None:
        """Run the tool as a task of the running event loop."""
        from asyncio import create_task

        self._task = self.context.run(create_task, self._acall())
        self._task.add_done_callback(lambda task: self._report(task.result))

    def cancel(self) -> None:
        """Ask a tool that is a coroutine to stop; a plain function cannot be stopped."""
        if self._task is not None:
            self._task.cancel()
        self._is_cancelled = True
        cancel = self._cancel
        if cancel is not None:
            cancel()

    def join(self) -> None:
        """Wait for the end of a tool that was cancelled."""
        if self.is_async:
            self._ended.wait()

    async def ajoin(self) -> None:
        """Do what `join` does, in an event loop."""
        from asyncio import wait

        if self._task is not None and not self._task.done():
            await wait([self._task])

    def _report(self, give: Callable[[], Any]) -> None:
        try:
            report: Done | Failed = Done(self, give())
        except BaseException as error:
            report = Failed(self, error)
        self._ended.set()
        self.inbox.put(report)

    def _call(self) -> Any:
        value = self.tool.function(**self.arguments)
        return self._exhaust(value) if self.tool.kind == "generator" else value

    def _exhaust(self, steps: Any) -> Any:
        """Report each value of a generator; give its return value, or the last one if it returns none."""
        last = None
        try:
            while True:
                last = next(steps)
                self.progress(last)
        except StopIteration as done:
            return last if done.value is None else done.value

    async def _acall(self) -> Any:
        made: Any = self.tool.acall or self.tool.function
        if self.tool.kind != "async generator":
            return await made(**self.arguments)
        last, has_begun = None, False
        async for value in made(**self.arguments):
            if has_begun:
                self.progress(last)
            last, has_begun = value, True
        return last

    def _in_a_loop_of_its_own(self) -> Any:
        from asyncio import CancelledError, current_task, get_running_loop, run

        async def working() -> Any:
            loop, task = get_running_loop(), cast("Task[Any]", current_task())
            self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
            if self._is_cancelled:  # pragma: no cover - in the moment before there was a task to cancel
                task.cancel()
            try:
                return await self._acall()
            finally:
                self._cancel = None

        try:
            return run(working())
        except CancelledError as error:
            raise RuntimeError("the tool was cancelled") from error


def perform(operation: ToolOperation, deadline: Deadline) -> Any:
    """Perform an operation of a call with tools."""
    if isinstance(operation, StartTool):
        start = operation.job.work if operation.inline and not operation.job.is_async else operation.job.start_thread
        return start()
    if isinstance(operation, AwaitReport):
        return _await_report(operation, deadline)
    if isinstance(operation, Decide):
        return _finish(operation.approver(operation.request))
    if isinstance(operation, Journal):
        return operation.do()
    if isinstance(operation, FindTools):
        return _find_tools(operation, deadline)
    for job in operation.jobs:
        job.cancel()
    for job in operation.jobs:
        job.join()
    return None


async def aperform(operation: ToolOperation, deadline: Deadline) -> Any:
    """Perform an operation of a call with tools."""
    if isinstance(operation, StartTool):
        start = operation.job.start_task if _can_be_awaited(operation.job) else operation.job.start_thread
        return start()
    if isinstance(operation, AwaitReport):
        return await _aawait_report(operation, deadline)
    if isinstance(operation, Decide):
        return await _afinish(operation.approver(operation.request))
    if isinstance(operation, Journal):
        return await _in_a_thread(operation.do)
    if isinstance(operation, FindTools):
        return await _afind_tools(operation, deadline)
    for job in operation.jobs:
        job.cancel()
    for job in operation.jobs:
        await job.ajoin()
    return None


def _can_be_awaited(job: Job) -> bool:
    return job.is_async or job.tool.acall is not None


def _await_report(operation: AwaitReport, deadline: Deadline) -> Any:
    if operation.inbox.has_report:
        return operation.inbox.take()
    left = _shorter(operation.seconds, deadline.left)
    try:
        operation.inbox.bell().result(left)
    except TooLate:
        _check(deadline)
        return None
    return operation.inbox.take()


async def _aawait_report(operation: AwaitReport, deadline: Deadline) -> Any:
    from asyncio import wait, wrap_future

    if operation.inbox.has_report:
        return operation.inbox.take()
    # Not `wait_for`: before Python 3.12 it loses a cancellation that comes when the bell has just rung.
    bell = wrap_future(operation.inbox.bell())
    try:
        done, _ = await wait([bell], timeout=_shorter(operation.seconds, deadline.left))
    finally:
        bell.cancel()  # nobody listens to it any more: a report that comes late must not ring in a closed loop
    if not done:
        _check(deadline)
        return None
    return operation.inbox.take()


def _find_tools(operation: FindTools, deadline: Deadline) -> list[Any]:
    from concurrent.futures import wait

    searches = [source.find_tools() for source in operation.sources]
    try:
        _, late = wait(searches, timeout=deadline.left)
        if late:
            _check(deadline)
        return [search.result() for search in searches]
    finally:
        for search in searches:
            search.cancel()


async def _afind_tools(operation: FindTools, deadline: Deadline) -> list[Any]:
    from asyncio import wait, wrap_future

    searches = [wrap_future(source.find_tools()) for source in operation.sources]
    try:
        _, late = await wait(searches, timeout=deadline.left)
        if late:
            _check(deadline)
        return [await search for search in searches]
    finally:
        for search in searches:
            search.cancel()


def _shorter(one: float | None, other: float | None) -> float | None:
    return min((seconds for seconds in (one, other) if seconds is not None), default=None)


def _check(deadline: Deadline) -> None:
    """Raise `ProviderTimeout` if the call's time is over."""
    if deadline.left == 0:
        raise deadline.error(", spent on its tools")


def _finish(made: Any) -> Any:
    """Give what an approver gives; one that is a coroutine function gets an event loop of its own."""
    if not inspect.isawaitable(made):
        return made
    from asyncio import run

    async def awaiting() -> Any:
        return await made

    return run(awaiting())


async def _afinish(made: Any) -> Any:
    return await made if inspect.isawaitable(made) else made


async def _in_a_thread(do: Callable[[], Any]) -> Any:
    """Do what blocks for a moment in a thread; who is cancelled meanwhile leaves when it is done."""
    from asyncio import CancelledError, create_task, shield, to_thread, wait

    task = create_task(to_thread(do))
    try:
        return await shield(task)
    except CancelledError:
        await wait([task])
        raise

"""The calls of one answer run to their ends: which starts when, what each is told, how it ended.

A generator, as the flow is: it decides, and `_calls.crew` performs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from declarai_like._calls.crew import Done, Failed, Inbox, Job, Progressed
from declarai_like._calls.operations import AwaitReport, Show, StartTool, StopTools
from declarai_like.errors import DeclaraiError, LimitExceeded, ToolError, ToolFailed
from declarai_like.events import ToolProgressEvent, ToolResultEvent
from declarai_like.tools.contexts import ToolContext
from declarai_like.tools.questions import NeedsAnswers
from declarai_like.tools.results import write_error, write_result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from declarai_like._calls.operations import Operation
    from declarai_like._calls.runs import Run
    from declarai_like.tools.declarations import Tool
    from declarai_like.tools.run_states import PendingCall

__all__ = ["ToolBatch"]


class ToolBatch:
    """The calls of one answer while they run."""

    def __init__(self, run: Run, calls: Sequence[PendingCall], clock: Callable[[], float]) -> None:
        self._run = run
        self._waiting = list(calls)
        self._is_alone = len(calls) == 1
        self._clock = clock
        self._inbox = Inbox()
        self._running: dict[Job, tuple[PendingCall, float]] = {}
        self._fatal: BaseException | None = None

    def run(self) -> Generator[Operation, Any, None]:
        """Run the calls, in their order as far as they begin, and at most so many at a time.

        What a tool raises that nobody is to be shown is raised when the calls under way have ended.
        """
        try:
            while True:
                yield from self._start_those_that_may()
                if not self._running:
                    break
                report = yield AwaitReport(self._inbox, self._patience())
                if report is None:
                    yield from self._end_overdue()
                else:
                    yield from self._take(report)
        except GeneratorExit:  # nobody performs this any more
            for job in self._running:
                job.cancel()
            raise
        except BaseException as error:
            yield StopTools(tuple(self._running))
            for job, (call, _) in self._running.items():
                self._end_span(job, call, error)
            raise
        if self._fatal is not None:
            raise self._fatal

    def _start_those_that_may(self) -> Generator[Operation, Any, None]:
        while self._waiting and self._fatal is None and self._may_start(self._tool(self._waiting[0])):
            call = self._waiting.pop(0)
            budget_error = self._run.count_tool_call()
            if budget_error is not None:
                self._fatal = budget_error
                return
            call.stage = "started"
            yield from self._run.commit()
            job = self._make_job(call)
            self._running[job] = (call, self._clock())
            yield StartTool(job, inline=self._may_run_inline(job.tool))

    def _may_start(self, tool: Tool[Any, Any]) -> bool:
        """Say whether a tool may start now: a sequential one runs alone."""
        if not self._running:
            return True
        is_barred = tool.options.sequential or any(job.tool.options.sequential for job in self._running)
        return not is_barred and len(self._running) < self._run.settings.parallel

    def _may_run_inline(self, tool: Tool[Any, Any]) -> bool:
        """Say whether a thread would bring nothing: nobody waits for progress, nothing has to be given up."""
        shows = tool.kind == "generator" and self._run.as_events
        return self._is_alone and tool.options.timeout is None and not shows

    def _make_job(self, call: PendingCall) -> Job:
        tool = self._tool(call)
        values = tool.parameters.validate(call.arguments) if call.values is None else call.values
        arguments = {**values, **self._run.injected[tool.name]}
        job = Job(tool, arguments, self._inbox, call.id)
        if tool.parameters.contexts:
            arguments.update(dict.fromkeys(tool.parameters.contexts, self._context_of(call, job)))
        if self._run.tool_spans is not None:
            job.span, job.context = self._run.tool_spans.start(tool.name, call.id, call.arguments)
        return job

    def _context_of(self, call: PendingCall, job: Job) -> ToolContext:
        return ToolContext(
            id=call.id,
            round=self._run.number,
            key=call.key(self._run.state.run_id, self._run.number),
            deadline=self._run.deadline,
            progress=job.progress,
            answers=None if call.answers is None else {**(call.asked or {}), "answers": call.answers},
        )

    def _tool(self, call: PendingCall) -> Tool[Any, Any]:
        return self._run.tools[call.name]

    def _patience(self) -> float | None:
        """Give the seconds until the time of a running tool is over."""
        ends = [
            started + job.tool.options.timeout
            for job, (_, started) in self._running.items()
            if job.tool.options.timeout is not None
        ]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _end_overdue(self) -> Generator[Operation, Any, None]:
        now = self._clock()
        for job, (call, started) in list(self._running.items()):
            timeout = job.tool.options.timeout
            if timeout is None or now < started + timeout:
                continue
            del self._running[job]  # what it reports from now on is thrown away
            yield StopTools((job,) if job.is_async else ())
            words = "it was cancelled, and" if job.is_async else "it"
            text = f"no result after {timeout:g} s; {words} may still have an effect"
            call.may_have_run = True
            call.finish(text, error=text, failed=True)
            self._end_span(job, call, TimeoutError(text))
            yield from self._tell_end(call, started)

    def _end_span(self, job: Job, call: PendingCall, error: BaseException | None) -> None:
        if job.span is not None:
            self._run.tool_spans.end(job.span, call.text, error)

    def _take(self, report: Progressed | Done | Failed) -> Generator[Operation, Any, None]:
        """Take in what a job reports; one that was given up is not heard."""
        if report.job not in self._running:
            return
        call, started = self._running[report.job]
        if isinstance(report, Progressed):
            if self._run.as_events:
                yield Show([ToolProgressEvent(call.id, report.value, self._run.number)])
            return
        del self._running[report.job]
        if isinstance(report, Failed) and isinstance(report.error, NeedsAnswers):
            yield from self._wait_for_answers(report, call)
            return
        if isinstance(report, Done):
            self._end_well(call, report.value)
        else:
            self._end_badly(call, report.job.tool, report.error)
        self._end_span(report.job, call, None if isinstance(report, Done) else report.error)
        yield from self._tell_end(call, started)

    def _wait_for_answers(self, report: Failed, call: PendingCall) -> Generator[Operation, Any, None]:
        """Note what a tool wants to know before it goes on."""
        needed = cast("NeedsAnswers", report.error)
        call.stage, call.asked, call.answers = "waiting", needed.dump(), None
        self._end_span(report.job, call, needed)
        yield from self._run.commit()

    def _end_well(self, call: PendingCall, value: Any) -> None:
        try:
            call.finish_with(write_result(value, self._run.settings.max_result_chars))
            call.result = value
        except TypeError as error:
            text = f"the tool has run, but {error}"
            call.finish(text, error=text, failed=True)

    def _end_badly(self, call: PendingCall, tool: Tool[Any, Any], error: BaseException) -> None:
        text = write_error(error, self._run.redact)
        call.finish(text, error=text, failed=True)
        call.may_have_run = isinstance(error, ToolError) and error.may_have_run
        fatal = self._fatal_error(call, tool, error)
        if fatal is not None and (self._fatal is None or not isinstance(error, Exception)):
            self._fatal = fatal

    def _fatal_error(self, call: PendingCall, tool: Tool[Any, Any], error: BaseException) -> BaseException | None:
        """Give what ends the whole call; `None` for what the model is shown."""
        if not isinstance(error, Exception) or isinstance(error, LimitExceeded):
            return error
        raises = "raise" in (tool.options.errors, self._run.settings.tool_errors)
        is_ours = isinstance(error, DeclaraiError) and not isinstance(error, ToolError) and not tool.is_task
        if not raises and not is_ours:
            return None
        failed = ToolFailed(f"the tool {call.name} raised {call.text}", tool=call.name)
        failed.__cause__ = error
        return failed

    def _tell_end(self, call: PendingCall, started: float) -> Generator[Operation, Any, None]:
        call.seconds = self._clock() - started
        yield from self._run.commit()
        yield from tell_result(self._run, call)


def tell_result(run: Run, call: PendingCall) -> Generator[Operation, Any, None]:
    """Tell those who read the events how a call ended."""
    if run.as_events:
        value = call.value if call.result is None else call.result
        yield Show([ToolResultEvent(call.id, call.name, value, call.error, call.seconds, run.number)])

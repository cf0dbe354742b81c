"""Functions as tasks: a typed, docstring-annotated function becomes a question to a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload
from weakref import ref

from declarai_like._calls import runner
from declarai_like._tasks.base import BaseTask
from declarai_like._tasks.declarations import TaskDeclaration
from declarai_like._tasks.plans import FutureTask

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from declarai_like._calls.flow import Call
    from declarai_like._calls.options import Options, TaskOptions
    from declarai_like.providers.base import Provider
    from declarai_like.responses import LLMResponse, Result
    from declarai_like.streams import AsyncStream, Stream
    from declarai_like.tools.run_stores import RunStore

__all__ = ["AsyncStreamingTask", "AsyncTask", "BaseTask", "FutureTask", "StreamingTask", "Task"]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R")


class _BlockingTask(BaseTask[P, T, R]):
    """What the tasks of plain functions have in common."""

    @overload
    def run(self, *args: P.args, **kwargs: P.kwargs) -> Result[T]: ...
    @overload
    def run(self, *args: Any, llm_params: Mapping[str, Any], **kwargs: Any) -> Result[T]: ...
    @overload
    def run(self, *args: Any, run_id: str, **kwargs: Any) -> Result[T]: ...
    def run(self, *args: Any, **kwargs: Any) -> Result[T]:
        """Make the call and give all that it brought: value, response, usage, attempts, messages."""
        return runner.run(self._remember(self.prepare_call(args, kwargs)))

    def resume(
        self,
        run: str,
        decisions: Mapping[str, Any] | None = None,
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
    ) -> Result[T]:
        """Go on with a call whose tools wait for decisions, and give all that it brought.

        `run` is the `run_id` of an `ApprovalRequired`, which is looked up in `runs`, or its `paused` text. `decisions`
        are by the ids of its `pending` calls: `True`, `False`, `Approve(...)`, `Deny(...)`, `Provide(...)`, `Rerun()`.
        Raises `ApprovalRequired` while some are missing, `KeyError` for ids that do not wait, `OutcomeUnknown` for a
        call that was started before its process died, `RunBusy` if somebody else goes on with the run.
        """
        return runner.run(self._remember(self.prepare_resume(run, decisions or {}, runs=runs, deps=deps)))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Stream[T]:
        """Give the call as a stream of events, to be entered with `with`; nothing is sent before."""
        from declarai_like.streams import Stream

        return Stream(self._prepare_stream(args, kwargs))

    @overload
    def with_options(self, *, streaming: Literal[True], **options: Unpack[TaskOptions]) -> StreamingTask[P, T]: ...
    @overload
    def with_options(self, *, streaming: Literal[False], **options: Unpack[TaskOptions]) -> Task[P, T]: ...
    @overload
    def with_options(self, *, streaming: None = None, **options: Unpack[TaskOptions]) -> Self: ...
    def with_options(self, *, streaming: bool | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Give a new task that asks differently; `llm_params` are merged over the declared ones."""
        return self._with_changes({"streaming": streaming, **options})


class Task(_BlockingTask[P, T, T], kind=(False, False)):
    """A plain function as a task: calling it asks the model and gives the declared type."""

    def _start(self, call: Call[T]) -> T:
        return runner.run(self._remember(call)).value

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, T]: ...
    @overload
    def __get__(self: Task[Concatenate[Any, Q], T], instance: object, owner: type) -> Task[Q, T]: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self._bind_to(instance)


class StreamingTask(_BlockingTask[P, T, Generator["LLMResponse", None, None]], kind=(False, True)):
    """A plain function as a streaming task: calling it gives a generator of growing responses."""

    def _start(self, call: Call[T]) -> Generator[LLMResponse, None, None]:
        steps = runner.stream(self._remember(call))
        call.answer.stream = ref(steps)
        return steps

    @overload
    def __get__(self, instance: None, owner: type) -> StreamingTask[P, T]: ...
    @overload
    def __get__(self: StreamingTask[Concatenate[Any, Q], T], instance: object, owner: type) -> StreamingTask[Q, T]: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self._bind_to(instance)


class _AwaitingTask(BaseTask[P, T, R]):
    """What the tasks of coroutine functions have in common: all they do, they do in an event loop."""

    @overload
    async def run(self, *args: P.args, **kwargs: P.kwargs) -> Result[T]: ...
    @overload
    async def run(self, *args: Any, llm_params: Mapping[str, Any], **kwargs: Any) -> Result[T]: ...
    @overload
    async def run(self, *args: Any, run_id: str, **kwargs: Any) -> Result[T]: ...
    async def run(self, *args: Any, **kwargs: Any) -> Result[T]:
        """Make the call and give all that it brought: value, response, usage, attempts, messages."""
        return await self.arun(*args, **kwargs)

    async def resume(
        self,
        run: str,
        decisions: Mapping[str, Any] | None = None,
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
    ) -> Result[T]:
        """Go on with a call whose tools wait for decisions, as the tasks of plain functions do."""
        return await self.aresume(run, decisions, runs=runs, deps=deps)

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[T]:
        """Give the call as a stream of events, to be entered with `async with`; nothing is sent before."""
        return self.astream(*args, **kwargs)

    @overload
    def with_options(self, *, streaming: Literal[True], **options: Unpack[TaskOptions]) -> AsyncStreamingTask[P, T]: ...
    @overload
    def with_options(self, *, streaming: Literal[False], **options: Unpack[TaskOptions]) -> AsyncTask[P, T]: ...
    @overload
    def with_options(self, *, streaming: None = None, **options: Unpack[TaskOptions]) -> Self: ...
    def with_options(self, *, streaming: bool | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Give a new task that asks differently; `llm_params` are merged over the declared ones."""
        return self._with_changes({"streaming": streaming, **options})


class AsyncTask(_AwaitingTask[P, T, Coroutine[Any, Any, T]], kind=(True, False)):
    """A coroutine function as a task: `await` it."""

    async def _start(self, call: Call[T]) -> T:
        return (await runner.arun(self._remember(call))).value

    @overload
    def __get__(self, instance: None, owner: type) -> AsyncTask[P, T]: ...
    @overload
    def __get__(self: AsyncTask[Concatenate[Any, Q], T], instance: object, owner: type) -> AsyncTask[Q, T]: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self._bind_to(instance)


class AsyncStreamingTask(_AwaitingTask[P, T, AsyncGenerator["LLMResponse", None]], kind=(True, True)):
    """A coroutine function as a streaming task: calling it gives an async generator of growing responses."""

    def _start(self, call: Call[T]) -> AsyncGenerator[LLMResponse, None]:
        steps = runner.astream(self._remember(call))
        call.answer.stream = ref(steps)
        return steps

    @overload
    def __get__(self, instance: None, owner: type) -> AsyncStreamingTask[P, T]: ...
    @overload
    def __get__(
        self: AsyncStreamingTask[Concatenate[Any, Q], T], instance: object, owner: type
    ) -> AsyncStreamingTask[Q, T]: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self._bind_to(instance)


def make_task(function: Any, provider: Provider, options: Options) -> Any:
    """Make the task of a function: blocking or awaiting, whole or streaming."""
    declared = TaskDeclaration.of(function, provider, options)
    return BaseTask.kinds[declared.signature.is_async, options.streaming](declared)

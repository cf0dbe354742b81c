"""What all kinds of task can do."""

from __future__ import annotations

from functools import partial, update_wrapper
from inspect import currentframe
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar, cast, overload
from weakref import ref

from declarai_like._calls import runner
from declarai_like._calls.flow import Call
from declarai_like._prompting.code_flags import code_of_kind
from declarai_like._prompting.instructions import reask
from declarai_like._tasks.declarations import TaskDeclaration
from declarai_like._tasks.latest import latest_answer, remember_answer
from declarai_like._tasks.many_rows import ManyRows
from declarai_like._tasks.plans import FutureTask
from declarai_like.middleware.base import build_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from declarai_like._calls.answers import Answer
    from declarai_like._calls.options import Options
    from declarai_like._calls.rounds import Rounds
    from declarai_like.messages import Message
    from declarai_like.providers.base import Provider
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse, Result
    from declarai_like.streams import AsyncStream
    from declarai_like.tools.run_stores import RunStore
    from declarai_like.tools.settings import ToolSettings

__all__ = ["BaseTask"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class BaseTask(ManyRows[T], Generic[P, T, R]):
    """What all tasks can do. A task is built once, shared by every thread, and never changed.

    `R` is what a call gives at once: a value, a generator, a coroutine, or an async generator.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]
    # With the code below these make `inspect.iscoroutinefunction` and its kin take a task for a function.
    __defaults__ = None
    __kwdefaults__ = None
    is_declarai = True
    kinds: ClassVar[dict[tuple[bool, bool], type[BaseTask[Any, Any, Any]]]] = {}
    """The classes of tasks: by whether they are awaited, and whether they stream."""

    def __init_subclass__(cls, *, kind: tuple[bool, bool] | None = None) -> None:
        """Enter a class among the kinds."""
        super().__init_subclass__()
        if kind is not None:
            BaseTask.kinds[kind] = cls

    @classmethod
    def of(cls, function: Any, provider: Provider, options: Options) -> Any:
        """Make a task of this kind of a function."""
        return cls(TaskDeclaration.of(function, provider, options))

    def __init__(
        self,
        declared: TaskDeclaration,
        *,
        origin: tuple[Any, ...] | None = None,
        is_bound: bool = False,
        instance: Any = None,
        home: ref[Any] | None = None,
    ) -> None:
        update_wrapper(cast("Any", self), declared.signature.function)
        self.declared = declared
        """What the rest of this package reads of a task."""
        self._origin = origin
        """How this task is made of another one: a function and its arguments; `None` if it was declared."""
        self._is_bound = is_bound
        self._instance = instance
        self._home = home or ref(self)
        """The task that remembers: a method is bound anew at each access, so the class's own remembers for it."""
        if is_bound:
            self.__signature__ = declared.signature.signature

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: Any, llm_params: Mapping[str, Any], **kwargs: Any) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """Ask the model; `llm_params=` is merged over the declared ones for this call.

        Arguments that do not fit raise `TypeError` at once. A generator sends the request when it is first read.
        """
        return self._start(self.prepare_call(args, kwargs, streaming=self.declared.options.streaming))

    def compile(self, *args: Any, **kwargs: Any) -> dict[str, list[Message]]:
        """Give the messages that would be sent; an argument that is not given stays as `{name}`."""
        owner = self._find_owner(args)
        args, own, _ = self._split_arguments(args, kwargs)
        arguments = self.declared.signature.bind_partial(args, own)
        return {"messages": list(self.declared.prompt.outline(arguments, owner))}

    def request(self, *args: P.args, **kwargs: P.kwargs) -> Request:
        """Give exactly what would be sent, without sending it."""
        return self.prepare_call(args, kwargs, streaming=self.declared.options.streaming).first_request

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> FutureTask[R]:
        """Give the call with its arguments, to be made later; raises `TypeError` now if they do not fit."""
        self._check_arguments(args, kwargs)
        return FutureTask(self, args, kwargs, self._name_arguments(args, kwargs))

    async def arun(self, *args: P.args, **kwargs: P.kwargs) -> Result[T]:
        """Make the call in an event loop and give all that it brought."""
        return await runner.arun(self._remember(self.prepare_call(args, kwargs)))

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call in an event loop and give its value."""
        return (await self.arun(*args, **kwargs)).value

    async def aresume(
        self,
        run: str,
        decisions: Mapping[str, Any] | None = None,
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
    ) -> Result[T]:
        """Do what `resume` does, in an event loop."""
        return await runner.arun(self._remember(self.prepare_resume(run, decisions or {}, runs=runs, deps=deps)))

    def astream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[T]:
        """Give the call as a stream of events, to be entered with `async with`; nothing is sent before."""
        from declarai_like.streams import AsyncStream

        return AsyncStream(self._prepare_stream(args, kwargs))

    @property
    def llm_response(self) -> LLMResponse | None:
        """The answer of the last call in this thread or async context, as far as it has come; else `None`."""
        answer = self._latest
        return None if answer is None else answer.response

    @property
    def llm_stream_response(self) -> Any:
        """The generator of the last call in this thread or async context, while somebody holds it; else `None`."""
        answer = self._latest
        return None if answer is None or answer.stream is None else answer.stream()

    @property
    def __code__(self) -> CodeType:
        signature, options = self.declared.signature, self.declared.options
        return code_of_kind(signature.function, is_async=signature.is_async, streaming=options.streaming)

    @property
    def llm_params(self) -> dict[str, Any]:
        """The model's parameters as declared, a copy."""
        return dict(self.declared.options.llm_params)

    @property
    def provider(self) -> Provider:
        """The provider that this task asks."""
        return self.declared.provider

    def _start(self, call: Call[T]) -> R:
        raise NotImplementedError  # pragma: no cover - each kind of task has its own

    def prepare_call(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, streaming: bool = False, as_events: bool = False
    ) -> Call[T]:
        """Bind the arguments and put the call together, to be made by somebody else; nothing is sent yet.

        Raises `TypeError` if the arguments do not fit.
        """
        signature, prompt, options = self.declared.signature, self.declared.prompt, self.declared.options
        owner = self._find_owner(args)
        args, own, told = self._split_arguments(args, kwargs)
        arguments = prompt.read_media(signature.bind(args, own))
        request = self._make_request(prompt.render(arguments, owner), told.get("llm_params"), streaming=streaming)
        rounds = None
        if options.tools is not None:
            request, rounds = _use_tools(options.tools, request, told)
        return self._make_call(request, arguments, rounds, as_events=as_events)

    def bind_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give each parameter of the function its value, defaults included; raises `TypeError` if they do not fit."""
        args, own, _ = self._split_arguments(args, kwargs)
        return self.declared.signature.bind(args, own)

    def prepare_resume(
        self,
        run: str,
        decisions: Mapping[str, Any],
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
        as_events: bool = False,
        streaming: bool = False,
        number: int | None = None,
    ) -> Call[T]:
        """Put the rest of a call together that waits for decisions; nothing is sent yet.

        With `number` the decisions are about that round, and no other.
        """
        from declarai_like._calls.tool_use import resumed_rounds

        request = self._make_request((), None, streaming=streaming or as_events)
        told = {name: value for name, value in (("runs", runs), ("deps", deps)) if value is not None}
        tools = self.declared.options.tools
        rounds = resumed_rounds(tools, request, run, decisions, decided_round=number, **told)
        return self._make_call(request, {}, rounds, as_events=as_events)

    def _make_request(
        self, messages: tuple[Message, ...], llm_params: Mapping[str, Any] | None, *, streaming: bool
    ) -> Request:
        signature, output, prompt, provider, options = self.declared
        return options.request(
            provider,
            llm_params,
            streaming=streaming,
            messages=messages,
            response_format=options.response_format(output, provider),
            name=signature.name,
            prompt_version=prompt.version,
            output=output,
        )

    def _make_call(
        self, request: Request, arguments: Mapping[str, Any], rounds: Rounds | None, *, as_events: bool
    ) -> Call[T]:
        options, output = self.declared.options, self.declared.output
        return Call(
            request,
            output,
            middlewares=build_stack(options, self, arguments),
            retries=options.retries,
            reask=partial(reask, output=output, templates=options.templates),
            as_events=as_events,
            rounds=rounds,
            stop_early=options.stops_early(output, streaming=request.stream, as_events=as_events),
            restarts=options.restarts and not as_events,
        )

    def _find_owner(self, args: tuple[Any, ...]) -> Any:
        """Give the object that this is a method of: it is bound, or the first argument of `Class.method(self, ...)`."""
        if self._is_bound:
            return self._instance
        return args[0] if self.declared.signature.is_method and args else None

    def _split_arguments(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any], Mapping[str, Any]]:
        """Part the function's arguments from those of the call, and leave out the `self` of `Class.method(self, ...)`.

        The call's are `llm_params`, and with tools `deps`, `runs` and `run_id`; the function's own names go first.
        """
        if self.declared.signature.is_method and not self._is_bound:
            args = args[1:]
        names = _CALL_ARGUMENTS if self.declared.options.tools is None else _TOOL_CALL_ARGUMENTS
        told = {name: kwargs[name] for name in names if name in kwargs and not self.declared.signature.takes(name)}
        return args, {name: value for name, value in kwargs.items() if name not in told} if told else kwargs, told

    def _name_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments that were given, by name, `llm_params` among them."""
        args, own, told = self._split_arguments(args, kwargs)
        given = self.declared.signature.signature.bind(*args, **own).arguments
        return {**given, **{name: value for name, value in told.items() if value is not None}}

    def _check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` if the arguments do not fit, `DefinitionError` if the model's parameters are none."""
        args, own, told = self._split_arguments(args, kwargs)
        self.declared.signature.bind(args, own)
        self.declared.options.params(told.get("llm_params"))

    def _prepare_stream(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[], Call[T]]:
        """Check the arguments now, and make a call of them each time the stream is entered."""
        self._check_arguments(args, kwargs)
        return lambda: self._remember(self.prepare_call(args, kwargs, streaming=True, as_events=True))

    def _remember(self, call: Call[T]) -> Call[T]:
        """Note that this call is the last one in this context."""
        remember_answer(self._home, call.answer)
        return call

    @property
    def _latest(self) -> Answer | None:
        return latest_answer(self._home)

    def _with_changes(self, changes: Mapping[str, Any]) -> Any:
        """Make a task of the same function that asks differently."""
        declared = self.declared.with_options(self.declared.options.merge(**changes))
        kind = self.kinds[declared.signature.is_async, declared.options.streaming]
        origin = (BaseTask._with_changes, (self, dict(changes)))
        return kind(declared, origin=origin, is_bound=self._is_bound, instance=self._instance)

    def with_declaration(self, declared: TaskDeclaration) -> Any:
        """Make a task of another declaration that is called with all its arguments, also where this is a method."""
        return type(self)(declared, is_bound=True, instance=self._instance)

    def _bind_to(self, instance: Any) -> Any:
        """Give this task as a method; a function without `self` stays as it is."""
        if instance is None or self._is_bound or not self.declared.signature.is_method:
            return self
        origin = (BaseTask._bind_to, (self, instance))
        return type(self)(self.declared, origin=origin, is_bound=True, instance=instance, home=self._home)

    def __reduce__(self) -> Any:
        """Pickle as functions do: by name, and by value where cloudpickle does that; a copy by what it is a copy of."""
        asker = getattr(currentframe(), "f_back", None)
        if self._origin is None and _has_no_module(self) and _is_cloudpickle(asker):
            return self.of, (self.__wrapped__, self.declared.provider, self.declared.options)
        return self._origin or self.__qualname__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.declared.signature.where}>"


_CALL_ARGUMENTS = ("llm_params",)
_TOOL_CALL_ARGUMENTS = ("llm_params", "deps", "runs", "run_id")


def _use_tools(settings: ToolSettings, request: Request, told: Mapping[str, Any]) -> tuple[Request, Rounds | None]:
    """Give the request of a call with tools, and what runs them."""
    from declarai_like._calls.tool_use import use_tools

    given = {name: value for name, value in told.items() if name != "llm_params" and value is not None}
    return use_tools(settings, request, **given)


def _has_no_module(task: Any) -> bool:
    """Say whether no other process can import this: it is a script's, a notebook's, or a function's own."""
    return task.__module__ == "__main__" or "<locals>" in task.__qualname__


def _is_cloudpickle(frame: Any) -> bool:
    """Say whether this frame is cloudpickle's; it asks as pickle does, but takes functions by value."""
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("cloudpickle")

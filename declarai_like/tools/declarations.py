"""Functions as tools: what the model is told of each, and how it is called."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cached_property, update_wrapper
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from declarai_like._prompting.signatures import Signature
from declarai_like.errors import DefinitionError
from declarai_like.tools.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from declarai_like.tools.schema_parameters import SchemaParameters

__all__ = ["Kind", "Tool", "ToolOptions", "read_tool", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

Kind = Literal["function", "coroutine", "generator", "async generator"]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """What the decorator `tool` was told; see there."""

    name: str | None = None
    approve: Any = False
    timeout: float | None = None
    retries: int = 2
    sequential: bool = False
    eager: bool = False
    idempotent: bool = False
    repeatable: bool = False
    strict: bool = True
    errors: Literal["show", "raise"] = "show"

    def check(self, where: str) -> None:
        """Raise `DefinitionError` for a value that an option cannot have."""
        name: Any = self.name
        if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise DefinitionError(f"{where}: a tool's name has 1 to 64 of A-Z a-z 0-9 _ -, got {name!r}")
        if not (isinstance(self.approve, bool) or callable(self.approve)):
            raise DefinitionError(
                f"{where}: approve is a bool or a function of the arguments, got {self.approve!r:.80}"
            )
        timeout: Any = self.timeout
        if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
            raise DefinitionError(f"{where}: timeout is in seconds above zero, got {timeout!r:.80}")
        retries: Any = self.retries
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise DefinitionError(f"{where}: retries is how often a tool may fail in a row, got {self.retries!r:.80}")
        if self.errors not in {"show", "raise"}:
            raise DefinitionError(f"{where}: errors is 'show' or 'raise', got {self.errors!r:.80}")
        for name in ("sequential", "eager", "idempotent", "repeatable", "strict"):
            if not isinstance(getattr(self, name), bool):
                raise DefinitionError(f"{where}: {name} is True or False, got {getattr(self, name)!r:.80}")
        if self.eager and self.approve:
            raise DefinitionError(f"{where}: a tool that needs approval cannot be eager, which is to run before it")


@dataclass(frozen=True, eq=False)
class ToolDeclaration:
    """What the model is told of a tool, and what it takes."""

    where: str
    name: str
    description: str
    parameters: Parameters | SchemaParameters
    kind: Kind

    @classmethod
    def of(cls, signature: Signature, options: ToolOptions, *, kind: Kind | None = None) -> ToolDeclaration:
        """Read a signature; raises `DefinitionError` if its function cannot be a tool."""
        name = options.name or signature.name
        if not _NAME.fullmatch(name):
            raise DefinitionError(f"{signature.where}: a tool's name has 1 to 64 of A-Z a-z 0-9 _ -: give name=")
        told = [signature.doc.text, f"Returns: {signature.doc.returns}" if signature.doc.returns else ""]
        return cls(
            where=signature.where,
            name=name,
            description="\n\n".join(filter(None, told)),
            parameters=Parameters.of(signature),
            kind=kind or _kind_of(inspect.unwrap(signature.function)),
        )


class Tool(Generic[P, R]):
    """A function that a model may call; calling it here calls the function.

    Made by `tool`. On a class it is a method, and belongs to the instance it is taken from.
    """

    __wrapped__: Callable[P, R]
    __name__: str

    def __init__(
        self,
        function: Callable[P, R],
        options: ToolOptions | None = None,
        *,
        acall: Callable[..., Any] | None = None,
        declaration: ToolDeclaration | None = None,
        is_task: bool = False,
    ) -> None:
        update_wrapper(self, function)
        self.function = function
        self.options = options or ToolOptions()
        self.acall = acall
        """The same as a coroutine function, for what has both."""
        self.is_task = is_task
        """Whether a model is asked: what goes wrong then is shown to the model that asked for it."""
        if declaration is not None:
            self.declaration = declaration

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        """Give the tool of an instance, if this is a method."""
        if instance is None or not hasattr(self.function, "__get__") or not _takes_self(self.function):
            return self
        bind: Any = self.function
        return Tool(bind.__get__(instance, owner), self.options)

    @cached_property
    def declaration(self) -> ToolDeclaration:
        """What the model is told; raises `DefinitionError` if this cannot be a tool."""
        signature = _signature_of(self.function)
        if signature.is_method and not isinstance(self.function, MethodType):
            raise DefinitionError(f"{signature.where}: give the method of an object, `thing.{signature.name}`")
        return ToolDeclaration.of(signature, self.options)

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        return self.declaration.name

    @property
    def kind(self) -> Kind:
        """How its result comes."""
        return self.declaration.kind

    @property
    def parameters(self) -> Parameters | SchemaParameters:
        """What it takes."""
        return self.declaration.parameters

    @cached_property
    def wire(self) -> dict[str, Any]:
        """The tool as the OpenAI format tells it; `strict` is always said, for servers differ in what they assume."""
        declared = self.declaration
        strict = declared.parameters.strict_schema if self.options.strict else None
        told = {"name": declared.name, **({"description": declared.description} if declared.description else {})}
        schema = declared.parameters.schema if strict is None else strict
        return {"type": "function", "function": {**told, "parameters": schema, "strict": strict is not None}}

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether a call with these arguments waits for a decision."""
        approve = self.options.approve
        if isinstance(approve, bool):
            return approve
        return bool(approve(**{**self.parameters.defaults, **arguments}))

    def __repr__(self) -> str:
        return f"<Tool {self.__name__}>"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    approve: bool | Callable[..., bool] = False,
    timeout: float | None = None,
    retries: int = 2,
    sequential: bool = False,
    eager: bool = False,
    idempotent: bool = False,
    repeatable: bool = False,
    strict: bool = True,
    errors: Literal["show", "raise"] = "show",
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(function: Any = None, /, **told: Any) -> Any:
    """Say more about a function that a model may call; works bare and with arguments.

    `approve` makes its calls wait for a decision: `True`, or a function of the arguments that says so. `timeout` is in
    seconds. `retries` is how often in a row it may fail and be shown to the model. A `sequential` tool runs alone, in
    its place among the others. An `eager` one, which only reads, runs even while other calls of its answer wait. An
    `idempotent` one may be run again when its process died, a `repeatable` one is polled with the same arguments.
    `strict=False` does not hold the model to the schema. `errors="raise"` raises what the tool raises instead of
    showing it to the model. Raises `DefinitionError` if the function cannot be a tool.

    >>> @tool(timeout=5, retries=1)
    ... def add(a: int, b: int) -> int:
    ...     "Add two numbers"
    ...     return a + b
    >>> add(2, 3), add.name
    (5, 'add')
    """
    if unknown := sorted(told.keys() - set(ToolOptions.__dataclass_fields__)):
        raise DefinitionError(
            f"unknown option {unknown[0]!r} of a tool: expected one of {', '.join(ToolOptions.__dataclass_fields__)}"
        )
    options = ToolOptions(**told)
    if function is None:
        return lambda declared: _build_tool(declared, options)
    return _build_tool(function, options)


def read_tool(source: Any) -> Tool[Any, Any]:
    """Give what stands in `tools=` as a tool; raises `DefinitionError` if it cannot be one."""
    if isinstance(source, Tool):
        _ = source.declaration
        return source
    if isinstance(source, type):
        raise DefinitionError(f"expected a function, a method or a task as a tool, got the class {source.__name__}")
    return _build_tool(source, ToolOptions())


def _build_tool(source: Any, options: ToolOptions) -> Tool[Any, Any]:
    options.check(getattr(source, "__name__", None) or repr(source))
    if getattr(source, "is_declarai", False) and hasattr(source, "prepare_call"):
        return _tool_of_task(source, options)
    function: Any = source.function if isinstance(source, Tool) else source
    if not isinstance(function, (FunctionType, MethodType)):
        calling = vars(type(function)).get("__call__")
        if isinstance(calling, FunctionType):  # an object that is called: its method is what is read
            function = MethodType(calling, function)
    made: Tool[Any, Any] = Tool(function, options)
    if not _takes_self(function):
        _ = made.declaration
    return made


def _tool_of_task(task: Any, options: ToolOptions) -> Tool[Any, Any]:
    """Make a tool of a task: its value is the result."""
    signature: Signature = task.declared.signature

    def ask(**arguments: Any) -> Any:
        return task.run(**arguments).value

    ask.__name__ = ask.__qualname__ = signature.name
    if signature.is_async:
        declaration = ToolDeclaration.of(signature, options, kind="coroutine")
        return Tool(task.acall, options, declaration=declaration, is_task=True)
    declaration = ToolDeclaration.of(signature, options, kind="function")
    return Tool(ask, options, acall=task.acall, declaration=declaration, is_task=True)


def _signature_of(function: Any) -> Signature:
    if not isinstance(function, (FunctionType, MethodType)):
        raise DefinitionError(f"expected a function, a method or a task as a tool, got {function!r:.200}")
    return Signature.of(function)


def _takes_self(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return False
    first = next(iter(inspect.signature(function).parameters), "")
    return first in {"self", "cls"}


def _kind_of(function: Any) -> Kind:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "function"

"""A function read once, at its declaration: how it is called, what it returns, what it tells the model."""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
import typing
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import CodeType, FunctionType, GenericAlias, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from declarai_like._prompting.docstrings import Docstring, parse_docstring
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Magic", "Signature", "magic"]

_T = TypeVar("_T")
_MISSING: Any = object()
_BOUND = frozenset({"self", "cls"})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_MAGIC_DESCRIPTION = ("description", "task_desc")
_MAGIC_PARAMS = ("params", "input_desc")
_MAGIC_RETURNS = ("returns", "output_desc")


def magic(*args: object, **kwargs: object) -> NoReturn:  # noqa: ARG001 - they are read from the source
    """Stand for the model's answer in the body of a task, so that its return type holds.

    `return magic(movie)` only marks the arguments as used. A leading string, `magic("poem", title)`,
    names the key of the answer. `description=`, `params=` and `returns=` (also `task_desc=`,
    `input_desc=` and `output_desc=`) say in code what a docstring would say, and win over it. It is
    read from the function's source and never called: calling it raises `DefinitionError`.
    """
    raise DefinitionError(
        "magic() is a placeholder in the body of a task and was called for real: "
        "decorate the function that contains it with @task, and call that function"
    )


@dataclass(frozen=True, slots=True)
class Magic:
    """What a call of `magic()` says in the body of a task."""

    name: str | None = None
    description: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""


@dataclass(frozen=True, eq=False)
class Signature:
    """What a declaration says; built by `Signature.of`, never changed.

    `where` names the function for error messages, as in `rank (app.py:12)`. `signature` leaves out the
    `self` or `cls` of a method, which `is_method` tells. `doc` is the docstring with the words of
    `magic()` laid over it.
    """

    name: str
    qualname: str
    module: str
    where: str
    function: Callable[..., Any]
    signature: inspect.Signature
    is_method: bool
    is_async: bool
    doc: Docstring
    magic: Magic | None
    local_names: Mapping[str, Any]

    @classmethod
    def of(cls, function: Any) -> Signature:
        """Read a function, plain or async, or what `staticmethod` and `classmethod` make of it.

        Raises `DefinitionError` for anything else, and for a description of a parameter that the
        function does not have.
        """
        function = getattr(function, "__func__", function)
        inner = inspect.unwrap(function)
        if not isinstance(inner, FunctionType):
            raise DefinitionError(f"expected a function to make a task of, got {function!r}")
        where = _where(function, inner.__code__)
        spoken = _read_magic(inner)
        whole = inspect.signature(function)
        signature = _without_self(whole)
        result = cls(
            name=function.__name__,
            qualname=function.__qualname__,
            module=function.__module__,
            where=where,
            function=function,
            signature=signature,
            is_method=len(signature.parameters) < len(whole.parameters),
            is_async=inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner),
            doc=_merged(parse_docstring(function.__doc__), spoken),
            magic=spoken,
            local_names=_local_names(inner),
        )
        result._check_descriptions()
        return result

    @property
    def return_name(self) -> str | None:
        """The key of the answer, if `magic("name", ...)` or `:return name:` names one."""
        return self.doc.return_name

    @property
    def return_description(self) -> str:
        """What the docstring or `magic()` says of the result; empty if nothing."""
        return self.doc.returns

    @cached_property
    def annotation(self) -> Any:
        """The return type with its names resolved; `inspect.Parameter.empty` if there is none.

        Names are looked up when first asked for. Raises `DefinitionError` for one that is not there.
        """
        annotation = self.signature.return_annotation
        if annotation is inspect.Signature.empty:
            return inspect.Parameter.empty
        inner = inspect.unwrap(self.function)
        try:
            holder = SimpleNamespace(__annotations__={"return": _with_references(annotation)})
            hints = typing.get_type_hints(holder, inner.__globals__, dict(self.local_names), include_extras=True)
        except (NameError, AttributeError, SyntaxError, TypeError) as exc:
            raise DefinitionError(f"{self.where}: the return type {annotation!r} cannot be resolved: {exc}") from exc
        return hints["return"]

    @property
    def variadic(self) -> frozenset[str]:
        """The names of `*args` and `**kwargs`."""
        return frozenset(name for name, parameter in self.signature.parameters.items() if _is_variadic(parameter))

    def takes(self, name: str) -> bool:
        """Tell whether the function itself declares a parameter of this name."""
        parameter = self.signature.parameters.get(name)
        return parameter is not None and parameter.kind is not inspect.Parameter.VAR_KEYWORD

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give each parameter its value, defaults included; raises the `TypeError` that Python would."""
        return self._binder(*args, **kwargs)

    def bind_partial(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Do as `bind` does, but leave out the parameters that have neither value nor default."""
        values = self._partial_binder(*args, **kwargs)
        return {name: value for name, value in values.items() if value is not _MISSING}

    @cached_property
    def _binder(self) -> Callable[..., dict[str, Any]]:
        return _binder(self.signature, self.qualname)

    @cached_property
    def _partial_binder(self) -> Callable[..., dict[str, Any]]:
        named = [
            parameter if _is_variadic(parameter) or _has_default(parameter) else parameter.replace(default=_MISSING)
            for parameter in self.signature.parameters.values()
        ]
        return _binder(self.signature.replace(parameters=named), self.qualname)

    def _check_descriptions(self) -> None:
        parameters = self.signature.parameters
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return
        for name in self.doc.params:
            if name not in parameters and name not in _BOUND:
                raise DefinitionError(
                    f"{self.where}: {name!r} is described but is no parameter; "
                    f"the parameters are: {', '.join(parameters) or 'none'}"
                )


def _where(function: Any, code: CodeType) -> str:
    name = function.__qualname__.rpartition("<locals>.")[2]
    file = re.split(r"[/\\]", code.co_filename)[-1]
    return f"{name} ({file}:{code.co_firstlineno})"


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].name in _BOUND and parameters[0].kind in _POSITIONAL:
        return signature.replace(parameters=parameters[1:])
    return signature


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def _is_variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _binder(signature: inspect.Signature, qualname: str) -> Callable[..., dict[str, Any]]:
    """Make a function with the parameters of `signature` that returns them by name.

    The interpreter then binds: in 0.3 microseconds (`inspect` takes 5), and with its own errors.
    """
    parameters = signature.parameters.values()
    bare = [p.replace(default=inspect.Parameter.empty, annotation=inspect.Parameter.empty) for p in parameters]
    heading = str(inspect.Signature(bare))[1:-1]
    values = ", ".join(f"{p.name!r}: {p.name}" for p in parameters)
    # The source holds only the names of parameters, which are identifiers.
    binder: FunctionType = eval(f"lambda {heading}: {{{values}}}", {"__builtins__": {}})  # noqa: S307
    binder.__qualname__ = qualname
    binder.__defaults__ = tuple(p.default for p in parameters if p.kind in _POSITIONAL and _has_default(p))
    binder.__kwdefaults__ = {
        p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY and _has_default(p)
    }
    return binder


def _with_references(annotation: Any) -> Any:
    """Mark the names in `list["Pet"]` as references, as Python 3.10 does not."""
    if isinstance(annotation, str):
        return typing.ForwardRef(annotation)
    if isinstance(annotation, GenericAlias):
        origin: Any = annotation.__origin__
        return GenericAlias(origin, tuple(map(_with_references, annotation.__args__)))
    return annotation


def _local_names(function: FunctionType) -> dict[str, Any]:
    """Find the local names that a postponed return annotation may need.

    They are in the closure if the body uses them; else in a function around this one that still runs.
    """
    annotation = function.__annotations__.get("return")
    names = {parameter.__name__: parameter for parameter in getattr(function, "__type_params__", ())}
    if "<locals>" in function.__qualname__ and annotation is not None:
        wanted = set(re.findall(r"[^\W\d]\w*", str(annotation)))
        names |= _enclosing_names(function.__code__, wanted)
        names |= {name: value for name, value in _closure(function).items() if name in wanted}
    return names


def _enclosing_names(code: CodeType, wanted: Iterable[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    frame = inspect.currentframe()
    while frame is not None:
        if _contains(frame.f_code, code):
            found = frame.f_locals
            names = {name: found[name] for name in wanted if name in found} | names
        frame = frame.f_back
    return names


def _contains(outer: CodeType, inner: CodeType) -> bool:
    nested = (constant for constant in outer.co_consts if isinstance(constant, CodeType))
    return any(code is inner or _contains(code, inner) for code in nested)


def _closure(function: FunctionType) -> dict[str, Any]:
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # the cell of a name that is assigned later on is empty
            values[name] = cell.cell_contents
    return values


def _merged(doc: Docstring, spoken: Magic | None) -> Docstring:
    """Lay what `magic()` says over the docstring."""
    if spoken is None:
        return doc
    return replace(
        doc,
        text=spoken.description or doc.text,
        params={**doc.params, **spoken.params},
        returns=spoken.returns or doc.returns,
        return_name=spoken.name or doc.return_name,
    )


def _read_magic(function: FunctionType) -> Magic | None:
    """Read the call of `magic()` in a function; `None` without one, or without source."""
    code = function.__code__
    scope = _closure(function)
    used = {*code.co_names, *code.co_freevars}
    names = {n for n in used if n == "magic" or scope.get(n, function.__globals__.get(n)) is magic}
    call = _find_call(code, names) if names else None
    if call is None:
        return None
    local = {*code.co_varnames, *code.co_cellvars}
    constants = {name: value for name, value in (function.__globals__ | scope).items() if name not in local}
    words = {keyword.arg: _constant(keyword.value, constants) for keyword in call.keywords}
    leading = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    params = _first(dict, map(words.get, _MAGIC_PARAMS)) or {}
    return Magic(
        name=_first(str, [leading, words.get("return_name")]),
        description=inspect.cleandoc(_first(str, map(words.get, _MAGIC_DESCRIPTION)) or ""),
        params={name: text for name, text in params.items() if isinstance(name, str) and isinstance(text, str)},
        returns=inspect.cleandoc(_first(str, map(words.get, _MAGIC_RETURNS)) or ""),
    )


def _find_call(code: CodeType, names: set[str]) -> ast.Call | None:
    try:
        source = "".join(inspect.getsourcelines(code)[0])
        # A nested function keeps its indentation: dedenting would change its multi-line strings.
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, SyntaxError, tokenize.TokenError):
        return None
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    body = next((node.body for node in functions if node.name == code.co_name), [])
    calls = (n for part in body for n in ast.walk(part) if isinstance(n, ast.Call))
    return next((call for call in calls if _called_name(call) in names), None)


def _called_name(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _constant(node: ast.expr, constants: Mapping[str, Any]) -> Any:
    """Work out a literal, or a name from outside the function; `None` for what depends on a call."""
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _constant(value, constants) for key, value in pairs if isinstance(key, ast.Constant)}
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _first(kind: type[_T], values: Iterable[Any]) -> _T | None:
    return next((value for value in values if value and isinstance(value, kind)), None)

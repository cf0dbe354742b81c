"""What a call of `magic()` says in the body of a task."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from declarai_like._prompting.namespaces import closure_of
from declarai_like._prompting.sources import find_definition
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from types import CodeType, FunctionType

__all__ = ["Magic", "called_name", "magic", "magic_names", "read_magic"]

_T = TypeVar("_T")
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


def read_magic(function: FunctionType) -> Magic | None:
    """Read the call of `magic()` in a function; `None` without one, or without source."""
    code = function.__code__
    scope = closure_of(function)
    names = magic_names(function)
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


def magic_names(function: FunctionType) -> frozenset[str]:
    """Give the names by which a function calls `magic`."""
    code, scope = function.__code__, closure_of(function)
    used = {*code.co_names, *code.co_freevars}
    return frozenset(n for n in used if n == "magic" or scope.get(n, function.__globals__.get(n)) is magic)


def _find_call(code: CodeType, names: Collection[str]) -> ast.Call | None:
    definition = find_definition(code)
    body = [] if definition is None else definition.body
    calls = (n for part in body for n in ast.walk(part) if isinstance(n, ast.Call))
    return next((call for call in calls if called_name(call) in names), None)


def called_name(call: ast.Call) -> str | None:
    """Give the last part of the name that is called."""
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

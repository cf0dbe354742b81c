"""What stands in the body of a task: its docstring, and nothing that would never run."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING

from declarai_like._prompting.magic import called_name, magic_names
from declarai_like._prompting.sources import find_definition
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FunctionType

__all__ = ["check_body", "check_class_body"]

_LOST = (
    "the body begins with a text that is no docstring (an f-string, or one that is put together), and Python throws it "
    "away: write a plain string with {name} where a value belongs, or set __doc__"
)


def check_body(function: FunctionType, where: str) -> None:
    """Raise `DefinitionError` for a text that is no docstring, and for code that would never run.

    A function without source is taken as it is.
    """
    definition = None if _is_empty(function) else find_definition(function.__code__)
    if definition is None:
        return
    first, *rest = definition.body
    is_text = _is_lost_text(first)
    if is_text and function.__doc__ is None:
        raise DefinitionError(f"{where}: {_LOST}")
    names = magic_names(function)
    names |= {target.id for target in _magic_targets(definition.body, names)}
    begins_well = is_text or _is_docstring(first) or _is_placeholder(first, names)
    wrong = next((part for part in ([] if begins_well else [first]) + rest if not _is_placeholder(part, names)), None)
    if wrong is not None:
        raise DefinitionError(
            f"{where}: the body of a task is never run, but this stands in it: {ast.unparse(wrong)[:80]!r}; "
            "leave a docstring and `...`, or `return magic(...)`, and do the rest in a function that calls the task"
        )


def check_class_body(cls: type, where: str) -> None:
    """Raise `DefinitionError` for a class whose body begins with a text that is no docstring."""
    try:
        source = inspect.getsource(cls)
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, TypeError, SyntaxError):
        return
    body = next((node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)), [ast.Pass()])
    if _is_lost_text(body[0]):
        raise DefinitionError(f"{where}: {_LOST}")


def _is_lost_text(statement: ast.stmt) -> bool:
    """Say whether this is a text that looks like a docstring, and is none."""
    return isinstance(statement, ast.Expr) and not _is_docstring(statement) and _is_text(statement.value)


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=part) | ast.Call(func=ast.Attribute(value=part)) | ast.Tuple(elts=[part, *_]):
            return _is_text(part)
    return type(node).__name__ == "TemplateStr"  # of Python 3.14


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_placeholder(statement: ast.stmt, names: frozenset[str]) -> bool:
    """Say whether a statement only fills the place of a body."""
    match statement:
        case ast.Pass() | ast.Raise() | ast.Delete():
            return True
        case ast.Return(value=value) | ast.Expr(value=ast.Yield(value=value) | ast.Await(value=value)):
            return value is None or _is_nothing(value) or _calls(value, names)
        case ast.Expr(value=value):
            return (isinstance(value, ast.Constant) and value.value is ...) or _calls(value, names)
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return _calls(value, names)
    return False


def _is_nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in {None, ...}


def _calls(node: ast.expr, names: frozenset[str]) -> bool:
    """Say whether `magic` is called here, or what it was assigned to is named."""
    called = (called_name(part) if isinstance(part, ast.Call) else getattr(part, "id", None) for part in ast.walk(node))
    return not names.isdisjoint(name for name in called if name is not None)


def _magic_targets(body: Sequence[ast.stmt], names: frozenset[str]) -> Iterator[ast.Name]:
    for part in body:
        if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None and _calls(part.value, names):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            yield from (target for target in targets if isinstance(target, ast.Name))


def _is_empty(function: FunctionType) -> bool:
    """Say whether a function has a docstring and nothing else, without looking at its source."""
    code = function.__code__
    return function.__doc__ is not None and code.co_code in _EMPTY and code.co_consts[-1] is None


def _plain() -> None:
    """Do nothing."""


async def _awaited() -> None:
    """Do nothing."""


_EMPTY = frozenset({_plain.__code__.co_code, _awaited.__code__.co_code})

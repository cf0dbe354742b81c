"""The names that a function sees: its closure, and the functions around it that still run."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType

__all__ = ["closure_of", "local_names"]


def local_names(function: FunctionType, *annotated: str) -> dict[str, Any]:
    """Find the local names that postponed annotations may need: those of `annotated`, else of the result.

    They are in the closure if the body uses them; else in a function around this one that still runs.
    """
    known = function.__annotations__
    annotation = [known[name] for name in annotated or ("return",) if known.get(name) is not None]
    names = {parameter.__name__: parameter for parameter in getattr(function, "__type_params__", ())}
    if "<locals>" in function.__qualname__ and annotation:
        wanted = set(re.findall(r"[^\W\d]\w*", str(annotation)))
        names |= _enclosing_names(function.__code__, wanted)
        names |= {name: value for name, value in closure_of(function).items() if name in wanted}
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


def closure_of(function: FunctionType) -> dict[str, Any]:
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # the cell of a name that is assigned later on is empty
            values[name] = cell.cell_contents
    return values

"""Arguments bound to the parameters of a function, as the interpreter does it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

__all__ = ["POSITIONAL", "has_default", "is_variadic", "make_binder"]

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def is_variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def make_binder(signature: inspect.Signature, qualname: str) -> Callable[..., dict[str, Any]]:
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
    binder.__defaults__ = tuple(p.default for p in parameters if p.kind in POSITIONAL and has_default(p))
    binder.__kwdefaults__ = {
        p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY and has_default(p)
    }
    return binder

"""The arguments of a task on a command line: `--arg name=value`."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["HINT", "parameters", "read_arguments", "takes_text"]

HINT = "arguments are given as --arg name=value"


def read_arguments(texts: Iterable[str], task: Any) -> dict[str, Any]:
    """Read `name=value` each; raises `TypeError` if one is not of that form.

    A value is JSON where it can be read as such, unless the parameter is a `str`.
    """
    return dict(_argument(text, task) for text in texts)


def parameters(task: Any) -> Mapping[str, inspect.Parameter]:
    """Give what a task, a class, or the `compile` of an instance takes."""
    return inspect.signature(task if callable(task) else task.compile).parameters


def _argument(text: str, task: Any) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise TypeError(f"expected name=value, not {text!r}")
    if takes_text(name, task):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def takes_text(name: str, task: Any) -> bool:
    """Say whether an argument is a text, whatever it looks like."""
    if name == "message" and hasattr(task, "__chat__"):
        return True
    parameter = parameters(task).get(name)
    return parameter is not None and parameter.annotation in (str, "str")

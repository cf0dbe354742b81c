"""The arguments of a task on a command line: `--arg name=value`."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.media_parameters import media_parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like._prompting.media_parameters import MediaParameter

__all__ = ["HINT", "parameters", "read_arguments", "takes_text"]

HINT = "arguments are given as --arg name=value"


def read_arguments(texts: Iterable[str], task: Any) -> dict[str, Any]:
    """Read `name=value` each; raises `TypeError` if one is not of that form.

    A value is JSON where it can be read as such, unless the parameter is a `str`; media are given by the path of a file
    or an https address, several of them as a JSON list.
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
    if (media := _media_parameter(name, task)) is not None:
        return name, _read_media(value, media)
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


def _media_parameter(name: str, task: Any) -> MediaParameter | None:
    signature = getattr(getattr(task, "declared", None), "signature", None)
    if signature is not None:
        found: MediaParameter | None = signature.media.get(name)
        return found
    parameter = parameters(task).get(name)
    return None if parameter is None else media_parameter(parameter.annotation, name)


def _read_media(text: str, parameter: MediaParameter) -> Any:
    """Read files or addresses: here a text is its user's own."""
    if parameter.takes_several and text.startswith("["):
        return [_read_one(each, parameter) for each in json.loads(text)]
    made = _read_one(text, parameter)
    return made if parameter.takes_one else [made]


def _read_one(text: str, parameter: MediaParameter) -> Any:
    *others, last = parameter.kinds
    if text.startswith("https://"):
        return parameter.kinds[0].url(text)
    for kind in others:
        with suppress(ValueError):
            return kind.open(text)
    return last.open(text)

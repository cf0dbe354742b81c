"""`declarai-like show`: print what a task would send, without sending it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from declarai_like.messages import Message

__all__ = ["show"]

_COLOURS = {"system": "magenta", "user": "cyan", "assistant": "green"}


def show(target: str, arguments: Iterable[str], *, as_json: bool = False) -> None:
    """Print the messages of the task at `target`, called with `name=value` arguments.

    Raises `ConfigurationError` if there is no such task, or its module cannot be imported, and
    `TypeError` if the arguments are not those of the task.
    """
    task = _find(target)
    given = dict(_argument(text, task) for text in arguments)
    prompt = task(**given).compile() if isinstance(task, type) else task.compile(**given)
    messages: Sequence[Message] = prompt["messages"]
    if as_json:
        print(json.dumps([message.wire() for message in messages], ensure_ascii=False, indent=2))
    else:
        _print(messages)


def _find(target: str) -> Any:
    """Import `package.module:name` or `path/to/file.py:name`."""
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise ConfigurationError(f"expected MODULE:TASK, as in app.tasks:rank or app/tasks.py:rank, not {target!r}")
    try:
        found = attrgetter(name)(_import(place))
    except AttributeError as exc:
        raise ConfigurationError(f"there is no {name!r} in {place!r}: {exc}") from exc
    if not hasattr(found, "compile"):
        raise ConfigurationError(
            f"{target!r} is not a task, chat or prompt but {found!r:.80}: decorate it with @llm.task"
        )
    return found


def _import(place: str) -> ModuleType:
    """Import the user's module; what is beside it is found too, as Python itself would."""
    path = Path(place).resolve()
    is_file = place.endswith(".py")
    sys.path.insert(0, str(path.parent if is_file else Path.cwd()))
    try:
        return _load(path) if is_file else importlib.import_module(place)
    except Exception as exc:
        raise ConfigurationError(f"cannot import {place!r}: {type(exc).__name__}: {exc}") from exc


def _load(path: Path) -> ModuleType:
    """Execute a file as a module, under a name that hides no other module."""
    spec = importlib.util.spec_from_file_location(f"_shown_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a path that ends with .py has a spec
    sys.modules[module.__name__] = module  # dataclasses look there for the names in their annotations
    spec.loader.exec_module(module)  # type: ignore[union-attr]  # the same
    return module


def _argument(text: str, task: Any) -> tuple[str, Any]:
    """Read `name=value`: the value is JSON where it can be, unless the parameter is a `str`."""
    name, found, value = text.partition("=")
    if not found:
        raise TypeError(f"expected name=value, not {text!r}")
    parameter = inspect.signature(task).parameters.get(name)
    if parameter is not None and parameter.annotation in (str, "str"):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print(messages: Sequence[Message]) -> None:
    """Print each message under its role; rich, if it is installed, colours the roles."""
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        console = None
    else:
        console = Console(highlight=False)
    for number, message in enumerate(messages):
        role = str(message.role)
        heading = "\n" * bool(number) + f"{role}:"
        if console is None:
            print(heading)
        else:
            console.print(heading, style=f"bold {_COLOURS.get(role, 'yellow')}")
        print(message.message)

"""The user's own modules, and what is declared in them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

__all__ = ["declared_in", "find", "find_function", "import_place", "module_name"]


def find(target: str) -> Any:
    """Import the task, chat or prompt at `package.module:name` or `path/to/file.py:name`.

    Raises `ConfigurationError` if there is none, or its module cannot be imported.
    """
    value = _attribute(target, "MODULE:TASK, as in app.tasks:rank or app/tasks.py:rank")
    if not hasattr(value, "compile"):
        raise ConfigurationError(
            f"{target!r} is not a task, chat or prompt but {value!r:.80}: decorate it with @llm.task"
        )
    return value


def find_function(target: str) -> Any:
    """Import the function at `module:name`; raises `ConfigurationError` if there is none."""
    value = _attribute(target, "MODULE:FUNCTION, as in app.scores:close")
    if not callable(value):
        raise ConfigurationError(f"{target!r} is not a function but {value!r:.80}")
    return value


def declared_in(places: Iterable[str]) -> dict[str, Any]:
    """Find the tasks, chats and prompts of modules and of all modules below them, under `module:name`.

    What several modules share is found once, where it was declared.
    """
    declarations: dict[int, tuple[bool, str, Any]] = {}
    for module in (part for place in places for part in _with_submodules(import_place(place))):
        for path, value in _declarations_in(vars(module), module.__name__):
            is_home = value.__module__ == module.__name__
            if id(value) not in declarations or (is_home and not declarations[id(value)][0]):
                declarations[id(value)] = is_home, f"{module_name(module)}:{path}", value
    return {name: value for _, name, value in declarations.values()}


def module_name(module: ModuleType) -> str:
    """Give the name by which a module is found again from this directory: dotted, or the path of a file."""
    if not module.__name__.startswith(_LOADED):
        return module.__name__
    return Path(os.path.relpath(str(module.__file__))).as_posix()


def import_place(place: str) -> ModuleType:
    """Import the user's module; what is beside it is found too, as Python itself would."""
    path = Path(place).resolve()
    is_file = place.endswith(".py")
    try:
        if is_file and (path.parent / "__init__.py").exists():
            return _import(*_packaged(path))
        if is_file:
            return _load(path)
        return _import(Path.cwd(), place)
    except Exception as exc:
        raise ConfigurationError(f"cannot import {place!r}: {type(exc).__name__}: {exc}").with_cause(exc) from None


def _attribute(target: str, expected: str) -> Any:
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise ConfigurationError(f"expected {expected}, not {target!r}")
    module = import_place(place)
    try:
        return attrgetter(name)(module)
    except AttributeError as exc:
        there = ", ".join(path for path, _ in _declarations_in(vars(module), module.__name__)) or "no task or chat"
        raise ConfigurationError(f"there is no {name!r} in {place!r}, which has {there}").with_cause(exc) from None


def _import(root: Path, name: str) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(name)


def _packaged(path: Path) -> tuple[Path, str]:
    """Give the root of a file's package, and the name under which the file is imported from there."""
    names = [] if path.stem == "__init__" else [path.stem]
    root = path.parent
    while (root / "__init__.py").exists():
        names.insert(0, root.name)
        root = root.parent
    return root, ".".join(names)


_LOADED = "_shown_"
"""The mark of a file's module, so that it hides no other module."""


def _load(path: Path) -> ModuleType:
    """Execute a file as a module; a second time gives the same one."""
    name = f"{_LOADED}{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a path that ends with .py has a spec
    sys.modules[name] = module  # dataclasses look there for the names in their annotations
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # the same
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _with_submodules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if info.name != "__main__":  # importing it would run the program
            yield from _with_submodules(import_place(f"{module.__name__}.{info.name}"))


def _declarations_in(space: Any, module: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Find what is declared in a namespace, and in the classes that the module defines."""
    from declarai_like._cli._prompt_lock import is_declared
    from declarai_like.tasks import BaseTask

    for name, member in list(space.items()):
        value = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
        path = f"{prefix}{name}"
        if isinstance(value, (BaseTask, type)) and is_declared(value):
            yield path, value
        if isinstance(value, type) and (value.__module__, value.__qualname__) == (module, path):
            yield from _declarations_in(vars(value), module, f"{path}.")

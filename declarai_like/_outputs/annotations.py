"""Return types as they are declared: their names, those of JSON alone, and those that would be read too late."""

from __future__ import annotations

import types
import typing
from collections import abc
from typing import Any

from declarai_like.errors import DefinitionError

__all__ = ["SCALARS", "is_plain", "name_of", "refuse_lazy_fields", "refuse_media", "replace_iterables"]

SCALARS = (int, float, bool)
"""What is asked for bare."""

_EAGER = frozenset({abc.Iterable, abc.Collection, abc.Reversible, abc.Container})
_LAZY = frozenset(
    {
        abc.Iterator,
        abc.Generator,
        abc.AsyncIterable,
        abc.AsyncIterator,
        abc.AsyncGenerator,
        abc.Awaitable,
        abc.Coroutine,
    }
)
_INSTEAD = "return list[...]; to get its items while they arrive, iterate `task.stream(...).items()`"


def replace_iterables(annotation: Any, where: str) -> Any:
    """Give `list[T]` for `Iterable[T]` and its like, wherever it stands in a type.

    Raises `DefinitionError` for iterators and generators: an answer is a value, which is read whole.
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    kind = origin or annotation
    if isinstance(kind, type) and kind in _LAZY:
        place = f"{where}: " if where else ""
        raise DefinitionError(
            f"{place}an answer cannot be {kind.__name__}, which is read lazily and unchecked: {_INSTEAD}"
        )
    if origin is typing.Literal:
        return annotation
    settled = tuple(replace_iterables(arg, where) for arg in args)
    if isinstance(kind, type) and kind in _EAGER:
        return list[settled[0]] if settled else list  # type: ignore[valid-type]  # it is known when it runs
    if all(new is old for new, old in zip(settled, args, strict=True)):
        return annotation
    if origin is typing.Annotated:
        return _annotate(settled[0], annotation.__metadata__)
    return typing.Union[settled] if _is_union(annotation) else origin[settled]  # noqa: UP007 - made when it runs


def refuse_lazy_fields(core_schema: Any, name: str, where: str) -> None:
    """Raise `DefinitionError` for a type with a field that pydantic would validate only when it is iterated."""
    waiting, seen = [core_schema], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not isinstance(part, dict | list | tuple):
            continue
        seen.add(id(part))
        if isinstance(part, dict) and part.get("type") == "generator":
            place = f"{where}: " if where else ""
            raise DefinitionError(
                f"{place}the return type {name} has a field that is an Iterable or a Generator, read lazily and "
                "unchecked: make it a list"
            )
        waiting.extend(part.values() if isinstance(part, dict) else part)


def _annotate(kind: Any, metadata: tuple[Any, ...]) -> Any:
    annotated: Any = typing.Annotated
    arguments = (kind, *metadata)
    return annotated[arguments]


def _is_union(annotation: Any) -> bool:
    return type(annotation).__name__ in {"UnionType", "_UnionGenericAlias", "Union"}


def is_plain(annotation: Any) -> bool:
    """Whether a type is made of JSON's own types only: then nothing can be wrong with it."""
    if annotation in (None, type(None), str, *SCALARS):
        return True
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return all(isinstance(arg, str) for arg in args)
    if origin is dict and args[0] not in {str, int}:
        return False
    return origin in _CONTAINERS and bool(args) and all(is_plain(arg) for arg in args if arg is not ...)


_CONTAINERS = (list, dict, tuple, set, frozenset, typing.Union, types.UnionType)


def name_of(annotation: Any) -> str:
    """Return the annotation as one would write it, without the modules' names."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is ...:
        return "..."
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return name_of(args[0])
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    names = [name_of(arg) for arg in args]
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(names)
    name: str = getattr(annotation, "__name__", None) or repr(annotation).removeprefix("typing.")
    return f"{name}[{', '.join(names)}]" if origin and "[" not in name else name


def refuse_media(schema: Any) -> None:
    """Raise `TypeError` for a schema in which media stand: a model would have to write their bytes."""
    if isinstance(schema, dict) and "x-declarai-media" in schema:
        raise TypeError(f"a model answers in text, and cannot give the field's {schema['x-declarai-media']}")
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        refuse_media(part)

"""Return types that would be read too late: what is iterated lazily is never validated."""

from __future__ import annotations

import typing
from collections import abc
from typing import Any

from declarai_like.errors import DefinitionError

__all__ = ["refuse_lazy_fields", "replace_iterables"]

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

"""From what a model wrote to what an object or array wants: one function for each kind of type, over plain data.

Data that is valid stays as it is. A coercion changes what a person would plainly read as the type, names that repair,
and refuses what can be read in several ways; whatever else is wrong it leaves to the validation. `scalars` has those
of texts, numbers, truths and moments.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.plain_data import Number
from declarai_like._outputs.refusals import Refused
from declarai_like._outputs.wordings import strip_marks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from declarai_like._outputs.fields import Record
    from declarai_like._outputs.refusals import Repairs
    from declarai_like._outputs.shape import Shape

    Coercion = Callable[[Any, Repairs], Any]

__all__ = [
    "coerce_within",
    "for_items",
    "for_mapping",
    "for_named_positions",
    "for_nullable",
    "for_positions",
    "for_record",
    "nested",
]

_NOTHINGS = frozenset({"none", "null"})
_LIST_MARKS = re.compile(r"[,;\n|]|\A\s*[-*•]|\A\s*\d+[.)]")


def nested(coerce: Coercion) -> Coercion:
    """Read JSON that stands in a text."""

    @functools.wraps(coerce)
    def unpack(data: Any, repairs: Repairs) -> Any:
        if isinstance(data, str) and data.strip()[:1] in {"{", "["} and not repairs.is_bare:
            from declarai_like._outputs.nesting import read_nested

            inner = read_nested(data)
            if inner is not None:
                repairs.note("nested_json")
                data = inner
        return coerce(data, repairs)

    return unpack


def for_items(items: Shape, *, holds_lists: bool) -> Coercion:
    """Read the items of a list or set; one that stands alone is a list of one, unless the items are lists too."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        if isinstance(data, list):
            return [
                each if holds_lists and isinstance(each, Number) else coerce_within(items, position, each, repairs)
                for position, each in enumerate(data)
            ]
        if data is None or repairs.is_bare or holds_lists:
            return data
        if isinstance(data, str) and not isinstance(data, Number) and _LIST_MARKS.search(data):
            return data
        one = coerce_within(items, 0, data, repairs)
        if not items.accepts(one):
            return data
        repairs.note("single_item")
        return [one]

    return nested(coerce)


def for_positions(items: Sequence[Shape], *, variadic: bool) -> Coercion:
    """Read the items of a tuple, each by its place."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        if not isinstance(data, list) or (len(data) > len(items) and not variadic):
            return data
        last = len(items) - 1
        return [
            coerce_within(items[min(position, last)], position, each, repairs) for position, each in enumerate(data)
        ]

    return nested(coerce)


def for_named_positions(names: Sequence[str], items: Sequence[Shape]) -> Coercion:
    """Read the items of a named tuple, by their places or their names."""
    by_place = for_positions(items, variadic=False)
    by_name = dict(zip(names, items, strict=True))

    def coerce(data: Any, repairs: Repairs) -> Any:
        if not isinstance(data, dict) or not data.keys() <= by_name.keys():
            return by_place(data, repairs)
        return {name: coerce_within(by_name[name], name, value, repairs) for name, value in data.items()}

    return coerce


def for_mapping(keys: Shape, values: Shape) -> Coercion:
    """Read the keys and values of a mapping."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        if not isinstance(data, dict):
            return data
        read: dict[Any, Any] = {}
        for key, value in data.items():
            name = str(coerce_within(keys, key, key, repairs))
            if name in read:
                raise Refused(f"two keys for {name!r}")
            read[name] = coerce_within(values, key, value, repairs)
        return read

    return nested(coerce)


def for_record(record: Callable[[], Record]) -> Coercion:
    """Read the members of an object, whose keys may be spelled otherwise."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        fields = record()
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict):
            repairs.note("single_item")
            data = data[0]
        if not isinstance(data, dict):
            return data
        read: dict[str, Any] = {}
        for key, value in data.items():
            name, shape = fields.match(key, data)
            if name != key:
                repairs.note("key_spelling")
                if name in read:
                    raise Refused(f"two keys for {name!r}")
            read[name] = value if shape is None else coerce_within(shape, key, value, repairs)
        if (
            data
            and fields.fields
            and not fields.required
            and fields.ignores_extra
            and fields.fields.keys().isdisjoint(read)
        ):
            raise Refused(f"none of its keys is known: {', '.join(map(repr, list(data)[:5]))}")
        return read

    return nested(coerce)


def for_nullable(inner: Shape) -> Coercion:
    """Read nothing in words; anything else is for the type itself."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        if data is None:
            return data
        if isinstance(data, str) and strip_marks(data).casefold() in _NOTHINGS and not inner.accepts(data):
            repairs.note("null_words")
            return None
        return inner.coerce(data, repairs)

    return coerce


def coerce_within(shape: Shape, key: int | str, data: Any, repairs: Repairs) -> Any:
    """Coerce a child; a refusal tells where it stands."""
    try:
        return shape.coerce(data, repairs)
    except Refused as refusal:
        raise refusal.within(key) from None

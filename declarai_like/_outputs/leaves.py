"""The types whose values have no parts: texts, numbers, truths, moments, and the members of enums and literals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._outputs import scalars
from declarai_like._outputs.fields import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from declarai_like._outputs.scalars import Coercion
    from declarai_like._outputs.shape import Shape

    Node = Mapping[str, Any]
    Read = Callable[[Shape, Node, Node], None]

__all__ = ["LEAVES"]

_ALONE = frozenset({"metadata", "ref", "serialization", "type"})


def _read_text(shape: Shape, node: Node, config: Node) -> None:
    shape.grows = True
    shape.text_fits = "pattern" not in node
    shape.text = node.keys() <= _ALONE and is_plain(config)
    shape.coerce = scalars.coerce_text


def _read_literal(shape: Shape, node: Node, _config: Node) -> None:
    shape.coerce = scalars.for_members((value, ()) for value in node["expected"])


def _read_enum(shape: Shape, node: Node, _config: Node) -> None:
    described = node["cls"].__doc__
    shape.coerce = scalars.for_members(
        (each.value, [each.name, *([each.__doc__] if each.__doc__ not in {None, described} else [])])
        for each in node["members"]
    )


def _coerced_by(coerce: Coercion) -> Read:
    def read(shape: Shape, _node: Node, _config: Node) -> None:
        shape.coerce = coerce

    return read


LEAVES: dict[str, Read] = {
    "bool": _coerced_by(scalars.coerce_truth),
    "date": _coerced_by(scalars.coerce_moment),
    "datetime": _coerced_by(scalars.coerce_instant),
    "decimal": _coerced_by(scalars.coerce_decimal),
    "enum": _read_enum,
    "float": _coerced_by(scalars.coerce_number),
    "int": _coerced_by(scalars.coerce_integer),
    "literal": _read_literal,
    "str": _read_text,
    "time": _coerced_by(scalars.coerce_moment),
}
"""What a leaf takes, by the name of its kind in pydantic's core schema."""

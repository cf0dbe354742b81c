"""JSON Schemas in the words of Google's older `Schema`: references laid in, keywords that it has, nullable for null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["narrow_schema"]

_KEPT = frozenset({
    "description", "enum", "format", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "nullable",
    "pattern", "propertyOrdering", "required", "title", "type",
})  # fmt: skip
_REFERENCE = "#/$defs/"


class _Inexpressible(Exception):
    """The older words cannot say this."""


def narrow_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give a schema in the older words; `None` where they cannot say it: a type that holds itself, a tuple.

    >>> narrow_schema({"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"const": "a"}}})
    {'type': 'object', 'properties': {'x': {'enum': ['a'], 'type': 'string'}}}
    """
    try:
        return _narrow(schema, schema.get("$defs", {}), ())
    except _Inexpressible:
        return None


def _narrow(node: Any, defs: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(node, dict) or "prefixItems" in node or "allOf" in node:
        raise _Inexpressible
    if "$ref" in node:
        return _lay_in(node, defs, within)
    told = {name: value for name, value in node.items() if name in _KEPT}
    if "const" in node:
        told["enum"] = [node["const"]]
    told = _enumerated(_single_type(told))
    if isinstance(node.get("properties"), dict):
        told["properties"] = {name: _narrow(part, defs, within) for name, part in node["properties"].items()}
    if "items" in node:
        told["items"] = _narrow(node["items"], defs, within)
    choices = node.get("anyOf") or node.get("oneOf")
    return _chosen(told, [_narrow(part, defs, within) for part in choices]) if choices else told


def _lay_in(node: Mapping[str, Any], defs: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    """Put what a reference names in its place."""
    name = str(node["$ref"]).removeprefix(_REFERENCE)
    if name in within or name not in defs:
        raise _Inexpressible
    beside = {key: value for key, value in node.items() if key in _KEPT}
    return {**_narrow(defs[name], defs, (*within, name)), **beside}


def _single_type(told: dict[str, Any]) -> dict[str, Any]:
    """Spell several types: one, and whether it may be null."""
    kinds = told.get("type")
    if not isinstance(kinds, list):
        return told
    rest = [kind for kind in kinds if kind != "null"]
    if len(rest) != 1:
        raise _Inexpressible
    return {**told, "type": rest[0], **({"nullable": True} if len(rest) < len(kinds) else {})}


def _enumerated(told: dict[str, Any]) -> dict[str, Any]:
    """Spell a list of values: it has texts alone, and says so."""
    if "enum" not in told:
        return told
    values = [value for value in told["enum"] if value is not None]
    if not values or not all(isinstance(value, str) for value in values):
        raise _Inexpressible
    nullable = {"nullable": True} if len(values) < len(told["enum"]) else {}
    return {**told, "type": "string", "enum": values, **nullable}


def _chosen(told: dict[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Spell one of several; null among them is a mark on the others."""
    rest = [choice for choice in choices if choice.get("type") != "null"]
    nullable = {"nullable": True} if len(rest) < len(choices) else {}
    if len(rest) == 1:
        return {**rest[0], **told, **nullable}
    return {**told, "anyOf": rest, **nullable}

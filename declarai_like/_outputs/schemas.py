"""JSON Schemas of return types: as a prompt shows them, and as strict modes accept them."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["Dialect", "describe", "is_object", "strict", "under_key"]

Dialect: TypeAlias = Literal["common", "openai", "full"]
"""What a strict mode understands: what all do (Azure's no more), what OpenAI's does, or all that pydantic writes."""

# What every strict mode accepts as it is; the rest is told in the description, and checked when the answer is parsed.
_KEPT = frozenset({"$ref", "description", "enum", "title", "type"})
_REWRITTEN = frozenset(
    {
        *("$defs", "additionalProperties", "anyOf", "const", "discriminator", "items"),
        *("oneOf", "prefixItems", "properties", "required"),
    }
)
_INEXPRESSIBLE = frozenset(
    {"allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties", "then"}
)
# https://platform.openai.com/docs/guides/structured-outputs#supported-properties
_OPENAI_KEYWORDS = frozenset(
    {
        *("pattern", "format", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("minItems", "maxItems"),
    }
)
_OPENAI_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class _Inexpressible(Exception):
    """A part of the schema that strict mode has no words for."""


def describe(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """Return the JSON Schema of the type; an object's own schema is at the root, never a `$ref`.

    Raises pydantic's error for a type that has none.
    """
    schema: dict[str, Any] = _untitled(adapter.json_schema(schema_generator=_generator()))
    root = schema.get("$ref")
    if root is None:
        return schema
    # A recursive type: OpenAI wants an object at the root, and takes no `$ref` there.
    return {**schema["$defs"][root.removeprefix("#/$defs/")], "$defs": schema["$defs"]}


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether it describes an object with named fields, as against an open mapping."""
    return schema.get("type") == "object" and "properties" in schema


def under_key(schema: Mapping[str, Any], key: str, description: str) -> dict[str, Any]:
    """Return the schema of an object whose one field, `key`, is described by `schema`."""
    inner = {name: part for name, part in schema.items() if name != "$defs"}
    if description:
        inner["description"] = description
    wrapped = {"type": "object", "properties": {key: inner}, "required": [key]}
    return {**wrapped, "$defs": schema["$defs"]} if "$defs" in schema else wrapped


def strict(schema: Mapping[str, Any], dialect: Dialect = "common") -> dict[str, Any] | None:
    """Return the schema with every object closed and every field required, in the words of a dialect.

    `None` if that would say something else: an open mapping, any value, `allOf` and its like.
    """
    try:
        return _strict(schema, dialect)
    except _Inexpressible:
        return None


def _strict(node: Any, dialect: Dialect) -> dict[str, Any]:
    if not isinstance(node, dict) or _INEXPRESSIBLE & node.keys():
        raise _Inexpressible
    closed = {name: part for name, part in node.items() if name in _KEPT or _is_understood(name, part, dialect)}
    told = {
        name: part for name, part in node.items() if name not in closed and name not in _REWRITTEN and part is not None
    }
    if "prefixItems" in node:
        told["prefixItems"] = node["prefixItems"]
    closed.update(_choices(node, dialect) or _object(node, dialect) or _array(node, dialect))
    if not closed.keys() & {"$ref", "anyOf", "type"}:
        raise _Inexpressible
    if "$defs" in node:
        closed["$defs"] = {name: _strict(part, dialect) for name, part in node["$defs"].items()}
    return _referenced(_describe_keywords(closed, told))


def _is_understood(name: str, part: Any, dialect: Dialect) -> bool:
    """Say whether OpenAI's strict mode takes a keyword: formats it lists, and patterns without look-around."""
    if dialect != "openai" or name not in _OPENAI_KEYWORDS:
        return False
    if name == "format":
        return part in _OPENAI_FORMATS
    return name != "pattern" or not any(mark in part for mark in _LOOK_AROUND)


def _choices(node: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Rewrite what allows one of several: `const`, `enum`, `anyOf`, `oneOf`."""
    values = [node["const"]] if "const" in node else node.get("enum")
    if values is not None:
        if any(type(value) not in _TYPES for value in values):
            raise _Inexpressible
        types = list(dict.fromkeys(_TYPES[type(value)] for value in values))
        return {"enum": values, "type": types[0] if len(types) == 1 else types}
    options = node.get("anyOf", node.get("oneOf"))
    return {} if options is None else {"anyOf": [_strict(option, dialect) for option in options]}


def _object(node: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    if node.get("type") != "object":
        return {}
    if not is_object(node) or node.get("additionalProperties"):
        raise _Inexpressible
    fields = {name: _strict(part, dialect) for name, part in node["properties"].items()}
    return {"properties": fields, "required": list(fields), "additionalProperties": False}


def _array(node: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Rewrite `items`; of a tuple, allow any of its items' types, as the order cannot be said."""
    if node.get("type") != "array":
        return {}
    options = [*node.get("prefixItems", ()), *([node["items"]] if "items" in node else ())]
    distinct = [part for i, part in enumerate(options) if part not in options[:i]]
    if len(distinct) == 1:
        return {"items": _strict(distinct[0], dialect)}
    if not distinct:
        raise _Inexpressible
    return {"items": {"anyOf": [_strict(option, dialect) for option in distinct]}}


def _describe_keywords(closed: dict[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Move the keywords that strict mode does not know into the description, as JSON."""
    if told:
        words = "; ".join(f"{name}: {json.dumps(value)}" for name, value in told.items())
        closed["description"] = f"{closed.get('description', '')} ({words})".lstrip()
    return closed


def _referenced(closed: dict[str, Any]) -> dict[str, Any]:
    """Keep a `$ref` alone, as strict mode demands: its description stands one level above."""
    if "$ref" not in closed or len(closed) == 1:
        return closed
    return {"anyOf": [{"$ref": closed.pop("$ref")}], **closed}


def _untitled(node: Any) -> Any:
    """Leave out the titles that pydantic makes of field names: they cost tokens and say nothing."""
    if isinstance(node, list):
        return [_untitled(part) for part in node]
    if not isinstance(node, dict):
        return node
    bare = {name: _untitled(part) for name, part in node.items()}
    fields = bare.get("properties")
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if isinstance(field, dict) and field.get("title") == name.title().replace("_", " ").strip():
            del field["title"]
    return bare


@functools.cache
def _generator() -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        """Quiet where Python knows more than a schema says, and telling that a key is a number."""

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012 - as in the parent

        def dict_schema(self, schema: Any) -> dict[str, Any]:
            found = super().dict_schema(schema)
            if _key_type(schema) == "int":
                found.setdefault("propertyNames", {"pattern": "^-?[0-9]+$"})
            return found

    return Generator


def _key_type(schema: Mapping[str, Mapping[str, Any]]) -> Any:
    return schema.get("keys_schema", {}).get("type")

"""How a type is shown while its JSON arrives: read once from pydantic's core schema of it.

A node of the schema that is not known here (a union, an enum, a custom type) is shown when it has
closed; then pydantic validates its text. So whatever pydantic adds is shown late, never wrongly.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from declarai_like._outputs import coercions
from declarai_like._outputs.containers import MapContainer, RecordContainer
from declarai_like._outputs.fields import Record, keys_of
from declarai_like._outputs.leaves import LEAVES
from declarai_like._outputs.sequences import ListContainer, SetContainer, TupleContainer
from declarai_like._outputs.shape import Shape
from declarai_like._outputs.unions import for_choice, open_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Node = Mapping[str, Any]

__all__ = ["shape_of"]

_FUNCTIONS = frozenset({"function-after", "function-before", "function-wrap"})
_AROUND = _FUNCTIONS | {"nullable"}
_TRANSPARENT = {"default": "schema", "definitions": "schema", "json-or-python": "json_schema"}
_LISTS = frozenset({"frozenset", "list", "named-tuple", "set", "tuple"})
# Beside these, a string is the only member of a union that takes a text.
_NO_TEXTS = frozenset({"bool", "dataclass", "dict", "float", "int", "list", "model", "none", "str", "typed-dict"})


class _Builder:
    """Reads the nodes of one core schema; classes only when their first object opens."""

    def __init__(self) -> None:
        self._definitions: dict[str, Node] = {}
        self._built: dict[str, Shape] = {}
        self._later: list[Callable[[], None]] = []

    def shape(self, node: Node, config: Node) -> Shape:
        """Read a node that stands in a class with this configuration."""
        kind = node["type"]
        if kind == "definitions":
            self._definitions.update((each["ref"], each) for each in node["definitions"])
        if kind == "definition-ref":
            reference = node["schema_ref"]
            return self._built.get(reference) or self.shape(self._definitions[reference], config)
        if kind in _TRANSPARENT:
            return self.shape(node[_TRANSPARENT[kind]], config)
        compiled = functools.partial(self._validator, node, config)
        if kind in _AROUND:
            inner = self.shape(node["schema"], config)
            shape = inner.within(compiled)
            if kind == "nullable":
                shape.coerce = coercions.for_nullable(inner)
                return shape
            return self._wrap_function(node, shape)
        if kind == "lax-or-strict":
            shape = Shape(compiled)
            shape.coerce = self.shape(node["lax_schema"], config).coerce
            return shape
        shape = Shape(compiled)
        if "ref" in node:
            self._built[node["ref"]] = shape
        if kind in LEAVES:
            LEAVES[kind](shape, node, config)
        elif kind in _READERS:
            _READERS[kind](self, shape, node, config)
        return shape

    def _wrap_function(self, node: Node, shape: Shape) -> Shape:
        """Let the node's function decide when the value has closed."""
        shape.composable = shape.text = False
        if node["type"] != "function-after":
            inner = shape.coerce
            shape.coerce = lambda data, repairs: data if shape.accepts(data) else inner(data, repairs)
        shape.contextual |= node["function"]["type"] == "with-info"
        return shape

    def _validator(self, node: Node, config: Node) -> Callable[..., Any]:
        from pydantic_core import SchemaValidator

        if self._definitions and _refers(node):
            node = {"type": "definitions", "schema": node, "definitions": list(self._definitions.values())}
        return SchemaValidator(node, config).validate_json  # type: ignore[arg-type]  # pydantic's own schema

    def read_any(self, shape: Shape, node: Node, config: Node) -> None:
        shape.grows = shape.text = shape.text_fits = True
        shape.opens = {
            "{": lambda outer: MapContainer(outer, None, shape),
            "[": lambda outer: ListContainer(outer, shape),
        }

    def read_list(self, shape: Shape, node: Node, config: Node) -> None:
        items = self._items(shape, node, config)
        shape.opens = {"[": lambda outer: ListContainer(outer, items)}

    def read_set(self, shape: Shape, node: Node, config: Node) -> None:
        items = self._items(shape, node, config)
        make = frozenset if node["type"] == "frozenset" else set
        shape.opens = {"[": lambda outer: SetContainer(outer, items, make)}

    def _items(self, shape: Shape, node: Node, config: Node) -> Shape:
        schema = node.get("items_schema", {"type": "any"})
        items = self.shape(schema, config)
        shape.limit(node.get("min_length"), node.get("max_length"))
        shape.contextual = items.contextual
        shape.coerce = coercions.for_items(items, holds_lists=schema["type"] in _LISTS)
        return items

    def read_dict(self, shape: Shape, node: Node, config: Node) -> None:
        values = self.shape(node.get("values_schema", {"type": "any"}), config)
        keys = self.shape(node.get("keys_schema", {"type": "any"}), config)
        shape.limit(node.get("min_length"), node.get("max_length"))
        shape.contextual = keys.contextual or values.contextual
        names = None if keys.text else keys
        shape.opens = {"{": lambda outer: MapContainer(outer, names, values)}
        shape.coerce = coercions.for_mapping(keys, values)

    def read_tuple(self, shape: Shape, node: Node, config: Node) -> None:
        items = [self.shape(item, config) for item in node["items_schema"]]
        variadic = node.get("variadic_item_index")
        if not items or variadic not in {None, len(items) - 1}:
            return  # shown when closed
        shape.limit(node.get("min_length", len(items) - (variadic is not None)), node.get("max_length"))
        shape.contextual = any(item.contextual for item in items)
        self._as_tuple(shape, items, tuple, variadic=variadic is not None)
        if variadic == 0:
            shape.coerce = coercions.for_items(items[0], holds_lists=node["items_schema"][0]["type"] in _LISTS)

    def read_named_tuple(self, shape: Shape, node: Node, config: Node) -> None:
        fields = node["fields"] if "fields" in node else node["arguments_schema"]["arguments_schema"]
        cls = node["cls"] if "cls" in node else node["function"]
        items = [self.shape(field["schema"], node.get("config", config)) for field in fields]
        missing = [field["schema"].get("default") for field in fields]
        shape.limit(sum(field["schema"]["type"] != "default" for field in fields), None)
        shape.contextual = any(item.contextual for item in items)
        self._as_tuple(shape, items, lambda values: cls(*values, *missing[len(values) :]), variadic=False)
        shape.coerce = coercions.for_named_positions([field["name"] for field in fields], items)

    def _as_tuple(
        self, shape: Shape, items: Sequence[Shape], make: Callable[[list[Any]], Any], *, variadic: bool
    ) -> None:
        shape.opens = {"[": lambda outer: TupleContainer(outer, items, make, variadic=variadic)}
        shape.coerce = coercions.for_positions(items, variadic=variadic)

    def read_union(self, shape: Shape, node: Node, config: Node) -> None:
        choices = node["choices"]
        tags = None
        if isinstance(choices, dict):
            tags = {str(tag): self.shape(choice, config) for tag, choice in choices.items()}
            members, kinds = list(tags.values()), {"model"}
        else:
            schemas = [each[0] if isinstance(each, tuple) else each for each in choices]
            members = [self.shape(schema, config) for schema in schemas]
            kinds = {schema["type"] for schema in schemas}
        shape.composable = False
        shape.contextual = any(member.contextual for member in members)
        shape.text_fits = any(member.text_fits for member in members)
        shape.grows = kinds <= _NO_TEXTS and any(member.grows for member in members)
        tag = node.get("discriminator")
        tags = tags if isinstance(tag, str) else None
        shape.coerce = for_choice(shape, members, tags, tag if isinstance(tag, str) else "")
        self._later.append(functools.partial(open_choice, shape, members, tags, tag))

    def read_object(self, shape: Shape, node: Node, config: Node) -> None:
        inner, checked = node.get("schema", node), False
        while inner["type"] in _FUNCTIONS:
            inner, checked = inner["schema"], True
        if node.get("root_model"):
            whole = self.shape(node["schema"], node.get("config", config))
            shape.text_fits = whole.text_fits
            shape.coerce = lambda data, repairs: whole.coerce(data, repairs)  # noqa: PLW0108 - it may not be built yet
            return  # shown when closed
        shape.composable = not (checked or node.get("post_init") or node.get("custom_init"))
        shape.record = record = functools.cache(functools.partial(self._record, node, inner, config))
        shape.opens = {"{": lambda outer: RecordContainer(outer, record())}
        shape.coerce = coercions.for_record(record)

    def _record(self, node: Node, inner: Node, config: Node) -> Record:
        config = {**node.get("config", config)}
        extra = inner.get("extra_behavior")
        if extra is not None:
            config["extra_fields_behavior"] = extra
        record = Record(node, config)
        fields = inner["fields"]
        named = fields.items() if isinstance(fields, dict) else ((each["name"], each) for each in fields)
        for name, field in named:
            self._field(record, name, field, config)
        self.open_choices()
        return record

    def _field(self, record: Record, name: str, field: Node, config: Node) -> None:
        schema, kind = field["schema"], field["type"]
        defaulted = schema["type"] == "default"
        if kind != "typed-dict-field":
            record.default(name, schema if defaulted else {})
        if not defaulted and field.get("required", True):
            record.required.add(name)
        shape = self.shape(schema, config)
        keys, only = keys_of(name, field, config)
        record.add(name, keys, shape)
        unlike = shape.contextual or field.get("init_only") or field.get("init") is False
        record.composable &= only and not unlike and not (defaulted and kind == "typed-dict-field")

    def open_choices(self) -> None:
        """Let unions open their members, once these are known."""
        while self._later:
            self._later.pop()()


_READERS: dict[str, Callable[[_Builder, Shape, Node, Node], None]] = {
    "any": _Builder.read_any,
    "call": _Builder.read_named_tuple,
    "dataclass": _Builder.read_object,
    "dict": _Builder.read_dict,
    "frozenset": _Builder.read_set,
    "list": _Builder.read_list,
    "model": _Builder.read_object,
    "named-tuple": _Builder.read_named_tuple,
    "set": _Builder.read_set,
    "tagged-union": _Builder.read_union,
    "tuple": _Builder.read_tuple,
    "typed-dict": _Builder.read_object,
    "union": _Builder.read_union,
}


def shape_of(schema: Node) -> Shape:
    """Read a core schema."""
    builder = _Builder()
    shape = builder.shape(schema, {})
    builder.open_choices()
    return shape


def _refers(node: Any) -> bool:
    """Whether a node mentions a definition that stands elsewhere."""
    if isinstance(node, dict):
        return node.get("type") == "definition-ref" or any(
            _refers(part) for name, part in node.items() if name not in {"metadata", "serialization"}
        )
    return isinstance(node, list) and any(map(_refers, node))

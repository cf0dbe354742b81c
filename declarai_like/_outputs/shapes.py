"""How a type is shown while its JSON arrives: read once from pydantic's core schema of it.

A node of the schema that is not known here (a union, an enum, a custom type) is shown when it has
closed; then pydantic validates its text. So whatever pydantic adds is shown late, never wrongly.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.containers import ListFrame, MapFrame, RecordFrame, RootFrame, SetFrame, TupleFrame
from declarai_like._outputs.fields import Record, is_plain, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from declarai_like._outputs.containers import Frame

    Node = Mapping[str, Any]
    Opener = Callable[["Shape", int, int], Frame]

__all__ = ["Shape", "shape_of"]

_ALONE = frozenset({"metadata", "ref", "serialization", "type"})
_FUNCTIONS = frozenset({"function-after", "function-before", "function-wrap"})
_AROUND = _FUNCTIONS | {"nullable"}
_TRANSPARENT = {"default": "schema", "definitions": "schema", "json-or-python": "json_schema"}


class Shape:
    """One node of a type.

    `opens` says what to do at a bracket, `grows` whether a string is shown before it has closed,
    `text` whether any string is valid as it is, `composable` whether an object or array is valid
    when its children are. `contextual` is a validator that wants to see the fields before it.
    """

    __slots__ = ("_bounds", "_compile", "_validate", "composable", "contextual", "grows", "opens", "text")

    def __init__(self, compile_validator: Callable[[], Callable[[str], Any]]) -> None:
        self.validate_with(compile_validator)
        self._bounds: tuple[int, int | None] = (0, None)
        self.opens: Mapping[str, Opener] = {}
        self.grows = self.text = self.contextual = False
        self.composable = True

    def within(self, compile_validator: Callable[[], Callable[[str], Any]]) -> Shape:
        """Return the same, validated by a node that stands around it."""
        outer = copy.copy(self)
        outer.validate_with(compile_validator)
        return outer

    def validate_with(self, compile_validator: Callable[[], Callable[[str], Any]]) -> None:
        """Build the validator with this when it is first needed."""
        self._compile = compile_validator
        self._validate: Callable[[str], Any] | None = None

    def limit(self, least: int | None, most: int | None) -> None:
        """Let it hold from `least` to `most` children."""
        self._bounds = (least or 0, most)

    def holds(self, count: int) -> bool:
        """Whether so many valid children make it valid."""
        least, most = self._bounds
        return self.composable and least <= count and (most is None or count <= most)

    def read(self, text: str, plain: Any) -> tuple[Any, bool]:
        """Validate the JSON text of a closed value; `plain` and `False` if it is not valid."""
        if self._validate is None:
            self._validate = self._compile()
        try:
            return self._validate(text), True
        except Exception:  # also a user's validator: the whole text's own reading reports it
            return plain, False


class _Builder:
    """Reads the nodes of one core schema; classes only when their first object opens."""

    def __init__(self) -> None:
        self._definitions: dict[str, Node] = {}
        self._built: dict[str, Shape] = {}

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
            shape = self.shape(node["schema"], config).within(compiled)
            return shape if kind == "nullable" else self._checked(node, shape)
        shape = Shape(compiled)
        if "ref" in node:
            self._built[node["ref"]] = shape
        if kind in _READERS:
            _READERS[kind](self, shape, node, config)
        return shape

    def _checked(self, node: Node, shape: Shape) -> Shape:
        """Let the node's function decide when the value has closed."""
        shape.composable = shape.text = False
        shape.contextual |= node["function"]["type"] == "with-info"
        return shape

    def _validator(self, node: Node, config: Node) -> Callable[[str], Any]:
        from pydantic_core import SchemaValidator

        if self._definitions and _refers(node):
            node = {"type": "definitions", "schema": node, "definitions": list(self._definitions.values())}
        return SchemaValidator(node, config).validate_json  # type: ignore[arg-type]  # pydantic's own schema

    def read_str(self, shape: Shape, node: Node, config: Node) -> None:
        shape.grows = True
        shape.text = node.keys() <= _ALONE and is_plain(config)

    def read_any(self, shape: Shape, node: Node, config: Node) -> None:
        shape.grows = shape.text = True
        shape.opens = {
            "{": lambda outer, chunk, start: MapFrame(outer, chunk, start, None, shape),
            "[": lambda outer, chunk, start: ListFrame(outer, chunk, start, shape),
        }

    def read_list(self, shape: Shape, node: Node, config: Node) -> None:
        items = self._items(shape, node, config)
        shape.opens = {"[": lambda outer, chunk, start: ListFrame(outer, chunk, start, items)}

    def read_set(self, shape: Shape, node: Node, config: Node) -> None:
        items = self._items(shape, node, config)
        make = frozenset if node["type"] == "frozenset" else set
        shape.opens = {"[": lambda outer, chunk, start: SetFrame(outer, chunk, start, items, make)}

    def _items(self, shape: Shape, node: Node, config: Node) -> Shape:
        items = self.shape(node.get("items_schema", {"type": "any"}), config)
        shape.limit(node.get("min_length"), node.get("max_length"))
        shape.contextual = items.contextual
        return items

    def read_dict(self, shape: Shape, node: Node, config: Node) -> None:
        values = self.shape(node.get("values_schema", {"type": "any"}), config)
        keys = self.shape(node.get("keys_schema", {"type": "any"}), config)
        shape.limit(node.get("min_length"), node.get("max_length"))
        shape.contextual = keys.contextual or values.contextual
        names = None if keys.text else keys
        shape.opens = {"{": lambda outer, chunk, start: MapFrame(outer, chunk, start, names, values)}

    def read_tuple(self, shape: Shape, node: Node, config: Node) -> None:
        items = [self.shape(item, config) for item in node["items_schema"]]
        variadic = node.get("variadic_item_index")
        if not items or variadic not in {None, len(items) - 1}:
            return  # shown when closed
        shape.limit(node.get("min_length", len(items) - (variadic is not None)), node.get("max_length"))
        shape.contextual = any(item.contextual for item in items)
        self._as_tuple(shape, items, tuple, variadic=variadic is not None)

    def read_named_tuple(self, shape: Shape, node: Node, config: Node) -> None:
        fields = node["fields"] if "fields" in node else node["arguments_schema"]["arguments_schema"]
        cls = node["cls"] if "cls" in node else node["function"]
        items = [self.shape(field["schema"], node.get("config", config)) for field in fields]
        missing = [field["schema"].get("default") for field in fields]
        shape.limit(sum(field["schema"]["type"] != "default" for field in fields), None)
        shape.contextual = any(item.contextual for item in items)
        self._as_tuple(shape, items, lambda values: cls(*values, *missing[len(values) :]), variadic=False)

    def _as_tuple(
        self, shape: Shape, items: Sequence[Shape], make: Callable[[list[Any]], Any], *, variadic: bool
    ) -> None:
        shape.opens = {"[": lambda outer, chunk, start: TupleFrame(outer, chunk, start, items, make, variadic=variadic)}

    def read_object(self, shape: Shape, node: Node, config: Node) -> None:
        inner, checked = node.get("schema", node), False
        while inner["type"] in _FUNCTIONS:
            inner, checked = inner["schema"], True
        if node.get("root_model"):
            return  # shown when closed
        shape.composable = not (checked or node.get("post_init") or node.get("custom_init"))
        record = functools.cache(functools.partial(self._record, node, inner, config))
        shape.opens = {"{": lambda outer, chunk, start: RecordFrame(outer, chunk, start, record())}

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
        record.fields.update((key, (name, shape)) for key in keys)
        unlike = shape.contextual or field.get("init_only") or field.get("init") is False
        record.composable &= only and not unlike and not (defaulted and kind == "typed-dict-field")


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
    "str": _Builder.read_str,
    "tuple": _Builder.read_tuple,
    "typed-dict": _Builder.read_object,
}


def shape_of(schema: Node, *, key: str | None) -> Shape:
    """Read a core schema; with `key`, the value stands under it in an object, or an array stands bare."""
    inner = _Builder().shape(schema, {})
    if key is None:
        return inner
    root = copy.copy(inner)
    root.opens = {"{": lambda _, chunk, start: RootFrame(inner, chunk, start, key)}
    if "[" in inner.opens:
        root.opens["["] = inner.opens["["]
    return root


def _refers(node: Any) -> bool:
    """Whether a node mentions a definition that stands elsewhere."""
    if isinstance(node, dict):
        return node.get("type") == "definition-ref" or any(
            _refers(part) for name, part in node.items() if name not in {"metadata", "serialization"}
        )
    return isinstance(node, list) and any(map(_refers, node))

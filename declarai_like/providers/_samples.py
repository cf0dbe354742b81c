"""Values made up for a JSON Schema, as a model might answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from math import ceil, floor
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

_DEEP = 4
"""So deep in a value only what must be there is."""
_SPAN = 10
_UNIQUE_TRIES = 20
_WORDS = (
    "amber",
    "bridge",
    "candle",
    "canyon",
    "cedar",
    "copper",
    "ember",
    "falcon",
    "garden",
    "harbour",
    "island",
    "ivory",
    "lantern",
    "maple",
    "meadow",
    "mirror",
    "orchard",
    "pebble",
    "river",
    "silver",
    "summit",
    "velvet",
    "violet",
    "winter",
)
_SENTENCES = (
    "The {} lies between the {} and the {}.",
    "A {} is worth more than a {} or a {}.",
    "Many look for the {}, few find the {} behind the {}.",
    "In the end the {} and the {} share one {}.",
)
_EPOCH = datetime(2024, 1, 1, tzinfo=timezone.utc)


def sentences(random: Random) -> str:
    """Make up a short text."""
    chosen = random.sample(_SENTENCES, random.randint(1, 3))
    return " ".join(sentence.format(*random.sample(_WORDS, 3)) for sentence in chosen)


class Sampler:
    """Makes up values for a schema with its `$defs`; the same ones for the same random numbers.

    `number_keys` names the entries of free objects by numbers: not every key may be a word, and the schema of a
    `dict[int, T]` does not tell. Patterns are not looked at.
    """

    def __init__(self, schema: Mapping[str, Any], random: Random, *, number_keys: bool = False) -> None:
        self._schema = schema
        self._defs = schema.get("$defs", {})
        self._random = random
        self._number_keys = number_keys

    def sample(self) -> Any:
        """Make up one value."""
        return self._value(self._schema, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return self._word()
        if "$ref" in schema:
            return self._value(self._defs[schema["$ref"].rpartition("/")[2]], depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._value(self._option(schema[several], depth), depth)
        make = _MAKERS.get(schema.get("type", ""))
        return self._word() if make is None else make(self, schema, depth)

    def _option(self, options: list[Any], depth: int) -> Any:
        """Choose one of several; deep down one that leads no deeper, if there is one."""
        flat = [option for option in options if option.get("type") in _FLAT or "enum" in option or "const" in option]
        return self._random.choice(flat if flat and depth >= _DEEP else options)

    def make_object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        told, required = schema.get("properties", {}), schema.get("required", ())
        made = {name: self._value(told[name], depth + 1) for name in told if name in required or depth < _DEEP}
        if not told and schema.get("additionalProperties", True):
            for _ in range(self._size(schema, "Properties", depth)):
                made[self._key(schema)] = self._value(schema.get("additionalProperties"), depth + 1)
        return made

    def _key(self, schema: Mapping[str, Any]) -> str:
        if self._number_keys:
            return str(self._random.randint(1, 100))
        return str(self._value(schema.get("propertyNames"), 0))

    def make_array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        made = [self._value(item, depth + 1) for item in schema.get("prefixItems", ())]
        if "prefixItems" in schema and not schema.get("items"):
            return made
        size = self._size(schema, "Items", depth)
        for _ in range(size * _UNIQUE_TRIES):
            if len(made) >= size:
                break
            item = self._value(schema.get("items"), depth + 1)
            if not (schema.get("uniqueItems") and item in made):
                made.append(item)
        return made

    def _size(self, schema: Mapping[str, Any], of: str, depth: int) -> int:
        least = schema.get(f"min{of}", 0)
        most = schema.get(f"max{of}", max(least, 3))
        return int(least if depth >= _DEEP else self._random.randint(max(least, min(1, most)), most))

    def make_integer(self, schema: Mapping[str, Any], depth: int) -> int:
        low, high = _bounds(schema)
        step = schema.get("multipleOf", 1)
        first, last = ceil(low / step), floor(high / step)
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        return int(self._random.randint(first, max(first, last)) * step)

    def make_number(self, schema: Mapping[str, Any], depth: int) -> float:
        if "multipleOf" in schema:
            return self.make_integer(schema, depth)
        low, high = _bounds(schema)
        return round(low + (high - low) * self._random.uniform(0.05, 0.95), 4)

    def make_boolean(self, schema: Mapping[str, Any], depth: int) -> bool:
        return self._random.random() < 0.5  # noqa: PLR2004 - either

    def make_null(self, schema: Mapping[str, Any], depth: int) -> None:
        return None

    def make_string(self, schema: Mapping[str, Any], depth: int) -> str:
        make = _FORMATS.get(schema.get("format", ""))
        if make is not None:
            return make(self._random)
        text = self._word()
        while len(text) < schema.get("minLength", 0):
            text = f"{text} {self._word()}"
        return text[: schema.get("maxLength")]

    def _word(self) -> str:
        return self._random.choice(_WORDS)


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 1 if high is None else high - _SPAN
    return low, low + _SPAN - 1 if high is None else high


def _moment(random: Random) -> datetime:
    return _EPOCH + timedelta(minutes=random.randrange(60 * 24 * 365))


_MAKERS: dict[str, Callable[[Sampler, Mapping[str, Any], int], Any]] = {
    "object": Sampler.make_object,
    "array": Sampler.make_array,
    "integer": Sampler.make_integer,
    "number": Sampler.make_number,
    "boolean": Sampler.make_boolean,
    "null": Sampler.make_null,
    "string": Sampler.make_string,
}
_FLAT = _MAKERS.keys() - {"object", "array"}
_FORMATS: dict[str, Callable[[Random], str]] = {
    "date-time": lambda random: _moment(random).isoformat(),
    "date": lambda random: _moment(random).date().isoformat(),
    "time": lambda random: _moment(random).time().isoformat(),
    "duration": lambda random: f"PT{random.randint(1, 90)}M",
    "uuid": lambda random: str(UUID(int=random.getrandbits(128), version=4)),
    "email": lambda random: f"{random.choice(_WORDS)}@example.com",
    "uri": lambda random: f"https://example.com/{random.choice(_WORDS)}",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 9999):x}",
}

"""The classes with named fields, as far as a partial value needs to know them."""

from __future__ import annotations

import contextlib
import copy
import functools
import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from declarai_like._outputs.shape import Shape

    Node = Mapping[str, Any]
    Build = Callable[[dict[str, Any], set[str]], Any]

__all__ = ["Record", "is_plain", "keys_of"]

_set = object.__setattr__
_BETWEEN_WORDS = re.compile(r"[\s_-]+")

# Without these in a class's configuration, a JSON value of the declared type is valid as it is.
_STRICTER = frozenset(
    {
        *("allow_inf_nan", "coerce_numbers_to_str", "strict", "str_max_length", "str_min_length"),
        *("str_strip_whitespace", "str_to_lower", "str_to_upper", "validate_default"),
    }
)


class Record:
    """The fields of a class, and the way to build it from those that have arrived.

    `fields` is by the names in JSON: the name in Python, and the type.
    """

    def __init__(self, node: Node, config: Node) -> None:
        self.build = _build_of(node, config)
        self.fields: dict[str, tuple[str, Shape]] = {}
        self.required: set[str] = set()
        self.ignores_extra = config.get("extra_fields_behavior", "ignore") == "ignore"
        self.composable = is_plain(config)
        self.allows_extra = config.get("extra_fields_behavior") == "allow"
        self._spellings: dict[str, set[str]] = {}
        self._defaults: dict[str, Any] = {}
        self._made: dict[str, Callable[[], Any]] = {}

    def add(self, name: str, keys: list[str], shape: Shape) -> None:
        """Add a field, which stands in JSON under any of `keys`."""
        self.fields.update((key, (name, shape)) for key in keys)
        for key in keys:
            self._spellings.setdefault(_fold(key), set()).update(keys[-1:])

    def field(self, key: str, arrived: set[str]) -> tuple[str, Shape] | None:
        """Give the field under a key, or under one that is spelled otherwise; `None` if there is none."""
        field = self.fields.get(key)
        if field is None:
            keys = self._spellings.get(_fold(key), ())
            field = self.fields[next(iter(keys))] if len(keys) == 1 else None
            if field is not None and field[0] in arrived:
                return None
        return field

    def match(self, key: str, data: Mapping[str, Any]) -> tuple[str, Shape | None]:
        """Give the key that is meant by one in `data`, and the type under it, if any.

        Raises `Refused` where a key is there in two spellings.
        """
        field = self.fields.get(key)
        if field is not None:
            return key, field[1]
        keys = self._spellings.get(_fold(key), ())
        if len(keys) != 1:
            return key, None
        (meant,) = keys
        if meant not in data:
            return meant, self.fields[meant][1]
        if self.allows_extra:
            return key, None
        raise Refused(f"two keys for one field: {key!r} and {meant!r}")

    def blank(self) -> dict[str, Any]:
        """Return the values of an object of which nothing has arrived."""
        values = self._defaults.copy()
        for name, make in self._made.items():
            with contextlib.suppress(Exception):  # a user's factory; the whole text's own reading reports it
                values[name] = make()
        return values

    def default(self, name: str, node: Node) -> None:
        """Take what a field is before it arrives: its default, or `None`."""
        factory, default = node.get("default_factory"), node.get("default")
        self._defaults[name] = None
        if node.get("validate_default") or node.get("default_factory_takes_data"):
            self.composable = False
        elif factory is not None:
            self._made[name] = factory
        elif type(default).__hash__ is None:  # mutable: pydantic copies it for each object
            self._made[name] = functools.partial(copy.deepcopy, default)
        else:
            self._defaults[name] = default


def _fold(key: str) -> str:
    return _BETWEEN_WORDS.sub("", key).casefold()


def is_plain(config: Node) -> bool:
    """Whether a class's configuration leaves the values of its fields alone."""
    return _STRICTER.isdisjoint(config)


def keys_of(name: str, field: Node, config: Node) -> tuple[list[str], bool]:
    """Return the names of a field in JSON, and whether it stands under one name and nowhere else.

    They are its aliases, and its own name where that counts. An alias may also be a path to some
    deeper place. Which of several counts, when more than one is there, only validation tells.
    """
    alias = field.get("validation_alias")
    if alias is None:
        return [name], True
    paths = [[alias]] if isinstance(alias, str) else [alias] if isinstance(alias[0], str) else alias
    own = [name] if config.get("populate_by_name") or config.get("validate_by_name") else []
    names = own + [path[0] for path in paths if len(path) == 1]
    return names, len(names) == len(own) + len(paths) == 1


def _build_of(node: Node, config: Node) -> Build:
    """Return what makes an instance of the values that have arrived, given their names."""
    if node["type"] == "model":
        return _model_build(node["cls"], config)
    if node["type"] == "dataclass":
        return _dataclass_build(node["cls"])
    return lambda values, _: values


def _model_build(cls: Any, config: Node) -> Build:
    """Build a pydantic model as it would build itself, only without validation."""
    from pydantic import BaseModel

    slots = vars(BaseModel)
    set_values, set_arrived = slots["__dict__"].__set__, slots["__pydantic_fields_set__"].__set__
    set_extra, set_private = slots["__pydantic_extra__"].__set__, slots["__pydantic_private__"].__set__
    new = cls.__new__
    allows_extra = config.get("extra_fields_behavior") == "allow"
    private = _private_defaults(cls)

    def build(values: dict[str, Any], arrived: set[str]) -> Any:
        model = new(cls)
        set_values(model, values)
        set_arrived(model, arrived)
        set_extra(model, {} if allows_extra else None)
        set_private(model, copy.deepcopy(private) if private else private)
        return model

    return build


def _private_defaults(cls: Any) -> dict[str, Any] | None:
    """Return the private attributes that have a plain default; `None` if the model declares none at all."""
    from pydantic_core import PydanticUndefined

    private = cls.__private_attributes__
    defaults = {name: each.default for name, each in private.items() if each.default is not PydanticUndefined}
    return defaults if private else None


def _dataclass_build(cls: Any) -> Build:
    def build(values: dict[str, Any], _: set[str]) -> Any:
        instance = object.__new__(cls)
        for name, value in values.items():
            _set(instance, name, value)
        return instance

    return build

"""A type that is looked for in texts: how it is written exactly, and the forms in which models write it otherwise."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._outputs import exact
from declarai_like._outputs.containers import RootContainer
from declarai_like._outputs.plain_data import JSON_NUMBER, Number
from declarai_like._outputs.refusals import Refused, Repairs
from declarai_like._outputs.shapes import shape_of
from declarai_like._outputs.wordings import strip_marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import TypeAdapter

    from declarai_like._outputs.shape import Shape

    Form = tuple[Any, str]

__all__ = ["Target"]

T = TypeVar("T")

_ARGUMENTS = ("arguments", "parameters", "input", "args")
_WRAPPERS = 2


class Target(Generic[T]):
    """One type, with the key that it stands under if it is no object (`None` if it is one); built once.

    `is_container` is whether it is written in brackets, `is_list` whether in square ones, `root` its shape as it
    arrives.
    """

    def __init__(self, adapter: TypeAdapter[T], key: str, type_name: str, *, is_wrapped: bool, is_scalar: bool) -> None:
        self.key = key
        self._schema: Any = adapter.core_schema
        self._validator = adapter.validator
        self._shape = shape_of(adapter.core_schema)
        self.is_wrapped = is_wrapped
        self._type_name = type_name
        self.root = _under_key(self._shape, key) if is_wrapped else self._shape
        self.is_scalar = is_scalar
        self.is_list = "[" in self._shape.opens
        self.is_container = bool(self._shape.opens) or self._is_rooted_container(adapter.core_schema)

    @functools.cached_property
    def exact(self) -> Callable[[str], T]:
        """Read exactly what was asked for, or raise."""
        if self.is_wrapped:
            return exact.for_wrapped(_validator_of, self._schema, self.key)
        return exact.for_object(self._validator.validate_json, self._schema)

    def strict(self, text: str) -> T:
        """Read the JSON of the type without pydantic's leniency, under its key or bare; raises what pydantic does."""
        if not self.is_wrapped:
            return self._validator.validate_json(text, strict=True)  # type: ignore[no-any-return]
        if text.lstrip().startswith("{"):
            try:
                return self._strict_wrapper(text, strict=True)[self.key]  # type: ignore[no-any-return]
            except ValueError:
                if not self.is_container:
                    raise
        return self._validator.validate_json(text, strict=True)  # type: ignore[no-any-return]

    @functools.cached_property
    def _strict_wrapper(self) -> Callable[..., Any]:
        from pydantic_core import core_schema as core

        fields = {self.key: core.typed_dict_field(self._schema)}
        return _validator_of(core.typed_dict_schema(fields, extra_behavior="forbid"))

    @staticmethod
    def _is_rooted_container(schema: Any) -> bool:
        return bool(schema.get("root_model")) and schema["schema"]["type"] in {"list", "dict", "set", "tuple"}

    def coerce(self, data: Any, repairs: Repairs) -> Any:
        """Change plain data into what the type wants; raises `Refused`."""
        if self._shape.text_fits and isinstance(data, Number):  # alone, it is rather a mistake than the text
            return data
        return self._shape.coerce(data, repairs)

    def validate(self, text: str, *, forbids_extra: bool = False) -> T:
        """Validate JSON; a member that is not known is an error if that is told."""
        if forbids_extra:
            return validate_known(self._validator, text)  # type: ignore[no-any-return]  # of this very type
        return self._validator.validate_json(text)  # type: ignore[no-any-return]

    def forms(self, data: Any, *, is_whole: bool) -> Iterator[Form]:
        """Yield what may be the value in an object or array, the likeliest first, with the repair's name or `""`.

        Another key than the one asked for is taken only where the object `is_whole`: among words it is rather an
        example of something else. Raises `Refused` where the key comes too late.
        """
        return self._wrapped_forms(data, is_whole=is_whole) if self.is_wrapped else self._object_forms(data)

    def _wrapped_forms(self, data: Any, *, is_whole: bool) -> Iterator[Form]:
        name = self._key_in(data)
        if name is not None:
            if "{" in self._shape.opens and next(iter(data)) != name:
                raise Refused(f"the key {self.key!r} stands beside others")
            yield data[name], "" if name == self.key else "key_spelling"
            return
        unwrapped = list(self._unwrapped(data)) if is_whole else []
        is_listed = (
            self.is_list and "{" not in self._shape.opens and any(isinstance(inner, list) for inner, _ in unwrapped)
        )
        if not is_listed:
            yield data, "missing_wrapper"
        yield from unwrapped
        if is_listed:
            yield data, "missing_wrapper"

    def _key_in(self, data: Any) -> str | None:
        if not isinstance(data, dict):
            return None
        if self.key in data:
            return self.key
        folded = [name for name in data if _fold(name) == _fold(self.key)]
        return folded[0] if len(folded) == 1 else None

    def _unwrapped(self, data: Any) -> Iterator[Form]:
        for _ in range(_WRAPPERS if self.is_container else 1):
            if not isinstance(data, dict) or len(data) != 1:
                return
            (data,) = data.values()
            yield data, "wrong_key"

    def _object_forms(self, data: Any) -> Iterator[Form]:
        record = self._shape.record
        known = record() if record else None
        astray = self._astray(data)
        if astray is not None and known is not None and not known.allows_extra:
            inner = astray[0]
            names = {_fold(name) for name in known.fields}
            if isinstance(inner, dict) and any(_fold(name) in names for name in inner):
                yield astray
        yield data, ""
        if astray is not None:
            yield astray
        arguments = self._call_arguments(data)
        if arguments is not None:
            yield arguments, "function_call"

    def _astray(self, data: Any) -> Form | None:
        """Give the value of an only key that is no field."""
        if not isinstance(data, dict) or len(data) != 1:
            return None
        ((name, inner),) = data.items()
        record = self._shape.record
        if record is None or record().field(name, set()) is not None or not isinstance(inner, (dict, list, str)):
            return None
        return inner, "extra_wrapper" if name == self.key else "wrong_key"

    def _call_arguments(self, data: Any) -> Any:
        """Give the arguments of a function call that names the type."""
        if not isinstance(data, dict) or len(data) != 2 or not isinstance(data.get("name"), str):  # noqa: PLR2004 - a name and arguments
            return None
        name = next((name for name in _ARGUMENTS if name in data), None)
        return None if name is None or _fold(data["name"]) != _fold(self._type_name) else data[name]

    def _is_broken(self, text: str) -> bool:
        """Whether a text that might be the value itself is rather JSON that lost its brackets."""
        names_key = re.search(rf"\b{re.escape(self.key)}\b[\"'`*]*\s*[:=]", text)
        return names_key is not None or (text[0] == '"' and text.count('"') == 1)

    def bare(self, text: str) -> Iterator[Form]:
        """Yield what a text without brackets may be, the likeliest first.

        Raises `Refused` for a text that names the key: that is a broken object.
        """
        word = strip_marks(text)
        if not text or not self.is_wrapped:
            return
        if self._shape.text_fits and self._is_broken(text):
            raise Refused(f"it names the key {self.key!r}, or opens a quote, but is no JSON")
        scalar = _scalar(text)
        if scalar is not None:
            yield scalar[0], "bare_scalar" if self.is_scalar else "missing_wrapper"
        if word in {"None", "null"}:
            yield None, "bare_scalar"
        yield text, "bare_scalar"
        if word and word != text:
            yield word, "bare_scalar"


def _validator_of(schema: Any) -> Callable[..., Any]:
    from pydantic_core import SchemaValidator

    return SchemaValidator(schema).validate_json


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _scalar(text: str) -> tuple[Any] | None:
    """Give the data of a text that is a JSON string, number, truth or `null`."""
    if JSON_NUMBER.fullmatch(text):
        return (Number(text),)
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return (data,) if isinstance(data, (str, bool)) or data is None else (Number(text),)


def validate_known(validator: Any, text: str) -> Any:
    """Validate JSON in which no member may be unknown; pydantic before 2.12 cannot tell, and lets it be."""
    try:
        return validator.validate_json(text, extra="forbid")
    except TypeError:  # pragma: no cover - with an older pydantic only
        return validator.validate_json(text)


def _under_key(inner: Shape, key: str) -> Shape:
    """Return the shape of a type that stands under a key in an object, or bare."""
    root = copy.copy(inner)
    root.opens = {"{": lambda _: RootContainer(inner, key, inner)}
    if "[" in inner.opens:
        root.opens["["] = lambda _: inner.opens["["](inner)
    return root

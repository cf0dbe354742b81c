"""What tasks and chats take and give, as JSON Schema and as checks of what comes in.

A schema tells names and types only: no docstring, no description, nothing that a model is told.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_jsonable_python
from typing_extensions import NotRequired, Required, TypedDict

from declarai_like.errors import ConfigurationError
from declarai_like.media._json import UPLOAD
from declarai_like.serve._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like._prompting.signatures import Signature
    from declarai_like.serve._uploads import Posted, Upload

__all__ = ["Arguments", "return_schema", "to_json_data", "values_schema"]

_SHOWN_ERRORS, _SHOWN_LENGTH = 5, 80
_CUSTOM_ERRORS = frozenset({"value_error", "assertion_error"})
"""Kinds of errors whose words come from validators of one's own, which may quote the value."""
_SCALARS = (str, int, float, bool, type(None))


class Arguments:
    """The arguments that a function takes, checked as JSON."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature.signature
        self._media = signature.media
        hints = _resolve_hints(signature)
        parameters = self._signature.parameters.values()
        if any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters):
            raise ConfigurationError(f"{signature.where}: a task with * or ** parameters cannot be served")
        fields = {p.name: _field(p, hints.get(p.name, Any)) for p in parameters}
        make: Any = TypedDict  # checkers know those only whose fields are written down
        kind = make(signature.name, fields)
        kind.__pydantic_config__ = {"extra": "forbid"}
        try:
            self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(kind)
            schema = self._adapter.json_schema()
        except Exception as error:
            reason, _, _ = str(error).partition("\n")
            raise ConfigurationError(f"{signature.where}: a parameter cannot be given as JSON: {reason}").with_cause(
                error
            ) from None
        self.schema = _strip_descriptions(schema)
        for parameter in parameters:
            if isinstance(parameter.default, _SCALARS):
                self.schema["properties"][parameter.name]["default"] = parameter.default
        self.names = frozenset(fields)
        texts = [p.name for p in parameters if hints.get(p.name) is str]
        self._texts = frozenset(texts)
        needed = {p.name for p in parameters if p.default is p.empty}
        self.text_name = next((name for name in texts if needed <= {name}), None)
        """The parameter that a mere text fills, if one is enough."""

    @property
    def takes_files(self) -> bool:
        """Whether there are parameters that take media."""
        return bool(self._media)

    def read_form(self, posted: Posted) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Read the fields of a form: texts as they are, other values as JSON; raises `Problem` if they do not fit."""
        uploads: list[Upload] = []
        values: dict[str, Any] = {name: self._field_value(name, told[-1]) for name, told in posted.texts.items()}
        for name, files in posted.files.items():
            parameter = self._media.get(name)
            if parameter is None:
                raise Problem(422, f"{name[:_SHOWN_LENGTH]}: takes no file")
            if len(files) > 1 and not parameter.takes_several:
                raise Problem(422, f"{name[:_SHOWN_LENGTH]}: takes one file")
            places = [{UPLOAD: len(uploads) + at} for at in range(len(files))]
            uploads += files
            values[name] = places[0] if len(files) == 1 and parameter.takes_one else places
        return self.read(json.dumps(values), uploads)

    def _field_value(self, name: str, text: str) -> Any:
        if name in self._texts:
            return text
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError:
            return text

    def read(self, data: bytes | str, uploads: Sequence[Upload] = ()) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Read a JSON object of arguments; raises `Problem` if it does not fit the signature.

        Media are JSON too, or `{"upload": number}` of `uploads`. What they say by address is downloaded here: who asks
        is not to make a server of ours ask another one.
        """
        try:
            values = self._adapter.validate_json(data, context={UPLOAD: uploads})
        except ValidationError as error:
            raise _explain_mismatch(error) from None
        given = OrderedDict((name, values[name]) for name in self._signature.parameters if name in values)
        bound = inspect.BoundArguments(self._signature, given)
        bound.apply_defaults()
        return bound.args, bound.kwargs


def _resolve_hints(signature: Signature) -> Mapping[str, Any]:
    inner: Any = inspect.unwrap(signature.function)
    local = dict(signature.local_names)  # those of a function around this one
    try:
        return typing.get_type_hints(inner, localns=local, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(
            f"{signature.where}: the types of its parameters cannot be resolved: {error}"
        ).with_cause(error) from None


def _field(parameter: inspect.Parameter, kind: Any) -> Any:
    return Required[kind] if parameter.default is parameter.empty else NotRequired[kind]


def _explain_mismatch(error: ValidationError) -> Problem:
    """Tell what does not fit by the names of fields, never by their values."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return Problem(400, "the body is no JSON")
    lines = [_describe_error(each) for each in errors[:_SHOWN_ERRORS]]
    return Problem(422, f"the arguments do not fit: {'; '.join(lines)}")


def _describe_error(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))[:_SHOWN_LENGTH] or "the body"
    return f"{place}: {'is not accepted' if error['type'] in _CUSTOM_ERRORS else error['msg']}"


def return_schema(annotation: Any) -> dict[str, Any] | None:
    """Give the schema of what a task returns; `None` for text."""
    if annotation is str:
        return None
    schema: dict[str, Any] = _strip_descriptions(TypeAdapter(annotation).json_schema(mode="serialization"))
    return schema


def values_schema(names: frozenset[str], required: frozenset[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema of the values that a chat's system prompt takes, with defaults that are plain."""
    told = {name: {"default": value} for name, value in defaults.items() if isinstance(value, (str, int, float))}
    return {
        "type": "object",
        "properties": {name: told.get(name, {}) for name in sorted(names)},
        "required": sorted(required),
        "additionalProperties": False,
    }


def to_json_data(value: Any) -> Any:
    """Give a task's value as JSON data; what JSON has no number for is `None`."""
    return to_jsonable_python(value, by_alias=True, inf_nan_mode="null")


def _strip_descriptions(schema: Any) -> Any:
    """Leave out of a schema what is written for readers or models."""
    if isinstance(schema, list):
        return [_strip_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value if name in {"default", "const", "enum"} else _strip_descriptions(value)
        for name, value in schema.items()
        if not (name == "description" and isinstance(value, str))
        and not (name == "examples" and isinstance(value, list))
    }

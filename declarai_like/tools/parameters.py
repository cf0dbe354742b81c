"""The parameters of a tool: the schema that the model is shown, and the way from its arguments to ours."""

from __future__ import annotations

import inspect
import json
import typing
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from declarai_like._outputs import schemas
from declarai_like._prompting.binding import has_default, is_variadic
from declarai_like._prompting.namespaces import local_names
from declarai_like._prompting.signatures import with_references
from declarai_like.errors import DefinitionError
from declarai_like.tools.contexts import ToolContext, check_injected, injected_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter

    from declarai_like._prompting.signatures import Signature

__all__ = ["InvalidArguments", "Parameters"]


class InvalidArguments(ValueError):
    """The arguments are not what the schema says; the text tells the model path, expected and got."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """What a tool takes: `shown` from the model, `injected` from `deps`; `contexts` are the running call."""

    where: str
    shown: Mapping[str, Any]
    """The types by name, in order."""
    optional: frozenset[str]
    """The names of those that have a default."""
    descriptions: Mapping[str, str]
    injected: Mapping[str, Any]
    contexts: tuple[str, ...]
    defaults: Mapping[str, Any]
    """The defaults of those that are shown."""

    @classmethod
    def of(cls, signature: Signature) -> Parameters:
        """Read a function's parameters; raises `DefinitionError` for one that a model cannot give."""
        parameters = signature.signature.parameters
        for name, parameter in parameters.items():
            _check_kind(signature.where, name, parameter)
        hints = _resolve_hints(signature)
        injected = {name: kind for name in parameters if (kind := injected_type(hints[name])) is not None}
        contexts = tuple(name for name in parameters if hints[name] is ToolContext)
        made = cls(
            where=signature.where,
            shown={name: hints[name] for name in parameters if name not in injected and name not in contexts},
            optional=frozenset(name for name, parameter in parameters.items() if has_default(parameter)),
            descriptions=signature.doc.params,
            injected=injected,
            contexts=contexts,
            defaults={
                name: parameter.default
                for name, parameter in parameters.items()
                if has_default(parameter) and name not in injected and name not in contexts
            },
        )
        made.check()
        return made

    def check(self) -> None:
        """Raise `DefinitionError` if a type has no JSON Schema."""
        try:
            _ = self.schema, self._adapter.validator
        except Exception as error:
            reason, _, _ = str(error).partition("\n")
            raise DefinitionError(
                f"{self.where}: a parameter's type has no JSON Schema; use types that pydantic can describe ({reason})"
            ) from error

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return self._describe(_adapter_of(self.shown, self.optional))

    @cached_property
    def strict_schema(self) -> dict[str, Any] | None:
        """The schema for strict modes, where what has a default may be null; `None` if they cannot express it."""
        return schemas.strict(self._describe(self._adapter))

    def _describe(self, adapter: TypeAdapter[Any]) -> dict[str, Any]:
        schema = schemas.describe(adapter)
        schema.pop("title", None)
        for name, part in schema.setdefault("properties", {}).items():
            if text := self.descriptions.get(name):
                part["description"] = text
        return schema

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        """What validates: null stands for the default of a parameter that has one."""
        nullable = {name: _or_none(self.shown[name]) for name in self.shown if name in self.optional}
        return _adapter_of({**self.shown, **nullable}, self.optional)

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments as the function takes them; raises `InvalidArguments`.

        A null that stands for a default is left out, so that Python fills it in.
        """
        from pydantic import ValidationError

        try:
            values: dict[str, Any] = self._adapter.validate_json(json.dumps(arguments))
        except ValidationError as error:
            raise InvalidArguments(_explain(error)) from None
        return {
            name: value
            for name, value in values.items()
            if value is not None or name not in self.optional or _takes_none(self.shown[name])
        }

    def fill(self, deps: Mapping[str, Any]) -> dict[str, Any]:
        """Give the injected arguments; raises `TypeError` for one that is missing or of another class."""
        filled = {}
        for name, kind in self.injected.items():
            if name in deps:
                check_injected(deps[name], kind, f"{self.where}, parameter {name!r}")
                filled[name] = deps[name]
            elif name not in self.optional:
                raise TypeError(
                    f"{self.where}: the parameter {name!r} is filled from deps, give deps={{{name!r}: ...}}; "
                    f"given are: {', '.join(deps) or 'none'}; nothing was sent"
                )
        return filled


def _check_kind(where: str, name: str, parameter: inspect.Parameter) -> None:
    if is_variadic(parameter):
        raise DefinitionError(f"{where}: a tool cannot take {parameter}: name each parameter")
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise DefinitionError(f"{where}: a model gives arguments by name: {name!r} must not be positional-only")
    if parameter.annotation is inspect.Parameter.empty:
        raise DefinitionError(f"{where}: the parameter {name!r} has no type: write `{name}: str`, or what it is")


def _resolve_hints(signature: Signature) -> dict[str, Any]:
    """Give the types of the parameters, with their names resolved."""
    inner = inspect.unwrap(signature.function)
    annotations = {name: with_references(p.annotation) for name, p in signature.signature.parameters.items()}
    try:
        holder = SimpleNamespace(__annotations__=annotations)
        names = local_names(inner, *annotations)
        return typing.get_type_hints(holder, inner.__globals__, names, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise DefinitionError(f"{signature.where}: a parameter's type cannot be resolved: {error}") from error


def _adapter_of(types: Mapping[str, Any], optional: frozenset[str]) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter
    from typing_extensions import NotRequired, TypedDict  # pydantic takes this one before Python 3.12

    fields = {name: NotRequired[kind] if name in optional else kind for name, kind in types.items()}
    make: Any = TypedDict
    arguments = make("arguments", fields)
    arguments.__pydantic_config__ = ConfigDict(extra="forbid")
    arguments.__module__ = __name__
    return TypeAdapter(arguments)


def _or_none(kind: Any) -> Any:
    return typing.Optional[kind]  # noqa: UP045 - not every type has `|`


def _takes_none(kind: Any) -> bool:
    return kind is None or kind is Any or kind is NoneType or NoneType in typing.get_args(kind)


def _explain(error: Any) -> str:
    """Tell what is wrong with the arguments, for the model."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        path = ".".join(map(str, fault["loc"])) or "arguments"
        got = "" if fault["type"] == "missing" else f", got {fault['input']!r:.80}"
        lines.append(f"{path}: {fault['msg']}{got}")
    return "\n".join(lines)

"""The parameters of a tool that has a JSON Schema and no Python signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from declarai_like.errors import DefinitionError
from declarai_like.tools.parameters import InvalidArguments

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SchemaParameters"]

_MOST_FAULTS = 5


@dataclass(frozen=True, eq=False)
class SchemaParameters:
    """What a tool takes, as a schema says; needs `jsonschema`."""

    where: str
    schema: dict[str, Any]
    contexts: tuple[str, ...] = ()
    """The arguments that are the running call."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    strict_schema: None = None
    """A foreign schema is passed through: no strict mode is promised for it."""

    def check(self) -> None:
        """Raise `DefinitionError` for what is no JSON Schema of an object."""
        from jsonschema import SchemaError

        try:
            self._validator.check_schema(self.schema)
        except SchemaError as error:
            raise DefinitionError(f"{self.where}: its parameters have no valid JSON Schema: {error.message}") from None
        if self.schema.get("type") != "object":
            raise DefinitionError(f"{self.where}: expected the schema of an object, got {self.schema!r:.200}")

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for
        from referencing import Registry

        # The registry is empty: a `$ref` is looked for in the schema itself, and nothing is fetched for it.
        return validator_for(self.schema)(self.schema, registry=Registry())

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments as they are; raises `InvalidArguments` if they are not what the schema says."""
        from referencing.exceptions import Unresolvable

        try:
            faults = sorted(self._validator.iter_errors(dict(arguments)), key=lambda fault: list(map(str, fault.path)))
        except Unresolvable as error:
            raise InvalidArguments(f"the schema cannot be read: {error}") from None
        if faults:
            raise InvalidArguments("\n".join(map(_explain, faults[:_MOST_FAULTS])))
        return dict(arguments)

    def fill(self, _deps: Mapping[str, Any]) -> dict[str, Any]:
        """Give nothing: a foreign tool is not filled from `deps`."""
        return {}


def _explain(fault: Any) -> str:
    return f"{'.'.join(map(str, fault.path)) or 'arguments'}: {fault.message:.300}"

"""What a task returns: its JSON Schema, and the way from a model's text to the declared type."""

from __future__ import annotations

import functools
import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from declarai_like._outputs.annotations import (
    SCALARS,
    is_plain,
    name_of,
    refuse_lazy_fields,
    refuse_media,
    replace_iterables,
)
from declarai_like._outputs.explanations import condense, shorten
from declarai_like.errors import DefinitionError, OutputError, OutputTruncated
from declarai_like.media._annotations import has_media
from declarai_like.responses import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter

    from declarai_like._outputs.partials import Partials
    from declarai_like._outputs.schemas import Dialect
    from declarai_like._outputs.targets import Target

__all__ = ["Output"]

T = TypeVar("T")

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class Output(Generic[T]):
    """What a task returns, read once from its annotation and shared by all its calls.

    `key` is the name under which a type that is no object is wrapped, `description` is told to
    the model, `where` names the task in errors of the definition. Made by `Output.of`.
    """

    reading: Literal["lenient", "strict"] = "lenient"

    def __init__(self, annotation: Any, *, key: str, description: str, where: str) -> None:
        self.annotation = annotation
        self.key = key
        self.description = description
        self.is_text = annotation is str
        self.is_scalar = any(annotation is scalar for scalar in SCALARS)
        self.type_name = name_of(annotation)
        self._where = where

    @classmethod
    def of(
        cls, annotation: Any, *, key: str = "declarai_result", description: str = "", where: str = ""
    ) -> Output[Any]:
        """Read a return annotation; none at all means plain text, like `str`.

        Raises `DefinitionError` for a type that no JSON Schema describes.
        """
        annotation = str if annotation is inspect.Parameter.empty else replace_iterables(annotation, where)
        output: Output[Any] = Output(annotation, key=key, description=description, where=where)
        if has_media(annotation):
            place = f"{where}: " if where else ""
            raise DefinitionError(f"{place}a model answers in text: {name_of(annotation)} cannot be a return type")
        if not is_plain(annotation):  # A plain type needs no check, and so no pydantic yet.
            output._define()
        return output

    def __repr__(self) -> str:
        return f"Output({self.type_name}, key={self.key!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the annotation only: what is built from it is built again."""
        build = functools.partial(Output.of, key=self.key, description=self.description, where=self._where)
        return build, (self.annotation,)

    def _define(self) -> None:
        """Build what can fail; whatever pydantic objects to, the annotation is at fault."""
        try:
            _ = self._adapter.validator, self.schema
            refuse_media(self.schema)
        except Exception as error:
            place = f"{self._where}: " if self._where else ""
            reason = condense(error)
            raise DefinitionError(
                f"{place}the return type {self.type_name} has no JSON Schema; "
                f"return a type that pydantic can describe ({reason})"
            ).with_cause(error) from None
        refuse_lazy_fields(self._adapter.core_schema, self.type_name, self._where)

    @functools.cached_property
    def _adapter(self) -> TypeAdapter[T]:
        from pydantic import TypeAdapter

        return TypeAdapter(self.annotation)

    @functools.cached_property
    def _described(self) -> dict[str, Any]:
        from declarai_like._outputs import schemas

        return schemas.describe(self._adapter)

    @functools.cached_property
    def wrapped(self) -> bool:
        """Whether the value stands under `key`: it does unless it is an object with named fields."""
        from declarai_like._outputs import schemas

        return not schemas.is_object(self._described)

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the whole response, wrapped if need be."""
        if self.wrapped:
            from declarai_like._outputs import schemas

            return schemas.under_key(self._described, self.key, self.description)
        told = [text for text in (self.description, self._described.get("description")) if text]
        return {**self._described, **({"description": "\n\n".join(told)} if told else {})}

    @functools.cached_property
    def strict_schema(self) -> dict[str, Any] | None:
        """The schema that every strict mode takes; `None` if they cannot express the type."""
        from declarai_like._outputs import schemas

        return schemas.strict(self.schema)

    @functools.cached_property
    def _openai_schema(self) -> dict[str, Any] | None:
        from declarai_like._outputs import schemas

        return schemas.strict(self.schema, dialect="openai")

    def _strict_schema(self, dialect: Dialect) -> dict[str, Any] | None:
        if dialect == "full":
            return self.schema
        return self._openai_schema if dialect == "openai" else self.strict_schema

    def response_format(self, mode: str, dialect: Dialect = "common") -> dict[str, Any] | None:
        """Return the request's `response_format` for `"json_schema"` or `"json_object"`, else `None`.

        `dialect` is what the provider's strict mode understands. Where it cannot express the type, the schema is
        sent without it.
        """
        if self.is_text or mode not in {"json_schema", "json_object"}:
            return None
        if mode == "json_object":
            return {"type": "json_object"}
        strict = self._strict_schema(dialect)
        name = _NOT_IN_A_NAME.sub("_", self.key if self.wrapped else self.type_name)[:64]
        schema = self.schema if strict is None else strict
        return {"type": mode, "json_schema": {"name": name, "strict": strict is not None, "schema": schema}}

    def encode(self, value: T) -> str:
        """Return the text that a perfect model would answer with: bare for text, numbers and truths."""
        if self.is_text:
            return str(value)
        if self.is_scalar:
            return json.dumps(value)
        text = self._adapter.dump_json(value, by_alias=True, round_trip=True).decode()
        return f"{{{json.dumps(self.key)}: {text}}}" if self.wrapped else text

    def to_data(self, value: T) -> Any:
        """Give a value as data that JSON can say, of which `of_data` makes it again."""
        if self.is_text or self.is_scalar:
            return value
        return self._adapter.dump_python(value, mode="json", by_alias=True, round_trip=True)

    def of_data(self, data: Any) -> T:
        """Make a value of its data again; raises `OutputError` for what is not of the type."""
        if self.is_text and isinstance(data, str):
            return data  # type: ignore[return-value]  # T is str here
        try:
            return self._adapter.validate_json(json.dumps(data), strict=self.is_text or self.is_scalar or None)
        except ValueError as error:
            raise OutputError(
                f"expected {self.type_name}, got {shorten(json.dumps(data))}: {condense(error)}"
            ).with_cause(error) from None

    def with_reading(self, reading: Literal["lenient", "strict"]) -> Output[T]:
        """Return the same type, read in this way."""
        return self if reading == self.reading else self._otherwise

    @functools.cached_property
    def _otherwise(self) -> Output[T]:
        other: Output[T] = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.reading = "strict" if self.reading == "lenient" else "lenient"
        return other

    def partials(self) -> Partials[T]:
        """Return a fresh reader that shows the value while its text arrives."""
        from declarai_like._outputs.partials import JsonPartials, TextPartials

        if self.is_text:
            return TextPartials()  # type: ignore[return-value]  # T is str here
        return JsonPartials(self._target.root)

    def parse(self, text: str, *, finish_reason: str | None = "stop") -> Parsed:
        """Read the value out of a model's whole text, leniently.

        Of two equal keys the last counts; `NaN` and `Infinity` are read where a float is declared.
        Raises `OutputTruncated` if the text was cut (`finish_reason` is `"length"`), even if what
        there is would parse, and `OutputError` if the text is not of the type in any reading.
        """
        if self.is_text:
            return Parsed(text)
        if finish_reason == "length":
            raise self._truncated(text)
        if self.reading == "strict":
            return self._strict(text)
        try:
            value = self._exact(text)
        except Exception as error:
            return self._lenient(text, error)
        return Parsed(value, ("duplicate_keys",) if not self.is_scalar and _repeats_keys(text) else ())

    def _truncated(self, text: str) -> OutputTruncated:
        partials = self.partials()
        partials.feed(text)
        return OutputTruncated(
            f"the response was cut at the token limit before the {self.type_name} was complete, "
            f"got {shorten(text)}; raise max_tokens or ask for less",
            partial=partials.value,
        )

    def _lenient(self, text: str, error: Exception) -> Parsed:
        """Look further than the exact text, or tell what is wrong with it."""
        from declarai_like._outputs.reading import Unreadable, read_leniently

        try:
            return Parsed(*read_leniently(self._target, text, error))
        except Unreadable as failure:
            reason = failure.args[0]
            raise OutputError(f"expected {self.type_name}, got {shorten(text)}: {reason}").with_cause(
                failure.__cause__
            ) from None

    def _strict(self, text: str) -> Parsed:
        """Take the JSON of the type to the letter, in a code fence at most."""
        from declarai_like._outputs.exact import without_fence
        from declarai_like._outputs.explanations import describe_error

        bare = without_fence(text)
        try:
            return Parsed(self._target.strict(bare), () if bare == text else ("fence",))
        except Exception as error:
            raise OutputError(
                f"expected {self.type_name} as exact JSON, as reading='strict' says, got {shorten(text)}: "
                f"{describe_error(error)}"
            ).with_cause(error) from None

    @functools.cached_property
    def _exact(self) -> Callable[[str], T]:
        from declarai_like._outputs import exact

        if self.is_scalar:
            return functools.partial(exact.exact_scalar, self.annotation)  # type: ignore[return-value]  # T is that
        return self._target.exact

    @functools.cached_property
    def _target(self) -> Target[T]:
        from declarai_like._outputs.targets import Target

        return Target(self._adapter, self.key, self.type_name, is_wrapped=self.wrapped, is_scalar=self.is_scalar)


def _repeats_keys(text: str) -> bool:
    """Whether JSON that is valid holds a key twice in one object."""
    from jiter import from_json

    try:
        from_json(text.encode("utf-8", "surrogatepass"), catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        return "duplicate key" in str(error)
    return False

"""From a model's text to a validated value, the likeliest reading first."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._outputs import repairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from declarai_like._outputs.repairs import Reading, Scalar

    Form = tuple[Callable[[], Any], str]

__all__ = ["ObjectTarget", "ScalarTarget", "Target", "Unreadable", "WrappedTarget", "shown"]

T = TypeVar("T")

_MOST_SHOWN = 400
_MOST_ERRORS = 10


class Unreadable(Exception):
    """The text is not of the type in any reading: why not, caused by the first failure."""


class Target(ABC, Generic[T]):
    """A type that is looked for in texts.

    `exact` is the cheap way for a text that is just what was asked for, and raises if it is not.
    """

    exact: Callable[[str], T]

    @abstractmethod
    def forms(self, reading: Reading) -> Iterator[Form]:
        """Yield the ways to take JSON as the type, the likeliest first, with the repair's name or `""`."""
        ...

    @abstractmethod
    def bare(self, text: str) -> Iterator[Callable[[], T]]:
        """Yield the ways to take a text that is no JSON, the likeliest first."""
        ...

    def find(self, raw: str, error: Exception) -> tuple[T, tuple[str, ...]]:
        """Read the value out of a text for which `exact` raised `error`, and name the repairs.

        Raises `Unreadable`, also if equally likely readings have different values.
        """
        text, cleaned = repairs.cleaned(raw)
        spans, cut = repairs.spans(text)
        causes: list[Exception] = []
        for group in repairs.readings(text, spans, cut=cut):
            found = [each for reading in group for each in self._first(reading, causes)]
            if any(value != found[0][0] for value, _ in found[1:]):
                raise Unreadable(f"it holds {len(found)} different values") from error
            if found:
                return found[0][0], cleaned + found[0][1]
        if cut:
            raise Unreadable("it ends before the value does") from error
        # What is JSON, or tries to be, is no bare word: its own errors say more.
        doubts: list[Exception] = []
        for read in () if repairs.is_json(text) else self.bare(text):
            for value in _attempt(read, doubts):
                return value, (*cleaned, "bare_scalar")
        cause = [*causes, *(() if repairs.is_bracketed(text) else doubts), error][0]
        raise Unreadable(_reason(cause)) from cause

    def _first(self, reading: Reading, causes: list[Exception]) -> list[tuple[T, tuple[str, ...]]]:
        """Return the value in the first form that fits, alone in a list; none fits an empty one."""
        for read, repair in self.forms(reading):
            for value in _attempt(read, causes):
                return [(value, (*reading.repairs, repair) if repair else reading.repairs)]
        return []


class ScalarTarget(Target[Any]):
    """A number or a truth; it is asked for bare, and may stand under `key` as well."""

    def __init__(self, kind: type[Scalar], key: str) -> None:
        self._kind = kind
        self._key = key
        self.exact = functools.partial(repairs.exact_scalar, kind)

    def forms(self, reading: Reading) -> Iterator[Form]:
        data = reading.data
        if isinstance(data, dict) and self._key in data:
            yield functools.partial(repairs.scalar, self._kind, data[self._key]), ""
        elif _is_single(reading):
            yield functools.partial(repairs.scalar, self._kind, *data.values()), "wrong_key"
        else:
            yield functools.partial(repairs.scalar, self._kind, data), "bare_scalar"

    def bare(self, text: str) -> Iterator[Callable[[], Any]]:
        yield functools.partial(repairs.scalar, self._kind, text)


class WrappedTarget(Target[T]):
    """A type that is no object; it is asked for under `key`."""

    def __init__(self, validate: Callable[[str], T], key: str, schema: Any) -> None:
        from pydantic_core import SchemaValidator, core_schema

        fields = {key: core_schema.typed_dict_field(schema)}
        wrapper = SchemaValidator(core_schema.typed_dict_schema(fields)).validate_json
        self._validate = validate
        self._key = key
        self.exact = lambda text: wrapper(text)[key]

    def forms(self, reading: Reading) -> Iterator[Form]:
        text, data = reading.text, reading.data
        if isinstance(data, dict) and self._key in data:
            yield functools.partial(self.exact, text), ""
            return
        yield functools.partial(self._validate, text), "missing_wrapper"
        if _is_single(reading):
            yield functools.partial(self._validate, repairs.only_field(text)), "wrong_key"

    def bare(self, text: str) -> Iterator[Callable[[], T]]:
        for form in repairs.unquoted(text):
            yield functools.partial(self._validate, form)


class ObjectTarget(Target[T]):
    """A class with named fields, described by `schema`; it is asked for as it is."""

    def __init__(self, validate: Callable[[str], T], key: str, schema: Mapping[str, Any]) -> None:
        self._validate = validate
        self._key = key
        self._fields = schema["properties"].keys()
        self._is_open = bool(schema.get("additionalProperties"))
        # Where nothing is required any object is valid, also one that holds the real one.
        self.exact = validate if "required" in schema else self._as_asked

    def _as_asked(self, text: str) -> T:
        from pydantic_core import from_json

        if self._is_astray(from_json(text)):
            raise ValueError("the object stands under a key that was not asked for")
        return self._validate(text)

    def _is_astray(self, data: Any) -> bool:
        """Whether `data` has a single field, which is unknown and holds an object with known ones."""
        if not isinstance(data, dict) or len(data) != 1 or self._is_open:
            return False
        ((name, inner),) = data.items()
        return name not in self._fields and isinstance(inner, dict) and not self._fields.isdisjoint(inner)

    def forms(self, reading: Reading) -> Iterator[Form]:
        text = reading.text
        if self._is_astray(reading.data):
            repair = "extra_wrapper" if self._key in reading.data else "wrong_key"
            yield functools.partial(self._validate, repairs.only_field(text)), repair
        yield functools.partial(self._validate, text), ""

    def bare(self, text: str) -> Iterator[Callable[[], T]]:
        """Yield nothing: no bare word is an object."""
        return iter(())


def _is_single(reading: Reading) -> bool:
    """Whether it is an object with one field; in prose that is rather an example of something else."""
    return isinstance(reading.data, dict) and len(reading.data) == 1 and "prose" not in reading.repairs


def _attempt(read: Callable[[], T], causes: list[Exception]) -> tuple[T, ...]:
    """Return the value alone in a tuple, or an empty one: then the error is in `causes`."""
    try:
        return (read(),)
    except Exception as error:  # also of a user's own validators: all of it means "not of the type"
        causes.append(error)
        return ()


def shown(text: str) -> str:
    """Return the text for an error message, cut at a sensible length."""
    if len(text) <= _MOST_SHOWN:
        return repr(text)
    return f"{text[:_MOST_SHOWN]!r}... ({len(text)} characters)"


def _reason(error: Exception) -> str:
    """Tell each validation error with its path, or the error itself if it is another one."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    errors = error.errors(include_url=False, include_context=False)
    told = [f"{_path(each['loc'])}{each['msg']} (got {each['input']!r:.80})" for each in errors[:_MOST_ERRORS]]
    more = len(errors) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _path(loc: tuple[int | str, ...]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return f"{path.removeprefix('.')}: " if path else ""

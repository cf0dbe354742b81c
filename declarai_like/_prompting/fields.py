"""Single-brace fields of a text: `{name}`, `{book.title}`, `{items[0]}`, `{price:.2f}`, `{name!r}`.

A brace is a field if it reads as one and its name is known; any other brace is text. Attributes are reached by what
a value declares (fields, properties, keys, items), never by what Python gives every object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.plain_data import to_plain, to_text
from declarai_like.errors import ArgumentError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Field", "Owner", "parse_fields", "refuse_unreadable"]

_NAME = r"[^\W\d]\w*"
_BRACES = re.compile(rf"\{{(?P<name>{_NAME})(?P<rest>(?:[^{{}}]|\{{{_NAME}\}})*)\}}")
_STEP = rf"\.(?P<attribute>{_NAME})|\[(?P<item>[^\[\]{{}}\n]+)\]"
_REST = rf"(?P<path>(?:\.{_NAME}|\[[^\[\]{{}}\n]+\])*)(?:!(?P<conversion>[rsa]))?(?::(?P<spec>.+))?"
_SPEC = (
    r"(?:.?[<>=^])?[-+]?z?#?0?\d*[_,]?(?:\.\d+)?[bcdeEfFgGnosxX%]?"  # what Python's own values understand
    r"| [_,]?(?:\.\d+)?[deEfFgGn%]"  # a sign that is a space; other spaces begin text, as in {name: a text}
    r"|[^{}\n]*%-?[aAwdbBmyYHIMSfpzZjUWcxXGuV][^{}\n]*"  # a date's
)
_UNREADABLE = (".", "[", "!", "(", "=")
_MOST_DIGITS = 3
"""Of a number in a format: a value that is put into one must not ask for a text of gigabytes."""
_DATE_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second", "microsecond", "days", "seconds"})


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a task or prompt is a method of: it shows its public attributes, and is no value itself."""

    instance: Any


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `path` leads from the named value to the one that is shown."""

    source: str
    name: str
    path: tuple[tuple[bool, str], ...] = ()
    """Each step: whether it is an item, and its name."""
    conversion: str | None = None
    spec: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether this is a name and nothing else."""
        return not (self.path or self.conversion or self.spec)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are shown, those within the format among them."""
        return (self.name, *re.findall(rf"\{{({_NAME})\}}", self.spec))

    def write(self, values: Mapping[str, Any], where: str) -> str:
        """Write the field's value; raises `ArgumentError` if there is none, or if the format does not fit it."""
        value = values[self.name]
        for step in self.path:
            value = self._reach(value, step, where)
        return self._format(value, values, where)

    def _reach(self, value: Any, step: tuple[bool, str], where: str) -> Any:
        is_item, name = step
        found = _item(value, name.strip("\"'")) if is_item else _attribute(value, name)
        if found is _NOTHING:
            kind = type(value.instance if isinstance(value, Owner) else value).__name__
            shown = ", ".join(_field_names(value))
            raise ArgumentError(
                f"{where}: {self.source} cannot be filled: {kind} shows no {name!r}"
                + (f", but {shown}" if shown else "")
            )
        return found

    def _format(self, value: Any, values: Mapping[str, Any], where: str) -> str:
        if self.conversion in {"r", "a"}:
            to_plain(value, self.name, where)  # what is no data is not shown by its repr either
            value = repr(value) if self.conversion == "r" else ascii(value)
        elif self.conversion or not self.spec:
            value = to_text(to_plain(value, self.name, where))
        if not self.spec:
            return str(value)
        try:
            return format(value, self._filled_spec(values))
        except (TypeError, ValueError) as exc:
            raise ArgumentError(
                f"{where}: {self.source} cannot be filled: the format does not fit {type(value).__name__}: {exc}"
            ).with_cause(exc) from None

    def _filled_spec(self, values: Mapping[str, Any]) -> str:
        spec = re.sub(rf"\{{({_NAME})\}}", lambda match: str(values[match[1]]), self.spec)
        if any(len(number) > _MOST_DIGITS for number in re.findall(r"\d+", spec)):
            raise ValueError("a number in it is too large")
        return spec


@lru_cache(maxsize=1024)
def parse_fields(source: str, known: frozenset[str] | None = None) -> tuple[str | Field, ...]:
    """Cut a text into text and fields of the known names, of any names if none are given."""
    parts: list[str | Field] = []
    done = 0
    for start, end, field in _find_fields(source, known):
        parts += [source[done:start], field]
        done = end
    return tuple(part for part in (*parts, source[done:]) if part)


def refuse_unreadable(source: str, known: Collection[str], where: str) -> None:
    """Raise `DefinitionError` for braces that begin as a field of a known name, and then go on as none."""
    for match in _BRACES.finditer(source):
        name, rest = match["name"], match["rest"]
        if name in known:
            field = _read_field(match)
            hidden = field is not None and any(not item and step.startswith("_") for item, step in field.path)
            if hidden or (field is None and rest.startswith(_UNREADABLE)):
                raise DefinitionError(
                    f"{where}: {match[0]} cannot be filled: a field is {{{name}}}, {{{name}.field}}, {{{name}[0]}}, "
                    f"{{{name}:.2f}} or {{{name}!r}}, without calls and without names that begin with an underscore"
                )


def _find_fields(source: str, known: frozenset[str] | None) -> Iterator[tuple[int, int, Field]]:
    match = _BRACES.search(source)
    while match is not None:
        field = _read_field(match)
        if field is None or not (known is None or known.issuperset(field.names)):
            match = _BRACES.search(source, match.start() + 1)  # there may be a field within
            continue
        yield match.start(), match.end(), field
        match = _BRACES.search(source, match.end())


def _read_field(match: re.Match[str]) -> Field | None:
    """Read braces as a field; `None` if they are text."""
    rest = re.fullmatch(_REST, match["rest"])
    if rest is None or (rest["spec"] and not re.fullmatch(_SPEC, re.sub(rf"\{{{_NAME}\}}", "1", rest["spec"]))):
        return None
    path = tuple(
        (step["item"] is not None, step["item"] or step["attribute"]) for step in re.finditer(_STEP, rest["path"])
    )
    return Field(match[0], match["name"], path, rest["conversion"], rest["spec"] or "")


_NOTHING: Any = object()


def _item(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        keys = (key, int(key)) if re.fullmatch(r"-?\d+", key) else (key,)
        return next((value[name] for name in keys if name in value), _NOTHING)
    if isinstance(value, Sequence) and re.fullmatch(r"-?\d+", key) and -len(value) <= int(key) < len(value):
        return value[int(key)]
    return _NOTHING


def _attribute(value: Any, name: str) -> Any:
    if isinstance(value, Owner):
        return _own_attribute(value.instance, name)
    if isinstance(value, Mapping):
        return value.get(name, _NOTHING)
    return getattr(value, name, _NOTHING) if name in _field_names(value) else _NOTHING


def _own_attribute(owner: Any, name: str) -> Any:
    """Give a public attribute of an owner; its methods and classes are no data."""
    value = _NOTHING if name.startswith("_") else getattr(owner, name, _NOTHING)
    return _NOTHING if callable(value) else value


def _field_names(value: Any) -> list[str]:
    """Name what a value declares: keys, fields and properties; a member of an enum its name and value."""
    from datetime import date, time, timedelta
    from enum import Enum

    if isinstance(value, Mapping):
        return [name for name in value if isinstance(name, str)]
    if isinstance(value, Enum):
        return ["name", "value"]
    kind = type(value)
    if isinstance(value, date | time | timedelta):
        return sorted(name for name in _DATE_PARTS if hasattr(kind, name))
    declared = [
        *getattr(kind, "__pydantic_fields__", ()),
        *(getattr(value, "__pydantic_extra__", None) or ()),
        *getattr(kind, "__dataclass_fields__", ()),
        *(getattr(kind, "_fields", ()) if isinstance(value, tuple) else ()),
        *(attribute.name for attribute in getattr(kind, "__attrs_attrs__", ())),
    ]
    if not declared:
        return []
    properties = [
        name
        for base in kind.__mro__
        if base.__module__.partition(".")[0] != "pydantic"
        for name, member in vars(base).items()
        if isinstance(member, property | cached_property) or hasattr(member, "decorator_info")
    ]
    return list(dict.fromkeys(name for name in (*declared, *properties) if not name.startswith("_")))

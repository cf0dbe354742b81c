"""Texts with places for values: single-brace fields, or Jinja in a sandbox that sees plain data only.

A text without Jinja has its single-brace fields filled, `{name}` for a name that is a parameter; any other
brace is text. A value is never rendered. What can be wrong about a text is said at its declaration, by
`DefinitionError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.plain_data import to_json, to_plain, to_text
from declarai_like.errors import DeclaraiError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jinja2 import Environment, Template, Undefined

__all__ = [
    "TextTemplate",
    "check_text",
    "jinja_names",
    "refuse_unknown_names",
    "render_jinja",
    "render_text",
    "required_names",
    "text_names",
]

_FIELD = re.compile(r"\{([^\W\d]\w*)\}")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A text with places for values; `names` are the parameters that it shows itself."""

    source: str
    where: str
    is_jinja: bool
    names: frozenset[str]

    @classmethod
    def of(cls, source: str, fields: Collection[str], where: str) -> TextTemplate:
        """Check a text against the names of its parameters."""
        is_jinja = _is_jinja(source)
        names = jinja_names(source, where) if is_jinja else set(_FIELD.findall(source))
        if is_jinja:
            refuse_unknown_names(names, fields, where)
        return cls(source, where, is_jinja, frozenset(names.intersection(fields)))

    def fill(self, values: Mapping[str, Any]) -> str:
        if self.is_jinja:
            return render_jinja(self.source, values, self.where)
        return _FIELD.sub(lambda match: self._field(match, values), self.source) if self.names else self.source

    def outline(self, values: Mapping[str, Any], missing: Mapping[str, str]) -> str:
        """Fill in what is there; a template that cannot be rendered without the rest stays as it is."""
        if not (self.is_jinja and missing):
            return self.fill({**values, **missing})
        try:
            return self.fill({**values, **{name: _blank_type()(name=name) for name in missing}})
        except DeclaraiError:
            return self.source

    def _field(self, match: re.Match[str], values: Mapping[str, Any]) -> str:
        name = match[1]
        return to_text(values[name]) if name in self.names and name in values else match[0]


def render_text(text: str, values: Mapping[str, Any], *, fields: Collection[str], where: str) -> str:
    """Fill a text that is no task's, such as a chat's system prompt, with the `values` of its `fields`.

    A single-brace field without a value stays; Jinja without a value raises `DeclaraiError`.
    """
    plain = {name: to_plain(value, name, where) for name, value in values.items()}
    return TextTemplate(text, where, _is_jinja(text), frozenset(fields)).fill(plain)


def check_text(text: str, fields: Collection[str], where: str) -> None:
    """Raise `DefinitionError` for Jinja that is wrong or uses a variable that is none of `fields`."""
    TextTemplate.of(text, fields, where)


def text_names(text: str, where: str, fields: Collection[str] = ()) -> frozenset[str]:
    """Return the names that a text asks for; those in single braces may be meant as text.

    Jinja's own functions are none of them, unless one of the `fields` has the name.
    """
    if _is_jinja(text):
        return frozenset(jinja_names(text, where) - (_environment().globals.keys() - set(fields)))
    return frozenset(_FIELD.findall(text))


def required_names(text: str, where: str) -> frozenset[str]:
    """Return the names that must have a value: those of Jinja. Without one, single braces stay as they are."""
    return text_names(text, where) if _is_jinja(text) else frozenset()


def _is_jinja(text: str) -> bool:
    return _JINJA.search(text) is not None


def render_jinja(source: str, values: Mapping[str, Any], *where: str) -> str:
    try:
        return _compile(source).render(values)
    except Exception as exc:  # a template can fail in any way; here that becomes our error
        place = ", ".join(filter(None, where))
        raise DeclaraiError(f"{place}: the template cannot be rendered: {exc}") from exc


@lru_cache(maxsize=1024)
def _compile(source: str) -> Template:
    return _environment().from_string(source)


def jinja_names(source: str, where: str) -> set[str]:
    """Return the variables that a template reads; raises `DefinitionError` if it is wrong."""
    from jinja2 import TemplateSyntaxError, meta

    environment = _environment().overlay()
    environment.globals = {}  # a parameter may be called `range`
    try:
        tree = environment.parse(source)
        included = list(meta.find_referenced_templates(tree))
        names = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as exc:
        raise DefinitionError(f"{where}: line {exc.lineno} of the template is wrong: {exc.message}") from exc
    if included:
        raise DefinitionError(f"{where}: a template cannot include, import or extend another")
    return names


def refuse_unknown_names(names: set[str], fields: Collection[str], where: str) -> None:
    unknown = names.difference(fields, _environment().globals)
    if unknown:
        raise DefinitionError(
            f"{where}: the template uses {', '.join(map(repr, sorted(unknown)))}; "
            f"it can use only: {', '.join(fields) or 'nothing'}"
        )


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class PlainDataEnvironment(ImmutableSandboxedEnvironment):
        """A sandbox in which `cart.items` is the field of that name, not the method of `dict`."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)

    # Prompts are no HTML: escaping would show `&lt;` to the model.
    environment = PlainDataEnvironment(undefined=StrictUndefined, autoescape=False, finalize=_json_for_jinja)
    environment.filters["tojson"] = to_json
    del environment.globals["lipsum"]
    return environment


def _json_for_jinja(value: Any) -> Any:
    """Print lists and dictionaries in Jinja as JSON, not as Python."""
    return to_json(value) if isinstance(value, dict | list) else value


@cache
def _blank_type() -> type[Undefined]:
    from jinja2 import ChainableUndefined

    class Blank(ChainableUndefined):
        """A missing argument: prints as `{name}`, its attributes too, and has no items."""

        def __str__(self) -> str:
            return f"{{{self._undefined_name}}}"

    return Blank

"""Texts with places for values: single-brace fields, or Jinja in a sandbox that sees plain data only.

Single-brace fields are filled in both, beside Jinja those of the names that it does not show. A value is never
rendered. What can be wrong about a text is said at its declaration, by `DefinitionError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.fields import Field, Owner, parse_fields, refuse_unreadable
from declarai_like._prompting.media_places import Several
from declarai_like._prompting.misspellings import warn_of_misspelled
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

_FIELDS = "declarai_fields"
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A text with places for values; `names` are the parameters that it shows itself."""

    source: str
    where: str
    names: frozenset[str]
    fields: tuple[str | Field, ...]
    """The text cut at its single-brace fields; of Jinja, the fields alone."""
    jinja: str | None
    """The text as Jinja renders it, with a variable in the place of each field; `None` if it is none."""

    @classmethod
    def of(cls, source: str, fields: Collection[str], where: str) -> TextTemplate:
        """Check a text against the names of its parameters."""
        refuse_unreadable(source, fields, where)
        warn_of_misspelled(source, fields, where)
        names = set()
        if _is_jinja(source):
            names = jinja_names(source, where)
            refuse_unknown_names(names, fields, where)
        template = cls.unchecked(source, frozenset(fields), where)
        return replace(template, names=template.names | names.intersection(fields))

    @classmethod
    def unchecked(cls, source: str, fields: frozenset[str] | None, where: str) -> TextTemplate:
        """Take a text as it is; without the names of its parameters, all that read as fields are some."""
        jinja, parts = _number_fields(source, fields) if _is_jinja(source) else (None, parse_fields(source, fields))
        names = frozenset(name for part in parts if isinstance(part, Field) for name in part.names)
        return cls(source, where, names, parts, jinja)

    def fill(self, values: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
        """Put the values in; `plain` are the same as plain data."""
        texts = [self._write(part, values, plain) for part in self.fields]
        if self.jinja is None:
            return "".join(texts)
        return render_jinja(self.jinja, {**plain, _FIELDS: texts}, self.where)

    def outline(self, values: Mapping[str, Any], plain: Mapping[str, Any], missing: Collection[str]) -> str:
        """Fill in what is there; a template that cannot be rendered without the rest stays as it is."""
        if self.jinja is None or not missing:
            return self.fill(values, plain)
        try:
            return self.fill(values, {**plain, **{name: _blank_type()(name=name) for name in missing}})
        except DeclaraiError:
            return self.source

    def _write(self, part: str | Field, values: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
        """Write a text as it is, and a field if all its values are there."""
        if isinstance(part, str):
            return part
        if part.is_plain and part.name in plain and part.name in values:
            return to_text(plain[part.name])
        return part.write(values, self.where) if values.keys() >= set(part.names) else part.source


def render_text(text: str, values: Mapping[str, Any], *, where: str, owner: Any = None) -> str:
    """Fill a text that is no task's, such as a chat's system prompt, with values; `{self.name}` is the owner's.

    A single-brace field without a value stays; Jinja without a value raises `DeclaraiError`.
    """
    plain = {n: value if isinstance(value, Several) else to_plain(value, n, where) for n, value in values.items()}
    known = {**values, "self": Owner(owner)} if owner is not None else values
    return TextTemplate.unchecked(text, frozenset(known), where).fill(known, plain)


def check_text(text: str, fields: Collection[str], where: str) -> None:
    """Raise `DefinitionError` for Jinja that is wrong or uses a variable that is none of `fields`."""
    TextTemplate.of(text, fields, where)


def text_names(text: str, where: str, fields: Collection[str] = ()) -> frozenset[str]:
    """Return the names that a text asks for; those in single braces may be meant as text.

    Jinja's own functions are none of them, unless one of the `fields` has the name.
    """
    names = jinja_names(text, where) - (_environment().globals.keys() - set(fields)) if _is_jinja(text) else set()
    return frozenset(names) | TextTemplate.unchecked(text, None, where).names


@lru_cache(maxsize=256)
def _number_fields(source: str, known: frozenset[str] | None) -> tuple[str, tuple[Field, ...]]:
    """Put a variable in the place of each single-brace field in a text of Jinja's, and give the fields.

    What Jinja shows itself is no field: who writes `{{ name }}` means `{name}` as text.
    """
    fields: list[Field] = []
    shown = jinja_names(source, "the template")

    def number(part: str | Field) -> str:
        if isinstance(part, str):
            return part
        if not shown.isdisjoint(part.names):
            return part.source
        fields.append(part)
        return f"{{{{ {_FIELDS}[{len(fields) - 1}] }}}}"

    texts, verbatim = [], False
    for _, kind, text in _environment().lex(source):
        verbatim = kind == "raw_begin" or (verbatim and kind != "raw_end")
        texts.append("".join(map(number, parse_fields(text, known))) if kind == "data" and not verbatim else text)
    return "".join(texts), tuple(fields)


def required_names(text: str, where: str) -> frozenset[str]:
    """Return the names that must have a value: those of Jinja that it has no `default` for."""
    if not _is_jinja(text):
        return frozenset()  # without a value, single braces stay as they are
    return frozenset(jinja_names(text, where) - _environment().globals.keys() - _defaulted_names(text))


def _defaulted_names(source: str) -> set[str]:
    """Return the names that a template reads only to take another value where they have none."""
    from jinja2 import nodes

    tree = _environment().parse(source)
    defaulted = [found.node for found in tree.find_all(nodes.Filter) if found.name in {"default", "d"}]
    bare = [node for node in defaulted if isinstance(node, nodes.Name)]
    others = [node for node in tree.find_all(nodes.Name) if not any(node is one for one in bare)]
    return {node.name for node in bare} - {node.name for node in others}


def _is_jinja(text: str) -> bool:
    return _JINJA.search(text) is not None


def render_jinja(source: str, values: Mapping[str, Any], *where: str) -> str:
    try:
        return _compile(source).render(values)
    except Exception as exc:  # a template can fail in any way; here that becomes our error
        place = ", ".join(filter(None, where))
        raise DeclaraiError(f"{place}: the template cannot be rendered: {exc}").with_cause(exc) from None


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
        raise DefinitionError(f"{where}: line {exc.lineno} of the template is wrong: {exc.message}").with_cause(
            exc
        ) from None
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

"""Bound arguments to messages: every word is the user's own or stands in `templates/*.j2`.

A text without Jinja has its single-brace fields filled, `{name}` for a name that is a parameter; any other
brace is text. A text with Jinja is rendered in a sandbox and sees plain data only. A value is never
rendered. What can be wrong about a text is said at its declaration, by `DefinitionError`.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from declarai_like.errors import DeclaraiError, DefinitionError
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Collection

    from jinja2 import Environment, Template, Undefined

    from declarai_like._prompting.docstrings import Example
    from declarai_like._prompting.signatures import Signature

__all__ = [
    "OutputLike",
    "Prompt",
    "check_text",
    "output_instructions",
    "reask",
    "render_text",
    "text_names",
    "version_of",
]

_FIELD = re.compile(r"\{([^\W\d]\w*)\}")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})
_JSON_VARIABLES = frozenset({"key", "schema", "description"})
_TEMPLATES = {  # by stem, with the variables that each may use
    "task": frozenset({"text", "parameters", "inputs"}),
    "text": frozenset({"description"}),
    "scalar": frozenset({"type", "description"}),
    "json": _JSON_VARIABLES,
    "chat_json": _JSON_VARIABLES,
    "reask": frozenset({"error", "type"}),
}


class OutputLike(Protocol):
    """What is told to the model of a return type."""

    @property
    def is_text(self) -> bool:
        """Whether the answer is taken as it is."""

    @property
    def is_scalar(self) -> bool:
        """Whether the answer is one bare number or truth value."""

    @property
    def type_name(self) -> str:
        """The type as the model reads it."""

    @property
    def key(self) -> str:
        """The key that holds the value of a wrapped answer."""

    @property
    def wrapped(self) -> bool:
        """Whether the answer is an object with the one key `key`."""

    @property
    def description(self) -> str:
        """What the declaration says of the result; may be empty."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the whole answer, with the description in it."""

    def parse(self, text: str) -> Any:
        """Read an answer into an object with its `value`; raises `DeclaraiError` for another type."""

    def encode(self, value: Any) -> str:
        """Write a value as a perfect model would."""


class Prompt:
    """One task's prompt: checked when declared, and plain data, so that it can be shared and pickled."""

    def __init__(self, signature: Signature, output: OutputLike, templates: Mapping[str, str] | None = None) -> None:
        doc = signature.doc
        self._where = signature.where
        self._output = output
        self._templates = _check_templates(templates or {}, signature.where)
        self._names = tuple(signature.signature.parameters)
        self._text = TextTemplate.of(doc.text, self._names, signature.where)
        self._listed = tuple(name for name in self._names if name not in self._text.names)
        self._optional = signature.variadic
        self._parameters = {name: text for name, text in doc.params.items() if text}
        self._examples = tuple(_example(example, signature, output) for example in doc.examples)
        self._require_instruction()

    @classmethod
    def of(cls, signature: Signature, output: OutputLike, templates: Mapping[str, str] | None = None) -> Prompt:
        """Check a declaration and make its prompt; raises `DefinitionError` for what cannot work.

        `templates` replaces files of `templates/` by their stem: `{"task": "{{ text }} ..."}`.
        """
        return cls(signature, output, templates)

    def render(self, arguments: Mapping[str, Any]) -> tuple[Message, ...]:
        """Write the messages to send; `arguments` holds every parameter.

        Raises `TypeError` for an argument that cannot be written, `DeclaraiError` for a template that
        fails on these arguments.
        """
        values = self._plain(arguments)
        return (*self._opening, self._message(self._text.fill(values), values))

    def outline(self, arguments: Mapping[str, Any]) -> tuple[Message, ...]:
        """Write the messages with `{name}` in the place of each argument that is missing."""
        missing = {name: f"{{{name}}}" for name in self._names if name not in arguments}
        values = self._plain(arguments)
        text = self._text.outline(values, missing)
        return (*self._opening, self._message(text, values | missing))

    @cached_property
    def version(self) -> str:
        """Give a short hash of all that is said around the arguments: another one when a word of it changes."""
        return version_of(*(message.message for message in self.outline({})))

    @cached_property
    def _opening(self) -> tuple[Message, ...]:
        """What precedes the user's message in every call: the system's words and the examples."""
        messages = []
        if instructions := output_instructions(self._output, chat=False, templates=self._templates):
            messages.append(Message(instructions, MessageRole.system))
        for arguments, answer in self._examples:
            values = self._plain(arguments)
            messages.append(self._message(self._text.fill(values), values))
            messages.append(Message(answer, MessageRole.assistant))
        return tuple(messages)

    def _message(self, text: str, values: Mapping[str, Any]) -> Message:
        inputs = {name: _to_text(values[name]) for name in self._listed if values[name] or name not in self._optional}
        variables = {"text": text, "parameters": self._parameters, "inputs": inputs}
        words = _render_template("task", self._templates, variables, self._where)
        if not words.strip():
            raise DeclaraiError(f"{self._where}: these arguments make an empty prompt; nothing was sent")
        return Message(words, MessageRole.user)

    def _plain(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _plain(value, name, self._where) for name, value in arguments.items()}

    def _require_instruction(self) -> None:
        """Refuse a task that says nothing, and a template of the user's that leaves out arguments."""
        if not self._text.source and not self._listed:
            raise DefinitionError(
                f"{self._where}: there is nothing to ask without a docstring and parameters; write a docstring"
            )
        own = self._templates.get("task")
        if own is not None and self._listed and "inputs" not in _jinja_names(own, self._where):
            raise DefinitionError(
                f"{self._where}: the template 'task' leaves out {', '.join(self._listed)}: "
                "let it use {{ inputs }}, or name them in the docstring"
            )


def render_text(text: str, values: Mapping[str, Any], *, fields: Collection[str], where: str) -> str:
    """Fill a text that is no task's, such as a chat's system prompt, with the `values` of its `fields`.

    A single-brace field without a value stays; Jinja without a value raises `DeclaraiError`.
    """
    plain = {name: _plain(value, name, where) for name, value in values.items()}
    return TextTemplate(text, where, _is_jinja(text), frozenset(fields)).fill(plain)


@lru_cache(maxsize=256)
def version_of(*texts: str) -> str:
    """Give a short hash of texts."""
    from hashlib import sha256

    return sha256(json.dumps(texts).encode()).hexdigest()[:12]


def check_text(text: str, fields: Collection[str], where: str) -> None:
    """Raise `DefinitionError` for Jinja that is wrong or uses a variable that is none of `fields`."""
    TextTemplate.of(text, fields, where)


def text_names(text: str, where: str, fields: Collection[str] = ()) -> frozenset[str]:
    """Return the names that a text asks for; those in single braces may be meant as text.

    Jinja's own functions are none of them, unless one of the `fields` has the name.
    """
    if _is_jinja(text):
        return frozenset(_jinja_names(text, where) - (_environment().globals.keys() - set(fields)))
    return frozenset(_FIELD.findall(text))


def output_instructions(output: OutputLike, *, chat: bool, templates: Mapping[str, str] | None = None) -> str:
    """Return the system's words for a return type; empty for text that is not described."""
    templates = templates or {}
    description = output.description
    if output.is_text:
        told = description or "text" in templates
        return _render_template("text", templates, {"description": description}) if told else ""
    if output.is_scalar:
        return _render_template("scalar", templates, {"type": output.type_name, "description": description})
    schema = _json(output.schema)
    key = output.key if output.wrapped else ""
    variables = {"key": key, "schema": schema, "description": description}
    return _render_template("chat_json" if chat else "json", templates, variables)


def render_packaged(stem: str, **variables: Any) -> str:
    """Say what the template of this name says, for what is neither a task nor a type."""
    return _render_template(stem, {}, variables)


def reask(
    answer: str, error: str, output: OutputLike, templates: Mapping[str, str] | None = None
) -> tuple[Message, ...]:
    """Show the model its answer and what is wrong with it; an empty answer is not shown."""
    words = _render_template("reask", templates or {}, {"error": error, "type": output.type_name})
    shown = (Message(answer, MessageRole.assistant),) if answer.strip() else ()
    return (*shown, Message(words, MessageRole.user))


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
        names = _jinja_names(source, where) if is_jinja else set(_FIELD.findall(source))
        if is_jinja:
            _refuse_unknown(names, fields, where)
        return cls(source, where, is_jinja, frozenset(names.intersection(fields)))

    def fill(self, values: Mapping[str, Any]) -> str:
        if self.is_jinja:
            return _render(self.source, values, self.where)
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
        return _to_text(values[name]) if name in self.names and name in values else match[0]


def _is_jinja(text: str) -> bool:
    return _JINJA.search(text) is not None


def _plain(value: Any, name: str, where: str) -> Any:
    """Turn an argument into what JSON can say; models and dataclasses become dictionaries."""
    if type(value) in _PLAIN_TYPES:
        return value
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(_to_builtin(value), by_alias=False, fallback=_to_builtin)
    except (ValueError, RecursionError) as exc:
        raise TypeError(f"{where}: the argument {name!r} cannot be written for the model: {exc}") from exc


def _to_builtin(value: Any) -> Any:
    """Turn what only behaves like a collection into one; a set always in the same order."""
    if isinstance(value, AbstractSet):
        return sorted(value, key=str)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    if isinstance(value, deque | range):
        return list(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _json_for_jinja(value: Any) -> Any:
    """Print lists and dictionaries in Jinja as JSON, not as Python."""
    return _json(value) if isinstance(value, dict | list) else value


def _check_templates(templates: Mapping[str, str], where: str) -> dict[str, str]:
    for stem, source in templates.items():
        if stem not in _TEMPLATES:
            raise DefinitionError(f"{where}: there is no template {stem!r}; the templates are: {', '.join(_TEMPLATES)}")
        place = f"{where}, template {stem!r}"
        _refuse_unknown(_jinja_names(source, place), _TEMPLATES[stem], place)
    return dict(templates)


def _render_template(stem: str, templates: Mapping[str, str], variables: Mapping[str, Any], where: str = "") -> str:
    source = templates[stem] if stem in templates else _read_template(stem)
    return _render(source, variables, where, f"template {stem!r}")


@cache
def _read_template(stem: str) -> str:
    from importlib.resources import files

    return (files("declarai_like._prompting") / "templates" / f"{stem}.j2").read_text("utf-8")


def _render(source: str, values: Mapping[str, Any], *where: str) -> str:
    try:
        return _compile(source).render(values)
    except Exception as exc:  # a template can fail in any way; here that becomes our error
        place = ", ".join(filter(None, where))
        raise DeclaraiError(f"{place}: the template cannot be rendered: {exc}") from exc


@lru_cache(maxsize=1024)
def _compile(source: str) -> Template:
    return _environment().from_string(source)


def _jinja_names(source: str, where: str) -> set[str]:
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


def _refuse_unknown(names: set[str], fields: Collection[str], where: str) -> None:
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
    environment.filters["tojson"] = _json
    del environment.globals["lipsum"]
    return environment


@cache
def _blank_type() -> type[Undefined]:
    from jinja2 import ChainableUndefined

    class Blank(ChainableUndefined):
        """A missing argument: prints as `{name}`, its attributes too, and has no items."""

        def __str__(self) -> str:
            return f"{{{self._undefined_name}}}"

    return Blank


def _example(example: Example, signature: Signature, output: OutputLike) -> tuple[dict[str, Any], str]:
    """Read an example of a docstring: the arguments of its call, and the answer as a model would write it."""
    try:
        args, kwargs = example.arguments(signature.name)
        return signature.bind(args, kwargs), _answer(example.value(as_text=output.is_text), output)
    except (ValueError, TypeError, DeclaraiError) as exc:
        raise DefinitionError(f"{signature.where}: the example `>>> {example.call}` cannot be used: {exc}") from exc


def _answer(value: Any, output: OutputLike) -> str:
    """Write plain data as an answer; reading it first turns it into the declared type, or refuses it."""
    if output.is_text:
        return output.encode(value)
    bare = output.is_scalar or not output.wrapped
    text = json.dumps(value if bare else {output.key: value}, default=_to_builtin)
    return output.encode(output.parse(text).value)

"""The words that are said to a model beside the user's own: each stands in `templates/*.j2`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from declarai_like._prompting.plain_data import to_json
from declarai_like._prompting.text_templates import jinja_names, refuse_unknown_names, render_jinja
from declarai_like.errors import DefinitionError
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OutputLike", "check_templates", "output_instructions", "reask", "render_packaged", "render_template"]

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


def output_instructions(
    output: OutputLike, *, chat: bool, templates: Mapping[str, str] | None = None, shows_schema: bool = True
) -> str:
    """Return the system's words for a return type; empty for text that is not described.

    `shows_schema` says whether they repeat the schema; the user's own templates are given it all the same.
    """
    templates = templates or {}
    description = output.description
    if output.is_text:
        told = description or "text" in templates
        return render_template("text", templates, {"description": description}) if told else ""
    if output.is_scalar:
        return render_template("scalar", templates, {"type": output.type_name, "description": description})
    stem = "chat_json" if chat else "json"
    schema = to_json(output.schema) if shows_schema or stem in templates else ""
    key = output.key if output.wrapped else ""
    return render_template(stem, templates, {"key": key, "schema": schema, "description": description})


def render_packaged(stem: str, **variables: Any) -> str:
    """Say what the template of this name says, for what is neither a task nor a type."""
    return render_template(stem, {}, variables)


def reask(
    answer: str, error: str, output: OutputLike, templates: Mapping[str, str] | None = None
) -> tuple[Message, ...]:
    """Show the model its answer and what is wrong with it; an empty answer is not shown."""
    words = render_template("reask", templates or {}, {"error": error, "type": output.type_name})
    shown = (Message(answer, MessageRole.assistant),) if answer.strip() else ()
    return (*shown, Message(words, MessageRole.user))


def check_templates(templates: Mapping[str, str], where: str) -> dict[str, str]:
    for stem, source in templates.items():
        if stem not in _TEMPLATES:
            raise DefinitionError(f"{where}: there is no template {stem!r}; the templates are: {', '.join(_TEMPLATES)}")
        place = f"{where}, template {stem!r}"
        refuse_unknown_names(jinja_names(source, place), _TEMPLATES[stem], place)
    return dict(templates)


def render_template(stem: str, templates: Mapping[str, str], variables: Mapping[str, Any], where: str = "") -> str:
    source = templates[stem] if stem in templates else _read_template(stem)
    return render_jinja(source, variables, where, f"template {stem!r}")


@cache
def _read_template(stem: str) -> str:
    from importlib.resources import files

    return (files("declarai_like._prompting") / "templates" / f"{stem}.j2").read_text("utf-8")

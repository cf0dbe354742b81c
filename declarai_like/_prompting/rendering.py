"""A task's prompt: bound arguments to messages; every word is the user's own or stands in `templates/*.j2`."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.instructions import check_templates, output_instructions, render_template
from declarai_like._prompting.plain_data import to_builtin, to_plain, to_text
from declarai_like._prompting.text_templates import TextTemplate, jinja_names
from declarai_like.errors import ArgumentError, DeclaraiError, DefinitionError
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._prompting.examples import Example
    from declarai_like._prompting.instructions import OutputLike
    from declarai_like._prompting.signatures import Signature

__all__ = ["Prompt", "version_of"]


class Prompt:
    """One task's prompt: checked when declared, and plain data, so that it can be shared and pickled."""

    def __init__(self, signature: Signature, output: OutputLike, templates: Mapping[str, str] | None = None) -> None:
        doc = signature.doc
        self._where = signature.where
        self._output = output
        self._templates = check_templates(templates or {}, signature.where)
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
        inputs = {name: to_text(values[name]) for name in self._listed if values[name] or name not in self._optional}
        variables = {"text": text, "parameters": self._parameters, "inputs": inputs}
        words = render_template("task", self._templates, variables, self._where)
        if not words.strip():
            raise ArgumentError(f"{self._where}: these arguments make an empty prompt; nothing was sent")
        return Message(words, MessageRole.user)

    def _plain(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: to_plain(value, name, self._where) for name, value in arguments.items()}

    def _require_instruction(self) -> None:
        """Refuse a task that says nothing, and a template of the user's that leaves out arguments."""
        if not self._text.source and not self._listed:
            raise DefinitionError(
                f"{self._where}: there is nothing to ask without a docstring and parameters; write a docstring"
            )
        own = self._templates.get("task")
        if own is not None and self._listed and "inputs" not in jinja_names(own, self._where):
            raise DefinitionError(
                f"{self._where}: the template 'task' leaves out {', '.join(self._listed)}: "
                "let it use {{ inputs }}, or name them in the docstring"
            )


@lru_cache(maxsize=256)
def version_of(*texts: str) -> str:
    """Give a short hash of texts."""
    from hashlib import sha256

    return sha256(json.dumps(texts).encode()).hexdigest()[:12]


def _example(example: Example, signature: Signature, output: OutputLike) -> tuple[dict[str, Any], str]:
    """Read an example of a docstring: the arguments of its call, and the answer as a model would write it."""
    try:
        args, kwargs = example.arguments(signature.name)
        return signature.bind(args, kwargs), _answer(example.value(as_text=output.is_text), output)
    except (ValueError, TypeError, DeclaraiError) as exc:
        raise DefinitionError(f"{signature.where}: the example `>>> {example.call}` cannot be used: {exc}").with_cause(
            exc
        ) from None


def _answer(value: Any, output: OutputLike) -> str:
    """Write plain data as an answer; reading it first turns it into the declared type, or refuses it."""
    if output.is_text:
        return output.encode(value)
    bare = output.is_scalar or not output.wrapped
    text = json.dumps(value if bare else {output.key: value}, default=to_builtin)
    return output.encode(output.parse(text).value)

"""A task's prompt: bound arguments to messages; every word is the user's own or stands in `templates/*.j2`."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.fields import Owner
from declarai_like._prompting.instructions import check_templates, output_instructions, render_template
from declarai_like._prompting.media_places import MediaPlaces
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

_SEVERAL = 2


class Prompt:
    """One task's prompt: checked when declared, and plain data, so that it can be shared and pickled."""

    def __init__(
        self,
        signature: Signature,
        output: OutputLike,
        templates: Mapping[str, str] | None = None,
        system: str = "",
        *,
        shows_schema: bool = True,
    ) -> None:
        doc, where = signature.doc, signature.where
        self._where = where
        self._output = output
        self._shows_schema = shows_schema
        self._templates = check_templates(templates or {}, where)
        self._names = tuple(signature.signature.parameters)
        self._owner = signature.owner
        fields = self._names if self._owner is None else (*self._names, self._owner)
        self._text = TextTemplate.of(doc.text, fields, where)
        self._system = TextTemplate.of(cleandoc(system), fields, f"{where}, system")
        shown = self._text.names | self._system.names
        self._media = signature.media
        self._shows = self._text.names
        if misplaced := sorted(self._system.names & self._media.keys()):
            raise DefinitionError(f"{where}: media cannot stand in the system prompt, as {misplaced[0]!r} does")
        self._listed = tuple(name for name in self._names if name not in shown and name not in self._media)
        self._optional = signature.variadic
        self._parameters = {name: text for name, text in doc.params.items() if text}
        self._examples = tuple(_example(example, signature, output) for example in doc.examples)
        self._require_instruction()

    @classmethod
    def of(
        cls,
        signature: Signature,
        output: OutputLike,
        templates: Mapping[str, str] | None = None,
        system: str = "",
        *,
        shows_schema: bool = True,
    ) -> Prompt:
        """Check a declaration and make its prompt; raises `DefinitionError` for what cannot work.

        `templates` replaces files of `templates/` by their stem: `{"task": "{{ text }} ..."}`. `system` is a system
        prompt, a text of the same kind as the docstring; `shows_schema` says whether words repeat the schema.
        """
        return cls(signature, output, templates, system, shows_schema=shows_schema)

    def render(self, arguments: Mapping[str, Any], owner: Any = None) -> tuple[Message, ...]:
        """Write the messages to send; `arguments` holds every parameter, `owner` is the `self` of a method.

        Raises `ArgumentError` for an argument that cannot be written, `DeclaraiError` for a template that
        fails on these arguments.
        """
        arguments, places = self._place_media(arguments)
        values = self._with_owner(arguments, owner)
        plain = self._plain(arguments)
        opening = (*self._system_message(self._system.fill(values, plain)), *self._example_messages(owner))
        return (*opening, self._message(self._text.fill(values, plain), plain, places))

    def read_media(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the arguments with values in the place of what stands for media: bytes, paths, pictures.

        Raises `ArgumentError`, a `TypeError`, for what is none.
        """
        given = {name: told for name, told in self._media.items() if name in arguments}
        if not given:
            return arguments
        return {**arguments, **{name: told.read(arguments[name], name, self._where) for name, told in given.items()}}

    def outline(self, arguments: Mapping[str, Any], owner: Any = None) -> tuple[Message, ...]:
        """Write the messages with `{name}` in the place of each argument that is missing."""
        missing = {name: f"{{{name}}}" for name in self._names if name not in arguments}
        arguments, places = self._place_media(arguments)
        values, plain = self._with_owner(arguments, owner), self._plain(arguments)
        system = self._system.outline(values, plain, missing)
        text = self._text.outline(values, plain, missing)
        opening = (*self._system_message(system), *self._example_messages(owner))
        unshown = [name for name in self._media if name in missing and name not in self._shows]
        text += "".join(f"\n{name}: {{{name}}}" for name in unshown)
        return (*opening, self._message(text, plain | missing, places))

    def _place_media(self, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], MediaPlaces | None]:
        """Put a mark in the place of each of the media, and give what the marks stand for."""
        given = self._media.keys() & arguments.keys() if self._media else ()
        if not given:
            return arguments, None
        media = {
            name: told.read(arguments[name], name, self._where) for name, told in self._media.items() if name in given
        }
        places = MediaPlaces(media)
        return {**arguments, **places.marks}, places

    @cached_property
    def version(self) -> str:
        """Give a short hash of all that is said around the arguments: another one when a word of it changes."""
        return version_of(*(message.message for message in self.outline({})))

    @property
    def example_answers(self) -> list[str]:
        """The answers of the docstring's examples, as a model would write them."""
        return [answer for _, answer in self._examples]

    @property
    def says_nothing(self) -> bool:
        """Whether there are only arguments, and no word of what to do with them."""
        texts = (self._text.source, self._system.source, self._output.description)
        return not (any(texts) or self._parameters or self._examples or self._templates)

    def _system_message(self, system: str) -> tuple[Message, ...]:
        """Write what the user tells the system, and below it the words for the type."""
        words = "\n".join(filter(None, [system, self._instructions]))
        return (Message(words, MessageRole.system),) if words else ()

    @cached_property
    def _instructions(self) -> str:
        return output_instructions(
            self._output,
            chat=bool(self._system.source),
            templates=self._templates,
            shows_schema=self._shows_schema,
        )

    def _example_messages(self, owner: Any) -> tuple[Message, ...]:
        shown = self._text.names
        return self._own_examples(owner) if self._owner in shown and owner is not None else self._examples_of_nobody

    @cached_property
    def _examples_of_nobody(self) -> tuple[Message, ...]:
        return self._own_examples(None)

    def _own_examples(self, owner: Any) -> tuple[Message, ...]:
        messages = []
        for arguments, answer in self._examples:
            plain = self._plain(arguments)
            messages.append(self._message(self._text.fill(self._with_owner(arguments, owner), plain), plain))
            messages.append(Message(answer, MessageRole.assistant))
        return tuple(messages)

    def _message(self, text: str, plain: Mapping[str, Any], places: MediaPlaces | None = None) -> Message:
        inputs = {name: self._input(plain[name]) for name in self._listed if plain[name] or name not in self._optional}
        variables = {"text": text, "parameters": self._parameters, "inputs": inputs}
        words = render_template("task", self._templates, variables, self._where)
        message = Message(words, MessageRole.user) if places is None else places.message(words)
        if not message.message.strip():
            raise ArgumentError(f"{self._where}: these arguments make an empty prompt; nothing was sent")
        return message

    def _input(self, value: Any) -> str:
        """Write an input: a text of several lines as a block of its own, so that no line of it passes for another."""
        text = to_text(value)
        lines = text.splitlines(keepends=True)
        if len(self._names) == 1 or len(lines) < _SEVERAL:
            return text
        return "\n" + "".join(f"    {line}" for line in lines)

    def _plain(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        media = self._media
        return {n: value if n in media else to_plain(value, n, self._where) for n, value in arguments.items()}

    def _with_owner(self, arguments: Mapping[str, Any], owner: Any) -> Mapping[str, Any]:
        return arguments if owner is None or self._owner is None else {**arguments, self._owner: Owner(owner)}

    def _require_instruction(self) -> None:
        """Refuse a prompt that would be empty, and a template of the user's that leaves out arguments."""
        if not (self._text.source or self._system.source or self._listed or self._media):
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
    read = output.parse(text)
    if read.repairs:
        raise ValueError(f"expected {output.type_name}, got {value!r}")
    return output.encode(read.value)

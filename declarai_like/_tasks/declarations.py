"""A function read once as a task."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from declarai_like._outputs.output import Output
from declarai_like._prompting.bodies import check_body
from declarai_like._prompting.rendering import Prompt
from declarai_like._prompting.signatures import Signature
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from declarai_like._calls.options import Options
    from declarai_like.providers.base import Provider

__all__ = ["TaskDeclaration", "make_prompt"]


class HasProvider(Protocol):
    """What `declarai.openai(...)` and its like give."""

    llm: Provider


class TaskDeclaration(NamedTuple):
    """What a task was declared with, and how it asks: `with_options` changes the options only."""

    signature: Signature
    output: Output[Any]
    prompt: Prompt
    provider: Provider
    options: Options

    @classmethod
    def of(cls, function: Any, provider: Provider, options: Options) -> TaskDeclaration:
        """Read a function; raises `DefinitionError` if it cannot be a task."""
        signature = Signature.of(function)
        check_body(inspect.unwrap(signature.function), signature.where)
        output = Output.of(
            signature.annotation,
            key=signature.return_name or "declarai_result",
            description=signature.return_description,
            where=signature.where,
        )
        prompt = make_prompt(signature, output, options)
        if prompt.says_nothing:
            raise DefinitionError(
                f"{signature.where}: there is nothing to ask: write a docstring that says what to do, or give system="
            )
        return cls(signature, output, prompt, provider, options)

    def with_options(self, options: Options) -> TaskDeclaration:
        """Give the same task asked differently; its prompt is made anew if its words are others."""
        if _words(options) == _words(self.options):
            return self._replace(options=options)
        return self._replace(options=options, prompt=make_prompt(self.signature, self.output, options))

    @property
    def model_name(self) -> str:
        """The model that is asked, after its provider and a colon."""
        return f"{self.provider.name}:{self.options.model or self.provider.model}"

    def with_model(self, llm: HasProvider | str) -> TaskDeclaration:
        """Give the same task asked of another model; a `str` is one of the same provider."""
        if isinstance(llm, str):
            return self._replace(options=self.options.merge(model=llm))
        return self._replace(provider=llm.llm, options=replace(self.options, model=None))


def make_prompt(signature: Signature, output: Output[Any], options: Options) -> Prompt:
    """Make the prompt of a function, in the words that its options say."""
    return Prompt.of(signature, output, options.templates, options.system, shows_schema=options.shows_schema)


def _words(options: Options) -> tuple[Any, ...]:
    return options.templates, options.system, options.shows_schema

"""A function read once as a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._outputs.output import Output
from declarai_like._prompting.rendering import Prompt
from declarai_like._prompting.signatures import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.providers.base import Provider

__all__ = ["TaskDeclaration"]


class TaskDeclaration(NamedTuple):
    """What a task was declared with; its copies share it."""

    signature: Signature
    output: Output[Any]
    prompt: Prompt
    provider: Provider

    @classmethod
    def of(cls, function: Any, provider: Provider, templates: Mapping[str, str], system: str) -> TaskDeclaration:
        """Read a function; raises `DefinitionError` if it cannot be a task."""
        signature = Signature.of(function)
        output = Output.of(
            signature.annotation,
            key=signature.return_name or "declarai_result",
            description=signature.return_description,
            where=signature.where,
        )
        return cls(signature, output, Prompt.of(signature, output, templates, system), provider)

    def reworded(self, templates: Mapping[str, str], system: str) -> TaskDeclaration:
        """Give the same task in other words."""
        return self._replace(prompt=Prompt.of(self.signature, self.output, templates, system))

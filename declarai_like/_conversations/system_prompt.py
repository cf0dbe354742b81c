"""The system prompt of a chat, and the values that fill it: the instance's attributes, and those of a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like._conversations.declarations import placeholders_of
from declarai_like._prompting.text_templates import render_text
from declarai_like.errors import ArgumentError, DeclaraiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._conversations.declarations import ChatDeclaration

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The system prompt of one chat instance as it was written."""

    text: str
    chat: Any
    declaration: ChatDeclaration

    def render(self, values: Mapping[str, Any]) -> str:
        """Fill the prompt; raises `TypeError` if a value is missing."""
        where = self.declaration.where
        placeholders = placeholders_of(self.text, where)
        known = {**self._attributes(placeholders), **values}
        try:
            return render_text(self.text, known, where=where, owner=self.chat)
        except DeclaraiError as error:
            missing = sorted(placeholders - known.keys())
            if not missing:
                raise
            raise ArgumentError(
                f"{where}: the system prompt needs {', '.join(map(repr, missing))}: "
                "give it to the constructor or to send, or set it as an attribute"
            ).with_cause(error) from None

    def render_or_source(self, values: Mapping[str, Any]) -> str:
        """Fill the prompt, or give it as it was written: a value that is missing may come with a `send`."""
        try:
            return self.render(values)
        except TypeError:
            return self.text

    def refuse_unknown(self, values: Mapping[str, Any], caller: str) -> None:
        """Raise `TypeError` for a value that neither the system prompt nor a parent's asks for."""
        own = placeholders_of(self.text, self.declaration.where)
        placeholders = self.declaration.placeholders | own.difference(self.declaration.taken)
        if unknown := sorted(values.keys() - placeholders):
            raise TypeError(
                f"{caller}() got an unexpected keyword argument {unknown[0]!r}; "
                f"the system prompt asks for: {', '.join(sorted(placeholders)) or 'nothing'}"
            )

    def _attributes(self, names: frozenset[str]) -> dict[str, Any]:
        """Give those of the names that are attributes of the instance, and not the chat's own or methods."""
        found = {name: getattr(self.chat, name, _MISSING) for name in names - self.declaration.taken}
        return {name: value for name, value in found.items() if value is not _MISSING and not callable(value)}

"""The system prompt of a chat, and the values that fill it: the instance's attributes, and those of a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from declarai_like._conversations.declarations import placeholders_of
from declarai_like._prompting.text_templates import render_text
from declarai_like.errors import ArgumentError, DeclaraiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like._conversations.declarations import ChatDeclaration

_MISSING: Any = object()


@dataclass(frozen=True, slots=True, eq=False)
class FilledPrompt:
    """A system prompt with its values: what a turn was asked under."""

    template: str
    given: Mapping[str, Any]
    """What `send` has given, in this turn or before it."""
    seen: Mapping[str, Any]
    """The attributes of those names at that time: one that is set later is the last word."""
    known: Mapping[str, Any]
    """All values: the attributes, and what was given."""

    def is_same(self, other: FilledPrompt) -> bool:
        """Say whether another one has the same words and values, as far as that can be said without comparing them."""
        return self.template == other.template and all(
            mine.keys() == its.keys() and all(_is_same(mine[name], its[name]) for name in mine)
            for mine, its in ((self.given, other.given), (self.seen, other.seen), (self.known, other.known))
        )


class PromptHistory:
    """Under which system prompt the stored turns of a conversation were asked, as far as this process knows."""

    def __init__(self, changes: Iterable[tuple[int, FilledPrompt]] = ()) -> None:
        self._changes = list(changes)
        """Where the prompt has changed: how many messages were before the turn, and the prompt since then."""

    @property
    def last(self) -> FilledPrompt | None:
        """The prompt of the last turn; `None` if it is not known."""
        return self._changes[-1][1] if self._changes else None

    def add(self, position: int, prompt: FilledPrompt) -> None:
        """Note a turn with so many messages before it, in the place of those that were there."""
        self.cut(position)
        if self.last is None or not self.last.is_same(prompt):
            self._changes.append((position, prompt))

    def cut(self, position: int) -> None:
        """Forget the turns that had so many messages before them, or more."""
        while self._changes and self._changes[-1][0] >= position:
            self._changes.pop()

    def copy(self) -> PromptHistory:
        """Give a history that goes its own way from here."""
        return PromptHistory(self._changes)


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The system prompt of one chat instance as it was written, and what its last turn has said of it."""

    text: str
    chat: Any
    declaration: ChatDeclaration
    last: FilledPrompt | None = None

    def fill(self, values: Mapping[str, Any]) -> FilledPrompt:
        """Find the values of a turn: those of its `send`, of the `send`s before it, of the instance's attributes."""
        attributes = self._attributes(placeholders_of(self.text, self.declaration.where))
        given = {**self._still_given(attributes), **values}
        seen = {name: attributes[name] for name in given if name in attributes}
        return FilledPrompt(self.text, given, seen, {**attributes, **given})

    def refill(self, values: Mapping[str, Any]) -> FilledPrompt:
        """Find what the last turn was asked under, with other values where there are any."""
        last = self.last
        if last is None:
            return self.fill(values)
        return FilledPrompt(last.template, {**last.given, **values}, last.seen, {**last.known, **values})

    def render(self, filled: FilledPrompt) -> str:
        """Fill the prompt; raises `TypeError` if a value is missing."""
        where = self.declaration.where
        try:
            return render_text(filled.template, filled.known, where=where, owner=self.chat)
        except DeclaraiError as error:
            missing = sorted(placeholders_of(filled.template, where) - filled.known.keys())
            if not missing:
                raise
            raise ArgumentError(
                f"{where}: the system prompt needs {', '.join(map(repr, missing))}: "
                "give it to the constructor or to send, or set it as an attribute"
            ).with_cause(error) from None

    def render_or_source(self, values: Mapping[str, Any]) -> str:
        """Fill the prompt, or give it as it was written: a value that is missing may come with a `send`."""
        try:
            return self.render(self.fill(values))
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

    def _still_given(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Give what earlier `send`s have given, but for names whose attribute was set since then."""
        if self.last is None:
            return {}
        seen = self.last.seen
        return {
            name: value
            for name, value in self.last.given.items()
            if _is_same(seen.get(name, _MISSING), attributes.get(name, _MISSING))
        }


def _is_same(one: Any, other: Any) -> bool:
    """Say whether an attribute is what it was; a property may make the same text anew."""
    return one is other or (isinstance(one, str) and isinstance(other, str) and one == other)

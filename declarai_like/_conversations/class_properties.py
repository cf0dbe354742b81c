"""Properties that a chat class answers too."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._conversations.declarations import ChatDeclaration

__all__ = ["ClassProperty", "Declared"]

T = TypeVar("T")


class ClassProperty(Generic[T]):
    """A property that the class answers too: with what was declared, where an instance has a value of its own."""

    def __init__(self, of_class: Callable[[Any], T], of_instance: Callable[[Any], T], assign: Any = None) -> None:
        self._of_class = of_class
        self._of_instance = of_instance
        self._assign = assign

    def __get__(self, chat: Any, owner: Any) -> T:
        return self._of_class(owner) if chat is None else self._of_instance(chat)

    def __set__(self, chat: Any, text: str | None) -> None:
        self._assign(chat, inspect.cleandoc(text or ""))


class Declared:
    """What the rest of this package reads of a chat, a class or an instance."""

    def __get__(self, chat: Any, owner: Any) -> ChatDeclaration:
        declaration: ChatDeclaration = owner.__chat__
        return declaration

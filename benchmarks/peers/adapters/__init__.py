"""How each client is used: one file per client, all with the same interface.

An adapter is a module with these names, and a class `Peer` that follows the one below. Nothing of the client is
imported before `Peer` is built, so that any environment can read what an adapter says about itself.

    TITLE         the name in tables
    ENVIRONMENT   the folder of its virtual environment
    REQUIREMENTS  what pip installs into it
    PACKAGE       the distribution whose version is told
    IMPORT        the statement that a user begins with
    VALUES        what a structured stream shows: growing values, whole items, or nothing
    LACKS         the cases that the client does not have, and why
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

NAMES = (
    "ours",
    "official",
    "helper",
    "mirascope",
    "magentic",
    "pydantic_ai",
    "instructor",
    "langchain",
    "litellm",
)
"""Every adapter, in the order of the tables."""

BASELINE = "official"
OURS = "ours"

SYSTEM = "Say something short about the following movie"
USER = "Inputs:\nmovie: Avengers"
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]


class Peer(Protocol):
    """One client, set up to talk to the server at `url`; `model` chooses what the server sends."""

    def __init__(self, url: str) -> None: ...

    def call(self, model: str) -> str:
        """Ask for a whole text."""
        ...

    def call_model(self, model: str) -> Any:
        """Ask for a `documents.Person`."""
        ...

    def stream(self, model: str) -> Iterator[Any]:
        """Ask for a text in chunks, and give each thing that the client's user gets."""
        ...

    def astream(self, model: str) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        ...

    def piece(self, chunk: Any) -> str:
        """Give the new text of what `stream` gave."""
        ...

    def partials(self, model: str) -> Iterator[Any]:
        """Ask for a `documents.Doc`, and give each value that can be seen while it arrives, the whole one last."""
        ...

    def items(self, value: Any) -> Sequence[Any]:
        """Give the items that a value of `partials` shows."""
        ...

    def sent(self, model: str) -> int:
        """Give how many chunks with text or arguments the server sends for `partials`."""
        from payloads import pieces_of

        return len(pieces_of(model))

    def keep(self, model: str) -> Any:
        """Read a whole stream and keep everything it gave, with the response if the client has such an object."""
        return list(self.stream(model))

    def first_answer(self) -> Any:
        """Ask for one answer, as a program does that has just started."""
        return self.call("str")


def adapter(name: str) -> Any:
    """Give the module of an adapter by its name."""
    return importlib.import_module(f"{__name__}.{name}")

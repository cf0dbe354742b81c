"""Partial values: what a response is worth while its text arrives."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from declarai_like._outputs.reader import Reader

__all__ = ["JsonPartials", "Partials", "TextPartials"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Partials(Protocol[T_co]):
    """The value of one response while its text arrives; made by `Output.partials`."""

    def feed(self, delta: str, /) -> None:
        """Read the next piece of text; never raises, and reads nothing after what is malformed."""

    @property
    def value(self) -> T_co | None:
        """What has arrived, as the declared type; `None` before anything can be shown.

        A value that was handed out never changes.
        """

    @property
    def misfit(self) -> str | None:
        """Which closed part of the value is not of its type, and why; `None` while all are."""

    @property
    def items(self) -> list[Any]:
        """The validated items of a list that have closed, in order: one list, which grows.

        It ends before the first item that is not valid.
        """


class JsonPartials(Reader, Generic[T]):
    """The value of a JSON response.

    Strings grow; numbers, truths, enums and literals are there when they have closed, and so is whatever pydantic
    describes in a way that is not known here. A union grows when only one of its types can be meant. A field that
    has not arrived, or is not valid, is its default, or `None`; in a `TypedDict` it is missing.
    """

    __slots__ = ()


class TextPartials:
    """The plain text of a response."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def feed(self, delta: str) -> None:
        """Add the next piece of text."""
        self._pieces.append(delta)

    @property
    def value(self) -> str | None:
        """The text so far; `None` before there is any."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0] or None

    @property
    def misfit(self) -> str | None:
        """None: any text is one."""
        return None

    @property
    def items(self) -> list[Any]:
        """None: a text has no items."""
        return []

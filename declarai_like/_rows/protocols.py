"""What many rows need of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.flow import Call
    from declarai_like._outputs.output import Output
    from declarai_like._rows.rows import Row

__all__ = ["RowStore", "RowTask"]

T = TypeVar("T")


class RowTask(Protocol[T]):
    """A task, as far as many rows need it."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its arguments."""
        ...

    @property
    def output(self) -> Output[T]:
        """What it gives."""
        ...

    def pick(self, raw: Any) -> Any:
        """Leave out what is no argument in a row that is a mapping."""
        ...

    def example_answers(self) -> list[str]:
        """Give the answers of the docstring's examples, as a model would write them."""
        ...

    def identity(self) -> dict[str, Any]:
        """Name all that an answer depends on beside the arguments, as plain data."""
        ...

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments by name as plain data; raises `TypeError` if they do not fit."""
        ...

    def prepare(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[T]:
        """Make a call of arguments; nothing is sent yet."""
        ...


class RowStore(Protocol[T]):
    """Where finished rows are kept, and found again by their keys."""

    def find(self, key: str, index: int) -> Row[T] | None:
        """Give what is kept of a key, as the row at this place of the input; `None` if it is to be asked."""
        ...

    def keep(self, row: Row[T]) -> None:
        """Keep a row that has finished."""
        ...

    def close(self) -> None:
        """Let go of what is held; closing twice is fine."""
        ...

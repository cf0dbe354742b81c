"""Arrays that are still open: lists, tuples and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._outputs.containers import NOTHING, Container

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from declarai_like._outputs.shape import Shape

__all__ = ["ListContainer", "SetContainer", "TupleContainer"]


class ListContainer(Container):
    """An open list; `values` are the items that have closed, as far as all of them can be shown."""

    __slots__ = ("_is_whole", "_items", "_valid", "values")

    def __init__(self, shape: Shape, items: Shape | None) -> None:
        super().__init__(shape, "]")
        self._items = items
        self._is_whole = True
        self._valid: list[Any] | None = None
        self.values: list[Any] = []

    @property
    def items(self) -> list[Any]:
        """The items before the first that is not valid."""
        return self.values if self._valid is None else self._valid

    def expect(self) -> Container:
        self.current = self._items
        return self

    def take(self, value: Any) -> Container:
        if not self.exact and self._valid is None:
            self._valid = self.values.copy()
        self._is_whole &= value is not NOTHING
        if self._is_whole:
            self.values.append(value)
        return self

    def show(self, child: Any) -> Any:
        return [*self.values, child] if self._is_whole and child is not NOTHING else self.values.copy()

    def composed(self) -> tuple[Any, bool]:
        return self.show(NOTHING), self.exact and self.shape is not None and self.shape.holds(len(self.values))


class TupleContainer(ListContainer):
    """An open array that becomes something else than a list: `make` builds it.

    The last of `items` stands for all that follow if it is `variadic`.
    """

    __slots__ = ("_make", "_types", "_variadic")

    def __init__(
        self, shape: Shape, items: Sequence[Shape], make: Callable[[list[Any]], Any], *, variadic: bool
    ) -> None:
        super().__init__(shape, items[-1])
        self._types = items
        self._make = make
        self._variadic = variadic

    def expect(self) -> Container:
        count = len(self.data)
        if count < len(self._types):
            self.current = self._types[count]
        elif self._variadic:
            self.current = self._items
        else:
            self.exact, self.current = False, None
        return self

    def show(self, child: Any) -> Any:
        return self._make(super().show(child))


class SetContainer(ListContainer):
    """An open array that becomes a set: an item is in it when it has closed."""

    __slots__ = ("_make",)
    shows_open = False

    def __init__(self, shape: Shape, items: Shape, make: Callable[[list[Any]], Any]) -> None:
        super().__init__(shape, items)
        self._make = make

    def take(self, value: Any) -> Container:
        try:
            hash(value)
        except TypeError:
            self.exact = False
            return self
        return super().take(value)

    def show(self, child: Any) -> Any:
        return self._make(self.values)

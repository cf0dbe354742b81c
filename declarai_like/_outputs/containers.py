"""Objects and arrays that are still open: what has arrived of them, and how it is shown.

A frame is given its children as they close. `show` builds a new value each time, so what was
handed out stays as it is; the closed children are shared by all of these values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from declarai_like._outputs.fields import Record
    from declarai_like._outputs.shapes import Shape

__all__ = ["NOTHING", "Frame", "ListFrame", "MapFrame", "RecordFrame", "RootFrame", "SetFrame", "TupleFrame"]

NOTHING: Any = object()
"""In the place of a value of which nothing can be shown yet."""


class Frame(Protocol):
    """An open object or array.

    `shape` is its type, `chunk` and `start` are where its text begins, `exact` is whether all its
    children are what their types say, `closer` is the bracket that ends it.
    """

    shape: Shape
    chunk: int
    start: int
    exact: bool

    @property
    def closer(self) -> str: ...

    def child(self, key: str, /) -> Shape | None:
        """Say what follows: the type of the field `key` or of the next item, `None` to pass it over."""

    def take(self, value: Any, /) -> None:
        """Keep the child that has closed."""

    def show(self, child: Any, /) -> Any:
        """Build the value as far as it has arrived; `child` is the open one, or `NOTHING`."""

    def composed(self) -> tuple[Any, bool]:
        """Return the closed value, and whether its children alone make it valid."""


class _Open:
    __slots__ = ("chunk", "exact", "shape", "start")

    def __init__(self, shape: Shape, chunk: int, start: int) -> None:
        self.shape = shape
        self.chunk = chunk
        self.start = start
        self.exact = True


class RecordFrame(_Open):
    """An open model, dataclass or `TypedDict`."""

    __slots__ = ("_arrived", "_key", "_record", "_values")
    closer = "}"

    def __init__(self, shape: Shape, chunk: int, start: int, record: Record) -> None:
        super().__init__(shape, chunk, start)
        self._record = record
        self._values = record.blank()
        self._arrived: set[str] = set()
        self._key = ""

    def child(self, key: str) -> Shape | None:
        field = self._record.fields.get(key)
        if field is None:
            self.exact &= self._record.ignores_extra
            return None
        self._key, shape = field
        return shape

    def take(self, value: Any) -> None:
        self._values[self._key] = value
        self._arrived.add(self._key)

    def show(self, child: Any) -> Any:
        values, arrived = self._values.copy(), self._arrived.copy()
        if child is not NOTHING:
            values[self._key] = child
            arrived.add(self._key)
        return self._record.build(values, arrived)

    def composed(self) -> tuple[Any, bool]:
        record = self._record
        complete = self.exact and self.shape.composable and self._arrived >= record.required
        return record.build(self._values, self._arrived), complete and record.composable


class RootFrame(_Open):
    """The object that holds the value of a wrapped type under its key."""

    __slots__ = ("_key", "_value")
    closer = "}"

    def __init__(self, shape: Shape, chunk: int, start: int, key: str) -> None:
        super().__init__(shape, chunk, start)
        self._key = key
        self._value: Any = None

    def child(self, key: str) -> Shape | None:
        return self.shape if key == self._key else None

    def take(self, value: Any) -> None:
        self._value = value

    def show(self, child: Any) -> Any:
        return self._value if child is NOTHING else child

    def composed(self) -> tuple[Any, bool]:
        return self._value, True


class MapFrame(_Open):
    """An open mapping; `keys` is the type of its keys, `None` for plain strings."""

    __slots__ = ("_items", "_key", "_keys", "_values")
    closer = "}"

    def __init__(self, shape: Shape, chunk: int, start: int, keys: Shape | None, items: Shape) -> None:
        super().__init__(shape, chunk, start)
        self._keys = keys
        self._items = items
        self._key: Any = ""
        self._values: dict[Any, Any] = {}

    def child(self, key: str) -> Shape | None:
        self._key = key
        if self._keys is not None:
            self._key, known = self._keys.read(json.dumps(key), key)
            self.exact &= known
        return self._items

    def take(self, value: Any) -> None:
        self._values[self._key] = value

    def show(self, child: Any) -> Any:
        return self._values.copy() if child is NOTHING else {**self._values, self._key: child}

    def composed(self) -> tuple[Any, bool]:
        return self._values, self.exact and self.shape.holds(len(self._values))


class ListFrame(_Open):
    """An open list; `values` are the items that have closed."""

    __slots__ = ("_items", "values")
    closer = "]"

    def __init__(self, shape: Shape, chunk: int, start: int, items: Shape) -> None:
        super().__init__(shape, chunk, start)
        self._items = items
        self.values: list[Any] = []

    def child(self, key: str) -> Shape | None:
        return self._items

    def take(self, value: Any) -> None:
        self.values.append(value)

    def show(self, child: Any) -> Any:
        return self.values.copy() if child is NOTHING else [*self.values, child]

    def composed(self) -> tuple[Any, bool]:
        return self.show(NOTHING), self.exact and self.shape.holds(len(self.values))


class TupleFrame(ListFrame):
    """An open array that becomes something else than a list: `make` builds it.

    The last of `items` stands for all that follow if it is `variadic`.
    """

    __slots__ = ("_make", "_types", "_variadic")

    def __init__(
        self,
        shape: Shape,
        chunk: int,
        start: int,
        items: Sequence[Shape],
        make: Callable[[list[Any]], Any],
        *,
        variadic: bool,
    ) -> None:
        super().__init__(shape, chunk, start, items[-1])
        self._types = items
        self._make = make
        self._variadic = variadic

    def child(self, key: str) -> Shape | None:
        if len(self.values) < len(self._types):
            return self._types[len(self.values)]
        if self._variadic:
            return self._items
        self.exact = False
        return None

    def show(self, child: Any) -> Any:
        return self._make(super().show(child))


class SetFrame(ListFrame):
    """An open array that becomes a set: an item is in it when it has closed."""

    __slots__ = ("_make",)

    def __init__(self, shape: Shape, chunk: int, start: int, items: Shape, make: Callable[[list[Any]], Any]) -> None:
        super().__init__(shape, chunk, start, items)
        self._make = make

    def take(self, value: Any) -> None:
        try:
            hash(value)
        except TypeError:
            self.exact = False
        else:
            self.values.append(value)

    def show(self, child: Any) -> Any:
        return self._make(self.values)

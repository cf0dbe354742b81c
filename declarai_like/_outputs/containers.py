"""Objects and arrays that are still open: what has arrived of them, and how it is shown.

A container is given its children as they close, as plain data and, where its type is known, as values. `show` builds
a new value each time, so what was handed out stays as it is; the closed children are shared by all of these values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._outputs.fields import Record
    from declarai_like._outputs.shape import Shape

__all__ = [
    "NOTHING",
    "ChoiceContainer",
    "Container",
    "MapContainer",
    "PlainContainer",
    "RecordContainer",
    "RootContainer",
]

NOTHING: Any = object()
"""In the place of a value of which nothing can be shown."""


class Container:
    """An open object or array.

    `shape` is its type, `closer` the bracket that ends it, `data` its closed children as plain data, `key` the key
    that was read last, `current` the type of the child that follows (`None` to show nothing of it), `exact` whether
    all its children are what their types say, `shows_open` whether a child is shown before it has closed.
    """

    __slots__ = ("closer", "current", "data", "exact", "key", "shape")
    shows_open = True

    def __init__(self, shape: Shape | None, closer: str) -> None:
        self.shape = shape
        self.closer = closer
        self.data: Any = [] if closer != "}" else {}
        self.key = ""
        self.current: Shape | None = None
        self.exact = True

    def expect(self) -> Container:
        """Set `current` for the child under `key`, or for the next item; give who goes on in its place."""
        return self

    def take(self, value: Any) -> Container:
        """Keep the value of the child that has closed; give who goes on in its place."""
        return self

    def show(self, child: Any) -> Any:
        """Build the value as far as it has arrived; `child` is the open one, or `NOTHING`."""
        return NOTHING

    def composed(self) -> tuple[Any, bool]:
        """Return the closed value, and whether its children alone make it valid."""
        return NOTHING, False


class PlainContainer(Container):
    """An open object or array of which only the data is kept."""

    __slots__ = ()


class RecordContainer(Container):
    """An open model, dataclass or `TypedDict`."""

    __slots__ = ("_arrived", "_name", "_record", "_values")

    def __init__(self, shape: Shape, record: Record) -> None:
        super().__init__(shape, "}")
        self._record = record
        self._values = record.blank()
        self._arrived: set[str] = set()
        self._name = ""

    def expect(self) -> Container:
        field = self._record.fields.get(self.key) or self._record.field(self.key, self._arrived)
        if field is None:
            self.exact &= self._record.ignores_extra
            self.current = None
        else:
            self._name, self.current = field
        return self

    def take(self, value: Any) -> Container:
        if value is not NOTHING:
            self._values[self._name] = value
            self._arrived.add(self._name)
        return self

    def show(self, child: Any) -> Any:
        values, arrived = self._values.copy(), self._arrived.copy()
        if child is not NOTHING:
            values[self._name] = child
            arrived.add(self._name)
        return self._record.build(values, arrived)

    def composed(self) -> tuple[Any, bool]:
        record, shape = self._record, self.shape
        complete = self.exact and shape is not None and shape.composable and self._arrived >= record.required
        return record.build(self._values, self._arrived), complete and record.composable


class RootContainer(Container):
    """The object that holds the value of a wrapped type under its key, or is that value itself."""

    __slots__ = ("_inner", "_value", "_wrapper")

    def __init__(self, shape: Shape, wrapper: str, inner: Shape) -> None:
        super().__init__(shape, "}")
        self._inner = inner
        self._wrapper = wrapper
        self._value: Any = NOTHING

    def expect(self) -> Container:
        self.current = self._inner if self.key == self._wrapper else None
        if self.current is None and not self.data and "{" in self._inner.opens:
            other: Container = self._inner.opens["{"](self._inner)
            other.key = self.key
            return other.expect()
        return self

    def take(self, value: Any) -> Container:
        self._value = value
        return self

    def show(self, child: Any) -> Any:
        return self._value if child is NOTHING else child

    def composed(self) -> tuple[Any, bool]:
        return self._value, True


class MapContainer(Container):
    """An open mapping; `keys` is the type of its keys, `None` for plain strings."""

    __slots__ = ("_items", "_keys", "_name", "_values")

    def __init__(self, shape: Shape, keys: Shape | None, items: Shape) -> None:
        super().__init__(shape, "}")
        self._keys = keys
        self._items = items
        self._name: Any = ""
        self._values: dict[Any, Any] = {}

    def expect(self) -> Container:
        self._name, self.current = self.key, self._items
        if self._keys is not None:
            self._name, known = self._keys.read(self.key)
            if not known:
                self.exact, self.current = False, None
        return self

    def take(self, value: Any) -> Container:
        if value is not NOTHING:
            self._values[self._name] = value
        return self

    def show(self, child: Any) -> Any:
        return self._values.copy() if child is NOTHING else {**self._values, self._name: child}

    def composed(self) -> tuple[Any, bool]:
        return self._values, self.exact and self.shape is not None and self.shape.holds(len(self._values))


class ChoiceContainer(Container):
    """An open object that is one of several types: it becomes that one when only one can be meant.

    `choose` gives the type for the keys and the data that have come, or `None` while several can be meant.
    """

    __slots__ = ("_choose",)

    def __init__(self, shape: Shape, choose: Callable[[str, dict[str, Any]], Shape | None]) -> None:
        super().__init__(shape, "}")
        self._choose = choose

    def expect(self) -> Container:
        self.current = None
        chosen = self._choose(self.key, self.data)
        if chosen is None or self.shape is None:
            return self
        return self._become(chosen).expect()

    def take(self, value: Any) -> Container:
        chosen = self._choose("", self.data)
        return self if chosen is None else self._become(chosen)

    def _become(self, chosen: Shape) -> Container:
        """Give the container of the type, which has taken what came before."""
        other: Container = chosen.opens["{"](self.shape)  # type: ignore[arg-type]  # a choice always has a type
        for key, data in self.data.items():
            other.key = key
            other = other.expect()
            other.data[key] = data
            if other.current is not None:
                value, valid = other.current.read(data)
                other.exact &= valid
                other = other.take(value if valid else NOTHING)
        other.key = self.key
        return other

"""The values that are open in a text, on a stack: where they begin, what they are given, and how they end."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.containers import NOTHING, PlainContainer, RootContainer
from declarai_like._outputs.documents import Document
from declarai_like._outputs.scanner import Broken, Scanner
from declarai_like._outputs.sequences import ListContainer

if TYPE_CHECKING:
    from declarai_like._outputs.containers import Container
    from declarai_like._outputs.shape import Shape

__all__ = ["BRACKETS", "Stack"]

# As deep as pydantic's reader goes.
_DEEPEST = 200
BRACKETS = {"{": "}", "[": "]", "(": ")"}
"""The brackets that open a value, and those that close it."""


class Stack(Scanner):
    """What has been read of the values in a text; the first that fits is shown as what `shape` says, if it is given.

    The steps that read what stands between the values are its subclass's business.
    """

    __slots__ = (
        "_after_comma",
        "_containers",
        "_document",
        "_is_typed",
        "_lacks_braces",
        "_list",
        "_root",
        "_value",
        "documents",
    )

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__(type(self).at_start)
        self._root = shape
        self.documents: list[Document] = []
        self._document = Document(0)
        self._containers: list[Container] = []
        self._is_typed = self._changed = self._after_comma = self._lacks_braces = False
        self._list: ListContainer | None = None
        self._value: Any = None

    def finish(self) -> list[Document]:
        """Read what waits for more that does not come; give the values, the last of which may be open."""
        self.read_rest()
        if len(self._containers) == 1 and self._lacks_braces:
            self.feed("}")
        if self._containers:
            self.documents.append(self._document)
        return self.documents

    @property
    def value(self) -> Any:
        """What has arrived; closed parts are the same objects from one value to the next.

        `None` before anything can be shown.
        """
        if self._changed and self._is_typed:
            shown: Any = NOTHING
            if self._grows:
                shown = "".join(self._pieces)
                self._pieces = [shown] if shown else []
            for container in reversed(self._containers):
                shown = container.show(shown)
            if shown is not NOTHING:
                self._value = shown
        self._changed = False
        return self._value

    @property
    def misfit(self) -> str | None:
        """Which closed part of the value is not of its type, and why; `None` while all are."""
        return self._document.misfit

    @property
    def items(self) -> list[Any]:
        """The valid items of the list that is the value, as far as they have closed."""
        return [] if self._list is None else self._list.items

    def key_ended(self, key: str) -> None:
        self._containers[-1].key = key
        self.step = type(self).before_colon

    def expect_member(self, key: str, text: str, position: int) -> int:
        container = self._containers[-1]
        container.key = key
        self._containers[-1] = container.expect()
        self.step = type(self).before_value
        self._after_comma = False
        return position + 1 if text[position : position + 1] == " " else position

    def next_text(self, position: int) -> int:
        self._containers[-1].expect()
        self._after_comma = True
        self.begin_value('"')
        return position

    def begin_value(self, quote: str) -> None:
        """Go into a text that is a value."""
        container = self._containers[-1]
        current = container.current
        grows = current is not None and current.grows and container.shows_open
        self.begin_text(quote, is_item=type(container.data) is list, grows=grows)
        if grows:
            self._changed = True

    def closer(self) -> str:
        return self._containers[-1].closer

    def count_odd_text(self) -> int:
        self._document.odd_texts += 1
        return self._document.odd_texts

    def leaf_ended(self, data: Any) -> None:
        """Take a text, a number, a truth or nothing that has closed."""
        current = self._containers[-1].current
        is_shown = False
        if current is None:
            self._give(NOTHING, data, is_valid=True)
        elif current.text and type(data) is str:
            is_shown = self._grows
            self._give(data, data, is_valid=True)
        else:
            value, is_valid = current.read(data)
            if not is_valid:
                self._note_misfit(current, data)
            self._give(value if is_valid else NOTHING, data, is_valid=is_valid)
        if not is_shown:
            self._changed = True

    def _open(self, mark: str, position: int) -> None:
        """Go into an object or array."""
        containers = self._containers
        if len(containers) >= _DEEPEST:
            raise Broken(position, f"no more than {_DEEPEST} brackets in one another")
        shape = containers[-1].current if containers else self._root if self._is_typed else None
        opener = None if shape is None else shape.opens.get("{" if mark == "{" else "[")
        if shape is None or opener is None:
            container: Container = PlainContainer(shape, BRACKETS[mark])
        else:
            container = opener(shape)
            container.closer = BRACKETS[mark]
            self._changed = True
            if isinstance(container, ListContainer) and all(isinstance(each, RootContainer) for each in containers):
                self._list = container
        containers.append(container)
        self._after_comma = False
        if mark == "{":
            self.step = type(self).before_key
        else:
            container.expect()
            self.step = type(self).before_value

    def _close(self, position: int) -> int:
        """Leave the innermost object or array."""
        container = self._containers.pop()
        value, is_valid = container.composed()
        if not is_valid and container.shape is not None:
            value, is_valid = container.shape.read_closed(container.data, value)
            if not is_valid and self._containers:
                self._note_misfit(container.shape, container.data)
        if self._containers:
            self._give(value, container.data, is_valid=is_valid or container.shape is None)
            self._changed = True
        else:
            self._end_document(value, container.data, position + 1)
        return position + 1

    def _note_misfit(self, shape: Shape, data: Any) -> None:
        """Note the first closed part that is not of its type; one that is judged by others may yet be right."""
        if self._document.misfit is None and self._is_typed and not shape.contextual:
            place = [each.key if type(each.data) is dict else len(each.data) for each in self._containers]
            self._document.misfit = shape.complaint(data, tuple(place))

    def _give(self, value: Any, data: Any, *, is_valid: bool) -> None:
        """Give a closed value to what it stands in."""
        container = self._containers[-1]
        members = container.data
        if type(members) is dict:
            if container.key in members:
                self.note("duplicate_keys")
            members[container.key] = data
        else:
            members.append(data)
        if not is_valid:
            container.exact = False
        after = container.take(value)
        if after is not container:
            self._containers[-1] = after
        self.step = type(self).after_value

    def _end_document(self, value: Any, data: Any, position: int) -> None:
        document = self._document
        document.data, document.end = data, self.consumed + position
        self.documents.append(document)
        if self._is_typed:
            self._value = self._value if value is NOTHING else value
            self._changed = False
        self._lacks_braces = False
        self.step = self.ended if self._is_typed else type(self).in_prose

    def give_up(self, position: int, expected: str, text: str) -> int:
        """End the reading at a fault, or go on behind what was prose after all."""
        document = self._document
        _ = self.value
        self._containers.clear()
        if document.is_soft and not (self._is_typed and self._value is not None):
            self.step = type(self).in_prose
            return position
        document.fail(self.consumed + position, expected, text[position : position + 1])
        self.documents.append(document)
        self.step = self.ended
        return len(text)

    # The steps, which a subclass has.

    @abstractmethod
    def at_start(self, text: str, position: int) -> int:
        """Read the very beginning of the text."""

    @abstractmethod
    def in_prose(self, text: str, position: int) -> int:
        """Read words, up to where a value begins."""

    @abstractmethod
    def before_key(self, text: str, position: int) -> int:
        """Read what comes before a key."""

    @abstractmethod
    def before_colon(self, text: str, position: int) -> int:
        """Read what comes before a colon."""

    @abstractmethod
    def before_value(self, text: str, position: int) -> int:
        """Read what comes before a value."""

    @abstractmethod
    def after_value(self, text: str, position: int) -> int:
        """Read what comes after a value."""

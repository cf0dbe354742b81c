"""An incremental reader of JSON as models write it: values among words, open objects and arrays on a stack.

What is wrong with JSON and can be read in one way only is read, and its repair is named; anything else ends the
reading with a `Fault`. The first value is shown while it arrives, as what its type says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._outputs import openings
from declarai_like._outputs.containers import (
    NOTHING,
    ListContainer,
    PlainContainer,
    RootContainer,
)
from declarai_like._outputs.documents import Document
from declarai_like._outputs.quoting import CLOSERS
from declarai_like._outputs.scanner import SPACE, Broken, Scanner

if TYPE_CHECKING:
    from declarai_like._outputs.containers import Container
    from declarai_like._outputs.shape import Shape

__all__ = ["Reader"]

# As deep as pydantic's reader goes.
_DEEPEST = 200
_BRACKETS = {"{": "}", "[": "]", "(": ")"}


class Reader(Scanner):
    """What has been read of the values in a text; the first that fits is shown as what `shape` says, if it is given."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__(Reader._at_start)
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
            self.read("}")
        if self._containers:
            self.documents.append(self._document)
        return self.documents

    def show(self) -> Any:
        """Build the value as far as it has arrived; `None` before anything can be shown."""
        if self._changed and self._is_typed:
            shown = self.open_text()
            for container in reversed(self._containers):
                shown = container.show(shown)
            if shown is not NOTHING:
                self._value = shown
        self._changed = False
        return self._value

    @property
    def closed_items(self) -> list[Any]:
        """The valid items of the list that is the value."""
        return [] if self._list is None else self._list.items

    # The steps: each reads from `position` and returns where the next one goes on, or -1 to wait for more.

    def _at_start(self, text: str, position: int) -> int:
        """Look for members without braces at the very beginning."""
        lacks_braces = openings.find_members(text, is_last=self.is_last)
        if lacks_braces is None:
            return -1
        self.step = Reader._in_prose
        if lacks_braces:
            self._lacks_braces = True
            self._open_document(Document(0), "{")
            self.note("missing_braces")
        return position

    def _in_prose(self, text: str, position: int) -> int:
        opening = openings.find_opening(text, position, self.before, is_last=self.is_last)
        if opening is None:
            return len(text)
        start, kind = opening
        if kind == "undecided":
            return start if start > position else -1
        if kind == "prose":
            return start
        self._open_document(Document(self.consumed + start, is_soft=kind == "soft"), text[start])
        return start + 1

    def _open_document(self, document: Document, mark: str) -> None:
        self._document = document
        self.repairs = document.repairs
        self._is_typed = self._root is not None and (mark in self._root.opens or not self._root.opens)
        self._open(mark, 0)

    def _before_value(self, text: str, position: int) -> int:
        mark = text[position]
        if mark in CLOSERS:
            self._document.is_soft = False
            current = self._containers[-1].current
            self.begin_text(mark, grows=current is not None and current.grows)
            self._changed = True
            return position + 1
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if mark in _BRACKETS:
            self._document.is_soft = False
            self._open(mark, position)
            if mark == "(":
                self.note("parentheses")
            return position + 1
        container = self._containers[-1]
        if mark == container.closer and type(container.data) is list:
            if self._after_comma:
                self.note("trailing_commas")
            return self._close(position)
        if mark == "," and self._after_comma and type(container.data) is list:
            self.note("doubled_commas")
            return position + 1
        if mark in ",]})":
            raise Broken(position, "a value")
        comment = self.skip_comment(text, position)
        return self.read_word(text, position, container.closer) if comment == position else comment

    def _before_key(self, text: str, position: int) -> int:
        mark = text[position]
        if mark in CLOSERS:
            self.begin_text(mark, is_key=True)
            return position + 1
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if mark == "}":
            if self._after_comma:
                self.note("trailing_commas")
            return self._close(position)
        if mark == "," and self._after_comma:
            self.note("doubled_commas")
            return position + 1
        comment = self.skip_comment(text, position)
        return self.read_bare_key(text, position) if comment == position else comment

    def _before_colon(self, text: str, position: int) -> int:
        mark = text[position]
        if mark == ":":
            return self._expect_member(position + 1)
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        container = self._containers[-1]
        if mark in ",}" and not container.data and not self._lacks_braces:
            self._turn_into_set(container)
            return position
        if mark == "=":
            if text[position + 1 : position + 2] == ">":
                position += 1
            self.note("colons")
            return self._expect_member(position + 1)
        comment = self.skip_comment(text, position)
        if comment == position:
            raise Broken(position, "a colon")
        return comment

    def _expect_member(self, position: int) -> int:
        self._containers[-1] = self._containers[-1].expect()
        self.step = Reader._before_value
        self._after_comma = False
        return position

    def _turn_into_set(self, container: Container) -> None:
        """Read `{"a", "b"}` as the array that Python's sets are in JSON."""
        self._containers[-1] = items = PlainContainer(container.shape, "}")
        items.data = [container.key]
        self.note("set_literal")
        self.step = Reader._after_value

    def _after_value(self, text: str, position: int) -> int:
        mark = text[position]
        container = self._containers[-1]
        if mark == ",":
            self._after_comma = True
            self._next_child(container)
            return position + 1
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if mark == container.closer:
            return self._close(position)
        comment = self.skip_comment(text, position)
        if comment != position:
            return comment
        if self._may_lack_comma(container, mark):
            self.note("missing_commas")
            self._next_child(container)
            return position
        raise Broken(position, f"a comma or {container.closer}")

    def _next_child(self, container: Container) -> None:
        if type(container.data) is dict:
            self.step = Reader._before_key
        else:
            container.expect()
            self.step = Reader._before_value

    @staticmethod
    def _may_lack_comma(container: Container, mark: str) -> bool:
        if type(container.data) is dict:
            return mark in CLOSERS or mark.isalpha() or mark == "_"
        return mark in "{[" and isinstance(container.data[-1], (dict, list))

    # What the steps have in common.

    def key_ended(self, key: str) -> None:
        self._containers[-1].key = key
        self.step = Reader._before_colon

    def text_is_item(self) -> bool:
        return type(self._containers[-1].data) is list

    def closer(self) -> str:
        return self._containers[-1].closer

    def count_odd_text(self) -> int:
        self._document.odd_texts += 1
        return self._document.odd_texts

    def leaf_ended(self, data: Any) -> None:
        """Take a text, a number, a truth or nothing that has closed."""
        current = self._containers[-1].current
        if current is None:
            self._give(NOTHING, data, is_valid=True)
        elif current.text and type(data) is str:
            self._give(data, data, is_valid=True)
        else:
            value, is_valid = current.read(data)
            self._give(value if is_valid else NOTHING, data, is_valid=is_valid)

    def _open(self, mark: str, position: int) -> None:
        """Go into an object or array."""
        containers = self._containers
        if len(containers) >= _DEEPEST:
            raise Broken(position, f"no more than {_DEEPEST} brackets in one another")
        shape = containers[-1].current if containers else self._root if self._is_typed else None
        opener = None if shape is None else shape.opens.get("{" if mark == "{" else "[")
        if shape is None or opener is None:
            container: Container = PlainContainer(shape, _BRACKETS[mark])
        else:
            container = opener(shape)
            container.closer = _BRACKETS[mark]
            self._changed = True
            if isinstance(container, ListContainer) and all(isinstance(each, RootContainer) for each in containers):
                self._list = container
        containers.append(container)
        self._after_comma = False
        if mark == "{":
            self.step = Reader._before_key
        else:
            container.expect()
            self.step = Reader._before_value

    def _close(self, position: int) -> int:
        """Leave the innermost object or array."""
        container = self._containers.pop()
        value, is_valid = container.composed()
        if not is_valid and container.shape is not None:
            value, is_valid = container.shape.read_closed(container.data, value)
        if self._containers:
            self._give(value, container.data, is_valid=is_valid or container.shape is None)
        else:
            self._end_document(value, container.data, position + 1)
        return position + 1

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
        self._changed = True
        self.step = Reader._after_value

    def _end_document(self, value: Any, data: Any, position: int) -> None:
        document = self._document
        document.data, document.end = data, self.consumed + position
        self.documents.append(document)
        if self._is_typed:
            self._value = self._value if value is NOTHING else value
            self._changed = False
        self._lacks_braces = False
        self.step = self.ended if self._is_typed else Reader._in_prose

    def give_up(self, position: int, expected: str, text: str) -> int:
        """End the reading at a fault, or go on behind what was prose after all."""
        document = self._document
        self.show()
        self._containers.clear()
        if document.is_soft and not (self._is_typed and self._value is not None):
            self.step = Reader._in_prose
            return position
        document.fail(self.consumed + position, expected, text[position : position + 1])
        self.documents.append(document)
        self.step = self.ended
        return len(text)

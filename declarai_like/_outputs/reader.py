"""An incremental reader of JSON as models write it: values among words, open objects and arrays on a stack.

What is wrong with JSON and can be read in one way only is read, and its repair is named; anything else ends the
reading with a `Fault`. The first value is shown while it arrives, as what its type says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like._outputs import openings
from declarai_like._outputs.containers import PlainContainer
from declarai_like._outputs.documents import Document
from declarai_like._outputs.quoting import CLOSERS
from declarai_like._outputs.scanner import SPACE, Broken
from declarai_like._outputs.stack import BRACKETS, Stack

if TYPE_CHECKING:
    from declarai_like._outputs.containers import Container

__all__ = ["Reader"]

_NUMBER_MARKS = frozenset("-0123456789")


class Reader(Stack):
    """Reads the values in a text, and the words between them."""

    __slots__ = ()

    # The steps: each reads from `position` and returns where the next one goes on, or -1 to wait for more.

    def at_start(self, text: str, position: int) -> int:
        """Look for members without braces at the very beginning."""
        lacks_braces = openings.find_members(text, is_last=self.is_last)
        if lacks_braces is None:
            return -1
        self.step = Reader.in_prose
        if lacks_braces:
            self._lacks_braces = True
            self._open_document(Document(0), "{")
            self.note("missing_braces")
        return position

    def in_prose(self, text: str, position: int) -> int:
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

    def before_value(self, text: str, position: int) -> int:  # noqa: PLR0911 - one case after the other
        mark = text[position]
        if mark in _NUMBER_MARKS and (reached := self.read_plain_number(text, position)):
            return reached
        if mark in CLOSERS:
            self._document.is_soft = False
            self.begin_value(mark)
            return position + 1
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if mark in BRACKETS:
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
        comment = position if mark.isalnum() or mark == "-" else self.skip_comment(text, position)
        return self.read_word(text, position, container.closer) if comment == position else comment

    def before_key(self, text: str, position: int) -> int:
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

    def before_colon(self, text: str, position: int) -> int:
        mark = text[position]
        container = self._containers[-1]
        if mark == ":":
            return self.expect_member(container.key, text, position + 1)
        if mark in " \n\r\t":
            return SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches
        if mark in ",}" and not container.data and not self._lacks_braces:
            self._turn_into_set(container)
            return position
        if mark == "=":
            if text[position + 1 : position + 2] == ">":
                position += 1
            self.note("colons")
            return self.expect_member(container.key, text, position + 1)
        comment = self.skip_comment(text, position)
        if comment == position:
            raise Broken(position, "a colon")
        return comment

    def _turn_into_set(self, container: Container) -> None:
        """Read `{"a", "b"}` as the array that Python's sets are in JSON."""
        self._containers[-1] = items = PlainContainer(container.shape, "}")
        items.data = [container.key]
        self.note("set_literal")
        self.step = Reader.after_value

    def after_value(self, text: str, position: int) -> int:
        mark = text[position]
        container = self._containers[-1]
        if mark == ",":
            self._after_comma = True
            self._next_child(container)
            return position + (2 if text[position + 1 : position + 2] == " " else 1)
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
            self.step = Reader.before_key
        else:
            container.expect()
            self.step = Reader.before_value

    @staticmethod
    def _may_lack_comma(container: Container, mark: str) -> bool:
        if type(container.data) is dict:
            return mark in CLOSERS or mark.isalpha() or mark == "_"
        return mark in "{[" and isinstance(container.data[-1], (dict, list))

"""Texts in quotes, as they arrive: where they end, what is escaped, and what should have been."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from declarai_like._outputs import quoting
from declarai_like._outputs.pieces import Broken, PieceReader

if TYPE_CHECKING:
    from declarai_like._outputs.pieces import Step

__all__ = ["TextReader"]

_LOW, _HIGH = r"[dD][c-fC-F][0-9a-fA-F]{2}", r"[dD][89abAB][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf'(?:\\(?:["\\/bfnrt]|u(?:{_HIGH}\\u{_LOW}|(?![dD][89a-fA-F])[0-9a-fA-F]{{4}})))+')
_ESCAPE_BEGUN = re.compile(rf"\\(?:u(?:[0-9a-fA-F]{{0,3}}|{_HIGH}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?)?)?")
_LONE_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_CONTROL_LETTERS = "bfnrt"
_STOPS = {quote: re.compile(rf"[{re.escape(ends)}\\\x00-\x1f]").search for quote, ends in quoting.CLOSERS.items()}
# By whether a text is an item: what tells at little cost that a quote ends it (a bracket follows, or the next child
# begins), or that it may yet turn out to.
_ENDS = {
    False: re.compile(r'[ \t\n\r]*(?:(\})|\Z|,[ \t\n\r]*(?:"([^"\\\n]{0,60})(?:"[ \t\n\r]*(?:(:)|\Z)|\Z)|\Z))'),
    True: re.compile(r'[ \t\n\r]*(?:(\])|\Z|,[ \t\n\r]*(?:()(")|\Z))'),
}
_BRACKET, _NEXT_KEY, _NEXT_CHILD = 1, 2, 3
_ESCAPED_IN_BLOCK = re.compile(r"\\[\\\"'/bfnrtu\n]")
_LANGUAGE = re.compile(r"[\w+#.-]*[ \t]*\r?\n")


def _is_decided(ends: re.Pattern[str], text: str) -> bool:
    """Say whether enough has come behind the quote that a text begins with to tell whether it ends there."""
    found = ends.match(text, 1)
    return found is None or found.lastindex in (_BRACKET, _NEXT_CHILD)


_IS_DECIDED = {is_item: partial(_is_decided, ends) for is_item, ends in _ENDS.items()}


class TextReader(PieceReader):
    """Reads texts; where they stand, and what becomes of them, is its subclass's business."""

    __slots__ = (
        "_changed",
        "_control_letter",
        "_find_stop",
        "_grows",
        "_inner_quotes",
        "_is_item",
        "_is_key",
        "_kept_escape",
        "_pieces",
        "_quote",
    )

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self._pieces: list[str] = []
        self._quote = '"'
        self._find_stop = _STOPS['"']
        self._is_key = self._is_item = self._grows = False
        self._inner_quotes = 0
        self._kept_escape = self._control_letter = False

    @abstractmethod
    def key_ended(self, key: str) -> None:
        """Take a key."""

    @abstractmethod
    def leaf_ended(self, data: Any) -> None:
        """Take a text, a number, a truth or nothing."""

    @abstractmethod
    def expect_member(self, key: str, text: str, position: int) -> int:
        """Go on behind the colon that follows a key."""

    @abstractmethod
    def next_text(self, position: int) -> int:
        """Go on in the next item, a text, whose quote was read with the comma before it."""

    @abstractmethod
    def closer(self) -> str:
        """Give the bracket that ends what is open."""

    @abstractmethod
    def count_odd_text(self) -> int:
        """Count a text with an odd number of quotes in it."""

    def begin_text(self, quote: str, *, is_key: bool = False, is_item: bool = False, grows: bool = False) -> None:
        """Go into a text: a key, an item of an array, or the value of a key."""
        self._pieces = []
        self._is_key, self._is_item, self._grows = is_key, is_item, grows
        self.step = TextReader._in_text
        if quote != self._quote:
            self._quote = quote
            self._find_stop = _STOPS[quote]
        if quote != '"':
            self.note("quotes")
        if self._kept_escape or self._control_letter or self._inner_quotes:
            self._kept_escape = self._control_letter = False
            self._inner_quotes = 0

    def _in_text(self, text: str, position: int) -> int:
        stop = self._find_stop(text, position)
        if stop is None:
            self._pieces.append(text[position:])
            if self._grows:
                self._changed = True
            return len(text)
        end, mark = stop.start(), stop[0]
        if end > position:
            self._add(text[position:end])
        if mark == '"' == self._quote and self._pieces:
            reached = self._end_key(text, end) if self._is_key else self._end_plainly(text, end)
            if reached:
                return reached
        if end > position:
            return end
        if mark == "\\":
            return self._unescape(text, end)
        if mark < " ":
            self.note("raw_control_characters")
            self._add(mark)
            return end + 1
        return self._at_quote(text, end)

    def _end_key(self, text: str, position: int) -> int:
        after = position + 1
        if text[after : after + 1] == ":" and not self._kept_escape and not self._inner_quotes:
            return self.expect_member("".join(self._pieces), text, after + 1)
        return self._end_text(after)

    def _end_plainly(self, text: str, position: int) -> int:
        """End a text, or wait, at a quote that means so at little cost, as nearly all do; give 0 for any other."""
        after = position + 1
        is_item = self._is_item
        ends = _ENDS[is_item].match(text, after)
        if ends is None:
            return 0
        if ends.lastindex == _BRACKET:
            return self._end_text(after)
        if ends.lastindex == _NEXT_CHILD:
            reached, key = self._end_text(after), ends[_NEXT_KEY]
            if is_item:
                return self.next_text(ends.end())
            return self.expect_member(key, text, ends.end()) if key.isprintable() else reached
        return 0 if self.is_last else self.wait(position, _IS_DECIDED[is_item])

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        if self._grows:
            self._changed = True

    def _at_quote(self, text: str, position: int) -> int:  # noqa: PLR0911 - one case after the other
        """Tell the quote that ends a text from one that is part of it."""
        after = position + 1
        if self._is_key:
            return self._end_text(after)
        if self._quote == '"' and not self._pieces and not self._is_block(text, after):
            reached = self._end_plainly(text, position)
            if reached:
                return reached
        if not self._pieces:
            if after == len(text) and not self.is_last:
                return -1
            if self._is_block(text, after):
                self.note("block_texts")
                self.step = TextReader._in_block
                self._grows = False
                return after + 1
        ends = self._ends_at(text, after)
        if ends is None:
            return -1
        if ends:
            return self._end_text(after)
        self._count_inner(text, position)
        self._add(text[position])
        return after

    def _is_block(self, text: str, after: int) -> bool:
        return not self._pieces and text.startswith(self._quote, after)

    def _ends_at(self, text: str, position: int) -> bool | None:
        if self._is_item:
            ends = quoting.ends_in_array(text, position, self._quote, self.closer())
        else:
            ends = quoting.ends_in_object(text, position, self._quote)
        return True if ends is None and self.is_last else ends

    def _count_inner(self, text: str, position: int) -> None:
        self.note("unescaped_quotes")
        before = text[position - 1] if position else "".join(self._pieces[-1:])[-1:] or self.before
        if text[position] in "'’" and before.isalnum() and text[position + 1 : position + 2].isalnum():  # noqa: RUF001 - an apostrophe
            return
        self._inner_quotes += 1

    def _end_text(self, position: int) -> int:
        if self._kept_escape or self._inner_quotes:
            self._refuse_ambiguous(position - 1)
        text = "".join(self._pieces)
        if self._is_key:
            self.key_ended(text)
        else:
            self.leaf_ended(text)
            self._grows = False
        return position

    def _refuse_ambiguous(self, position: int) -> None:
        """Raise `Broken` for a text that may have been meant in several ways."""
        if self._kept_escape and self._control_letter:
            raise Broken(position, r"each backslash of the text before it doubled (\\)")
        if self._inner_quotes % 2 and (self._is_item or self.count_odd_text() > 1):
            raise Broken(position, r"each quote within the text before it escaped (\")")

    def _unescape(self, text: str, position: int) -> int:
        """Read escapes, up to one that goes on in the next piece; what is none is kept as written."""
        escapes = _ESCAPES.match(text, position)
        if escapes is not None:
            self._add(json.loads(f'"{escapes[0]}"'))
            end = escapes.end()
            self._control_letter |= text[end - 1] in _CONTROL_LETTERS and "a" <= text[end : end + 1] <= "z"
            return end
        if _ESCAPE_BEGUN.fullmatch(text, position) and not self.is_last:
            return -1
        if _LONE_HALF.match(text, position):
            self.note("surrogates")
            self._add("\ufffd")
            return position + 6
        self.note("escapes")
        escaped = text[position + 1 : position + 2]
        self._kept_escape |= escaped.isalpha()
        self._add(escaped if escaped and escaped in "\"'`“”’" else "\\" + escaped)  # noqa: RUF001 - they are meant
        return position + 1 + len(escaped)

    def _in_block(self, text: str, position: int) -> int:
        """Read a text in three quotes."""
        marks = self._quote * 3
        end = text.find(marks, position)
        if end < 0:
            end = len(text) if self.is_last else max(position, len(text) - 2)
            self._add(text[position:end])
            return end if end > position else -1
        if end > position:
            self._add(text[position:end])
            return end
        ends = self._ends_at(text, end + 3)
        if ends is None:
            return -1
        if not ends:
            self._add(self._quote)
            return end + 1
        block = "".join(self._pieces)
        if self._quote == "`":
            block = _LANGUAGE.sub("", block, count=1) if _LANGUAGE.match(block) else block
            block = block.removesuffix("\n")
        elif _ESCAPED_IN_BLOCK.search(block):  # Python would read it, other block texts are raw
            raise Broken(end, "no backslashes in a text in three quotes")
        self.leaf_ended(block)
        return end + 3

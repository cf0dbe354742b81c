"""The characters of a text that arrives in pieces: texts in quotes, words, comments.

Text is fed to the step that the last piece ended in. A step that cannot tell yet leaves its text to wait for more.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs import quoting
from declarai_like._outputs.containers import NOTHING
from declarai_like._outputs.plain_data import JSON_NUMBER, Number
from declarai_like._outputs.surrogates import join_surrogates
from declarai_like._outputs.words import read_word

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[Any, str, int], int]

__all__ = ["SPACE", "Broken", "Scanner"]

SPACE = re.compile(r"[ \t\n\r]*")
_WORD_END = re.compile(r"[\s,\]}]")
_OTHER_SPACE = re.compile(r"[\s\ufeff\u200b]+")
_BARE_KEY = re.compile(r"[\w$][\w$-]*|-[0-9]+")
_LOW, _HIGH = r"[dD][c-fC-F][0-9a-fA-F]{2}", r"[dD][89abAB][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf'(?:\\(?:["\\/bfnrt]|u(?:{_HIGH}\\u{_LOW}|(?![dD][89a-fA-F])[0-9a-fA-F]{{4}})))+')
_ESCAPE_BEGUN = re.compile(rf"\\(?:u(?:[0-9a-fA-F]{{0,3}}|{_HIGH}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?)?)?")
_LONE_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_CONTROL_LETTERS = "bfnrt"
_STOPS = {quote: re.compile(rf"[{re.escape(ends)}\\\x00-\x1f]") for quote, ends in quoting.CLOSERS.items()}
_MEMBER_ENDS = re.compile(r'[ \t\n\r]*(?:\}|,[ \t\n\r]*"[^"\\\n]{0,60}"[ \t\n\r]*:)')
_ITEM_ENDS = re.compile(r'[ \t\n\r]*(?:\]|,[ \t\n\r]*")')
_LANGUAGE = re.compile(r"[\w+#.-]*[ \t]*\r?\n")
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
# A text that waits and is longer than this is looked at again only when it has doubled.
_LONG = 1024


class Broken(Exception):
    """What stands at a position can be read in no way, or in several."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(expected)
        self.position = position
        self.expected = expected


class Scanner:
    """Reads characters; what they mean for the value is its subclass's business.

    `consumed` is how much of the whole text lies before the piece that is read, `before` the last character of it.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.consumed = 0
        self.before = ""
        self.is_last = False
        self.repairs: dict[str, None] = {}
        self._waiting: list[str] = []
        self._waiting_size = self._waits_for = 0
        self._half = ""
        self._pieces: list[str] = []
        self._quote = '"'
        self._is_key = self._grows = self._is_empty = False
        self._inner_quotes = 0
        self._kept_escape = self._control_letter = False
        self._after_comment = step

    def feed(self, delta: str) -> None:
        """Read the next piece of text; never raises."""
        if self._half or not delta.isascii():
            delta = self._paired(delta)
        if self._waiting:
            self._waiting.append(delta)
            self._waiting_size += len(delta)
            if self._waiting_size < self._waits_for:
                return
            delta = "".join(self._waiting)
            self._waiting.clear()
        self.read(delta)

    def read_rest(self) -> None:
        """Read what waits, as no more comes."""
        self.is_last = True
        text = "".join(self._waiting) + ("\ufffd" if self._half else "")
        self._waiting.clear()
        self.read(text)

    def read(self, text: str) -> None:
        """Let the steps read a piece, and keep what must wait."""
        position, end = 0, len(text)
        while position < end:
            try:
                reached = self.step(self, text, position)
            except Broken as broken:
                reached = self.give_up(broken.position, broken.expected, text)
            except quoting.Ambiguous as ambiguous:
                reached = self.give_up(position, str(ambiguous), text)
            if reached < 0:
                break
            position = reached
        self.consumed += position
        if position:
            self.before = text[position - 1]
        if position < end:
            self._waiting.append(text[position:])
            self._waiting_size = end - position
            self._waits_for = 2 * self._waiting_size if self._waiting_size > _LONG else 0

    def _paired(self, delta: str) -> str:
        """Hold the first half of a surrogate pair back until the other half arrives."""
        text, self._half = self._half + delta, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return join_surrogates(text)

    def note(self, repair: str) -> None:
        """Name a repair."""
        self.repairs[repair] = None

    # What a subclass does.

    def give_up(self, position: int, expected: str, text: str) -> int:
        """End at a fault; give where to go on."""
        raise NotImplementedError

    def key_ended(self, key: str) -> None:
        """Take a key."""
        raise NotImplementedError

    def leaf_ended(self, data: Any) -> None:
        """Take a text, a number, a truth or nothing."""
        raise NotImplementedError

    def text_is_item(self) -> bool:
        """Say whether the text stands in an array."""
        raise NotImplementedError

    def closer(self) -> str:
        """Give the bracket that ends what is open."""
        raise NotImplementedError

    def count_odd_text(self) -> int:
        """Count a text with an odd number of quotes in it."""
        raise NotImplementedError

    # Texts in quotes.

    def begin_text(self, quote: str, *, is_key: bool = False, grows: bool = False) -> None:
        """Go into a text."""
        self._pieces = []
        self._quote = quote
        self._is_key, self._grows = is_key, grows
        self._is_empty = True
        self._inner_quotes = 0
        self._kept_escape = self._control_letter = False
        self.step = Scanner._in_text
        if quote != '"':
            self.note("quotes")

    def open_text(self) -> Any:
        """Give what has come of a text that grows."""
        if not self._grows:
            return NOTHING
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def _in_text(self, text: str, position: int) -> int:
        stop = _STOPS[self._quote].search(text, position)
        end = len(text) if stop is None else stop.start()
        if end > position:
            self._add(text[position:end])
            return end
        if stop is None:  # pragma: no cover - there is always a character to look at
            return end
        mark = stop[0]
        if mark == "\\":
            return self._unescape(text, end)
        if mark < " ":
            self.note("raw_control_characters")
            self._add(mark)
            return end + 1
        return self._at_quote(text, end)

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._is_empty = False
        if self._grows:
            self._changed = True

    def _at_quote(self, text: str, position: int) -> int:  # noqa: PLR0911 - one case after the other
        """Tell the quote that ends a text from one that is part of it."""
        after = position + 1
        if self._is_key:
            return self._end_text(after)
        in_array = self.text_is_item()
        if (
            self._quote == '"'
            and (_ITEM_ENDS if in_array else _MEMBER_ENDS).match(text, after)
            and not self._is_block(text, after)
        ):
            return self._end_text(after)
        if self._is_empty:
            if after == len(text) and not self.is_last:
                return -1
            if self._is_block(text, after):
                self.note("block_texts")
                self.step = Scanner._in_block
                self._grows = False
                return after + 1
        ends = self._ends_at(text, after, in_array=in_array)
        if ends is None:
            return -1
        if ends:
            return self._end_text(after)
        self._count_inner(text, position)
        self._add(text[position])
        return after

    def _is_block(self, text: str, after: int) -> bool:
        return self._is_empty and text.startswith(self._quote, after)

    def _ends_at(self, text: str, position: int, *, in_array: bool) -> bool | None:
        if in_array:
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
        if self._kept_escape and self._control_letter:
            raise Broken(position - 1, r"each backslash of the text before it doubled (\\)")
        if self._inner_quotes % 2 and (self.text_is_item() or self.count_odd_text() > 1):
            raise Broken(position - 1, r"each quote within the text before it escaped (\")")
        text = "".join(self._pieces)
        self._grows = False
        if self._is_key:
            self.key_ended(text)
        else:
            self.leaf_ended(text)
        return position

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
        ends = self._ends_at(text, end + 3, in_array=self.text_is_item())
        if ends is None:
            return -1
        if not ends:
            self._add(self._quote)
            return end + 1
        block = "".join(self._pieces)
        if self._quote == "`":
            block = _LANGUAGE.sub("", block, count=1) if _LANGUAGE.match(block) else block
            block = block.removesuffix("\n")
        self.leaf_ended(block)
        return end + 3

    # Words and comments.

    def read_word(self, text: str, position: int, closer: str) -> int:
        """Read a value without quotes."""
        stop = _WORD_END.search(text, position)
        if stop is not None or self.is_last:
            end = len(text) if stop is None else stop.start()
            word = text[position:end]
            if JSON_NUMBER.fullmatch(word):
                self.leaf_ended(Number(word))
                return end
            if word in _LITERALS:
                self.leaf_ended(_LITERALS[word])
                return end
        read = read_word(text, position, closer, is_last=self.is_last)
        if read is None:
            return -1
        self.note(read.repair)
        self.leaf_ended(read.data)
        return read.end

    def read_bare_key(self, text: str, position: int) -> int:
        """Read a key without quotes."""
        key = _BARE_KEY.match(text, position)
        if key is None:
            if text[position:] == "-" and not self.is_last:
                return -1
            raise Broken(position, "a key in quotes or }")
        if key.end() == len(text) and not self.is_last:
            return -1
        self.note("bare_keys")
        self.key_ended(key[0])
        return key.end()

    def skip_comment(self, text: str, position: int) -> int:
        """Pass over a comment or unusual space; give `position` itself where there is none, -1 to wait."""
        mark = text[position]
        space = _OTHER_SPACE.match(text, position)
        if space is not None:
            self.note("spaces")
            return space.end()
        if mark == "/" and position + 1 == len(text) and not self.is_last:
            return -1
        if mark == "#" or text.startswith(("//", "/*"), position):
            self.note("comments")
            self._after_comment = self.step
            self.step = Scanner._in_block_comment if text.startswith("/*", position) else Scanner._in_line_comment
            return position + (1 if mark == "#" else 2)
        return position

    def _in_line_comment(self, text: str, position: int) -> int:
        end = text.find("\n", position)
        if end < 0:
            return len(text)
        self.step = self._after_comment
        return end

    def _in_block_comment(self, text: str, position: int) -> int:
        end = text.find("*/", position)
        if end < 0:
            if self.is_last:
                return len(text)
            return len(text) - 1 if len(text) - 1 > position else -1
        self.step = self._after_comment
        return end + 2

    @staticmethod
    def ended(_: Scanner, text: str, _position: int) -> int:
        """Read nothing more."""
        return len(text)

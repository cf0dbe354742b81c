"""What stands between brackets: texts, words without quotes, comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.pieces import Broken
from declarai_like._outputs.plain_data import JSON_NUMBER, Number
from declarai_like._outputs.texts import TextReader
from declarai_like._outputs.words import has_unit, read_text, read_word

if TYPE_CHECKING:
    from declarai_like._outputs.pieces import Step
    from declarai_like._outputs.words import Word

__all__ = ["SPACE", "Broken", "Scanner"]

SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN_NUMBER = re.compile(JSON_NUMBER.pattern + r"(?=[,\]}\n]|(\Z))")
_PLAIN_WORD = re.compile(r"[-+.\w]+")
_WORD_END = re.compile(r"[\s,\]}]")
_OTHER_SPACE = re.compile(r"[\s\ufeff\u200b]+")
_BARE_KEY = re.compile(r"[\w$][\w$-]*|-[0-9]+")
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}


class Scanner(TextReader):
    """Reads words and comments too."""

    __slots__ = ("_after_comment",)

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self._after_comment = step

    def read_word(self, text: str, position: int, closer: str) -> int:
        """Read a value without quotes."""
        stop = _WORD_END.search(text, position)
        if stop is None and not self.is_last and _PLAIN_WORD.fullmatch(text, position):
            return -1
        if stop is not None or self.is_last:
            end = len(text) if stop is None else stop.start()
            word = text[position:end]
            if JSON_NUMBER.fullmatch(word):
                return self._read_number(text, position, end, closer)
            if word in _LITERALS:
                self.leaf_ended(_LITERALS[word])
                return end
        return self._take_word(read_word(text, position, closer, is_last=self.is_last))

    def read_plain_number(self, text: str, position: int) -> int:
        """Read a number behind which a bracket, a comma or a line's end stands; give 0 for any other word."""
        number = _PLAIN_NUMBER.match(text, position)
        if number is None:
            return 0
        if number.lastindex:
            return 0 if self.is_last else -1
        self.leaf_ended(Number(number[0]))
        return number.end()

    def _read_number(self, text: str, position: int, end: int, closer: str) -> int:
        """Take a number, with the unit that follows it if one does."""
        if text[end : end + 1] in {" ", "\t"}:
            followed = has_unit(text, end, is_last=self.is_last)
            if followed is None:
                return -1
            if followed:
                return self._take_word(read_text(text, position, closer, is_last=self.is_last))
        self.leaf_ended(Number(text[position:end]))
        return end

    def _take_word(self, read: Word | None) -> int:
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

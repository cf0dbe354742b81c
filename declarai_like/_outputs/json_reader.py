"""An incremental reader of JSON, which looks at each character once and builds no data of its own.

A delta is fed to the step that the last one ended in; open objects and arrays are frames on a
stack. A value that has closed is validated once, from its own text, and kept; an object whose
children are all valid is put together from them. Whatever is malformed ends the reading.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.containers import NOTHING, ListFrame, RootFrame
from declarai_like._outputs.repairs import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like._outputs.containers import Frame
    from declarai_like._outputs.shapes import Shape

__all__ = ["Reader"]

_SPACE = re.compile(r"[ \t\n\r]*")
_BARE_END = re.compile(r"[\s,\]}]")
_SKIPPED = re.compile(r'["{}\[\]]')
_STRING_STOP = re.compile(r'["\\]')
_LOW, _HIGH = r"[dD][c-fC-F][0-9a-fA-F]{2}", r"[dD][89abAB][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf'(?:\\(?:["\\/bfnrt]|u(?:{_HIGH}\\u{_LOW}|(?![dD][89a-fA-F])[0-9a-fA-F]{{4}})))+')
_ESCAPE_BEGUN = re.compile(rf"\\(?:u(?:[0-9a-fA-F]{{0,3}}|{_HIGH}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?))?")

# As deep as pydantic's reader goes.
_DEEPEST = 200


class Reader:
    """What has been read of one JSON value, of the type that `shape` describes.

    A byte order mark, a code fence and prose before the first bracket are passed over.
    """

    def __init__(self, shape: Shape) -> None:
        self._root = shape
        self._child: Shape | None = shape
        self._frames: list[Frame] = []
        self._step: Callable[[Reader, str, int], int] = Reader._seek
        self._pieces: list[str] = []
        self._is_key = self._grows = self._changed = False
        self._depth = 0
        self._chunks: list[str] = []
        self._start = (0, 0)
        self._waiting = ""
        self._half = ""
        self._list: ListFrame | None = None
        self._valid_items: list[Any] | None = None
        self._value: Any = None

    def feed(self, delta: str) -> None:
        """Read the next piece of text; never raises."""
        if self._half or not delta.isascii():
            delta = self._paired(delta)
        if self._waiting:
            delta, self._waiting = self._waiting + delta, ""
        self._chunks.append(delta)
        position, end = 0, len(delta)
        while position < end:
            position = self._step(self, delta, position)

    def _show(self) -> None:
        """Build the value as far as it has arrived."""
        shown: Any = NOTHING
        if self._grows:
            shown = "".join(self._pieces)
            self._pieces = [shown]
        for frame in reversed(self._frames):
            shown = frame.show(shown)
        self._value, self._changed = shown, False

    def _paired(self, delta: str) -> str:
        """Hold the first half of a surrogate pair back until the other half arrives."""
        text, self._half = self._half + delta, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole(text)

    # The steps: each reads from `position` and returns where the next one goes on.

    def _ended(self, delta: str, position: int) -> int:
        self._chunks.clear()
        return len(delta)

    def _seek(self, delta: str, position: int) -> int:
        marks = self._root.opens or "{["
        places = [place for mark in marks if (place := delta.find(mark, position)) >= 0]
        return self._open(delta, min(places)) if places else len(delta)

    def _before_value(self, delta: str, position: int) -> int:
        mark = delta[position]
        if mark == '"':
            self._start = (len(self._chunks) - 1, position)
            self._begin(is_key=False, grows=self._child is not None and self._child.grows)
            return position + 1
        if mark in " \n\r\t":
            return _after_space(delta, position)
        if mark in "{[":
            return self._open(delta, position)
        if mark == "]":
            return self._close(position)
        self._pieces = []
        self._step = Reader._in_bare
        return self._in_bare(delta, position)

    def _before_key(self, delta: str, position: int) -> int:
        mark = delta[position]
        if mark == '"':
            self._begin(is_key=True, grows=False)
            return position + 1
        if mark in " \n\r\t":
            return _after_space(delta, position)
        return self._close(position) if mark == "}" else self._give_up(delta)

    def _before_colon(self, delta: str, position: int) -> int:
        mark = delta[position]
        if mark == ":":
            self._step = Reader._before_value
            return position + 1
        if mark in " \n\r\t":
            return _after_space(delta, position)
        return self._give_up(delta)

    def _after_value(self, delta: str, position: int) -> int:
        mark = delta[position]
        frame = self._frames[-1]
        if mark == ",":
            if frame.closer == "}":
                self._step = Reader._before_key
            else:
                self._child = frame.child("")
                self._step = Reader._before_value
            return position + 1
        if mark in " \n\r\t":
            return _after_space(delta, position)
        return self._close(position) if mark == frame.closer else self._give_up(delta)

    def _in_string(self, delta: str, position: int) -> int:
        stop = _STRING_STOP.search(delta, position)
        end = len(delta) if stop is None else stop.start()
        self._pieces.append(delta[position:end])
        if self._grows:
            self._changed = True
        if stop is None:
            return end
        if stop[0] == "\\":
            return self._unescape(delta, end)
        text = "".join(self._pieces)
        if self._is_key:
            self._child = self._frames[-1].child(text)
            self._step = Reader._before_colon
        else:
            self._grows = False
            self._take_string(text, end + 1)
        return end + 1

    def _unescape(self, delta: str, position: int) -> int:
        """Read escapes, up to one that goes on in the next delta; that waits."""
        escapes = _ESCAPES.match(delta, position)
        if escapes is not None:
            self._pieces.append(json.loads(f'"{escapes[0]}"'))
            return escapes.end()
        if not _ESCAPE_BEGUN.fullmatch(delta, position):
            return self._give_up(delta)
        self._chunks[-1], self._waiting = delta[:position], delta[position:]
        return len(delta)

    def _in_bare(self, delta: str, position: int) -> int:
        """Read a number, `true`, `false` or `null`, which ends where something else begins."""
        stop = _BARE_END.search(delta, position)
        if stop is None:
            self._pieces.append(delta[position:])
            return len(delta)
        end = stop.start()
        self._pieces.append(delta[position:end])
        return self._take_text("".join(self._pieces), delta, end)

    def _in_skipped(self, delta: str, position: int) -> int:
        """Pass over an object or array that is shown when it has closed, or not at all."""
        mark = _SKIPPED.search(delta, position)
        if mark is None:
            return len(delta)
        if mark[0] == '"':
            self._step = Reader._in_skipped_string
        else:
            self._depth += 1 if mark[0] in "{[" else -1
            if not self._depth:
                text = "" if self._child is None else self._text(*self._start, mark.end())
                return self._take_text(text, delta, mark.end())
        return mark.end()

    def _in_skipped_string(self, delta: str, position: int) -> int:
        stop = _STRING_STOP.search(delta, position)
        if stop is None:
            return len(delta)
        self._step = Reader._in_skipped if stop[0] == '"' else Reader._in_skipped_escape
        return stop.end()

    def _in_skipped_escape(self, delta: str, position: int) -> int:
        self._step = Reader._in_skipped_string
        return position + 1

    # What the steps have in common.

    def _begin(self, *, is_key: bool, grows: bool) -> None:
        """Go into a string."""
        self._pieces = []
        self._is_key = is_key
        self._grows = grows
        self._changed |= grows
        self._step = Reader._in_string

    def _open(self, delta: str, position: int) -> int:
        """Go into an object or array."""
        mark, child, chunk = delta[position], self._child, len(self._chunks) - 1
        opener = None if child is None or len(self._frames) >= _DEEPEST else child.opens.get(mark)
        if child is None or opener is None:
            self._start, self._depth = (chunk, position), 1
            self._step = Reader._in_skipped
            return position + 1
        frame = opener(child, chunk, position)
        if isinstance(frame, ListFrame) and all(isinstance(outer, RootFrame) for outer in self._frames):
            self._list = frame
        self._frames.append(frame)
        self._changed = True
        if mark == "{":
            self._step = Reader._before_key
        else:
            self._child = frame.child("")
            self._step = Reader._before_value
        return position + 1

    def _close(self, position: int) -> int:
        """Leave the innermost object or array, if the bracket is its own."""
        frame, delta = self._frames[-1], self._chunks[-1]
        if delta[position] != frame.closer:
            return self._give_up(delta)
        self._frames.pop()
        value, valid = frame.composed()
        if not valid:
            value, valid = frame.shape.read(self._text(frame.chunk, frame.start, position + 1), value)
        self._take(value, valid=valid)
        return position + 1

    def _take_string(self, text: str, end: int) -> None:
        if self._child is None:
            self._step = Reader._after_value
        elif self._child.text:
            self._take(text, valid=True)
        else:
            value, valid = self._child.read(self._text(*self._start, end), text)
            self._take(value, valid=valid)

    def _take_text(self, text: str, delta: str, end: int) -> int:
        """Take a closed value that was not built while it arrived; plain if it is not valid."""
        self._step = Reader._after_value
        if self._child is None:
            return end
        value, valid = self._child.read(text, NOTHING)
        if not valid:
            from pydantic_core import from_json

            try:
                value = from_json(text)
            except ValueError:
                return self._give_up(delta)
        self._take(value, valid=valid)
        return end

    def _take(self, value: Any, *, valid: bool) -> None:
        """Give a closed value to what it stands in."""
        if not self._frames:
            self._value, self._changed = value, False
            self._step = Reader._ended
            return
        frame = self._frames[-1]
        if not valid:
            frame.exact = False
            if frame is self._list and self._valid_items is None:
                self._valid_items = self._list.values.copy()
        frame.take(value)
        self._changed = True
        self._step = Reader._after_value

    def _text(self, chunk: int, start: int, end: int) -> str:
        """Return the text from a place in an earlier delta to a place in this one."""
        chunks = self._chunks
        if chunk == len(chunks) - 1:
            return chunks[-1][start:end]
        return "".join([chunks[chunk][start:], *chunks[chunk + 1 : -1], chunks[-1][:end]])

    def _give_up(self, delta: str) -> int:
        self._step = Reader._ended
        return len(delta)


def _after_space(text: str, position: int) -> int:
    return _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it always matches

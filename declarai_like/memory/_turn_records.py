"""Turns as text, the same in every store, and the stores that keep one text for each turn.

A record is JSON, `{"v": 1, "turn": [{"message": ..., "role": ...}, ...]}`: a turn that is one record
is stored as a whole or not at all. With `"replaces": true` its messages stand for all before it, so
that a change of the past is an append too. declarai's records, a `{"message", "role"}` or a list, are read.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.media._parts import media_in
from declarai_like.memory._kept_media import KeptMedia, restore
from declarai_like.memory.base import MessageHistory, in_thread, refuse_changed
from declarai_like.messages import Message, MessageRole

__all__ = ["Check", "RecordHistory", "Records", "encode", "identifier", "is_turn", "read", "session"]

VERSION = 1
_NOT_OURS = "it is damaged or was written by another program; nothing was changed"
_LONGEST_SESSION_ID = 512  # an index of PostgreSQL holds no more than about 2,700 bytes
_UNFIT = re.compile("[\0\ud800-\udfff]")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def encode(messages: Iterable[Message], *, replaces: bool = False) -> str:
    """Write a turn as one line of JSON; raises `HistoryError` if a message's fields have no JSON."""
    mark = {"replaces": True} if replaces else {}
    try:
        record = {"v": VERSION, "turn": [dict(Message.of(message)) for message in messages], **mark}
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise HistoryError(f"a message cannot be stored: {error}; its fields must be plain JSON data") from None
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as a cut stream may leave it
        return json.dumps(record, allow_nan=False)
    return text


def read(
    records: Iterable[str | bytes | None], where: str, load: Callable[[str], bytes] | None = None
) -> list[Message]:
    """Read the messages of records, the oldest first; raises `HistoryError` that names one that is not known here.

    `load` gives the bytes of media by their hash; without it media stay what the record says of them.
    """
    messages: list[Message] = []
    for number, record in enumerate(records, 1):
        place = f"record {number} of {where}"
        try:
            value = json.loads(record.decode() if isinstance(record, bytes) else record or "")
        except UnicodeDecodeError:
            raise HistoryError(f"{place} is not UTF-8: {_NOT_OURS}") from None
        except (TypeError, ValueError, RecursionError):
            raise HistoryError(f"{place} is not JSON: {_NOT_OURS}") from None
        found = _messages(value, place)
        if isinstance(value, dict) and value.get("replaces"):
            messages.clear()
        messages += found
    try:
        return messages if load is None else [restore(message, load) for message in messages]
    except (TypeError, ValueError) as error:
        raise HistoryError(f"{where} holds media that cannot be read ({error}): {_NOT_OURS}") from None


def is_turn(record: str | bytes) -> bool:
    """Whether a record is in our form, of whatever version, and not in declarai's."""
    return record.startswith(b'{"v":') if isinstance(record, bytes) else record.startswith('{"v":')


def _messages(value: Any, place: str) -> list[Message]:
    if isinstance(value, dict) and "v" in value:
        if value["v"] != VERSION:
            raise HistoryError(
                f"{place} is of format {value['v']!r:.20}; this version of declarai_like reads "
                f"format {VERSION}: upgrade it, nothing was changed"
            )
        items = value.get("turn")
    else:
        items = value if isinstance(value, list) else [value]
    if not isinstance(items, list):
        raise HistoryError(f"{place} is without messages: {_NOT_OURS}")
    return [_message(item, place) for item in items]


def _message(item: Any, place: str) -> Message:
    if not isinstance(item, dict) or not isinstance(item.get("message"), str) or "role" not in item:
        raise HistoryError(f"{place} holds something that is no message: {_NOT_OURS}")
    for name, (is_right, expected) in _FIELDS.items():
        if item.get(name) is not None and not is_right(item[name]):
            raise HistoryError(
                f"{place} holds a message whose {name} is no {expected}: {item[name]!r:.40}; {_NOT_OURS}"
            )
    try:
        return Message.of(item)
    except ValueError:
        known = ", ".join(MessageRole)
        raise HistoryError(f"{place} holds a message of unknown role {item['role']!r:.40}, not {known}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "content": (lambda value: _is_text(value) or _is_list_of_objects(value), "text or list of parts"),
    "tool_calls": (_is_list_of_objects, "list of objects"),
    "function_call": (lambda value: isinstance(value, dict), "object"),
    "tool_call_id": (_is_text, "text"),
    "name": (_is_text, "text"),
    "refusal": (_is_text, "text"),
}
"""What a message may hold besides its text, as far as a wrong one would break each later call."""


Records = Sequence["str | bytes | None"]
Check = Callable[[Records], None]


class RecordHistory(KeptMedia, MessageHistory):
    """A history in a store that keeps one record for each turn.

    A subclass says how to read all `_records`, how to `_append` one, and how to `clear` them; where the
    driver can await, also `_arecords`, `_aappend` and `aclear`. `_where` names the store in errors.

    `_append` may be given a `check`: it is called with the records that are there, and raises if they are not what
    was expected; nobody may write between that and the append.
    """

    _where: str

    @abstractmethod
    def _records(self) -> Records: ...

    @abstractmethod
    def _append(self, record: str, check: Check | None = None) -> None: ...

    async def _arecords(self) -> Records:
        return await in_thread(self._records)

    async def _aappend(self, record: str, check: Check | None = None) -> None:
        await in_thread(lambda: self._append(record, check))

    @property
    def history(self) -> list[Message]:
        """All messages, the oldest first, read from the store; the bytes of media are read when they are sent."""
        return self._read(self._records())

    def add_message(self, message: Message) -> None:
        """Add `message` as a turn of its own."""
        self.add_messages((message,))

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add `messages` as one record, so that all of them are stored or none.

        Raises `HistoryError` if the store cannot be written; if it is the connection that broke
        while the store was confirming, the turn may be there all the same.
        """
        if turn := list(messages):
            self._append(self._encode(turn))

    def replace(self, messages: Iterable[Message]) -> None:
        """Put `messages` in the place of the history by one record; what was there is kept in store until `clear`."""
        self._append(self._encode(messages, replaces=True))

    def compare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Do `replace` if the history still is what was `expected`; else raises `HistoryError`, changing nothing."""
        self._append(self._encode(messages, replaces=True), self._expecting(expected))

    async def ahistory(self) -> list[Message]:
        """Read `history` without blocking the event loop."""
        messages = self._read(await self._arecords())
        if media := list(media_in(messages)):
            await in_thread(lambda: [each.data for each in media])
        return messages

    async def aadd_messages(self, messages: Iterable[Message]) -> None:
        """Do `add_messages` without blocking the event loop; if cancelled, it may still be stored."""
        if turn := list(messages):
            await self._aappend(await self._aencode(turn))

    async def areplace(self, messages: Iterable[Message]) -> None:
        """Do `replace` without blocking the event loop; if cancelled, it may still be done."""
        await self._aappend(await self._aencode(messages, replaces=True))

    async def acompare_and_replace(self, expected: Sequence[Message], messages: Iterable[Message]) -> None:
        """Do `compare_and_replace` without blocking the event loop; if cancelled, it may still be done."""
        await self._aappend(await self._aencode(messages, replaces=True), self._expecting(expected))

    def _expecting(self, expected: Sequence[Message]) -> Check:
        """Give the check that a history is still what it was when it was read."""
        known = list(expected)
        return lambda records: refuse_changed(self._read(records), known)

    def _read(self, records: Records) -> list[Message]:
        return read(records, self._where, self._load_media)

    def _encode(self, messages: Iterable[Message], *, replaces: bool = False) -> str:
        """Write a turn; the bytes of its media are stored first."""
        parted, media = self._part(messages)
        self._put_all(media)
        return encode(parted, replaces=replaces)

    async def _aencode(self, messages: Iterable[Message], *, replaces: bool = False) -> str:
        """Do what `_encode` does, in an event loop."""
        parted, media = self._part(messages)
        if media:
            await in_thread(lambda: self._put_all(media))
        return encode(parted, replaces=replaces)


def session(session_id: object) -> str:
    """Check a session's id: any text that is not empty and that every store can hold."""
    if not isinstance(session_id, str) or not 0 < len(session_id) <= _LONGEST_SESSION_ID:
        raise ConfigurationError(
            f"session_id must be a text of 1 to {_LONGEST_SESSION_ID} characters, got {session_id!r:.80}"
        )
    if _UNFIT.search(session_id):
        raise ConfigurationError(f"session_id must have neither NUL nor half a surrogate pair, got {session_id!r:.80}")
    return session_id


def identifier(name: object, argument: str, allowed: re.Pattern[str] = _IDENTIFIER) -> str:
    """Check a name that becomes part of a statement or key; raises `ConfigurationError` naming the `argument`."""
    if not isinstance(name, str) or not allowed.fullmatch(name):
        raise ConfigurationError(f"{argument} must match {allowed.pattern}, got {name!r:.80}")
    return name

"""A conversation kept in a file: one line of JSON for each turn, only ever appended."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from declarai_like.errors import HistoryError
from declarai_like.memory._deadlines import broken_limit, seconds_left
from declarai_like.memory._file_format import HEAD_BYTES, is_history, split_records
from declarai_like.memory._locks import locked
from declarai_like.memory._media_folders import MediaFolder
from declarai_like.memory._turn_records import RecordHistory, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from declarai_like.memory._turn_records import Check

__all__ = ["FileMessageHistory"]

_logger = logging.getLogger("declarai_like")
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_READ = os.O_RDONLY | _BINARY
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY


class FileMessageHistory(RecordHistory):
    """Keeps the conversation in `file_path`; in a temporary file, with a logged warning, if none is given.

    A turn is one line, written under a lock of the operating system and synchronised to disk before
    `add_messages` returns, at a cost that does not grow with the file. A last line that a crash
    has torn is left out, with a logged warning, and removed by the next write. declarai's files (a
    JSON list) are read, and continued behind the list. The file and its folder are made when
    first written, the file for its owner only.

    Another writer is waited for `lock_timeout` seconds, and no longer than a chat's `timeout`.

    Media are kept once, each in a file of its own in the folder `<file_path>.media`, for the owner only; with
    `keep_media=False` only their names, types and hashes are kept.

    >>> from declarai_like import Message
    >>> history = FileMessageHistory("chat.jsonl")
    >>> history.add_messages([Message("Hi"), Message("Hello.", "assistant")])
    >>> FileMessageHistory("chat.jsonl").history
    [user: Hi, assistant: Hello.]
    """

    lock_timeout: float = 30.0

    def __init__(self, file_path: str | os.PathLike[str] | None = None, *, keep_media: bool = True) -> None:
        if not file_path:
            handle, file_path = tempfile.mkstemp(prefix="chat_history_", suffix=".json")
            os.close(handle)
            _logger.warning("no file_path was given: the conversation is kept in the temporary file %s", file_path)
        self.file_path = Path(file_path)
        self.keep_media = keep_media
        self._media = MediaFolder(self.file_path.with_name(f"{self.file_path.name}.media"))
        self._where = repr(self)

    def clear(self) -> None:
        """Empty the file."""
        with self._failures("cleared"):
            if self.file_path.exists():
                with self._open(_APPEND) as fd:
                    os.ftruncate(fd, 0)
                    os.fsync(fd)
            self._media.clear()

    def _put_media(self, digest: str, data: bytes) -> None:
        with self._failures("written"):
            self._media.put(digest, data)

    def _get_media(self, digest: str) -> bytes | None:
        with self._failures("read"):
            return self._media.get(digest)

    def _records(self) -> Sequence[bytes]:
        with self._failures("read"):
            try:
                with self._open(_READ, shared=True) as fd:
                    data = _read(fd)
            except FileNotFoundError:
                return []
        records, whole = split_records(data, self._where)
        if whole < len(data):
            _logger.warning("%s ends in a torn line of %d bytes, which is left out", self._where, len(data) - whole)
        return records

    def _append(self, record: str, check: Check | None = None) -> None:
        line = record.encode() + b"\n"
        with self._failures("written"):
            self.file_path.parent.mkdir(parents=True, exist_ok=True)
            with self._open(_APPEND) as fd:
                if check is not None:
                    check(split_records(_read(fd), self._where)[0])
                size = os.fstat(fd).st_size
                if size and not (is_history(_read(fd, 0, HEAD_BYTES)) and _read(fd, size - 1) == b"\n"):
                    size, line = self._mend(fd, line)
                _write_or_undo(fd, line, size)
            if not size:
                _sync_folder(self.file_path.parent)

    def _mend(self, fd: int, line: bytes) -> tuple[int, bytes]:
        """Give the size to write at, and what to write there, for a file whose last line has no end.

        A torn line is cut off, a whole one (declarai's list, for one) is ended; a foreign file is refused.
        """
        data = _read(fd)
        records, whole = split_records(data, self._where)
        read(records, self._where)
        if whole < len(data):
            os.ftruncate(fd, whole)
            _logger.warning("%s ended in a torn line of %d bytes, which was removed", self._where, len(data) - whole)
            return whole, line
        return whole, line if data.endswith(b"\n") else b"\n" + line

    @contextlib.contextmanager
    def _open(self, flags: int, *, shared: bool = False) -> Iterator[int]:
        fd = os.open(self.file_path, flags, 0o600)
        try:
            with locked(fd, shared=shared, timeout=seconds_left(self.lock_timeout)):
                yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise HistoryError(
                f"{self._where} cannot be {done}: {reason}; it is as it was before{broken_limit()}"
            ) from None

    def __repr__(self) -> str:
        return f"FileMessageHistory({os.fspath(self.file_path)!r})"


def _read(fd: int, start: int = 0, size: int = -1) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    with open(fd, "rb", buffering=0, closefd=False) as file:
        return file.read(size)


def _write_or_undo(fd: int, data: bytes, size: int) -> None:
    """Append `data` and synchronise it, or cut the file back to its `size` and raise the `OSError`."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    except OSError:
        with contextlib.suppress(OSError):  # what stays is a torn line, which the next writer removes
            os.ftruncate(fd, size)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file as durable as its content, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders, and some network file systems do not sync them
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

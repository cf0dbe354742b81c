"""A file to whose end lines are written: one writer at a time, and no half of a line after a crash."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from declarai_like.errors import CheckpointBusy, ConfigurationError, DeclaraiError
from declarai_like.memory._locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CheckpointFile"]

_SYNC_SECONDS = 1.0
_BLOCK = 65_536
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)  # Windows would translate line ends


class CheckpointFile:
    """A file of lines, made for its owner only, and locked as long as it is open.

    What a crash has left of a last line is cut off. With `fresh` a file that is there is kept under another name.
    Raises `CheckpointBusy` if somebody else has it open, and `ConfigurationError` if it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, fresh: bool = False) -> None:
        self.path = Path(path)
        try:
            with ExitStack() as opened:
                self._open(opened)
                if fresh and os.fstat(self._fd).st_size:
                    opened.close()
                    self.path.rename(self._free_name())
                    self._open(opened)
                self._reader = opened.enter_context(self.path.open("rb"))
                self._end = self._cut_torn_line()
                self._held = opened.pop_all()
        except OSError as error:
            raise ConfigurationError(f"{self!r} cannot be opened: {error.strerror or error}") from None
        self._synced_at = time.monotonic()
        _open_files.add(self)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Give each line with its place."""
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                yield offset, line
                offset += len(line)

    def line_at(self, offset: int) -> bytes:
        """Give the line at a place."""
        self._reader.seek(offset)
        return self._reader.readline()

    def append(self, line: str) -> int:
        """Write a line to the end, and give its place; it is on the disk a second later, or when the file is closed.

        Raises `DeclaraiError`, and leaves the file as it was, if it cannot be written.
        """
        data, offset = line.encode("utf-8", "surrogatepass") + b"\n", self._end
        try:
            os.lseek(self._fd, offset, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            if time.monotonic() - self._synced_at >= _SYNC_SECONDS:
                self.sync()
        except OSError as error:
            with suppress(OSError):  # what stays is a torn line, which the next run cuts off
                os.ftruncate(self._fd, offset)
            raise DeclaraiError(
                f"{self!r} cannot be written: {error.strerror or error}; the rows before are kept"
            ) from None
        self._end += len(data)
        return offset

    def sync(self) -> None:
        """Put all that was written on the disk."""
        os.fsync(self._fd)
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Put all on the disk, and let others write; closing twice is fine."""
        if self in _open_files:
            _open_files.discard(self)
            with self._held:
                self.sync()

    def leave_to_parent(self) -> None:  # pragma: no cover - in a forked child
        """Let go of the file in a forked process, which would keep it locked when its parent dies."""
        with suppress(OSError):
            os.close(self._fd)

    def _open(self, stack: ExitStack) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, _FLAGS, 0o600)
        stack.callback(os.close, self._fd)
        try:
            stack.enter_context(locked(self._fd, timeout=0.0))
        except TimeoutError:
            raise CheckpointBusy(
                f"another map writes {self!r} just now: wait for its end, or give this one a file of its own"
            ) from None

    def _free_name(self) -> Path:
        """Give the first name beside this one that nothing has."""
        number = 1
        while (path := self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")).exists():
            number += 1
        return path

    def _cut_torn_line(self) -> int:
        """Cut off what follows the last end of a line; give the size."""
        size = end = os.fstat(self._fd).st_size
        while end:
            start = max(0, end - _BLOCK)
            self._reader.seek(start)
            found = self._reader.read(end - start).rfind(b"\n")
            end = start if found < 0 else start + found + 1
            if found >= 0:
                break
        if end < size:
            os.ftruncate(self._fd, end)
        return end

    def __repr__(self) -> str:
        return f"the checkpoint {os.fspath(self.path)!r}"


_open_files: WeakSet[CheckpointFile] = WeakSet()


def _leave_all() -> None:  # pragma: no cover - in a forked child
    for file in _open_files:
        file.leave_to_parent()


if sys.platform != "win32":  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_leave_all)

"""Files read within bounds: so many bytes, below one directory."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack

from declarai_like.errors import LimitExceeded, MediaError

__all__ = ["read_file"]

_PIECE = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)


def read_file(path: str | os.PathLike[str], root: str | os.PathLike[str] | None, limit: int) -> bytes:
    """Read a file; raises `OSError` as `open` does, `LimitExceeded` for more than `limit` bytes.

    With a `root`, raises `MediaError` for a file that does not lie below it when all symbolic links are followed.
    """
    descriptor = os.open(path, _READ) if root is None else _open_below(path, root)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise MediaError(f"expected a file, got {os.fspath(path)!r}, which is none")
        if found.st_size > limit:
            raise _too_large(path, found.st_size, limit)
        data = bytearray()  # what it says of its size is not all: it may grow, or be one of the system's
        while len(data) <= limit and (piece := file.read(min(_PIECE, limit + 1 - len(data)))):
            data += piece
    if len(data) > limit:
        raise _too_large(path, len(data), limit)
    return bytes(data)


def _too_large(path: str | os.PathLike[str], size: int, limit: int) -> LimitExceeded:
    return LimitExceeded(
        f"{os.fspath(path)!r} has {size} bytes, max_bytes={limit} allows no more: "
        "raise max_bytes=, or give a smaller file"
    )


def _open_below(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> int:
    """Open a file below a directory, each step of the way without following a link that came in between."""
    from pathlib import Path

    base = os.path.realpath(root)
    meant = os.path.realpath(Path(base, path))
    below = Path(os.path.relpath(meant, base)).parts
    if os.path.commonpath([base, meant]) != base or meant == base:
        raise MediaError(f"expected a file below {os.fspath(root)!r}, got {os.fspath(path)!r}")
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows
        return os.open(meant, _READ | _NO_LINK)
    with ExitStack() as opened:
        directory = os.open(base, os.O_RDONLY | _DIRECTORY)
        opened.callback(os.close, directory)
        for step in below[:-1]:
            directory = os.open(step, os.O_RDONLY | _DIRECTORY | _NO_LINK, dir_fd=directory)
            opened.callback(os.close, directory)
        return os.open(below[-1], _READ | _NO_LINK, dir_fd=directory)

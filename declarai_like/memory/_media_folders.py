"""A folder of media, each in a file that is named by its hash, for the owner only."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

__all__ = ["MediaFolder"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


class MediaFolder:
    """The files of one conversation; the folder is made with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, digest: str, data: bytes) -> None:
        """Store bytes in one step, unless they are there; raises `OSError`."""
        if (self._path / digest).exists():
            return
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path)  # for the owner only
        made = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            made.replace(self._path / digest)
        except BaseException:
            made.unlink()
            raise

    def get(self, digest: str) -> bytes | None:
        """Give bytes back, `None` if there are none; raises `OSError`."""
        if not _DIGEST.fullmatch(digest):  # it stands in a file that anybody may have written
            return None
        with contextlib.suppress(FileNotFoundError):
            return (self._path / digest).read_bytes()
        return None

    def clear(self) -> None:
        """Remove the files and the folder; raises `OSError`."""
        if not self._path.is_dir():
            return
        for entry in self._path.iterdir():
            entry.unlink(missing_ok=True)
        self._path.rmdir()

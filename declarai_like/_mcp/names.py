"""The names by which a model knows the tools of a server."""

from __future__ import annotations

import re
from hashlib import sha256

__all__ = ["model_name"]

_LONGEST = 64
_HASH_DIGITS = 8
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def model_name(server: str, tool: str) -> str:
    """Give the server's name and the tool's; one that is cut or changed to fit keeps apart from others by a hash.

    >>> model_name("files", "read_file")
    'files_read_file'
    >>> model_name("files", "read/file")
    'files_read_file_02c28577'
    """
    name = f"{server}_{tool}"
    fitting = _FOREIGN.sub("_", name)
    if fitting == name and len(name) <= _LONGEST:
        return name
    digits = sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{fitting[: _LONGEST - _HASH_DIGITS - 1]}_{digits}"

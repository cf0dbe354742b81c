"""What must not stand in a file that is committed: keys, by their names, their looks, and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "**********"

_NAMES = re.compile(
    r"(proxy-)?authorization|(set-)?cookie|password|(.*[-_])?(api[-_]?key|secret|access[-_]token|openai[-_]token)",
    re.IGNORECASE,
)
_LOOKS = re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{8,}|(?<=Bearer )[^\s\"']+|(?<=Basic )[A-Za-z0-9+/=]{8,}")
_VARIABLES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST = 12
"""A shorter value of a variable is no key, and hiding it would hide words."""


def hide_secrets(value: Any) -> Any:
    """Give a copy of data with every secret in it hidden."""
    return _hide_in(value, _environment_keys())


def _hide_in(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return _LOOKS.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {
            _hide_in(name, secrets): HIDDEN if _NAMES.fullmatch(str(name)) and item else _hide_in(item, secrets)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_hide_in(item, secrets) for item in value]
    return value


def _environment_keys() -> list[str]:
    """Give the keys that the environment holds, the longest first."""
    values = {value for name, value in os.environ.items() if name.upper().endswith(_VARIABLES)}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)

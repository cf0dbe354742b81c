"""The arguments of a tool call: JSON, read strictly, for no guess is made about what will be done."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from declarai_like._writing.texts import is_too_deep

__all__ = ["UnreadableArguments", "read_arguments"]

_TOO_DEEP = "expected a JSON object, got one that is nested too deeply"


class UnreadableArguments(ValueError):
    """The arguments are no complete JSON object."""


def read_arguments(text: str) -> dict[str, Any]:
    """Read the arguments of a call; no text at all is an empty object.

    Raises `UnreadableArguments` for what is not one whole JSON object, and for a key that is there twice.
    """
    if not text.strip():
        return {}
    if is_too_deep(text):
        raise UnreadableArguments(_TOO_DEEP)
    try:
        arguments = _DECODER.decode(text)
    except RecursionError:
        raise UnreadableArguments(_TOO_DEEP) from None
    except UnreadableArguments:
        raise
    except ValueError as error:
        raise UnreadableArguments(f"expected a JSON object, got {text!r:.200}: {error}") from None
    if not isinstance(arguments, dict):
        raise UnreadableArguments(f"expected a JSON object, got {text!r:.200}")
    return arguments


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableArguments(f"expected each key once, got {twice!r} twice")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise UnreadableArguments(f"expected JSON, which has no {word}")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)

"""What was asked for, to the letter: the way of all answers that need no repair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["exact_scalar", "for_object", "for_wrapped", "without_fence"]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|Infinity)|NaN")
_TRUTHS = {"true": True, "false": False}
_FENCE = re.compile(r"\s*(`{3,}|~{3,})[ \t]*\w*[ \t]*\r?\n(.*?)\s*\1\s*", re.DOTALL)


def exact_scalar(kind: type[int | float | bool], text: str) -> int | float | bool:
    """Read the JSON number or boolean that `text` is, with nothing but space around it.

    Raises `ValueError` for anything else. `NaN` and the infinities are no JSON, but they are floats.
    """
    text = text.strip()
    if kind is bool:
        if text in _TRUTHS:
            return _TRUTHS[text]
    elif (_INTEGER if kind is int else _FLOAT).fullmatch(text):
        return kind(text)
    raise ValueError(f"not a JSON value of type {kind.__name__}")


def without_fence(text: str) -> str:
    """Give what stands in the code fence that the whole text is, or the text itself."""
    fence = _FENCE.fullmatch(text)
    return fence[2] if fence else text


def for_object(validate: Callable[..., Any], core_schema: Any) -> Callable[[str], Any]:
    """Build the exact reader of an object with named fields."""
    return _to_the_letter(validate, may_lose_keys=_may_lose_keys(core_schema))


def for_wrapped(validator_of: Callable[[Any], Callable[..., Any]], core_schema: Any, key: str) -> Callable[[str], Any]:
    """Build the exact reader of a type that stands under a key."""
    from pydantic_core import core_schema as core

    fields = {key: core.typed_dict_field(core_schema)}
    wrapper = validator_of(core.typed_dict_schema(fields))
    read = _to_the_letter(wrapper, may_lose_keys=_may_lose_keys(core_schema))
    if core_schema["type"] not in {"any", "dict"}:
        return lambda text: read(text)[key]
    # In a mapping, a key that comes later is one of its own.
    first = re.compile(rf'\s*\{{\s*"{re.escape(key)}"\s*:')

    def exact(text: str) -> Any:
        if not first.match(text):
            raise ValueError(f"the key {key!r} does not come first")
        return read(text)[key]

    return exact


def _to_the_letter(validate: Callable[..., Any], *, may_lose_keys: bool) -> Callable[[str], Any]:
    """Take no member that is unknown, which may be a field in another spelling, and no truth or year for a number."""

    def exact(text: str) -> Any:
        try:
            return validate(text, strict=True, extra="forbid")
        except TypeError:  # an older pydantic cannot forbid them for once
            if may_lose_keys:
                raise ValueError("keys that are not known") from None
            return validate(text, strict=True)

    return exact


def _may_lose_keys(node: Any) -> bool:
    """Whether somewhere in a core schema a field may be missing without an error."""
    if isinstance(node, list):
        return any(map(_may_lose_keys, node))
    if not isinstance(node, dict):
        return False
    fields = node.get("fields")
    if isinstance(fields, (dict, list)) and node.get("type") in {"model-fields", "typed-dict", "dataclass-args"}:
        each = fields.values() if isinstance(fields, dict) else fields
        if any(field.get("required") is False or field["schema"]["type"] == "default" for field in each):
            return True
    return any(_may_lose_keys(part) for name, part in node.items() if name not in {"metadata", "serialization", "cls"})

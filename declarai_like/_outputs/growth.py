"""Whether one value is the beginning of another."""

from __future__ import annotations

from typing import Any

__all__ = ["grows_into"]


def grows_into(before: Any, after: Any) -> bool:
    """Say whether a value that was shown while it arrived is the beginning of the whole one."""
    pairs = [(before, after)]
    while pairs:
        shown, whole = pairs.pop()
        if shown is None:
            continue
        if type(shown) is not type(whole):
            return False
        if isinstance(shown, (list, tuple)):
            if len(shown) > len(whole):
                return False
            pairs += zip(shown, whole, strict=False)
        elif isinstance(shown, (set, frozenset)):
            if not shown <= whole:
                return False
        elif type(shown) is str:
            if not whole.startswith(shown):
                return False
        else:
            members = _members(shown)
            grown = _members(whole)
            if members is None or grown is None:
                if shown != whole and shown == shown:  # noqa: PLR0124 - not a number is never equal
                    return False
            elif not members.keys() <= grown.keys():
                return False
            else:
                pairs += [(each, grown[name]) for name, each in members.items()]
    return True


def _members(value: Any) -> dict[Any, Any] | None:
    """Give the members of a mapping, a model or a dataclass."""
    if isinstance(value, dict):
        return value
    names = getattr(value, "__pydantic_fields_set__", None)  # a default is not yet an answer
    if names is None:
        names = getattr(type(value), "__dataclass_fields__", None)
    return None if names is None else {name: getattr(value, name, None) for name in names}

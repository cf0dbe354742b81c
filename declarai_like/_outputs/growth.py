"""Whether one value is the beginning of another."""

from __future__ import annotations

from typing import Any

__all__ = ["grows_into"]


def grows_into(before: Any, after: Any) -> bool:
    """Say whether a value that was shown while it arrived is the beginning of the whole one."""
    pairs = [(before, after)]
    while pairs:
        inner = _compare(*pairs.pop())
        if inner is None:
            return False
        pairs += inner
    return True


def _compare(shown: Any, whole: Any) -> list[tuple[Any, Any]] | None:
    """Give what is left to compare within two values; `None` if the one cannot become the other."""
    if shown is None:
        return []
    if type(shown) is not type(whole):
        return None
    if isinstance(shown, (list, tuple)):
        return list(zip(shown, whole, strict=False)) if len(shown) <= len(whole) else None
    members, grown = _members(shown), _members(whole)
    if members is not None and grown is not None:
        return [(each, grown[name]) for name, each in members.items()] if members.keys() <= grown.keys() else None
    return [] if _is_beginning(shown, whole) else None


def _is_beginning(shown: Any, whole: Any) -> bool:
    if isinstance(shown, (set, frozenset)):
        return bool(shown <= whole)
    if type(shown) is str:
        return bool(whole.startswith(shown))
    return bool(shown == whole) or shown != shown  # noqa: PLR0124 - what is not a number is never equal


def _members(value: Any) -> dict[Any, Any] | None:
    """Give the members of a mapping, a model or a dataclass."""
    if isinstance(value, dict):
        return value
    names = getattr(value, "__pydantic_fields_set__", None)  # a default is not yet an answer
    if names is None:
        names = getattr(type(value), "__dataclass_fields__", None)
    return None if names is None else {name: getattr(value, name, None) for name in names}

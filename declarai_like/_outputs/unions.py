"""Data that is of one of several types: which one, also while it arrives."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.coercions import nested
from declarai_like._outputs.containers import ChoiceContainer
from declarai_like._outputs.refusals import Refused
from declarai_like._outputs.wordings import strip_marks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from declarai_like._outputs.coercions import Coercion
    from declarai_like._outputs.containers import Container
    from declarai_like._outputs.refusals import Repairs
    from declarai_like._outputs.shape import Shape

__all__ = ["for_choice", "open_choice"]


def open_choice(shape: Shape, members: Sequence[Shape], tags: Mapping[str, Shape] | None, tag: Any) -> None:
    """Let a union open the only member that can, or wait until only one can be meant."""
    opens: dict[str, Callable[[Shape], Container]] = {}
    for mark in "{[":
        able = [member for member in members if mark in member.opens]
        if len(able) == 1:
            opens[mark] = able[0].opens[mark]
        elif len(able) > 1 and mark == "{" and all(member.record for member in able):
            choose = functools.partial(_choose, able, tags, tag)
            opens[mark] = lambda outer, choose=choose: ChoiceContainer(outer, choose)  # type: ignore[misc]  # mypy sees one argument
    shape.opens = opens


def _choose(
    members: Sequence[Shape], tags: Mapping[str, Shape] | None, tag: Any, key: str, data: Mapping[str, Any]
) -> Shape | None:
    """Give the only record that the keys and the tag allow; `None` while there are several, or none."""
    if tags is not None and data.get(tag) in tags:
        return tags[data[tag]]
    keys = [*data, *([key] if key else [])]
    fitting = []
    for member in members:
        record = member.record() if member.record else None
        if record is not None and all(record.field(each, set()) for each in keys):
            fitting.append(member)
    return fitting[0] if keys and len(fitting) == 1 else None


def for_choice(shape: Shape, members: Sequence[Shape], tags: Mapping[str, Shape] | None, tag: str) -> Coercion:
    """Read data as the one member that takes it; `tags` are the values of the member `tag` that choose."""

    def coerce(data: Any, repairs: Repairs) -> Any:
        if tags is not None and isinstance(data, dict):
            return _tagged(data, tags, tag, repairs)
        if shape.validated(data, strict=True)[1] and not _may_lose_keys(data, members, repairs):
            return data
        read, refusals = _read_each(members, data, repairs)
        if len(read) > 1:
            raise Refused("it can be read as several of its types")
        if read:
            return read[0]
        if refusals:
            raise refusals[0]
        return data

    return nested(coerce) if not shape.text_fits else coerce


def _may_lose_keys(data: Any, members: Sequence[Shape], repairs: Repairs) -> bool:
    return isinstance(data, (dict, list)) and any(each.opens for each in members) and not repairs.is_bare


def _read_each(members: Sequence[Shape], data: Any, repairs: Repairs) -> tuple[list[Any], list[Refused]]:
    """Read data as each member; equal readings count once, and the fewest repairs count."""
    found: list[tuple[int, Any, Any, Repairs]] = []
    refusals: list[Refused] = []
    for member in members:
        own = type(repairs)(is_bare=repairs.is_bare)
        try:
            coerced = member.coerce(data, own)
        except Refused as refusal:
            refusals.append(refusal)
            continue
        value, is_valid = member.validated(coerced)
        if is_valid:
            found.append((len(own.names), value, coerced, own))
    if not found:
        return [], refusals
    fewest = min(count for count, *_ in found)
    best = [each for each in found if each[0] == fewest]
    # Of members that take the same data, validation tells which is meant.
    if fewest and any(each[2] != best[0][2] and not _is_same(each[1], best[0][1]) for each in best):
        return [each[2] for each in best], refusals
    for name in best[0][3].names:
        repairs.note(name)
    return [best[0][2]], refusals


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _tagged(data: dict[str, Any], tags: Mapping[str, Shape], tag: str, repairs: Repairs) -> Any:
    told = data.get(tag)
    if not isinstance(told, str):
        return data
    shape = tags.get(told)
    if shape is None:
        folded = [name for name in tags if name.casefold() == strip_marks(told).casefold()]
        if len(folded) != 1:
            return data
        repairs.note("spelling")
        data, shape = {**data, tag: folded[0]}, tags[folded[0]]
    return shape.coerce(data, repairs)

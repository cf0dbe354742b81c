"""Which parameters take media, told by their annotations, and what may be given to them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from declarai_like.errors import ArgumentError, DefinitionError, MediaError
from declarai_like.media import Media
from declarai_like.media._annotations import has_media, is_kind
from declarai_like.media._json import as_media

if TYPE_CHECKING:
    import inspect

__all__ = ["MediaParameter", "media_parameter", "resolve"]

_SEVERAL = frozenset({list, tuple, Sequence, Iterable})


class MediaParameter(NamedTuple):
    """What a parameter takes: media of these kinds, one of them or several."""

    kinds: tuple[type[Media], ...]
    takes_one: bool
    takes_several: bool
    takes_none: bool

    def read(self, value: Any, name: str, where: str) -> Media | tuple[Media, ...] | None:
        """Give the media that stand for a value; raises `ArgumentError`, a `TypeError`, for what is none.

        A text is none: it could be a path or an address of a stranger's.
        """
        if value is None and self.takes_none:
            return None
        try:
            if self.takes_several and _is_several(value):
                return tuple(map(self._read_one, value))
            return self._read_one(value if self.takes_one else _refuse(f"a list of {self.kinds[0].__name__}", value))
        except ArgumentError as error:
            raise ArgumentError(f"{where}: the argument {name!r}: {error.message}") from None

    def _read_one(self, value: Any) -> Media:
        if isinstance(value, Media) and isinstance(value, self.kinds):
            return value
        *others, last = self.kinds
        return next((made for made in (_try(kind, value) for kind in others) if made is not None), None) or as_media(
            last, value
        )


def media_parameter(annotation: Any, where: str) -> MediaParameter | None:
    """Read an annotation; `None` if it has nothing to do with media.

    Raises `DefinitionError` for media among other things, as in `Image | str` or `dict[str, Image]`.
    """
    if not has_media(annotation):
        return None
    everything = _options(annotation)
    options = [option for option in everything if option is not type(None)]
    kinds: list[type[Media]] = []
    takes_one = takes_several = False
    for option in options:
        if is_kind(option):
            kinds.append(option)
            takes_one = True
        elif typing.get_origin(option) in _SEVERAL:
            kinds += [kind for item in typing.get_args(option) if item is not ... for kind in _options(item)]
            takes_several = True
        else:
            kinds.append(option)
    if not all(map(is_kind, kinds)):
        raise DefinitionError(
            f"{where}: a parameter takes media alone, or lists of them, not {_shown(annotation)}: "
            "give what else there is to another parameter"
        )
    return MediaParameter(tuple(dict.fromkeys(kinds)), takes_one, takes_several, len(options) < len(everything))


def resolve(parameter: inspect.Parameter, names: Mapping[str, Any], local_names: Mapping[str, Any]) -> Any:
    """Give a parameter's annotation with its names resolved; `None` where they are not known (yet)."""
    if isinstance(parameter.annotation, type) and not typing.get_args(parameter.annotation):
        return parameter.annotation
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        return typing.get_type_hints(holder, dict(names), dict(local_names), include_extras=True)["it"]
    except Exception:  # whatever names and their classes may do: what is no annotation of media is no concern here
        return None


def _options(annotation: Any) -> list[Any]:
    """Give what a union has in it, without what `Annotated` says beside it."""
    if hasattr(annotation, "__metadata__"):
        return _options(annotation.__origin__)
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return [option for each in typing.get_args(annotation) for option in _options(each)]
    return [annotation]


def _is_several(value: Any) -> bool:
    is_one = isinstance(value, (str, bytes, bytearray, memoryview, Mapping, Media))
    return isinstance(value, Iterable) and not is_one and not hasattr(value, "__array_interface__")


def _refuse(expected: str, value: Any) -> NoReturn:
    got = repr(value) if isinstance(value, Media) else type(value).__name__
    raise ArgumentError(f"expected {expected}, got {got}")


def _try(kind: type[Media], value: Any) -> Media | None:
    """Give media of a kind, `None` for bytes that are of another one."""
    try:
        return as_media(kind, value)
    except MediaError:
        return None


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")

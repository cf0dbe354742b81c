"""Media in annotations."""

from __future__ import annotations

import typing
from typing import Any

from declarai_like.media._values import Media

__all__ = ["has_media", "is_kind"]


def is_kind(annotation: Any) -> bool:
    """Say whether an annotation is one kind of media."""
    return isinstance(annotation, type) and not typing.get_args(annotation) and issubclass(annotation, Media)


def has_media(annotation: Any) -> bool:
    """Say whether media stand anywhere in an annotation, but for the fields of its classes."""
    return is_kind(annotation) or any(map(has_media, typing.get_args(annotation)))

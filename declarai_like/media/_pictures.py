"""Pictures that are unpacked: made smaller, or taken from other libraries."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from declarai_like.errors import MediaError, MissingExtra

__all__ = ["MOST_PIXELS", "is_picture", "picture_bytes", "shrink"]

MOST_PIXELS = 50_000_000
"""How many pixels a picture may have that is unpacked here."""


def shrink(data: bytes, media_type: str, max_side: int) -> bytes:
    """Make a picture smaller if its longer side has more than `max_side` pixels; its type stays.

    Raises `MediaError` for a picture that is damaged, or of more than 50 million pixels, before they are unpacked.
    """
    side: Any = max_side
    if isinstance(side, bool) or not isinstance(side, int) or side < 1:
        raise MediaError(f"expected max_side to be a number of pixels, got {max_side!r:.40}")
    library, operations = _pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of size: it is checked here
        try:
            with library.open(BytesIO(data)) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise MediaError(f"the picture has {width} x {height} pixels, no more than {MOST_PIXELS} are taken")
                if max(width, height) <= max_side:
                    return data
                turned = operations.exif_transpose(picture)
                turned.thumbnail((max_side, max_side))
                return _packed(turned, media_type)
        except (OSError, SyntaxError, ValueError, library.DecompressionBombError) as error:
            if isinstance(error, MediaError):
                raise
            raise MediaError(f"the picture cannot be unpacked: {error}").with_cause(error) from None


def is_picture(value: Any) -> bool:
    """Say whether this is a picture of Pillow's, or an array of numbers as numpy has them."""
    modules = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    return "PIL" in modules or ("numpy" in modules and hasattr(value, "__array_interface__"))


def picture_bytes(value: Any) -> bytes:
    """Give such a picture as PNG; raises `MediaError` for an array that is none."""
    library, _ = _pillow()
    try:
        picture = library.fromarray(value) if hasattr(value, "dtype") else value
        return _packed(picture, "image/png")
    except (TypeError, ValueError, OSError, KeyError) as error:
        raise MediaError(
            f"expected a picture (an array of bytes, of height x width x colours), got {error}"
        ).with_cause(error) from None


def _packed(picture: Any, media_type: str) -> bytes:
    packed = BytesIO()
    picture.save(packed, media_type.partition("/")[2].upper())
    return packed.getvalue()


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtra("pictures are unpacked by Pillow: pip install 'declarai-like[media]'") from error
    return Image, ImageOps

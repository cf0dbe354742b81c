"""How many tokens a request has, as far as that can be told before it is sent.

The rules for images are those of the vendors' documentation; of other media nobody says, and they count nothing.
"""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING

from declarai_like._prompting.tokens import count_tokens
from declarai_like.media._parts import media_in
from declarai_like.media._picture_sizes import picture_size

if TYPE_CHECKING:
    from declarai_like.requests import Request

__all__ = ["count_prompt_tokens", "image_tokens"]

_OPENAI = (
    (re.compile(r"gpt-4o-mini"), 2833, 5667),
    (re.compile(r"gpt-4\.1-(?:mini|nano)|gpt-5-(?:mini|nano)|o4-mini"), 0, 0),  # counted by patches, not by tiles
    (re.compile(r"gpt-4o|gpt-4\.1|gpt-4\.5"), 85, 170),
    (re.compile(r"gpt-5"), 70, 140),
    (re.compile(r"o1|o3"), 75, 150),
)
"""Models, what an image takes, and what each of its tiles does."""
_LARGEST, _SHORT_SIDE, _TILE = 2048, 768, 512
_PIXELS_OF_A_TOKEN, _LONG_SIDE, _MOST = 750, 1568, 1600
_GOOGLE_SMALL, _GOOGLE_TILE, _GOOGLE_TOKENS = 384, 768, 258


def count_prompt_tokens(request: Request) -> int:
    """Estimate the tokens of all texts, and of the images whose provider says how it counts them."""
    return sum(map(count_tokens, request.texts)) + sum(image_tokens(request))


def image_tokens(request: Request) -> list[int]:
    """Give the tokens of each image that is sent as bytes; 0 where the rule is not known."""
    name = "" if request.provider is None else request.provider.name
    sizes = [size for media in media_in(request.messages) if (size := picture_size(media)) is not None]
    if name == "anthropic":
        return [_anthropic(*size) for size in sizes]
    if name == "google":
        return [_google(*size) for size in sizes]
    if name in {"openai", "azure-openai"}:
        return [_openai(request.model, *size) for size in sizes]
    return [0 for _ in sizes]


def _openai(model: str, width: int, height: int) -> int:
    base, tile = next((tokens for known, *tokens in _OPENAI if known.match(model)), (0, 0))
    scale = min(1.0, _LARGEST / max(width, height))
    scale *= min(1.0, _SHORT_SIDE / (min(width, height) * scale))
    return base + tile * ceil(width * scale / _TILE) * ceil(height * scale / _TILE)


def _anthropic(width: int, height: int) -> int:
    scale = min(1.0, _LONG_SIDE / max(width, height))
    return min(_MOST, ceil(width * scale * height * scale / _PIXELS_OF_A_TOKEN))


def _google(width: int, height: int) -> int:
    if max(width, height) <= _GOOGLE_SMALL:
        return _GOOGLE_TOKENS
    return _GOOGLE_TOKENS * ceil(width / _GOOGLE_TILE) * ceil(height / _GOOGLE_TILE)

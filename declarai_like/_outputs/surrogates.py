"""Surrogate pairs that were split over two pieces of a text."""

from __future__ import annotations

import re

__all__ = ["join_surrogates"]

_HALVES = re.compile("[\ud800-\udfff]")


def join_surrogates(text: str) -> str:
    """Join the halves of surrogate pairs; a lone half becomes U+FFFD."""
    if text.isascii() or not _HALVES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

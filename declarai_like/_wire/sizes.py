"""How long an answer may be."""

from __future__ import annotations

from declarai_like.errors import InvalidResponse


def check_size(size: int, limit: int | None) -> None:
    """Raise `InvalidResponse` if an answer is longer than it may be."""
    if limit is not None and size > limit:
        raise InvalidResponse(f"the answer is longer than {limit} bytes: if it is a model's, raise max_answer_bytes=")

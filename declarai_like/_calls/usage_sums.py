"""The tokens of several requests together."""

from __future__ import annotations

from declarai_like.completions import Usage

__all__ = ["sum_usages"]


def sum_usages(usages: list[Usage]) -> Usage | None:
    """Add the tokens of several rounds; what one of them did not tell is not known of all."""
    if len(usages) < 2:  # noqa: PLR2004 - one is its own sum
        return usages[0] if usages else None
    return Usage(
        _sum_of([usage.prompt_tokens for usage in usages]),
        _sum_of([usage.completion_tokens for usage in usages]),
        _sum_of([usage.total_tokens for usage in usages]),
    )


def _sum_of(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None

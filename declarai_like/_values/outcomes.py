"""How an answer ended: what the provider's word for it means."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, Literal

from declarai_like._writing.texts import mend_surrogates

__all__ = ["Ending", "Outcome", "ending_of", "finish_reason_of", "outcome_of"]

Outcome = Literal["streaming", "complete", "calls", "truncated", "filtered", "refused", "interrupted", "cancelled"]
"""How an answer ended: `calls` is a whole one that asks for tools, `truncated` one that was cut at the token limit,
`interrupted` one that the other side broke off, `cancelled` one that the reader did.
"""

Ending = Literal["complete", "truncated", "filtered", "refused", "failed"]
"""What a finish reason means; `failed` is an error of the provider's."""

_NO_REASON: Final = frozenset(
    ("", "null", "none", "undefined", "notfinished", "unspecified", "finishreasonunspecified", "error")
)
"""Words of servers that spell "not yet" as a word; of "error" the error itself tells more."""

# Providers have some sixty words for these. Only what names a cut, a filter or a failure is one; with an unknown word
# the answer is whole. The first that matches counts: "content_filter_error" is a filter's, "rate_limit" no limit of
# tokens.
_ENDINGS: Final[tuple[tuple[Ending, re.Pattern[str]], ...]] = (
    ("refused", re.compile("refus|declined")),
    (
        "filtered",
        re.compile(
            "filter|safety|unsafe|sensitive|moderat|guardrail|blocked|blocklist|blacklist|denylist|prohibit|recitation"
            "|copyright|spii|toxic|flagged|policy|violation|censor|harmful|jailbreak|modelarmor|riskcontrol|imageother"
        ),
    ),
    (
        "failed",
        re.compile(
            "error(?!limit)|fail|abort|cancel|timeout|timedout|timelimit|maxtime|deadline|network|disconnect|connection"
            "|interrupt|resource|ratelimit|quota|balance|overload|unavailable|malformed|unexpectedtool|toomanytool"
            "|missingthought|killed|crash|exception|evict|preempt|shutdown|outofmemory"
        ),
    ),
    (
        "truncated",
        re.compile(
            "length|truncat|limit|exceed|exhaust|incomplete|cutoff|overflow|budget|contextwindow|contextfull|^context$"
            "|max(imum)?(new|output|completion|input|prompt|model|context|total)*(token|output|len|context)"
        ),
    ),
)


def finish_reason_of(told: Any) -> str | None:
    """Give the provider's word for the end; `None` while there is none."""
    return mend_surrogates(told) if isinstance(told, str) and _plain(told) not in _NO_REASON else None


@lru_cache(maxsize=32)
def ending_of(finish_reason: str | None) -> Ending:
    """Say what a finish reason means, however it is spelled.

    >>> [ending_of(word) for word in ("stop", "MAX_TOKENS", "content-filter", "network_error")]
    ['complete', 'truncated', 'filtered', 'failed']
    """
    word = _plain(finish_reason or "")
    return next((ending for ending, pattern in _ENDINGS if pattern.search(word)), "complete")


def outcome_of(finish_reason: str | None, refusal: str | None = None, *, calls: bool = False) -> Outcome:
    """Say how an answer ended that ended with this finish reason; `calls` is whether it asks for tools."""
    ending = ending_of(finish_reason)
    if refusal or ending == "refused":
        return "refused"
    if ending == "complete":
        return "calls" if calls else "complete"
    return "interrupted" if ending == "failed" else ending


@lru_cache(maxsize=32)
def _plain(word: str) -> str:
    """Give a word without what parts its parts: `MAX_TOKENS`, `max-tokens` and `maxTokens` are one."""
    return "".join(filter(str.isalnum, word)).lower()

"""Asking a second model when the first one is slow, and taking the answer that begins first."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from declarai_like._calls.budgets import active_budgets
from declarai_like.errors import DefinitionError
from declarai_like.middleware._races import HedgedProvider
from declarai_like.middleware.fallback import redirect, require_models

if TYPE_CHECKING:
    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.requests import Request

__all__ = ["hedge"]

_MINUTE = 60.0


def hedge(backup: Any, *, after: float = 2.0, share: float = 0.05) -> Middleware:
    """Make a middleware that also asks `backup` when nothing of the answer has come `after` seconds.

    The answer that begins first is taken; the other request is closed at once and told as an attempt. If the first one
    fails before it brings anything, in a way that may pass, the backup is asked at once. At most this `share` of the
    calls of a minute ask twice because of slowness (one call always may), so that a slow provider is not sent twice as
    much. The backup may be the same model again; it gets the task's parameters over its own. Each request counts in
    `limits(...)`. Raises `DefinitionError` for a backup that is no model, and for numbers that make no sense.

    >>> import declarai_like as declarai
    >>> backup = declarai.openai(model="gpt-4o-mini")
    >>> llm = declarai.openai(model="gpt-4o-mini", middlewares=[hedge(backup, after=1.5)])
    """
    require_models(backup)
    if not after >= 0 or not 0 < share <= 1:
        raise DefinitionError(f"expected after=0 or more and share= above 0 and up to 1, got {after!r} and {share!r}")
    return Hedge(backup, after, share)


class Hedge:
    """The middleware that `hedge` makes; shared by all calls, it counts how many of them asked twice."""

    def __init__(self, backup: Any, after: float, share: float) -> None:
        self._backup = backup
        self._after = after
        self._share = share
        self._calls: deque[float] = deque()
        self._hedges: deque[float] = deque()

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send, to one or to both."""
        self._calls.append(time.monotonic())
        spare = redirect(self._backup, request)
        provider = HedgedProvider(request, spare, self._after, self.may_hedge, active_budgets())
        return (yield from send(request.replace(provider=provider)))

    def may_hedge(self) -> bool:
        """Say whether one more call of this minute may ask twice, and count it."""
        begin = time.monotonic() - _MINUTE
        for times in (self._calls, self._hedges):
            while times and times[0] < begin:
                times.popleft()
        if len(self._hedges) + 1 > max(1.0, self._share * len(self._calls)):
            return False
        self._hedges.append(time.monotonic())
        return True

    def __reduce__(self) -> Any:
        return Hedge, (self._backup, self._after, self._share)

    def __repr__(self) -> str:
        return f"hedge({self._backup!r}, after={self._after:g}, share={self._share:g})"

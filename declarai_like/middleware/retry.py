"""Asking again when the other side failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like._calls.operations import Flow, Middleware, Next, Sleep
from declarai_like.errors import DefinitionError, ProviderError

if TYPE_CHECKING:
    from declarai_like.requests import Request

__all__ = ["retry"]

_LONGEST_ASKED_WAIT = 120.0


class Retry:
    """The middleware that `retry` makes; an object, so that it can be told apart and pickled."""

    __slots__ = ("first_wait", "longest_wait", "times")

    def __init__(self, times: int, first_wait: float = 0.5, longest_wait: float = 8.0) -> None:
        self.times = times
        self.first_wait = first_wait
        self.longest_wait = longest_wait

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send, and send again while it may help."""
        tried = 0
        while True:
            try:
                return (yield from send(request))
            except ProviderError as error:
                if tried == self.times or not _may_pass(error):
                    raise
                wait = self._wait(tried) if error.retry_after is None else error.retry_after
                if wait > _LONGEST_ASKED_WAIT or not (yield Sleep(wait)):
                    raise
            tried += 1

    def _wait(self, tried: int) -> float:
        from random import uniform

        return min(self.first_wait * 2.0**tried, self.longest_wait) * uniform(0.75, 1)  # noqa: S311 - no secret

    def __repr__(self) -> str:
        return f"retry({self.times})"


def retry(times: int = 2, *, first_wait: float = 0.5, longest_wait: float = 8.0) -> Middleware:
    """Make a middleware that asks up to `times` times again when the provider failed.

    Only what may pass is tried again (no connection, a time-out, 408, 409, 429, 5xx), and only before the first
    chunk. Waits double from `first_wait` seconds up to `longest_wait`, less up to a quarter at random; a provider's
    own `Retry-After` goes before, unless it asks for more than two minutes or more than the call has left. It takes
    the place of `max_retries` where it is listed.

    >>> import declarai_like as declarai
    >>> llm = declarai.openai(model="gpt-4o-mini", middlewares=[retry(4, longest_wait=30)])
    """
    if times < 0 or first_wait < 0 or longest_wait < 0:
        raise DefinitionError(
            "expected a number of times and waits that are not negative, "
            f"got times={times!r}, first_wait={first_wait!r}, longest_wait={longest_wait!r}"
        )
    return Retry(times, first_wait, longest_wait)


def _may_pass(error: ProviderError) -> bool:
    return error.retryable and (error.response is None or error.phase != "stream")

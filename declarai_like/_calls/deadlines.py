"""How much time a call has left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from declarai_like.errors import ProviderTimeout
from declarai_like.memory._deadlines import run_with_deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like.requests import Request

__all__ = ["Deadline"]

T = TypeVar("T")

_NO_WAIT = 0.005
"""Seconds that a call may have spent before its request: too few to give the request less time."""


class Deadline:
    """The moment at which a call's time is over."""

    __slots__ = ("_at", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._at = None if timeout is None else time.monotonic() + timeout

    @property
    def left(self) -> float | None:
        """The seconds that the call still has; `None` without an end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def run(self, work: Callable[[], T], *, least: float = 0.0) -> T:
        """Do some work with a memory that waits no longer than the call may take, but as long as `least`."""
        if self._at is None or self._timeout is None:
            return work()
        return run_with_deadline(max(self._at, time.monotonic() + least), self._timeout, work)

    def error(self, doing: str) -> ProviderTimeout:
        """Give the error for a call whose time has run out."""
        return ProviderTimeout(f"the call's time of {self._timeout} s is over{doing}: raise timeout=")

    def allows(self, seconds: float) -> bool:
        """Say whether the call still has time after so many seconds."""
        return self._at is None or time.monotonic() + seconds < self._at

    def shorten(self, request: Request) -> Request:
        """Give a request no more time than the call has left; raises `ProviderTimeout` if there is none."""
        left = self.left
        if left is None or self._timeout is None:
            return request
        if not left:
            raise self.error("")
        if request.limits.timeout == self._timeout and left > self._timeout - _NO_WAIT:
            return request
        return request.replace(limits=request.limits.replace(timeout=left, timeout_set=self._timeout))

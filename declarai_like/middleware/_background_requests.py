"""Requests that are made in threads of their own, and read by whoever wants their answer."""

from __future__ import annotations

import copy
import time
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any

from declarai_like.errors import ProviderTimeout
from declarai_like.requests import HangUp

if TYPE_CHECKING:
    from collections.abc import Callable

    from declarai_like.requests import Request

__all__ = ["BackgroundRequest", "Reader", "end_of", "seconds_left", "timeout_error"]


class Reader:
    """Somebody who waits for chunks: `wake` is called whenever there is something new."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake


class BackgroundRequest:
    """One request, made in a thread of its own, with all who read its answer.

    It is closed when the last one leaves before its end.
    """

    def __init__(self, produce: Callable[[HangUp], Any]) -> None:
        self.rows: list[Any] = []
        self.error: BaseException | None = None
        self.is_over = False
        self.is_claimed = False
        self._produce = produce
        self._readers: list[Reader] = []
        self._hang_up = HangUp()
        self._lock = RLock()

    def begin(self) -> None:
        """Ask, in a thread of its own."""
        Thread(target=self._read, name="declarai-request", daemon=True).start()

    def join(self, reader: Reader) -> bool:
        """Have somebody read along; give `False` if everybody has left, or it has failed."""
        with self._lock:
            if self._hang_up.is_requested or self.error is not None:
                return False
            self._readers.append(reader)
            return True

    def leave(self, reader: Reader) -> bool:
        """Read no longer; the last one ends the request. Say whether it has come to nothing."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
            is_last = not self._readers and not self.is_over
        if is_last:
            self._hang_up.request()
        return is_last or self.error is not None

    def _read(self) -> None:
        try:
            for row in self._produce(self._hang_up):
                self.rows.append(row)
                self._wake()
                if self._hang_up.is_requested:
                    break
        except BaseException as error:
            self.error = error
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.wake()

    def raise_error(self) -> None:
        """Raise what ended the request, if anything did: a copy for each who reads along."""
        if self.error is not None:
            raise copy.copy(self.error)


def end_of(request: Request) -> float | None:
    """Give the moment at which a request's time is over."""
    return None if request.limits.timeout is None else time.monotonic() + request.limits.timeout


def seconds_left(end: float | None) -> float | None:
    """Give the seconds to that moment."""
    return None if end is None else max(0.0, end - time.monotonic())


def timeout_error(request: Request) -> ProviderTimeout:
    """Give the error of a request whose time is over."""
    return ProviderTimeout(f"no answer within timeout={request.limits.timeout:g} s: raise timeout=")

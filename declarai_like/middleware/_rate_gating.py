"""Keeping to the limits of use that a provider sets: one gate for all who ask the same model with the same key."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from declarai_like.errors import DefinitionError
from declarai_like.middleware._gate_visits import GateVisit
from declarai_like.middleware._gates import Gate

if TYPE_CHECKING:
    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.requests import Provider, Request

__all__ = ["gate_of", "rate_gate"]


def rate_gate(*, rpm: float | None = None, tpm: float | None = None) -> Middleware:
    """Make a middleware that keeps to the provider's limits of requests (`rpm`) and tokens (`tpm`) a minute.

    All calls of this process that ask the same model with the same key share one gate, those of `task.map` too. What is
    not named is learned: from the headers of answers, or from refusals where there are none. A request that is refused
    as one too many (429) closes the gate for all of them, waits, and is sent again: it is no attempt of its call,
    unless it was refused for ten minutes. Waiting counts against the call's `timeout`.

    Raises `DefinitionError` for limits that are not positive.

    >>> import declarai_like as declarai
    >>> llm = declarai.openai(model="gpt-4o-mini", middlewares=[rate_gate(rpm=500, tpm=200_000)])
    """
    return RateGate(rpm, tpm)


class RateGate:
    """The middleware that `rate_gate` makes; an object, so that it can be pickled."""

    __slots__ = ("_rpm", "_tpm")

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        for name, value in (("rpm", rpm), ("tpm", tpm)):
            if value is not None and not value > 0:
                raise DefinitionError(f"expected {name} to be a number above zero, got {value!r:.80}")
        self._rpm = rpm
        self._tpm = tpm

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send through the gate."""
        return (yield from self.visit()(request, send))

    def visit(self, *, timeout: float | None = None) -> GateVisit:
        """Give the middleware of one call; with `timeout` waiting before the gate does not count against it."""
        return GateVisit(partial(gate_of, rpm=self._rpm, tpm=self._tpm), timeout=timeout)

    def __repr__(self) -> str:
        return f"rate_gate(rpm={self._rpm!r}, tpm={self._tpm!r})"


class _Gates:
    """The gates of this process; a forked one begins with none, since another thread's lock may be taken there."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin with none."""
        self.by_account: dict[tuple[str, str], Gate] = {}
        self.by_provider: WeakKeyDictionary[Any, dict[str, Gate]] = WeakKeyDictionary()


_gates = _Gates()
if sys.platform != "win32":  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_gates.start)


def gate_of(provider: Provider, model: str, *, rpm: float | None = None, tpm: float | None = None) -> Gate:
    """Give the gate before a model; it is made when it is first asked for, and takes the limits that are named."""
    asked = _innermost(provider)
    account = getattr(asked, "account", None)
    if account is None:
        gate = _gates.by_provider.setdefault(asked, {}).setdefault(model, Gate())
    else:
        gate = _gates.by_account.setdefault((account, model), Gate())
    gate.tell(rpm=rpm, tpm=tpm)
    return gate


def _innermost(provider: Any) -> Any:
    """Find who is really asked, behind what stands before."""
    while getattr(provider, "stands_before", False):
        provider = provider.provider
    return provider

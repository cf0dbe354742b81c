"""The durable function that calls are made in, if any."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from declarai_like._calls.operations import Operation
    from declarai_like.responses import Result
    from declarai_like.tools.run_stores import RunStore

__all__ = ["ActiveRun", "active_run"]


class ActiveRun(Protocol):
    """A run of a durable function, in which each call is a step."""

    def keep(self, call: Any, flow: Generator[Operation, Any, Result[Any]]) -> Generator[Operation, Any, Result[Any]]:
        """Make a call and keep what it brought, or give what was kept."""

    def begin_tools(self, name: str) -> tuple[RunStore, str]:
        """Give the store and the id for the run of a call with tools."""


active_run: ContextVar[ActiveRun | None] = ContextVar("declarai_like_active_run", default=None)

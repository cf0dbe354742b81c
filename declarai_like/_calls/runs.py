"""A call with tools, as all that work on it see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls import budgets
from declarai_like._calls.operations import Journal
from declarai_like.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from declarai_like._calls.operations import Operation
    from declarai_like.tools.declarations import Tool
    from declarai_like.tools.run_states import RunState
    from declarai_like.tools.settings import ToolSettings

__all__ = ["Run"]


class Run:
    """The state of one call with tools, and what it was told."""

    def __init__(
        self,
        settings: ToolSettings,
        tools: dict[str, Tool[Any, Any]],
        injected: Mapping[str, Mapping[str, Any]],
        state: RunState,
        redact: Callable[[str], str],
    ) -> None:
        self.settings = settings
        self.tools = tools
        self.injected = injected
        """What the caller gives each tool, by the tool's name."""
        self.state = state
        self.redact = redact
        """Blanks out the provider's key."""
        self.decisions: Mapping[str, Any] = {}
        """What was decided about the calls that wait, until it is used."""
        self.deadline: float | None = None
        """The moment, of the clock of who performs it, at which the call's time is over."""
        self.as_events = False
        """Whether somebody reads events."""
        self.budgets: tuple[budgets.Spent, ...] = ()
        self.tool_spans: Any = None
        """What tells telemetry of each tool that runs."""
        self.version = 0
        """The version of the state in the run store."""

    @property
    def number(self) -> int:
        """The round, from 1."""
        return self.state.number

    def commit(self) -> Generator[Operation, Any, None]:
        """Write the state, if there is a store."""
        store = self.settings.runs
        if store is not None:
            text, version = self.state.dump(), self.version + 1
            yield Journal(lambda: store.commit(self.state.run_id, version, text))
            self.version = version

    def count_tool_call(self) -> LimitExceeded | None:
        """Count a tool that is about to start; give the error if a limit of use is reached."""
        try:
            budgets.count_tool_call(self.budgets)
        except LimitExceeded as error:
            return error
        return None

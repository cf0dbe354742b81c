"""How tools are told to a model, and how its calls and answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from declarai_like.messages import Message, MessageRole
from declarai_like.tools.settings import name_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.flow import Call
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.tools.declarations import Tool
    from declarai_like.tools.run_states import PendingCall, RunState
    from declarai_like.tools.settings import ToolSettings

__all__ = ["Dialect", "NativeDialect"]


class Dialect(Protocol):
    """How a provider is told of tools."""

    tools: dict[str, Tool[Any, Any]]
    """Those that may be called, by name."""

    def encode(self, first: Request, state: RunState, *, is_last: bool = False) -> Request:
        """Give the request of a round; `is_last` offers no tool any more."""

    def reads(self, reader: Any) -> Any:
        """Give what reads the chunks of an answer, made of what would."""

    def read(self, response: LLMResponse) -> None:
        """Put the calls of an answer where they are looked for."""

    def value(self, call: Call[Any], response: LLMResponse) -> Any:
        """Read the value of the last answer; raises `OutputError`."""

    def holds_back_schema(self, state: RunState) -> bool:
        """Say whether the answer's type has not been demanded by a schema yet."""

    def demand_schema(self) -> None:
        """Demand the answer's type by its schema, in a round without tools."""

    def result_message(self, call: PendingCall) -> Message:
        """Give the result of a call as the model is told it."""


class NativeDialect:
    """Tools as the provider's own format has them."""

    def __init__(self, settings: ToolSettings, *, sends_schema: bool) -> None:
        self._choice = settings.tool_choice
        self.tools = settings.allowed
        self._sends_schema = sends_schema
        """Whether the schema of the answer is sent beside the tools: some servers call no tool then."""
        self._is_schema_demanded = False

    def encode(self, first: Request, state: RunState, *, is_last: bool = False) -> Request:
        """Give the request of a round."""
        params = dict(first.params)
        if self._is_schema_demanded or is_last:
            params["tool_choice"] = "none"
        elif state.number == 1:
            params.update(self._first_choice())
        elif params.get("tool_choice") not in (None, "auto"):
            del params["tool_choice"]  # a forced choice holds once, or it would never end
        keeps_schema = self._sends_schema or self._is_schema_demanded or is_last
        return first.replace(
            messages=(*first.messages, *state.added),
            params=params,
            tools=tuple(tool.wire for tool in self.tools.values()),
            response_format=first.response_format if keeps_schema else None,
        )

    def _first_choice(self) -> Mapping[str, Any]:
        choice = self._choice
        if choice is None or isinstance(choice, (list, tuple)):
            return {}
        if isinstance(choice, str) and choice in {"auto", "none", "required"}:
            return {"tool_choice": choice}
        if isinstance(choice, dict):
            return {"tool_choice": choice}
        return {"tool_choice": {"type": "function", "function": {"name": name_choice(choice)}}}

    def reads(self, reader: Any) -> Any:
        """Give the reader as it is."""
        return reader

    def read(self, response: LLMResponse) -> None:
        """Do nothing: the calls are where they belong."""

    def value(self, call: Call[Any], response: LLMResponse) -> Any:
        """Read the value of the last answer."""
        return call.value(response)

    def holds_back_schema(self, state: RunState) -> bool:
        """Say whether the schema was held back."""
        return not (self._sends_schema or self._is_schema_demanded)

    def demand_schema(self) -> None:
        """Demand the schema from now on."""
        self._is_schema_demanded = True

    def result_message(self, call: PendingCall) -> Message:
        """Give the result of a call."""
        return Message(call.text, MessageRole.tool, fields={"tool_call_id": call.id, **call.content()})

"""A call with tools put together: which tools, told how, filled with what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from declarai_like._calls.dialects import NativeDialect
from declarai_like._calls.rounds import Rounds
from declarai_like.errors import BadRequestError, DefinitionError, NotFoundError
from declarai_like.tools.run_states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.dialects import Dialect
    from declarai_like.requests import Provider, Request
    from declarai_like.tools.settings import ToolSettings

__all__ = ["make_rounds", "resumed_rounds", "use_tools"]

_SCHEMA_AND_TOOLS = frozenset({"azure-openai", "anthropic"})
"""Providers that call tools also where the answer's schema is sent with them; of OpenAI, its own address does."""


def make_rounds(
    settings: ToolSettings,
    request: Request,
    *,
    run_id: str | None = None,
    state: RunState | None = None,
    decisions: Mapping[str, Any] | None = None,
    **told: Any,
) -> Rounds:
    """Put the rounds of a call together, `told` being laid over the settings.

    Raises `TypeError` for what is not injected, `DefinitionError` for what does not go with tools.
    """
    settings = settings.merge(told) if told else settings
    if (request.params.get("n") or 1) != 1:
        raise DefinitionError(
            f"n={request.params['n']} does not go with tools: each answer would have calls of its own"
        )
    injected = {tool.name: tool.parameters.fill(settings.deps) for tool in settings.tools}
    return Rounds(
        settings,
        _dialect(settings, request),
        injected,
        redact=_redactor(request.provider),
        run_id=run_id,
        state=state,
        decisions=decisions,
    )


def _dialect(settings: ToolSettings, request: Request) -> Dialect:
    if settings.tool_mode == "emulated" or (settings.tool_mode == "auto" and _has_no_tools(request.provider)):
        return emulated_dialect(settings, request)
    sends = request.response_format is None or _takes_schema_and_tools(request.provider)
    return NativeDialect(settings, sends_schema=sends)


def emulated_dialect(settings: ToolSettings, request: Request) -> Dialect:
    """Tell tools in words."""
    from declarai_like._calls.emulation import EmulatedDialect
    from declarai_like._outputs.output import Output

    return EmulatedDialect(settings, request.output or Output.of(str))


_without_tools: WeakSet[Any] = WeakSet()
"""The providers that have refused tools."""
_REFUSED = re.compile(
    r"support|unknown|unrecogni|unexpected|not allowed|not permitted|extra|enable|no endpoints", re.IGNORECASE
)


def _has_no_tools(provider: Any) -> bool:
    return getattr(provider, "name", "") == "local" or provider in _without_tools


def refuses_tools(error: Exception, settings: ToolSettings, provider: Any) -> bool:
    """Learn from a refusal; say whether the same call may succeed with tools that are told in words."""
    if settings.tool_mode != "auto" or not isinstance(error, (BadRequestError, NotFoundError)):
        return False
    words = f"{error.message} {error.body}"
    refuses = "tool" in words.lower() and _REFUSED.search(words) is not None
    if refuses:
        _without_tools.add(provider)
    return refuses


def _takes_schema_and_tools(provider: Provider | None) -> bool:
    name, where = getattr(provider, "name", ""), str(getattr(provider, "where", ""))
    return name in _SCHEMA_AND_TOOLS or (name == "openai" and "api.openai.com" in where)


def _redactor(provider: Any) -> Any:
    return getattr(provider, "redact", str)


def use_tools(settings: ToolSettings, request: Request, **told: Any) -> tuple[Request, Rounds | None]:
    """Give the request of a call, and what runs its tools; raw schemas go into the request, and nobody runs them."""
    if settings.schemas:
        choice = {} if settings.tool_choice is None else {"tool_choice": settings.tool_choice}
        return request.replace(tools=settings.schemas, params={**choice, **request.params}), None
    if not settings.tools:
        return request, None
    return request, make_rounds(settings, request, **told)


def resumed_rounds(
    settings: ToolSettings | None, request: Request, run: str, decisions: Mapping[str, Any], **told: Any
) -> Rounds:
    """Put the rounds of a run together that goes on; `run` is its id in a store, or the text of `paused`.

    Raises `TypeError` if there is no store to find an id in, `RunDiverged` for a text that is no run.
    """
    if settings is None:
        raise TypeError("resume() goes on with a call with tools: this one has none")
    if not isinstance(run, str):
        raise TypeError(f"expected the run_id or the paused text of an ApprovalRequired, got {run!r:.80}")
    if run.lstrip().startswith("{"):
        # What the caller has kept is the state: no store is asked, not even the one that the task names.
        return make_rounds(settings.without_runs(), request, state=RunState.load(run), decisions=decisions, **told)
    if told.get("runs") is None and settings.runs is None:
        raise TypeError("resume() finds a run by its id in a run store: give runs=, or the paused text")
    return make_rounds(settings, request, run_id=run, decisions=decisions, **told)

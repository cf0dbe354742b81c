"""A call with tools put together: which tools, told how, filled with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.active_runs import active_run
from declarai_like._calls.dialect_choice import choose_dialect
from declarai_like._calls.rounds import Rounds
from declarai_like.errors import DefinitionError
from declarai_like.tools.run_states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request
    from declarai_like.tools.settings import ToolSettings

__all__ = ["make_rounds", "resumed_rounds", "use_tools"]


def make_rounds(
    settings: ToolSettings,
    request: Request,
    *,
    run_id: str | None = None,
    state: RunState | None = None,
    decisions: Mapping[str, Any] | None = None,
    decided_round: int | None = None,
    **told: Any,
) -> Rounds:
    """Put the rounds of a call together, `told` being laid over the settings.

    Raises `TypeError` for what is not injected, `DefinitionError` for what does not go with tools.
    """
    settings = settings.merge(told) if told else settings
    durable = active_run.get()
    if durable is not None and settings.runs is None and run_id is None:
        runs, run_id = durable.begin_tools(request.name or "call")
        settings = settings.merge({"runs": runs})
    if (request.params.get("n") or 1) != 1:
        raise DefinitionError(
            f"n={request.params['n']} does not go with tools: each answer would have calls of its own"
        )
    return Rounds(
        settings,
        choose_dialect(settings, request),
        settings.inject(),
        redact=_redactor(request.provider),
        run_id=run_id,
        state=state,
        decisions=decisions,
        decided_round=decided_round,
    )


def _redactor(provider: Any) -> Any:
    return getattr(provider, "redact", str)


def use_tools(settings: ToolSettings, request: Request, **told: Any) -> tuple[Request, Rounds | None]:
    """Give the request of a call, and what runs its tools; raw schemas go into the request, and nobody runs them."""
    if settings.schemas:
        choice = {} if settings.tool_choice is None else {"tool_choice": settings.tool_choice}
        return request.replace(tools=settings.schemas, params={**choice, **request.params}), None
    if not settings.listed:
        return request, None
    return request, make_rounds(settings, request, **told)


def resumed_rounds(
    settings: ToolSettings | None, request: Request, run: str, decisions: Mapping[str, Any], **told: Any
) -> Rounds:
    """Put the rounds of a run together that goes on; `run` is its id in a store, or the text of `paused`.

    With `decided_round` the decisions are about that round, and no other.
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

"""Who lets a tool call run: the decisions of a call that waits, and what is told while they are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like.errors import ApprovalRequired, InputNeeded, OutcomeUnknown, RunError
from declarai_like.media._parts import restore_media
from declarai_like.messages import Message, MessageRole
from declarai_like.tools.asked_calls import with_arguments
from declarai_like.tools.decisions import Answer, Approve, Deny, Provide, Rerun, read_decision
from declarai_like.tools.parameters import InvalidArguments
from declarai_like.tools.questions import check_answer
from declarai_like.tools.results import write_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from declarai_like._calls.runs import Run
    from declarai_like.tools.decisions import Decision
    from declarai_like.tools.run_states import PendingCall, RunState

_GONE_ON = "denied: the conversation went on before a decision was made"

E = TypeVar("E", bound=RunError)

__all__ = ["UnknownCall", "WrongDecision", "apply_decisions", "decisions_missing", "find_pending", "turn_if_denied"]


class UnknownCall(KeyError):
    """A decision is about a call that does not wait."""


class WrongDecision(TypeError):
    """A decision is not what its call takes."""


def find_pending(run: Run) -> list[PendingCall]:
    """Find the calls that wait for a decision, and mark them."""
    for call in run.state.pending:
        if call.stage == "ready" and call.approved is None:
            tool = run.tools[call.name]
            if tool.options.approve is not False and tool.needs_approval(tool.parameters.validate(call.arguments)):
                call.stage = "waiting"
    return [call for call in run.state.pending if call.stage == "waiting"]


def apply_decisions(run: Run, by: str = "decision") -> None:
    """Do what was decided about the calls of this round; each decision is used once.

    Raises `KeyError` for a decision about a call that is not there, `OutcomeUnknown` for a call that was started and
    about which nothing was decided.
    """
    decisions, run.decisions = run.decisions, {}
    known = {call.id: call for call in run.state.pending}
    if unknown := sorted(set(decisions) - set(known)):
        raise UnknownCall(
            f"decisions about calls that do not wait: {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    read = {call_id: read_decision(told, call_id) for call_id, told in decisions.items()}
    for call in known.values():
        if call.stage != "done":
            _apply(run, call, read.get(call.id), by)
    _refuse_unknown_outcomes(run)


def _apply(run: Run, call: PendingCall, decision: Decision | None, by: str) -> None:
    if call.stage == "started" and run.tools[call.name].options.idempotent and decision is None:
        call.stage = "ready"
        call.approved = call.approved or by
    elif isinstance(decision, Answer):
        _answer(call, decision, by)
    elif isinstance(decision, Deny):
        call.finish(f"denied: {decision.reason}", error=f"denied: {decision.reason}")
    elif isinstance(decision, Provide):
        value = decision.value
        call.finish_with(write_result(value, run.settings.max_result_chars))
        call.approved = by
    elif isinstance(decision, Rerun) or (
        isinstance(decision, Approve) and call.stage != "started" and call.asked is None
    ):
        if isinstance(decision, Approve) and decision.arguments:
            _change(run, call, decision)
        call.stage, call.approved = "ready", by


def _answer(call: PendingCall, decision: Answer, by: str) -> None:
    """Let a call go on with what it has asked for; raises `TypeError` for answers that do not fit the questions."""
    questions = call.questions
    if call.stage != "waiting" or len(decision.contents) != len(questions):
        raise WrongDecision(f"{call.name} ({call.id}) has asked {len(questions)} questions: {decision!r:.200}")
    try:
        for question, content in zip(questions, decision.contents, strict=True):
            check_answer(question, content)
    except TypeError as error:
        raise WrongDecision(str(error)) from None
    call.stage, call.answers, call.approved = "ready", list(decision.contents), call.approved or by


def _change(run: Run, call: PendingCall, decision: Approve) -> None:
    try:
        with_arguments(call, run.tools[call.name], decision.arguments)
    except InvalidArguments as error:
        raise WrongDecision(
            f"Approve(...) of {call.id!r}: the arguments are not what {call.name} takes:\n{error}"
        ) from None


def _refuse_unknown_outcomes(run: Run) -> None:
    unknown = [call for call in run.state.pending if call.stage == "started"]
    if unknown:
        raise _with_turn(
            run,
            OutcomeUnknown(
                f"{_names(unknown)}: started in an earlier process, and nobody knows how it ended; decide with "
                "Rerun() or Provide(...)",
                **_evidence(run, unknown, "started, and its outcome is not known"),
            ),
        )


def decisions_missing(run: Run, waiting: Sequence[PendingCall]) -> RunError:
    """Give the error for calls that wait."""
    asking = [call for call in waiting if call.asked is not None]
    return _input_needed(run, asking) if asking else _approval_required(run, waiting)


def _input_needed(run: Run, asking: Sequence[PendingCall]) -> InputNeeded:
    error = _with_turn(
        run,
        InputNeeded(
            f"{_names(asking)}: has asked something; give Answer(...) to resume()",
            **_evidence(run, asking, "the tool has asked something"),
        ),
    )
    error.questions = {call.id: call.questions for call in asking}
    return error


def _approval_required(run: Run, waiting: Sequence[PendingCall]) -> ApprovalRequired:
    return _with_turn(
        run,
        ApprovalRequired(
            f"{_names(waiting)}: waits for a decision; give it to resume()",
            **_evidence(run, waiting, "the tool needs approval"),
        ),
    )


def _with_turn(run: Run, error: E) -> E:
    """Add what a chat stores if the calls are denied by going on."""
    error.turn = turn_if_denied(run.state)
    return error


def turn_if_denied(state: RunState) -> tuple[Message, ...]:
    """Give what a chat stores of a turn whose calls are denied by going on."""
    asked = restore_media(Message.of(state.request["messages"][-1]))
    answer = [] if state.answer is None else [state.answer]
    results = [
        Message(call.text or _GONE_ON, MessageRole.tool, fields={"tool_call_id": call.id}) for call in state.pending
    ]
    return (asked, *state.stored, *answer, *results)


def _evidence(run: Run, calls: Sequence[PendingCall], why: str) -> dict[str, Any]:
    state = run.state
    return {
        "run_id": state.run_id,
        "pending": [call.request(state.number, why) for call in calls],
        "paused": state.dump() if run.settings.runs is None else None,
    }


def _names(calls: Sequence[PendingCall]) -> str:
    return ", ".join(f"{call.name} ({call.id})" for call in calls)

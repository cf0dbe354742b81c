"""One call of a server's tool, with what the server asks in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from mcp import types

from declarai_like._mcp.answering import question_of, response_to
from declarai_like._mcp.results import value_of_result
from declarai_like.completions import Question
from declarai_like.errors import ToolError, ToolServerError
from declarai_like.tools.questions import NeedsAnswers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.types import Tool as ListedTool

    from declarai_like._mcp.connections import Connection
    from declarai_like._mcp.sessions import Session
    from declarai_like.tools.contexts import ToolContext

__all__ = ["call_tool"]

_MOST_ROUNDS = 10
"""So often a server may ask something before it gives a result."""
_PAUSE = 0.1
"""Seconds before a server is asked again that wanted nothing but that."""


async def call_tool(
    listed: ListedTool, connection: Connection, arguments: dict[str, Any], context: ToolContext, seconds: float | None
) -> Any:
    """Call a tool, and give the value of its result.

    Raises `ToolError` for what the model is shown, `NeedsAnswers` if nobody is there to answer what the server asks.
    """
    answered = _take_up(context.answers)

    async def work(session: Session) -> Any:
        result = await _ask(session, listed.name, arguments, context, seconds, answered)
        for _ in range(_MOST_ROUNDS):
            if not isinstance(result, types.InputRequiredResult):
                return result
            told = await _answer(session, connection, result)
            result = await _ask(session, listed.name, arguments, context, seconds, told)
        raise ToolError(f"the server asked something {_MOST_ROUNDS} times, and gave no result")

    try:
        with connection.answering.during_call():
            result = await connection.ask(work, is_repeatable=_is_repeatable(listed))
    except ToolServerError as error:
        raise ToolError(error.message) from None
    return value_of_result(result, connection.address.redact)


def _is_repeatable(listed: ListedTool) -> bool:
    """Say whether a call that may have arrived may be made again."""
    hints = listed.annotations
    return hints is not None and bool(hints.idempotent_hint or hints.read_only_hint)


async def _ask(  # noqa: PLR0917 - what a call is made of
    session: Session,
    name: str,
    arguments: dict[str, Any],
    context: ToolContext,
    seconds: float | None,
    answered: Mapping[str, Any],
) -> Any:
    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told = {"progress": progress, "total": total, "message": message}
        context.progress({name: value for name, value in told.items() if value is not None})

    return await session.client.session.call_tool(name, arguments, seconds, tell, allow_input_required=True, **answered)


async def _answer(session: Session, connection: Connection, result: types.InputRequiredResult) -> dict[str, Any]:
    """Answer what the server asks; `request_state` goes back as it came, and nobody looks into it."""
    asked = dict(result.input_requests or {})
    if not asked:
        await anyio.sleep(_PAUSE)
    elif connection.answering.asker is None and all(isinstance(one, types.ElicitRequest) for one in asked.values()):
        raise _needs_answers(connection, asked, result.request_state)
    responses = {key: await session.answer(key, request) for key, request in asked.items()}
    return {"input_responses": responses or None, "request_state": result.request_state}


def _needs_answers(connection: Connection, asked: Mapping[str, Any], state: str | None) -> NeedsAnswers:
    questions = [question_of(connection.address.name, request.params) for request in asked.values()]
    return NeedsAnswers(tuple(questions), {"keys": list(asked), "request_state": state})


def _take_up(told: Any) -> dict[str, Any]:
    """Give what goes on with a call that waited for answers."""
    if told is None:
        return {}
    questions = [Question(**one) for one in told["questions"]]
    answers = zip(told["state"]["keys"], questions, told["answers"], strict=True)
    responses = {key: response_to(question, answer) for key, question, answer in answers}
    return {"input_responses": responses, "request_state": told["state"]["request_state"]}

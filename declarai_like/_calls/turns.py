"""A call within a conversation: its turn enters the history whole, or not at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from declarai_like._calls.operations import Enter, Load, Store
from declarai_like.errors import HistoryError, HistoryWriteError, RunError
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from collections.abc import Generator

    from declarai_like._calls.operations import Next, Operation
    from declarai_like._calls.protocols import AskingCall, ConversationTurn
    from declarai_like.messages import Message
    from declarai_like.requests import Request
    from declarai_like.responses import Result

__all__ = ["take_turn"]

logger = logging.getLogger("declarai_like")


def take_turn(call: AskingCall, conversation: ConversationTurn, send: Next) -> Generator[Operation, Any, Result[Any]]:
    """Ask within a conversation: the turn enters its history whole, or not at all."""
    ticket = call.ticket(conversation.queue)
    try:
        yield Enter(conversation.queue, ticket)
        history = yield Load(conversation.memory)
        if call.rounds is not None:
            yield from call.rounds.settle(conversation)
        request = yield from conversation.compose(call, history)
        try:
            result = yield from call.ask(request, send)
        except BaseException as error:
            if isinstance(error, RunError):
                conversation.wait(error)
            elif call.is_left or not isinstance(error, GeneratorExit):  # else nobody performs this any more
                yield from _store_partial(call, conversation, request)
            raise
        return (yield from _store(call, conversation, request, result, history))
    finally:
        conversation.queue.leave(ticket)


def _store(
    call: AskingCall,
    conversation: ConversationTurn,
    request: Request,
    result: Result[Any],
    history: list[Message],
) -> Generator[Operation, Any, Result[Any]]:
    """Store a turn that is whole, unless that was done when its run was done."""
    turn = _record(call, conversation, request, result.response)
    if call.rounds is not None and call.rounds.is_restored and _holds(history, turn):
        return result
    try:
        yield Store(conversation.memory, turn, conversation.replaces)
    except HistoryError as error:
        raise HistoryWriteError(
            f"the answer came but could not be stored, it is in `response` and `value`: {error.message}",
            response=result.response,
            value=result.value,
        ).with_cause(error) from None
    conversation.keep_values()
    return result


def _holds(history: list[Message], turn: list[Message]) -> bool:
    """Say whether a turn is in a history, wherever that is."""
    said, sought = [list(map(_words, messages)) for messages in (history, turn)]
    return any(said[at : at + len(sought)] == sought for at in range(len(said) - len(sought) + 1))


def _words(message: Message) -> tuple[str, str]:
    return str(message.role), message.message


def _store_partial(
    call: AskingCall, conversation: ConversationTurn, request: Request
) -> Generator[Operation, Any, None]:
    """Store what had come of a turn that broke off, if that is wanted; what broke it is told, whatever happens."""
    response = call.response
    if call.rounds is not None and response is None:
        response = LLMResponse()  # what came before this round is whole
    if not conversation.keep_partial or response is None or not (response.response or call.rounds):
        return
    turn = _record(call, conversation, request, response, interrupted=True)
    if not turn:
        return
    try:
        yield Store(conversation.memory, turn, conversation.replaces)
    except HistoryError as error:
        logger.warning("a turn that broke off could not be stored: %s", error)
    else:
        conversation.keep_values()


def _record(
    call: AskingCall,
    conversation: ConversationTurn,
    request: Request,
    response: LLMResponse,
    *,
    interrupted: bool = False,
) -> list[Message]:
    """Give what is to be stored of the turn, with the calls and results of its rounds."""
    if call.rounds is None:
        return conversation.record(request, response, interrupted=interrupted)
    return call.rounds.record(conversation, request, response, interrupted=interrupted)

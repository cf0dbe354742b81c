"""What a server asks of us: of the user, or of a model."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mcp import types

from declarai_like.completions import Question
from declarai_like.messages import Message, MessageRole
from declarai_like.tools.questions import check_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context

__all__ = ["Answering", "question_of", "response_to"]

T = TypeVar("T")


class Answering:
    """Answers what a server asks: `asker` is the user, `model` is asked for the server if the user lets it."""

    def __init__(self, name: str, asker: Any, model: Any) -> None:
        self.name = name
        self.asker = asker
        self.model = model
        self._under_way: list[Context] = []

    def callbacks(self) -> dict[str, Any]:
        """Give what the library calls."""
        sampling = {} if self.model is None else {"sampling_callback": self._sample}
        return {"elicitation_callback": self._elicit, **sampling}

    @contextmanager
    def during_call(self) -> Iterator[None]:
        """Let the limits of use that hold for a call hold for what the server asks of a model meanwhile."""
        context = copy_context()
        self._under_way.append(context)
        try:
            yield
        finally:
            self._under_way.remove(context)

    async def _elicit(self, _context: Any, params: Any) -> Any:
        question = question_of(self.name, params)
        return response_to(question, await self.ask(question) if self.asker is not None else None)

    async def ask(self, question: Question) -> Any:
        """Ask the user; raises `TypeError` if he says something else than was asked for."""
        made = await _in_a_thread(lambda: self.asker(question))
        answer = await made if inspect.isawaitable(made) else made
        check_answer(question, answer)
        return answer

    async def _sample(self, _context: Any, params: types.CreateMessageRequestParams) -> Any:
        """Ask the model, in the context of the call that is under way, if the user lets the server do so."""
        if self.asker is None or not self._under_way or not await self.ask(question_of(self.name, params)):
            return types.ErrorData(code=types.INVALID_REQUEST, message="the user does not let the model be asked")
        messages = _messages(params)
        told = {"max_tokens": params.max_tokens, "temperature": params.temperature, "stop": params.stop_sequences}
        told = {name: value for name, value in told.items() if value is not None}
        context = self._under_way[-1].copy()
        response = await _in_a_thread(lambda: context.run(self.model.send, messages, **told))
        return types.CreateMessageResult(
            role="assistant",
            content=types.TextContent(type="text", text=response.response),
            model=response.model or "unknown",
            stop_reason="endTurn" if response.outcome == "complete" else "maxTokens",
        )


def question_of(server: str, params: Any) -> Question:
    """Give what is asked, in our words."""
    if isinstance(params, types.CreateMessageRequestParams):
        said = "\n".join(message.message for message in _messages(params))
        return Question(server, f"ask the model, at your cost: {said}", "model")
    if isinstance(params, types.ElicitRequestURLParams):
        return Question(server, params.message, "url", url=params.url)
    return Question(server, params.message, schema=params.requested_schema)


def response_to(question: Question, answer: Any) -> Any:
    """Give an answer to a form or an address as the protocol has it."""
    if answer is None or answer is False:
        return types.ElicitResult(action="decline")
    return types.ElicitResult(action="accept", content=dict(answer) if question.kind == "form" else None)


def _messages(params: types.CreateMessageRequestParams) -> list[Message]:
    opening = [Message(params.system_prompt, MessageRole.system)] if params.system_prompt else []
    said = [
        Message("\n".join(_text(block) for block in message.content_as_list), message.role)
        for message in params.messages
    ]
    return [*opening, *said]


def _text(block: Any) -> str:
    return block.text if block.type == "text" else f"[{block.type}]"


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Do what may block in a thread that does not hold up the end of the program."""
    done: Future[T] = Future()

    def working() -> None:
        tell: Callable[[], None]
        try:
            tell = partial(done.set_result, work())
        except BaseException as error:
            tell = partial(done.set_exception, error)
        if done.set_running_or_notify_cancel():  # else nobody waits for it any more
            tell()

    threading.Thread(target=copy_context().run, args=(working,), name="declarai-like asker", daemon=True).start()
    return await asyncio.wrap_future(done)

"""A record of each request through `logging`: what was asked, what came, how long it took."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from declarai_like._calls.values import known_error
from declarai_like._wire.deltas import choices_of, delta_of, text_of
from declarai_like.errors import ConfigurationError
from declarai_like.middleware.base import TaskMiddleware
from declarai_like.providers.base import Secret
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from declarai_like._calls.operations import Flow, Next
    from declarai_like.requests import Request

__all__ = ["LoggingMiddleware", "blank_key", "plain_data_of"]

logger = logging.getLogger("declarai_like.calls")


class LoggingMiddleware(TaskMiddleware):
    """Log one record for each request to the model, at INFO, to the logger `declarai_like.calls`.

    Who lists it wants the prompts and the answers in the log: `task_name`, `llm_model`, `template`, `call_kwargs`,
    `compiled_template`, `result`, `time` in seconds, and `error`, the class of what ended the call, or `None`. They are
    the attributes of the log record, as plain data; its message shows them in one line. `result` is the text that came
    (so far, of a stream that was left), and `None` if the provider failed. The provider's key is blanked out.
    """

    def __call__(self, request: Request, send: Next) -> Flow:
        """Stand around one request."""
        if not logger.isEnabledFor(logging.INFO):
            return (yield from super().__call__(request, send))
        pieces: list[str] = []
        if request.stream:  # only there can a call end with a part of its answer
            request = request.replace(observers=(*request.observers, _reading_into(pieces)))
        started = perf_counter()
        try:
            response: Any = yield from super().__call__(request, send)
        except BaseException as error:
            result = None if isinstance(error, Exception) else "".join(pieces) or None
            self._log(request, request.model, result, perf_counter() - started, type(error).__name__)
            raise
        answer = response if isinstance(response, LLMResponse) else LLMResponse()
        wrong = known_error(answer)
        error_name = None if wrong is None else type(wrong).__name__
        self._log(request, answer.model or request.model, answer.response, perf_counter() - started, error_name)
        return response  # type: ignore[no-any-return]  # whatever it is, the flow checks it

    def _log(self, request: Request, model: str, result: str | None, seconds: float, error: str | None) -> None:
        messages = [message.wire() for message in request.messages]
        record: dict[str, Any] = {
            "task_name": request.name,
            "llm_model": model,
            "template": _template_of(self._task),
            "call_kwargs": {str(name): plain_data_of(value) for name, value in self._kwargs.items()},
            "compiled_template": request.prompt or messages,
            "result": result,
            "time": seconds,
            "error": error,
        }
        record = blank_key(plain_data_of(record), request)
        # A `repr` has no line breaks and no control characters: one event is one line, whatever was said.
        logger.info("%s asked %s: %s", repr(request.name), repr(model), repr(record), extra=record)


def _reading_into(pieces: list[str]) -> Any:
    """Make an observer that keeps the text of the first choice."""

    def read(chunk: dict[str, Any]) -> None:
        for index, choice in choices_of(chunk):
            if index == 0:
                pieces.append(text_of(delta_of(choice).get("content")))

    return read


def _template_of(task: Any) -> Any:
    """Give the messages with `{name}` in the place of each argument; of a chat its system prompt as it was written."""
    if hasattr(task, "system_template"):  # a chat: its `compile` would read the history
        return task.system_template
    return [message.wire() for message in task.compile()["messages"]] if hasattr(task, "compile") else None


def plain_data_of(value: Any) -> Any:
    """Give data that any log handler can write; what cannot be told as data is told by its `repr`."""
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(value, fallback=repr, bytes_mode="base64")
    except ValueError:  # what contains itself
        return repr(value)


def blank_key(record: dict[str, Any], request: Request) -> dict[str, Any]:
    """Blank out the provider's key, wherever it stands."""
    try:
        key = getattr(request.provider, "api_key", None)
    except ConfigurationError:  # there is none
        return record
    redacted: dict[str, Any] = key.redact(record) if isinstance(key, Secret) else record
    return redacted

"""The middleware that writes a call log."""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from declarai_like._calls.values import known_error
from declarai_like._wire.deltas import choices_of, delta_of, text_of
from declarai_like.errors import DeclaraiError, DefinitionError
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.middleware._call_log.writer import writer_of
from declarai_like.middleware.logging import blank_key, plain_data_of
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.middleware._call_log.store import LoggedCall
    from declarai_like.middleware._call_log.writer import CallLogWriter
    from declarai_like.requests import Request

__all__ = ["CallLog", "log"]

_MOST_CHUNKS = 200


def log(path: str | os.PathLike[str], *, content: bool = False, max_bytes: int = 100_000_000) -> CallLog:
    """Make a middleware that keeps a row of each request in an SQLite file: `declarai-like logs PATH` shows them.

    A row has the task, the model, how it ended, seconds, tokens, cost, and a digest of the prompt. With `content=True`
    it has what was said too: messages, arguments and answers, each text once, in a file that only its owner can read;
    keys are blanked out. A thread writes, so that no call waits for a disk: what comes faster than it can write is
    counted and not kept. Of a file larger than `max_bytes` the oldest calls go.

    Raises `DefinitionError` if `max_bytes` is not positive.
    """
    if max_bytes <= 0:
        raise DefinitionError(f"expected max_bytes to be a positive number, got {max_bytes!r}")
    return CallLog(path, content=content, max_bytes=max_bytes)


class CallLog:
    """The middleware that `log` makes."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        content: bool,
        max_bytes: int,
        arguments: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> None:
        self._run = run
        """What the requests of one call have in common."""
        self._options = {"content": content, "max_bytes": max_bytes}
        self._content = content
        self._arguments = arguments
        self.store = CallLogStore(path)

    def of_call(self, _task: Any, arguments: Mapping[str, Any]) -> Middleware:
        """Give the middleware of one call, which knows its arguments."""
        told = arguments if self._content else None
        made = CallLog(self.store.path, **self._options, arguments=told, run=token_hex(8))  # type: ignore[arg-type]  # as they were given
        made.store = self.store
        return made

    def __call__(self, request: Request, send: Next) -> Flow:
        """Stand around one request."""
        watch = _Watch(keeps_text=self._content)
        if request.stream:  # only there can a call end with a part of its answer
            request = request.replace(observers=(*request.observers, watch.see))
        try:
            response: Any = yield from send(request)
        except BaseException as error:
            self._put(request, watch, getattr(error, "response", None), error)
            raise
        self._put(request, watch, response, known_error(response))
        return response  # type: ignore[no-any-return]  # whatever it is, the flow checks it

    def close(self) -> None:
        """Write what waits to be written; a program that ends does so by itself."""
        self._writer.close()

    @property
    def _writer(self) -> CallLogWriter:
        return writer_of(self.store, self._options["max_bytes"])

    def _put(self, request: Request, watch: _Watch, response: Any, error: BaseException | None) -> None:
        watch.end()
        answer = response if isinstance(response, LLMResponse) else None
        tell = partial(_tell, arguments=self._arguments, run=self._run, with_content=self._content)
        self._writer.put(partial(tell, request, watch, answer, error))

    def __reduce__(self) -> Any:
        return partial(log, **self._options), (str(self.store.path),)  # type: ignore[arg-type]  # as they were given

    def __repr__(self) -> str:
        return f"log({str(self.store.path)!r})"


class _Watch:
    """When a request began, when its text came, and when it ended."""

    __slots__ = ("_begun", "_keeps_text", "at", "characters", "chunks", "first_chunk", "pieces", "seconds")

    def __init__(self, *, keeps_text: bool) -> None:
        self.at, self._begun = time.time(), time.perf_counter()
        self.first_chunk: float | None = None
        self.seconds = 0.0
        self.pieces: list[str] = []
        self.chunks: list[tuple[float, int]] = []
        """The seconds after which text came, and how many characters there were then."""
        self.characters = 0
        self._keeps_text = keeps_text

    def see(self, chunk: dict[str, Any]) -> None:
        """Take a chunk of the stream."""
        seconds = time.perf_counter() - self._begun
        if self.first_chunk is None:
            self.first_chunk = seconds
        for index, choice in choices_of(chunk):
            text = "" if index else text_of(delta_of(choice).get("content"))
            if text:
                self._add(text, seconds)

    def _add(self, text: str, seconds: float) -> None:
        self.characters += len(text)
        self.chunks.append((round(seconds, 4), self.characters))
        if len(self.chunks) > _MOST_CHUNKS:  # every other one is left out, so that a long answer has no longer row
            del self.chunks[1:-1:2]
        if self._keeps_text:
            self.pieces.append(text)

    def end(self) -> None:
        """Stop the clock."""
        self.seconds = time.perf_counter() - self._begun


def _tell(
    request: Request,
    watch: _Watch,
    answer: LLMResponse | None,
    error: BaseException | None,
    *,
    arguments: Mapping[str, Any] | None,
    run: str | None,
    with_content: bool,
) -> LoggedCall:
    """Put the row of a request together."""
    messages = [[str(message.role), message.message] for message in request.messages]
    messages = messages or [["prompt", str(request.prompt)]]
    usage = None if answer is None else answer.usage
    call: LoggedCall = {
        "at": watch.at,
        "task": request.name,
        "prompt_version": request.prompt_version,
        "provider": getattr(request.provider, "name", None),
        "model": request.model if answer is None else answer.model or request.model,
        "prompt_hash": sha256(repr(messages).encode("utf-8", "surrogatepass")).hexdigest(),
        "outcome": _outcome(answer, error),
        "error": None if error is None else type(error).__name__,
        "seconds": watch.seconds,
        "first_chunk": watch.first_chunk,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
        "cost": None if answer is None else answer.cost,
        "attempt": 1 if answer is None else answer.attempt,
        "round": 1 if answer is None else answer.round,
        "conversation": request.conversation,
        "run": run,
        "chunks": watch.chunks,
        "tool_calls": [] if answer is None else [{"name": call.name} for call in answer.tool_calls],
    }
    if not with_content:
        return call
    if isinstance(error, DeclaraiError):
        call["error"] = f"{call['error']}: {error.message}"
    text = "".join(watch.pieces) if answer is None else answer.response
    given = None if arguments is None else plain_data_of(dict(arguments))
    calls = [] if answer is None else [{"name": one.name, "arguments": one.arguments} for one in answer.tool_calls]
    said = {"messages": messages, "answer": text, "arguments": given, "error": call["error"], "tool_calls": calls}
    return {**call, **blank_key(said, request)}


def _outcome(answer: LLMResponse | None, error: BaseException | None) -> str:
    if error is None:
        return "" if answer is None else answer.outcome
    if isinstance(error, Exception):
        return "failed"
    return "cancelled"

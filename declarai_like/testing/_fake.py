"""A model that answers by script: no key, no network, and all that a real one goes through."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from declarai_like._calls.options import Options
from declarai_like._declarai import Declarai
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import DefinitionError, ProviderConnectionError
from declarai_like.providers._stand_ins import standing_in
from declarai_like.testing._scripts import ScriptedReply
from declarai_like.testing._transcripts import format_request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from declarai_like.completions import ToolRun
    from declarai_like.errors import ProviderError
    from declarai_like.providers._answers import Spoken
    from declarai_like.requests import Request

__all__ = ["FakeLLM"]


class FakeLLM(Declarai):
    """A model that gives the scripted replies, in order, one for each request.

    A reply is a text, said as it is; any other value, said as the task's declared type; what the builders make
    (`reply`, `chunks`, `refusal`, `tool_call`, `truncated`, `cut`); an exception or its class, to be raised; or a
    function of the `Request` that gives one of these. All but exceptions go through the real accumulator and parser.
    `delay` seconds pass before each chunk of a stream, and before a whole answer. The other arguments are those of a
    provider; failed calls are not tried again unless `max_retries` says so.

    A request beyond the script raises `AssertionError`, which shows it. As a context manager it checks at the end that
    the script was used up.

    >>> llm = FakeLLM([5])
    >>> @llm.task
    ... def rank(message: str) -> int:
    ...     "Rank the severity of a message"
    >>> rank("The server is down!")
    5
    """

    def __init__(self, replies: Iterable[Any] = (), *, delay: float = 0.0, model: str = "fake", **options: Any) -> None:
        if isinstance(replies, str):
            raise DefinitionError(f"expected a list of replies, got the text {replies!r:.80}: write FakeLLM([...])")
        self._script = ScriptedProvider(replies, delay=delay, model=model)
        self._start(self._script, Options(max_retries=0).merge(**options))

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, in order."""
        return self._script.requests

    @property
    def tool_runs(self) -> list[ToolRun]:
        """What became of the tool calls that were asked for: arguments, value or error, in the order of the calls."""
        return self._script.tool_runs

    @property
    def pending(self) -> int:
        """How many replies have not been asked for yet."""
        return len(self._script.replies)

    def enqueue(self, *replies: Any, repeat: int = 1) -> None:
        """Add replies to the end of the script, all of them `repeat` times over."""
        self._script.replies.extend(replies * repeat)

    def standing_in(self) -> AbstractContextManager[None]:
        """Answer in the place of every provider in this process, while the context lasts."""
        script = self._script
        # Behind a cassette, which records what this one says.
        return standing_in(lambda other: other if isinstance(other, ScriptedProvider) else script, behind=True)

    def assert_done(self) -> None:
        """Raise `AssertionError` if a reply is left over, or if a request beyond the script was made."""
        if self._script.unexpected:
            raise AssertionError(_describe_unexpected(self._script.unexpected[0]))
        if self._script.replies:
            left = "".join(f"\n    {reply!r:.200}" for reply in self._script.replies)
            count = f"{len(self.requests)} request(s) were made"
            raise AssertionError(f"{self.pending} scripted reply(s) were never asked for, {count}; left are:{left}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.assert_done()


class ScriptedProvider:
    """The replies of a `FakeLLM` behind the `Provider` protocol."""

    name = "fake"
    streaming = False

    def __init__(self, replies: Iterable[Any], *, delay: float, model: str) -> None:
        self.model = model
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self.tool_runs: list[ToolRun] = []
        self.replies = deque(replies)
        self._delay = delay

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the messages and parameters, as they are."""
        return {"model": request.model, "messages": [message.wire() for message in request.messages], **request.params}

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Learn nothing: a script is not changed by what it raises."""
        return False

    def note_tool_runs(self, ended: Sequence[ToolRun]) -> None:
        """Keep what became of the calls of one answer."""
        self.tool_runs += ended

    def send(self, request: Request) -> dict[str, Any]:
        """Give the next reply whole."""
        answer, delay = self._next(request)
        time.sleep(delay)
        return _whole_body(answer, request)

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the next reply in pieces."""
        answer, delay = self._next(request)
        for chunk in answer.chunks(request):
            time.sleep(delay)
            yield chunk
        if answer.finish_reason is not None:
            yield DONE

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        from asyncio import sleep

        answer, delay = self._next(request)
        await sleep(delay)
        return _whole_body(answer, request)

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        from asyncio import sleep

        answer, delay = self._next(request)
        for chunk in answer.chunks(request):
            await sleep(delay)
            yield chunk
        if answer.finish_reason is not None:
            yield DONE

    def _next(self, request: Request) -> tuple[Spoken, float]:
        """Record a request and find the reply to it, with the seconds to wait."""
        self.requests.append(request)
        try:
            scripted_reply = self.replies.popleft()  # without a lock, which an interrupt or a fork would leave taken
        except IndexError:
            self.unexpected.append(request)
            raise AssertionError(_describe_unexpected(request)) from None
        if callable(scripted_reply) and not isinstance(scripted_reply, type):
            scripted_reply = scripted_reply(request)
        if isinstance(scripted_reply, type) and issubclass(scripted_reply, BaseException):
            raise scripted_reply("raised by the script")
        if isinstance(scripted_reply, BaseException):
            raise scripted_reply
        scripted = scripted_reply if isinstance(scripted_reply, ScriptedReply) else ScriptedReply(value=scripted_reply)
        return scripted.to_wire(request), self._delay if scripted.delay is None else scripted.delay

    def __repr__(self) -> str:
        return f"{len(self.requests)} asked, {len(self.replies)} left"


def _whole_body(answer: Spoken, request: Request) -> dict[str, Any]:
    if answer.finish_reason is None:
        raise ProviderConnectionError("the connection broke before the answer came, as the script says")
    return answer.body(request)


def _describe_unexpected(request: Request) -> str:
    return f"unexpected request, no scripted reply is left for it:\n{format_request(request)}"

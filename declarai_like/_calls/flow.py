"""One call, written once: a generator of the operations that it needs.

The flow decides, `runner` performs: it is the same for blocking, awaiting, whole and streamed calls.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._calls import budgets
from declarai_like._calls.active_runs import active_run
from declarai_like._calls.answers import Answer
from declarai_like._calls.early_stops import MENDED, EarlyStop, estimate_savings, response_of
from declarai_like._calls.operations import Enter, Flow, Middleware, Next, Operation, Send
from declarai_like._calls.replies import show_mistake
from declarai_like._calls.sending import (
    add_hooks,
    add_meter,
    check_prompt_size,
    make_event_builder,
    origin_of,
    require_provider,
    stop_early,
    strict_tool_names,
    well_formed_request,
    wrap_middleware,
)
from declarai_like._calls.turns import take_turn
from declarai_like._calls.values import has_no_value, raise_known, require_response, value_of
from declarai_like._values.buffers import Round
from declarai_like._wire.accumulator import Accumulator
from declarai_like.errors import (
    LimitExceeded,
    OutputError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeout,
)
from declarai_like.responses import Attempt, LLMResponse, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from declarai_like._calls.protocols import ChunkReader, ConversationTurn, ToolRounds
    from declarai_like._calls.spending import Reservation
    from declarai_like._outputs.output import Output
    from declarai_like._wire.event_builder import EventBuilder
    from declarai_like.completions import Completion
    from declarai_like.messages import Message
    from declarai_like.requests import Queue, Request

T = TypeVar("T")
logger = logging.getLogger("declarai_like")
_MOST_LESSONS = 4
"""More often a request is not spelled anew: the fields that servers refuse are fewer."""


class Call(Generic[T]):
    """One call under way, and the only place that holds its state.

    `reask` gives the messages that show the model its answer and what is wrong with it.
    """

    def __init__(
        self,
        request: Request,
        output: Output[T],
        *,
        middlewares: Sequence[Middleware] = (),
        retries: int = 0,
        reask: Callable[[str, str], tuple[Message, ...]] | None = None,
        as_events: bool = False,
        returns_refusals: bool = False,
        conversation: ConversationTurn | None = None,
        rounds: ToolRounds | None = None,
        stop_early: bool = False,
        restarts: bool = False,
    ) -> None:
        self.stop_early = stop_early
        """Whether the answer is stopped where it is known to be wrong."""
        self.is_collected = stop_early and not request.stream
        """Whether the answer is read as a stream that nobody is shown."""
        self.request = request.replace(stream=True) if self.is_collected else request
        self.output = output.with_reading(request.reading)
        self.middlewares = middlewares
        self.retries = 0 if reask is None or (request.stream and not restarts) else retries
        self.reask = reask
        self.as_events = as_events
        """Whether the stream is read as events."""
        self.returns_refusals = returns_refusals
        """Whether a refusal and an empty answer are told by the response only, and not raised."""
        self.conversation = conversation
        self.rounds = rounds
        """What runs the tools that the model asks for; `None` for a call without tools."""
        self.attempts: list[Attempt] = []
        self.seconds = 0.0
        """How long the last request took, to the end of its stream."""
        self.clock: Callable[[], float] = float
        """Tells the seconds, of the one who performs the flow."""
        self.budgets = budgets.active_budgets()
        self.answer = Answer()
        self.result: Result[T] | None = None
        self._reader: Accumulator | EventBuilder | None = None
        self._flow: Generator[Operation, Any, Result[T]] | None = None
        self._tickets: list[tuple[Queue, Any]] = []
        self._reservations: tuple[Reservation, ...] = ()
        """What is set aside in money for the request that is under way."""
        self.is_left = False
        """Whether the reader of a stream has left it, and what remains to be done is still performed."""

    def begin(self, request: Request) -> ChunkReader:
        """Begin to put an answer together; what an earlier try has brought is forgotten."""
        strict = [] if self.rounds else strict_tool_names(request)  # wrong arguments are shown to the model then
        prompts = len(request.prompt) if isinstance(request.prompt, list) else 1
        choices = prompts * (request.params.get("n") or 1)
        self.answer.accumulator = accumulator = Accumulator(
            self.output,
            choices=choices,
            strict_tools=strict,
            reasoning_tags=request.reasoning_tags and request.kind == "chat",
            origin=origin_of(request),
        )
        number = 1 if self.rounds is None else self.rounds.number
        if number > 1:
            accumulator.metadata = accumulator.metadata._replace(round=Round(number))
        if getattr(request.provider, "is_cache", False):
            accumulator.metadata = accumulator.metadata._replace(cached=True)
        self._reader = make_event_builder(accumulator, number) if self.as_events else accumulator
        if self.attempts:
            accumulator.metadata = accumulator.metadata._replace(attempt=len(self.attempts) + 1)
        reader: ChunkReader = self._reader
        reader = add_hooks(self._reader, request) if request.observers or request.filters else reader
        reader = stop_early(reader, accumulator, self.output) if self.stop_early else reader
        reader = add_meter(reader, self._reservations) if self._reservations else reader
        return reader if self.rounds is None else self.rounds.reads(reader)

    def last(self, response: LLMResponse) -> Any:
        """Give what the reader of a stream gets at its end."""
        steps = self.end_round(response)
        return [*steps, *self.rounds.end_events] if self.rounds and self.as_events else steps

    def end_round(self, response: LLMResponse) -> Any:
        """Give what the reader of a stream gets at the end of an answer, which need not be the call's last."""
        return ([] if self.as_events else response) if self._reader is None else self._reader.last(response)

    def is_last(self, raw: dict[str, Any]) -> bool:
        """Say whether this is the chunk that ended the answer, or that of an earlier round."""
        accumulator = self.answer.accumulator
        if accumulator is not None and accumulator.is_last(raw):
            return True
        return self.rounds is not None and self.rounds.has_ended_with(raw)

    @property
    def completion(self) -> Completion | None:
        """The answer so far as the wire sees it; `None` before its first chunk."""
        accumulator = self.answer.accumulator
        return None if accumulator is None else accumulator.completion

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far; `None` before its first chunk."""
        return self.answer.response

    def last_before(self, error: OutputError | ProviderError) -> Any:
        """Give what the reader of a stream gets before an error that ends it, if he has not seen it; else `None`."""
        if isinstance(error, OutputError):
            return None if error.response is None else self.last(error.response)
        return None if self.answer.accumulator is None else self.answer.accumulator.take_held()

    def resume_after(
        self, error: BaseException, operation: Operation, flow: Generator[Operation, Any, Result[T]]
    ) -> Callable[[], Operation]:
        """Say how the flow goes on when an operation has failed.

        An answer whose choices all have their finish reason is whole: a connection that breaks then breaks nothing off.
        """
        accumulator = self.answer.accumulator
        if (
            accumulator is not None
            and isinstance(operation, Send)
            and isinstance(error, (ProviderConnectionError, ProviderTimeout))
            and accumulator.ended
            and accumulator.failure is None
        ):
            return partial(flow.send, accumulator.finish())
        if self.rounds is not None:
            # A tool's failure breaks no answer off, and what still has to be done takes operations of its own.
            error = self.interrupt(error) if isinstance(operation, Send) else error
            return partial(flow.throw, self.rounds.leaving(error))
        return partial(flow.throw, self.interrupt(error))

    def interrupt(self, error: BaseException) -> BaseException:
        """Mark the answer as broken off; give the error to raise, with the evidence of what had arrived."""
        self.is_left = isinstance(error, GeneratorExit)
        accumulator = self.answer.accumulator
        if accumulator is None:
            return error
        accumulator.is_shown = accumulator.is_shown and not self.is_collected
        error = accumulator.interrupt(error)
        if isinstance(error, EarlyStop):
            error.response = accumulator.response
        return error

    def flow(self, clock: Callable[[], float]) -> Generator[Operation, Any, Result[T]]:
        """Make the call: send, read the value, and ask again while the answer is not of its type.

        `clock` tells the seconds, of the one who performs it.
        """
        self.clock = clock
        send: Next = self._send
        for middleware in reversed(self.middlewares):
            send = wrap_middleware(middleware, send)
        flow = self.take(send) if self.rounds is None else self.rounds.flow(self, send)
        run = active_run.get()
        self._flow = flow = flow if run is None else run.keep(self, flow)
        return flow

    def close(self) -> None:
        """End the call wherever it is, and give back all it holds; nothing happens if it has ended before.

        An interrupt may come at any line, also within what cleans up: who performs a call closes it twice.
        """
        if self._flow is not None:
            self._flow.close()
        for queue, ticket in self._tickets:
            queue.leave(ticket)
        self._flow = None

    @property
    def first_request(self) -> Request:
        """The request that is sent first, with the tools."""
        return self.request if self.rounds is None else self.rounds.first_request(self.request)

    def take(self, send: Next) -> Generator[Operation, Any, Result[T]]:
        """Ask, within a conversation if there is one."""
        return self.ask(self.request, send) if self.conversation is None else take_turn(self, self.conversation, send)

    def ticket(self, queue: Queue) -> Any:
        """Make a ticket of a queue; `close` gives it back, should an interrupt come before we do."""
        ticket = queue.ticket(self.answer.stream)
        self._tickets.append((queue, ticket))
        return ticket

    def ask(self, first: Request, send: Next) -> Generator[Operation, Any, Result[T]]:
        """Ask, and ask again while the answer is not of its type."""
        if self.rounds is not None:
            return (yield from self.rounds.ask(self, first, send))
        request, retries = first, self.retries
        while True:
            response = None
            try:
                response = require_response((yield from send(request)))
                value = self.value(response)
            except OutputError as error:
                response = response_of(error, response)
                self.record_failure(error, response)
                if type(error) not in MENDED or not retries or self.reask is None:
                    raise
                retries -= 1
                again = show_mistake(self.reask, response, error.message)
                request = first.replace(messages=(*first.messages, *again))
            else:
                return self.conclude(value, response, request)

    def conclude(self, value: T, response: LLMResponse, request: Request, **rounds: Any) -> Result[T]:
        """Note the result; `rounds` are what a call with tools adds to it."""
        if self.stop_early and self.attempts:
            self.attempts = estimate_savings(self.attempts, response)
        for attempt in self.attempts:  # they are told, not raised: what they hold of the frames is not needed
            attempt.error.__traceback__ = None
        self.result = Result(value, response, tuple(self.attempts), request.messages, **rounds)
        self.answer.final = response
        return self.result

    def value(self, response: LLMResponse) -> T:
        """Read the value of a whole answer; raises `OutputError`."""
        if self.returns_refusals and (has_no_value(response) or not response.response):
            raise_known(response)
            return None  # type: ignore[return-value]  # who is returns_refusals looks at the response
        return value_of(response, self.output)

    def record_failure(self, error: OutputError, response: LLMResponse) -> None:
        """Keep an answer that is no value; the error tells it."""
        error.response, error.completion = response, self.completion
        self._record_attempt(error, response)

    def _record_attempt(self, error: OutputError | ProviderError, response: LLMResponse | None) -> None:
        """Keep a try that failed; the error tells all of them."""
        text, usage = ("", None) if response is None else (response.response, response.usage)
        self.attempts.append(Attempt(error, text, usage, self.seconds))
        error.attempts = tuple(self.attempts)

    def _send(self, request: Request) -> Flow:
        """Send, and again as often as the provider learns from a refusal how to ask."""
        request = well_formed_request(request)
        check_prompt_size(request)
        slots = request.limits.slots
        if slots is None:
            return (yield from self._send_adapting(request))
        ticket = self.ticket(slots)
        try:
            yield Enter(slots, ticket)
            return (yield from self._send_adapting(request))
        finally:
            slots.leave(ticket)

    def _send_adapting(self, request: Request) -> Flow:
        for _ in range(_MOST_LESSONS):
            try:
                return (yield from self._send_once(request))
            except ProviderError as error:  # noqa: PERF203 - a try per request
                if not require_provider(request).adapts(error, request):
                    raise
        return (yield from self._send_once(request))

    def _send_once(self, request: Request) -> Flow:
        """Send, count what it costs, and keep what went wrong."""
        spending = () if getattr(request.provider, "is_cache", False) else self.budgets
        self._reservations = budgets.count_request(spending, request)
        started = self.clock()
        try:
            response: LLMResponse = yield Send(require_provider(request), request)
        except LimitExceeded as error:  # its budget was passed while the answer came
            error.response = self.response
            raise
        except ProviderError as error:
            self.seconds = self.clock() - started
            self._record_attempt(error, error.response)
            raise
        finally:
            budgets.count_answer(spending, request, self.response, self._reservations)
        self.seconds = self.clock() - started
        answered_by: Request | None = getattr(request.provider, "answered_by", None)
        if answered_by is None:
            return response
        self.attempts += getattr(request.provider, "losses", [])
        return response.of_origin(origin_of(answered_by))

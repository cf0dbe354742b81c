"""What a stream has brought so far, and how it ended: the same for blocking and awaiting ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._calls.values import value_of
from declarai_like.errors import StreamInterrupted
from declarai_like.events import ChunkEvent, ContentDeltaEvent, ContentDoneEvent, StreamEvent
from declarai_like.requests import HangUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from declarai_like._calls.flow import Call
    from declarai_like.completions import Completion
    from declarai_like.responses import LLMResponse, Outcome

__all__ = ["HeldStep", "StreamState", "new_items", "new_partial"]

T = TypeVar("T")


class StreamState(Generic[T]):
    """What a stream has brought so far, and how it ended."""

    def __init__(self, prepare: Callable[[], Call[T]]) -> None:
        self._prepare = prepare
        self._call: Call[T] | None = None
        self._events: list[StreamEvent] = []
        self._position = 0
        """How many events have been given to the one who iterates the stream itself."""
        self._ended = False
        self._is_closed = False
        """Whether it ended because the reader left."""
        self._error: Exception | None = None
        self._hang_up = HangUp()
        """Ends a reading that is under way in another thread or task."""

    def _begin(self) -> Call[T]:
        self._call = call = self._prepare()
        self._hang_up = HangUp()
        call.request = call.request.replace(limits=call.request.limits.replace(hang_up=self._hang_up))
        self._events, self._position = [], 0
        self._ended, self._is_closed, self._error = False, False, None
        return call

    def _end(self, error: BaseException | None = None) -> None:
        """Note the end. A reading that was cancelled can be read no more, but is not cancelled anew by asking."""
        if error is None or isinstance(error, Exception):
            self._ended, self._error = True, error
        else:
            self._mark_closed()

    def _mark_closed(self) -> None:
        """Note that the reader has left before the end: the answer is no success."""
        if not self._ended:
            self._ended = self._is_closed = True
            self._error = StreamInterrupted(
                "the stream was closed before its end: read it to the end to get its result",
                phase="stream",
                response=self.response,
                completion=self.current_completion_snapshot,
            )

    def _closed_error(self) -> Exception:
        """Note that the stream was closed from elsewhere while it was read; give the error that says so."""
        self._mark_closed()
        return self._error or StreamInterrupted("the stream was closed", phase="stream")

    def _can_read(self) -> bool:
        """Say whether more can come; raises the error that the stream ended with."""
        if self._error is not None:
            raise self._error
        return not self._ended

    @property
    def response(self) -> LLMResponse | None:
        """The answer so far, the whole of it at the end; `None` before the first chunk."""
        return None if self._call is None else self._call.response

    @property
    def outcome(self) -> Outcome:
        """How the stream ended; `"streaming"` before its end."""
        response = self.response
        if self._is_closed:
            return "cancelled"
        if response is None:
            return "interrupted" if self._error is not None else "streaming"
        return response.outcome

    @property
    def current_completion_snapshot(self) -> Completion | None:
        """The completion so far, with all its choices; `None` before the first chunk."""
        return None if self._call is None else self._call.completion

    def _final_completion(self) -> Completion:
        completion = self.current_completion_snapshot
        if completion is None:  # a middleware has answered without a provider
            raise StreamInterrupted("no provider was asked: there is no completion, `result()` has the value")
        return completion

    def _value(self) -> T:
        call = self._call
        if call is None or call.result is None:  # the end was reached: there is a result
            raise AssertionError  # pragma: no cover - see above
        result = call.result
        return value_of(result.response, call.output) if result.value is None else result.value

    def _step_of(self, event: StreamEvent) -> LLMResponse | None:
        """Give the answer at a chunk that shows some of it."""
        return event.response if isinstance(event, ChunkEvent) and event.raw.get("choices") else None

    def _ends_with(self, event: StreamEvent) -> bool:
        """Say whether the answer ends with this chunk, as far as is known: it is shown last, with its usage."""
        return isinstance(event, ChunkEvent) and self._call is not None and self._call.is_last(event.raw)

    def _last_step(self) -> list[LLMResponse]:
        return [] if self.response is None else [self.response]


class HeldStep:
    """Holds the step of the chunk that ends an answer, until another one follows it."""

    __slots__ = ("_step",)

    def __init__(self) -> None:
        self._step: LLMResponse | None = None

    def hold(self, step: LLMResponse) -> Iterator[LLMResponse]:
        """Keep a step, and give the one before it."""
        held, self._step = self._step, step
        if held is not None:
            yield held

    def release(self, *steps: LLMResponse) -> Iterator[LLMResponse]:
        """Give what is held, and these after it."""
        held, self._step = self._step, None
        if held is not None:
            yield held
        yield from steps


def new_partial(event: StreamEvent, shown: Any) -> Any:
    """Give the typed value of an event if it is new; `shown` is the one given before."""
    if not isinstance(event, (ContentDeltaEvent, ContentDoneEvent)) or event.choice_index:
        return None
    value = event.parsed
    return None if value is shown and event.type == "content.delta" else value


def new_items(event: StreamEvent, seen: list[Any]) -> list[Any]:
    """Give the items of a list that have closed with this event; `seen` are those given before."""
    closed: list[Any] = []
    if isinstance(event, ContentDeltaEvent) and not event.choice_index:
        closed = event.items
    elif isinstance(event, ContentDoneEvent) and not event.choice_index and isinstance(event.parsed, (list, tuple)):
        closed = list(event.parsed)
    new = closed[len(seen) :]
    seen += new
    return new

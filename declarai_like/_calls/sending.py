"""What a request is checked for, and given, on its way to a provider."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from operator import is_
from typing import TYPE_CHECKING, Any

from declarai_like._wire.state import digest_of
from declarai_like.errors import DefinitionError, LimitExceeded
from declarai_like.media._parts import media_in
from declarai_like.messages import well_formed

if TYPE_CHECKING:
    from declarai_like._calls.early_stops import StoppingReader
    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like._calls.protocols import ChunkReader
    from declarai_like._calls.spending import MeteredReader, Reservation
    from declarai_like._outputs.output import Output
    from declarai_like._wire.accumulator import Accumulator
    from declarai_like._wire.event_builder import EventBuilder
    from declarai_like._wire.hooks import HookedReader
    from declarai_like.providers.base import Provider
    from declarai_like.requests import Request


def origin_of(request: Request) -> dict[str, Any] | None:
    """Name who is asked, as the `state` of its reply will; `None` of one that wants nothing back."""
    origin = getattr(request.provider, "origin", None)
    if origin is None:
        return None
    asked = {"asked": digest_of(request.messages)} if request.state == "server" else {}
    return {**origin, "model": request.model, **asked}


def require_provider(request: Request) -> Provider:
    """Give who is asked; raises `DefinitionError` if a middleware has made a request without one."""
    if request.provider is None:
        raise DefinitionError("the request names no provider: change the one that came, by request.replace(...)")
    return request.provider


def well_formed_request(request: Request) -> Request:
    """Give a request whose texts can be sent: lone halves of surrogate pairs, which no UTF-8 can hold, are replaced."""
    messages, prompt = tuple(message.well_formed() for message in request.messages), well_formed(request.prompt)
    is_fine = prompt is request.prompt and all(map(is_, messages, request.messages))
    return request if is_fine else request.replace(messages=messages, prompt=prompt)


def check_prompt_size(request: Request) -> None:
    """Raise `LimitExceeded` if the prompt is longer, or one of its media larger, than it may be."""
    for media in media_in(request.messages):
        media.check_size(request.limits.media_bytes)
    most, chars = request.limits.prompt_chars, sum(map(len, request.texts))
    if most is not None and chars > most:
        raise LimitExceeded(
            f"the prompt has {chars} characters, max_prompt_chars={most} allows no more: "
            "shorten what is put into it, or raise the limit; nothing was sent"
        )


def add_hooks(reader: Accumulator | EventBuilder, request: Request) -> HookedReader:
    from declarai_like._wire.hooks import HookedReader  # most calls have none

    return HookedReader(reader, request.filters, request.observers)


def add_meter(reader: ChunkReader, reservations: tuple[Reservation, ...]) -> MeteredReader:
    from declarai_like._calls.spending import MeteredReader  # most calls have no budget in money

    return MeteredReader(reader, reservations)


def stop_early(reader: ChunkReader, accumulator: Accumulator, output: Output[Any]) -> StoppingReader:
    from declarai_like._calls.early_stops import StoppingReader

    return StoppingReader(reader, accumulator, output)


def make_event_builder(accumulator: Accumulator, number: int) -> EventBuilder:
    # The events cost import time that most programs need not spend.
    from declarai_like._wire.event_builder import EventBuilder, RoundEventBuilder

    return EventBuilder(accumulator) if number == 1 else RoundEventBuilder(accumulator, number)


def strict_tool_names(request: Request) -> list[str]:
    return [tool["function"]["name"] for tool in request.tools if tool.get("function", {}).get("strict")]


def wrap_middleware(middleware: Middleware, send: Next) -> Next:
    """Put a middleware around what it sends by; raises `DefinitionError` if it is no generator function."""

    def step(request: Request) -> Flow:
        flow = middleware(request, send)
        if isinstance(flow, Generator):
            return flow
        if isinstance(flow, Coroutine):
            flow.close()
        raise DefinitionError(
            f"expected the middleware {middleware!r} to be a generator function, got {type(flow).__name__} from it: "
            "write `def` and `response = yield from send(request)`, for async tasks too"
        )

    return step

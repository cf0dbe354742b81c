"""One span for each request to a model, from before it is sent to the last byte of its answer."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.context import attach

from declarai_like._calls.values import known_error
from declarai_like._values.prices import price_list
from declarai_like._version import __version__
from declarai_like._wire.accumulator import Accumulator
from declarai_like._writing.texts import json_text
from declarai_like.completions import Choice, Completion, CompletionMessage
from declarai_like.errors import ProviderError
from declarai_like.middleware._telemetry_attributes import COMMON, answer_attributes, cost, request_attributes
from declarai_like.middleware._telemetry_content import input_content, is_wanted, output_content
from declarai_like.middleware._telemetry_meters import Meters, wants_newest
from declarai_like.responses import LLMResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from declarai_like._calls.operations import Flow, Middleware, Next
    from declarai_like.middleware._telemetry_attributes import Attributes
    from declarai_like.requests import Request

__all__ = ["Telemetry"]

_NAME = "declarai_like"
_RENAMED = {"gen_ai.usage.cache_creation.input_tokens": "gen_ai.usage.cache_write.input_tokens"}
"""Attributes that the newest conventions call otherwise."""


class Telemetry:
    """The middleware that `telemetry` makes; shared by all calls, it holds nothing of them.

    `make` is that function: a pickle names it, so that it is read where the extra is missing too.
    """

    def __init__(
        self, make: Callable[..., Middleware], *, content: bool, tracer_provider: Any, meter_provider: Any
    ) -> None:
        self._make = make
        self._options = {"content": content, "tracer_provider": tracer_provider, "meter_provider": meter_provider}
        self._content = content or is_wanted()
        self._newest = wants_newest()
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        self._meters = Meters(metrics.get_meter(_NAME, __version__, meter_provider), newest=self._newest)
        self.tool_spans = ToolSpans(self._tracer, content=self._content)
        """What tells the tools of a call that this middleware stands around."""
        price_list()  # it takes long to import: not in the first call, which an event loop may be waiting for

    def __call__(self, request: Request, send: Next) -> Flow:
        """Send within a span.

        It is never the current one: a stream's reader has other work between two chunks, which is none of it, and
        may leave it in another context than it began in.
        """
        asked = request_attributes(request)
        span = self._tracer.start_span(
            f"{asked['gen_ai.operation.name']} {request.model}",
            kind=trace.SpanKind.INTERNAL if asked["gen_ai.provider.name"] == "llama_cpp" else trace.SpanKind.CLIENT,
            attributes=asked,
        )
        if self._content and span.is_recording():
            span.set_attributes(input_content(request))
        watch = Watch(request)
        try:
            response = yield from send(request.replace(observers=(*request.observers, watch)))
        except BaseException as error:
            self._end(span, watch, asked, getattr(error, "response", None), error)
            raise
        self._end(span, watch, asked, response, known_error(response))
        return response

    def _end(self, span: trace.Span, watch: Watch, asked: Attributes, response: Any, error: Any) -> None:
        """Tell what came of it, and end the span."""
        seconds, request = perf_counter() - watch.started, watch.request
        response = response if isinstance(response, LLMResponse) else None
        completion = watch.completion(response)
        # Whatever is no `Exception` came from the caller's side: a stream was left, a call was cancelled.
        failure = {"error.type": type(error).__name__} if isinstance(error, Exception) else {}
        arrivals = [arrival - watch.started for arrival in watch.arrivals] if request.stream else []
        context = trace.set_span_in_context(span)
        common = {name: asked[name] for name in COMMON if name in asked}
        if completion.model:
            common["gen_ai.response.model"] = completion.model
        self._meters.record_times(seconds, arrivals, common, failure, context)
        self._meters.record_tokens(completion.usage, request, common, context)
        if span.is_recording():
            span.set_attributes({**self._answer(completion, request), **_end_of(response, error, arrivals), **failure})
            if failure:
                self._record(span, error)
        span.end()

    def _answer(self, completion: Completion, request: Request) -> Attributes:
        attributes = answer_attributes(completion)
        if self._newest:
            attributes = {_RENAMED.get(name, name): value for name, value in attributes.items()}
        spent = cost(request, completion)
        if spent is not None:
            attributes["operation.cost"] = spent
        return {**attributes, **output_content(completion)} if self._content else attributes

    def _record(self, span: trace.Span, error: Exception) -> None:
        """Tell the error; its message and its traceback may repeat the prompt or the answer."""
        span.set_status(trace.StatusCode.ERROR)
        if self._content:
            span.record_exception(error)
        else:
            span.add_event("exception", {"exception.type": f"{type(error).__module__}.{type(error).__qualname__}"})

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(self._make, **self._options), ()

    def __repr__(self) -> str:
        return f"telemetry(content={self._options['content']!r})"


class Watch:
    """Looks on as the chunks of one request arrive."""

    __slots__ = ("_accumulator", "arrivals", "request", "started")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.started = perf_counter()
        self.arrivals: list[float] = []
        """When each chunk came."""
        self._accumulator = Accumulator()

    def __call__(self, chunk: dict[str, Any]) -> None:
        """Take in a chunk."""
        self.arrivals.append(perf_counter())
        try:
            self._accumulator.feed(chunk)
        except ProviderError:  # the one who reads the answer, and is next to have this chunk, tells it
            return

    def completion(self, response: LLMResponse | None) -> Completion:
        """Give what came: the response with its one choice, or what was seen of the answer, with all its choices."""
        seen = self._accumulator.completion or Completion()
        if response is None or len(seen.choices) > 1:
            return seen
        message = CompletionMessage(
            role=response.role,
            content=response.response,
            refusal=response.refusal,
            tool_calls=response.tool_calls or None,
            reasoning=response.reasoning,
        )
        return Completion(
            id=response.raw_response.get("id") or seen.id,
            model=response.model,
            usage=response.usage,
            choices=(Choice(0, message, response.finish_reason),),
        )


def _end_of(response: LLMResponse | None, error: Any, arrivals: list[float]) -> Attributes:
    """Tell how it ended, and how long the first chunk of a stream took."""
    attributes: Attributes = {}
    if response is not None:
        attributes["declarai_like.outcome"] = response.outcome
    elif error is not None:
        attributes["declarai_like.outcome"] = "failed" if isinstance(error, Exception) else "cancelled"
    if arrivals:
        attributes["gen_ai.response.time_to_first_chunk"] = arrivals[0]
    return attributes


class ToolSpans:
    """One span for each tool that runs; it is the current one in the tool."""

    def __init__(self, tracer: trace.Tracer, *, content: bool) -> None:
        self._tracer = tracer
        self._content = content

    def start(self, name: str, call_id: str, arguments: Any) -> tuple[trace.Span, Context]:
        """Begin a span; give it with the context in which the tool runs."""
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.type": "function",
        }
        span = self._tracer.start_span(f"execute_tool {name}", attributes=attributes)
        if self._content and span.is_recording():
            span.set_attribute("gen_ai.tool.call.arguments", json_text(arguments))
        context = copy_context()
        context.run(attach, trace.set_span_in_context(span))
        return span, context

    def end(self, span: trace.Span, result: str, error: BaseException | None) -> None:
        """End a span with what came of the tool."""
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
        elif self._content and span.is_recording():
            span.set_attribute("gen_ai.tool.call.result", result)
        span.end()

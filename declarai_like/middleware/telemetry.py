"""Spans and metrics of each request to a model, in the words of OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from declarai_like._calls.operations import Middleware

__all__ = ["telemetry"]


def telemetry(
    *,
    content: bool = False,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Middleware:
    """Make a middleware that tells OpenTelemetry about each request: one span, and the metrics.

    The span ends with the last byte of the answer, or when a stream is left; the retries of a request that failed are
    within it. What is said to the model and by it is told with `content=True` only, or where the environment says
    so: `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY`. Without providers OpenTelemetry's global ones
    are used, and the middleware can be pickled. Raises `MissingExtra` without the extra `otel`.
    """
    try:
        from declarai_like.middleware._telemetry_spans import Telemetry
    except ImportError as error:
        raise MissingExtra(
            f'telemetry needs opentelemetry-api ({error}): pip install "declarai-like[otel]"'
        ).with_cause(error) from None
    return Telemetry(telemetry, content=content, tracer_provider=tracer_provider, meter_provider=meter_provider)

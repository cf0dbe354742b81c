"""The metrics: how long requests take, and how many tokens. Their names are about to change, so there are two sets."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context

from declarai_like.middleware._telemetry_attributes import usage_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.metrics import Histogram, Meter

    from declarai_like.completions import Usage
    from declarai_like.requests import Request

__all__ = ["Meters", "wants_newest"]

_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [4**power for power in range(14)]
_USAGE = "gen_ai.usage."


def wants_newest() -> bool:
    """Say whether the environment wants the names that will be, and not those that most tools know."""
    return "gen_ai_latest_experimental" in os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")


class Meters:
    """The instruments of one meter."""

    def __init__(self, meter: Meter, *, newest: bool) -> None:
        self._meter = meter
        group = "gen_ai.client.inference" if newest else "gen_ai.client.operation"
        self._duration = self._seconds(f"{group}.duration", "Duration of a request with its whole answer.")
        self._first = self._seconds(f"{group}.time_to_first_chunk", "Time from the request to the first chunk.")
        self._gap = self._seconds(f"{group}.time_per_output_chunk", "Time from each chunk to the next one.")
        self._tokens = NewestTokens(meter) if newest else Tokens(meter)

    def _seconds(self, name: str, description: str) -> Histogram:
        return self._meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)

    def record_times(
        self,
        seconds: float,
        arrivals: Sequence[float],
        attributes: Mapping[str, Any],
        error: Mapping[str, Any],
        context: Context,
    ) -> None:
        """Tell how long it took in all; `arrivals` are the seconds at which the chunks of a stream came."""
        self._duration.record(seconds, {**attributes, **error}, context)
        if arrivals:
            self._first.record(arrivals[0], attributes, context)
        # Thousands of them: an exemplar of each, all of the same span, would cost half as much again.
        nowhere = Context()
        for before, after in pairwise(arrivals):
            self._gap.record(after - before, attributes, nowhere)

    def record_tokens(
        self, usage: Usage | None, request: Request, attributes: Mapping[str, Any], context: Context
    ) -> None:
        """Tell the tokens that the provider has counted; nothing if it did not."""
        self._tokens.record(usage_attributes(usage), request, attributes, context)


class Tokens:
    """One histogram, as most tools know it."""

    def __init__(self, meter: Meter) -> None:
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a request and of its answer.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def record(
        self, counts: Mapping[str, int], request: Request, attributes: Mapping[str, Any], context: Context
    ) -> None:
        """Tell the tokens of one request."""
        for kind in ("input", "output"):
            count = counts.get(f"{_USAGE}{kind}_tokens")
            if count is not None:
                self._usage.record(count, {**attributes, "gen_ai.token.type": kind}, context)


class NewestTokens:
    """Sums and histograms of their own for each kind of tokens."""

    def __init__(self, meter: Meter) -> None:
        kinds = ("input", "output", "cache_read.input", "cache_write.input", "reasoning.output")
        self._sums = {
            kind: meter.create_counter(f"gen_ai.client.inference.usage.{kind}_tokens", "{token}", f"Tokens: {kind}.")
            for kind in kinds
        }
        self._each = {
            kind: meter.create_histogram(
                f"gen_ai.client.inference.operation.{kind}_tokens",
                "{token}",
                f"Tokens of one request: {kind}.",
                explicit_bucket_boundaries_advisory=_TOKENS,
            )
            for kind in ("input", "output")
        }

    def record(
        self, counts: Mapping[str, int], request: Request, attributes: Mapping[str, Any], context: Context
    ) -> None:
        """Tell the tokens of one request; they are of text if nothing else was sent."""
        is_text = not any(message.fields for message in request.messages)
        modality = {"gen_ai.token.modality": "text" if is_text else "unknown"}
        for name, count in counts.items():
            kind = name.removeprefix(_USAGE).removesuffix("_tokens").replace("cache_creation", "cache_write")
            self._sums[kind].add(count, {**attributes, **modality}, context)
            if kind in self._each:
                self._each[kind].record(count, attributes, context)

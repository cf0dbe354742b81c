"""What many rows would take, before any of them is sent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from declarai_like._calls.request_prices import request_price
from declarai_like._prompting.tokens import count_tokens
from declarai_like._rows.inputs import Inputs
from declarai_like.completions import Usage
from declarai_like.errors import DefinitionError
from declarai_like.middleware._rate_gating import gate_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like._rows.protocols import RowTask
    from declarai_like.requests import Request

__all__ = ["Estimate", "estimate"]

_LIMITS_OF_ANSWERS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Estimate:
    """What many rows would take; `None` for what nobody knows.

    `completion_tokens` are those of answers as this process has seen them of the same model, else of the examples in
    the docstring, else the most that the task allows. `usd` is the list price, and `seconds` the time at the pace that
    this process has seen, with 32 calls at a time.
    """

    rows: int
    prompt_tokens: int
    completion_tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        parts = [f"{self.rows} rows", f"{self.prompt_tokens} tokens to read"]
        if self.completion_tokens is not None:
            parts.append(f"{self.completion_tokens} to write")
        if self.usd is not None:
            parts.append(f"${self.usd:.2f}")
        if self.seconds is not None:
            parts.append(f"{self.seconds:.0f} s")
        return ", ".join(parts)


def estimate(task: RowTask[Any], rows: Iterable[Any], *, sample: int = 50) -> Estimate:
    """Write the prompts of the first rows, and say what all would take; nothing is sent.

    An iterator is read to its end, to count its rows. Raises `DefinitionError` for a sample of none, and what a row's
    arguments raise if none of the sample fits.
    """
    if sample < 1:
        raise DefinitionError(f"sample: expected a whole number from 1 on, got {sample!r:.80}")
    source = iter(rows)
    requests, first_error = _requests(task, list(islice(source, sample)))
    seen = min(sample, len(requests) + len(first_error))
    count = len(rows) if hasattr(rows, "__len__") else seen + sum(1 for _ in source)  # type: ignore[arg-type]
    if not requests:
        if first_error:
            raise first_error[0]
        return Estimate(0, 0, 0)
    prompt = count * sum(sum(map(count_tokens, request.texts)) for request in requests) // len(requests)
    answer = _answer_tokens(task, requests[0])
    completion = None if answer is None else round(count * answer)
    usd = None if completion is None else request_price(requests[0], [Usage(prompt, completion, None)])
    return Estimate(count, prompt, completion, usd, _seconds(requests[0], count))


def _requests(task: RowTask[Any], rows: list[Any]) -> tuple[list[Request], list[Exception]]:
    inputs, requests, failed = Inputs(task, None), [], []
    for row in rows:
        try:
            requests.append(task.prepare(*inputs.arguments(row)).first_request)
        except Exception as error:  # noqa: PERF203 - such a row will be a failed one
            failed.append(error)
    return requests, failed


def _answer_tokens(task: RowTask[Any], request: Request) -> float | None:
    """Give the tokens of an answer: as they were seen, as the examples show them, or as many as there may be."""
    seen = None if request.provider is None else gate_of(request.provider, request.model).mean_completion
    if seen is not None:
        return seen
    examples = [count_tokens(text) for text in task.example_answers()]
    if examples:
        return sum(examples) / len(examples)
    return next((request.params[name] for name in _LIMITS_OF_ANSWERS if request.params.get(name)), None)


def _seconds(request: Request, count: int) -> float | None:
    seen = None if request.provider is None else gate_of(request.provider, request.model).mean_seconds
    return None if seen is None else seen * count / _CONCURRENCY

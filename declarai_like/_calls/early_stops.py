"""Answers that are stopped where they are known to be wrong: the rest would be paid for and thrown away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.explanations import shorten
from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like._calls.protocols import ChunkReader
    from declarai_like._outputs.output import Output
    from declarai_like._wire.accumulator import Accumulator
    from declarai_like.responses import Attempt, LLMResponse

__all__ = ["MENDED", "EarlyStop", "StoppingReader", "estimate_savings", "response_of"]


class EarlyStop(OutputError):
    """A closed part of an answer is not of its type; the rest was not waited for."""


MENDED = frozenset({OutputError, EarlyStop})
"""The errors that the model is shown, so that it mends its answer."""


def response_of(error: OutputError, response: LLMResponse | None) -> LLMResponse:
    """Give the answer that is no value, as far as it was read; raises an error that is not about an answer."""
    known = error.response if response is None and isinstance(error, EarlyStop) else response
    if known is None:
        raise error
    return known


class StoppingReader:
    """Reads chunks as the reader behind it does, until what has come cannot become the value."""

    __slots__ = ("_accumulator", "_output", "_reader")

    def __init__(self, reader: ChunkReader, accumulator: Accumulator, output: Output[Any]) -> None:
        self._reader = reader
        self._accumulator = accumulator
        self._output = output

    def feed(self, raw: dict[str, Any], /) -> Any:
        """Take in a chunk; raises `EarlyStop` at the first part that is wrong."""
        step = self._reader.feed(raw)
        misfit = None if self._accumulator.ended else self._accumulator.misfit
        if misfit is None:
            return step
        response = self._accumulator.response
        text = "" if response is None else response.response
        raise EarlyStop(f"expected {self._output.type_name}, got {shorten(text)}, stopped there: {misfit}")

    def finish(self) -> LLMResponse:
        """Give the whole answer."""
        return self._reader.finish()


def estimate_savings(attempts: Iterable[Attempt], answer: LLMResponse) -> list[Attempt]:
    """Say of each stopped answer about how many tokens did not come: it had been as long as the one that came."""
    told = answer.completion_tokens
    whole = count_tokens(answer.response) if told is None else told
    return [
        replace(each, saved_tokens=max(0, whole - count_tokens(each.text)))
        if isinstance(each.error, EarlyStop)
        else each
        for each in attempts
    ]

"""What an answer says, as server-sent events of our own: deltas, then the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from declarai_like.serve._arguments import to_json_data
from declarai_like.serve._json_answers import encode
from declarai_like.serve._problems import Problem
from declarai_like.serve._served import read_result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like._calls.flow import Call
    from declarai_like.completions import Usage
    from declarai_like.responses import LLMResponse

__all__ = ["DONE", "FRAMES", "EventFrames", "Frames", "parse_frames", "usage_data", "whole_answer"]

DONE = "data: [DONE]\n\n"
FRAMES = ("delta", "partial", "cumulative", "raw")


class Frames(Protocol):
    """Spells an answer as events, without their ids."""

    def step(self, response: LLMResponse) -> Iterable[str]:
        """Spell one step."""
        ...

    def end(self, call: Call[Any]) -> Iterable[str]:
        """Spell the end of an answer that is whole."""
        ...

    def error(self, problem: Problem) -> str:
        """Spell the end of one that is not."""
        ...

    def is_refusal(self, problem: Problem) -> bool:
        """Say whether a problem before the first event is a status, and no event."""
        ...


class EventFrames:
    """`delta` events with what was asked for in them, then `done` and `[DONE]`, or `pending`, or `error`."""

    def __init__(self, wanted: frozenset[str] = frozenset()) -> None:
        self._partial = "partial" in wanted
        self._cumulative = "cumulative" in wanted
        self._raw = "raw" in wanted
        self._is_bare = not wanted - {"delta"}

    def step(self, response: LLMResponse) -> Iterable[str]:
        """Spell what a step brought; one that brought no text is shown to those who want it raw."""
        delta = response.content
        if self._is_bare:
            return (f'event: delta\ndata: {{"delta":{encode(delta)}}}\n\n',) if delta else ()
        if not delta and not self._raw:
            return ()
        data: dict[str, Any] = {"delta": delta}
        if self._partial:
            data["parsed"] = to_json_data(response.parsed)
        if self._cumulative:
            data["response"] = response.response
        if self._raw:
            data["raw"] = to_json_data(response.raw_response)
        return (f"event: delta\ndata: {encode(data)}\n\n",)

    def end(self, call: Call[Any]) -> Iterable[str]:
        """Spell the whole answer, and that it is one."""
        return f"event: done\ndata: {encode(whole_answer(call))}\n\n", DONE

    def error(self, problem: Problem) -> str:
        """Spell why the answer is not whole: its tools wait, or something went wrong."""
        if problem.pending is not None:
            return f"event: pending\ndata: {encode(problem.pending)}\n\n"
        return f"event: error\ndata: {encode(problem.body())}\n\n"

    def is_refusal(self, problem: Problem) -> bool:
        """Say whether a problem before the first event is a status: one that waits for decisions is none."""
        return problem.pending is None


def whole_answer(call: Call[Any]) -> dict[str, Any]:
    """Give an answer as JSON data."""
    value, response = read_result(call)
    return {
        "value": to_json_data(value),
        "response": response.response,
        "model": response.model,
        "finish_reason": response.finish_reason,
        "outcome": response.outcome,
        "usage": usage_data(response.usage),
    }


def usage_data(usage: Usage | None) -> dict[str, int | None] | None:
    """Give the tokens of an answer; `None` when the provider never said."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def parse_frames(query: str | None) -> EventFrames:
    """Read which frames are wanted; raises `Problem` for a word that is none of them."""
    wanted = frozenset((query or "delta").split(","))
    if unknown := sorted(wanted.difference(FRAMES)):
        raise Problem(400, f"frames takes {', '.join(FRAMES)}, not {unknown[0][:40]!r}")
    return EventFrames(wanted)

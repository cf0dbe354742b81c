"""What a scripted model is told to answer: builders for everything that is no plain value."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from declarai_like.providers._answers import Spoken, pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like._outputs.output import Output
    from declarai_like.requests import Request

__all__ = ["ScriptedReply", "chunks", "cut", "refusal", "reply", "tool_call", "truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """One answer of a `FakeLLM`; made by `reply` and its kin.

    `value` is a text, said as it is, or anything else, said as the model would say a value of the task's type.
    `pieces` are the chunks to say it in. `breaks` lets the connection break before the end. `delay` is in seconds,
    before each chunk or the whole answer; `None` is the model's own.
    """

    value: Any = ""
    pieces: tuple[str, ...] | None = None
    refusal: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[Any, ...], ...] = ()
    usage: Mapping[str, Any] | None = None
    finish_reason: str = "stop"
    logprobs: bool = False
    delay: float | None = None
    breaks: bool = False

    def to_wire(self, request: Request) -> Spoken:
        """Put it in the words of the wire."""
        pieces = self.pieces
        return Spoken(
            content=pieces_of(_write_value(self.value, request.output)) if pieces is None else pieces,
            refusal=pieces_of(self.refusal),
            reasoning=pieces_of(self.reasoning),
            tool_calls=tuple(_write_call(index, *call) for index, call in enumerate(self.tool_calls)),
            usage=self.usage,
            finish_reason=None if self.breaks else self.finish_reason,
            logprobs=self.logprobs,
        )


def reply(
    value: Any = "",
    *,
    usage: Mapping[str, Any] | None = None,
    finish_reason: str = "stop",
    delay: float | None = None,
    reasoning: str = "",
    logprobs: bool = False,
    calls: Sequence[tuple[Any, ...]] = (),
) -> ScriptedReply:
    """Answer with a text or a value, and with what the wire tells beside it.

    `usage` has the wire's names (`prompt_tokens`, `completion_tokens`, `total_tokens`); `delay` is in seconds. `calls`
    ask for tools: each is a name with its arguments, `("refund", {"order": "7"})`, and with an id if need be.
    Arguments that are a text are sent as they are, broken JSON too.
    """
    return ScriptedReply(
        value=value,
        usage=usage,
        finish_reason="tool_calls" if calls and finish_reason == "stop" else finish_reason,
        delay=delay,
        reasoning=reasoning,
        logprobs=logprobs,
        tool_calls=tuple(calls),
    )


def chunks(*pieces: str, **options: Any) -> ScriptedReply:
    """Stream a text in exactly these pieces; `options` are those of `reply`.

    >>> from declarai_like.testing import FakeLLM
    >>> @FakeLLM([chunks("A ", "film.")]).task(streaming=True)
    ... def about(movie: str) -> str:
    ...     "Say something about a movie"
    >>> [step.content for step in about("Heat") if step.content]
    ['A ', 'film.']
    """
    return replace(reply(**options), pieces=pieces)


def refusal(text: str, **options: Any) -> ScriptedReply:
    """Decline to answer."""
    return replace(reply(**options), refusal=text)


def tool_call(name: str, arguments: Mapping[str, Any] | str | None = None, **options: Any) -> ScriptedReply:
    """Ask for a tool; arguments that are a text are sent as they are, broken JSON too.

    >>> from declarai_like.testing import FakeLLM
    >>> def add(a: int, b: int) -> int:
    ...     "Add two numbers"
    ...     return a + b
    >>> @FakeLLM([tool_call("add", {"a": 2, "b": 3}), "5"]).task(tools=[add])
    ... def answer(question: str) -> str:
    ...     "Answer the question"
    >>> answer.run("2 + 3?").calls[0].value
    5
    """
    given = {} if arguments is None else arguments
    return replace(reply(**{"finish_reason": "tool_calls", **options}), tool_calls=((name, given),))


def truncated(value: Any, **options: Any) -> ScriptedReply:
    """Answer until the token limit is reached."""
    return reply(value, **{"finish_reason": "length", **options})


def cut(text: str = "", **options: Any) -> ScriptedReply:
    """Break the connection after a text; before anything, if the answer is not streamed."""
    return replace(reply(text, **options), breaks=True)


def _write_value(value: Any, output: Output[Any] | None) -> str:
    """Say a value as the model would, for the type that is declared; a text is said as it is.

    Data are taken for models: a dict serves where a `BaseModel` or a dataclass is declared.
    """
    if type(value) is str:
        return value
    from pydantic_core import to_json

    text = to_json(value, by_alias=True, round_trip=True).decode()
    if output is None or output.is_scalar:
        return text
    if output.is_text:
        return str(json.loads(text)) if isinstance(value, str) else text
    return f"{{{json.dumps(output.key)}: {text}}}" if output.wrapped else text


def _write_call(index: int, name: str, arguments: Any = None, *ids: str | None) -> tuple[str, str, str | None]:
    told = {} if arguments is None else arguments
    return name, _write_arguments(told), ids[0] if ids else f"call_{index}"


def _write_arguments(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)

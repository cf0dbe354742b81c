"""The value of a whole answer, or the error that says why it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like.errors import DefinitionError, ModelRefusal, OutputError
from declarai_like.responses import LLMResponse, Parsed

if TYPE_CHECKING:
    from declarai_like._outputs.output import Output

T = TypeVar("T")


def require_response(response: Any) -> LLMResponse:
    """Give the answer that the middlewares gave; raises `DefinitionError` if it is none."""
    if isinstance(response, LLMResponse):
        return response
    raise DefinitionError(
        f"expected an LLMResponse from the middlewares, got {response!r:.80}: "
        "end a middleware with `return response`, the one of `yield from send(request)` or one of its own"
    )


def known_error(response: Any) -> OutputError | None:
    """Give what was found wrong with an answer when it was put together; a middleware may have given something else."""
    known = response.reading if isinstance(response, LLMResponse) else None
    return known if isinstance(known, OutputError) else None


def raise_known(response: LLMResponse) -> None:
    """Raise what was found wrong with an answer when it was put together."""
    if (error := known_error(response)) is not None:
        raise error


def value_of(response: LLMResponse, output: Output[T]) -> T:
    """Give the value of a whole answer.

    Raises `ModelRefusal` if the model declined, and `OutputError` if the answer is not of the declared type.
    """
    raise_known(response)
    known = response.reading
    if isinstance(known, Parsed):
        return known.value  # type: ignore[no-any-return]  # it was made by this output
    text = response.response
    if response.outcome == "refused" and not text:
        words = response.refusal or response.finish_reason
        raise ModelRefusal(f"the model declined to answer: {words!r:.300}", response=response)
    if response.outcome == "calls" or (not text and _asks_for_tools(response)):
        raise OutputError(f"expected {output.type_name}, got {_list_calls(response)}", response=response)
    if output.is_text:
        return text  # type: ignore[return-value]  # T is str then
    if response.outcome == "refused":
        raise ModelRefusal(f"the model declined to go on after {text!r:.300}", response=response)
    if not text:
        thought = response.reasoning
        got = f"nothing but reasoning: {thought!r:.300}" if thought else "an empty answer"
        raise OutputError(f"expected {output.type_name}, got {got}", response=response)
    cut = response.outcome == "truncated"
    parsed = output.parse(text, finish_reason="length" if cut else response.finish_reason)
    response.keep_reading(parsed)
    return parsed.value  # type: ignore[no-any-return]  # it was made by this output


_CALL_WORDS = frozenset({"tool_calls", "function_call", "tool_use"})
"""Finish reasons of an answer that asks for tools."""


def has_no_value(response: LLMResponse) -> bool:
    """Say whether the answer is something else than the value: a refusal, or calls of tools."""
    return response.outcome in {"refused", "calls"}


def _asks_for_tools(response: LLMResponse) -> bool:
    return bool(response.tool_calls) or (response.finish_reason or "").lower() in _CALL_WORDS


def _list_calls(response: LLMResponse) -> str:
    """Say which tools the model asked for, and what to do about it."""
    names = ", ".join(call.name for call in response.tool_calls)
    legacy = response.function_call
    if not names and legacy is not None:
        names = legacy["name"]
    if names:
        return f"a call of {names}, which nobody runs: ask without tools, or by send() or stream() and run it yourself"
    return f"no text, and a call of a tool that did not come with it (finish_reason {response.finish_reason!r})"

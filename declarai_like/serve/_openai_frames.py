"""Answers in OpenAI's form: chunks that end in `[DONE]`, or one body."""

from __future__ import annotations

import time
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from declarai_like.serve._arguments import to_json_data
from declarai_like.serve._event_frames import DONE, usage_data
from declarai_like.serve._json_answers import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like._calls.flow import Call
    from declarai_like.responses import LLMResponse
    from declarai_like.serve._problems import Problem

__all__ = ["ChunkFrames", "TextFrames", "completion_body"]


_OPENAI_WORDS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_WORDS_OF = {"calls": "tool_calls", "truncated": "length", "filtered": "content_filter"}
"""What an outcome is in OpenAI's words; any other one is a stop."""
_OPAQUE = frozenset({"state", "items", "final_items"})
"""What a message has in its vendor's own form: clients of OpenAI's format know nothing of it."""


class _Chunks:
    """What both kinds of chunks have in common; `is_passed` gives a model's own choices as they are."""

    _prefix = ""
    _object = ""

    def __init__(self, model: str, *, with_usage: bool = False, is_passed: bool = False) -> None:
        # Not the stream's name: clients log the id of an answer and show it around, and the name stops the stream.
        head = {
            "id": f"{self._prefix}-{token_hex(8)}",
            "object": self._object,
            "created": int(time.time()),
            "model": model,
        }
        usage = ',"usage":null' if with_usage else ""
        self._head = f'data: {encode(head)[:-1]},"choices":['
        self._tail = f"]{usage}}}\n\n"
        self._with_usage = with_usage
        self._is_passed = is_passed

    def _chunk(self, choices: str) -> str:
        return f"{self._head}{choices}{self._tail}"

    def _passed_choices(self, response: LLMResponse) -> Iterable[str]:
        """Give the choices of a chunk as the model gave them."""
        choices = _choices_of(response)
        return (self._chunk(encode(to_json_data(choices))[1:-1]),) if choices else ()

    def _final_chunks(self, response: LLMResponse) -> Iterable[str]:
        """Give the usage if it was asked for, and the end."""
        if self._with_usage:
            yield f'{self._head}],"usage":{encode(_openai_usage(response))}}}\n\n'
        yield DONE

    def error(self, problem: Problem) -> str:
        """Spell why the answer is not whole: official clients raise it."""
        return f"event: error\ndata: {encode(problem.body())}\n\n"

    def is_refusal(self, _problem: Problem) -> bool:
        """Say that each problem before the first event is a status: these clients know no decisions."""
        return True


class ChunkFrames(_Chunks):
    """`chat.completion.chunk`: the role first, then the text, then why it ended."""

    _prefix = "chatcmpl"
    _object = "chat.completion.chunk"

    def __init__(self, model: str, *, with_usage: bool = False, is_passed: bool = False) -> None:
        super().__init__(model, with_usage=with_usage, is_passed=is_passed)
        self._has_begun = False
        self._text = f'{self._head}{{"index":0,"delta":{{"content":'
        self._reasoning = self._refusal = 0

    def step(self, response: LLMResponse) -> Iterable[str]:
        """Spell what a step brought."""
        if self._is_passed:
            return self._passed_choices(response)
        delta = response.content
        # Most steps bring text and nothing else, which is spelled by hand.
        text_chunk = f'{self._text}{encode(delta)}}},"finish_reason":null}}{self._tail}' if delta else ""
        refusal, reasoning = response.refusal, response.reasoning
        if self._has_begun and refusal is None and reasoning is None:
            return (text_chunk,) if text_chunk else ()
        return [*self._other_deltas(refusal or "", reasoning or ""), *filter(None, [text_chunk])]

    def _other_deltas(self, refusal: str, reasoning: str) -> Iterable[str]:
        """Spell what an answer has beside its text."""
        if not self._has_begun:
            self._has_begun = True
            yield self._delta('"role":"assistant","content":""')
        if len(reasoning) > self._reasoning:
            yield self._delta(f'"reasoning_content":{encode(reasoning[self._reasoning :])}')
            self._reasoning = len(reasoning)
        if len(refusal) > self._refusal:
            yield self._delta(f'"refusal":{encode(refusal[self._refusal :])}')
            self._refusal = len(refusal)

    def end(self, call: Call[Any]) -> Iterable[str]:
        """Spell why the answer ended, what it cost if that was asked for, and that it is whole."""
        response = _finished_response(call)
        if not self._is_passed:
            yield self._delta("", encode(_openai_word(response)))
        yield from self._final_chunks(response)

    def _delta(self, delta: str, finish: str = "null") -> str:
        return self._chunk(f'{{"index":0,"delta":{{{delta}}},"finish_reason":{finish}}}')


class TextFrames(_Chunks):
    """`text_completion`: the text, then why it ended."""

    _prefix = "cmpl"
    _object = "text_completion"

    def step(self, response: LLMResponse) -> Iterable[str]:
        """Spell what a step brought."""
        if self._is_passed and _has_texts(response.raw_response):
            return self._passed_choices(response)
        return (self._text(response.content),) if response.content else ()

    def end(self, call: Call[Any]) -> Iterable[str]:
        """Spell why the answer ended, what it cost if that was asked for, and that it is whole."""
        response = _finished_response(call)
        if not (self._is_passed and _has_texts(response.raw_response)):
            yield self._text("", encode(_openai_word(response)))
        yield from self._final_chunks(response)

    def _text(self, text: str, finish: str = "null") -> str:
        return self._chunk(f'{{"index":0,"text":{encode(text)},"logprobs":null,"finish_reason":{finish}}}')


def completion_body(call: Call[Any], model: str, *, is_text: bool, is_passed: bool) -> dict[str, Any]:
    """Give a whole answer as one body."""
    response = _finished_response(call)
    raw = _choices_of(response)
    if is_passed and raw and (_has_texts(response.raw_response) == is_text):
        choices = to_json_data(raw)
    else:
        choices = [{"index": 0, "finish_reason": _openai_word(response), "logprobs": None}]
        choices[0] |= {"text": response.response} if is_text else {"message": _assistant_message(response)}
    return {
        "id": f"{'cmpl' if is_text else 'chatcmpl'}-{token_hex(8)}",
        "object": "text_completion" if is_text else "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": _openai_usage(response),
    }


def _assistant_message(response: LLMResponse) -> dict[str, Any]:
    data: dict[str, Any] = {"role": "assistant", "content": response.response, "refusal": response.refusal}
    return data if response.reasoning is None else {**data, "reasoning_content": response.reasoning}


def _choices_of(response: LLMResponse) -> list[Any]:
    """Give the choices of a step: those that were sent, or the view of them where another format was."""
    if "choices" in response.raw_response:
        return response.raw_response["choices"] or []
    choices = [choice.model_dump(mode="json", exclude_unset=True) for choice in response.choices]
    for choice in choices:
        said = "message" if "message" in choice else "delta"
        choice[said] = {name: value for name, value in choice[said].items() if name not in _OPAQUE}
        choice["finish_reason"] = choice["finish_reason"] and _openai_word(response)
    return choices


def _openai_word(response: LLMResponse) -> str:
    """Say why an answer ended in OpenAI's words, whatever format its provider speaks."""
    told = response.finish_reason
    return told if told in _OPENAI_WORDS else _WORDS_OF.get(response.outcome, "stop")


def _openai_usage(response: LLMResponse) -> dict[str, Any] | None:
    """Tell the tokens, and those of the cache and of thinking where the provider has told them."""
    usage, told = response.usage, usage_data(response.usage)
    if usage is None or told is None:
        return told
    cached = {} if usage.cache_read is None else {"prompt_tokens_details": {"cached_tokens": usage.cache_read}}
    thought = {} if usage.reasoning is None else {"completion_tokens_details": {"reasoning_tokens": usage.reasoning}}
    return {**told, **cached, **thought}


def _finished_response(call: Call[Any]) -> LLMResponse:
    # Its value is of no interest: a model that is passed through may have given none.
    return call.response  # type: ignore[return-value]  # it has been made


def _has_texts(raw: Mapping[str, Any]) -> bool:
    return any("text" in choice for choice in raw.get("choices") or ())

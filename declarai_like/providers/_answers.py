"""Answers that no model gave, spelled as the wire would spell them: for scripted and made-up ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from declarai_like.requests import Request

_CREATED = 1_700_000_000
_TOKEN = re.compile(r"\s?\w{1,6}|\s?[^\w\s]{1,4}|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What an assistant says: texts in the pieces in which they are streamed.

    `tool_calls` are names with their arguments as JSON and their ids; `finish_reason` is `None` for an answer without
    an end.
    """

    content: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[tuple[str, str, str | None], ...] = ()
    finish_reason: str | None = "stop"
    usage: Mapping[str, Any] | None = None
    logprobs: bool = False

    def body(self, request: Request) -> dict[str, Any]:
        """Spell the whole answer; each choice that was asked for says the same."""
        if request.kind == "completion":
            choice: dict[str, Any] = {"text": "".join(self.content), "logprobs": None}
        else:
            tokens = {"content": _tokens(self.content), "refusal": None} if self.logprobs else None
            choice = {"message": self._message(), "logprobs": tokens}
        choice["finish_reason"] = self.finish_reason
        kind = "chat.completion" if request.kind == "chat" else "text_completion"
        return _object(kind, request, [{"index": index, **choice} for index in _indexes(request)], self.usage)

    def chunks(self, request: Request) -> Iterator[dict[str, Any]]:
        """Spell the chunks of a stream; each choice that was asked for says the same, by turns."""
        kind = "chat.completion.chunk" if request.kind == "chat" else "text_completion"
        for choice in self._steps() if request.kind == "chat" else self._completion_choices():
            for index in _indexes(request):
                yield _object(kind, request, [{"index": index, **choice}])
        if self.usage is not None:
            yield _object(kind, request, [], self.usage)

    def _message(self) -> dict[str, Any]:
        silent = not self.content and (self.refusal or self.tool_calls)
        message: dict[str, Any] = {"role": "assistant", "content": None if silent else "".join(self.content)}
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for name, arguments, call_id in self.tool_calls
            ]
        return message

    def _steps(self) -> Iterator[dict[str, Any]]:
        """Give the choices of a chat's stream: the role, what is said, the end."""
        yield _step({"role": "assistant", "content": ""})
        for piece in self.reasoning:
            yield _step({"reasoning_content": piece})
        for piece in self.content:
            tokens = {"content": _tokens((piece,)), "refusal": None} if self.logprobs else None
            yield {"delta": {"content": piece}, "logprobs": tokens, "finish_reason": None}
        for piece in self.refusal:
            yield _step({"refusal": piece})
        for index, (name, arguments, call_id) in enumerate(self.tool_calls):
            for fragment in _fragments(index, name, arguments, call_id):
                yield _step({"tool_calls": [fragment]})
        if self.finish_reason is not None:
            yield {"delta": {}, "finish_reason": self.finish_reason}

    def _completion_choices(self) -> Iterator[dict[str, Any]]:
        """Give the choices of a continued text's stream."""
        for piece in self.content:
            yield {"text": piece, "logprobs": None, "finish_reason": None}
        if self.finish_reason is not None:
            yield {"text": "", "logprobs": None, "finish_reason": self.finish_reason}


def pieces_of(text: str) -> tuple[str, ...]:
    """Cut a text about where a tokenizer would.

    >>> pieces_of("Hello, little world!")
    ('Hello', ',', ' little', ' world', '!')
    """
    return tuple(_TOKEN.findall(text))


def usage_of(request: Request, content: Iterable[str]) -> dict[str, int]:
    """Count what a call would have cost, taking pieces for tokens."""
    prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt or ()
    texts = chain((message.message for message in request.messages), prompts)
    asked, said = sum(len(pieces_of(text)) for text in texts), len(tuple(content))
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _indexes(request: Request) -> range:
    prompts = len(request.prompt) if isinstance(request.prompt, list) else 1
    return range(prompts * (request.params.get("n") or 1))


def _step(delta: dict[str, Any]) -> dict[str, Any]:
    return {"delta": delta, "finish_reason": None}


def _fragments(index: int, name: str, arguments: str, call_id: str | None) -> Iterator[dict[str, Any]]:
    head = {"name": name, "arguments": ""}
    yield {"index": index, "id": call_id, "type": "function", "function": head}
    for piece in pieces_of(arguments):
        yield {"index": index, "function": {"arguments": piece}}


def _tokens(pieces: Iterable[str]) -> list[dict[str, Any]]:
    """Give each piece as a token of which the model was quite sure."""
    return [{"token": piece, "logprob": -0.1, "bytes": None, "top_logprobs": []} for piece in pieces]


def _object(
    kind: str, request: Request, choices: list[dict[str, Any]], usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    told = {} if usage is None else {"usage": dict(usage)}
    return {"id": "fake-1", "object": kind, "created": _CREATED, "model": request.model, "choices": choices, **told}

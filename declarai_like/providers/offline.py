"""A model that makes its answers up: of the declared type, the same ones each time, without key and network."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from declarai_like._wire.accumulator import DONE
from declarai_like.errors import ConfigurationError, OutputError
from declarai_like.messages import MessageRole
from declarai_like.providers._answers import Spoken, pieces_of, usage_of
from declarai_like.providers._samples import Sampler, sentences

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from declarai_like._outputs.output import Output
    from declarai_like.errors import ProviderError
    from declarai_like.requests import Request

__all__ = ["OfflineProvider"]

_TRIES = 20


class OfflineProvider:
    """Answers each request with something plausible that depends on it and on `seed` only."""

    def __init__(
        self, *, seed: int = 0, name: str = "offline", model: str = "offline", streaming: bool = False
    ) -> None:
        self.seed = seed
        self.name = name
        self.model = model
        self.streaming = streaming

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the messages and parameters, as they are."""
        return {"model": request.model, "messages": [message.wire() for message in request.messages], **request.params}

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Learn nothing: no request is refused."""
        return False

    def send(self, request: Request) -> dict[str, Any]:
        """Make up a whole answer."""
        return self._make_reply(request).body(request)

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Make up an answer and give it in pieces."""
        yield from self._make_reply(request).chunks(request)
        yield DONE

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        return self.send(request)

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        for chunk in self.stream(request):
            yield chunk

    def _make_reply(self, request: Request) -> Spoken:
        asked = (request.model, request.messages, request.prompt, sorted(request.params.items()))
        random = Random(f"{self.seed} {asked!r}")  # noqa: S311 - no secret, only a choice
        if _may_call(request):
            calls = tuple(_sample_call(tool, random, number) for number, tool in enumerate(request.tools))
            return Spoken(tool_calls=calls, finish_reason="tool_calls", usage=usage_of(request, ()))
        output = request.output
        text = sentences(random) if output is None or output.is_text else _sample_answer(output, random)
        pieces = pieces_of(text)
        return Spoken(content=pieces, usage=usage_of(request, pieces))

    def __repr__(self) -> str:
        return f"OfflineProvider(seed={self.seed!r}, model={self.model!r})"


def _may_call(request: Request) -> bool:
    """Say whether tools are offered and were not called yet: each is called once, then comes the answer."""
    if not request.tools or request.params.get("tool_choice") == "none":
        return False
    last = next((message for message in reversed(request.messages) if message.role != MessageRole.system), None)
    return last is not None and last.role != MessageRole.tool


def _sample_call(tool: Mapping[str, Any], random: Random, number: int) -> tuple[str, str, str]:
    """Call a tool with arguments that fit its schema."""
    function = tool.get("function", {})
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    arguments = json.dumps(Sampler(schema, random, number_keys=False).sample())
    return str(function.get("name", "")), arguments, f"call_{number}"


def _sample_answer(output: Output[Any], random: Random) -> str:
    """Make up a value that passes the type's own validators; raises `ConfigurationError` if none is found."""
    for number in range(_TRIES):
        text = json.dumps(Sampler(output.schema, random, number_keys=number % 2 == 1).sample())
        try:
            output.parse(text)
        except OutputError as error:
            failure = error
        else:
            return text
    raise ConfigurationError(
        f"no {output.type_name} could be made up from its schema ({failure.message}): script it with "
        "declarai_like.testing.FakeLLM"
    ) from failure

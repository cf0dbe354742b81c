"""The official client's helpers: `.stream()` with its events, `.parse()` for whole answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters import MESSAGES
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

TITLE = "openai `.stream()`"
ENVIRONMENT = "openai"
REQUIREMENTS = ["openai"]
PACKAGE = "openai"
IMPORT = "from openai import OpenAI, AsyncOpenAI"
VALUES = "growing dicts"
LACKS = {
    "import": "the same package as openai",
    "cold": "the same package as openai",
    "cold-cpu": "the same package as openai",
    "call-str": "the same call as openai",
}


class Peer(Base):
    def __init__(self, url: str) -> None:
        from openai import AsyncOpenAI, OpenAI

        self.client = OpenAI(base_url=f"{url}/v1", api_key="k")
        self.async_client = AsyncOpenAI(base_url=f"{url}/v1", api_key="k")

    def call_model(self, model: str) -> Any:
        from documents import Person

        answer = self.client.chat.completions.parse(model=model, messages=MESSAGES, response_format=Person)
        return answer.choices[0].message.parsed

    def stream(self, model: str) -> Iterator[Any]:
        with self.client.chat.completions.stream(model=model, messages=MESSAGES) as stream:
            yield from stream

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async with self.async_client.chat.completions.stream(model=model, messages=MESSAGES) as stream:
            async for event in stream:
                yield event

    def piece(self, chunk: Any) -> str:
        return chunk.delta if chunk.type == "content.delta" else ""

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        with self.client.chat.completions.stream(model=model, messages=MESSAGES, response_format=Doc) as stream:
            for event in stream:
                if event.type == "content.delta":
                    yield event.parsed
            yield stream.get_final_completion().choices[0].message.parsed

    def items(self, value: Any) -> Sequence[Any]:
        if isinstance(value, dict):
            return value.get("items", ())
        return value.items if value else ()

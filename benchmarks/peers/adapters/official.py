"""The official client as it is: what every other figure is a ratio to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters import MESSAGES
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

TITLE = "openai"
ENVIRONMENT = "openai"
REQUIREMENTS = ["openai"]
PACKAGE = "openai"
IMPORT = "from openai import OpenAI, AsyncOpenAI"
VALUES = "none: the text is validated once, at the end"
LACKS: dict[str, str] = {}


class Peer(Base):
    def __init__(self, url: str) -> None:
        from openai import AsyncOpenAI, OpenAI

        self.client = OpenAI(base_url=f"{url}/v1", api_key="k")
        self.async_client = AsyncOpenAI(base_url=f"{url}/v1", api_key="k")

    def call(self, model: str) -> str:
        return self.client.chat.completions.create(model=model, messages=MESSAGES).choices[0].message.content

    def call_model(self, model: str) -> Any:
        from documents import Person

        return Person.model_validate_json(self.call(model))

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.client.chat.completions.create(model=model, messages=MESSAGES, stream=True))

    async def astream(self, model: str) -> AsyncIterator[Any]:
        stream = await self.async_client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        async for chunk in stream:
            yield chunk

    def piece(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or ""

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        yield Doc.model_validate_json("".join([self.piece(chunk) for chunk in self.stream(model)]))

    def items(self, value: Any) -> Sequence[Any]:
        return value.items

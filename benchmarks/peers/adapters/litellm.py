"""LiteLLM with its OpenAI provider; it gives structured answers as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters import MESSAGES
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TITLE = "litellm"
ENVIRONMENT = "litellm"
REQUIREMENTS = ["litellm"]
PACKAGE = "litellm"
IMPORT = "import litellm"
VALUES = "none"
LACKS = dict.fromkeys(("partials-100", "partials-1000", "partials-5000"), "it has no partial values")


class Peer(Base):
    def __init__(self, url: str) -> None:
        import litellm

        self.litellm = litellm
        self.common = {"base_url": f"{url}/v1", "api_key": "k", "messages": MESSAGES}

    def call(self, model: str) -> str:
        return self.litellm.completion(model=f"openai/{model}", **self.common).choices[0].message.content

    def call_model(self, model: str) -> Any:
        from documents import Person

        answer = self.litellm.completion(model=f"openai/{model}", response_format=Person, **self.common)
        return Person.model_validate_json(answer.choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.litellm.completion(model=f"openai/{model}", stream=True, **self.common))

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async for chunk in await self.litellm.acompletion(model=f"openai/{model}", stream=True, **self.common):
            yield chunk

    def piece(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or ""

"""Pydantic AI with its blocking calls, no debouncing; its native output asks for a JSON Schema as the others do."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from adapters import SYSTEM, USER
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

TITLE = "pydantic-ai"
ENVIRONMENT = "pydantic-ai"
REQUIREMENTS = ["pydantic-ai-slim[openai]"]
PACKAGE = "pydantic-ai-slim"
IMPORT = """
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
"""
VALUES = "typed values, when they are valid"
LACKS: dict[str, str] = {}


class Peer(Base):
    def __init__(self, url: str) -> None:
        self.url = url
        self.agent = cache(self._agent)

    def _agent(self, model: str, kind: Any = str) -> Any:
        from pydantic_ai import Agent, NativeOutput
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{self.url}/v1", api_key="k"))
        return Agent(chat, output_type=kind if kind is str else NativeOutput(kind), instructions=SYSTEM)

    def call(self, model: str) -> str:
        return self.agent(model).run_sync(USER).output

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.agent(model, Person).run_sync(USER).output

    def stream(self, model: str) -> Iterator[Any]:
        return self.agent(model).run_stream_sync(USER).stream_text(delta=True, debounce_by=None)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async with self.agent(model).run_stream(USER) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield piece

    def piece(self, chunk: Any) -> str:
        return chunk

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        return self.agent(model, Doc).run_stream_sync(USER).stream_output(debounce_by=None)

    def items(self, value: Any) -> Sequence[Any]:
        return value.items

    def keep(self, model: str) -> Any:
        result = self.agent(model).run_stream_sync(USER)
        return result, list(result.stream_text(delta=True, debounce_by=None))

"""Mirascope 2 over its chat completions provider."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from adapters import SYSTEM, USER
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

TITLE = "mirascope"
ENVIRONMENT = "mirascope"
REQUIREMENTS = ["mirascope[openai]"]
PACKAGE = "mirascope"
IMPORT = "from mirascope import llm"
VALUES = "growing typed values"
LACKS: dict[str, str] = {}


class Peer(Base):
    def __init__(self, url: str) -> None:
        from mirascope import llm

        llm.register_provider("openai:completions", base_url=f"{url}/v1", api_key="k")
        self.task = cache(self._task)

    def _task(self, model: str, kind: Any = None, *, asynchronous: bool = False) -> Any:
        from mirascope import llm

        decorate = llm.call(f"openai/{model}", format=kind and llm.format(kind, mode="strict"))
        if asynchronous:

            @decorate
            async def about() -> Any:
                return [llm.messages.system(SYSTEM), llm.messages.user(USER)]
        else:

            @decorate
            def about() -> Any:
                return [llm.messages.system(SYSTEM), llm.messages.user(USER)]

        return about

    def call(self, model: str) -> str:
        return self.task(model)().text()

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.task(model, Person)().parse()

    def stream(self, model: str) -> Iterator[Any]:
        return self.task(model).stream().text_stream(sep="")

    async def astream(self, model: str) -> AsyncIterator[Any]:
        response = await self.task(model, asynchronous=True).stream()
        async for piece in response.text_stream(sep=""):
            yield piece

    def piece(self, chunk: Any) -> str:
        return chunk

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        response = self.task(model, Doc).stream()
        yield from response.structured_stream()
        yield response.parse()

    def items(self, value: Any) -> Sequence[Any]:
        return value.items or ()

    def keep(self, model: str) -> Any:
        response = self.task(model).stream()
        return response, list(response.text_stream(sep=""))

"""Magentic: every request of it is a streamed one, and its types are asked for as tool calls."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from adapters import SYSTEM, USER
from adapters import Peer as Base

TITLE = "magentic"
ENVIRONMENT = "magentic"
REQUIREMENTS = ["magentic"]
PACKAGE = "magentic"
IMPORT = "import magentic"
VALUES = "whole items"
LACKS: dict[str, str] = {}


class Peer(Base):
    def __init__(self, url: str) -> None:
        self.url = url
        self.task = cache(self._task)

    def _task(self, model: str, kind: Any, *, asynchronous: bool = False) -> Any:
        from magentic import OpenaiChatModel, SystemMessage, UserMessage, chatprompt

        if asynchronous:

            async def about() -> kind: ...
        else:

            def about() -> kind: ...

        chat = OpenaiChatModel(model, base_url=f"{self.url}/v1", api_key="k")
        return chatprompt(SystemMessage(SYSTEM), UserMessage(USER), model=chat)(about)

    def call(self, model: str) -> str:
        return self.task(model, str)()

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.task(model, Person)()

    def stream(self, model: str) -> Iterator[Any]:
        from magentic import StreamedStr

        return iter(self.task(model, StreamedStr)())

    async def astream(self, model: str) -> AsyncIterator[Any]:
        from magentic import AsyncStreamedStr

        async for piece in await self.task(model, AsyncStreamedStr, asynchronous=True)():
            yield piece

    def piece(self, chunk: Any) -> str:
        return chunk

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Item

        items = []
        for item in self.task(model, Iterable[Item])():
            items.append(item)
            yield items

    def items(self, value: Any) -> Sequence[Any]:
        return value

    def sent(self, model: str) -> int:
        from serve import arguments_of

        return len(arguments_of(model, wrapped=True))

    def keep(self, model: str) -> Any:
        from magentic import StreamedStr

        text = self.task(model, StreamedStr)()
        return text, list(text)

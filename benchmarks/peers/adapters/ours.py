"""This library, used as its documentation shows."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from typing import Any

from adapters import Peer as Base

TITLE = "declarai-like"
ENVIRONMENT = "declarai-like"
REQUIREMENTS = ["."]
PACKAGE = "declarai-like"
IMPORT = "import declarai_like"
VALUES = "growing typed values"
LACKS: dict[str, str] = {}


class Peer(Base):
    def __init__(self, url: str) -> None:
        self.url = url
        self.task = cache(self._task)

    def _task(self, model: str, kind: type, *, streaming: bool = False, asynchronous: bool = False) -> Any:
        import declarai_like as declarai

        llm = declarai.openai(model=model, openai_token="k", base_url=f"{self.url}/v1")
        if asynchronous:

            async def about(movie: str) -> kind:
                """Say something short about the following movie"""
        else:

            def about(movie: str) -> kind:
                """Say something short about the following movie"""

        return llm.task(streaming=streaming)(about)

    def call(self, model: str) -> str:
        return self.task(model, str)(movie="Avengers")

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.task(model, Person)(movie="Avengers")

    def stream(self, model: str) -> Iterator[Any]:
        return self.task(model, str, streaming=True)(movie="Avengers")

    def astream(self, model: str) -> AsyncIterator[Any]:
        return self.task(model, str, streaming=True, asynchronous=True)(movie="Avengers")

    def piece(self, chunk: Any) -> str:
        return chunk.content

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        for response in self.task(model, Doc, streaming=True)(movie="Avengers"):
            yield response.parsed

    def items(self, value: Any) -> Sequence[Any]:
        return getattr(value, "items", None) or ()

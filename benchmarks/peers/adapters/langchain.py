"""LangChain's chat model; with a JSON Schema, because a model class gives one value only, at the end."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from adapters import SYSTEM, USER
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

TITLE = "langchain-openai"
ENVIRONMENT = "langchain-openai"
REQUIREMENTS = ["langchain-openai"]
PACKAGE = "langchain-openai"
IMPORT = "from langchain_openai import ChatOpenAI"
VALUES = "growing dicts"
LACKS: dict[str, str] = {}

MESSAGES = [("system", SYSTEM), ("user", USER)]


class Peer(Base):
    def __init__(self, url: str) -> None:
        self.url = url
        self.chat = cache(self._chat)

    def _chat(self, model: str, kind: type | None = None, *, as_dict: bool = False) -> Any:
        from langchain_openai import ChatOpenAI

        chat = ChatOpenAI(model=model, base_url=f"{self.url}/v1", api_key="k")
        if kind is None:
            return chat
        return chat.with_structured_output(kind.model_json_schema() if as_dict else kind, method="json_schema")

    def call(self, model: str) -> str:
        return self.chat(model).invoke(MESSAGES).text

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.chat(model, Person).invoke(MESSAGES)

    def stream(self, model: str) -> Iterator[Any]:
        return self.chat(model).stream(MESSAGES)

    def astream(self, model: str) -> AsyncIterator[Any]:
        return self.chat(model).astream(MESSAGES)

    def piece(self, chunk: Any) -> str:
        return chunk.text

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        value = {}
        for value in self.chat(model, Doc, as_dict=True).stream(MESSAGES):
            yield value
        yield Doc.model_validate(value).model_dump()

    def items(self, value: Any) -> Sequence[Any]:
        return value.get("items", ())

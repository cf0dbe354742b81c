"""Instructor around the official client, with a JSON Schema as response format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters import MESSAGES
from adapters import Peer as Base

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TITLE = "instructor"
ENVIRONMENT = "instructor"
REQUIREMENTS = ["instructor"]
PACKAGE = "instructor"
IMPORT = "import instructor; from openai import OpenAI"
VALUES = "growing typed values"
LACKS = dict.fromkeys(
    ("call-str", "text-1000", "text-10000", "paced", "many", "first", "retained"),
    "plain text passes through it to the official client",
)


class Peer(Base):
    def __init__(self, url: str) -> None:
        import instructor
        from openai import OpenAI

        client = OpenAI(base_url=f"{url}/v1", api_key="k")
        self.client = instructor.from_openai(client, mode=instructor.Mode.JSON_SCHEMA)

    def call_model(self, model: str) -> Any:
        from documents import Person

        return self.client.chat.completions.create(model=model, messages=MESSAGES, response_model=Person)

    def partials(self, model: str) -> Iterator[Any]:
        from documents import Doc

        return self.client.chat.completions.create_partial(model=model, messages=MESSAGES, response_model=Doc)

    def items(self, value: Any) -> Sequence[Any]:
        return value.items or ()

    def first_answer(self) -> Any:
        return self.call_model("small")

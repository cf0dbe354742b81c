"""Schemas in the words of a provider's strict mode, and prompts that do not repeat them."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

import declarai_like as declarai
from declarai_like._outputs.output import Output
from declarai_like._outputs.schemas import strict
from declarai_like.providers.local import LocalProvider
from declarai_like.testing import FakeLLM


class Order(BaseModel):
    code: Annotated[str, Field(pattern="^[A-Z]{2}[0-9]{3}$", max_length=5)]
    day: date
    id: UUID
    pages: Annotated[list[int], Field(min_length=2, max_length=3)]
    price: Annotated[float, Field(ge=0, lt=100, multiple_of=0.5)]
    pair: tuple[int, str]


def fields(dialect: str) -> dict:
    schema = Output.of(Order).response_format("json_schema", dialect)["json_schema"]
    assert schema["strict"] is True
    return schema["schema"]["properties"]


def test_openai_is_told_what_its_strict_mode_takes():
    order = fields("openai")
    assert order["code"]["pattern"] == "^[A-Z]{2}[0-9]{3}$"
    assert order["code"]["description"] == "(maxLength: 5)"
    assert order["day"] == {"format": "date", "type": "string"}
    assert order["id"] == {"format": "uuid", "type": "string"}
    assert order["pages"] == {"items": {"type": "integer"}, "maxItems": 3, "minItems": 2, "type": "array"}
    assert order["price"] == {"exclusiveMaximum": 100, "minimum": 0, "multipleOf": 0.5, "type": "number"}
    assert "prefixItems" not in order["pair"]


def test_the_embedded_model_is_told_all():
    assert Output.of(Order).response_format("json_schema", "full")["json_schema"]["schema"] == Output.of(Order).schema
    assert [part["type"] for part in fields("full")["pair"]["prefixItems"]] == ["integer", "string"]


def test_others_are_told_the_rest_in_words():
    assert fields("common")["day"] == {"description": '(format: "date")', "type": "string"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "pattern": "^(?=.*a)b"}, '(pattern: "^(?=.*a)b")'),
        ({"type": "string", "format": "binary"}, '(format: "binary")'),
    ],
)
def test_what_openai_refuses_is_told_in_words(schema, words):
    assert strict(schema, "openai") == {"type": "string", "description": words}


def test_the_provider_says_its_dialect():
    assert declarai.openai("m").llm.schema_dialect == "openai"
    assert declarai.openai("m", base_url="https://api.openai.com/v1").llm.schema_dialect == "openai"
    assert declarai.openai("m", base_url="http://localhost:1234/v1").llm.schema_dialect == "common"
    assert declarai.azure_openai("d", "k-0123456789", "https://x.example").llm.schema_dialect == "common"
    assert object.__new__(LocalProvider).schema_dialect == "full"


def test_a_task_asks_in_the_dialect_of_its_provider():
    def f() -> Order:
        """Make one"""

    asked = declarai.openai("m").task(f).request().response_format["json_schema"]["schema"]
    assert asked["properties"]["day"] == {"format": "date", "type": "string"}


# --- output="json_schema" -------------------------------------------------------------------------


def order() -> Order:
    """Make one"""


@pytest.mark.parametrize("mode", ["auto", "json_object", "prompt"])
def test_the_schema_stands_in_words(mode):
    system = FakeLLM().task(output=mode)(order).compile()["messages"][0].message
    assert "The expected format is:\n{" in system


def test_an_enforced_schema_is_not_repeated_in_words():
    task = FakeLLM().task(output="json_schema")(order)
    words = "You are a REST api endpoint.You only answer in JSON structures, nothing else."
    assert task.compile()["messages"][0].message == words
    assert task.request().response_format["type"] == "json_schema"
    assert FakeLLM().task(order).with_options(output="json_schema").compile()["messages"][0].message == words


def test_an_enforced_schema_is_not_repeated_by_chats():
    llm = FakeLLM()

    @llm.chat(output="json_schema")
    class Bot:
        """You sell."""

        def send(self, message: str) -> Order: ...

    assert Bot().compile("x")["messages"][0].message == (
        "You sell.\nYour responses should be a JSON structure, nothing else."
    )


def test_a_template_of_ones_own_keeps_its_schema():
    task = FakeLLM().task(output="json_schema", templates={"json": "{{ schema }}"})(order)
    assert task.compile()["messages"][0].message.startswith("{")

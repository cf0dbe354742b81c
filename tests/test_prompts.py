"""Classes as prompts: what is sent, what comes back, and what is refused where the class is defined."""

import asyncio
import gc
import json
import pickle
from collections.abc import AsyncGenerator, Generator
from datetime import date
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, computed_field, field_validator

import declarai_like as declarai
from declarai_like.errors import DeclaraiError, DefinitionError, OutputError
from declarai_like.messages import Message
from declarai_like.prompts import CallParams, Prompt
from declarai_like.responses import LLMResponse
from declarai_like.streams import AsyncStream, Stream
from declarai_like.testing import LLMServer, stream_reply, text_reply

T = TypeVar("T")


class Author(BaseModel):
    name: str
    born: date


class Kept(Prompt):
    """Pickle {word}."""

    word: str


@pytest.fixture
def server():
    with LLMServer() as server:
        yield server


@pytest.fixture
def llm(server):
    return declarai.openai(model="m", openai_token="test", base_url=server.base_url, llm_params={"seed": 7})


def said(prompt):
    return [(str(message.role), message.message) for message in prompt.compile()["messages"]]


def sent(server):
    return json.loads(server.requests[-1].raw)


class TestText:
    def test_the_docstring_is_the_prompt(self):
        class Recipe(Prompt):
            """
            Recommend recipes that use {ingredient}
              as an ingredient
            """

            ingredient: str

        assert said(Recipe(ingredient="apples")) == [("user", "Recommend recipes that use apples\n  as an ingredient")]

    def test_a_template_wins_over_the_docstring(self):
        class Recipe(Prompt):
            """Documentation."""

            prompt_template = "Recommend {ingredient}"
            ingredient: str

        assert said(Recipe(ingredient="apples")) == [("user", "Recommend apples")]

    def test_a_template_may_be_annotated_as_a_class_variable(self):
        class Recipe(Prompt):
            prompt_template: ClassVar[str] = "Recommend {ingredient}"
            ingredient: str

        assert said(Recipe(ingredient="apples")) == [("user", "Recommend apples")]

    def test_jinja_sees_the_fields(self):
        class Recipe(Prompt):
            """{% for item in items %}{{ loop.index }}. {{ item.name }} {% endfor %}"""

            items: list[Author]

        authors = [Author(name="Ann", born=date(1970, 1, 2)), Author(name="Bob", born=date(1980, 1, 2))]
        assert said(Recipe(items=authors)) == [("user", "1. Ann 2. Bob ")]

    def test_nested_models_are_plain_data(self):
        class Praise(Prompt):
            """Praise {author}"""

            author: Author

        author = Author(name="Ann", born=date(1970, 1, 2))
        assert said(Praise(author=author)) == [("user", 'Praise {"name": "Ann", "born": "1970-01-02"}')]

    def test_computed_fields_and_properties_are_variables(self):
        class Mixin:
            @property
            def mixed(self):
                return "m"

        class Shout(Prompt, Mixin):
            """{loud} {quiet} {twice} {mixed}"""

            word: str

            @computed_field
            @property
            def loud(self) -> str:
                return self.word.upper()

            @property
            def quiet(self) -> str:
                return self.word.lower()

            @cached_property
            def twice(self) -> str:
                return self.word * 2

        assert said(Shout(word="Hi")) == [("user", "HI hi HiHi m")]

    def test_a_property_that_is_not_named_is_not_read(self):
        class Shy(Prompt):
            """Hi"""

            @property
            def secret(self):
                raise AssertionError

        assert said(Shy()) == [("user", "Hi")]

    def test_other_braces_are_text(self):
        class Braces(Prompt):
            """Fill {"a": {word}} and {other} and {model_fields_set}"""

            word: str

        assert said(Braces(word="x")) == [("user", 'Fill {"a": x} and {other} and {model_fields_set}')]

    def test_a_value_is_never_a_template(self):
        class Echo(Prompt):
            """Say {{ word }}"""

            word: str

        assert said(Echo(word="{{ 7*7 }}")) == [("user", "Say {{ 7*7 }}")]

    def test_a_system_text_is_filled_too(self):
        class Cook(Prompt):
            """Cook {dish}"""

            system = "You cook in {place}"
            dish: str
            place: str = "Rome"

        assert said(Cook(dish="pasta")) == [("system", "You cook in Rome"), ("user", "Cook pasta")]

    def test_messages_can_be_written_by_the_class(self):
        class Talk(Prompt):
            topic: str

            def messages(self):
                return [{"role": "system", "content": "Be brief"}, Message(f"Tell me of {self.topic}")]

        assert said(Talk(topic="cats")) == [("system", "Be brief"), ("user", "Tell me of cats")]


class TestOutputType:
    def test_the_model_is_told_the_type(self):
        class Count(Prompt):
            """Count {things}"""

            things: str
            output_type = int

        assert said(Count(things="cats")) == [
            ("system", "respond only with the value of type int:"),
            ("user", "Count cats"),
        ]

    def test_the_type_is_told_after_the_system_text(self):
        class Count(Prompt):
            """Count {things}"""

            system = "You count"
            things: str
            output_type = int

        assert said(Count(things="cats"))[0] == ("system", "You count\nrespond only with the value of type int:")

    def test_the_value_is_read(self, server, llm):
        class Names(llm.Prompt):
            """Name some {things}"""

            things: str
            output_type = list[str]

        server.enqueue(text_reply('{"declarai_result": ["Tom", "Kit"]}'))
        assert Names(things="cats").call().parsed == ["Tom", "Kit"]
        assert sent(server)["response_format"]["type"] == "json_schema"

    def test_the_value_grows_in_a_stream(self, server, llm):
        class Write(llm.Prompt):
            """Write of {author}"""

            author: str
            output_type = Author

        server.enqueue(stream_reply(['{"name": "An', 'n", "born": "19', '70-01-02"}']))
        steps = [step.parsed for step in Write(author="Ann").stream()]
        assert steps[-1] == Author(name="Ann", born=date(1970, 1, 2))
        assert "An" in [getattr(step, "name", None) for step in steps]

    def test_an_answer_of_another_type_is_an_error(self, server, llm):
        class Count(llm.Prompt):
            """Count"""

            output_type = int

        server.enqueue(text_reply("many"))
        with pytest.raises(OutputError):
            Count().call()


class TestCalls:
    @pytest.fixture
    def recipe(self, llm):
        class Recipe(llm.Prompt):
            """Use {ingredient}"""

            ingredient: str
            call_params = CallParams(model="big", temperature=0.5)

        return Recipe(ingredient="apples")

    def test_a_call_gives_the_response(self, server, recipe):
        server.enqueue(text_reply("Pie"))
        response = recipe.call()
        assert isinstance(response, LLMResponse)
        assert response.response == "Pie"

    def test_the_request_has_the_parameters_over_those_of_the_llm(self, server, recipe):
        server.enqueue(text_reply("Pie"))
        recipe.call(temperature=0.1, stop=["x"])
        assert sent(server) == {
            "model": "big",
            "messages": [{"role": "user", "content": "Use apples"}],
            "seed": 7,
            "temperature": 0.1,
            "stop": ["x"],
        }

    def test_tools_are_sent(self, server, recipe):
        tool = {"type": "function", "function": {"name": "look"}}
        server.enqueue(text_reply("Pie"))
        recipe.call(tools=[tool])
        assert sent(server)["tools"] == [tool]

    def test_the_request_can_be_looked_at(self, recipe):
        request = recipe.request(n=2)
        assert (request.model, request.task, request.stream) == ("big", "Recipe", False)
        assert request.params == {"seed": 7, "temperature": 0.5, "n": 2}
        assert request.messages == (Message("Use apples"),)

    def test_a_stream_is_a_generator_of_responses(self, server, recipe):
        server.enqueue(stream_reply(["Pi", "e"]))
        stream = recipe.stream()
        assert isinstance(stream, Generator)
        assert not server.requests
        assert [(step.response, step.content) for step in stream] == [("", ""), ("Pi", "Pi"), ("Pie", "e"), ("Pie", "")]

    def test_acall_gives_the_response(self, server, recipe):
        server.enqueue(text_reply("Pie"))
        assert asyncio.run(recipe.acall(top_p=1)).response == "Pie"

    @pytest.mark.parametrize("name", ["astream", "async_stream", "stream_async"])
    def test_an_async_stream_is_an_async_generator_of_responses(self, server, recipe, name):
        async def read():
            stream = getattr(recipe, name)(temperature=1)
            assert isinstance(stream, AsyncGenerator)
            return [step.response async for step in stream]

        server.enqueue(stream_reply(["Pi", "e"]))
        assert asyncio.run(read()) == ["", "Pi", "Pie", "Pie"]

    def test_events_are_a_stream(self, server, recipe):
        server.enqueue(stream_reply(["Pi", "e"]), repeat=2)
        stream = recipe.events()
        assert isinstance(stream, Stream)
        for _ in range(2):  # entering again sends again
            with stream:
                assert [event.delta for event in stream if event.type == "content.delta"] == ["Pi", "e"]

    def test_aevents_are_an_async_stream(self, server, recipe):
        async def read():
            async with recipe.aevents(temperature=1) as stream:
                assert isinstance(stream, AsyncStream)
                return [piece async for piece in stream.text()]

        server.enqueue(stream_reply(["Pi", "e"]))
        assert asyncio.run(read()) == ["Pi", "e"]

    def test_a_class_without_a_model_says_how_to_bind_one(self):
        class Recipe(Prompt):
            """Cook"""

        with pytest.raises(DefinitionError, match=r"Recipe \(test_prompts.py:\d+\): .* `class Recipe\(llm.Prompt\)`"):
            Recipe().call()

    def test_a_class_without_words_is_refused(self, llm):
        class Empty(llm.Prompt):
            pass

        with pytest.raises(DefinitionError, match=r"Empty .*nothing to ask"):
            Empty().call()

    def test_an_empty_prompt_is_refused(self):
        class Echo(Prompt):
            prompt_template = "{word}"
            word: str

        with pytest.raises(DeclaraiError, match="empty prompt"):
            Echo(word=" ").compile()

    def test_no_messages_are_refused(self):
        class Silent(Prompt):
            def messages(self):
                return []

        with pytest.raises(DeclaraiError, match="gave no message"):
            Silent().compile()


class TestBinding:
    def test_a_model_has_one_base(self, llm):
        assert llm.Prompt is llm.Prompt
        assert llm.Prompt.llm is llm

    def test_each_model_has_its_own_base(self, server, llm):
        other = declarai.openai(model="o", openai_token="test", base_url=server.base_url)
        assert other.Prompt is not llm.Prompt

    def test_a_base_keeps_its_model_and_goes_with_it(self, server):
        from declarai_like.prompts import _bases

        base = declarai.openai(model="o", openai_token="test", base_url=server.base_url).Prompt
        gc.collect()
        assert base.llm.Prompt is base
        before = len(_bases)
        del base
        gc.collect()
        assert len(_bases) < before

    def test_the_class_statement_takes_a_model(self, server, llm):
        class Recipe(Prompt, llm=llm, frozen=True):
            """Cook"""

        server.enqueue(text_reply("Pie"))
        assert Recipe().call().response == "Pie"
        assert Recipe.model_config["frozen"] is True

    def test_the_class_body_takes_a_model(self, server, llm):
        own = llm

        class Recipe(Prompt):
            """Cook"""

            llm = own

        server.enqueue(text_reply("Pie"))
        assert Recipe().call().response == "Pie"


class TestDefinition:
    def test_an_unknown_jinja_variable_is_refused(self):
        with pytest.raises(DefinitionError, match=r"Recipe \(test_prompts.py:\d+\): .*'other'.*only: ingredient"):

            class Recipe(Prompt):
                """{{ other }}"""

                ingredient: str

    def test_an_unknown_variable_of_the_system_text_is_refused(self):
        with pytest.raises(DefinitionError, match="'other'"):

            class Recipe(Prompt):
                system = "{{ other }}"

    def test_the_place_is_the_class_statement(self):
        line = TestDefinition.test_the_place_is_the_class_statement.__code__.co_firstlineno + 3

        class Recipe(Prompt):
            """Cook"""

        with pytest.raises(DefinitionError) as caught:
            Recipe().call()
        assert caught.value.message.startswith(f"Recipe (test_prompts.py:{line})")

    def test_a_class_that_is_built_elsewhere_is_placed_somewhere(self):
        made = type(Prompt)("Made", (Prompt,), {"__module__": "nowhere", "__doc__": "Cook"})
        with pytest.raises(DefinitionError, match=r"^Made \(.+:\d+\): "):
            made().call()

    def test_an_output_type_without_a_schema_is_refused(self):
        with pytest.raises(DefinitionError, match=r"Odd \(test_prompts.py:\d+\): the return type object"):

            class Odd(Prompt):
                output_type = type("object", (), {})

    @pytest.mark.parametrize(("name", "value"), [("prompt_template", 1), ("system", None), ("call_params", [1])])
    def test_a_class_attribute_of_another_type_is_refused(self, name, value):
        with pytest.raises(DefinitionError, match=f"expected {name} to be a"):
            type(Prompt)("Odd", (Prompt,), {name: value, "__module__": __name__})

    @pytest.mark.filterwarnings("ignore:Field name:UserWarning")
    def test_an_annotated_class_attribute_is_refused(self):
        with pytest.raises(DefinitionError, match="'prompt_template' cannot be a field"):

            class Odd(Prompt):
                prompt_template: str = "Cook"


class TestPydantic:
    def test_fields_are_validated(self):
        class Recipe(Prompt):
            """Use {count} {ingredient}"""

            ingredient: str = Field(alias="what")
            count: int = 1

            @field_validator("count")
            @classmethod
            def positive(cls, value):
                assert value > 0
                return value

        assert said(Recipe(what="apples", count="2")) == [("user", "Use 2 apples")]
        with pytest.raises(ValidationError):
            Recipe(what="apples", count=0)

    def test_private_attributes_and_config_are_pydantics(self):
        class Recipe(Prompt):
            """Use {ingredient}{rest}"""

            model_config = ConfigDict(extra="allow", frozen=True)
            ingredient: str
            _seen: int = PrivateAttr(default=3)

            @property
            def rest(self):
                return self._seen

        recipe = Recipe(ingredient="a", more="b")
        assert said(recipe) == [("user", "Use a3")]
        assert recipe.model_dump() == {"ingredient": "a", "more": "b"}
        with pytest.raises(ValidationError):
            recipe.ingredient = "c"

    def test_a_subclass_inherits_the_words_and_adds_fields(self):
        class Base(Prompt):
            """Use {ingredient}"""

            ingredient: str
            call_params = CallParams(temperature=0.5)

        class Sub(Base):
            system = "{style}"
            style: str = "dry"

        assert said(Sub(ingredient="a")) == [("system", "dry"), ("user", "Use a")]
        assert Sub.call_params == {"temperature": 0.5}

    def test_a_subclass_changes_the_words(self):
        class Base(Prompt):
            """Use {ingredient}"""

            ingredient: str

        class Sub(Base):
            """Cook {ingredient}"""

        assert said(Sub(ingredient="a")) == [("user", "Cook a")]

    def test_a_generic_prompt_can_be_parametrised(self):
        class Box(Prompt, Generic[T]):
            """Describe {content}"""

            content: T

        assert said(Box[int](content="3")) == [("user", "Describe 3")]

    def test_a_field_may_refer_to_what_comes_later(self):
        class Later(Prompt):
            """Describe {next}"""

            next: "Later | None" = None

        Later.model_rebuild(_types_namespace={"Later": Later})
        assert said(Later(next=Later())) == [("user", 'Describe {"next": null}')]

    def test_a_prompt_can_be_pickled_and_compared(self):
        prompt = Kept(word="cucumber")
        assert pickle.loads(pickle.dumps(prompt)) == prompt  # noqa: S301 - our own bytes
        assert prompt.model_copy(update={"word": "plum"}).compile() == {"messages": [Message("Pickle plum.")]}

    def test_the_schema_describes_the_fields_only(self):
        assert Kept.model_json_schema()["properties"].keys() == {"word"}


def test_field_named_like_a_function_of_jinja_is_the_field():
    class Walk(Prompt):
        """Walk {{ range }} miles"""

        range: str

    assert Walk(range="ten").compile()["messages"][-1].message == "Walk ten miles"

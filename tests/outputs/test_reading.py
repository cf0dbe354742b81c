"""What models really answer: the right value and what was repaired, or one typed error."""
# ruff: noqa: UP007, UP045 - the older spellings are what users write

import inspect
import math
import pickle
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from typing_extensions import TypedDict

from declarai_like._outputs.output import Output
from declarai_like.errors import DefinitionError, OutputError, OutputTruncated


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    name: str
    qty: int = 1


class Basket(BaseModel):
    owner: str
    items: list[Item]


class Options(BaseModel):
    verbose: bool = False
    level: int = 0


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    level: int = 0


class Broken(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def refuse(cls, name):
        return {}[name]


@dataclass
class Point:
    x: int
    y: int


class Mark(NamedTuple):
    points: int
    remark: str


FENCE = "```"
TWICE = '{"a": 1, "a": 2}'
DEEP = 100_000

# The type, the text, the value, and the names of the repairs.
READ = [
    (int, "4", 4, ()),
    (int, " 4\n", 4, ()),
    (int, "-12", -12, ()),
    (int, "4.", 4, ("bare_scalar",)),
    (int, "5.0", 5, ("bare_scalar",)),
    (int, '"4"', 4, ("bare_scalar",)),
    (int, "The score is 4", 4, ("bare_scalar",)),
    (int, "The score is 4.", 4, ("bare_scalar",)),
    (int, "**4**", 4, ("bare_scalar",)),
    (int, "\ufeff4", 4, ("bom", "bare_scalar")),
    (int, '{"declarai_result": 4}', 4, ()),
    (int, '{"declarai_result": "4"}', 4, ()),
    (int, '{"declarai_result": 5.0}', 5, ()),
    (int, '{"score": 4}', 4, ("wrong_key",)),
    (int, f'{FENCE}json\n{{"declarai_result": 4}}\n{FENCE}', 4, ("fence",)),
    (int, f"{FENCE}\n4\n{FENCE}", 4, ("fence", "bare_scalar")),
    (int, 'It is {"declarai_result": 4}, I think', 4, ("prose",)),
    (float, "4", 4.0, ()),
    (float, "-1.5e3", -1500.0, ()),
    (float, "about 0.25 of it", 0.25, ("bare_scalar",)),
    (float, "1e999", math.inf, ()),
    (float, "50%", 50.0, ("bare_scalar", "percent")),
    (bool, " True\n", True, ("bare_scalar",)),
    (bool, "true", True, ()),
    (bool, "That is FALSE.", False, ("bare_scalar",)),
    (bool, '{"declarai_result": false}', False, ()),
    (None, "null", None, ("missing_wrapper",)),
    (None, "None", None, ("bare_scalar",)),
    (list[str], '{"declarai_result": ["red"]}', ["red"], ()),
    (list[str], '["red"]', ["red"], ("missing_wrapper",)),
    (list[str], f'{FENCE}json\n["red"]\n{FENCE}', ["red"], ("fence", "missing_wrapper")),
    (list[str], f'Here:\n{FENCE}\n["red"]\n{FENCE}\nEnjoy!', ["red"], ("fence", "missing_wrapper")),
    (list[str], f'{FENCE}json\n["red"]', ["red"], ("fence", "missing_wrapper")),
    (list[str], f'{FENCE}json\n["{FENCE}x"]\n{FENCE}', [f"{FENCE}x"], ("fence", "missing_wrapper")),
    (list[str], 'Sure! ["red", "blue"] it is', ["red", "blue"], ("prose", "missing_wrapper")),
    (list[str], '{"colours": ["red"]}', ["red"], ("wrong_key",)),
    (list[str], '"declarai_result": ["red"]', ["red"], ("missing_braces",)),
    (list[str], '{"declarai_result": ["red",],}', ["red"], ("trailing_commas",)),
    (list[str], '["a,]", "b" , ]', ["a,]", "b"], ("trailing_commas", "missing_wrapper")),
    (list[str], 'Sure: {"declarai_result": ["red",]}', ["red"], ("prose", "trailing_commas")),
    (list[str], '\ufeff{"declarai_result": ["red"]}', ["red"], ("bom",)),
    (list[str], '{"declarai_result": ["red"], "why": "it is"}', ["red"], ()),
    (list[str], '["\ud83d\ude00"]', ["😀"], ("surrogates", "missing_wrapper")),
    (list[str], '["x\ud83d"]', ["x\ufffd"], ("surrogates", "missing_wrapper")),
    (list[int], '["1", 2.0]', [1, 2], ("missing_wrapper",)),
    (list[int], "See [this]: [1, 2]", [1, 2], ("prose", "missing_wrapper")),
    (list[int], "[1, 2], that is [1, 2]", [1, 2], ("prose", "missing_wrapper")),
    (dict[str, int], '{"a": 1, "b": 2}', {"a": 1, "b": 2}, ("missing_wrapper",)),
    (dict[str, int], '{"ages": {"a": 1}}', {"a": 1}, ("wrong_key",)),
    (dict[str, int], TWICE, {"a": 2}, ("duplicate_keys", "missing_wrapper")),
    (dict[str, Any], "{}", {}, ("missing_wrapper",)),
    (tuple[int, str], '[1, "a"]', (1, "a"), ("missing_wrapper",)),
    (Mark, '{"points": 1, "remark": "ok"}', Mark(1, "ok"), ("missing_wrapper",)),
    (Item, '{"name": "a"}', Item(name="a"), ()),
    (Item, '{"declarai_result": {"name": "a"}}', Item(name="a"), ("extra_wrapper",)),
    (Item, '{"item": {"name": "a"}}', Item(name="a"), ("wrong_key",)),
    (Item, '"name": "a", "qty": 2', Item(name="a", qty=2), ("missing_braces",)),
    (Item, 'Here {you} go: {"name": "{", "qty": 2}.', Item(name="{", qty=2), ("prose",)),
    (Item, '{{"name": "a"}}', Item(name="a"), ("prose",)),
    (Item, '{"name": "first", "name": "last"}', Item(name="last"), ("duplicate_keys",)),
    (Item, '{"name": "a", "qty": "2"}', Item(name="a", qty=2), ()),
    (Options, "{}", Options(), ()),
    (Options, '{"level": 5}', Options(level=5), ()),
    (Options, '{"declarai_result": {"level": 5}}', Options(level=5), ("extra_wrapper",)),
    (Options, '{"options": {"level": 5}}', Options(level=5), ("wrong_key",)),
    (Loose, '{"more": {"level": 5}}', Loose(more={"level": 5}), ()),
    (Point, '{"x": 1, "y": 2, }', Point(1, 2), ("trailing_commas",)),
    (Literal["good", "bad"], "good", "good", ("bare_scalar",)),
    (Literal["good", "bad"], '"good"', "good", ("missing_wrapper",)),
    (Literal["good", "bad"], "`good`.", "good", ("bare_scalar",)),
    (Colour, "red", Colour.RED, ("bare_scalar",)),
    (date, "2024-02-29", date(2024, 2, 29), ("bare_scalar",)),
    (UUID, "00000000-0000-0000-0000-000000000007", UUID(int=7), ("bare_scalar",)),
    (Decimal, "0.1", Decimal("0.1"), ("missing_wrapper",)),
    (Decimal, '{"sum": "0.12345678901234567890"}', Decimal("0.12345678901234567890"), ("wrong_key",)),
    (Optional[str], "just some text", "just some text", ("bare_scalar",)),
    (Optional[str], "null", None, ("missing_wrapper",)),
    (Optional[str], "None", None, ("bare_scalar",)),
    (Optional[str], "See [1] about that", "See [1] about that", ("bare_scalar",)),
    (Optional[int], "4.", 4, ("bare_scalar",)),
    (Union[str, int], "4", 4, ("missing_wrapper",)),
    (Union[str, int], '{"declarai_result": "4"}', "4", ()),
    (Union[date, Colour, bool], '{"declarai_result": "blue"}', Colour.BLUE, ()),
    (str, '{"declarai_result": "as it is"}', '{"declarai_result": "as it is"}', ()),
    (inspect.Parameter.empty, "  any text\n", "  any text\n", ()),
]

# The type, the text, and a part of the message.
REFUSED = [
    (int, "", "not a JSON value of type int"),
    (int, "none of them", "0 numbers in the text"),
    (int, "3 or 4", "2 numbers in the text"),
    (int, "3-4", "a number that is part of something else"),
    (int, "4.5", "a number with a fractional part"),
    (int, '{"declarai_result": 4.5}', "a number with a fractional part"),
    (int, "true", "expected a number, got true"),
    (int, "[4]", "Input should be a valid integer"),
    (int, '{"declarai_result": 4', "it ends before the value does"),
    (int, '{"declarai_result": null}', "declarai_result: Input should be a valid integer"),
    (int, "9" * 5000, "number out of range"),
    (int, "1e999", "a finite number"),
    (float, '{"declarai_result": ' + "9" * 400 + "}", "too large"),
    (float, "nothing", "0 numbers in the text"),
    (float, "true", "expected a number, got true"),
    (bool, "true or false", "2 truth values in the text"),
    (bool, "1", "the number 1, not a bool"),
    (None, "something", "Input should be null"),
    (list[str], "", "EOF while parsing"),
    (list[str], "   ", "EOF while parsing"),
    (list[str], "red, blue", "Input should be a valid array"),
    (list[str], '["red", "blue"', "it ends before the value does"),
    (list[str], '{"declarai_result": ["red"', "it ends before the value does"),
    (list[str], '"declarai_result": ["red"', "it ends before the value does"),
    (list[str], f'{FENCE}json\n["red", "bl', "it ends before the value does"),
    (list[str], '{"declarai_result": ["red"]', "it ends before the value does"),
    (list[str], '["a"] and ["b"]', "it holds 2 different values"),
    (list[str], '["red" "blue"]', "line 1, column 6: expected a comma or ] after a text, got"),
    (list[str], '["red"}', "it ends before the value does"),
    (list[str], '{"a": ["red"], "b": ["blue"]}', "Input should be a valid array"),
    (list[int], '["a"]', "[0]: Input should be a valid integer"),
    (list[int], "[NaN]", "[0]: Input should be a finite number"),
    (list[int], f"[{'9' * 5000}]", "number out of range"),
    (list[int], "[" * DEEP, "no more than 200 brackets in one another"),
    (list[int], "[" * DEEP + "]" * DEEP, "no more than 200 brackets in one another"),
    (list[int], '{"a":' * DEEP, "no more than 200 brackets in one another"),
    (list[int], str(list("abcdefghijkl")).replace("'", '"'), "and 2 more"),
    (Optional[str], " ", "EOF while parsing"),
    (Item, "{}", "name: Field required"),
    (Item, '{"name": 1, "qty": "many"}', "qty: Input should be a valid integer"),
    (Item, '{"name": "a", "qty": 2', "it ends before the value does"),
    (Item, '[{"name": "a"}, {"name": "b"}]', "Input should be an object"),
    (Options, '{"options": {"other": 5}}', "none of its keys is known: 'options'"),
    (Optional[str], 'Not {"a": "b"} but c', "Input should be a valid string"),
    (Item, "name: a", "Invalid JSON"),
    (Item, "4", "Input should be an object"),
    (Item, "{x} " * 50, "Invalid JSON"),
    (Basket, '{"owner": "me", "items": [{"name": "a"}, {"qty": 1}]}', "items[1].name: Field required"),
    (Broken, '{"name": "a"}', "KeyError: 'a'"),
    (Options, '{"level": "high"}', "level: Input should be a valid integer"),
    (Literal["good", "bad"], "fine", "Input should be 'good' or 'bad'"),
    (Colour, '{"declarai_result": "green"}', "Input should be 'red' or 'blue'"),
    (date, "tomorrow", "Input should be a valid date"),
    (tuple[int, str], "[1]", "Field required"),
    (Annotated[int, Field(ge=0, le=10)], '{"declarai_result": 11}', "less than or equal to 10"),
]


@pytest.mark.parametrize(("annotation", "text", "value", "repairs"), READ)
def test_reply_is_read_and_its_repairs_are_named(annotation, text, value, repairs):
    parsed = Output.of(annotation).parse(text)

    assert (parsed.value, type(parsed.value), parsed.repairs) == (value, type(value), repairs)


@pytest.mark.parametrize(("annotation", "text", "reason"), REFUSED)
def test_reply_of_another_type_is_one_error_with_the_text_and_the_reason(annotation, text, reason):
    output = Output.of(annotation)

    with pytest.raises(OutputError) as caught:
        output.parse(text)

    assert type(caught.value) is OutputError
    assert repr(text[:400])[:-1] in str(caught.value)
    assert f"expected {output.type_name}, got" in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", '{"declarai_result": NaN}'])
def test_nan_is_read_where_a_float_is_declared(text):
    assert math.isnan(Output.of(float).parse(text).value)


def test_infinity_is_read_where_a_float_is_declared():
    assert Output.of(float).parse("-Infinity").value == -math.inf


def test_error_shows_the_length_of_a_text_too_long_to_show():
    with pytest.raises(OutputError, match=r"\.\.\. \(5000 characters\)"):
        Output.of(Item).parse("x" * 5000)


def test_error_is_caused_by_the_validation_error_of_the_likeliest_reading():
    with pytest.raises(OutputError) as caught:
        Output.of(list[int]).parse('{"declarai_result": ["a"]}')

    assert isinstance(caught.value.cause, ValidationError)
    assert "declarai_result[0]: " in str(caught.value)


def test_text_full_of_brackets_is_refused_in_time():
    text = "{{x} {y}}" * 2_000 + "[" * 150 + "]" * 150

    with pytest.raises(OutputError):
        Output.of(Item).parse(text)


@pytest.mark.parametrize("pieces", [1, 1000], ids=["whole", "by character"])
def test_one_text_may_hold_a_lone_quote_and_two_may_not(pieces):
    said = {name: f'{{"a": "a 6" nail", "b": "{name}"}}' for name in ("a nail", 'an 8" nail')}
    output = Output.of(dict[str, str])
    for text in said.values():
        partials = output.partials()
        size = -(-len(text) // pieces)
        for start in range(0, len(text), size):
            partials.feed(text[start : start + size])
        assert partials.value["a"] == 'a 6" nail'

    parsed = output.parse(said["a nail"])
    assert (parsed.value, parsed.repairs[0]) == ({"a": 'a 6" nail', "b": "a nail"}, "unescaped_quotes")
    with pytest.raises(OutputError, match=r"line 1, column 36: expected each quote within the text before it escaped"):
        output.parse(said['an 8" nail'])


def test_cut_reply_is_truncated_and_holds_what_arrived():
    with pytest.raises(OutputTruncated) as caught:
        Output.of(Basket).parse('{"owner": "me", "items": [{"name": "app', finish_reason="length")

    assert (caught.value.partial.owner, caught.value.partial.items[0].name) == ("me", "app")
    assert '\'{"owner": "me"' in str(caught.value)
    assert "Basket" in str(caught.value)


def test_reply_cut_at_the_limit_is_truncated_even_if_it_parses():
    with pytest.raises(OutputTruncated) as caught:
        Output.of(int).parse("4", finish_reason="length")

    assert caught.value.partial is None


def test_cut_text_is_a_text():
    assert Output.of(str).parse("Once upon", finish_reason="length").value == "Once upon"


@pytest.mark.parametrize("finish_reason", ["stop", None, "tool_calls"])
def test_half_open_reply_that_was_not_cut_is_an_output_error(finish_reason):
    with pytest.raises(OutputError) as caught:
        Output.of(Item).parse('{"name": "a"', finish_reason=finish_reason)

    assert type(caught.value) is OutputError


def test_type_without_schema_is_refused_at_its_definition_with_the_place():
    with pytest.raises(DefinitionError, match=r"rank \(app.py:12\): the return type list\[Thing\] has no JSON"):
        Output.of(list[type("Thing", (), {})], where="rank (app.py:12)")


def test_type_with_validation_but_no_schema_is_refused_too():
    with pytest.raises(DefinitionError, match="the return type Callable"):
        Output.of(__import__("typing").Callable)


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (inspect.Parameter.empty, "str"),
        (None, "None"),
        (int, "int"),
        (list, "list"),
        (list[str], "list[str]"),
        (dict[int, list[Item]], "dict[int, list[Item]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Optional[Item], "Item | None"),
        (Union[str, int], "str | int"),
        (int | None, "int | None"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Annotated[int, Field(ge=0)], "int"),
        (Any, "Any"),
        (Colour, "Colour"),
    ],
)
def test_type_is_named_as_one_would_write_it(annotation, name):
    assert Output.of(annotation).type_name == name


def test_description_of_a_wrapped_type_stands_at_its_key():
    output = Output.of(list[str], key="colours", description="the colours of the flag")

    assert output.schema["properties"]["colours"]["description"] == "the colours of the flag"
    assert output.parse('{"colours": ["red"]}').value == ["red"]


def test_description_of_an_object_stands_above_its_own():
    class Pet(BaseModel):
        """An animal."""

        age: int = Field(description="in whole years", ge=0)

    schema = Output.of(Pet, description="the pet").schema

    assert schema["description"] == "the pet\n\nAn animal."
    assert schema["properties"]["age"] == {"description": "in whole years", "minimum": 0, "type": "integer"}


def test_allowed_values_and_formats_are_in_the_schema():
    assert Output.of(Colour).schema["properties"]["declarai_result"]["enum"] == ["red", "blue"]
    assert Output.of(Literal["a", "b"]).schema["properties"]["declarai_result"]["enum"] == ["a", "b"]
    assert Output.of(date).schema["properties"]["declarai_result"]["format"] == "date"
    assert Output.of(dict[int, str]).schema["properties"]["declarai_result"]["propertyNames"] == {
        "pattern": "^-?[0-9]+$"
    }


def test_every_member_of_a_union_is_in_the_schema():
    options = Output.of(Union[date, Colour, int, None]).schema["properties"]["declarai_result"]["anyOf"]

    assert [option.get("type", option.get("$ref")) for option in options] == [
        "string",
        "#/$defs/Colour",
        "integer",
        "null",
    ]


def test_names_of_a_tuple_are_in_the_schema_and_in_the_strict_description():
    output = Output.of(Mark)
    key = output.strict_schema["properties"]["declarai_result"]

    assert [part["title"] for part in output.schema["properties"]["declarai_result"]["prefixItems"]] == [
        "Points",
        "Remark",
    ]
    assert '"title": "Remark"' in key["description"]


def test_strict_schema_tells_in_words_what_strict_mode_does_not_know():
    class Sized(BaseModel):
        when: date = Field(description="the day")
        size: int = Field(3, ge=1)

    fields = Output.of(Sized).strict_schema["properties"]

    assert fields["when"] == {"type": "string", "description": 'the day (format: "date")'}
    assert fields["size"] == {"type": "integer", "description": "(default: 3; minimum: 1)"}


def test_strict_schema_keeps_a_reference_alone():
    class Shelf(BaseModel):
        top: Item = Field(description="the best")

    assert Output.of(Shelf).strict_schema["properties"]["top"] == {
        "anyOf": [{"$ref": "#/$defs/Item"}],
        "description": "the best",
    }


@pytest.mark.parametrize(
    "extra",
    [{"allOf": [{}]}, {"not": {"type": "null"}}, {"type": "array"}, {"const": [1]}, {"enum": [{"a": 1}]}],
)
def test_schema_that_strict_mode_cannot_express_is_not_strict(extra):
    class Odd(BaseModel):
        part: Any = Field(json_schema_extra=extra)

    assert Output.of(Odd).strict_schema is None


def test_field_called_properties_is_a_field():
    class Land(BaseModel):
        properties: list[str]
        title: str

    assert Output.of(Land).schema["properties"] == {
        "properties": {"items": {"type": "string"}, "type": "array"},
        "title": {"type": "string"},
    }


def test_response_format_is_the_strict_schema_where_there_is_one():
    output = Output.of(list[Item], key="the items")

    assert output.response_format("json_schema") == {
        "type": "json_schema",
        "json_schema": {"name": "the_items", "strict": True, "schema": output.strict_schema},
    }


def test_response_format_is_the_plain_schema_where_strict_mode_fails():
    output = Output.of(dict[str, int])

    assert output.response_format("json_schema") == {
        "type": "json_schema",
        "json_schema": {"name": "declarai_result", "strict": False, "schema": output.schema},
    }


def test_response_format_of_a_class_bears_its_name():
    class Named(TypedDict):
        name: str

    assert Output.of(Named).response_format("json_schema")["json_schema"]["name"] == "Named"


def test_response_format_without_a_schema():
    assert Output.of(Item).response_format("json_object") == {"type": "json_object"}
    assert Output.of(Item).response_format("prompt") is None
    assert Output.of(str).response_format("json_schema") is None


def test_examples_of_scalars_and_texts_are_bare():
    assert [Output.of(int).encode(5), Output.of(bool).encode(True), Output.of(str).encode("a b")] == [
        "5",
        "true",
        "a b",
    ]


def test_text_and_scalars_are_told_apart():
    kinds = [(Output.of(annotation).is_text, Output.of(annotation).is_scalar) for annotation in (str, int, list)]

    assert kinds == [(True, False), (False, True), (False, False)]


def test_output_is_pickled_by_its_annotation():
    output = Output.of(list[Item], key="k", description="d", where="w")
    output.parse("[]")

    copy = pickle.loads(pickle.dumps(output))  # noqa: S301 - our own bytes

    assert (copy.annotation, copy.key, copy.description, repr(copy)) == (
        list[Item],
        "k",
        "d",
        "Output(list[Item], key='k')",
    )


def test_numbers_and_texts_are_declared_and_read_without_pydantic():
    script = """
import sys
from declarai_like._outputs.output import Output
assert [Output.of(kind).parse("1").value for kind in (int, float, str)] == [1, 1.0, "1"]
assert not {"pydantic", "pydantic_core", "jiter"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - our own script


@pytest.mark.parametrize("kind", ["required", "optional"])
def test_validator_that_raises_a_type_error_refuses_the_answer(kind):
    class Picky(BaseModel):
        name: str = ... if kind == "required" else ""

        @field_validator("name")
        @classmethod
        def refuse(cls, name):
            raise TypeError("not this one")

    with pytest.raises(OutputError, match="not this one"):
        Output.of(Picky).parse('{"name": "a"}')

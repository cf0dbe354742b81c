"""Every kind of return type, there and back, with its schemas."""
# ruff: noqa: UP006, UP007, UP035, UP045, PYI061, DTZ001 - the older spellings are part of the table

import json
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, List, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, RootModel
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import NotRequired, TypedDict

from declarai_like._outputs.output import Output

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Item(BaseModel):
    name: str
    qty: int
    price: float


class Dish(BaseModel):
    """Something to eat."""

    title: str = Field(description="as on the menu")
    minutes: int = Field(description="time to table", ge=1, le=600)
    spicy: bool = False
    tags: list[str] = Field(default_factory=list, max_length=3)
    origin: Optional[str] = None


class Menu(BaseModel):
    dishes: list[Dish] = Field(description="in order")
    best: Dish = Field(description="the cook's own")
    by_name: Optional[Item] = None


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []
    parent: Optional["Tree"] = None


class Page(BaseModel, Generic[T]):
    rows: list[T]
    next: Optional[int] = None


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    kind: Literal["a"] = Field(alias="type")
    count: int = Field(alias="n")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Shut(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str


class Empty(BaseModel):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Names(RootModel[list[str]]):
    pass


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    start: Point
    end: Point


@pydantic_dataclass
class Checked:
    size: Annotated[int, Field(gt=0)]


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = "r"


TREE = Tree(value=1, children=[Tree(value=2, parent=Tree(value=3))])
DISH = Dish(title="Soup", minutes=20, tags=["hot"])

# The type, a value of it, and whether strict mode can express it.
TYPES = [
    (int, 4, True),
    (float, 4.5, True),
    (bool, True, True),
    (None, None, True),
    (datetime, datetime(2024, 2, 29, 12, 30), True),
    (date, date(2024, 2, 29), True),
    (time, time(12, 30), True),
    (timedelta, timedelta(hours=25, seconds=1), True),
    (Decimal, Decimal("10.10"), True),
    (UUID, UUID(int=7), True),
    (bytes, b"raw", True),
    (PurePosixPath, PurePosixPath("/tmp/x"), True),  # noqa: S108 - only a value
    (IPv4Address, IPv4Address("127.0.0.1"), True),
    (UserId, UserId(7), True),
    (Any, {"free": [1, None, "x"]}, False),
    (list, [1, "two", None], False),
    (dict, {"a": [1]}, False),
    (tuple, (1, "a"), False),
    (list[str], ["red", "blue"], True),
    (List[int], [1, 2], True),
    (list[list[int]], [[1], []], True),
    (list[Item], [Item(name="a", qty=1, price=1.5)], True),
    (list[Any], [1, {"a": 2}], False),
    (tuple[int, ...], (1, 2, 3), True),
    (tuple[int, str], (1, "a"), True),
    (tuple[int, int], (1, 2), True),
    (tuple[()], (), False),
    (tuple[str, Item], ("a", Item(name="b", qty=1, price=2.0)), True),
    (set[str], {"one"}, True),
    (frozenset[int], frozenset({1}), True),
    (deque[int], deque([1, 2]), True),
    (Sequence[int], [1, 2], True),
    (dict[str, str], {"a": "b"}, False),
    (dict[str, int], {"a": 1}, False),
    (dict[str, Any], {"a": {"b": [1.5]}}, False),
    (dict[int, list[Dish]], {7: [DISH]}, False),
    (dict[Colour, int], {Colour.RED: 1}, False),
    (Mapping[str, int], {"a": 1}, False),
    (OrderedDict[str, int], OrderedDict(a=1), False),
    (Optional[int], 4, True),
    (Optional[int], None, True),
    (Optional[str], "text", True),
    (Optional[Item], Item(name="a", qty=1, price=1.0), True),
    (int | None, None, True),
    (Union[str, int], 4, True),
    (Union[str, int], "4", True),
    (Union[int, float, bool, str], True, True),
    (Union[date, Colour, int, None], Colour.BLUE, True),
    (Union[Item, Movie], Item(name="a", qty=1, price=1.0), True),
    (Union[list[int], dict[str, int]], [1], False),
    (Annotated[Union[Cat, Dog], Discriminator("kind")], Dog(kind="dog", tricks=["sit"]), True),
    (list[Annotated[Union[Cat, Dog], Discriminator("kind")]], [Cat(kind="cat", lives=9)], True),
    (Literal["good", "bad"], "good", True),
    (Literal[1, 2], 2, True),
    (Literal[1, "a", None, True], "a", True),
    (Literal["only"], "only", True),
    (Colour, Colour.RED, True),
    (Level, Level.HIGH, True),
    (list[Colour], [Colour.RED, Colour.BLUE], True),
    (Annotated[int, Field(ge=0, le=10, description="a mark")], 7, True),
    (Annotated[str, Field(min_length=2, pattern="^[a-z]+$")], "abc", True),
    (Annotated[list[int], Field(min_length=1)], [1], True),
    (Annotated[int, AfterValidator(abs)], 5, True),
    (Item, Item(name="a", qty=1, price=1.0), True),
    (Dish, DISH, True),
    (Menu, Menu(dishes=[DISH], best=DISH), True),
    (Tree, TREE, True),
    (list[Tree], [TREE], True),
    (Page[Item], Page[Item](rows=[Item(name="a", qty=1, price=1.0)], next=2), True),
    (Page[int], Page[int](rows=[1]), True),
    (Aliased, Aliased(type="a", n=3), True),
    (Open, Open(name="a", more=1), False),
    (Shut, Shut(name="a"), True),
    (Empty, Empty(), True),
    (Names, Names(["a", "b"]), True),
    (RootModel[Item], RootModel[Item](Item(name="a", qty=1, price=1.0)), True),
    (Point, Point(x=1, tags=["a"]), True),
    (Line, Line(Point(1), Point(2, 3)), True),
    (list[Point], [Point(1, 2)], True),
    (Checked, Checked(3), True),
    (Movie, {"title": "Alien", "year": 1979}, True),
    (list[Movie], [{"title": "Alien", "year": 1979}], True),
    (Pair, Pair(1, "a"), True),
    (list[Pair], [Pair(1, "a")], True),
]

NAMED = [pytest.param(*row, id=f"{Output.of(row[0]).type_name}-{i}") for i, row in enumerate(TYPES)]


def answer(output, value):
    """The response in the form that the schema describes: numbers and truths are wrapped there."""
    data = json.loads(output.encode(value))
    return {output.key: data} if output.is_scalar else data


def fed(partials, delta):
    partials.feed(delta)
    return partials.value


def objects(node):
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) and "properties" in node and "required" in node else []
    return own + [found for part in parts for found in objects(part)]


def keywords(node):
    """All keywords of a schema, without the names of fields and definitions."""
    named = {name: part for group in ("properties", "$defs") for name, part in node.get(group, {}).items()}
    listed = list(node.get("anyOf", ())) + ([node["items"]] if "items" in node else [])
    return set(node).union(*map(keywords, [*named.values(), *listed]))


@pytest.mark.parametrize(("annotation", "value", "strict"), NAMED)
def test_encoded_value_is_read_back_as_it_was(annotation, value, strict):
    output = Output.of(annotation)

    parsed = output.parse(output.encode(value))

    assert (parsed.value, type(parsed.value), repr(parsed.value)) == (value, type(value), repr(value))
    assert parsed.repairs == ()


@pytest.mark.parametrize(("annotation", "value", "strict"), NAMED)
def test_schema_is_valid_and_describes_the_encoded_value(annotation, value, strict):
    output = Output.of(annotation)

    Draft202012Validator.check_schema(output.schema)
    Draft202012Validator(output.schema).validate(answer(output, value))

    assert output.schema["type"] == "object"
    assert (list(output.schema["properties"]) == ["declarai_result"]) == output.wrapped


@pytest.mark.parametrize(("annotation", "value", "strict"), NAMED)
def test_strict_schema_exists_where_strict_mode_can_express_the_type(annotation, value, strict):
    assert (Output.of(annotation).strict_schema is not None) == strict


@pytest.mark.parametrize(("annotation", "value", "strict"), [row for row in NAMED if row.values[2]])
def test_strict_schema_closes_all_objects_and_has_only_known_keywords(annotation, value, strict):
    schema = Output.of(annotation).strict_schema

    Draft202012Validator.check_schema(schema)

    assert schema["type"] == "object"
    assert all(list(found["properties"]) == found["required"] for found in objects(schema))
    assert all(found["additionalProperties"] is False for found in objects(schema))
    assert keywords(schema) <= {
        *("$defs", "$ref", "additionalProperties", "anyOf", "description", "enum"),
        *("items", "properties", "required", "title", "type"),
    }


@pytest.mark.parametrize(("annotation", "value", "strict"), [row for row in NAMED if row.values[2]])
def test_encoded_value_fits_the_strict_schema(annotation, value, strict):
    output = Output.of(annotation)

    Draft202012Validator(output.strict_schema).validate(answer(output, value))


@pytest.mark.parametrize(("annotation", "value", "strict"), NAMED)
def test_last_partial_is_the_value(annotation, value, strict):
    output = Output.of(annotation)
    partials = output.partials()

    shown = [fed(partials, character) for character in json.dumps(answer(output, value))]

    assert shown[-1] == value
    assert repr(shown[-1]) == repr(value)

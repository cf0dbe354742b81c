"""Single-brace fields: paths, formats, owners, and what is no field."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import warnings
from collections import namedtuple
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from declarai_like import Prompt
from declarai_like.errors import ArgumentError, DefinitionError
from declarai_like.testing import FakeLLM

llm = FakeLLM()


class Book(BaseModel):
    model_config = ConfigDict(extra="allow")

    title: str
    tags: list[str] = ["sand", "spice"]
    hidden: str = Field("shown on request", exclude=True)

    @computed_field
    @property
    def loud(self) -> str:
        return self.title.upper()

    @property
    def quiet(self) -> str:
        return self.title.lower()


@dataclasses.dataclass
class Point:
    x: float
    y: float

    @property
    def length(self) -> float:
        return (self.x**2 + self.y**2) ** 0.5


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the plain kind
Color = enum.Enum("Color", "RED GREEN")
DUNE = Book(title="Dune", year=1965)
DAY = dt.datetime(2024, 3, 5, 14, 30, tzinfo=dt.timezone.utc)


def asked(text: str, value: Any, **more: Any) -> str:
    """The message of a task with this docstring and an argument `x`, and others."""

    def f(x, **rest): ...

    f.__doc__ = text
    return llm.task(f).compile(value, **more)["messages"][-1].message


FILLED = [
    ("{x.title}", DUNE, "Dune"),
    ("{x.loud} {x.quiet} {x.year}", DUNE, "DUNE dune 1965"),
    ("{x.tags}", DUNE, '["sand", "spice"]'),
    ("{x.tags[1]} {x.tags[-1]}", DUNE, "spice spice"),
    ("{x.hidden}", DUNE, "shown on request"),
    ("{x[0]} {x[1].title}", ["a", DUNE], "a Dune"),
    ("{x[a]} {x['a']} {x.a} {x[1]}", {"a": 5, "1": 6}, "5 5 5 6"),
    ("{x[1]}", {1: "one"}, "one"),
    ("{x.x:.1f} {x.length:.3f}", Point(3, 4), "3.0 5.000"),
    ("{x.left}/{x.right}/{x[0]}", Pair(1, 2), "1/2/1"),
    ("{x.name} {x.value} {x}", Color.GREEN, "GREEN 2 2"),
    ("{x.year} {x:%d %B %Y, %H:%M}", DAY, "2024 05 March 2024, 14:30"),
    ("{x:.2f}", 3.14159, "3.14"),
    ("{x:.2f}", Decimal("1.5"), "1.50"),
    ("{x:,} {x:>8} {x:+d} {x: d}", 12345, "12,345    12345 +12345  12345"),
    ("{x:.1%}", 0.256, "25.6%"),
    ("{x!r}", "it's", '"it\'s"'),
    ("{x!r} {x!s}", ["a"], "['a'] [\"a\"]"),
    ("{x!a}", "é", "'\\xe9'"),
    ("{x!s:*^7}", "mid", "**mid**"),
    ("{x:>5}|{x:<5}|", "abc", "  abc|abc  |"),
    ('{"a": {x.title}, "b": {x.title!r}}', DUNE, '{"a": Dune, "b": \'Dune\'}'),
    ("{y: {x.title}}", DUNE, "{y: Dune}"),
]


@pytest.mark.parametrize(("text", "value", "filled"), FILLED)
def test_a_field_is_filled(text, value, filled):
    assert asked(text, value) == filled


def test_a_field_counts_as_shown():
    @llm.task
    def f(book: Book, digits: int, price: float) -> str:
        "Sell {book.title} for {price:.{digits}f}"

    assert f.compile(DUNE, 1, 9.87)["messages"][-1].message == "Sell Dune for 9.9"


TEXTS = [
    "{x: a text}",
    "{x:a text}",
    "{x, y}",
    "{x+1}",
    "{y.title}",
    "{y[0]}",
    "{0}",
    "{}",
    '{"x": 1}',
    "{ x }",
    "{x|y}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_other_braces_are_text(text):
    assert asked(text, "v") == f"{text}\nInputs:\nx: v\n\n"


@pytest.mark.parametrize(
    "text", ["{x.__class__}", "{x.a._b}", "{x.}", "{x[}", "{x!z}", "{x=}", "{x.upper()}", "{x()}", "{x.a b}"]
)
def test_a_field_that_cannot_be_read_is_refused_at_its_declaration(text):
    with pytest.raises(DefinitionError, match=r"cannot be filled: a field is {x}, {x\.field}"):
        asked(text, "v")


def frame():
    yield "a generator, whose frame would show everything"


ATTACKS = [
    ("{x.model_dump}", DUNE),
    ("{x.model_fields}", DUNE),
    ("{x.model_config}", DUNE),
    ("{x.nothing}", DUNE),
    ("{x.upper}", "a text"),
    ("{x.real}", 5),
    ("{x.keys}", {"a": 1}),
    ("{x.gi_frame}", frame()),
    ("{x.append}", [1]),
    ("{x.count}", Pair(1, 2)),
    ("{x.mro}", Color.RED),
    ("{x[__class__]}", DUNE),
    ("{x[title]}", DUNE),
    ("{x[5]}", ["a"]),
    ("{x[a]}", ["a"]),
    ("{x.now}", DAY),
    ("{x:.2f}", "a text"),
    ("{x:.2f}", None),
    ("{x:>5}", ["a"]),
    ("{x:d}", DUNE),
    ("{x:>99999999}", "a"),
    ("{x!r}", object()),
]


@pytest.mark.parametrize(("text", "value"), ATTACKS)
def test_only_what_a_value_declares_is_shown(text, value):
    with pytest.raises(ArgumentError, match=r"^f \(test_fields.py:\d+\): "):
        asked(text, value)


def test_a_width_from_an_argument_is_bounded():
    @llm.task
    def f(x: str, width: int) -> str:
        "{x:>{width}}"

    assert f.compile("a", 3)["messages"][-1].message == "  a"
    with pytest.raises(ArgumentError, match="too large"):
        f.compile("a", 10**9)


@pytest.mark.parametrize("value", ["{x}", "{x.__class__}", "{{ 7 * 7 }}", "{x!r:>9}"])
@pytest.mark.parametrize("text", ["{x[0]}", "{x[0]!s}", "{x[0]}{# a comment makes it Jinja #}"])
def test_a_value_is_never_a_template(text, value):
    assert asked(text, [value]) == value


# --- beside Jinja ---------------------------------------------------------------------------------


def test_a_field_beside_jinja_is_filled():
    @llm.task
    def f(a: str, b: float, book: Book) -> str:
        "{{ a }} and {b:.1f} and {book.title} and {% raw %}{b}{% endraw %}{# {b} #}"

    words = f.compile("{{ b }}", 2.25, DUNE)["messages"][-1].message
    assert words == "{{ b }} and 2.2 and Dune and {b}"
    assert f.compile(a="A")["messages"][-1].message == "A and {b:.1f} and {book.title} and {b}"


def test_a_field_beside_jinja_is_filled_in_a_class_prompt():
    class Pick(Prompt, llm=llm):
        """{{ a }} and {b} and {book.title} by {self.a}"""

        a: str
        b: str
        book: Book

    assert Pick(a="A", b="B", book=DUNE).compile()["messages"][0].message == "A and B and Dune by A"


def test_a_class_prompt_fills_paths_and_formats():
    class Review(Prompt, llm=llm):
        """Review {book.title}, {book.tags[0]}, {price:.2f}, {name!r} for {shop}"""

        book: Book
        price: float
        name: str

        @property
        def shop(self) -> str:
            return self.name.upper()

    review = Review(book=DUNE, price=2, name="Ann")
    assert review.compile()["messages"][0].message == "Review Dune, sand, 2.00, 'Ann' for ANN"


def test_a_class_prompt_refuses_what_it_cannot_fill():
    with pytest.raises(DefinitionError, match=r"Review .* cannot be filled"):

        class Review(Prompt, llm=llm):
            """Review {book.__class__}"""

            book: Book


# --- methods --------------------------------------------------------------------------------------


class Shop:
    name = "Arrakis Books"

    def __init__(self, tone: str) -> None:
        self.tone = tone
        self._till = 5

    @property
    def motto(self) -> str:
        return f"{self.tone} and fast"

    @llm.task
    def sell(self, book: Book) -> str:
        """Sell {book.title} at {self.name}, {self.tone}, {self.motto:>15}"""

    @llm.task(system="You are {self.tone}")
    def greet(self, who: str) -> str:
        """Greet {who}

        >>> greet("Ann")
        'Hello'
        """

    @llm.task
    def wrong(self) -> str:
        """Show {self.sell} of {self.name}"""


SOLD = "Sell Dune at Arrakis Books, warm,   warm and fast"


def test_attributes_of_the_instance_are_filled():
    shop = Shop("warm")
    assert shop.sell.compile(DUNE)["messages"][-1].message == SOLD
    assert Shop.sell.compile(shop, DUNE)["messages"][-1].message == SOLD
    assert shop.sell.request(DUNE).messages[-1].message == SOLD
    assert shop.sell.with_options(retries=1).compile(DUNE)["messages"][-1].message == SOLD
    assert shop.sell.plan(DUNE).populated_prompt["messages"][-1].message == SOLD


def test_without_an_instance_its_fields_stay():
    assert Shop.sell.compile()["messages"][-1].message == (
        "Sell {book.title} at {self.name}, {self.tone}, {self.motto:>15}"
    )


def test_the_system_prompt_of_a_method_is_filled():
    system, *_ = Shop("warm").greet.compile("Bob")["messages"]
    assert system.message == "You are warm"


def test_methods_of_the_instance_are_no_data():
    with pytest.raises(ArgumentError, match="Shop shows no 'sell'"):
        Shop("warm").wrong.compile()


def test_private_attributes_are_refused_at_the_declaration():
    with pytest.raises(DefinitionError, match="cannot be filled"):

        class Till:
            @llm.task
            def count(self) -> str:
                """Count {self._till}"""


def test_self_is_text_in_a_function():
    assert asked("{self.tone} {x}", 1) == "{self.tone} 1"


# --- misspellings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["moive", "movi", "movies", "mowie", "ovie"])
def test_a_name_one_letter_beside_is_warned_of(name):
    def f(movie: str) -> str: ...

    f.__doc__ = f"Review {{{name}.title}}"
    with pytest.warns(UserWarning, match=rf"{{{name}.title}} is sent as it stands: did you mean {{movie}}\?") as caught:
        llm.task(f)
    assert caught[0].filename == __file__


def test_a_class_prompt_warns_at_its_own_line():
    with pytest.warns(UserWarning, match="did you mean {movie}") as caught:

        class Review(Prompt, llm=llm):
            """Review {moive}"""

            movie: str

    assert caught[0].filename == __file__


@pytest.mark.parametrize("text", ["{item} of {items}", "{film}", "{m}", "{a}{b}", "{movie} {moive}", "{Movie: a text}"])
def test_other_names_are_not_warned_of(text):
    def f(movie: str, items: str, a: str) -> str: ...

    f.__doc__ = text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llm.task(f)

from dataclasses import dataclass
from datetime import date

import pytest
from pydantic import BaseModel

from declarai_like.tools import ToolError
from declarai_like.tools.results import LONGEST_ERROR, write_error, write_value


class Point(BaseModel):
    x: int


@dataclass
class Pair:
    a: int
    when: date


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ([1, "é"], '[1,"é"]'),
        (Point(x=1), '{"x":1}'),
        ([Point(x=1)], '[{"x":1}]'),
        (Pair(1, date(2026, 1, 2)), '{"a":1,"when":"2026-01-02"}'),
        (float("nan"), "NaN"),
    ],
)
def test_result_is_written_as_text(value, text):
    assert write_value(value, 1_000) == text


def test_long_result_is_cut_and_says_so():
    assert write_value("x" * 12, 10) == "xxxxxxxxxx\n[cut here: 10 of 12 characters]"


def test_value_that_json_has_no_words_for_is_an_error():
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        write_value(object(), 10)


def test_error_is_written_with_its_type():
    assert write_error(ValueError("disk on fire")) == "ValueError: disk on fire"
    assert write_error(KeyError()) == "KeyError"


def test_words_of_a_tool_error_are_the_words():
    assert write_error(ToolError("try again tomorrow")) == "try again tomorrow"


def test_long_error_is_cut():
    assert len(write_error(ValueError("x" * 5_000))) == LONGEST_ERROR


def test_secret_in_an_error_is_blanked_out():
    assert write_error(ValueError("key sk-1"), lambda text: text.replace("sk-1", "***")) == "ValueError: key ***"


LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize("value", [object(), b"\xff", LOOP])
def test_what_json_cannot_say_is_told(value):
    with pytest.raises(TypeError, match="the result cannot be written as JSON: "):
        write_value(value, 1_000)

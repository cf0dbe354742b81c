"""Return types that would be read lazily, and why a type has no schema."""

from __future__ import annotations

import typing
from collections import abc
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from declarai_like._outputs.output import Output
from declarai_like.errors import DefinitionError, OutputError
from declarai_like.testing import FakeLLM, reply


class Lazy(BaseModel):
    items: typing.Iterable[int]


class Outer(BaseModel):
    lazy: list[Lazy]


EAGER = [
    (typing.Iterable[int], list[int]),
    (abc.Iterable[int], list[int]),
    (abc.Collection[int], list[int]),
    (abc.Reversible[int], list[int]),
    (typing.Collection[int], list[int]),
    (abc.Iterable, list),
    (dict[str, abc.Iterable[int]], dict[str, list[int]]),
    (abc.Iterable[abc.Iterable[int]], list[list[int]]),
    (Optional[abc.Iterable[int]], Optional[list[int]]),  # noqa: UP045 - the old form
    (abc.Iterable[int] | None, list[int] | None),
    (Annotated[abc.Iterable[int], "words"], Annotated[list[int], "words"]),
    (tuple[abc.Iterable[int], ...], tuple[list[int], ...]),
]


@pytest.mark.parametrize(("annotation", "settled"), EAGER)
def test_an_iterable_is_a_list(annotation, settled):
    assert Output.of(annotation).annotation == settled


@pytest.mark.parametrize(
    "annotation", [abc.Sequence[int], list[int], set[int], Literal["a", "b"], dict[str, Any], None]
)
def test_other_types_stay(annotation):
    assert Output.of(annotation).annotation is annotation


@pytest.mark.parametrize(
    "annotation",
    [
        *(typing.Iterator[int], abc.Iterator[int], abc.Generator[int, None, None], abc.AsyncIterable[int]),
        *(abc.AsyncIterator[int], abc.AsyncGenerator[int, None], abc.Awaitable[int], abc.Iterator),
        *(list[abc.Iterator[int]], abc.Iterator[int] | None),
    ],
)
def test_an_iterator_is_refused(annotation):
    with pytest.raises(DefinitionError, match=r"f \(app.py:1\): an answer cannot be .*return list\[\.\.\.\]"):
        Output.of(annotation, where="f (app.py:1)")


@pytest.mark.parametrize("annotation", [Lazy, Outer, list[Lazy], Lazy | None])
def test_a_lazy_field_is_refused(annotation):
    with pytest.raises(DefinitionError, match="has a field that is an Iterable or a Generator"):
        Output.of(annotation)


def test_the_items_of_an_iterable_are_checked():
    llm = FakeLLM([reply('{"declarai_result": [1, 2]}'), reply('{"declarai_result": [1, "x"]}')])

    @llm.task
    def count(text: str) -> abc.Iterable[int]:
        """Count"""

    assert count("a") == [1, 2]
    with pytest.raises(OutputError):
        count("a")


def test_the_reason_of_a_pattern_is_shown():
    with pytest.raises(DefinitionError, match="look-around"):
        Output.of(Annotated[str, Field(pattern="^(?=.*a)b")])


def test_the_right_typed_dict_is_named():
    class Point(typing.TypedDict):
        x: int

    try:
        Output.of(Point)
    except DefinitionError as error:
        assert "typing_extensions.TypedDict" in str(error)  # noqa: PT017 - from Python 3.12 on it is taken

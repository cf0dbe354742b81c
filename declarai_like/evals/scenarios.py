"""Tasks of many kinds, to compare models by: extraction, generation, manipulation, and what descriptions are worth.

`declarai-like eval declarai_like.evals.scenarios --model local --model openai:gpt-4o-mini` asks them. Each has one
example, which is its case, so that all are asked without examples.
"""

# ruff: noqa: D400 - the docstrings are prompts
# mypy: disable-error-code="empty-body"
# A task has no body: a model answers in its place.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from declarai_like._declarai import openai
from declarai_like.evals._scores import scored_by

llm = openai(model="gpt-4o-mini", llm_params={"max_tokens": 120})


# --- extraction ------------------------------------------------------------------------------------------------


@llm.task
def count_people(text: str) -> int:
    """Count the people that the text names

    >>> count_people("Ada wrote to Charles, and Mary answered for him.")
    3
    """


@llm.task
def find_address(text: str) -> str:
    """Give the e-mail address in the text, and nothing else

    >>> find_address("Write to Ada (ada@example.org) before noon.")
    'ada@example.org'
    """


@llm.task
def find_years(text: str) -> list[int]:
    """Give the years that the text mentions, in the order of the text

    >>> find_years("Begun in 1837, described in 1843, never finished before 1871.")
    [1837, 1843, 1871]
    """


@dataclass
class Order:
    """What somebody wants to buy."""

    item: str
    count: int


@llm.task
def read_order(message: str) -> Order:
    """Read the order; the item is one word in the singular, in lower case

    >>> read_order("Could you send me a dozen pencils by Friday?")
    Order(item="pencil", count=12)
    """


# --- generation ------------------------------------------------------------------------------------------------


def _is_title(value: str, _expected: str) -> float:
    """Ask for two to ten words on one line."""
    lines = value.strip().splitlines()
    return len(lines) == 1 and len(lines[0].split()) in range(2, 11)


def _is_poem(value: str, expected: str) -> float:
    """Ask for four lines, and that they name their subject: half of the score each."""
    lines = [line for line in value.splitlines() if line.strip()]
    return (len(lines) == len(expected.splitlines())) / 2 + ("sea" in value.lower()) / 2


def _is_query(value: str, _expected: str) -> float:
    """Ask for one statement that selects from the right table."""
    return bool(re.search(r"^\s*select\b[^;]*\bfrom\s+orders\b[^;]*;?\s*$", value, re.IGNORECASE))


def _are_distinct(value: list[str], expected: list[str]) -> float:
    """Ask for so many different names."""
    return len({name.casefold() for name in value}) == len(value) == len(expected)


@llm.task
@scored_by(_is_title)
def write_title(article: str) -> str:
    """Write a title of at most ten words for the article, without quotes

    >>> write_title("The town has opened a library that lends out tools, from drills to sewing machines.")
    'A library for tools opens in town'
    """


@llm.task
@scored_by(_is_poem)
def write_poem(subject: str) -> str:
    """Write a poem of four lines that names its subject

    >>> write_poem("the sea")
    The sea is wide
    The sea is grey
    It brings the tide
    And takes the day
    """


@llm.task
@scored_by(_is_query)
def write_query(question: str) -> str:
    """Write the SQL query that answers the question from the table `orders(id, customer, price)`; nothing but SQL

    >>> write_query("Which customers have ordered for more than 100 in all?")
    'SELECT customer FROM orders GROUP BY customer HAVING sum(price) > 100'
    """


@llm.task
@scored_by(_are_distinct)
def name_product(product: str) -> list[str]:
    """Suggest three names for the product

    >>> name_product("a lamp that follows the sun")
    ["Daylight", "Helio", "Sunfollower"]
    """


# --- manipulation ----------------------------------------------------------------------------------------------


@llm.task
def sort_words(text: str) -> list[str]:
    """Give the words of the text in alphabetical order

    >>> sort_words("pear apple fig")
    ["apple", "fig", "pear"]
    """


# --- what descriptions are worth -------------------------------------------------------------------------------

_TEXT = "Rank the severity of the message, as a support engineer would"
_PARAM = ":param message: what a customer wrote to the support"
_RETURNS = ":return: the severity, from 1 (cosmetic) to 10 (everything is down)"
_MESSAGE, _SEVERITY, _RANGE = "The whole shop has been offline for an hour, nobody can pay.", 10, 9


def _closeness(value: int, expected: int) -> float:
    """Give 1 for the same number, and less the further off it is."""
    return max(0.0, 1 - abs(value - expected) / _RANGE)


def _severity(name: str, *parts: str) -> Any:
    """Make the same task with more or less of a description."""

    def severity(message: str) -> int: ...

    severity.__name__ = severity.__qualname__ = name
    severity.__doc__ = "\n\n".join([*parts, f">>> {name}({_MESSAGE!r})\n{_SEVERITY}"])
    return llm.task(scored_by(_closeness)(severity))


severity_bare = _severity("severity_bare")
severity_text = _severity("severity_text", _TEXT)
severity_param = _severity("severity_param", _PARAM)
severity_returns = _severity("severity_returns", _RETURNS)
severity_text_param = _severity("severity_text_param", _TEXT, _PARAM)
severity_text_returns = _severity("severity_text_returns", _TEXT, _RETURNS)
severity_param_returns = _severity("severity_param_returns", _PARAM, _RETURNS)
severity_all = _severity("severity_all", _TEXT, _PARAM, _RETURNS)

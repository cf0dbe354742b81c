"""Bodies of tasks, chats and class prompts: a docstring, and nothing that would be lost."""

from __future__ import annotations

import pytest

from declarai_like import Chat, Prompt, magic
from declarai_like.errors import DefinitionError
from declarai_like.testing import FakeLLM

llm = FakeLLM()
LANGUAGE = "French"


def fstring(text: str) -> str:
    f"""Translate into {LANGUAGE}"""  # noqa: B021 - what is refused


def percent(text: str) -> str:
    """Translate into %s""" % LANGUAGE  # noqa: UP031 - what is refused


def formatted(text: str) -> str:
    """Translate into {}""".format(LANGUAGE)  # noqa: UP032 - what is refused


def added(text: str) -> str:
    "Translate " + "into French"  # noqa: B018 - what is refused


def stripped(text: str) -> str:
    """Translate""".strip()


def raw_bytes(text: str) -> str:
    b"""Translate"""  # noqa: B018 - what is refused


def in_a_tuple(text: str) -> str:
    ("Translate",)  # noqa: B018 - what is refused


async def awaited(text: str) -> str:
    f"""Translate into {LANGUAGE}"""  # noqa: B021 - what is refused


@pytest.mark.parametrize("function", [fstring, percent, formatted, added, stripped, raw_bytes, in_a_tuple, awaited])
def test_a_text_that_is_no_docstring_is_refused(function):
    with pytest.raises(
        DefinitionError, match=rf"{function.__name__} \(test_bodies.py:\d+\): the body begins with a text"
    ):
        llm.task(function)


def test_a_chat_whose_docstring_is_an_fstring_is_refused():
    with pytest.raises(DefinitionError, match=r"Bot \(test_bodies.py:\d+\): the body begins with a text"):

        @llm.chat
        class Bot:
            f"""You speak {LANGUAGE}"""  # noqa: B021 - what is refused

    with pytest.raises(DefinitionError, match="the body begins with a text"):

        class Derived(Chat, llm=llm):
            """You speak %s""" % LANGUAGE  # noqa: UP031 - what is refused


def test_a_class_prompt_whose_docstring_is_an_fstring_is_refused():
    with pytest.raises(DefinitionError, match=r"Pick \(test_bodies.py:\d+\): the body begins with a text"):

        class Pick(Prompt, llm=llm):
            f"""Pick in {LANGUAGE}"""  # noqa: B021 - what is refused

            book: str


def returns(x: str) -> str:
    """Ask"""
    return x.upper()


def calls(x: str) -> str:
    """Ask"""
    len(x)


def assigns(x: str) -> str:
    """Ask"""
    x = x.strip()
    return magic(x)


def constant(x: str) -> int:
    """Ask"""
    return 5


def branches(x: str) -> str:
    """Ask"""
    if x:
        return magic(x)
    raise ValueError


def without_docstring(x: str) -> str:
    return x


CODE = [returns, calls, assigns, constant, branches, without_docstring]


@pytest.mark.parametrize("function", CODE)
def test_code_that_would_never_run_is_refused(function):
    with pytest.raises(
        DefinitionError, match=rf"{function.__name__} .*the body of a task is never run, but this stands"
    ):
        llm.task(function)


def dots(x: str) -> str:
    """Ask"""


def passes(x: str) -> str:
    """Ask"""


def raises(x: str) -> str:
    """Ask"""
    raise NotImplementedError


def spells(x: str) -> str:
    """Ask"""
    return magic(x)


def spells_alone(x: str) -> str:
    """Ask"""
    magic(x)


def spells_by_name(x: str) -> str:
    """Ask"""
    answer: str = magic(x)
    return answer


def returns_none(x: str) -> str:
    """Ask"""
    return None


async def awaited_dots(x: str) -> str:
    """Ask"""


def joined(x: str) -> str:
    "Ask politely"


def raw(x: str) -> str:
    r"""Ask \d"""


def by_hand(x: str) -> str:
    f"""Ask in {LANGUAGE}"""  # noqa: B021 - its __doc__ is set by hand


by_hand.__doc__ = "Ask"
FINE = [dots, passes, raises, spells, spells_alone, spells_by_name, returns_none, awaited_dots, joined, raw, by_hand]


@pytest.mark.parametrize("function", FINE)
def test_what_only_fills_the_place_of_a_body_is_taken(function):
    assert llm.task(function).compile("it")["messages"][-1].message.startswith("Ask")


def test_a_function_without_source_is_taken():
    names: dict = {}
    exec("def f(x: str) -> str:\n    'Ask'\n    return x", names)  # noqa: S102 - a function without source
    assert llm.task(names["f"]).compile("it")["messages"][-1].message.startswith("Ask")


@pytest.mark.parametrize("options", [{}, {"retries": 1}])
def test_a_task_that_says_nothing_is_refused(options):
    def f(x: str) -> str: ...

    with pytest.raises(DefinitionError, match="there is nothing to ask: write a docstring"):
        llm.task(**options)(f)


def test_a_task_that_says_it_elsewhere_is_taken():
    def f(x: str) -> str: ...

    def described(x: str) -> str:
        return magic(description="Ask", x=x)

    def result(x: str) -> str:
        """:return: the answer"""

    assert llm.task(system="Answer")(f).compile("it")["messages"][0].message == "Answer"
    assert llm.task(described).compile("it")["messages"][-1].message.startswith("Ask")
    assert llm.task(result).compile("it")["messages"][0].message.endswith("the answer")

import subprocess
import sys

import pytest

from declarai_like._prompting.docstrings import Docstring, parse_docstring
from declarai_like._prompting.examples import Example


@pytest.mark.parametrize("doc", [None, "", "   \n  "])
def test_no_docstring_says_nothing(doc):
    assert parse_docstring(doc) == Docstring()


@pytest.mark.parametrize(
    "text",
    [
        "Rank it",
        'Answer like {"a": 1} or {"a": {"b": [2]}}: nothing else.',
        "Rate {{ text }}\n{% for e in examples %}\n{{ e[0] }}: {{ e[1] }}\n{% endfor %}",
        "Feelings\n\nAre these: joy :smile: or none.",
        "Mail\nto: :param x without an end",
        "Args: none of these are described",
        "Parameters\nare no section without a rule",
        ":meta private: stays",
        "Returns:",
        "Say\n>>>no doctest",
        "Say:\nExamples:\n    like this one",
    ],
)
def test_text_without_sections_stays_as_it_is(text):
    assert parse_docstring(text) == Docstring(text)


def test_text_is_dedented_and_stripped():
    doc = """
    Write a list:
      - short

    Now.
    """
    assert parse_docstring(doc).text == "Write a list:\n  - short\n\nNow."


REST = """Score the ticket

    :param ticket: the customer's e-mail: subject and body
    :param dict[str, int] weights: by word
    :type ticket: str
    :return: how urgent: 1 to 5
    :rtype: int
    :raises ValueError: never
    """
EPYDOC = """Score the ticket

    @param ticket: the customer's e-mail: subject and body
    @type ticket: str
    @param weights: by word
    @return: how urgent: 1 to 5
    @rtype: int
    @raise ValueError: never
    """
GOOGLE = """Score the ticket

    Args:
        ticket (str, optional): the customer's e-mail: subject and body
        weights: by word

    Returns:
        int: how urgent: 1 to 5

    Raises:
        ValueError: never
    """
NUMPY = """Score the ticket

    Parameters
    ----------
    ticket : str, optional
        the customer's e-mail: subject and body
    weights
        by word

    Returns
    -------
    int
        how urgent: 1 to 5

    Raises
    ------
    ValueError
        never
    """


@pytest.mark.parametrize("doc", [REST, EPYDOC, GOOGLE, NUMPY], ids=["rest", "epydoc", "google", "numpy"])
def test_every_style_says_the_same(doc):
    assert parse_docstring(doc) == Docstring(
        text="Score the ticket",
        params={"ticket": "the customer's e-mail: subject and body", "weights": "by word"},
        returns="how urgent: 1 to 5",
    )


@pytest.mark.parametrize("title", ["Raises:", "Raise:", "Exceptions:", "Warns:", "Raises\n------"])
@pytest.mark.parametrize(
    "entry", ["ValueError: never", "errors.LimitExceeded: never", "KeyError, OSError: never", "A or B: never", "Never"]
)
def test_exceptions_are_for_callers_in_python(title, entry):
    assert parse_docstring(f"Score\n\n{title}\n    {entry}\n        not even then\n").text == "Score"


@pytest.mark.parametrize("title", ["Raises:", "Exceptions:", "Warns:", "Raises\n------"])
@pytest.mark.parametrize(
    "entry", ["List each raise in pay.", "raises: in percent", "ValueError: never\n    A word of your own"]
)
def test_a_section_of_that_name_without_exceptions_is_text(title, entry):
    doc = f"Score\n\n{title}\n    {entry}"
    assert parse_docstring(doc).text == doc


def test_a_field_goes_on_over_several_lines():
    doc = """Score
    :param ticket: the e-mail
        of the customer
    without its header

        and footer
    :return:
        how urgent
    """
    parsed = parse_docstring(doc)
    assert parsed.params == {"ticket": "the e-mail\n    of the customer\nwithout its header\n\n    and footer"}
    assert parsed.returns == "how urgent"


@pytest.mark.parametrize("doc", [REST, EPYDOC, GOOGLE, NUMPY], ids=["rest", "epydoc", "google", "numpy"])
def test_text_after_the_parameters_is_kept(doc):
    assert parse_docstring(f"{doc}\n    Be strict: very.\n\n    Thanks.").text == (
        "Score the ticket\n\nBe strict: very.\n\nThanks."
    )


def test_a_template_line_after_a_field_is_text():
    assert parse_docstring("Rate\n:param x: the text\n{% if x %}{{ x }}{% endif %}") == Docstring(
        "Rate\n\n{% if x %}{{ x }}{% endif %}", {"x": "the text"}
    )


@pytest.mark.parametrize(
    ("fieldline", "name", "returns"),
    [
        (":return colours: every colour", "colours", "every colour"),
        (":returns colours: every colour", "colours", "every colour"),
        (":return colours:", "colours", ""),
        (":return int: the score", None, "the score"),
        (":return list[str]: the score", None, "the score"),
        (":return the score: 1 to 5", None, "the score: 1 to 5"),
        (":returns: the score", None, "the score"),
        (":yields: the score", None, "the score"),
        ("@return colours: every colour", "colours", "every colour"),
    ],
)
def test_a_return_field_may_name_the_answer(fieldline, name, returns):
    parsed = parse_docstring(f"Find\n{fieldline}")
    assert (parsed.return_name, parsed.returns, parsed.text) == (name, returns, "Find")


@pytest.mark.parametrize(
    ("body", "name", "returns"),
    [
        ("score : int\n    how urgent", "score", "how urgent"),
        ("Pet\n    the pet", None, "the pet"),
        ("int", None, ""),
        ("how urgent it is", None, "how urgent it is"),
        ("name : str\n    first\nage : int\n    then", None, "name: first\nage: then"),
        ("", None, ""),
    ],
)
def test_numpy_results(body, name, returns):
    parsed = parse_docstring(f"Find\n\nReturns\n-------\n{body}\n")
    assert (parsed.return_name, parsed.returns, parsed.text) == (name, returns, "Find")


@pytest.mark.parametrize(
    ("body", "returns"),
    [
        ("Pet: the pet", "the pet"),
        ("int | None: the age", "the age"),
        ("the pet: its name", "the pet: its name"),
        ('{"a": 1} as JSON', '{"a": 1} as JSON'),
        ("one line\n    and one more", "one line\nand one more"),
    ],
)
def test_google_results(body, returns):
    assert parse_docstring(f"Find\n\n    Returns:\n        {body.replace('    ', '        ')}\n").returns == returns


def test_starred_and_joined_names_are_parameters():
    assert parse_docstring("Find\n\nParameters\n----------\n*args, **kwargs\n    more\n").params == {
        "args": "more",
        "kwargs": "more",
    }
    assert parse_docstring("Find\n:param \\*args: some\n:param **kwargs: more").params == {
        "args": "some",
        "kwargs": "more",
    }


@pytest.mark.parametrize("body", ["{{ examples }}", "any words: with a colon"])
def test_a_section_of_something_else_stays_text(body):
    text = f"Rate\nArgs:\n    {body}\ndone"
    assert parse_docstring(text) == Docstring(text)


def test_unknown_sections_stay_text():
    doc = "Find\n\nNote:\n    be quick\n\nArgs:\n    x: the text\n\nNotes\n-----\nbe kind"
    assert parse_docstring(doc) == Docstring("Find\n\nNote:\n    be quick\n\nNotes\n-----\nbe kind", {"x": "the text"})


def test_a_numpy_section_ends_at_a_field_and_keeps_its_paragraphs():
    doc = "Find\n\nParameters\n----------\nx\n    the text\n\n    and more\n\ny : int\n:return: it"
    assert parse_docstring(doc) == Docstring("Find", {"x": "the text\n\nand more", "y": ""}, "it")


@pytest.mark.parametrize(
    "doc",
    [
        'Rank\n>>> rank("down")\n5',
        'Rank\n\n>>> rank("down")\n5\n\n',
        'Rank\n\nExamples:\n    >>> rank("down")\n    5',
        'Rank\n\nExample\n-------\n\n>>> rank("down")\n5',
        'Rank\n\n    >>> rank("down")\n    5\n:rtype: int',
    ],
)
def test_doctest_lines_become_examples(doc):
    assert parse_docstring(doc) == Docstring("Rank", examples=(Example('rank("down")', "5"),))


def test_examples_may_have_several_lines():
    doc = """Rank
    >>> rank(
    ...     "down",
    ... )
    one
    <BLANKLINE>
    two
    >>> rank("up")
    """
    assert parse_docstring(doc).examples == (
        Example('rank(\n    "down",\n)', "one\n\ntwo"),
        Example('rank("up")', ""),
    )


def test_text_before_between_and_after_examples_is_kept():
    doc = 'Rank\n\n    >>> rank("a")\n    1\n\n  and\n    >>> rank("b")\n    2\nNow.'
    assert parse_docstring(doc).text == "Rank\n\n  and\n\nNow."


def test_a_template_in_a_doctest_is_text_and_a_quoted_one_is_not():
    text = "Rank\n{% for e in examples %}\n>>> rank({{ e }})\n{% endfor %}"
    assert parse_docstring(text) == Docstring(text)
    assert parse_docstring("Rank\n>>> rank('{{ e }}')\n5").examples == (Example("rank('{{ e }}')", "5"),)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ('rank("a", 2)', (("a", 2), {})),
        ("rank('a', tags=['x', ('y',)])", (("a",), {"tags": ["x", ("y",)]})),
        ("await rank(-1.5)", ((-1.5,), {})),
        ("bot.rank(None)", ((None,), {})),
    ],
)
def test_arguments_of_an_example(call, arguments):
    assert Example(call, "5").arguments("rank") == arguments


@pytest.mark.parametrize("call", ['rate("a")', "rank", "x = rank(1)", "print(rank(1))", "rank("])
def test_an_example_is_one_call_of_its_function(call):
    with pytest.raises(ValueError, match=r"one call of rank\(\)|is no expression"):
        Example(call, "5").arguments("rank")


@pytest.mark.parametrize("call", ["rank(x)", "rank(*[1])", "rank(f'{x}')", "rank(a=open('x'))"])
def test_arguments_of_an_example_are_literals(call):
    with pytest.raises(ValueError, match="must be literals"):
        Example(call, "5").arguments("rank")


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("5", 5),
        ("['a', {'b': None}]", ["a", {"b": None}]),
        ('{"a": true}', {"a": True}),
        ("Pet(name='Rex', owner=Person(age=3))", {"name": "Rex", "owner": {"age": 3}}),
        ("[Pet(name='Rex')]", [{"name": "Rex"}]),
    ],
)
def test_expected_values(expected, value):
    assert Example("f()", expected).value(as_text=False) == value


@pytest.mark.parametrize(("expected", "value"), [("'red'", "red"), ("red and blue", "red and blue"), ("5", "5")])
def test_expected_texts(expected, value):
    assert Example("f()", expected).value(as_text=True) == value


@pytest.mark.parametrize("expected", ["", "red and blue", "date(2024, 1, 1)"])
def test_expected_values_must_be_data(expected):
    with pytest.raises(ValueError):
        Example("f()", expected).value(as_text=False)


def test_the_parser_of_sections_is_loaded_only_for_sections():
    code = """
import sys
from declarai_like._prompting.docstrings import parse_docstring
parse_docstring("Rank\\n\\n:param x: a\\n:return: b\\n>>> f(1)\\n5")
assert "docstring_parser" not in sys.modules
parse_docstring("Rank\\n\\nArgs:\\n    x: a")
assert "docstring_parser" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the code stands above


# --- layouts that are shown, not meant -------------------------------------------------------------

LAYOUT = "One line.\n\nArgs:\n    code: what it is.\n\nReturns:\n    What comes back.\n\n:param x: a field\n\n>>> other(1)\n2"


@pytest.mark.parametrize(
    ("opening", "closing"), [("```", "```"), ("```python", "```"), ("~~~~", "~~~~~"), ("````md", "````")]
)
def test_what_stands_in_a_fence_is_text(opening, closing):
    doc = f"Use this layout:\n\n{opening}\n{LAYOUT}\n{closing}\n\nArgs:\n    code: the source"
    read = parse_docstring(doc, "document")
    assert read == Docstring(f"Use this layout:\n\n{opening}\n{LAYOUT}\n{closing}", params={"code": "the source"})


def test_what_is_indented_is_text():
    layout = "\n".join(f"    {line}".rstrip() for line in LAYOUT.splitlines())
    doc = f"Use this layout:\n\n{layout}\n\nNow."
    assert parse_docstring(doc, "document") == Docstring(doc)


def test_a_fence_within_a_description_belongs_to_it():
    read = parse_docstring("Do\n\nArgs:\n    code: like\n        ```\n        Returns:\n        ```\n    x: more")
    assert read.params == {"code": "like\n```\nReturns:\n```", "x": "more"}


def test_a_fence_that_is_never_closed_is_none():
    assert parse_docstring("Do\n```\nArgs:\n    code: the source").params == {"code": "the source"}


def test_an_indented_call_of_the_function_itself_is_an_example():
    assert parse_docstring('Do\n\n    >>> f("a")\n    1', "f").examples == (Example('f("a")', "1"),)


@pytest.mark.parametrize(
    "field",
    [":type x: str", ":rtype: int", ":raises ValueError: when", "@type x: str", ":param x: text", ":return: it"],
)
@pytest.mark.parametrize("note", [":note: Answer in French.", "@note: Answer in French.", ":custom a: word"])
def test_a_field_of_another_name_is_text(field, note):
    read = parse_docstring(f"Do\n\n{field}\n{note}")
    assert read.text == f"Do\n\n{note}"


@pytest.mark.parametrize("field", [":type x: str", ":rtype: int", ":raises ValueError: when", "@type x: str"])
def test_a_line_at_the_margin_after_a_silent_field_is_text(field):
    assert parse_docstring(f"Do\n\n{field}\n  and more of it\nAnswer in French.").text == "Do\n\nAnswer in French."


@pytest.mark.parametrize("field", [":param x: the text\nand more", ":param x: the text\n  and more"])
def test_a_line_after_a_param_goes_on_with_it(field):
    assert parse_docstring(field).params == {"x": "the text\nand more"}

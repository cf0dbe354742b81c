import collections
import datetime as dt
import decimal
import enum
import json
import pathlib
import pickle
import subprocess
import sys
import types
from dataclasses import dataclass
from typing import Any, NamedTuple

import jsonschema
import pytest
from pydantic import BaseModel, Field

from declarai_like._outputs.output import Output
from declarai_like._prompting.instructions import output_instructions, reask
from declarai_like._prompting.magic import magic
from declarai_like._prompting.rendering import Prompt
from declarai_like._prompting.signatures import Signature
from declarai_like._prompting.text_templates import check_text, render_text, text_names
from declarai_like.errors import DeclaraiError, DefinitionError


class Colour(enum.Enum):
    red = "crimson"


class Pet(BaseModel):
    name: str = Field(description="what it is called, é")


def text(description=""):
    return Output.of(str, description=description)


def whole_number(description=""):
    return Output.of(int, description=description)


def colours(description="", key="declarai_result"):
    return Output.of(list[str], key=key, description=description)


def pet(description=""):
    return Output.of(Pet, description=description)


def prompt(function, output=None, templates=None):
    return Prompt.of(Signature.of(function), output or text(), templates)


def said(function, *args, output=None, templates=None, **kwargs):
    """What is sent, as (role, text) pairs."""
    signature = Signature.of(function)
    messages = Prompt.of(signature, output or text(), templates).render(signature.bind(args, kwargs))
    return [(str(message.role), message.message) for message in messages]


def outlined(function, *args, **kwargs):
    """The text of the user's message with arguments missing."""
    signature = Signature.of(function)
    return Prompt.of(signature, text()).outline(signature.bind_partial(args, kwargs))[-1].message


def haiku(topic: str) -> str:
    """Compose a haiku about the topic"""


def classify(text: str, examples: list[Any]) -> int:
    """Rate the text 1-5.
    {% for e in examples %}
    {{ e[0] }} // {{ e[1] }}
    {% endfor %}
    {{ text }} //
    """


# --- the wording that is documented ---------------------------------------------------------------

JSON_SYSTEM = (
    "You are a REST api endpoint.You only answer in JSON structures\n"
    "with a single key named 'declarai_result', nothing else.\nThe expected format is:\n"
)


def test_a_text_task_is_one_user_message():
    assert said(haiku, topic="rain") == [("user", "Compose a haiku about the topic\nInputs:\ntopic: rain\n\n")]


def test_a_scalar_task_says_its_type_first():
    assert said(haiku, "rain", output=whole_number("how happy they are"))[0] == (
        "system",
        "respond only with the value of type int:  # how happy they are",
    )


def test_a_scalar_task_without_return_text_has_no_comment():
    assert said(haiku, "rain", output=whole_number())[0] == ("system", "respond only with the value of type int:")


def test_a_wrapped_answer_is_asked_for_as_json_schema():
    role, words = said(haiku, "red sky", output=colours())[0]
    assert role == "system"
    assert words.startswith(JSON_SYSTEM)
    schema = json.loads(words.removeprefix(JSON_SYSTEM))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == colours().schema


def test_the_return_text_of_a_json_answer_is_told():
    words = said(haiku, "red sky", output=colours("the colours", key="tints"))[0][1]
    assert "with a single key named 'tints', nothing else." in words
    assert "the colours" in words


def test_an_object_answer_has_no_single_key():
    words = said(haiku, "dogs", output=pet())[0][1]
    assert words == (
        "You are a REST api endpoint.You only answer in JSON structures, nothing else.\n"
        f"The expected format is:\n{json.dumps(pet().schema, ensure_ascii=False)}"
    )


def test_the_return_text_of_a_text_task_is_told():
    assert said(haiku, "rain", output=text("a haiku"))[0] == ("system", "respond with plain text: a haiku")


@pytest.mark.parametrize("output", [text(), text("d"), whole_number("d"), colours("d"), pet("d")])
@pytest.mark.parametrize("chat", [True, False])
def test_instructions_have_no_doubled_braces_and_no_stray_lines(output, chat):
    words = output_instructions(output, chat=chat)
    assert "{{" not in words
    assert "/n" not in words
    assert words == words.strip()


def test_chats_ask_for_json_in_their_own_words():
    schema = json.dumps(colours().schema)
    assert output_instructions(colours(), chat=True) == (
        "Your responses should be a JSON structure with a single key named 'declarai_result', nothing else.\n"
        f"The expected format is: {schema}"
    )
    assert output_instructions(pet("the pet"), chat=True).startswith(
        "Your responses should be a JSON structure, nothing else.\nThe expected format is: {"
    )
    assert output_instructions(whole_number(), chat=True) == "respond only with the value of type int:"


def test_a_text_chat_needs_no_instructions():
    assert output_instructions(text(), chat=True) == ""


def test_a_jinja_docstring_is_rendered_without_inputs():
    assert said(classify, "fine", [("good", 5), ("bad", 1)], output=whole_number()) == [
        ("system", "respond only with the value of type int:"),
        ("user", "Rate the text 1-5.\n\ngood // 5\n\nbad // 1\n\nfine //"),
    ]


# --- what the user says ---------------------------------------------------------------------------


def test_a_task_without_parameters_is_its_docstring():
    def greet() -> str:
        """Wish good morning"""

    assert said(greet) == [("user", "Wish good morning")]


def test_defaults_are_shown():
    def f(a: str, tone: str = "dry") -> str:
        """Say"""

    assert said(f, "x") == [("user", "Say\nInputs:\na: x\ntone: dry\n\n")]


def test_descriptions_of_parameters_are_told_before_the_inputs():
    def f(ticket: str, team: str, *, quiet: bool = False) -> str:
        """Answer it

        :param ticket: the customer's e-mail
        :param team: who answers: a name
        :param quiet:
        """

    assert said(f, "help", "A") == [
        (
            "user",
            "Answer it\nParameters:\nticket: the customer's e-mail\nteam: who answers: a name\nInputs:\nticket: help\nteam: A\nquiet: false\n\n",
        )
    ]


def test_a_described_parameter_in_the_text_is_described_before_it():
    def f(topic: str) -> str:
        """Write about {topic}

        :param topic: what to praise
        """

    assert said(f, "rain") == [("user", "Parameters:\ntopic: what to praise\n\nWrite about rain")]


def test_a_parameter_filled_in_is_not_repeated():
    def f(topic: str, style: str) -> str:
        """Write about {topic}, only {topic}"""

    assert said(f, "rain", "haiku") == [("user", "Write about rain, only rain\nInputs:\nstyle: haiku\n\n")]


def test_a_task_without_docstring_has_only_inputs():
    def f(real_name: str) -> str: ...

    assert said(f, "Bob") == [("user", "Inputs:\nreal_name: Bob\n\n")]


def test_magic_words_are_told_as_a_docstring_would():
    def with_magic(name: str) -> str:
        return magic(name=name, description="Describe them", params={"name": "who"}, returns="a line")

    def with_docstring(name: str) -> str:
        """Describe them

        :param name: who
        :return: a line
        """

    assert said(with_magic, "Bob") == said(with_docstring, "Bob")


@pytest.mark.parametrize(
    "words",
    [
        'Like {"a": 1} and {} and {0} and { topic }',
        "{topic: a text} {topic, other} {topic + 1} {other.topic} {other[0]}",
        "{unknown} and {Topic}",
        "$topic %s {# half a mark",
        "{{ half a mark",
    ],
)
def test_every_other_brace_is_text(words):
    def f(topic: str) -> str: ...

    f.__doc__ = words
    assert said(f, "rain") == [("user", f"{words}\nInputs:\ntopic: rain\n\n")]


@pytest.mark.parametrize("value", ["{{ 7*7 }}", "{other}", "{% raw %}", "{# no #}", "\\1 \\g<0>", "{topic}"])
@pytest.mark.parametrize("doc", ["Say {topic}", "Say {{ topic }}", "Say", "{topic} {other}"])
def test_a_value_is_never_rendered(value, doc):
    def f(topic: str, other: str = "OTHER") -> str: ...

    f.__doc__ = doc
    assert value in said(f, value)[0][1]


def test_star_parameters_are_shown_when_given():
    def f(*words: str, **facts: Any) -> str:
        """Say"""

    assert said(f, "a", "b", n=1) == [("user", 'Say\nInputs:\nwords: ["a", "b"]\nfacts: {"n": 1}\n\n')]
    assert said(f, "a") == [("user", 'Say\nInputs:\nwords: ["a"]\n\n')]
    assert said(f) == [("user", "Say")]


# --- values ---------------------------------------------------------------------------------------


class Level(int, enum.Enum):
    low = 1


class Dish(BaseModel):
    name: str = Field(alias="dishName")
    minutes: int | None = None


@dataclass
class Cart:
    items: list[str]
    at: dt.date


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines", "two\nlines"),
        ("", ""),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (["é", 'a "b"'], '["é", "a \\"b\\""]'),
        ({"a": (1, 2)}, '{"a": [1, 2]}'),
        ({3: "x"}, '{"3": "x"}'),
        ({"b", "a", "c"}, '["a", "b", "c"]'),
        (frozenset({2, 1}), "[1, 2]"),
        (b"bytes", "bytes"),
        (dt.datetime(2024, 5, 6, 7, 8, tzinfo=dt.timezone.utc), "2024-05-06T07:08:00Z"),
        ([dt.date(2024, 5, 6)], '["2024-05-06"]'),
        (Colour.red, "crimson"),
        (Level.low, "1"),
        (decimal.Decimal("1.10"), "1.10"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (Dish(dishName="soup"), '{"name": "soup", "minutes": null}'),
        ([Dish(dishName="soup", minutes=3)], '[{"name": "soup", "minutes": 3}]'),
        (Cart(["egg"], dt.date(2024, 5, 6)), '{"items": ["egg"], "at": "2024-05-06"}'),
        (Point(1, 2), "[1, 2]"),
        (range(2), "[0, 1]"),
        ([collections.deque("ab")], '[["a", "b"]]'),
        ([types.MappingProxyType({"a": 1}).keys()], '[["a"]]'),
        (types.MappingProxyType({"a": {2, 1}}), '{"a": [1, 2]}'),
    ],
)
def test_arguments_are_json_unless_they_are_text(value, shown):
    def f(x) -> str:
        """Say"""

    def inline(x) -> str:
        """Say {x}."""

    assert said(f, value) == [("user", f"Say\nInputs:\nx: {shown}\n\n")]
    assert said(inline, value) == [("user", f"Say {shown}.")]


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize("value", [object(), [open], b"\xff", CIRCLE])
def test_an_argument_that_cannot_be_written_is_named(value):
    with pytest.raises(TypeError, match=r"haiku \(test_rendering.py:\d+\): the argument 'topic' cannot be written"):
        said(haiku, value)


# --- Jinja ----------------------------------------------------------------------------------------


def test_arguments_that_a_template_does_not_mention_are_not_dropped():
    def f(who: str, mood: str) -> str:
        """Hello {{ who }}"""

    assert said(f, "Ann", "sad") == [("user", "Hello Ann\nInputs:\nmood: sad\n\n")]


def test_descriptions_precede_a_template():
    def f(who: str) -> str:
        """Hello {{ who }}

        :param who: a friend
        """

    assert said(f, "Ann") == [("user", "Parameters:\nwho: a friend\n\nHello Ann")]


def test_single_braces_are_text_in_a_template_that_shows_the_name_itself():
    def f(who: str) -> str:
        """Hello {{ who }}, {who}, {"a": {{ who }}}"""

    assert said(f, "Ann") == [("user", 'Hello Ann, {who}, {"a": Ann}')]


@pytest.mark.parametrize(
    ("doc", "value", "shown"),
    [
        ("{{ x.name }}", Dish(dishName="soup"), "soup"),
        ("{{ x.items[0] }} {{ x.at }}", Cart(["egg"], dt.date(2024, 5, 6)), "egg 2024-05-06"),
        ("{{ x }}", ["é", True], '["é", true]'),
        ("{{ x }}", {"a": None}, '{"a": null}'),
        ("{{ x.keys() | list }}", {"a": None}, '["a"]'),
        ("{{ x | tojson }}", "it's <b>", '"it\'s <b>"'),
        ("{{ x | tojson(indent=1) }}", ["a"], '[\n "a"\n]'),
        ("{{ x }}", True, "True"),
        ("{{ x }}", "<b> & 'c'", "<b> & 'c'"),
        ("{% for i in range(x) %}{{ loop.index }}{% endfor %}", 3, "123"),
        ("{% set y = x + 1 %}{{ y }}", 3, "4"),
        ("{{ x }}\n", "ends with a line\n", "ends with a line\n"),
    ],
)
def test_templates_see_plain_data(doc, value, shown):
    def f(x) -> str: ...

    f.__doc__ = doc
    assert said(f, value) == [("user", shown)]


def test_a_parameter_may_be_called_as_a_function_of_jinja():
    def f(range: str, dict: str) -> str:  # noqa: A002 - that is what this tests
        """Say {{ range }} and {{ dict }}"""

    assert said(f, "a", "b") == [("user", "Say a and b")]


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        ("Hi {{ whom }}", r"the template uses 'whom'; it can use only: who"),
        ("Hi {{ b }} {% if a %}{% endif %}", r"the template uses 'a', 'b'"),
        ("Hi {{ who }}\n{% if %}{% endif %}", r"line 2 of the template is wrong"),
        ("Hi {{ who | upcase }}", r"No filter named 'upcase'"),
        ("Hi {{ who }} {% include 'x' %}", r"cannot include"),
        ("Hi {{ lipsum() }}", r"uses 'lipsum'"),
    ],
)
def test_a_wrong_template_is_refused_where_it_is_declared(doc, message):
    def f(who: str) -> str: ...

    f.__doc__ = doc
    with pytest.raises(DefinitionError, match=rf"f \(test_rendering.py:\d+\): .*{message}"):
        prompt(f)


@pytest.mark.parametrize(
    ("doc", "value"),
    [
        ("{{ x.nothing }}", {}),
        ("{{ x + 1 }}", "a"),
        ("{{ 1 / x }}", 0),
        ("{{ x.__class__ }}", "a"),
        ("{{ x.append(1) }}", []),
    ],
)
def test_a_template_that_fails_says_where(doc, value):
    def f(x) -> str: ...

    f.__doc__ = doc
    with pytest.raises(DeclaraiError, match=r"f \(test_rendering.py:\d+\): the template cannot be rendered: "):
        said(f, value)


@pytest.mark.parametrize("doc", ["{{ x }}", "{x}", "{% if x %}yes{% endif %}"])
def test_an_empty_prompt_is_not_sent(doc):
    def f(x: str) -> str: ...

    f.__doc__ = doc
    with pytest.raises(DeclaraiError, match="empty prompt"):
        said(f, "")


def test_a_task_that_says_nothing_is_refused():
    def f() -> str: ...

    with pytest.raises(DefinitionError, match="nothing to ask"):
        prompt(f)


# --- outlines -------------------------------------------------------------------------------------


def test_missing_arguments_stay_as_placeholders():
    def inline(topic: str, n: int, tone: str = "dry") -> str:
        """Write about {topic}"""

    assert outlined(haiku) == "Compose a haiku about the topic\nInputs:\ntopic: {topic}\n\n"
    assert outlined(inline, n=2) == "Write about {topic}\nInputs:\nn: 2\ntone: dry\n\n"
    assert outlined(inline, topic="rain") == "Write about rain\nInputs:\nn: {n}\ntone: dry\n\n"


def test_an_outline_with_all_arguments_is_what_is_sent():
    signature = Signature.of(classify)
    task = Prompt.of(signature, whole_number("a score"))
    arguments = signature.bind(("fine", [("good", 5)]), {})
    assert task.outline(arguments) == task.render(arguments)


def test_missing_arguments_of_a_template_stay_as_placeholders():
    def f(dish, extra) -> str:
        """Cook {{ dish.name }} in {{ dish.pots[0] }}{% for s in dish.steps %}{{ s }}{% endfor %}"""

    assert outlined(classify) == "Rate the text 1-5.\n\n{text} //"
    assert outlined(classify, "fine") == "Rate the text 1-5.\n\nfine //"
    assert outlined(f) == "Cook {dish} in {dish}\nInputs:\nextra: {extra}\n\n"


def test_a_template_that_cannot_do_without_its_arguments_stays_as_it_is():
    def f(n: int, m: int) -> str:
        """{{ n + 1 }} of {{ m }}"""

    assert outlined(f, m=3) == "{{ n + 1 }} of {{ m }}"
    assert outlined(f, n=1, m=3) == "2 of 3"


# --- examples -------------------------------------------------------------------------------------


def test_examples_become_turns_before_the_question():
    def rank(message: str, tone: str = "dry") -> int:
        """Rank it

        >>> rank("server down")
        5
        >>> rank(message="hello", tone="sad")
        1
        """

    assert said(rank, "fire", output=whole_number()) == [
        ("system", "respond only with the value of type int:"),
        ("user", "Rank it\nInputs:\nmessage: server down\ntone: dry\n\n"),
        ("assistant", "5"),
        ("user", "Rank it\nInputs:\nmessage: hello\ntone: sad\n\n"),
        ("assistant", "1"),
        ("user", "Rank it\nInputs:\nmessage: fire\ntone: dry\n\n"),
    ]


def test_examples_of_text_are_words_or_a_string():
    def f(x: str) -> str:
        """Shout {{ x }}

        >>> f("a")
        'A!'

        >>> f("b")
        B it is
        """

    assert [words for _, words in said(f, "c")] == ["Shout a", "A!", "Shout b", "B it is", "Shout c"]


@pytest.mark.parametrize(
    ("annotation", "expected", "answer"),
    [
        (list[str], "['red']", '{"declarai_result":["red"]}'),
        (set[int], "{1}", '{"declarai_result":[1]}'),
        (tuple[int, str], "(1, 'a')", '{"declarai_result":[1,"a"]}'),
        (Colour, "'crimson'", '{"declarai_result":"crimson"}'),
        (Pet, "Pet(name='Rex')", '{"name":"Rex"}'),
        (Pet, '{"name": "Rex"}', '{"name":"Rex"}'),
        (list[Pet], "[Pet(name='Rex')]", '{"declarai_result":[{"name":"Rex"}]}'),
        (bool, "True", "true"),
        (float, "0.5", "0.5"),
    ],
)
def test_examples_are_answered_as_a_perfect_model_would(annotation, expected, answer):
    def find(x: str): ...

    find.__doc__ = f"Find\n\n>>> find('red sky')\n{expected}"
    shown = said(find, "c", output=Output.of(annotation))[2][1]
    assert shown.replace(": ", ":") == answer


@pytest.mark.parametrize(
    "lines",
    [
        ">>> other('a')\n5",
        ">>> f(x)\n5",
        ">>> f('a', 'b')\n5",
        ">>> f(**{'x': 1})\n5",
        ">>> f()\n5",
        ">>> f('a')",
        ">>> f('a')\nfive",
        ">>> import os\n5",
    ],
)
def test_an_example_that_cannot_be_used_is_refused(lines):
    def f(x: str) -> list[str]: ...

    f.__doc__ = f"Find\n\n{lines}"
    with pytest.raises(DefinitionError, match=r"f \(test_rendering.py:\d+\): the example `>>> "):
        prompt(f, colours())


@pytest.mark.parametrize(("output", "expected"), [(colours(), "5"), (whole_number(), "'many'"), (pet(), "{'age': 5}")])
def test_an_example_of_another_type_is_refused(output, expected):
    def f(x: str) -> str: ...

    f.__doc__ = f">>> f('a')\n{expected}"
    with pytest.raises(DefinitionError, match="cannot be used: "):
        prompt(f, output)


# --- templates of one's own -----------------------------------------------------------------------


def test_a_template_of_ones_own_that_fails_says_where():
    with pytest.raises(DeclaraiError, match=r"haiku \(test_rendering.py:\d+\), template 'task': .*'mood'"):
        said(haiku, "rain", templates={"task": "{{ inputs.mood }}"})


def test_templates_are_replaced_by_their_stem():
    own = {"task": "{{ text }}! {{ inputs.topic }}", "scalar": "Just a number."}
    assert said(haiku, "rain", output=whole_number(), templates=own) == [
        ("system", "Just a number."),
        ("user", "Compose a haiku about the topic! rain"),
    ]


def test_own_words_for_text_are_said_without_a_return_text():
    assert said(haiku, "rain", templates={"text": "Answer in French."})[0] == ("system", "Answer in French.")


def test_an_empty_template_says_nothing():
    assert said(haiku, "rain", output=colours(), templates={"json": ""}) == said(haiku, "rain")


def test_own_chat_and_reask_templates():
    own = {"chat_json": "{{ key }}: {{ schema }} {{ description }}", "reask": "No: {{ error }} ({{ type }})"}
    assert output_instructions(pet("d"), chat=True, templates=own).endswith('"description": "d"} d')
    assert reask("5", "too low", whole_number(), own)[-1].message == "No: too low (int)"


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"tasks": "x"}, "no template 'tasks'; the templates are: task, text, scalar, json, chat_json, reask"),
        ({"task": "{{ inputs }} {{ topic }}"}, "template 'task': the template uses 'topic'; it can use only: "),
        ({"scalar": "{{ type"}, "template 'scalar': line 1"),
        ({"scalar": "{% if %}{{ type }}"}, "template 'scalar': line 1"),
        ({"task": "{{ text }}"}, "the template 'task' leaves out topic"),
    ],
)
def test_a_wrong_template_of_ones_own_is_refused(own, message):
    with pytest.raises(DefinitionError, match=rf"haiku \(test_rendering.py:\d+\).*{message}"):
        prompt(haiku, templates=own)


def test_a_template_may_leave_out_inputs_that_the_text_shows():
    def f(topic: str) -> str:
        """About {topic}"""

    assert said(f, "rain", templates={"task": "{{ text }}!"}) == [("user", "About rain!")]


# --- asking again ---------------------------------------------------------------------------------


def test_asking_again_shows_the_answer_and_the_error():
    answer, question = reask("many", "'many' is no int", whole_number())
    assert (answer.role, answer.message) == ("assistant", "many")
    assert question.role == "user"
    assert "'many' is no int" in question.message
    assert "int" in question.message


def test_asking_again_after_nothing_shows_no_empty_message():
    (question,) = reask(" \n", "it is empty", colours())
    assert "it is empty" in question.message


@pytest.mark.parametrize("words", ["{{ 7*7 }}", "{% x %}", "<b>"])
def test_an_answer_is_never_rendered(words):
    answer, question = reask(words, words, whole_number())
    assert answer.message == words
    assert words in question.message


# --- texts that are no task's ---------------------------------------------------------------------


def test_a_system_prompt_is_filled():
    values = {"language": "Danish", "level": 2}
    assert render_text("Speak {language} {level} {x}", values, where="Bot") == "Speak Danish 2 {x}"
    assert render_text("Speak {{ language }} {level}", values, where="Bot") == "Speak Danish 2"
    assert render_text("Speak {language}", {}, where="Bot") == "Speak {language}"


def test_a_system_prompt_without_its_value_is_not_sent_raw():
    with pytest.raises(DeclaraiError, match="Bot: the template cannot be rendered: 'language' is undefined"):
        render_text("Speak {{ language }}", {}, where="Bot")


def test_a_system_prompt_is_checked():
    check_text("Speak {{ language }} {x}", ("language",), "Bot")
    with pytest.raises(DefinitionError, match="Bot: the template uses 'language'; it can use only: nothing"):
        check_text("Speak {{ language }}", (), "Bot")


def test_the_names_that_a_text_asks_for():
    assert text_names("Speak {language} {0} {a b}", "Bot") == {"language"}
    assert text_names("Speak {{ language }} {x} {{ range(2) }}", "Bot") == {"language", "x"}
    assert text_names("Speak", "Bot") == frozenset()


# --- cost -----------------------------------------------------------------------------------------


def test_a_prompt_can_be_pickled_and_still_says_the_same():
    signature = Signature.of(classify)
    task = Prompt.of(signature, whole_number())
    arguments = signature.bind(("fine", [("good", 5)]), {})
    before = task.render(arguments)
    assert pickle.loads(pickle.dumps(task)).render(arguments) == before  # noqa: S301 - our own bytes


def test_importing_loads_nothing_heavy():
    code = """
import sys
import declarai_like._prompting.docstrings, declarai_like._prompting.signatures, declarai_like._prompting.rendering
assert not {"jinja2", "pydantic", "docstring_parser"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the code stands above


def test_declaring_and_calling_load_only_what_they_need():
    code = """
import sys
from declarai_like._outputs.output import Output
from declarai_like._prompting.rendering import Prompt
from declarai_like._prompting.signatures import Signature
def f(x: str, n: int) -> str:
    ":param x: it"
    "Rank {x}"
signature = Signature.of(f)
prompt = Prompt.of(signature, Output.of(str, description="the rank"))
assert not {"jinja2", "pydantic", "pydantic_core", "docstring_parser"} & set(sys.modules)
prompt.render(signature.bind(("a", 1), {}))
assert not {"pydantic", "pydantic_core", "docstring_parser"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the code stands above

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from declarai_like import errors
from declarai_like._wire.envelopes import EnvelopeFilter
from declarai_like.testing import FakeLLM, truncated


class City(BaseModel):
    name: str
    country: str = ""


class Place(BaseModel):
    city: City


def find(place: Place, days: int = 1) -> str:
    """Find out

    :param place: Where
    """
    return f"{place.city.name} {days}"


def call(**arguments):
    return json.dumps({"tool": "find", "arguments": {"place": {"city": {"name": "Oslo"}}, **arguments}})


def task(ask, fake, **options):
    return ask.task(fake, tools=[find], tool_mode="emulated", **options)


def test_call_and_answer_are_written_as_text(ask, fake):
    fake.enqueue(call(days=2), '{"answer": "It is cold."}')
    result = ask(task(ask, fake))
    assert result.value == "It is cold."
    assert [(run.name, run.value, run.round) for run in result.calls] == [("find", "Oslo 2", 1)]
    first, second = fake.requests
    assert not first.tools
    assert "find: Find out" in first.messages[0].message
    assert [message.message for message in second.messages[-2:]] == [
        '{"tool": "find", "arguments": {"place": {"city": {"name": "Oslo"}}, "days": 2}}',
        "The result of find is: Oslo 2",
    ]


def test_schema_holds_to_one_call_or_one_answer(ask, fake):
    fake.enqueue('{"answer": {"name": "Oslo"}}')
    assert ask(task(ask, fake, returns=City)).value == City(name="Oslo")
    schema = fake.requests[0].response_format["json_schema"]["schema"]
    tool, answer = schema["anyOf"]
    assert tool["properties"]["tool"] == {"const": "find"}
    assert set(answer["properties"]) == {"answer"}
    assert set(schema["$defs"]) == {"find.City", "find.Place"}
    assert tool["properties"]["arguments"]["properties"]["place"]["$ref"] == "#/$defs/find.Place"


@pytest.mark.parametrize(
    ("choice", "kinds"),
    [
        ("required", {"tool"}),
        ("none", {"answer"}),
        ("auto", {"tool", "answer"}),
        ("find", {"tool"}),
        (find, {"tool"}),
        (["find"], {"tool", "answer"}),
    ],
)
def test_choice_is_held_by_the_schema(ask, fake, choice, kinds):
    fake.enqueue('{"answer": "x"}')
    ask(task(ask, fake, tool_choice=choice))
    schema = fake.requests[0].response_format["json_schema"]["schema"]
    options = schema.get("anyOf", [schema])
    assert {next(iter(option["properties"])) for option in options} == kinds


def test_call_that_was_cut_is_not_run(ask, fake):
    fake.enqueue(truncated(call()[:30]))
    ask.fail(errors.OutputTruncated, task(ask, fake))


def test_call_that_cannot_be_read_is_shown(ask, fake):
    fake.enqueue('{"tool": "find", "arguments": {"place": oops}}', '{"answer": "sorry"}')
    assert ask(task(ask, fake)).calls[0].error.startswith("not run: ")


def test_text_without_an_envelope_is_the_answer(ask, fake):
    fake.enqueue("Just so.")
    assert ask(task(ask, fake)).value == "Just so."


def test_server_that_refuses_tools_is_told_in_words(ask):
    refusal = errors.BadRequestError("this model does not support tools", status=400)
    llm = FakeLLM([refusal, call(), '{"answer": "cold"}', '{"answer": "again"}'])
    asking = ask.task(llm, tools=[find])
    assert ask(asking).value == "cold"
    assert [bool(request.tools) for request in llm.requests] == [True, False, False]
    assert ask(asking).value == "again"  # what was learned is remembered
    assert not llm.requests[-1].tools


def test_other_refusals_are_told(ask):
    llm = FakeLLM([errors.BadRequestError("no such model", status=400)])
    ask.fail(errors.BadRequestError, ask.task(llm, tools=[find]))


@given(value=st.text(), at=st.lists(st.integers(0, 400), max_size=6), spaced=st.booleans(), escaped=st.booleans())
@settings(max_examples=300, deadline=None)
def test_answer_is_shown_whole_however_it_is_cut(value, at, spaced, escaped):
    text = json.dumps({"answer": value}, indent=1 if spaced else None, ensure_ascii=escaped)
    filter_ = EnvelopeFilter(is_text=True)
    cuts = sorted({0, *(cut for cut in at if cut < len(text)), len(text)})
    shown = "".join(filter_.feed(text[begin:end]) for begin, end in pairwise(cuts))
    assert shown + filter_.close() == value


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    ),
    cut=st.integers(0, 100),
)
@settings(max_examples=300, deadline=None)
def test_typed_answer_is_shown_as_json(value, cut):
    text = json.dumps({"answer": value})
    filter_ = EnvelopeFilter(is_text=False)
    shown = filter_.feed(text[:cut]) + filter_.feed(text[cut:]) + filter_.close()
    assert json.loads(shown) == value


@given(text=st.text(alphabet='{}" :abcanswertool,1'), cut=st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_any_other_text_is_shown_as_it_is(text, cut):
    filter_ = EnvelopeFilter(is_text=True)
    shown = filter_.feed(text[:cut]) + filter_.feed(text[cut:]) + filter_.close()
    if filter_.kind == "bare":
        assert shown == text


def test_tools_in_words_stay_out_of_the_memory(way, fake):
    fake.enqueue(call(), '{"answer": "cold"}', '{"answer": "still cold"}')

    @fake.chat(tools=[find], tool_mode="emulated")
    class Bot:
        """You know places"""

        if way.is_async:

            async def send(self, message: str) -> str: ...

    bot = Bot()
    assert way.do(bot.send("how is Oslo?")) == "cold"
    assert [str(message.role) for message in bot.conversation] == ["user", "assistant", "tool", "assistant"]
    assert bot.conversation[-1].message == "cold"
    assert way.do(bot.send("and now?")) == "still cold"
    assert [str(message.role) for message in fake.requests[-1].messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.local_model
def test_embedded_model_calls_a_function():
    import declarai_like as declarai

    def get_weather(city: str) -> int:
        """Look up how warm it is in a city

        :param city: The name of the city
        :return: The temperature in degrees Celsius
        """
        return {"Paris": 18}.get(city, 10)

    llm = declarai.local(llm_params={"temperature": 0, "max_tokens": 60})

    @llm.task(tools=[get_weather], tool_choice="required", max_rounds=1, at_limit="answer")
    def how_warm(city: str) -> int:
        """How warm is it in {city} now, in degrees Celsius?"""

    result = how_warm.run("Paris")
    assert (result.value, [run.value for run in result.calls]) == (18, [18])

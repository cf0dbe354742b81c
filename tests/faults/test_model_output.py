"""Rows 29 to 34: the model's words."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict
from wire_format import chunk, tool

from declarai_like.errors import (
    ContentFiltered,
    DeclaraiError,
    InvalidResponse,
    ModelRefusal,
    OutputError,
    OutputTruncated,
    ToolArgumentsError,
)
from declarai_like.testing import bytes_reply, chunks_reply, json_reply, stream_reply, text_reply


class Person(BaseModel):
    name: str
    age: int


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


@dataclass
class Point:
    x: float
    y: float


# 29: cut at the token limit


@pytest.mark.parametrize(
    "text", ['{"name": "Ann", "age', '{"name": "Ann", "age": 41}'], ids=["half", "by chance whole"]
)
def test_row_29_cut_answer_is_told_apart(model, ask, server, text):
    server.enqueue(ask.answer(text, finish_reason="length"), repeat=3)
    with pytest.raises(OutputTruncated) as caught:
        ask(model(server.base_url), returns=Person, retries=2)
    error = caught.value
    assert (error.response.response, error.response.outcome, len(server.requests)) == (text, "truncated", 1)
    assert [attempt.text for attempt in error.attempts] == [text]


def test_row_29_what_could_be_read_is_kept(model, ask, server):
    server.enqueue(ask.answer('{"declarai_result": [1, 2, 3', finish_reason="length"))
    with pytest.raises(OutputTruncated) as caught:
        ask(model(server.base_url), returns=list[int])
    assert caught.value.partial[:2] == [1, 2]


def test_row_29_cut_text_is_no_error_but_told(model, ask, server):
    server.enqueue(ask.answer("Once upon", finish_reason="length"))
    assert ask(model(server.base_url)).outcome == "truncated"


# 30: refused, filtered


def refusals(streaming, words):
    if not streaming:
        return text_reply(None, message={"refusal": words})
    return chunks_reply([chunk(None, role="assistant"), chunk(None, refusal=words), chunk(finish="stop")])


def test_row_30_refusal_is_told_apart(model, ask, server):
    server.enqueue(refusals(ask.streaming, "I cannot."), repeat=4)
    with pytest.raises(ModelRefusal, match="I cannot") as caught:
        ask(model(server.base_url, max_retries=2), returns=Person, retries=2)
    assert (caught.value.response.refusal, caught.value.response.outcome) == ("I cannot.", "refused")
    assert len(server.requests) == 1


def test_row_30_filter_is_told_apart(model, ask, server):
    server.enqueue(ask.answer('{"name": "A', finish_reason="content_filter"), repeat=4)
    with pytest.raises(ContentFiltered) as caught:
        ask(model(server.base_url, max_retries=2), returns=Person, retries=2)
    assert (caught.value.response.response, caught.value.response.outcome) == ('{"name": "A', "filtered")
    assert len(server.requests) == 1


def test_row_30_filtered_text_is_told_by_its_outcome(model, ask, server):
    server.enqueue(ask.answer("Once", finish_reason="content_filter"))
    assert ask(model(server.base_url)).outcome == "filtered"


# 31: words around it, or only words

READ = {
    "fence": ('```json\n{"name": "Ann", "age": 41}\n```', ("fence",)),
    "fence in prose": ('Sure {here}!\n```\n{"name": "Ann", "age": 41}\n```\nBye.', ("fence",)),
    "prose": ('Here: {"name": "Ann", "age": 41}. Enjoy!', ("prose",)),
    "trailing comma": ('{"name": "Ann", "age": 41,}', ("trailing_commas",)),
    "byte order mark": ('\ufeff{"name": "Ann", "age": 41}', None),
}


@pytest.mark.parametrize(("text", "repairs"), READ.values(), ids=READ)
def test_row_31_words_around_a_value_are_read_through(model, ask, server, text, repairs):
    server.enqueue(ask.answer(*text))
    response = ask(model(server.base_url), returns=Person)
    assert response.parsed == Person(name="Ann", age=41)
    assert repairs is None or response.repairs == repairs


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_row_31_model_is_asked_again_so_often(model, whole, server, retries):
    texts = ["no idea", "none at all", "sorry"][: retries + 1]
    server.enqueue(*(text_reply(text, usage={"total_tokens": 7}) for text in texts), text_reply("4"))
    with pytest.raises(OutputError) as caught:
        whole(model(server.base_url), returns=int, retries=retries)
    error = caught.value
    assert [attempt.text for attempt in error.attempts] == texts
    assert [attempt.usage.total_tokens for attempt in error.attempts] == [7] * (retries + 1)
    assert all(isinstance(attempt.error, OutputError) for attempt in error.attempts)
    assert (error.response.response, len(server.requests)) == (texts[-1], retries + 1)


def test_row_31_model_is_shown_what_is_wrong(model, way, whole, server):
    server.enqueue(text_reply("no idea"), text_reply('{"declarai_result": 4}'))
    result = way.run(whole.task(model(server.base_url), int, retries=1), "hello")
    assert (result.value, [attempt.text for attempt in result.attempts]) == (4, ["no idea"])
    *_, answer, told = server.requests[1].body["messages"]
    assert answer == {"role": "assistant", "content": "no idea"}
    assert "int" in told["content"]


def test_row_31_stream_tells_the_text_that_is_no_value(model, stream, server):
    server.enqueue(stream.answer("no", " idea"))
    with pytest.raises(OutputError, match="no idea") as caught:
        stream(model(server.base_url), returns=int, retries=3)
    assert (caught.value.response.response, stream.text, len(server.requests)) == ("no idea", "no idea", 1)


# 32: JSON, but not of the type

ACCEPTED = [
    (int, '{"declarai_result": "4"}', 4),
    (int, '{"declarai_result": 4.0}', 4),
    (int, '{"declarai_result": 1%s}' % ("0" * 30), 10**30),
    (bool, '{"declarai_result": "true"}', True),
    (Person, '{"name": "Ann", "age": 41, "extra": [1]}', Person(name="Ann", age=41)),
    (Person, '{"name": "Bob", "name": "Ann", "age": 41}', Person(name="Ann", age=41)),
    (Point, '{"x": 1, "y": 2, "z": 3}', Point(1.0, 2.0)),
    (Any, '{"a": 1, "a": 2}', None),
]


@pytest.mark.parametrize(("returns", "text", "value"), ACCEPTED, ids=[text[:40] for _, text, _ in ACCEPTED])
def test_row_32_only_what_pydantic_takes_is_taken(model, ask, server, returns, text, value):
    server.enqueue(ask.answer(*text))
    response = ask(model(server.base_url), returns=returns)
    assert value is None or response.parsed == value
    assert type(response.parsed) is type(value) or value is None


REFUSED = [
    (int, '{"declarai_result": 4.5}', "fraction"),
    (int, '{"declarai_result": true}', "int"),
    (int, '{"declarai_result": null}', "int"),
    (int, '{"declarai_result": NaN}', "int"),
    (int, '{"declarai_result": 1%s}' % ("0" * 5000), "int"),
    (bool, '{"declarai_result": 1}', "bool"),
    (float, '{"declarai_result": 1%s}' % ("0" * 400), "float"),
    (Literal["a", "b"], '{"declarai_result": "c"}', "declarai_result: .*'a' or 'b'"),
    (Person, '{"name": [1], "age": 41}', r"name: .* \(got \[1\]\)"),
    (Person, '{"name": "Ann", "age": "old"}', r"age: .* \(got 'old'\)"),
    (Person, '{"name": "Ann"}', r"age: Field required"),
    (Strict, '{"name": "Ann", "more": 1}', r"more: Extra inputs"),
    (list[Person], '[{"name": "Ann", "age": 41}, {"name": "Bob", "age": null}]', r"\[1\]\.age: "),
]


@pytest.mark.parametrize(("returns", "text", "words"), REFUSED, ids=[text[:40] for _, text, _ in REFUSED])
def test_row_32_what_is_wrong_is_named(model, ask, server, returns, text, words):
    server.enqueue(ask.answer(*[text[place : place + 9] for place in range(0, len(text), 9)]))
    with pytest.raises(OutputError, match=words) as caught:
        ask(model(server.base_url), returns=returns)
    assert caught.value.response.response == text
    assert len(caught.value.message) < 1500


def test_row_32_not_a_number_is_a_float_and_nothing_else(model, ask, server):
    server.enqueue(ask.answer('{"declarai_result": NaN}'))
    assert math.isnan(ask(model(server.base_url), returns=float).parsed)


# 33: numbers in pieces

NUMBERS = [
    (float, '{"declarai_result": 1.5}'),
    (float, '{"declarai_result": -12.25e+2}'),
    (int, '{"declarai_result": 1234567890123456789}'),
    (list[float], '{"declarai_result": [1.5, 20, -3e2, 0.125]}'),
    (Point, '{"x": 10.5, "y": -0.25}'),
    (dict[str, int], '{"a": 10, "b": 205}'),
    (float, "1.5"),
]


@pytest.mark.parametrize(("returns", "text"), NUMBERS, ids=[text for _, text in NUMBERS])
def test_row_33_last_value_is_that_of_the_whole_text(model, way, stream, server, returns, text):
    llm, task = model(server.base_url), None
    server.enqueue(text_reply(text))
    task = stream.task(llm, returns)
    value = way.run(task, "hello").value
    for place in range(1, len(text)):
        server.enqueue(stream_reply([text[:place], text[place:]]))
        assert stream.of(task).parsed == value
    server.enqueue(stream_reply(text), stream_reply(text))
    assert stream.of(task).parsed == value
    assert way.result(task.stream("hello")) == value


def test_row_33_no_number_is_shown_before_it_has_ended(model, stream, server):
    server.enqueue(stream_reply(['{"x": 1', "0", ".", "5", ', "y": -', "0.2", "5", "}"]))
    stream(model(server.base_url), returns=Point)
    shown = [step.parsed for step in stream.steps if step.parsed is not None]
    assert {getattr(value, "x", None) for value in shown} <= {None, 10.5}
    assert {getattr(value, "y", None) for value in shown} <= {None, -0.25}
    assert shown[-1] == Point(10.5, -0.25)


# 34: depth

DEPTH = 100_000


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []


DEEP = {
    "open lists": (list, "[" * DEPTH),
    "lists": (list, "[" * DEPTH + "]" * DEPTH),
    "objects": (dict, '{"a":' * DEPTH + "1" + "}" * DEPTH),
    "open objects": (dict, '{"a":' * DEPTH),
    "wrapped lists": (list[int], '{"declarai_result":' + "[" * DEPTH + "]" * DEPTH + "}"),
    "trees": (Tree, '{"value":1,"children":[' * DEPTH + "]}" * DEPTH),
    "a number": (int, "[" * DEPTH),
    "in prose": (Person, "See " + '{"name":' * DEPTH),
    "in a fence": (Person, "```json\n" + "[" * DEPTH + "\n```"),
}


@pytest.mark.parametrize(("returns", "text"), DEEP.values(), ids=DEEP)
def test_row_34_deep_answer_is_a_typed_error(model, ask, server, returns, text):
    server.enqueue(ask.answer(*[text[place : place + 20_000] for place in range(0, len(text), 20_000)]))
    with pytest.raises(OutputError) as caught:
        ask(model(server.base_url), returns=returns)
    assert caught.value.response.response == text
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"choices":[', '{"error":'])
def test_row_34_deep_body_is_a_typed_error(model, ask, server, opened):
    deep = (opened * DEPTH).encode()
    kind = "text/event-stream" if ask.streaming else "application/json"
    body = b"data: " + deep + b"\n\n" if ask.streaming else deep
    server.enqueue(bytes_reply(body, content_type=kind))
    with pytest.raises(InvalidResponse):
        ask(model(server.base_url))


def test_row_34_deep_field_is_a_typed_error_or_ignored(model, ask, server):
    deep = b'{"x": ' + b"[" * DEPTH + b"]" * DEPTH
    body = deep + b', "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}'
    server.enqueue(bytes_reply(b"data: " + body + b"\n\n" if ask.streaming else body))
    with pytest.raises(DeclaraiError):
        ask(model(server.base_url))


def test_row_34_deep_body_of_an_error_is_a_typed_error(model, ask, server):
    deep = b'{"error":' * DEPTH
    server.enqueue(bytes_reply(deep, status=400, content_type="application/json"))
    with pytest.raises(DeclaraiError) as caught:
        ask(model(server.base_url))
    assert caught.value.status == 400


def test_row_34_deep_arguments_of_a_tool_are_a_typed_error_or_text(model, way, server):
    deep = "[" * DEPTH
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": deep}}
    reply = json_reply(
        {"choices": [{"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    )
    strict = {"type": "function", "function": {"name": "look", "strict": True, "parameters": {"type": "object"}}}
    server.enqueue(
        reply,
        chunks_reply([chunk(None, tool_calls=[tool(0, "c", "look", deep)]), chunk(finish="tool_calls")]),
    )
    llm = model(server.base_url)
    ask = llm.asend if way.is_async else llm.send
    stream = llm.astream if way.is_async else llm.stream
    for made in (lambda: way.do(ask("hello", tools=[strict])), lambda: way.events(stream("hello", tools=[strict]))):
        with pytest.raises(ToolArgumentsError):
            made()

"""Responses: one class for whole answers and for the steps of a stream."""
# ruff: noqa: S301 - what is unpickled here was pickled here

import json
import pickle
import tracemalloc

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from wire_format import USAGE, chunk, of_choices, responses, text, told, tool

from declarai_like._outputs.output import Output
from declarai_like.completions import Choice, Completion, CompletionMessage, Logprobs, TokenLogprob, ToolCall, Usage
from declarai_like.responses import Attempt, LLMResponse, Result

TOKENS = (TokenLogprob("a", -1.0, (97,), (TokenLogprob("b", -2.0),)),)
LEGACY = {"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [{"a": -1.0}], "text_offset": [0]}
FULL = LLMResponse(
    response="Hi",
    raw_response={"a": 1},
    parsed=[1],
    model="m",
    finish_reason="stop",
    refusal="no",
    reasoning="hm",
    tool_calls=(ToolCall(0, "a", "f", "{}"),),
    logprobs=Logprobs(TOKENS, TOKENS),
    usage=USAGE,
)


def test_response_made_by_hand_has_what_it_was_given():
    assert (FULL.response, FULL.content, FULL.parsed, FULL.model) == ("Hi", "Hi", [1], "m")
    assert (FULL.finish_reason, FULL.outcome, FULL.refusal, FULL.reasoning) == ("stop", "refused", "no", "hm")
    assert (FULL.prompt_tokens, FULL.completion_tokens, FULL.total_tokens) == (3, 2, 5)
    assert FULL.tool_calls[0].name == "f"
    assert FULL.logprobs == Logprobs(TOKENS, TOKENS)
    assert FULL.role == "assistant"


def test_empty_response_knows_nothing():
    empty = LLMResponse()
    assert (empty.response, empty.content, empty.raw_response) == ("", "", {})
    assert (empty.usage, empty.logprobs, empty.reasoning, empty.tool_calls) == (None, None, None, ())
    assert (empty.prompt_tokens, empty.completion_tokens, empty.total_tokens) == (None, None, None)
    assert empty.outcome == "complete"


def test_tokens_may_be_given_one_by_one():
    assert LLMResponse(prompt_tokens=1, completion_tokens=2).usage == Usage(1, 2)
    assert LLMResponse(usage=Usage(1, 2, 3)).total_tokens == 3


@pytest.mark.parametrize("response", [FULL, LLMResponse(), LLMResponse(response="x", logprobs=Logprobs.of(LEGACY))])
def test_response_survives_pickling_and_json(response):
    assert pickle.loads(pickle.dumps(response)) == response
    assert hash(pickle.loads(pickle.dumps(response))) == hash(response)
    adapter = TypeAdapter(LLMResponse)
    assert adapter.validate_json(adapter.dump_json(response)) == response
    assert json.loads(response.model_dump_json()) == response.model_dump()
    assert adapter.validate_python(response) is response


@pytest.mark.parametrize("value", [5, {"unknown": 1}, {"tool_calls": [5]}])
def test_pydantic_refuses_what_is_no_response(value):
    with pytest.raises(ValidationError):
        TypeAdapter(LLMResponse).validate_python(value)


def test_response_has_a_json_schema():
    properties = TypeAdapter(LLMResponse).json_schema(mode="serialization")["properties"]
    assert list(properties) == list(LLMResponse().model_dump())


def test_step_of_a_stream_can_be_pickled_with_only_its_own_text():
    steps = responses(chunk('{"x"'), chunk(": 1}"), chunk(finish="stop"), output=Output.of(dict[str, int]))
    assert pickle.loads(pickle.dumps(steps[0])) == steps[0]
    assert b": 1" not in pickle.dumps(steps[0])
    assert pickle.loads(pickle.dumps(steps[-1])).parsed == {"x": 1}


def test_repairs_survive_pickling():
    last = responses(chunk("```json\n[1]\n```"), chunk(finish="stop"), output=Output.of(list[int]))[-1]
    assert last.repairs
    assert pickle.loads(pickle.dumps(last)).repairs == last.repairs


def test_response_equals_only_responses():
    assert LLMResponse(response="a") == LLMResponse(response="a")
    assert LLMResponse(response="a") != LLMResponse(response="b")
    assert LLMResponse(response="a") != "a"
    assert repr(LLMResponse(response="a")) == "LLMResponse(response='a', content='a', outcome='complete')"


# The official objects


@pytest.mark.parametrize(
    ("raw", "kind", "delta"),
    [
        (chunk("Hi"), "ChatCompletionChunk", "Hi"),
        (of_choices(usage=USAGE), "ChatCompletionChunk", None),
        ({"choices": None}, "ChatCompletionChunk", None),
        ({}, "ChatCompletionChunk", None),
        ({"choices": [None]}, "ChatCompletionChunk", None),
        ({"choices": [{"delta": {"content": "Hi"}}]}, "ChatCompletionChunk", "Hi"),
        ({"choices": [{"message": {"content": "Hi"}}]}, "ChatCompletion", "Hi"),
        ({"object": "chat.completion", "choices": [{"message": {"content": "Hi"}}]}, "ChatCompletion", "Hi"),
        (text("Hi"), "Completion", None),
        ({"choices": [{"text": "Hi"}]}, "Completion", None),
        ({"object": "text_completion", "choices": []}, "Completion", None),
    ],
)
def test_chunk_is_shown_as_the_official_object(raw, kind, delta):
    response = LLMResponse(raw_response=raw)
    assert type(response.chunk).__name__ == kind
    assert getattr(response.delta, "content", None) == delta
    assert response.choice == next(iter(response.choices), None)
    assert len(response.choices) == len(raw.get("choices") or [])


def test_text_completion_has_its_text_on_the_choice():
    step = responses(text("Once"), text("", "stop"))[0]
    assert step.choice.text == step.content == "Once"
    assert step.delta is None


def test_unknown_fields_stay_on_the_official_object():
    assert LLMResponse(raw_response={**chunk("Hi"), "timings": {"n": 1}}).chunk.timings == {"n": 1}


# Many of them


def test_keeping_every_step_costs_little():
    raw = [chunk("word ") for _ in range(5000)]
    tracemalloc.start()
    steps = responses(*raw, chunk(finish="stop"))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / len(steps) < 250
    assert steps[2499].response == "word " * 2500


# Completions


def test_completion_is_dumped_as_plain_data():
    class Point(BaseModel):
        x: int

    message = CompletionMessage(content="{}", parsed=Point(x=1), tool_calls=(ToolCall(0, "a", "f"),))
    completion = Completion(id="c", usage=Usage(1, 2, 3), choices=(Choice(message=message),))
    dumped = completion.model_dump()
    assert dumped["choices"][0]["message"]["parsed"] == {"x": 1}
    assert dumped["choices"][0]["message"]["tool_calls"][0]["name"] == "f"
    assert json.loads(completion.model_dump_json()) == dumped
    assert completion.choices[0].text == "{}"
    assert Choice().text == ""


def test_completion_and_its_parts_can_be_pickled():
    completion = told(chunk("a", tool_calls=[tool(0, "a", "f", "{}")]), chunk(finish="stop"))[1]
    assert pickle.loads(pickle.dumps(completion)) == completion


def test_log_probabilities_are_read_in_either_form():
    assert Logprobs.of({"content": [{"token": "a", "logprob": 1}], "refusal": None}).content[0].token == "a"
    assert Logprobs.of({"content": None, "refusal": []}).refusal == ()
    assert Logprobs.of(LEGACY).legacy() == {name: tuple(values) for name, values in LEGACY.items()}
    assert Logprobs.of({"content": TOKENS}).content == TOKENS


def test_total_is_the_sum_unless_it_is_told():
    assert Usage.of({"prompt_tokens": 1, "completion_tokens": 2}).total_tokens == 3
    assert Usage.of({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}).total_tokens == 9
    assert Usage.of({"prompt_tokens": 1}).total_tokens is None
    assert Usage.of({"prompt_tokens_details": {"cached_tokens": 1}}).details == {
        "prompt_tokens_details": {"cached_tokens": 1}}  # fmt: skip


def test_result_knows_what_its_response_knows():
    result = Result([1], FULL, attempts=(Attempt(ValueError("x")),))
    assert (result.usage, result.repairs) == (Usage(3, 2, 5), ())
    assert result.attempts[0].seconds == 0.0


def test_what_was_sent_can_be_put_in_the_place_of_another():
    response = LLMResponse(response="Hi", raw_response={"a": 1})
    response.raw_response = {"b": 2}
    assert response.raw_response == {"b": 2}


def test_chunk_of_another_vendor_is_given_as_it_came():
    from declarai_like._values.buffers import VendorChunk

    response = LLMResponse(response="Hi", raw_response=VendorChunk({"choices": []}, {"type": "message_start"}))
    assert (response.chunk, response.raw_response, response.choices) == (
        {"type": "message_start"},
        {"type": "message_start"},
        [],
    )

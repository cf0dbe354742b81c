"""Chunks put together: whatever a provider leaves out, repeats, or spells in its own way."""

import copy
import math
from typing import Any

import pytest
from pydantic import BaseModel
from wire_format import USAGE, chunk, of_choices, responses, text, told, tool, types

from declarai_like import errors
from declarai_like._calls.values import raise_known
from declarai_like._outputs.output import Output
from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.deltas import reasoning_of
from declarai_like._wire.event_builder import EventBuilder
from declarai_like.completions import FinishReason, Usage

ROLE = chunk("", role="assistant")
STOP = chunk(finish="stop")


class Point(BaseModel):
    x: int
    y: int = 0


def final(*chunks, **options):
    return responses(*chunks, **options)[-1]


def choice(*chunks, **options):
    return told(*chunks, **options)[1].choices[0]


def test_text_grows_and_its_last_step_has_the_whole_of_it():
    steps = responses(ROLE, chunk("Hel"), chunk("lo"), STOP)
    assert [step.response for step in steps] == ["", "Hel", "Hello", "Hello"]
    assert [step.content for step in steps] == ["", "Hel", "lo", ""]
    assert [step.outcome for step in steps] == ["streaming"] * 3 + ["complete"]
    assert [step.raw_response for step in steps] == [ROLE, chunk("Hel"), chunk("lo"), STOP]


def test_steps_stay_as_they_were():
    steps = responses(ROLE, *(chunk(letter) for letter in "abc"), STOP)
    assert steps[1].response == "a"
    assert steps[3].response == "abc"
    assert steps[2].response == "ab"


# Where the usage is


@pytest.mark.parametrize(
    "chunks",
    {
        "in a chunk of its own": [chunk("a"), STOP, of_choices(usage=USAGE)],
        "where choices are null": [chunk("a"), STOP, {"choices": None, "usage": USAGE}],
        "where choices are missing": [chunk("a"), STOP, {"usage": USAGE}],
        "on the finishing chunk": [chunk("a"), {**STOP, "usage": USAGE}],
        "on every chunk, growing": [{**chunk("a"), "usage": {"prompt_tokens": 3}}, {**STOP, "usage": USAGE}],
        "twice": [chunk("a"), {**STOP, "usage": {"total_tokens": 1}}, of_choices(usage=USAGE)],
        "once, then null": [chunk("a"), {**STOP, "usage": USAGE}, of_choices(usage=None)],
        "once, then empty": [chunk("a"), {**STOP, "usage": USAGE}, of_choices(usage={})],
    }.values(),
)
def test_usage_is_found(chunks):
    last = final(ROLE, *chunks)
    assert last.usage == Usage(3, 2, 5)
    assert last.raw_response["choices"][0]["finish_reason"] == "stop"
    assert told(ROLE, *chunks)[1].usage == Usage(3, 2, 5)


def test_usage_is_unknown_when_it_was_not_told():
    last = final(chunk("a"), STOP)
    assert (last.usage, last.prompt_tokens, last.total_tokens) == (None, None, None)


def test_usage_of_odd_kinds_is_read_as_far_as_it_goes():
    usage = {"prompt_tokens": "3", "completion_tokens": 2, "cost": 0.1}
    assert final(chunk("a"), {**STOP, "usage": usage}).usage == Usage(None, 2, None, {"cost": 0.1})


# Head


def test_identity_is_the_first_that_is_told_and_the_fingerprint_the_last():
    chunks = [
        {"id": "", "model": "", "choices": []},
        {**chunk("a"), "id": "x", "model": "one", "created": 5},
        {**chunk("b"), "id": "y", "model": "two", "system_fingerprint": "fp"},
        {**STOP, "system_fingerprint": None},
    ]
    completion = told(*chunks)[1]
    assert (completion.id, completion.model, completion.created) == ("x", "one", 5)
    assert completion.system_fingerprint == "fp"


def test_fingerprint_of_a_plain_chunk_is_seen():
    accumulator = Accumulator()
    accumulator.feed(chunk("a"))
    accumulator.feed({**chunk("b"), "system_fingerprint": "fp"})
    assert accumulator.completion.system_fingerprint == "fp"
    accumulator.feed(STOP)
    assert accumulator.finish().model == "m"


# Content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}], "ab"),
        ([{"text": None}, "x", 5], ""),
        ({"text": "a"}, "a"),
        ({"type": "output_text", "text": "a"}, "a"),
    ],
)
def test_content_of_several_parts_is_their_text(content, expected):
    assert final(chunk(content), STOP).response == expected
    assert final(chunk("-"), chunk(content), STOP).response == "-" + expected


def test_surrogate_pair_that_is_split_is_put_together():
    steps = responses(chunk("x"), chunk("\ud83d"), chunk("\ude00"), chunk("é"), STOP)
    assert steps[-1].response == "x😀é"
    events, completion = told(chunk("x"), chunk("\ud83d"), chunk("\ude00"), STOP)
    assert completion.choices[0].message.content == "x😀"
    assert [e.snapshot for e in events if e.type == "content.delta"][-1] == "x😀"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"choices": {}},
        {"choices": [None, "x", 3]},
        {"choices": [{}]},
        {"choices": [{"index": "0", "delta": None}]},
        {"choices": [{"delta": [], "finish_reason": {}, "logprobs": 5}]},
        {"choices": [{"delta": {"role": 5, "tool_calls": {"a": 1}, "refusal": 2, "function_call": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None, "x", {"function": "f", "index": "z", "id": 5, "type": []}]}}]},
        {"choices": [{"logprobs": {"content": [None, {"token": None, "logprob": None, "top_logprobs": 3}]}}]},
        {"choices": [{"logprobs": {"tokens": "abc"}}]},
        {"choices": [], "usage": "none"},
    ],
)
def test_chunk_of_any_shape_breaks_nothing(raw):
    before = copy.deepcopy(raw)
    assert final(chunk("a"), raw, chunk("b"), STOP).response == "ab"
    assert told(raw, chunk("a"), STOP)[1].choices[0].message.content == "a"
    assert raw == before


def test_choice_without_an_index_is_the_one_at_its_position():
    both = of_choices({"delta": {"content": "a"}}, {"delta": {"content": "b"}})
    completion = told(both, of_choices({"delta": {}, "finish_reason": "stop"}))[1]
    assert [one.message.content for one in completion.choices] == ["a", "b"]


def test_whole_answer_is_read_as_one_chunk():
    message = {"role": "assistant", "content": "Hi", "reasoning": "hm"}
    body = {"object": "chat.completion", "choices": [{"message": message, "finish_reason": None}]}
    last = final(body)
    assert last.raw_response is body
    assert (last.response, last.content, last.reasoning, last.outcome) == ("Hi", "Hi", "hm", "complete")


def test_first_word_of_the_role_stands():
    assert choice(chunk("a", role="model"), chunk("b", role="assistant"), STOP).message.role == "model"
    assert choice(chunk("a"), STOP).message.role == "assistant"


def test_text_is_none_when_nothing_was_said_and_empty_when_nothing_was_in_it():
    assert choice(chunk(role="assistant"), STOP).message.content is None
    assert choice(chunk(""), STOP).message.content == ""


def test_completion_of_a_plain_generator_has_the_text_too():
    accumulator = Accumulator()
    for one in (chunk(role="assistant"), chunk("a"), chunk("b")):
        accumulator.feed(one)
    assert accumulator.completion.choices[0].message.content == "ab"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_told_before_the_text(name):
    events, completion = told(chunk(**{name: "2+2"}), chunk("4", **{name: "!"}), STOP)
    assert types(events) == [
        "chunk", "reasoning.delta", "chunk", "reasoning.delta", "content.delta", "chunk", "reasoning.done",
        "content.done"]  # fmt: skip
    assert completion.choices[0].message.reasoning == "2+2!"
    assert events[3].snapshot == "2+2!"
    assert final(chunk(**{name: "2+2"}), STOP).reasoning == "2+2"


def test_legacy_function_call_is_put_together():
    call = choice(
        chunk(function_call={"name": "f", "arguments": '{"a"'}),
        chunk(function_call={"arguments": ": 1}"}),
        chunk(function_call={"name": None, "arguments": None}),
        chunk(finish="function_call"),
    ).message.function_call
    assert call == {"name": "f", "arguments": '{"a": 1}'}


# Log probabilities


def test_log_probabilities_grow():
    def logprobs(token):
        return {"content": [{"token": token, "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "z"}]}]}

    events, completion = told(chunk("a", logprobs=logprobs("a")), chunk("b", logprobs=logprobs("b")), STOP)
    deltas = [event for event in events if event.type == "logprobs.content.delta"]
    assert [[t.token for t in event.content] for event in deltas] == [["a"], ["b"]]
    assert [[t.token for t in event.snapshot] for event in deltas] == [["a"], ["a", "b"]]
    first = completion.choices[0].logprobs.content[0]
    assert (first.logprob, first.bytes, first.top_logprobs[0].token) == (-0.5, (97,), "z")
    assert math.isnan(first.top_logprobs[0].logprob)


def test_log_probabilities_of_a_refusal_have_their_own_events():
    logprobs = {"content": None, "refusal": [{"token": "No", "logprob": -1}]}
    events, completion = told(chunk(refusal="No", logprobs=logprobs), STOP)
    assert types(events) == [
        "chunk", "refusal.delta", "logprobs.refusal.delta", "chunk", "refusal.done", "logprobs.refusal.done"]  # fmt: skip
    assert events[2].refusal == events[5].refusal == list(completion.choices[0].logprobs.refusal)


def test_parallel_lists_of_a_text_completion_are_kept_without_events():
    first = {"tokens": ["On", "ce"], "token_logprobs": [None, -1.0], "top_logprobs": None, "text_offset": [0, 2]}
    second = {"tokens": ["!"], "token_logprobs": [-2.0], "top_logprobs": [{"!": -2.0}], "text_offset": [4]}
    events, completion = told(text("Once", logprobs=first), text("!", "length", logprobs=second))
    assert "logprobs.content.delta" not in types(events)
    kept = completion.choices[0].logprobs
    assert (kept.content, kept.tokens, kept.token_logprobs) == (None, ("On", "ce", "!"), (None, -1.0, -2.0))
    assert (kept.top_logprobs, kept.text_offset) == (({"!": -2.0},), (0, 2, 4))


def test_chat_form_of_log_probabilities_is_read_in_a_text_completion_too():
    logprobs = {"content": [{"token": "Once", "logprob": -1.0}]}
    assert final(text("Once", "stop", logprobs=logprobs)).logprobs.content[0].token == "Once"


# Text completions


def test_text_completion_is_told_as_content():
    events, completion = told(text("Once"), text(" upon", "length"))
    assert types(events) == ["chunk", "content.delta", "chunk", "content.delta", "content.done"]
    assert completion.choices[0].text == "Once upon"
    assert final(text("Once"), text(" upon", "length")).outcome == "truncated"


def test_several_prompts_and_answers_are_told_apart():
    chunks = [text(letter, "stop", index=i) for i, letter in enumerate("abcd")]
    completion = told(*chunks, choices=4)[1]
    assert [one.text for one in completion.choices] == ["a", "b", "c", "d"]


# Several choices


def test_answer_ends_when_every_choice_has_ended():
    chunks = [chunk("a"), chunk("b", index=1), STOP]
    with pytest.raises(errors.StreamInterrupted):
        responses(*chunks, done=False, choices=2)
    last = responses(*chunks, chunk(finish="length", index=1), done=False, choices=2)[-1]
    assert (last.response, last.outcome) == ("a", "complete")


def test_first_choice_is_shown_when_another_one_speaks():
    steps = responses(chunk("b", index=1), chunk("a"), STOP, chunk(finish="stop", index=1), choices=2)
    assert [step.content for step in steps] == ["", "a", "", ""]
    assert [step.response for step in steps] == ["", "a", "a", "a"]


def test_one_choice_that_was_cut_is_told_when_its_type_matters():
    chunks = [chunk('{"x": 1}'), chunk('{"x"', index=1), STOP, chunk(finish="length", index=1)]
    accumulator = Accumulator(Output.of(Point), choices=2)
    for one in [*chunks, DONE]:
        accumulator.feed(one)
    with pytest.raises(errors.OutputTruncated):
        raise_known(accumulator.finish())
    assert isinstance(accumulator.states[1].error, errors.OutputTruncated)
    events, completion = told(*chunks, output=Output.of(Point), choices=2)
    assert [(e.choice_index, e.parsed) for e in events if e.type == "content.done"] == [(0, Point(x=1)), (1, None)]
    assert completion.choices[1].message.parsed is None


# Finish reasons and outcomes


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("stop", "complete"),
        ("length", "truncated"),
        ("content_filter", "filtered"),
        ("tool_calls", "complete"),
        ("eos_token", "complete"),
    ],
)
def test_finish_reason_gives_the_outcome(reason, outcome):
    last = final(chunk("a"), chunk(finish=reason))
    assert (last.finish_reason, last.outcome) == (reason, outcome)


def test_finish_reason_can_be_compared_with_its_enum():
    assert final(chunk("a"), STOP).finish_reason == FinishReason.stop
    assert str(FinishReason.length) == "length"


def test_refusal_is_an_outcome_of_its_own():
    last = final(chunk(refusal="I "), chunk(refusal="can't"), STOP)
    assert (last.refusal, last.outcome, last.response) == ("I can't", "refused", "")


def test_empty_finish_reason_is_none():
    steps = responses(chunk("a", ""), chunk("b", ""), chunk(finish="eos"))
    assert [step.finish_reason for step in steps] == [None, None, "eos"]


def test_stream_without_a_finish_reason_gets_a_step_that_brings_nothing():
    steps = responses(chunk("a"))
    assert (steps[-1].content, steps[-1].response, steps[-1].finish_reason) == ("", "a", None)
    assert steps[-1].outcome == "complete"
    assert types(told(chunk("a"))[0]) == ["chunk", "content.delta", "content.done"]


def test_content_after_the_finish_is_not_lost():
    steps = responses(chunk("a"), STOP, chunk("b"))
    assert steps[-1].response == "ab"
    assert types(told(chunk("a"), STOP, chunk("b"))[0]).count("content.done") == 1


def test_value_is_read_again_when_content_came_after_the_finish():
    last = final(chunk('{"x": 1'), STOP, chunk("}"), output=Output.of(Point))
    assert last.parsed == Point(x=1)


# Ends that are none


def test_nothing_at_all_is_an_empty_response():
    with pytest.raises(errors.EmptyResponse):
        responses()
    with pytest.raises(errors.EmptyResponse):
        responses(done=False)


def test_end_without_finish_or_done_is_an_interruption_with_what_had_come():
    accumulator = Accumulator()
    accumulator.feed(chunk("Hel"))
    with pytest.raises(errors.StreamInterrupted) as caught:
        accumulator.finish()
    error = accumulator.interrupt(caught.value)
    assert error.response.response == "Hel"
    assert error.response.outcome == "interrupted"
    assert error.completion.choices[0].message.content == "Hel"
    assert accumulator.response is error.response


def test_connection_that_breaks_is_an_interruption_caused_by_it():
    accumulator = Accumulator()
    accumulator.feed(chunk("Hel"))
    cause = errors.ProviderTimeout("too late", phase="stream")
    error = accumulator.interrupt(cause)
    assert type(error) is errors.StreamInterrupted
    assert error.__cause__ is cause
    assert "too late" in str(error)


def test_connection_that_breaks_before_the_first_chunk_is_what_it_is():
    cause = errors.ProviderConnectionError("gone")
    assert Accumulator().interrupt(cause) is cause
    assert cause.response is None


def test_reader_who_leaves_cancels():
    accumulator = Accumulator()
    accumulator.feed(chunk("Hel"))
    error = GeneratorExit()
    assert accumulator.interrupt(error) is error
    assert accumulator.response.outcome == "cancelled"


def test_evidence_is_attached_once():
    accumulator = Accumulator()
    accumulator.feed(chunk("Hel"))
    error = accumulator.interrupt(errors.InvalidResponse("x"))
    first = error.response
    assert accumulator.interrupt(error).response is first


def test_finished_answer_is_not_marked_by_a_later_error():
    accumulator = Accumulator()
    accumulator.feed(chunk("a", "stop"))
    whole = accumulator.finish()
    accumulator.interrupt(RuntimeError())
    assert whole.outcome == "complete"


# Errors that the other side tells in its stream


@pytest.mark.parametrize(
    ("raw", "message", "code", "kind"),
    [
        ({"error": {"message": "m", "code": "c", "type": "t"}}, "m", "c", "t"),
        ({"error": "m"}, "m", None, None),
        ({"error": {"message": "m", "code": ["x"], "type": 5}}, "m", None, None),
        ({"object": "error", "message": "m", "code": 400}, "m", 400, None),
        ({"type": "error", "error": {"message": "m", "type": "overloaded"}}, "m", None, "overloaded"),
        ({"type": "error", "message": "m"}, "m", None, "error"),
        ({"error": {"status": 503}}, "the provider reported an error in its answer", 503, None),
        ({"error": {"message": "m"}, "code": 9}, "m", 9, None),
    ],
)
def test_error_in_the_stream_is_raised(raw, message, code, kind):
    accumulator = Accumulator()
    accumulator.feed(chunk("Hel"))
    with pytest.raises(errors.ProviderError, match=message) as caught:
        accumulator.feed(raw)
    assert (caught.value.code, caught.value.type, caught.value.body) == (code, kind, raw)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (429, errors.RateLimited),
        (503, errors.ServerError),
        (401, errors.AuthenticationError),
        (400, errors.BadRequestError),
        (21, errors.ProviderError),
        ("rate_limit_exceeded", errors.RateLimited),
        ("what", errors.ProviderError),
        (None, errors.ProviderError),
    ],
)
def test_error_in_the_stream_is_of_the_class_that_its_code_tells(code, kind):
    with pytest.raises(errors.ProviderError) as caught:
        Accumulator().feed({"error": {"message": "m", "code": code}})
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "fields",
    [{"error": {"message": "m"}}, {"finish_reason": "error"}, {"error": "m", "finish_reason": "stop"}],
)
def test_error_in_a_choice_is_raised_after_its_chunk_is_told(fields):
    raw = of_choices({"index": 0, "delta": {"content": "x"}, "finish_reason": None, **fields})
    accumulator = Accumulator()
    accumulator.feed(chunk("a"))
    with pytest.raises(errors.ProviderError):
        accumulator.feed(raw)
    narrator = EventBuilder(Accumulator())
    assert types(narrator.feed(chunk("a")) + narrator.feed(raw)) == ["chunk", "content.delta"] * 2
    with pytest.raises(errors.ProviderError):
        narrator.feed(chunk("b"))
    with pytest.raises(errors.ProviderError):
        narrator.finish()


def test_error_that_is_null_is_none():
    raw = {**chunk("b"), "error": None}
    assert final(chunk("a"), raw, STOP).response == "ab"


# Typed answers


def test_partial_values_grow_while_the_text_does():
    steps = responses(chunk('{"x": 1'), chunk(', "y": 2'), chunk("}"), STOP, output=Output.of(Point))
    assert [getattr(step.parsed, "x", None) for step in steps] == [None, 1, 1, 1]
    assert steps[-1].parsed == Point(x=1, y=2)
    assert steps[0].parsed is None or steps[0].parsed.x is None


def test_partial_values_can_be_read_in_any_order():
    steps = responses(*(chunk(c) for c in '{"x": 12, "y": 3}'), STOP, output=Output.of(Point))
    late, early = steps[-2].parsed, steps[9].parsed
    assert (late.x, late.y, early.x) == (12, 3, 12)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([chunk('{"x": "no"}'), STOP], errors.OutputError),
        ([chunk('{"x": 1}'), chunk(finish="length")], errors.OutputTruncated),
        ([chunk(""), chunk(finish="length")], errors.OutputTruncated),
        ([chunk("I"), chunk(finish="content_filter")], errors.ContentFiltered),
    ],
)
def test_answer_that_is_not_of_its_type_says_so_after_the_last_event(chunks, kind):
    accumulator = Accumulator(Output.of(Point))
    narrator = EventBuilder(accumulator)
    for one in [*chunks, of_choices(usage=USAGE), DONE]:
        narrator.feed(one)
    last = narrator.finish()
    assert type(last._parsed) is kind
    assert last.usage == Usage(3, 2, 5)
    assert last.parsed is None
    assert last.repairs == ()


def test_refusal_of_a_typed_answer_is_no_value():
    events, completion = told(chunk(refusal="No"), STOP, output=Output.of(Point))
    assert types(events) == ["chunk", "refusal.delta", "chunk", "refusal.done"]
    assert completion.choices[0].message.parsed is None


def test_text_beside_a_refusal_has_no_partial_value():
    events = told(chunk('{"x": 1}', refusal="No"), STOP, output=Output.of(Point))[0]
    assert next(event for event in events if event.type == "content.delta").parsed is None


def test_untyped_answer_may_be_cut():
    assert final(chunk("a"), chunk(finish="length"), output=Output.of(str)).parsed is None
    assert final(chunk("a"), chunk(finish="content_filter")).outcome == "filtered"


def test_repairs_are_told():
    last = final(chunk('```json\n{"x": 1}\n```'), STOP, output=Output.of(Point))
    assert last.parsed == Point(x=1)
    assert last.repairs


def test_items_are_told_as_they_close():
    events: list[Any] = told(chunk("[1, 2"), chunk(", 3]"), STOP, output=Output.of(list[int]))[0]
    deltas = [event for event in events if event.type == "content.delta"]
    assert next(list(event.items) for event in deltas)[:1] == [1]


# Tools and types together


def test_strict_tool_that_was_cut_is_an_error_of_the_answer():
    chunks = [chunk(tool_calls=[tool(0, "a", "f", '{"x"')]), chunk(finish="length")]
    accumulator = Accumulator(strict_tools=["f"])
    for one in [*chunks, DONE]:
        accumulator.feed(one)
    assert type(accumulator.finish()._parsed) is errors.OutputTruncated


def test_strict_tools_make_a_filtered_answer_an_error():
    accumulator = Accumulator(strict_tools=["f"])
    for one in [chunk("I"), chunk(finish="content_filter"), DONE]:
        accumulator.feed(one)
    assert type(accumulator.finish()._parsed) is errors.ContentFiltered


def test_tool_call_in_the_place_of_a_typed_answer_is_no_error():
    chunks = [chunk("thinking", tool_calls=[tool(0, "a", "f", "{}")]), chunk(finish="tool_calls")]
    last = final(*chunks, output=Output.of(Point))
    assert last._parsed is None
    assert last.tool_calls[0].name == "f"


def test_snapshots_stay_as_they_were():
    events = told(ROLE, chunk("a"), chunk("b", finish="stop"), of_choices(usage=USAGE))[0]
    snapshots = [event.snapshot for event in events if event.type == "chunk"]
    assert [one.choices[0].message.content for one in snapshots] == ["", "a", "ab", "ab"]
    assert [one.choices[0].finish_reason for one in snapshots] == [None, None, "stop", "stop"]
    assert [one.usage for one in snapshots] == [None, None, None, Usage(3, 2, 5)]


@pytest.mark.parametrize(
    ("delta", "told"),
    [
        ({"thinking": 5}, ("content", "")),
        ({"reasoning_details": [5, {"text": "Hm"}]}, ("reasoning_details", "Hm")),
        ({"reasoning": {"text": ["a", {"summary": "b"}]}}, ("reasoning", "ab")),
    ],
)
def test_thinking_is_read_in_whichever_form_it_comes(delta, told):
    assert reasoning_of(delta) == told

"""The Responses API: events to chunks, requests to bodies, in cases that real streams have taught."""

import json

import pytest

from declarai_like._wire.accumulator import Accumulator
from declarai_like._wire.codecs.base import Lesson, Refusal
from declarai_like._wire.codecs.lessons import PREVIOUS, remember
from declarai_like._wire.codecs.responses import ResponseDecoder, ResponsesCodec
from declarai_like._wire.codecs.responses_endings import chat_usage, decode_response, head_of
from declarai_like.errors import (
    BadRequestError,
    DefinitionError,
    EmptyResponse,
    InvalidResponse,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.messages import Message
from declarai_like.requests import Request

ORIGIN = {"provider": "openai", "base_url": "https://api.openai.com/v1", "model": "m"}
CREATED = {"type": "response.created", "response": {"id": "r1", "model": "m", "created_at": 5.0, "status": "queued"}}
USAGE = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8, "output_tokens_details": {"reasoning_tokens": 2}}


def message(text, **more):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


def call(arguments="{}", **more):
    return {"type": "function_call", "call_id": "c1", "name": "f", "arguments": arguments, **more}


def added(item, at=0):
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def finished(item, at=0):
    return {"type": "response.output_item.done", "output_index": at, "item": item}


def delta(text, kind="output_text", at=0, **more):
    return {"type": f"response.{kind}.delta", "output_index": at, "content_index": 0, "delta": text, **more}


def done(kind, at=0, **more):
    return {"type": f"response.{kind}.done", "output_index": at, "content_index": 0, **more}


def end(*output, status="completed", **more):
    response = {"id": "r1", "model": "m", "status": status, "output": list(output), "usage": USAGE, **more}
    return {"type": f"response.{status}", "response": response}


def written(*events):
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def feed(accumulator, reads, **options):
    decoder = ResponseDecoder(**options)
    for read in reads:
        for chunk in decoder.feed(read):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)


def play(*events, **options):
    accumulator = Accumulator(reasoning_tags=False)
    feed(accumulator, written(*events), **options)
    return accumulator.finish()


def whole(response, **options):
    accumulator = Accumulator(reasoning_tags=False)
    accumulator.feed(decode_response(json.dumps(response).encode(), lambda value: value, **options))
    return accumulator.finish()


def encode(*messages, learned=frozenset(), origin=ORIGIN, **fields):
    request = Request(model="m", messages=tuple(Message.of(each) for each in messages), **fields)
    return ResponsesCodec().encode(request, learned, origin)


def test_text_comes_piece_by_piece():
    response = play(CREATED, added(message("")), delta("a"), delta("b"), delta(None), end(message("ab")))
    assert (response.response, response.outcome, response.finish_reason) == ("ab", "complete", "completed")
    assert response.usage.total_tokens == 8
    assert response.usage.reasoning == 2
    assert response.raw_response["type"] == "response.completed"


@pytest.mark.parametrize("last", [done("output_text", text="ab"), finished(message("ab"))])
def test_end_of_bytes_before_the_terminal_event_is_an_interruption(last):
    with pytest.raises(StreamInterrupted):
        play(CREATED, added(message("")), delta("ab"), last)


def test_done_marker_says_nothing():
    accumulator = Accumulator()
    feed(accumulator, [*written(CREATED, added(message("")), delta("ab")), b"data: [DONE]\n\n"])
    with pytest.raises(StreamInterrupted):
        accumulator.finish()


def test_piece_that_names_no_part_is_of_the_first_one():
    piece = {"type": "response.output_text.delta", "delta": "b"}
    assert play(CREATED, added(message("")), delta("a"), piece, end(message("ab"))).response == "ab"


def test_output_that_is_no_item_is_left_out():
    assert play(CREATED, end("junk", message("ab"))).items == (message("ab"),)


def test_thinking_is_shown_in_the_words_that_came_first():
    thinking = {"type": "reasoning", "summary": [], "content": []}
    summary = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "short"}
    raw = delta("the long way", kind="reasoning_text")
    response = play(CREATED, added(thinking), summary, raw, added(message(""), 1), delta("a", at=1), end())
    assert (response.reasoning, response.response) == ("short", "a")


def test_nothing_is_empty():
    with pytest.raises(EmptyResponse):
        play()


def test_terminal_event_alone_brings_the_answer():
    response = play(end({"type": "reasoning", "summary": [{"text": "hm"}, {"text": "so"}]}, message("ab"), call()))
    assert (response.response, response.reasoning, response.outcome) == ("ab", "hm\n\nso", "calls")
    assert response.tool_calls[0].arguments == "{}"


def test_done_brings_what_no_delta_has():
    response = play(CREATED, added(call("")), done("function_call_arguments", arguments='{"a":1}'), end())
    assert response.tool_calls[0].arguments == '{"a":1}'


def test_arguments_that_contradict_their_deltas_are_an_error():
    pieces = CREATED, added(call("")), delta('{"a":1}', "function_call_arguments")
    assert play(*pieces, done("function_call_arguments", arguments='{"a": 1}'), end()).tool_calls
    with pytest.raises(InvalidResponse, match="not run"):
        play(*pieces, done("function_call_arguments", arguments='{"a":2}'), end())


def test_arguments_of_no_call_are_an_error():
    with pytest.raises(InvalidResponse, match="begun"):
        play(CREATED, delta("{}", "function_call_arguments"))


def test_text_that_contradicts_its_deltas_is_warned_of(caplog):
    response = play(CREATED, added(message("")), delta("ab"), done("output_text", text="xy"), end())
    assert response.response == "ab"
    assert len(caplog.records) == 1


def test_commentary_is_no_part_of_the_answer():
    note, answer = message("", phase="commentary"), message("", phase="final_answer")
    response = play(CREATED, added(note), delta("no"), delta("te"), added(answer, 1), delta("4", at=1), end())
    assert (response.response, response.commentary) == ("4", "note")


def test_items_are_known_by_their_place():
    events = [delta(piece, item_id=f"id{piece}", sequence_number=None) for piece in "abc"]
    assert play(CREATED, added(message("")), *events, CREATED, end(message("abc"))).response == "abc"


def test_refusal_is_told():
    part = {"type": "refusal", "refusal": "I will not"}
    item = message("") | {"content": [part]}
    response = play(CREATED, added(message("")), delta("I will", "refusal"), end(item))
    assert (response.refusal, response.outcome) == ("I will not", "refused")


def test_thinking_is_told_once():
    summary = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "a"}
    item = {"type": "reasoning", "summary": [{"text": "other"}], "content": [{"text": "raw"}], "encrypted_content": "E"}
    response = play(CREATED, summary, delta("raw", "reasoning_text"), finished(item), added(message(""), 1), end())
    assert response.reasoning == "a"
    assert response.items[0]["encrypted_content"] == "E"


def test_terminal_items_go_over_those_before():
    kept = {"type": "reasoning", "summary": [], "encrypted_content": "E"}
    response = play(
        CREATED, finished(kept), finished(message("a"), 1), end({**kept, "encrypted_content": None}, call())
    )
    assert [item.get("encrypted_content", item["type"]) for item in response.items] == ["E", "function_call"]


def test_annotations_are_collected_once():
    note = {"type": "url_citation", "url": "u"}
    item = message("a") | {"content": [{"type": "output_text", "text": "a", "annotations": [note, {"type": "b"}]}]}
    event = {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0}
    response = play(CREATED, added(message("")), {**event, "annotation": note}, {**event, "annotation": 1}, end(item))
    assert list(response.annotations) == [note, {"type": "b"}]


def test_logprobs_come_with_their_text():
    told = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]
    response = play(CREATED, added(message("")), delta("a"), delta("b", logprobs=told), end())
    assert response.logprobs.content[0].logprob == -0.5


def test_unknown_events_are_shown_as_chunks():
    chunks = list(ResponseDecoder().feed(written({"type": "response.new.thing", "x": 1})[0]))
    assert chunks[0].sent["x"] == 1
    assert chunks[0]["choices"] == []


@pytest.mark.parametrize(
    ("reason", "outcome"), [("max_output_tokens", "truncated"), ("content_filter", "filtered"), (None, "truncated")]
)
def test_incomplete_answers_say_why(reason, outcome):
    details = {"reason": reason} if reason else None
    response = play(CREATED, added(message("")), delta("a"), end(status="incomplete", incomplete_details=details))
    assert (response.response, response.outcome) == ("a", outcome)
    assert whole({"output": [], "status": "incomplete", "incomplete_details": details}).outcome == outcome


FAILURES = [
    ({"code": "rate_limit_exceeded", "message": "m"}, RateLimited),
    ({"code": "server_error", "message": "m"}, ServerError),
    ({"code": "image_too_large", "message": "m"}, BadRequestError),
    ({"code": "invalid_prompt", "message": "m"}, BadRequestError),
    ({}, ProviderError),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES)
def test_failures_are_errors_of_their_code(error, kind):
    begun = CREATED, added(message("")), delta("part")
    events = [{"type": "error", **error}, {"type": "error", "error": error}, end(status="failed", error=error)]
    for event in events:
        accumulator = Accumulator()
        with pytest.raises(kind) as caught:
            feed(accumulator, written(*begun, event))
        assert accumulator.interrupt(caught.value).response.response == "part"
    assert accumulator.metadata.usage.total_tokens == 8
    with pytest.raises(kind):
        whole({"output": [], "status": "failed", "error": error or {"message": "m"}})


@pytest.mark.parametrize("code", ["image_content_policy_violation", "moderation_blocked"])
def test_verdicts_of_filters_are_ends(code):
    error = {"code": code, "message": "m"}
    begun = CREATED, added(message("")), delta("part")
    for event in ({"type": "error", "error": error}, end(status="failed", error=error)):
        assert play(*begun, event).outcome == "filtered"


def test_words_of_an_error_event_may_be_no_json():
    accumulator = Accumulator()
    with pytest.raises(ProviderError, match="out of order"):
        feed(accumulator, [b"event: error\ndata: out of order\n\n"])


@pytest.mark.parametrize("data", [b"data: nonsense\n\n", b"data: [1]\n\n"])
def test_what_is_no_event_is_an_error(data):
    with pytest.raises(InvalidResponse):
        list(ResponseDecoder().feed(data))


def test_limit_that_was_reached_is_told_where_the_server_does_not():
    begun = CREATED, added(message("")), delta("a")
    assert play(*begun, end(), limit_tokens=5).outcome == "truncated"
    assert play(*begun, end(), limit_tokens=6).outcome == "complete"


def test_size_of_an_answer_is_bounded():
    with pytest.raises(InvalidResponse):
        play(CREATED, added(message("")), delta("a" * 1000), limit=500)


def test_document_in_place_of_events_is_read():
    accumulator = Accumulator()
    feed(accumulator, [json.dumps(end(message("ab"))["response"]).encode()])
    assert accumulator.finish().response == "ab"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"output": [], "status": "queued"}'])
def test_what_is_no_response_is_an_error(body):
    with pytest.raises(InvalidResponse):
        ResponsesCodec().decode_answer(body, lambda value: value)


def test_error_document_is_an_error():
    with pytest.raises(RateLimited):
        whole({"error": {"code": "rate_limit_exceeded", "message": "m"}})
    with pytest.raises(ProviderError, match="words"):
        whole({"error": "words"})


def test_usage_without_counts_is_as_it_came():
    assert chat_usage({"x": 1}) == {"x": 1}


# Requests


def test_body_is_spelled_as_the_format_has_it():
    body = encode(
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "image_url", "image_url": "http://i"}]},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        params={"max_tokens": 9, "reasoning_effort": "low", "verbosity": "low", "logprobs": True, "top_logprobs": 2,
                "tool_choice": {"type": "function", "function": {"name": "f"}}, "temperature": 0.5},
        tools=({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}, {"type": "web_search"}),
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        stream=True,
    )  # fmt: skip
    assert body == {
        "model": "m",
        "input": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "u"},
                    {"type": "input_image", "image_url": "http://i", "detail": "auto"},
                ],
            },
            {"type": "message", "role": "assistant", "content": "a"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ],
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 2,
        "temperature": 0.5,
        "store": False,
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }
    types = pytest.importorskip("openai.types.responses.response_create_params")
    from pydantic import TypeAdapter

    TypeAdapter(types.ResponseCreateParamsStreaming).validate_python(body)


@pytest.mark.parametrize("params", [{"n": 2}, {"stop": "x"}, {"seed": 1}, {"logit_bias": {"1": 2}}])
def test_what_the_format_lacks_is_refused(params):
    with pytest.raises(DefinitionError, match='api="chat"'):
        encode({"role": "user", "content": "u"}, params=params)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "name": "f", "content": "x"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": ["text"]},
    ],
)
def test_messages_that_the_format_lacks_are_refused(message):
    with pytest.raises(DefinitionError, match='api="chat"'):
        encode(message)


def test_completions_are_refused():
    with pytest.raises(DefinitionError):
        encode(kind="completion", prompt="x")


def test_files_and_refusals_and_own_parts_are_spelled():
    parts = [{"type": "file", "file": {"file_id": "i"}}, {"type": "refusal", "refusal": "n"},
             {"type": "input_text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]  # fmt: skip
    assert encode({"role": "user", "content": parts})["input"][0]["content"] == [
        {"type": "input_file", "file_id": "i"},
        {"type": "input_text", "text": "n"},
        {"type": "input_text", "text": "t"},
        {"type": "input_image", "image_url": "u", "detail": "low"},
    ]


def test_custom_calls_and_their_results_are_spelled():
    calls = [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]
    sent = encode(
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": None},
    )["input"]
    assert sent == [
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": ""},
    ]


def test_store_of_the_user_is_respected():
    body = encode({"role": "user", "content": "u"}, params={"store": True})
    assert body["store"] is True
    assert "include" not in body
    assert "store" not in encode({"role": "user", "content": "u"}, params={"background": True})


def test_padding_can_be_asked_for():
    told = {"include_obfuscation": True, "include_usage": True}
    body = encode({"role": "user", "content": "u"}, params={"stream_options": told}, stream=True)
    assert body["stream_options"] == {"include_obfuscation": True}
    assert "stream_options" not in encode({"role": "user", "content": "u"}, stream=True, origin={})


THOUGHT = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E", "status": None}
PLAIN = {"type": "reasoning", "id": "rs2", "summary": []}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}
RAN = {"type": "code_interpreter_call", "id": "ci", "outputs": [1]}
ANSWER = {"id": "msg", "status": "completed", **message("4", phase="final_answer")}
OTHER = {"type": "compaction", "id": "cmp", "encrypted_content": "C"}
REFUSED = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}


def reply(items, text="4", **more):
    return {"role": "assistant", "content": text, "state": {**ORIGIN, "data": {"items": items}}, **more}


def test_kept_items_go_back_without_what_only_a_store_knows():
    sent = encode(reply([PLAIN, THOUGHT, SEARCH, RAN, ANSWER, OTHER, THOUGHT]))["input"]
    assert sent == [
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"},
        RAN,
        {"type": "message", "role": "assistant", "content": "4", "phase": "final_answer"},
        {"type": "compaction", "encrypted_content": "C"},
    ]


def test_kept_items_go_back_whole_to_a_store():
    assert encode(reply([PLAIN, SEARCH, ANSWER]), params={"store": True})["input"] == [PLAIN, SEARCH, ANSWER]


def test_refusal_goes_back_as_text():
    assert encode(reply([REFUSED], text=""))["input"] == [{"type": "message", "role": "assistant", "content": "no"}]


def test_kept_calls_go_back_without_ids():
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    sent = encode(reply([THOUGHT, call(id="fc", status="completed")], text="", tool_calls=calls))["input"]
    assert sent[1] == call()


@pytest.mark.parametrize("change", [{"content": "5"}, {"interrupted": True}, {"state": None}])
def test_edited_and_broken_replies_are_plain_text(change):
    message = {**reply([THOUGHT, ANSWER]), **change}
    assert encode(message)["input"] == [{"type": "message", "role": "assistant", "content": message["content"]}]


def test_items_go_to_their_own_provider_alone():
    sent = encode(reply([THOUGHT, ANSWER]), origin={**ORIGIN, "base_url": "http://other"})["input"]
    assert sent == [{"type": "message", "role": "assistant", "content": "4"}]


def test_refused_fields_are_learned():
    codec = ResponsesCodec()
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
    request = Request(model="m", response_format=form)
    encrypted = Refusal("Encrypted content is not supported with this model.", param="include")
    learned = codec.learn(400, encrypted, request, frozenset())
    assert learned == {Lesson("m", "reasoning.encrypted_content")}
    assert "include" not in codec.encode(request, learned, ORIGIN)
    refused = Refusal("'text.format' of type json_schema is not supported with this model", param="text.format")
    learned |= codec.learn(400, refused, request, learned)
    assert codec.encode(request, learned, ORIGIN)["text"] == {"format": {"type": "json_object"}}
    learned |= codec.learn(400, refused, request, learned)
    assert "text" not in codec.encode(request, learned, ORIGIN)
    assert codec.learn(400, refused, request, learned) == frozenset()
    assert codec.learn(500, encrypted, request, frozenset()) == frozenset()
    fixed = request.replace(fixed_format=True)
    assert codec.learn(400, refused, fixed, learned) == frozenset()
    assert codec.read_refusal(400, {}, b'{"error": {"message": "m"}}').message == "m"
    assert codec.path(request) == "/responses"
    assert codec.headers(request) == {}


def test_end_of_a_text_that_is_none_says_nothing():
    answer = play(CREATED, added(message("")), delta("Hi"), done("output_text", text=None), end(message("Hi")))
    assert answer.response == "Hi"


def test_lost_replies_are_forgotten_before_there_are_too_many():
    schema, learned = Lesson("m", "json_schema", "s"), frozenset()
    learned = remember(learned, frozenset({schema, Lesson("m", PREVIOUS)}))
    for number in range(1_500):
        learned = remember(learned, frozenset({Lesson("m", PREVIOUS, f"resp_{number}")}))
        assert len(learned) <= 1_000
    assert learned > {schema, Lesson("m", PREVIOUS), Lesson("m", PREVIOUS, "resp_1499")}


@pytest.mark.parametrize(
    ("told", "created"),
    [(1.5, 1), (10**400, 10**400), (float("inf"), None), (float("nan"), None), ("now", None), ([1], None)],
)
def test_a_time_that_is_none_is_left_out(told, created):
    assert head_of({"created_at": told})["created"] == created

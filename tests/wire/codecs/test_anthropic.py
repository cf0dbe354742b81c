"""Anthropic's Messages, bytes to chunks and requests to bodies: what recordings and the documentation teach."""

import json

import pytest

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.anthropic import AnthropicCodec, MessageDecoder, decode_message
from declarai_like._wire.codecs.base import Lesson, Refusal
from declarai_like.errors import DefinitionError, InvalidResponse, StreamInterrupted
from declarai_like.messages import Message
from declarai_like.requests import Request

CODEC = AnthropicCodec()
ORIGIN = {"provider": "anthropic", "base_url": "https://api.anthropic.com", "model": "m"}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "content": [], "usage": {"input_tokens": 3}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
STOP = {"type": "message_stop"}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
CLOSE = {"type": "content_block_stop", "index": 0}


def begins(index=0, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def goes_on(kind, index=0, **delta):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def says(text, index=0):
    return goes_on("text_delta", index, text=text)


def sse(*events):
    return b"".join(f"event: {each.get('type', 'x')}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


def read(*reads, redact=lambda value: value):
    decoder, accumulator = MessageDecoder(redact), Accumulator(origin=ORIGIN)
    for each in reads:
        for chunk in decoder.feed(each):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)
    return accumulator.finish()


def answer(*events):
    """Read a stream in three ways, which have to be alike."""
    whole = read(sse(*events))
    for reads in (map(sse, events), (sse(*events)[at : at + 1] for at in range(len(sse(*events))))):
        other = read(*reads)
        assert (other.response, other.tool_calls, other.state, other.usage, other.outcome) == (
            whole.response, whole.tool_calls, whole.state, whole.usage, whole.outcome)  # fmt: skip
    return whole


def test_chunk_shows_the_event_that_was_sent():
    decoder = MessageDecoder()
    shown = [chunk for event in (START, TEXT, says("Hi"), END, STOP) for chunk in decoder.feed(sse(event))]
    assert [chunk.sent for chunk in shown[:-1]] == [START, TEXT, says("Hi"), END, STOP]
    assert shown[2] == {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    assert shown[-1] is DONE
    assert decoder.done


@pytest.mark.parametrize("end", [[END], [STOP], [END, STOP], [{**END, "delta": {}}, END, STOP], [END, END, STOP]])
def test_either_end_is_one(end):
    got = answer(START, TEXT, says("Hi"), CLOSE, *end)
    assert (got.response, got.outcome) == ("Hi", "complete")


def test_same_head_twice_is_one_message():
    assert answer(START, START, TEXT, says("Hi"), END).response == "Hi"


def test_two_messages_in_one_stream_are_mixed_up():
    other = {**START, "message": {**START["message"], "id": "msg_2"}}
    with pytest.raises(InvalidResponse, match="mixed up"):
        read(sse(START, TEXT, says("Hi"), other, says("No"), END))


def test_message_may_stand_in_its_head():
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": "ä"}}
    message = {**START["message"], "content": [{"type": "text", "text": "Hi"}, call], "stop_reason": "tool_use"}
    got = answer({**START, "message": message}, STOP)
    assert (got.response, got.outcome, got.finish_reason) == ("Hi", "calls", "tool_use")
    assert [call.arguments for call in got.tool_calls] == ['{"x": "ä"}']
    with pytest.raises(StreamInterrupted):
        read(sse({**START, "message": message}))


def test_stop_reason_of_the_head_stands_where_its_end_has_none():
    message = {**START["message"], "stop_reason": "max_tokens"}
    assert answer({**START, "message": message}, {**END, "delta": {"stop_reason": None}}).outcome == "truncated"


@pytest.mark.parametrize("pieces", [[], [""]])
def test_call_without_input_has_an_empty_one(pieces):
    given = [goes_on("input_json_delta", partial_json=piece) for piece in pieces]
    got = answer(START, begins(type="tool_use", id="t", name="f", input={}), *given, CLOSE, END)
    assert [call.arguments for call in got.tool_calls] == ["{}"]
    assert got.state is None


def test_call_may_come_whole_and_without_its_end():
    got = answer(START, begins(type="tool_use", id="t", name="f", input={"x": 1}), END)
    assert [call.arguments for call in got.tool_calls] == ['{"x": 1}']


def test_half_an_input_is_a_fact_about_the_call():
    given = begins(type="tool_use", id="t", name="f", input={}), goes_on("input_json_delta", partial_json='{"x')
    got = answer(START, *given, CLOSE, {**END, "delta": {"stop_reason": "max_tokens"}})
    assert (got.outcome, got.tool_calls[0].arguments) == ("truncated", '{"x')


def test_parallel_calls_are_told_apart():
    calls = [begins(at, type="tool_use", id=f"t{at}", name="f", input={}) for at in (0, 1)]
    pieces = [goes_on("input_json_delta", at, partial_json=f'{{"x": {at}}}') for at in (1, 0)]
    got = answer(START, *calls, *pieces, END)
    assert [(call.id, call.arguments) for call in got.tool_calls] == [("t0", '{"x": 0}'), ("t1", '{"x": 1}')]


def test_texts_and_citations_are_joined():
    cited = {"type": "web", "url": "https://x"}
    blocks = [begins(0, type="text", text="a", citations=[cited]), goes_on("citations_delta", 0, citation=cited)]
    got = answer(START, *blocks, says("b"), CLOSE, begins(1, type="text", text=""), says("c", 1), END)
    assert (got.response, got.annotations) == ("abc", (cited, cited))
    assert got.state["data"]["content"] == [
        {"type": "text", "characters": 2, "citations": [cited, cited]}, {"type": "text", "characters": 1}]  # fmt: skip


def test_thinking_that_comes_with_its_block_is_kept():
    given = begins(type="thinking", thinking="H", signature="S")
    got = answer(START, given, goes_on("thinking_delta", thinking="m"), goes_on("signature_delta", signature="I"), END)
    assert got.reasoning == "Hm"
    assert got.state["data"]["content"] == [{"type": "thinking", "thinking": "Hm", "signature": "SI"}]


@pytest.mark.parametrize(("stop", "kept"), [("end_turn", 1), ("max_tokens", 0)])
def test_thinking_without_signature_goes_back_unless_it_was_cut(stop, kept):
    end = {**END, "delta": {"stop_reason": stop}}
    got = answer(START, begins(type="thinking", thinking=""), goes_on("thinking_delta", thinking="Hm"), end)
    assert len(got.state["data"]["content"]) == kept


def test_blocks_of_other_kinds_are_kept_as_they_came():
    given = [
        begins(0, type="compaction", content=None),
        goes_on("compaction_delta", 0, content="short"),
        {**CLOSE, "index": 0},
        begins(1, type="server_tool_use", id="s", name="web_search", input={}),
        goes_on("input_json_delta", 1, partial_json='{"query": "x"}'),
        {**CLOSE, "index": 1},
        {**CLOSE, "index": 1},
        begins(2, type="new_kind", data=[1]),
        goes_on("new_delta", 2, data=[2]),
        goes_on("text_delta", 2, text=7),
    ]
    got = answer(START, *given, END)
    items = [
        {"type": "compaction", "content": "short"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "new_kind", "data": [1]},
    ]
    assert list(got.items) == items
    assert got.state["data"]["content"] == items


def test_half_an_input_of_the_servers_own_tool_does_not_go_back():
    given = (
        begins(0, type="server_tool_use", id="s", name="w", input={}),
        goes_on("input_json_delta", partial_json='{"q'),
    )
    assert answer(START, *given, END).state["data"] == {"content": []}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping"},
        {"type": "brand_new"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": {}},
        goes_on("signature_delta", 9, signature="S"),
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_stop", "index": 9},
    ],
)
def test_what_is_not_known_is_a_chunk_that_brings_nothing(event):
    (chunk,) = MessageDecoder().feed(sse(event))
    assert (chunk, chunk.sent) == ({"choices": []}, event)
    assert answer(START, event, TEXT, says("Hi"), END).response == "Hi"


def test_text_of_a_block_that_did_not_begin_is_read():
    assert answer(START, says("Hi"), END).response == "Hi"


def test_input_of_no_block_is_an_error():
    with pytest.raises(InvalidResponse, match="index 3"):
        read(sse(START, goes_on("input_json_delta", 3, partial_json="{}")))


def test_data_alone_is_read():
    lines = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (START, TEXT, says("Hi"), END))
    assert read(lines + b"data: [DONE]\n\n").response == "Hi"


def test_done_of_a_gateway_is_no_end():
    with pytest.raises(StreamInterrupted):
        read(sse(START, TEXT, says("Hi")) + b"data: [DONE]\n\n")


@pytest.mark.parametrize("data", [b"{", b"7", b'{"choices": []}'])
def test_what_is_no_event_is_refused(data):
    with pytest.raises(InvalidResponse, match="expected an event"):
        read(sse(START) + b"data: " + data + b"\n\n")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"it broke", {"code": None, "message": "it broke"}),
        (b"[1]", {"code": None, "message": "the provider reported an error without a word"}),
        (b'{"error": "it broke"}', "it broke"),
        (b'{"message": "it broke"}', {"code": None, "message": "it broke"}),
        (b"{}", {"code": None, "message": "the provider reported an error without a word"}),
    ],
)
def test_error_events_of_gateways_are_read(data, error):
    (chunk,) = MessageDecoder().feed(b"event: error\ndata: " + data + b"\n\n")
    assert chunk["error"] == error


@pytest.mark.parametrize("content", [[{"type": "text", "text": "Hi"}], "Hi"])
def test_whole_message_is_read_in_the_place_of_a_stream(content):
    body = json.dumps({**START["message"], "content": content, "stop_reason": "end_turn"}).encode()
    assert read(body).response == "Hi"
    assert decode_message(b"\xef\xbb\xbf" + body, repr)["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"content": 7}'])
def test_what_is_no_message_is_refused(body):
    with pytest.raises(InvalidResponse, match="Anthropic's format"):
        decode_message(body, lambda value: value)


def test_whole_message_may_lack_its_end_and_its_usage():
    chunk = decode_message(b'{"content": [7, {"type": "text", "text": "Hi"}]}', lambda value: value)
    assert chunk["choices"][0]["message"]["content"] == "Hi"
    assert chunk["choices"][0]["finish_reason"] is None
    assert "usage" not in chunk


def test_error_in_the_place_of_a_message_is_one():
    chunk = decode_message(b'{"type": "error", "error": {"type": "billing_error", "message": "m"}}', lambda v: v)
    assert chunk["error"] == {"code": 402, "type": "billing_error", "message": "m"}


def test_long_answer_is_refused():
    with pytest.raises(InvalidResponse):
        MessageDecoder(limit=10).feed(sse(START))


def test_counts_are_those_so_far():
    more = {**END, "usage": {"input_tokens": None, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}}
    usage = answer(START, {**END, "delta": {}}, more).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 9, 12)
    assert (usage.cache_read, usage.cache_write, usage.reasoning) == (None, None, 4)


def test_counts_that_are_not_told_are_not_known():
    usage = read(
        sse({**START, "message": {"id": "i"}}, TEXT, says("Hi"), {**END, "usage": {"service_tier": "s"}})
    ).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, None, None)


# Requests


def encode(*messages, learned=frozenset(), **options):
    request = Request(model="m", messages=tuple(messages) or (Message("Hi"),), **options)
    return CODEC.encode(request, learned, ORIGIN)


def turns(*messages):
    return encode(*messages)["messages"]


def text(words):
    return {"type": "text", "text": words}


def test_parameters_are_spelled_in_the_format():
    params = {
        "max_completion_tokens": 7, "stop": "x", "user": "u", "effort": "low", "temperature": None, "n": 1,
        "parallel_tool_calls": False, "tool_choice": "required", "stream_options": {}, "top_k": 5,
    }  # fmt: skip
    body = encode(params=params, stream=True)
    del body["messages"]
    assert body == {
        "model": "m", "max_tokens": 7, "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "stream": True, "top_k": 5,
        "output_config": {"effort": "low"}, "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"tool_choice": {"type": "any"}}, {"type": "any"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_choice_of_tools_is_spelled_in_the_format(params, choice):
    assert encode(params=params, tools=(TOOL,))["tool_choice"] == choice


def test_choice_of_tools_is_left_out_where_there_are_none():
    assert "tool_choice" not in encode(params={"parallel_tool_calls": False})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"params": {"n": 2}}, "no n"),
        ({"params": {"seed": 1, "logprobs": True}}, "no logprobs, seed"),
        ({"params": {"tool_choice": "f"}}, "tool_choice"),
        ({"kind": "completion", "prompt": "Once"}, "text completions"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"tools": ({"type": "function", "function": {"name": "answer_as_x"}},)}, "rename it"),
        ({"messages": (Message("", "function", fields={"name": "f"}),)}, "role 'function'"),
        ({"messages": (Message("", "assistant", fields={"function_call": {"name": "f"}}),)}, "function_call"),
        ({"messages": (Message("", fields={"content": [{"type": "input_audio"}]}),)}, "input_audio"),
        ({"messages": (Message("", fields={"content": ["x"]}),)}, "None"),
        ({"messages": (Message("", fields={"content": [{"type": "image_url", "image_url": "x.png"}]}),)}, "address"),
    ],
)
def test_what_the_format_cannot_say_is_refused(options, words):
    with pytest.raises(DefinitionError, match=words):
        CODEC.encode(Request(**{"model": "m", **options}), frozenset(), ORIGIN)


def test_tools_are_spelled_in_the_format():
    function = {"name": "f", "strict": True}
    own = {"type": "web_search_20250305", "name": "web_search"}
    assert encode(tools=({"type": "function", "function": function, "cache_control": {}}, own))["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}, "strict": True, "cache_control": {}}, own,
    ]  # fmt: skip


def test_turns_of_one_role_are_one_and_results_come_first():
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    result = {"role": "tool", "tool_call_id": "t", "content": "7", "is_error": True}
    said = Message("", "assistant", fields={"tool_calls": [call]})
    told = turns(
        Message("a"), Message(" "), Message("b"), said, Message("c"), Message.of(result), Message("", "assistant")
    )
    assert told == [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [text("7")], "is_error": True}, text("c")]},
    ]  # fmt: skip


def test_system_prompts_are_the_systems_where_they_lead():
    body = encode(
        Message("a", "system"), Message("b", "developer"), Message("Hi"), Message("c", "system"), Message("", "system")
    )
    assert body["system"] == [text("a"), text("b")]
    assert body["messages"] == [{"role": "user", "content": [text("Hi"), text("<system>\nc\n</system>")]}]
    assert encode(Message("a", "system"))["messages"] == []


def test_greeting_follows_the_user():
    assert [turn["role"] for turn in turns(Message("Welcome", "assistant"), Message("Hi"))] == [
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize(("arguments", "given"), [("", {}), ("{", {"invalid_arguments": "{"}), ({"x": 1}, {"x": 1})])
def test_input_of_a_call_is_an_object(arguments, given):
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}
    (_, said) = turns(Message("Hi"), Message("", "assistant", fields={"tool_calls": [call]}))
    assert said["content"][0]["input"] == given


def test_interrupted_reply_goes_back_as_plain_text():
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{"}}
    state = {**ORIGIN, "data": {"content": [{"type": "thinking", "thinking": "Hm", "signature": "S"}]}}
    said = Message("We", "assistant", interrupted=True, fields={"tool_calls": [call]}, state=state)
    assert turns(Message("Hi"), said)[1]["content"] == [text("We")]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/a.png"}},
         {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}),
        ({"type": "image_url", "image_url": "data:image/png;base64,QQ=="},
         {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}),
        ({"type": "file", "file": {"file_id": "f1"}}, {"type": "document", "source": {"type": "file", "file_id": "f1"}}),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
         {"type": "document", "title": "a.pdf",
          "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}}),
        ({"type": "file", "file": {"file_data": "data:text/plain;base64,SGk="}},
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}}),
        ({"type": "refusal", "refusal": "No"}, text("No")),
        ({"type": "document", "source": {}}, {"type": "document", "source": {}}),
        ({"type": "text", "text": "Hi", "cache_control": {}}, {"type": "text", "text": "Hi", "cache_control": {}}),
    ],
)  # fmt: skip
def test_parts_are_spelled_in_the_format(part, block):
    assert turns(Message("", fields={"content": [part]})) == [{"role": "user", "content": [block]}]


def kept(*blocks, said="Hello", calls=()):
    fields = {"tool_calls": list(calls)} if calls else None
    return Message(said, "assistant", fields=fields, state={**ORIGIN, "data": {"content": list(blocks)}})


THINKING = {"type": "thinking", "thinking": "Hm", "signature": "S"}


def test_texts_go_back_in_their_places():
    parts = [{"type": "text", "characters": 2}, THINKING, {"type": "text", "characters": 3, "citations": [1]}, "junk"]
    assert turns(Message("Hi"), kept(*parts))[1]["content"] == [
        text("He"), THINKING, {**text("llo"), "citations": [1]}]  # fmt: skip


def test_text_that_was_changed_goes_back_as_it_is_now():
    parts = [THINKING, {"type": "text", "characters": 2, "citations": [1]}, {"type": "text", "characters": 3}]
    assert turns(Message("Hi"), kept(*parts, said="Another one"))[1]["content"] == [THINKING, text("Another one")]
    assert turns(Message("Hi"), kept(THINKING, said="Added"))[1]["content"] == [THINKING, text("Added")]


def test_calls_that_were_left_out_do_not_come_back():
    call = {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = kept(THINKING, {"type": "tool_use", "id": "a"}, said="", calls=[call])
    assert turns(Message("Hi"), said)[1]["content"] == [
        THINKING, {"type": "tool_use", "id": "b", "name": "f", "input": {}}]  # fmt: skip


# Typed answers

SCHEMA = {"type": "object", "properties": {}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "rank", "strict": True, "schema": SCHEMA}}
OPEN = {"type": "json_schema", "json_schema": {"name": "rank", "strict": False, "schema": SCHEMA}}
ALL = frozenset({Lesson("m", "output_config.format")})
TOOL = {"type": "function", "function": {"name": "f"}}
ANSWER = {"type": "tool", "name": "answer_as_rank"}


@pytest.mark.parametrize(
    ("options", "choice", "strict"),
    [
        ({"response_format": FORMAT, "learned": ALL}, ANSWER, True),
        ({"response_format": OPEN}, ANSWER, None),
        ({"response_format": FORMAT, "learned": ALL | {Lesson("m", "strict tool")}}, ANSWER, None),
        ({"response_format": OPEN, "tools": (TOOL,)}, {"type": "any"}, None),
        ({"response_format": OPEN, "tools": (TOOL,), "params": {"tool_choice": "none"}}, ANSWER, None),
        ({"response_format": OPEN, "params": {"thinking": {"type": "disabled"}}}, ANSWER, None),
    ],
)
def test_typed_answer_is_asked_for_as_a_tool_where_no_schema_is_taken(options, choice, strict):
    body = encode(**options)
    assert body["tool_choice"] == choice
    tool = body["tools"][-1]
    assert (tool["name"], tool["input_schema"], tool.get("strict")) == ("answer_as_rank", SCHEMA, strict)
    assert "output_config" not in body


@pytest.mark.parametrize(
    "options",
    [
        {"params": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        {"learned": frozenset({Lesson("m", "tool_choice")})},
        {"tools": (TOOL,), "params": {"tool_choice": "required"}},
    ],
)
def test_typed_answer_is_asked_for_in_words_where_no_tool_can_be_forced(options):
    body = encode(response_format=OPEN, **options)
    assert "answer_as_rank" not in json.dumps(body)
    assert "output_config" not in body


def test_fixed_format_is_sent_whatever_was_refused():
    assert encode(response_format=OPEN, fixed_format=True, learned=ALL)["output_config"]["format"]["schema"] == SCHEMA


def test_tool_of_the_answer_is_its_text():
    given = begins(type="tool_use", id="t", name="answer_as_rank", input={})
    pieces = [goes_on("input_json_delta", partial_json=piece) for piece in ('{"rank"', ": 3}")]
    got = answer(START, begins(1, **THINKING), given, *pieces, CLOSE, {**END, "delta": {"stop_reason": "tool_use"}})
    assert (got.response, got.outcome, got.tool_calls) == ('{"rank": 3}', "complete", ())
    assert got.state["data"]["content"] == [THINKING, {"type": "text", "characters": 11}]


def lessons(status, words, *, learned=frozenset(), **options):
    request = Request(**{"model": "m", "response_format": FORMAT, **options})
    return {(each.field, bool(each.schema)) for each in CODEC.learn(status, Refusal(words), request, learned)}


@pytest.mark.parametrize(
    ("status", "words", "options", "taught"),
    [
        (400, "output_config: Extra inputs are not permitted", {}, {("output_config.format", False)}),
        (400, "'m' does not support output format.", {}, {("output_config.format", False)}),
        (400, "output_config.format: something odd", {}, set()),
        (400, "output_config.format.schema: unsupported keyword", {}, {("output_config.format", True)}),
        (400, "The compiled grammar is too large", {}, {("output_config.format", True)}),
        (400, "output_config.effort: not supported", {}, set()),
        (400, "max_tokens: too large", {}, set()),
        (500, "output_config: Extra inputs are not permitted", {}, set()),
        (400, "output_config: Extra inputs are not permitted", {"fixed_format": True}, set()),
        (400, "output_config: Extra inputs are not permitted", {"response_format": None}, set()),
        (400, "tools.0.custom.strict: Extra inputs are not permitted", {"learned": ALL}, {("strict tool", False)}),
        (400, "tools are not supported", {"learned": ALL}, {("tool_choice", False)}),
        (400, "max_tokens: too large", {"learned": ALL}, set()),
    ],
)  # fmt: skip
def test_refusals_teach_what_they_say(status, words, options, taught):
    assert lessons(status, words, **options) == taught


@pytest.mark.parametrize(
    ("header", "told", "known"), [("a", "b", "a"), (None, "b", "b"), (None, None, None), (None, 7, None)]
)
def test_id_of_the_request_may_stand_in_the_body(header, told, known):
    headers = {} if header is None else {"request-id": header}
    body = json.dumps({"type": "error", "error": {"message": "m"}, "request_id": told}).encode()
    assert CODEC.read_refusal(400, headers, body).request_id == known
    assert CODEC.read_refusal(400, {}, b"no JSON").request_id is None

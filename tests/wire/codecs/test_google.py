"""Google's `generateContent`, bytes to chunks and requests to bodies: what recordings and the documentation teach."""

import json

import pytest

from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.codecs.base import Lesson
from declarai_like._wire.codecs.google import GenerationDecoder, GoogleCodec, decode_generation
from declarai_like._wire.codecs.google_schemas import narrow_schema
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    DefinitionError,
    InvalidResponse,
    ProviderError,
    RateLimited,
    StreamInterrupted,
)
from declarai_like.messages import Message
from declarai_like.requests import Request

CODEC = GoogleCodec()
ORIGIN = {"provider": "google", "base_url": "https://generativelanguage.googleapis.com", "model": "gemini-2.5-flash"}
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 10, "thoughtsTokenCount": 5}


def event(*parts, finish=None, usage=USAGE, **fields):
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **fields}
    candidate |= {"finishReason": finish} if finish else {}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}


def says(text, **fields):
    return {"text": text, **fields}


def calls(name=None, signature=None, **told):
    part = {"functionCall": {**({"name": name} if name else {}), **told}}
    return {**part, "thoughtSignature": signature} if signature else part


def puts(path, goes_on=False, **value):  # noqa: FBT002 - the wire's own word
    return {"jsonPath": path, **value, **({"willContinue": True} if goes_on else {})}


END = event(says(""), finish="STOP")


def sse(*events, end="\n\n"):
    return "".join(f"data: {json.dumps(each)}{end}" for each in events).encode()


def read(*reads, choices=1, redact=lambda value: value):
    decoder, accumulator = GenerationDecoder(redact, choices=choices), Accumulator(choices=choices, origin=ORIGIN)
    for each in reads:
        for chunk in decoder.feed(each):
            accumulator.feed(chunk)
    for chunk in decoder.close():
        accumulator.feed(chunk)
    return accumulator.finish()


def answer(*events):
    """Read a stream in four ways, which have to be alike."""
    whole = read(sse(*events))
    body = sse(*events, end="\r\n\r\n")
    for reads in (
        map(sse, events),
        (sse(each, end="\r\n\r\n") for each in events),
        (body[at : at + 1] for at in range(len(body))),
    ):
        other = read(*reads)
        assert (other.response, other.tool_calls, other.state, other.usage, other.outcome) == (
            whole.response, whole.tool_calls, whole.state, whole.usage, whole.outcome)  # fmt: skip
    return whole


def whole(body):
    accumulator = Accumulator(origin=ORIGIN)
    accumulator.feed(decode_generation(json.dumps(body).encode(), lambda value: value))
    accumulator.feed(DONE)
    return accumulator.finish()


def parts_of(got):
    return got.state["data"]["parts"]


# What comes


def test_chunk_shows_the_event_that_was_sent():
    decoder, events = GenerationDecoder(), [event(says("Hi")), event(says(" you")), END]
    shown = [chunk for each in events for chunk in decoder.feed(sse(each))]
    assert [chunk.sent for chunk in shown] == events
    assert shown[1] == {"choices": [{"index": 0, "delta": {"content": " you"}, "finish_reason": None}]}
    assert (decoder.ended, decoder.done) == (True, False)


def test_text_thinking_and_usage_are_read():
    got = answer(
        event(says("Hm, ", thought=True)), event(says("so", thought=True)), event(says("Hel")), event(says("lo")), END
    )
    assert (got.response, got.reasoning, got.outcome, got.finish_reason) == ("Hello", "Hm, so", "complete", "STOP")
    usage = got.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.reasoning) == (3, 7, 10, 5)
    assert parts_of(got) == [{"text": "Hm, so", "thought": True}, {"characters": 5}]
    assert got.raw_response == END


def test_plain_text_has_no_state():
    assert answer(event(says("Hel")), event(says("lo")), END).state is None


def test_last_usage_counts_and_is_told_once():
    more = {**USAGE, "candidatesTokenCount": 9, "cachedContentTokenCount": 1, "toolUsePromptTokenCount": 4}
    got = answer(
        event(says("a"), usage=None), event(says("b"), usage={"trafficType": "X"}), event(finish="STOP", usage=more)
    )
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.cache_read) == (7, 14, 1)


def test_usage_of_a_stream_that_breaks_off_is_told():
    decoder = GenerationDecoder()
    told = [chunk for each in (event(says("a")), event(says("b"))) for chunk in decoder.feed(sse(each))]
    assert "usage" not in told[1]
    (last,) = decoder.rest()
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 3)
    list(decoder.feed(sse(event(says("c"), usage=None))))
    assert decoder.rest() == []


def test_signature_is_kept_on_the_part_it_came_with():
    got = answer(
        event(says("a")),
        event(says("b", thoughtSignature="S1")),
        event(says("", thoughtSignature="S2")),
        event(says("c")),
        event(says("hm", thought=True, thoughtSignature="S3")),
        END,
    )
    assert got.response == "abc"
    assert parts_of(got) == [
        {"characters": 1},
        {"characters": 1, "thoughtSignature": "S1"},
        {"characters": 0, "thoughtSignature": "S2"},
        {"characters": 1},
        {"text": "hm", "thought": True, "thoughtSignature": "S3"},
    ]


def test_text_is_text_whatever_stands_beside_it():
    got = answer(event(says("a")), event(says("b", partMetadata={"x": 1})), event(says("c", thought=True, new=1)), END)
    assert (got.response, got.reasoning) == ("ab", "c")
    assert parts_of(got)[1:] == [
        {"characters": 1, "partMetadata": {"x": 1}}, {"text": "c", "thought": True, "new": 1}]  # fmt: skip


def test_calls_are_known_by_their_parts_and_named_where_they_have_no_id():
    got = answer(event(calls("f", "SIG", args={"x": "ä"}), calls("g", args=None), calls("h", id="own")), END)
    assert [(call.id, call.name, call.arguments) for call in got.tool_calls] == [
        ("call_r1_0", "f", '{"x": "ä"}'), ("call_r1_1", "g", "{}"), ("own", "h", "{}")]  # fmt: skip
    assert (got.outcome, got.finish_reason) == ("calls", "STOP")
    assert parts_of(got) == [
        {"call": "call_r1_0", "given": False, "thoughtSignature": "SIG"},
        {"call": "call_r1_1", "given": False},
        {"call": "own", "given": True},
    ]


def test_arguments_may_come_value_by_value():
    got = answer(
        event(calls("f", "SIG", willContinue=True)),
        event(calls(partialArgs=[puts("$.city", True, stringValue="Bos")], willContinue=True)),
        event(calls(partialArgs=[puts("$.city", stringValue="ton"), puts("$.days", numberValue=3)], willContinue=True)),
        event(
            calls(partialArgs=[puts("$.at[1].x", boolValue=True), puts("$['a b']", nullValue="N")], willContinue=True)
        ),
        event(
            calls(partialArgs=[puts("nothing", stringValue="lost"), puts("$[99999]", numberValue=1)], willContinue=True)
        ),
        event(calls(partialArgs=[7, puts("$.city", stringValue="!")])),
        event(calls("g", args={})),
        END,
    )
    assert json.loads(got.tool_calls[0].arguments) == {
        "city": "Boston!", "days": 3, "at": [None, {"x": True}], "a b": None}  # fmt: skip
    assert got.tool_calls[1].arguments == "{}"
    assert got.outcome == "calls"


def test_value_may_take_the_place_of_another_kind():
    pieces = [puts("$.x", numberValue=1), puts("$.x.y", stringValue="a"), puts("$.x[0]", stringValue="b")]
    got = answer(event(calls("f", partialArgs=pieces)), END)
    assert got.tool_calls[0].arguments == '{"x": ["b"]}'


@pytest.mark.parametrize("path", ["$" + ".a" * 101, "$.a[10001]"])
def test_path_that_asks_for_too_much_is_left_out(path):
    got = answer(event(calls("f", partialArgs=[puts(path, stringValue="x")])), END)
    assert json.loads(got.tool_calls[0].arguments) in ({}, {"a": []})


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
def test_call_that_never_ends_is_not_whole(reason):
    got = answer(event(calls("f", partialArgs=[puts("$.x", stringValue="a")], willContinue=True)), event(finish=reason))
    assert (got.outcome, got.tool_calls[0].arguments) == ("truncated", '{"x": "a"')


def test_call_that_another_one_overtakes_is_not_whole():
    got = answer(event(calls("f", willContinue=True)), event(calls("g", args={})), END)
    assert [call.arguments for call in got.tool_calls] == ["{", "{}"]


def test_call_without_a_name_is_read():
    got = answer(event({"functionCall": {"args": {"x": 1}}}), END)
    assert (got.tool_calls[0].name, got.tool_calls[0].arguments) == ("", '{"x": 1}')


def test_calls_without_an_id_of_the_answer_are_counted():
    told = {"candidates": [event(calls("f"), finish="STOP")["candidates"][0]]}
    assert [call.id for call in whole(told).tool_calls] == ["call_0"]


def test_parts_of_other_kinds_are_kept_as_they_came():
    given = [{"executableCode": {"code": "1"}}, {"inlineData": {"data": "x"}, "thoughtSignature": "S"}]
    got = answer(event(*given, "no part"), END)
    assert list(got.items) == given
    assert parts_of(got) == given


def test_sources_and_probabilities_are_read():
    tokens = {"chosenCandidates": [{"token": "ä", "logProbability": -0.1}, {"token": "b"}]}
    tokens["topCandidates"] = [{"candidates": [{"token": "ä", "logProbability": -0.1}, {"token": "x"}]}]
    cited = {"groundingChunks": [{"web": {"uri": "u"}}]}
    got = answer(
        event(says("äb"), logprobsResult=tokens, groundingMetadata={}), event(finish="STOP", groundingMetadata=cited)
    )
    assert got.annotations == ({"groundingMetadata": cited},)
    (first, second) = got.logprobs.content
    assert (first.token, first.logprob, [each.token for each in first.top_logprobs]) == ("ä", -0.1, ["ä", "x"])
    assert (second.token, list(second.top_logprobs)) == ("b", [])


def test_several_candidates_are_told_apart():
    told = [{**event(says(text))["candidates"][0], "index": index} for index, text in enumerate("ab")]
    ends = [{"index": index, "finishReason": "STOP"} for index in (0, 1)]
    events = [{"candidates": told}, {"candidates": told}, {"candidates": ends}]
    decoder, accumulator = GenerationDecoder(choices=2), Accumulator(choices=2)
    for each in events:
        for chunk in decoder.feed(sse(each)):
            accumulator.feed(chunk)
    assert accumulator.finish().response == "aa"
    assert accumulator.completion.choices[1].message.content == "bb"


@pytest.mark.parametrize(
    "missing", [{}, {"content": None}, {"content": {"parts": None}}, {"index": "x", "content": {}}]
)
def test_candidate_without_content_says_nothing(missing):
    got = answer({"candidates": [missing, "no candidate"]}, {"candidates": None}, event(says("Hi")), END)
    assert got.response == "Hi"


# Ends


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("STOP", "complete"),
        ("LANGUAGE", "complete"),
        ("OTHER", "complete"),
        ("MAX_TOKENS", "truncated"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("BLOCKLIST", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("SPII", "filtered"),
        ("IMAGE_SAFETY", "filtered"),
    ],
)
def test_reasons_say_how_it_ended(reason, outcome):
    got = answer(event(says("Hi")), event(finish=reason))
    assert (got.response, got.finish_reason, got.outcome) == ("Hi", reason, outcome)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_broken_calls_are_an_error_that_may_pass(reason):
    with pytest.raises(ProviderError, match=r"print\(f\)") as caught:
        read(sse(event(finish=reason, finishMessage="Malformed function call: print(f)")))
    assert (caught.value.code, caught.value.retryable) == (reason, True)


@pytest.mark.parametrize("told", [None, "", "FINISH_REASON_UNSPECIFIED"])
def test_end_of_bytes_without_a_reason_is_an_interruption(told):
    with pytest.raises(StreamInterrupted):
        read(sse(event(says("Hi")), event(says("Hi"), finish=told)), b"data: [DONE]\n\n")


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCK_REASON_UNSPECIFIED"])
def test_blocked_prompt_is_filtered(reason):
    blocked = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 3}}
    for got in (answer(blocked), whole(blocked)):
        assert (got.response, got.outcome) == ("", "filtered")


def test_feedback_that_blocks_nothing_says_nothing():
    assert answer({"promptFeedback": {"safetyRatings": []}}, event(says("Hi")), END).response == "Hi"


# Errors


ERROR = {
    "error": {
        "code": 429,
        "message": "slow down, k-1",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"retryDelay": "7s"}],
    }
}


@pytest.mark.parametrize("body", [sse(ERROR), sse([ERROR]), json.dumps([ERROR]).encode(), json.dumps(ERROR).encode()])
def test_error_is_told_wherever_it_stands(body):
    with pytest.raises(RateLimited, match="slow down, \\*") as caught:
        read(body, redact=lambda value: json.loads(json.dumps(value).replace("k-1", "*")))
    assert (caught.value.type, caught.value.retry_after) == ("RESOURCE_EXHAUSTED", 7)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"code": 400, "message": "API key not valid. Please pass one."}, AuthenticationError),
        ({"code": 400, "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}, AuthenticationError),
        ({"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens"}, BadRequestError),
        ({}, ProviderError),
        ("no more", ProviderError),
    ],
)
def test_error_in_a_stream_has_its_class(told, expected):
    with pytest.raises(expected) as caught:
        read(sse(event(says("Hi")), {"error": told}))
    assert caught.value.code != "context_length_exceeded" or expected is BadRequestError


@pytest.mark.parametrize("data", ["{}", "gone", '{"error": {"message": "gone"}}'])
def test_error_event_is_an_error_whatever_it_says(data):
    with pytest.raises(ProviderError):
        read(sse(event(says("Hi"))), f"event: error\ndata: {data}\n\n".encode())


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b"7"])
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(InvalidResponse, match="Google's format"):
        decode_generation(body, lambda value: value)


def test_what_is_no_event_is_refused():
    with pytest.raises(InvalidResponse, match="event of Google's"):
        read(sse(event(says("Hi"))), b"data: 7\n\n")
    assert read(sse(event(says("Hi"))), b"data: []\n\n", sse(END)).response == "Hi"


def test_answer_that_is_too_long_is_refused():
    decoder = GenerationDecoder(limit=10)
    with pytest.raises(InvalidResponse):
        decoder.feed(sse(END))


def test_list_of_pieces_is_one_answer():
    told = [event(says("Hel")), event(says("lo"), calls("f", args={})), {"usageMetadata": USAGE}, {**END, "candidates": [
        {"finishReason": "STOP"}]}]  # fmt: skip
    got = whole(told)
    assert (got.response, got.outcome, got.usage.total_tokens) == ("Hello", "calls", 10)
    assert [part.get("text") for part in got.raw_response["candidates"][0]["content"]["parts"]] == ["Hel", "lo", None]
    assert read(json.dumps(told).encode()).response == "Hello"


# What is sent


def encode(*messages, learned=frozenset(), origin=ORIGIN, **fields):
    request = Request(**{"model": "gemini-2.5-flash", "messages": tuple(map(Message.of, messages)), **fields})
    return CODEC.encode(request, learned, origin)


def user(content):
    return {"role": "user", "content": content}


def config(**params):
    return encode(user("Hi"), params=params)["generationConfig"]


def test_request_stands_in_the_path():
    request = Request(model="gemini-2.5-flash")
    assert CODEC.path(request) == "/v1beta/models/gemini-2.5-flash:generateContent"
    request = request.replace(model="tunedModels/a b", stream=True)
    assert CODEC.path(request) == "/v1beta/tunedModels/a%20b:streamGenerateContent?alt=sse"
    assert CODEC.headers(request) == {}


def test_roles_and_parts_are_spelled():
    body = encode(
        {"role": "system", "content": "Be brief"},
        {"role": "assistant", "content": "Hello"},
        user("a"),
        user(" "),
        {"role": "system", "content": "Now be long"},
        {"role": "developer", "content": ""},
        user([{"type": "text", "text": "b"}, {"fileData": {"fileUri": "u"}}]),
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "(The assistant opens the conversation.)"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
            {"role": "user", "parts": [
                {"text": "a"}, {"text": "<system>\nNow be long\n</system>"}, {"text": "b"}, {"fileData": {"fileUri": "u"}}]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("part", "spelled"),
    [
        ({"type": "refusal", "refusal": "no"}, {"text": "no"}),
        ({"type": "image_url", "image_url": "data:image/png;base64,AA"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}}),
        ({"type": "image_url", "image_url": {"url": "https://x/y.JPG?z"}},
         {"fileData": {"fileUri": "https://x/y.JPG?z", "mimeType": "image/jpeg"}}),
        ({"type": "file", "file": {"file_id": "https://f/1"}}, {"fileData": {"fileUri": "https://f/1"}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "AA"}}),
        ({"type": "file", "file": {"file_data": "gs://a/b"}}, {"fileData": {"fileUri": "gs://a/b"}}),
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": "AA"}},
         {"inlineData": {"mimeType": "audio/wav", "data": "AA"}}),
    ],
)  # fmt: skip
def test_media_are_spelled(part, spelled):
    assert encode(user([part]))["contents"][0]["parts"] == [spelled]


@pytest.mark.parametrize(
    "content", [[{"type": "video"}], ["x"], [{"other": 1}], [{"type": "image_url", "image_url": "file:///x"}]]
)
def test_other_content_is_refused(content):
    with pytest.raises(DefinitionError):
        encode(user(content))


def test_parameters_are_spelled_in_its_words():
    told = config(
        max_tokens=5, top_p=0.5, stop="x", seed=1, n=2, logprobs=True, top_logprobs=3, thinking_config={"a": 1}
    )
    assert told == {
        "maxOutputTokens": 5, "topP": 0.5, "stopSequences": ["x"], "seed": 1, "candidateCount": 2,
        "responseLogprobs": True, "logprobs": 3, "thinkingConfig": {"a": 1}}  # fmt: skip
    assert config(generation_config={"topK": 1}, stopSequences=["y"], logprobs=2, temperature=None) == {
        "topK": 1, "stopSequences": ["y"], "logprobs": 2}  # fmt: skip
    body = encode(
        user("Hi"),
        params={"safety_settings": [1], "cachedContent": "c", "stream_options": {}, "parallel_tool_calls": True},
    )
    assert (body["safetySettings"], body["cachedContent"]) == ([1], "c")
    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "low"}),
        ("gemini-2.5-flash", "other", {"thinkingLevel": "other"}),
    ],
)
def test_effort_is_spelled_as_the_model_takes_it(model, effort, thinking):
    body = encode(user("Hi"), model=model, params={"reasoning_effort": effort})
    assert body["generationConfig"]["thinkingConfig"] == thinking


@pytest.mark.parametrize("told", [{"candidate_count": 2}, {"generationConfig": {"candidateCount": 2}}])
def test_number_of_candidates_has_one_name(told):
    with pytest.raises(DefinitionError, match="give n="):
        config(**told)


@pytest.mark.parametrize("name", ["user", "logit_bias", "parallel_tool_calls"])
def test_parameters_it_has_no_words_for_are_refused(name):
    with pytest.raises(DefinitionError, match=name):
        config(**{name: False})


@pytest.mark.parametrize(
    ("choice", "spelled"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]}},
         {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "f"}}]}},
         {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)  # fmt: skip
def test_choice_of_tools_is_spelled(choice, spelled):
    body = encode(user("Hi"), params={"tool_choice": choice, "tool_config": {"x": 1}})
    assert body["toolConfig"] == {"x": 1, "functionCallingConfig": spelled}


@pytest.mark.parametrize("choice", ["some", 7, {"type": "custom"}])
def test_unknown_choice_of_tools_is_refused(choice):
    with pytest.raises(DefinitionError, match="tool_choice"):
        encode(user("Hi"), params={"tool_choice": choice})


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}


def tool(parameters=SCHEMA, **fields):
    return {"type": "function", "function": {"name": "f", "parameters": parameters, **fields}}


def test_tools_are_one_tool_beside_the_vendors_own():
    body = encode(
        user("Hi"), tools=(tool(description="Does f"), {"googleSearch": {}}, tool({"type": "object"}), tool(None))
    )
    assert body["tools"] == [
        {"functionDeclarations": [
            {"name": "f", "description": "Does f", "parametersJsonSchema": SCHEMA}, {"name": "f"}, {"name": "f"}]},
        {"googleSearch": {}},
    ]  # fmt: skip
    assert encode(user("Hi"), tools=({"codeExecution": {}},))["tools"] == [{"codeExecution": {}}]


def test_tools_are_told_in_older_words_where_the_newer_are_refused():
    learned = frozenset({Lesson("gemini-2.5-flash", "parametersJsonSchema")})
    (told,) = encode(user("Hi"), tools=(tool(),), learned=learned)["tools"][0]["functionDeclarations"]
    assert told["parameters"] == {"type": "object", "properties": {"x": {"type": "integer"}}}
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}
    with pytest.raises(DefinitionError, match="simpler"):
        encode(user("Hi"), tools=(tool(endless),), learned=learned)


@pytest.mark.parametrize(
    ("schema", "narrow"),
    [
        ({"type": ["string", "null"], "default": 1}, {"type": "string", "nullable": True}),
        ({"type": ["string"]}, {"type": "string"}),
        ({"type": ["string", "integer"]}, None),
        ({"enum": ["a", None]}, {"enum": ["a"], "type": "string", "nullable": True}),
        ({"enum": [1, 2]}, None),
        ({"enum": [None]}, None),
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T"}, {"type": "string", "title": "T", "nullable": True}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": "array", "items": {"$ref": "#/$defs/A", "description": "d"}, "$defs": {"A": {"type": "string"}}},
         {"type": "array", "items": {"type": "string", "description": "d"}}),
        ({"$ref": "#/$defs/B"}, None),
        ({"prefixItems": []}, None),
        ({"items": True}, None),
    ],
)  # fmt: skip
def test_schemas_are_narrowed(schema, narrow):
    assert narrow_schema(schema) == narrow


def test_text_completions_and_functions_are_refused():
    with pytest.raises(DefinitionError, match="text completions"):
        CODEC.encode(Request(model="m", kind="completion", prompt="x"), frozenset(), ORIGIN)
    with pytest.raises(DefinitionError, match="'function'"):
        encode({"role": "function", "name": "f", "content": "x"})
    with pytest.raises(DefinitionError, match="function_call"):
        encode({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}})


# Conversations


def call(call_id, name="f", arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def reply(text, *made, parts=None, base_url=ORIGIN["base_url"], **fields):
    state = {"provider": "google", "base_url": base_url, "model": "m", "data": {"parts": parts}} if parts else None
    return Message(text, "assistant", fields={"tool_calls": list(made)} if made else None, state=state, **fields)


def result(call_id, content, **fields):
    return Message.of({"role": "tool", "tool_call_id": call_id, "content": content, **fields})


def sent(*messages, model="gemini-2.5-flash"):
    request = Request(model=model, messages=(Message("Hi"), *messages))
    return CODEC.encode(request, frozenset(), {**ORIGIN, "model": model})["contents"][1:]


def test_reply_goes_back_as_it_came():
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": "S0"},
        {"characters": 2, "thoughtSignature": "S1"},
        {"executableCode": {"code": "1"}},
        {"call": "c1", "given": False, "thoughtSignature": "S2"},
        {"call": "c2", "given": True},
        {"call": "gone", "given": True},
        {"characters": 3},
        {"characters": 0, "thoughtSignature": "S3"},
        {"characters": 0},
        "no part",
    ]
    said, results = sent(
        reply("Hello", call("c1", arguments='{"x": 1}'), call("c2", "g"), call("c3"), parts=parts),
        result("c2", '{"y": 2}'),
        result("c3", "three", is_error=True),
        result("c1", [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": "data:image/png;base64,AA"}]),
    )
    assert said == {"role": "model", "parts": [
        {"text": "hm", "thought": True, "thoughtSignature": "S0"},
        {"text": "He", "thoughtSignature": "S1"},
        {"executableCode": {"code": "1"}},
        {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "S2"},
        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
        {"text": "llo"},
        {"text": "", "thoughtSignature": "S3"},
        {"functionCall": {"id": "c3", "name": "f", "args": {}}},
    ]}  # fmt: skip
    assert results == {"role": "user", "parts": [
        {"functionResponse": {"name": "f", "response": {"output": "one"}}},
        {"functionResponse": {"id": "c2", "name": "g", "response": {"y": 2}}},
        {"functionResponse": {"id": "c3", "name": "f", "response": {"error": "three"}}},
        {"inlineData": {"mimeType": "image/png", "data": "AA"}},
    ]}  # fmt: skip


def test_calls_of_one_id_stay_two():
    parts = [{"call": "c", "given": True, "thoughtSignature": "S"}, {"call": "c", "given": True}]
    for kept in (parts, None):
        (said,) = sent(reply("", call("c", "f"), call("c", "g"), parts=kept))
        assert [part["functionCall"]["name"] for part in said["parts"]] == ["f", "g"]


def test_edited_text_keeps_its_signatures():
    parts = [{"characters": 2}, {"characters": 3, "thoughtSignature": "S"}]
    (said,) = sent(reply("Something else", parts=parts))
    assert said["parts"] == [{"text": "Something else"}, {"text": "", "thoughtSignature": "S"}]
    (said,) = sent(reply("more", call("c1"), parts=[{"call": "c1", "given": False}]))
    assert said["parts"][1] == {"text": "more"}


@pytest.mark.parametrize("kept", [{"base_url": "https://other"}, {"interrupted": True}])
def test_others_and_broken_replies_are_plain(kept):
    (said,) = sent(reply("Hello", parts=[{"characters": 5, "thoughtSignature": "S"}], **kept))
    assert said["parts"] == [{"text": "Hello"}]


def test_calls_of_another_model_are_marked_for_the_newer_ones():
    history = reply("", call("toolu_1"), call("toolu_2", arguments="{broken")), result("toolu_1", "")
    said, answered = sent(*history, model="gemini-3-pro-preview")
    assert said["parts"] == [
        {"functionCall": {"id": "toolu_1", "name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"},
        {"functionCall": {"id": "toolu_2", "name": "f", "args": {"invalid_arguments": "{broken"}}},
    ]  # fmt: skip
    assert answered["parts"] == [{"functionResponse": {"id": "toolu_1", "name": "f", "response": {"output": ""}}}]
    assert "thoughtSignature" not in sent(*history)[0]["parts"][0]
    signed = reply("", call("c1"), parts=[{"call": "c1", "given": False, "thoughtSignature": "S"}])
    assert sent(signed, model="gemini-3-pro")[0]["parts"][0]["thoughtSignature"] == "S"
    assert sent(reply("Hello"), model="gemini-3-pro")[0]["parts"] == [{"text": "Hello"}]


def test_result_of_no_call_names_itself():
    contents = encode({"role": "tool", "tool_call_id": "lost", "name": "f", "content": "x"})["contents"]
    answered = {"functionResponse": {"id": "lost", "name": "f", "response": {"output": "x"}}}
    assert contents == [{"role": "user", "parts": [answered]}]


# Typed answers and lessons


FORMAT = {"type": "json_schema", "json_schema": {"name": "r", "strict": True, "schema": SCHEMA}}
ENDLESS = {"type": "object", "properties": {"next": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}


def typed(learned=frozenset(), response_format=FORMAT, **fields):
    body = encode(user("Hi"), learned=learned, response_format=response_format, **fields)
    return {name: value for name, value in body.get("generationConfig", {}).items() if name.startswith("response")}


def refused(words, *, learned=frozenset(), status=400, **fields):
    request = Request(**{"model": "gemini-2.5-flash", "response_format": FORMAT, **fields})
    body = json.dumps({"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}}).encode()
    return CODEC.learn(status, CODEC.read_refusal(status, {}, body), request, learned)


def test_schema_is_asked_for_in_the_form_that_is_not_refused():
    assert typed() == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    learned = refused("Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.")
    narrow = {"type": "object", "properties": {"x": {"type": "integer"}}}
    assert typed(learned) == {"responseMimeType": "application/json", "responseSchema": narrow}
    endless = {"type": "json_schema", "json_schema": {"name": "r", "schema": ENDLESS}}
    assert typed(learned, endless) == {"responseMimeType": "application/json"}
    learned |= refused("Unknown name \"responseSchema\" at 'generation_config'", learned=learned)
    assert typed(learned) == {"responseMimeType": "application/json"}
    learned |= refused("response_mime_type is not supported", learned=learned)
    assert typed(learned) == typed(learned, {"type": "json_object"}) == {}
    assert refused("response_mime_type is not supported", learned=learned) == frozenset()


def test_refused_schema_is_remembered_for_its_type_alone():
    learned = refused("The specified schema is invalid: too many states for serving")
    assert "responseJsonSchema" not in typed(learned)
    other = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object", "properties": {}}}}
    assert "responseJsonSchema" in typed(learned, other)


def test_model_without_typed_answers_is_asked_in_words():
    assert typed(refused("JSON mode is not enabled for models/gemma-3")) == {}


def test_explicit_forms_are_kept():
    learned = refused("JSON mode is not enabled for models/gemma-3")
    assert "responseJsonSchema" in typed(learned, fixed_format=True)
    assert typed(learned, {"type": "json_object"}, fixed_format=True) == {"responseMimeType": "application/json"}
    assert refused("JSON mode is not enabled", fixed_format=True) == frozenset()


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("schema is invalid", {"status": 500}),
        ("the weather is bad", {}),
        ("this schema is fine", {}),
        ("schema is invalid", {"response_format": None}),
        ("function_declarations are nice", {"tools": (tool(),)}),
    ],
)
def test_other_refusals_teach_nothing(words, fields):
    assert refused(words, **fields) == frozenset()


def test_refused_spelling_of_tools_is_learned_once():
    words = "Unknown name \"parametersJsonSchema\" at 'tools[0].function_declarations[0]': Cannot find field."
    learned = refused(words, tools=(tool(),))
    assert learned == {Lesson("gemini-2.5-flash", "parametersJsonSchema")}
    assert refused(words, tools=(tool(),), learned=learned) == frozenset()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": 400, "message": "The input token count exceeds the maximum"}}, "context_length_exceeded"),
        ([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}], "API_KEY_INVALID"),
        ({"error": "plain"}, None),
        ([], None),
        ("text", None),
    ],
)
def test_refusals_say_what_they_are_about(body, code):
    assert CODEC.read_refusal(400, {}, json.dumps(body).encode()).code == code

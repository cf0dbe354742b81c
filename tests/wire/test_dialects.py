"""Dialects: thinking, messages beside deltas, ends in odd places, halves of characters, usage wherever it stands."""

import json
import pickle

import pytest
from pydantic import BaseModel, TypeAdapter
from wire_format import USAGE, chunk, of_choices, responses, sse, told, tool

from declarai_like import LLMResponse, errors
from declarai_like._values.buffers import GrowingText
from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.hooks import HookedReader
from declarai_like._wire.tool_calls import ToolCalls
from declarai_like._writing.texts import mend_surrogates
from declarai_like.testing import bytes_reply, json_reply

STOP = chunk(finish="stop")


class Note(BaseModel):
    text: str


def whole(message, reason="stop", **fields):
    """Read a whole answer."""
    body = of_choices({"index": 0, "message": message, "finish_reason": reason}, **fields)
    return responses(body)[-1]


# 12: thinking

THINK = {"type": "thinking", "thinking": [{"type": "text", "text": "Two and two"}]}
FORMS = {
    "deepseek": {"reasoning_content": "Two and two"},
    "openrouter": {"reasoning": "Two and two"},
    "ollama": {"thinking": "Two and two"},
    "copilot": {"reasoning_text": "Two and two"},
    "an object": {"reasoning": {"content": "Two and two"}},
    "mistral": {"content": [THINK, {"type": "text", "text": "4"}]},
    "mistral, a text": {"content": [{"type": "thinking", "thinking": "Two and two"}, {"type": "text", "text": "4"}]},
    "reasoning parts": {"content": [{"type": "reasoning", "text": "Two and two"}, {"type": "text", "text": "4"}]},
    "thought parts": {
        "content": [{"thought": True, "text": "Two and two", "type": "text"}, {"type": "text", "text": "4"}]
    },
    "details": {"reasoning_details": [{"type": "reasoning.text", "text": "Two and two"}]},
    "summaries": {"reasoning_details": [{"type": "reasoning.summary", "summary": "Two and two"}]},
    "details with secrets": {
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "x"},
            {"type": "reasoning.text", "text": "Two and two"},
        ]
    },
    "blocks": {"thinking_blocks": [{"type": "thinking", "thinking": "Two and two", "signature": "s"}]},
    "two forms": {"reasoning": "Two and two", "reasoning_details": [{"type": "reasoning.text", "text": "Two and two"}]},
    "field and parts": {"reasoning_content": "Two and two", "content": [THINK, {"type": "text", "text": "4"}]},
}


@pytest.mark.parametrize("message", FORMS.values(), ids=FORMS)
def test_thinking_is_read_in_every_form(message):
    message = {"content": "4", **message}
    last = whole(message)
    assert (last.reasoning, last.response, last.content) == ("Two and two", "4", "4")
    last = responses(of_choices({"index": 0, "delta": message}), STOP)[-1]
    assert (last.reasoning, last.response) == ("Two and two", "4")


@pytest.mark.parametrize("name", FORMS)
def test_thinking_is_told_as_it_comes(name):
    deltas = [json.loads(json.dumps(FORMS[name]).replace("Two and two", piece)) for piece in ("Two ", "and two")]
    deltas = [
        {key: value for key, value in delta.items() if key != "content" or isinstance(value, list)} for delta in deltas
    ]
    events, completion = told(*(of_choices({"index": 0, "delta": delta}) for delta in deltas), STOP)
    assert [event.delta for event in events if event.type == "reasoning.delta"] == ["Two ", "and two"]
    assert completion.choices[0].message.reasoning == "Two and two"


@pytest.mark.parametrize(
    "part", [{"type": "reasoning.encrypted", "data": "x"}, {"type": "redacted_thinking", "data": "x"}]
)
def test_encrypted_thinking_is_no_text(part):
    assert whole({"content": [part, {"type": "text", "text": "4"}], "reasoning_details": [part]}).reasoning is None


def test_thinking_that_is_told_again_at_the_end_is_told_once():
    again = {"reasoning_details": [{"type": "reasoning.text", "text": "ab"}]}
    last = responses(chunk(reasoning="a"), chunk(reasoning="b"), of_choices({"index": 0, "delta": again}), STOP)[-1]
    assert last.reasoning == "ab"


def test_refusal_in_a_part_is_a_refusal():
    last = whole({"content": [{"type": "refusal", "refusal": "No."}]})
    assert (last.refusal, last.response, last.outcome) == ("No.", "", "refused")


# 12: two calls with one id


@pytest.mark.parametrize(
    ("deltas", "expected"),
    {
        "a list": ([[tool(id="a", name="f", arguments='{"x": 1}'), tool(id="a", name="g", arguments='{"y": 2}')]],
                   [("f", '{"x": 1}'), ("g", '{"y": 2}')]),
        "a list, one name": ([[tool(id="a", name="f", arguments='{"x": 1}'), tool(id="a", name="f", arguments='{"x": 2}')]],
                             [("f", '{"x": 1}'), ("f", '{"x": 2}')]),
        "a list, the same twice": ([[tool(id="a", name="f", arguments="{}"), tool(id="a", name="f", arguments="{}")]],
                                   [("f", "{}"), ("f", "{}")]),
        "a list without arguments": ([[tool(name="f"), tool(name="g")]], [("f", ""), ("g", "")]),
        "an index each": ([[tool(0, "a", "f", "")], [tool(1, "a", "g", "")], [tool(0, arguments="{}")], [tool(1, arguments="{}")]],
                          [("f", "{}"), ("g", "{}")]),
        "an index each, one name": ([[tool(0, "a", "f", "{}"), tool(1, "a", "f", '{"x": 1}')]],
                                    [("f", "{}"), ("f", '{"x": 1}')]),
        "one index": ([[tool(0, "a", "f", '{"x": 1}')], [tool(0, "a", "f", '{"x": 2}')]],
                      [("f", '{"x": 1}'), ("f", '{"x": 2}')]),
        "one index, no id": ([[tool(0, None, "f", '{"x": 1}')], [tool(0, None, "f", '{"x": 2}')]],
                             [("f", '{"x": 1}'), ("f", '{"x": 2}')]),
        "in turn, no index": ([[tool(id="a", name="f", arguments='{"x": 1}')], [tool(id="a", name="f", arguments='{"x": 2}')]],
                              [("f", '{"x": 1}'), ("f", '{"x": 2}')]),
        "another name, no index": ([[tool(id="a", name="f")], [tool(id="a", name="g", arguments="{}")]],
                                   [("f", ""), ("g", "{}")]),
        "told again at the end": ([[tool(0, "a", "f", '{"x"')], [tool(0, arguments=": 1}")], [tool(0, "a", "f", '{"x": 1}')]],
                                  [("f", '{"x": 1}')]),
        "the index goes up with each fragment": ([[tool(0, "a", "f", "{")], [tool(1, "a", arguments="}")]], [("f", "{}")]),
    }.values(),
)  # fmt: skip
def test_two_calls_with_one_id_stay_two(deltas, expected):
    growing = ToolCalls()
    for entries in deltas:
        growing.feed(entries)
    assert [(call.name, call.arguments) for call in growing.prefix().tuple()] == expected


# 37: messages beside deltas, and text after the end


def both(delta, message, finish=None):
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": message}}
    return of_choices({**choice, "delta": {"content": delta}})


BESIDE = [both("The", "The"), both(" sky", "The sky"), both(" is blue", "The sky is blue", "stop")]
BESIDE_ENDS = {
    "in each chunk": BESIDE,
    "an empty delta": [both("", "The"), both(" sky", "The sky"), both("", "The sky is blue", "stop")],
    "an end of its own": [*BESIDE[:2], both(" is blue", "The sky is blue"), both("", "The sky is blue", "stop")],
    "a whole message at the end": [
        chunk("The sky"),
        chunk(" is blue"),
        of_choices({"index": 0, "message": {"content": "The sky is blue"}, "delta": {}, "finish_reason": "stop"}),
    ],
    "no delta at the end": [
        chunk("The sky"),
        chunk(" is blue"),
        of_choices({"index": 0, "message": {"content": "The sky is blue"}, "finish_reason": "stop"}),
    ],
    "messages that grow": [
        of_choices({"index": 0, "message": {"content": text}, "finish_reason": end})
        for text, end in (("The", None), ("The sky", None), ("The sky is blue", "stop"))
    ],
    "messages in pieces": [
        of_choices({"index": 0, "message": {"content": text}, "finish_reason": end})
        for text, end in (("The", None), (" sky", None), (" is blue", "stop"))
    ],
}


@pytest.mark.parametrize("chunks", BESIDE_ENDS.values(), ids=BESIDE_ENDS)
@pytest.mark.parametrize("done", [True, False])
def test_message_beside_a_delta_is_told_once_and_in_order(chunks, done):
    steps = responses(*chunks, done=done)
    assert "".join(step.content for step in steps) == "The sky is blue"
    assert (steps[-1].response, steps[-1].outcome) == ("The sky is blue", "complete")
    events, completion = told(*chunks, done=done)
    assert "".join(event.delta for event in events if event.type == "content.delta") == "The sky is blue"
    assert completion.choices[0].message.content == "The sky is blue"


@pytest.mark.parametrize(
    "chunks", [BESIDE[:2], BESIDE_ENDS["messages that grow"][:1], BESIDE_ENDS["messages in pieces"][:2]]
)
def test_stream_of_messages_that_is_cut_is_no_success(way, openai, server, chunks):
    server.enqueue(bytes_reply([sse(*chunks, done=False)]))
    llm = openai()
    stream = (llm.astream if way.is_async else llm.stream)("?")
    with pytest.raises(errors.StreamInterrupted) as caught:
        way.events(stream)
    assert caught.value.response.response == "".join(step.content for step in responses(*chunks))


def test_whole_body_with_an_empty_delta_is_read(way, openai, server):
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "message": {"content": "Blue."},
        "finish_reason": "stop",
    }
    server.enqueue(json_reply(of_choices(choice)))
    llm = openai()
    response = way.do((llm.asend if way.is_async else llm.send)("?"))
    assert (response.response, response.outcome) == ("Blue.", "complete")


AFTER = {
    "text after the end": [chunk("The"), chunk(" sky", "stop"), chunk(" is blue")],
    "an end on every chunk": [chunk("The", "stop"), chunk(" sky", "stop"), chunk(" is blue", "stop")],
    "the end first": [chunk("", "stop"), chunk("The sky"), chunk(" is blue")],
    "an end, usage, text": [chunk("The", "stop"), of_choices(usage=USAGE), chunk(" sky is blue")],
}


@pytest.mark.parametrize("chunks", AFTER.values(), ids=AFTER)
def test_held_chunk_is_shown_before_what_comes_after_it(way, openai, server, chunks):
    server.enqueue(*[bytes_reply([sse(*chunks)])] * 3)
    llm = openai()

    def look(question: str):
        """Look: {question}"""

    task = llm.task(streaming=True)(way.define(look))
    steps = way.collect(task("?"))
    assert "".join(step.content for step in steps) == steps[-1].response == "The sky is blue"
    assert [step.outcome for step in steps] == ["streaming"] * (len(steps) - 1) + ["complete"]
    assert [step.response for step in steps] == sorted((step.response for step in steps), key=len)
    for view in ("responses", "text"):
        stream = task.stream("?")
        seen = []

        async def reading(stream=stream, view=view, seen=seen):
            async with stream:
                async for one in getattr(stream, view)():
                    seen.append(one)

        if way.is_async:
            way.do(reading())
        else:
            with stream:
                seen.extend(getattr(stream, view)())
        pieces = seen if view == "text" else [step.content for step in seen]
        assert "".join(pieces) == "The sky is blue"


def test_held_chunk_is_shown_before_an_error(way, openai, server):
    server.enqueue(bytes_reply([sse(chunk("The"), chunk(" sky", "stop"), {"error": {"message": "oops"}})]))
    llm = openai()

    def look(question: str):
        """Look: {question}"""

    steps = []
    with pytest.raises(errors.ProviderError, match="oops"):
        way.collect(llm.task(streaming=True)(way.define(look))("?"), steps)
    assert "".join(step.content for step in steps) == "The sky"


def test_view_of_responses_gives_the_held_chunk_before_an_error(way, openai, server):
    server.enqueue(bytes_reply([sse(chunk("The"), chunk(" sky", "stop"), {"error": {"message": "oops"}})]))
    llm, steps = openai(), []

    async def reading(stream):
        async with stream:
            async for step in stream.responses():
                steps.append(step)  # noqa: PERF401 - those before the error count

    def read():
        if way.is_async:
            way.do(reading(llm.astream("?")))
        with llm.stream("?") as stream:
            steps.extend(stream.responses())

    with pytest.raises(errors.ProviderError, match="oops"):
        read()
    assert [step.content for step in steps] == ["The", " sky"]


@pytest.mark.parametrize("word", ["null", "None", "", "NULL"])
def test_word_for_no_end_is_no_end(way, openai, server, word):
    chunks = [chunk("The", word), chunk(" sky", word)]
    server.enqueue(
        bytes_reply([sse(*chunks, done=False)]), bytes_reply([sse(*chunks, chunk(" is", "stop"), done=False)])
    )
    llm = openai()
    with pytest.raises(errors.StreamInterrupted):
        way.events((llm.astream if way.is_async else llm.stream)("?"))
    assert way.result((llm.astream if way.is_async else llm.stream)("?")) == "The sky is"


# Filters see all of it


class Upper:
    def feed(self, text):
        return text.upper()

    def close(self):
        return ""


@pytest.mark.parametrize("message", [*FORMS.values(), {"function_call": {"name": "f", "arguments": "Two and two"}}])
def test_filter_sees_every_form(message):
    accumulator = Accumulator()
    reader = HookedReader(accumulator, [Upper], [])
    reader.feed(of_choices({"index": 0, "delta": {"content": "4", **message}}))
    reader.feed(STOP)
    reader.feed(DONE)
    last = reader.finish()
    assert "and two" not in json.dumps(accumulator.response.model_dump()) + repr(accumulator.completion)
    assert last.reasoning == ("TWO AND TWO" if "function_call" not in message else None)


@pytest.mark.parametrize("chunks", [*BESIDE_ENDS.values(), *AFTER.values()])
def test_filter_leaves_nothing_in_what_was_sent(chunks):
    accumulator = Accumulator()
    reader = HookedReader(accumulator, [Upper], [])
    steps = [reader.feed(one) for one in [*chunks, DONE]]
    steps = [*(step for step in steps if step is not None), reader.finish()]
    assert "sky" not in json.dumps([step.model_dump() for step in steps])
    assert "SKY" in steps[-1].response


# 9: half a surrogate pair


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
def test_half_a_character_is_none_at_the_end(field):
    events, completion = told(chunk(**{field: "Nice \ud83d"}), STOP)
    name = {"reasoning_content": "reasoning"}.get(field, field)
    assert getattr(completion.choices[0].message, name) == "Nice \ufffd"
    assert "Nice \ufffd" in completion.model_dump_json()
    last = responses(chunk(**{field: "Nice \ud83d"}), STOP)[-1]
    json.loads(last.model_dump_json().encode())
    TypeAdapter(LLMResponse).dump_json(last)
    done = next(event for event in events if event.type.endswith(".done"))
    assert getattr(done, name) == "Nice \ufffd"
    assert pickle.loads(pickle.dumps(events)) == events  # noqa: S301 - our own


def test_pair_in_two_pieces_is_one_character_everywhere():
    pieces = ["\ud83d", "\ude00"]
    chunks = [chunk(piece, reasoning=piece, refusal=piece) for piece in pieces]
    calls = [chunk(tool_calls=[tool(0, "a", "f", piece)]) for piece in ('{"a": "\ud83d', '\ude00"}')]
    last = responses(*chunks, *calls, STOP)[-1]
    assert [last.response, last.reasoning, last.refusal] == ["\U0001f600"] * 3
    assert last.tool_calls[0].arguments == '{"a": "\U0001f600"}'
    last.model_dump_json().encode()


def test_half_a_character_within_a_text_is_replaced_at_once():
    steps = responses(chunk("a"), chunk("\ud83d"), chunk("b\ude00c"), STOP)
    assert [step.response for step in steps] == ["a", "a\ud83d", "a\ufffdb\ufffdc", "a\ufffdb\ufffdc"]
    assert mend_surrogates("\ud83d\ude00\ud83d") == "\U0001f600\ufffd"
    assert GrowingText("\ud83d", "\ude00").prefix(2) == "\U0001f600"


def test_interrupted_text_ends_with_no_half(way, openai, server):
    server.enqueue(bytes_reply([sse(chunk("Nice \ud83d"), done=False)]))
    llm = openai()
    with pytest.raises(errors.StreamInterrupted) as caught:
        way.events((llm.astream if way.is_async else llm.stream)("?"))
    assert caught.value.response.response == "Nice \ufffd"
    caught.value.completion.model_dump_json()
    caught.value.response.model_dump_json()


def test_half_a_character_in_names_and_arguments_is_dumped():
    call = tool(0, "\ud83d", "f\ud83d", '{"a": "\ud83d"}')
    events, completion = told({**chunk(tool_calls=[call]), "id": "\ud83d", "model": "m\ud83d"}, STOP)
    completion.model_dump_json().encode()
    responses({**chunk(tool_calls=[call]), "model": "\ud83d"}, STOP)[-1].model_dump_json().encode()
    assert events[-1].arguments == '{"a": "\ufffd"}'


def test_typed_value_has_no_half(way, openai, server):
    server.enqueue(bytes_reply([sse(chunk('{"text": "Nice \ud83d"}'), STOP)]))
    llm = openai()
    value = way.result((llm.astream if way.is_async else llm.stream)("?", output_type=Note))
    assert value.model_dump_json() == '{"text":"Nice \ufffd"}'


def test_half_a_character_in_the_name_of_a_field_is_dumped():
    usage = {"prompt_tokens": 1, "\ud83d": {"\ud83d": ["\ud83d"]}}
    completion = told(chunk("a"), {**STOP, "usage": usage})[1]
    assert json.loads(completion.model_dump_json())["usage"]["details"] == {"\ufffd": {"\ufffd": ["\ufffd"]}}
    assert completion.model_dump()["usage"]["details"] == {"\ufffd": {"\ufffd": ["\ufffd"]}}


# 28: usage


@pytest.mark.parametrize(
    "chunks",
    {
        "groq": [chunk("a"), {**STOP, "x_groq": {"id": "r", "usage": USAGE}}],
        "groq, twice": [chunk("a"), {**STOP, "usage": None, "x_groq": {"usage": USAGE}}],
        "moonshot": [chunk("a"), of_choices({"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE})],
    }.values(),
)
def test_usage_is_found_where_it_stands(chunks):
    assert responses(*chunks)[-1].total_tokens == 5


@pytest.mark.parametrize(
    "usage", ["none", [1], 5, True, {"details": "none"}, {"prompt_tokens": "3"}, {"prompt_tokens_details": []}]
)
def test_usage_of_any_kind_breaks_nothing(usage):
    last = responses(chunk("a"), {**STOP, "usage": usage, "x_groq": usage})[-1]
    assert last.response == "a"
    assert last.cost is None
    last.model_dump_json()


def test_strange_names_are_left_out():
    last = responses({**chunk("a"), "model": {"x": 1}, "id": 5, "created": "now", "system_fingerprint": []}, STOP)[-1]
    assert last.model == "m"
    assert responses({**chunk("a"), "model": [1]}, {**STOP, "model": None})[-1].model is None


# 29: what else breaks nothing


@pytest.mark.parametrize("object_", [["x"], {"a": 1}, None, 5, "chat.completion", "text_completion"])
def test_typed_view_of_any_object_is_built(object_):
    for raw in (
        {**chunk("a"), "object": object_},
        {"object": object_, "choices": [5]},
        {"object": object_, "choices": "x"},
    ):
        response = LLMResponse(raw_response=raw)
        assert response.chunk is not None
        repr([response.choices, response.choice, response.delta])


@pytest.mark.parametrize("logprob", [10**400, "x", None, float("nan"), -(10**400)])
def test_log_probability_of_any_size_is_read(logprob):
    tokens = {"content": [{"token": "a", "logprob": logprob, "bytes": ["x"], "top_logprobs": 5}]}
    last = responses(chunk("a", logprobs=tokens), STOP)[-1]
    assert isinstance(last.logprobs.content[0].logprob, float)
    last.model_dump_json()

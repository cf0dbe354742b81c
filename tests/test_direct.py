"""Asking a model without a task: messages or a text in, an answer or a stream of it out."""

import pytest
from pydantic import BaseModel

from declarai_like.errors import DefinitionError, OutputError, StreamInterrupted
from declarai_like.messages import Message
from declarai_like.testing import completion_reply, completion_stream_reply, stream_reply, text_reply


class City(BaseModel):
    name: str


CITY = '{"name": "Oslo"}'
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": 1}'}}


class Face:
    """The calls of a model, blocking or awaiting."""

    def __init__(self, llm, way):
        self.llm, self.way = llm, way
        self.stream = llm.astream if way.is_async else llm.stream

    def send(self, *args, **kwargs):
        return self.way.do((self.llm.asend if self.way.is_async else self.llm.send)(*args, **kwargs))

    def complete(self, *args, **kwargs):
        return (self.llm.acomplete if self.way.is_async else self.llm.complete)(*args, **kwargs)


@pytest.fixture
def face(llm, way):
    return Face(llm, way)


def test_a_text_is_sent_as_a_message(server, face):
    server.enqueue(text_reply("Hello"))
    assert face.send("hi").response == "Hello"
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "hi"}]


def test_messages_in_our_form_and_in_the_wires_are_sent(server, face):
    server.enqueue(text_reply("Hello"))
    face.send([Message("Be brief", "system"), {"role": "user", "content": "hi"}, {"role": "user", "message": "you"}])
    assert [message["content"] for message in server.requests[0].body["messages"]] == ["Be brief", "hi", "you"]


def test_parameters_and_model_go_to_the_model(server, face):
    server.enqueue(text_reply("Hello"))
    face.send("hi", model="other", temperature=0.5, n=2)
    body = server.requests[0].body
    assert (body["model"], body["temperature"], body["n"]) == ("other", 0.5, 2)


def test_an_output_type_is_asked_for_and_read(server, face):
    server.enqueue(text_reply(CITY))
    assert face.send("hi", output_type=City).parsed == City(name="Oslo")
    assert server.requests[0].body["response_format"]["json_schema"]["name"] == "City"


def test_an_answer_that_is_not_of_its_type_is_raised(server, face):
    server.enqueue(text_reply("no idea"))
    with pytest.raises(OutputError, match="no idea"):
        face.send("hi", output_type=City)


def test_a_refusal_is_told_by_the_response(server, face):
    server.enqueue(text_reply(None, message={"refusal": "I cannot."}))
    response = face.send("hi", output_type=City)
    assert (response.refusal, response.outcome, response.parsed) == ("I cannot.", "refused", None)


def test_tools_are_sent_and_their_calls_come_back(server, face):
    server.enqueue(text_reply(None, finish_reason="tool_calls", message={"tool_calls": [CALL]}))
    response = face.send("hi", tools=[TOOL])
    assert (response.tool_calls[0].name, response.tool_calls[0].arguments) == ("look_up", '{"q": 1}')
    assert server.requests[0].body["tools"] == [TOOL]


@pytest.mark.parametrize("messages", [[], (), iter(())])
def test_no_messages_at_all_are_refused(face, messages):
    with pytest.raises(TypeError, match="expected messages, got none"):
        face.send(messages)


@pytest.mark.parametrize("name", ["stream", "messages"])
def test_parameters_that_have_a_door_are_refused(face, name):
    with pytest.raises((DefinitionError, TypeError), match=name):
        face.send("hi", **{name: True})


# Streams


def test_a_stream_gives_events_and_the_whole_answer(server, face):
    server.enqueue(stream_reply(["Hel", "lo"]))
    events = face.way.events(face.stream("hi"))
    assert [event.delta for event in events if event.type == "content.delta"] == ["Hel", "lo"]


def test_a_stream_reads_an_output_type(server, face):
    server.enqueue(stream_reply(['{"name": "O', 'slo"}']))
    assert face.way.result(face.stream("hi", output_type=City)) == City(name="Oslo")


def test_a_stream_that_is_entered_again_sends_again(server, face):
    server.enqueue(stream_reply(["a"]), stream_reply(["b"]))
    stream = face.stream(iter([Message("hi")]))
    assert (face.way.result(stream), face.way.result(stream)) == ("a", "b")
    assert server.requests[0].body == server.requests[1].body


def test_a_stream_of_a_prompt_continues_a_text(server, face):
    server.enqueue(completion_stream_reply(["upon", " a time"]))
    assert face.way.result(face.stream(prompt="Once ", model="base", max_tokens=5)) == "upon a time"
    body = server.requests[0].body
    assert server.requests[0].path == "/v1/completions"
    assert (body["prompt"], body["model"], body["max_tokens"]) == ("Once ", "base", 5)


def test_a_stream_without_messages_and_prompt_is_refused_at_once(face):
    with pytest.raises(TypeError, match="expected messages"):
        face.stream()


def test_a_stream_of_unknown_roles_is_refused_at_once(face):
    with pytest.raises(ValueError, match="boss"):
        face.stream([{"role": "boss", "content": "hi"}])


@pytest.mark.parametrize("also", [{"messages": "hi"}, {"tools": [TOOL]}, {"output_type": City}])
def test_a_prompt_goes_with_nothing_that_it_cannot_have(face, also):
    with pytest.raises(TypeError, match="prompt= continues a text"):
        face.stream(prompt="Once", **also)


# Completions


def test_a_text_is_continued(server, face):
    server.enqueue(completion_reply("upon a time"))
    response = face.way.do(face.complete("Once ", max_tokens=5))
    assert (response.response, response.outcome) == ("upon a time", "complete")
    assert server.requests[0].body == {"model": "gpt-4o-mini", "prompt": "Once ", "max_tokens": 5}


def test_a_continuation_streams(server, face):
    server.enqueue(completion_stream_reply(["upon", " a time"]))
    steps = face.way.collect(face.complete("Once ", streaming=True, model="base"))
    assert [step.response for step in steps] == ["upon", "upon a time"]
    assert server.requests[0].body["model"] == "base"


def test_each_of_several_prompts_must_end(server, face):
    server.enqueue(completion_stream_reply(["only one"], done=False, end="no_terminator"))
    with pytest.raises(StreamInterrupted):
        face.way.collect(face.complete(["One", "Two"], streaming=True))


def test_a_whole_text_that_does_not_say_why_it_ended_is_whole(server, face, way):
    server.enqueue(completion_reply("upon a time", finish_reason=None))
    response = way.do(face.complete("Once"))
    assert (response.response, response.finish_reason, response.outcome) == ("upon a time", None, "complete")

"""Messages in every form they come in."""
# ruff: noqa: S301 - what is unpickled here was pickled here

import json
import pickle

import pytest
from pydantic import TypeAdapter, ValidationError

from declarai_like.completions import ToolCall
from declarai_like.messages import Message, MessageRole

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PARTS = [
    {"type": "text", "text": "What is "},
    {"type": "image_url", "image_url": {}},
    {"type": "text", "text": "this?"},
]


@pytest.mark.parametrize(
    ("source", "text", "wire"),
    [
        ({"role": "user", "message": "Hi"}, "Hi", {"role": "user", "content": "Hi"}),
        ({"role": "user", "content": "Hi"}, "Hi", {"role": "user", "content": "Hi"}),
        ({"content": "Hi"}, "Hi", {"role": "user", "content": "Hi"}),
        ({"role": "user", "content": "Hi", "name": "Bo"}, "Hi", {"role": "user", "content": "Hi", "name": "Bo"}),
        ({"role": "user", "content": PARTS}, "What is this?", {"role": "user", "content": PARTS}),
        (
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            "",
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ),
        (
            {"role": "assistant", "tool_calls": [ToolCall(0, "a", "f", "{}")]},
            "",
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
        ),
        (
            {"role": "tool", "content": "42", "tool_call_id": "a"},
            "42",
            {"role": "tool", "content": "42", "tool_call_id": "a"},
        ),
        ({"role": "user", "content": 5}, "", {"role": "user", "content": 5}),
        ({"role": "user", "content": [None, {"text": None}]}, "", {"role": "user", "content": [None, {"text": None}]}),
    ],
)
def test_message_is_taken_and_sent_as_the_wire_has_it(source, text, wire):
    message = Message.of(source)
    assert message.message == text
    assert message.wire() == wire
    assert Message.of(dict(message)) == message
    assert json.loads(json.dumps(message.wire())) == wire


def test_message_is_taken_as_it_is():
    message = Message("Hi")
    assert Message.of(message) is message


def test_source_is_not_changed():
    source = {"role": "assistant", "content": "x", "tool_calls": [CALL]}
    Message.of(source)
    assert source == {"role": "assistant", "content": "x", "tool_calls": [CALL]}


def test_role_equals_its_string():
    assert Message("Hi", "system").role == "system"
    assert Message("Hi").role is MessageRole.user
    assert str(MessageRole.tool) == "tool"


def test_unknown_role_is_refused():
    with pytest.raises(ValueError, match="wizard"):
        Message("Hi", "wizard")


def test_marks_are_kept_and_not_sent():
    message = Message("Hi", interrupted=True, pinned=True)
    assert dict(message) == {"message": "Hi", "role": "user", "interrupted": True, "pinned": True}
    assert Message.of(dict(message)) == message
    assert message.wire() == {"role": "user", "content": "Hi"}


def test_message_shows_as_a_line_and_can_be_a_key():
    assert repr(Message("Hi")) == "user: Hi"
    assert {Message("Hi"), Message("Hi")} == {Message("Hi")}


def test_message_can_be_pickled():
    message = Message.of({"role": "assistant", "tool_calls": [CALL]})
    assert pickle.loads(pickle.dumps(message)) == message


def test_pydantic_takes_and_dumps_messages():
    adapter = TypeAdapter(list[Message])
    messages = adapter.validate_json('[{"role": "user", "content": "Hi"}]')
    assert messages == [Message("Hi")]
    assert adapter.validate_python(messages) == messages
    assert adapter.dump_python(messages) == [{"message": "Hi", "role": "user"}]
    assert adapter.json_schema()["items"]["required"] == ["message", "role"]
    assert messages[0].model_dump() == {"message": "Hi", "role": "user"}


@pytest.mark.parametrize("value", [5, {}, {"role": "user"}, {"role": "wizard", "content": "x"}])
def test_pydantic_refuses_what_is_no_message(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Message).validate_python(value)


NESTED_PAIRS = "\ud83d\ude00", "\U0001f600"


@pytest.mark.parametrize(("half", "whole"), [("\ud83d", "\ufffd"), NESTED_PAIRS], ids=["half", "pair"])
def test_halves_of_surrogate_pairs_are_mended_wherever_they_stand(half, whole):
    def fields(text):
        parts = [{"type": "text", "text": text}, {"type": "text", "text": "é"}]
        return {"name": text, "content": parts, text: [CALL, None, 5]}

    message = Message("Hi", fields=fields(half)).well_formed()
    assert message.fields == fields(whole)
    assert message.well_formed() is message


def test_a_half_that_is_nested_deeply_is_mended_at_once():
    deep = whole = {}
    for _ in range(60):
        deep, whole = {"a": [deep, "\ud83d"]}, {"a": [whole, "\ufffd"]}
    assert Message("Hi", fields=deep).well_formed().fields == whole

"""Events are values: they show what they showed, also later, elsewhere, and after the stream has gone on."""
# ruff: noqa: S301 - what is unpickled here was pickled here

import copy
import dataclasses
import pickle

import pytest
from pydantic import BaseModel
from wire_format import USAGE, chunk, of_choices, told, tool

from declarai_like import events as module
from declarai_like._outputs.output import Output
from declarai_like.events import ContentDeltaEvent


class Point(BaseModel):
    x: int
    y: int = 0


LOGPROBS = {"content": [{"token": "a", "logprob": -1.0}], "refusal": [{"token": "n", "logprob": -2.0}]}
EVENTS = told(
    chunk("", role="assistant"),
    chunk(reasoning="hm"),
    chunk('{"x": 1', logprobs=LOGPROBS),
    chunk(', "y": 2}', refusal="no", tool_calls=[tool(0, "c", "f", '{"a": 1}')]),
    chunk(finish="stop"),
    of_choices(usage=USAGE),
    output=Output.of(Point),
    strict_tools=["f"],
)[0]
PLAIN = told(chunk("a"), chunk("b"), chunk("c"), chunk(finish="stop"))[0]
OF_TOOLS = [
    module.ToolCallEvent("c", "f", {"a": 1}, 1),
    module.ToolProgressEvent("c", 0.5, 1),
    module.ToolResultEvent("c", "f", 2, None, 0.1, 1),
    module.RoundDoneEvent(1, None),
]
BY_TYPE = {event.type: event for event in EVENTS}


def test_every_type_of_event_is_told():
    names = {getattr(module, name).type for name in module.__all__ if name != "StreamEvent"}
    assert set(BY_TYPE) | {event.type for event in OF_TOOLS} == names


@pytest.mark.parametrize("event", EVENTS + PLAIN + OF_TOOLS, ids=lambda event: event.type)
def test_event_survives_pickling_and_copying(event):
    for again in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert again == event
        assert repr(again) == repr(event)
        assert hash(again) == hash(event)
        assert pickle.loads(pickle.dumps(again)) == event


@pytest.mark.parametrize("event", BY_TYPE.values(), ids=BY_TYPE)
def test_event_cannot_be_changed(event):
    for name in [field.name for field in dataclasses.fields(event)]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, None)


@pytest.mark.parametrize("event", BY_TYPE.values(), ids=BY_TYPE)
def test_event_is_told_apart_from_others(event):
    others = [other for kind, other in BY_TYPE.items() if kind != event.type]
    assert event not in others
    assert event != "event"


def test_pickled_event_holds_only_what_it_showed():
    first = PLAIN[1]
    assert first.snapshot == "a"
    assert b"abc" not in pickle.dumps(first)
    assert len(pickle.dumps(first)) < 300


def test_same_words_at_another_place_are_another_event():
    deltas = [event for event in told(chunk("a"), chunk("a"), chunk(finish="stop"))[0] if event.type == "content.delta"]
    assert deltas[0] != deltas[1]
    assert (deltas[0].delta, deltas[0].snapshot, deltas[1].snapshot) == ("a", "a", "aa")


def test_delta_is_called_content_too():
    assert PLAIN[1].content == PLAIN[1].delta == "a"


def test_untyped_delta_has_no_value_and_no_items():
    assert (PLAIN[1].parsed, PLAIN[1].items) == (None, [])


def test_parsed_of_an_event_stays_as_it_was():
    deltas = [event for event in EVENTS if isinstance(event, ContentDeltaEvent)]
    assert next(getattr(event.parsed, "x", None) for event in deltas) is None
    done = BY_TYPE["content.done"]
    assert done.content == '{"x": 1, "y": 2}'


def test_every_event_of_a_choice_says_whose_it_is():
    events = told(chunk("a", index=1), chunk(finish="stop", index=1), choices=1)[0]
    assert [event.choice_index for event in events if event.type != "chunk"] == [1, 1]


def test_chunk_event_has_the_official_object():
    event = BY_TYPE["chunk"]
    assert type(event.chunk).__name__ == "ChatCompletionChunk"
    assert event.raw == of_choices(usage=USAGE)
    assert repr(event).startswith("ChunkEvent(raw=")
    assert event.response.usage.total_tokens == 5


def test_events_show_themselves_by_their_fields():
    assert repr(PLAIN[1]) == ("ContentDeltaEvent(delta='a', choice_index=0, snapshot='a', parsed=None, items=[])")
    assert "parsed_arguments" not in repr(BY_TYPE["tool_calls.function.arguments.delta"])

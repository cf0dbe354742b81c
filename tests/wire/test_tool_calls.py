"""Tool calls put together from their fragments, in every dialect that providers speak."""

import pytest
from wire_format import chunk, responses, told, tool, types

from declarai_like._values.buffers import partial_json
from declarai_like._wire.tool_calls import GrowingCall, ToolCalls, is_json_object

DELTA = "tool_calls.function.arguments.delta"
DONE = "tool_calls.function.arguments.done"
END = chunk(finish="tool_calls")


def calls(*deltas):
    """Feed deltas, each a list of entries; give (id, name, arguments) of each call."""
    growing = ToolCalls()
    for entries in deltas:
        growing.feed(entries)
    return [(call.id, call.name, call.arguments) for call in growing.calls]


DIALECTS = {
    "in pieces": (
        [[tool(0, "a", "f", "")], [tool(0, arguments='{"x"')], [tool(0, arguments=": 1}")]],
        [("a", "f", '{"x": 1}')],
    ),
    "index null": (
        [[{**tool(id="a", name="f", arguments="{"), "index": None}], [{**tool(arguments="}"), "index": None}]],
        [("a", "f", "{}")],
    ),
    "no index, an id each": (
        [[tool(id="a", name="f", arguments="{}")], [tool(id="b", name="g", arguments="{")], [tool(arguments="}")]],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "no index, the id in every fragment": (
        [
            [tool(id="a", name="f", arguments="{")],
            [tool(id="a", arguments="}")],
            [tool(id="b", name="f", arguments="{}")],
        ],
        [("a", "f", "{}"), ("b", "f", "{}")],
    ),
    "no index, interleaved by id": (
        [
            [tool(id="a", name="f", arguments="{")],
            [tool(id="b", name="g", arguments="{")],
            [tool(id="a", arguments="}")],
        ],
        [("a", "f", "{}"), ("b", "g", "{")],
    ),
    "no index, a new id without a name": (
        [[tool(id="a", name="f", arguments="{")], [tool(id="z", arguments="}")]],
        [("a", "f", "{}")],
    ),
    "neither index nor id, whole calls": (
        [[tool(name="f", arguments="{}"), tool(name="f", arguments='{"x": 1}')]],
        [(None, "f", "{}"), (None, "f", '{"x": 1}')],
    ),
    "neither index nor id, the name in every fragment": (
        [[tool(name="f", arguments="{")], [tool(name="f", arguments="}")], [tool(name="f", arguments="")]],
        [(None, "f", "{}")],
    ),
    "id and name in every fragment": (
        [[tool(0, "a", "f", "{")], [tool(0, "a", "f", "}")]],
        [("a", "f", "{}")],
    ),
    "another id in every fragment": (
        [[tool(0, "a", "f", "{")], [tool(0, "b", arguments="}")]],
        [("a", "f", "{}")],
    ),
    "another id in every fragment, with the name": (
        [[tool(0, "a", "f", "{")], [tool(0, "b", "f", "}")]],
        [("a", "f", "{}")],
    ),
    "always index 0, another name": (
        [[tool(0, "a", "f", "{")], [tool(0, "b", "g", "{}")], [tool(0, arguments="")]],
        [("a", "f", "{"), ("b", "g", "{}")],
    ),
    "always index 0, the same name": (
        [[tool(0, "a", "f", '{"x": 1}')], [tool(0, "b", "f", '{"x": 2}')]],
        [("a", "f", '{"x": 1}'), ("b", "f", '{"x": 2}')],
    ),
    "the name comes later": (
        [[tool(0, "a", arguments="")], [tool(0, name="f", arguments="{}")]],
        [("a", "f", "{}")],
    ),
    "the id comes later": (
        [[tool(0, name="f", arguments="{")], [tool(0, "a", arguments="}")]],
        [("a", "f", "{}")],
    ),
    "a nameless fragment with a strange index": (
        [[tool(0, "a", "f", "{")], [tool(7, arguments="}")], [tool(7, arguments=" ")]],
        [("a", "f", "{} ")],
    ),
    "a new index and id, the name later": (
        [[tool(0, "a", "f", "{}")], [tool(1, "b")], [tool(1, name="g", arguments="{}")]],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "a new index and name, no id": (
        [[tool(0, name="f", arguments="{}")], [tool(1, name="g", arguments="{}")]],
        [(None, "f", "{}"), (None, "g", "{}")],
    ),
    "index 1 first": (
        [[tool(1, "b", "g", "{}")], [tool(0, "a", "f", "{}")]],
        [("b", "g", "{}"), ("a", "f", "{}")],
    ),
    "index from 5": ([[tool(5, "a", "f", "{}")]], [("a", "f", "{}")]),
    "arguments as an object": ([[tool(0, "a", "f", {"x": "é"})]], [("a", "f", '{"x": "é"}')]),
    "arguments null": ([[{"index": 0, "function": {"name": "f", "arguments": None}}]], [(None, "f", "")]),
    "no function": ([[{"index": 0, "id": "a"}]], [("a", "", "")]),
    "id empty": ([[tool(0, "", "f", "{}")]], [(None, "f", "{}")]),
    "an empty list": ([[], None], []),
}


@pytest.mark.parametrize(("deltas", "expected"), DIALECTS.values(), ids=DIALECTS)
def test_calls_are_put_together(deltas, expected):
    assert calls(*deltas) == expected


def test_call_has_a_type_and_reads_like_the_official_one():
    growing = ToolCalls()
    growing.feed([tool(0, "a", "f", "{}"), tool(1, "b", "g", "", type="custom")])
    first, second = growing.prefix().tuple()
    assert (first.type, second.type) == ("function", "custom")
    assert (first.function.name, first.function.arguments) == ("f", "{}")
    assert first.wire() == {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_each_fragment_shows_its_call_as_it_stood():
    fragments = ToolCalls().feed([tool(0, "a", "f", ""), tool(0, arguments="{}")])
    assert [(one.arguments, one.call.arguments) for one in fragments] == [("", ""), ("{}", "{}")]


def test_call_is_done_early_when_it_is_whole_and_another_one_goes_on():
    events = told(
        chunk(tool_calls=[tool(0, "a", "f", "{}")]),
        chunk(tool_calls=[tool(1, "b", "g", "{")]),
        chunk(tool_calls=[tool(1, arguments="}")]),
        END,
    )[0]
    assert types(events) == ["chunk", DELTA, "chunk", DELTA, DONE, "chunk", DELTA, "chunk", DONE]
    assert [(e.name, e.index, e.id, e.tool_call_snapshot_id) for e in events if e.type == DONE] == [
        ("f", 0, "a", "a"), ("g", 1, "b", "b")]  # fmt: skip


def test_call_that_is_not_whole_waits_for_the_end():
    events = told(
        chunk(tool_calls=[tool(0, "a", "f", "{"), tool(1, "b", "g", "{")]),
        chunk(tool_calls=[tool(0, arguments="}"), tool(1, arguments="}")]),
        END,
    )[0]
    assert [e.index for e in events if e.type == DONE] == [0, 1]


def test_call_and_finish_in_one_chunk():
    events = told(chunk(tool_calls=[tool(0, "a", "f", "{}")], finish="stop"))[0]
    assert types(events) == ["chunk", DELTA, DONE]


def test_arguments_that_were_cut_are_not_done():
    events, completion = told(chunk(tool_calls=[tool(0, "a", "f", '{"x"')]), chunk(finish="length"))
    assert DONE not in types(events)
    assert completion.choices[0].message.tool_calls[0].arguments == '{"x"'


def test_arguments_of_a_strict_tool_are_data():
    chunks = [chunk(tool_calls=[tool(0, "a", "f", '{"city": "S')]), chunk(tool_calls=[tool(0, arguments='F", "n": 1')])]
    whole = chunk(tool_calls=[tool(0, arguments="}")])
    events, completion = told(*chunks, whole, END, strict_tools=["f"])
    assert [e.parsed_arguments for e in events if e.type == DELTA] == [{}, {"city": "SF"}, {"city": "SF", "n": 1}]
    assert next(e for e in events if e.type == DONE).parsed_arguments == {"city": "SF", "n": 1}
    assert completion.choices[0].message.tool_calls[0].parsed_arguments == {"city": "SF", "n": 1}
    loose = told(*chunks, whole, END)[0]
    assert {e.parsed_arguments for e in loose if e.type in (DELTA, DONE)} == {None}


@pytest.mark.parametrize("arguments", ["{", "[]", "nonsense", "{'a': 1}"])
def test_arguments_of_a_strict_tool_must_be_an_object(arguments):
    last = responses(chunk(tool_calls=[tool(0, "a", "f", arguments)]), END, strict_tools=["f"])[-1]
    assert "JSON object" in str(last._parsed)
    assert last.tool_calls[0].parsed_arguments is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("{", {}),
        ('{"a": 1', {}),
        ('{"a": 1,', {"a": 1}),
        ('{"a": tr', {}),
        ('{"a": "x', {}),
        ('{"a": [1, {"b": "c"', {"a": [1, {"b": "c"}]}),
        ("{'a'", None),
        ('{"a": "\ud83d"}', {"a": "\ufffd"}),
        ('{"a": "x\ud83d', {}),
        ("a" * 100_000, None),
    ],
)
def test_partial_arguments_show_what_is_closed(text, value):
    assert partial_json(text) == value


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ('{"a": "}"}', True),
        ('{"a": "\\\\"}', True),
        ('{"a": "\\"}"} \n ', True),
        ('{"a": [{}, {"b": "]"}]}', True),
        ('{"a": "}', False),
        ('{"a": 1}x', False),
        ('{"a": 1} {}', False),
        ("[{}]", False),
        ("}{", False),
        ("{]", False),
        ("5", False),
        ("", False),
    ],
)
def test_call_is_whole_when_its_arguments_are_one_object(text, is_whole):
    for size in (1, 2, 3, 100):
        call = GrowingCall(0, "function")
        for start in range(0, len(text), size):
            call.add("a", "f", text[start : start + size])
        assert call.is_whole is is_whole
        assert call.is_whole is is_whole is is_json_object(call.arguments)
    growing = GrowingCall(0, "function")
    for character in text:
        growing.add("a", "f", character)
        assert growing.is_whole is is_json_object(growing.arguments)


def test_deep_nesting_is_no_object():
    assert not is_json_object("[" * 100_000)

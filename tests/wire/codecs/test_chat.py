"""Bytes to chunks: what is JSON, what is an error, and what is no event stream at all."""

import json
import pickle

import pytest
from wire_format import chunk, decoded, sse

from declarai_like._wire.accumulator import DONE
from declarai_like._wire.codecs.chat import ChunkDecoder, decode_answer
from declarai_like._wire.codecs.json_text import decode_json, show_beginning
from declarai_like.errors import InvalidResponse
from declarai_like.providers.base import Secret

A, B = chunk("a"), chunk("b")


def test_chunks_come_as_they_were_sent():
    assert decoded(sse(A, B)) == [A, B, DONE]


def test_nothing_is_read_after_done():
    decoder = ChunkDecoder()
    assert list(decoder.feed(sse(A) + sse(B))) == [A, DONE]
    assert decoder.done


@pytest.mark.parametrize(
    ("body", "expected"),
    {
        "crlf": (sse(A, B).replace(b"\n", b"\r\n"), [A, B, DONE]),
        "lone newlines": (sse(A, B).replace(b"\n\n", b"\n"), [A, B, DONE]),
        "pretty JSON": (b'data: {\ndata: "choices": []\ndata: }\n\n', [{"choices": []}]),
        "unfinished but whole": (sse(A, done=False)[:-2], [A]),
        "unfinished and cut": (sse(A, done=False)[:-9], []),
        "no object": (b'data: 1\n\ndata: [1]\n\ndata: null\n\ndata: "x"\n\n' + sse(A), [A, DONE]),
        "named message": (b"event: message\n" + sse(A), [A, DONE]),
        "named otherwise": (b"event: delta\n" + sse(A), [A, DONE]),
        "ping": (b'event: ping\ndata: {"type": "ping"}\n\n' + sse(A), [A, DONE]),
        "bad UTF-8": (b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
                      [{"choices": [{"delta": {"content": "\ufffd"}}]}]),
        "half a surrogate pair": (b'data: {"choices": ["\\ud83d"]}\n\n', [{"choices": ["\ud83d"]}]),
        "CR in white space": (b'data: {"choices": []}\r\n\n', [{"choices": []}]),
        "error event": (b'event: error\ndata: {"message": "m"}\n\n', [{"error": {"message": "m"}}]),
        "error event with error": (b'event: error\ndata: {"error": "m"}\n\n', [{"error": "m"}]),
        "error event of text": (b"event: error\ndata: it broke\n\n", [{"error": "it broke"}]),
        "error event of nothing": (
            b"event: error\ndata: {}\n\n", [{"error": {"message": "the provider reported an error without a word"}}]),
        "error event of another name": (b'event: overloaded_error\ndata: {"message": "m"}\n\n', [{"error": {"message": "m"}}]),
        "list of errors": (b'data: [{"error": "m"}]\n\n', [{"error": "m"}]),
        "list of chunks": (b"data: " + json.dumps([A, B]).encode() + b"\n\n", [A, B]),
        "line breaks before a document": (b"\r\n" * 250 + b'{"choices": [1]}', [{"choices": [1]}, DONE]),
        "line breaks before events": (b"\n" * 250 + sse(A), [A, DONE]),
        "error field": (b'error: {"code": 500}\n\n', [{"error": {"code": 500}}]),
    }.values(),
)  # fmt: skip
def test_servers_dialects_are_read(body, expected):
    assert decoded(body) == expected
    assert decoded(*(body[i : i + 1] for i in range(len(body)))) == expected


@pytest.mark.parametrize(
    "data", [b"<html>", b"{", b'{"a": 1} x', b"[" * 100_000, b'{"a": ' * 2000, b"1" * 5000], ids=range(6)
)
def test_event_that_is_not_json_is_refused_and_shown_shortened(data):
    decoder = ChunkDecoder()
    decoder.feed(sse(A, done=False))
    with pytest.raises(InvalidResponse, match="expected a chunk of JSON") as caught:
        list(decoder.feed(b"data: " + data + b"\n\n"))
    assert len(str(caught.value)) < 300
    assert caught.value.phase == "stream"


def test_events_before_a_broken_one_are_not_lost():
    decoder = ChunkDecoder()
    chunks = iter(decoder.feed(sse(A, done=False) + b"data: {oops}\n\n"))
    assert next(chunks) == A
    with pytest.raises(InvalidResponse):
        next(chunks)


def reads_of(body, *cuts):
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"choices": [{"index": 0, "finish_reason": null}],\r "x": 1}\n\n',
        b'data: {"choices": [{"index": 0, "finish_reason": null}],\n "x": 1}\n\n',
        b'{"choices": [1],\n' + sse(A),
    ],
)
def test_bytes_are_read_alike_however_they_are_parted(body):
    assert len({outcome_of(reads_of(body, cut)) for cut in range(1, len(body))} | {outcome_of([body])}) == 1


def outcome_of(reads):
    try:
        return json.dumps(decoded(*reads))
    except InvalidResponse as error:
        return str(error)


def test_choices_with_their_finish_reason_are_noted():
    decoder = ChunkDecoder(choices=2)
    for one, ended in (
        (A, False),
        (chunk(finish="null"), False),
        (chunk(finish="stop"), False),
        (chunk(finish="stop", index=1), True),
    ):
        list(decoder.feed(sse(one, done=False)))
        assert decoder.ended is ended


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "sk-canary-1"}, "choices": [{"delta": {"content": "sk-canary-1"}}]},
        {
            "object": "error",
            "message": "sk-canary-1",
            "choices": [{"finish_reason": None, "delta": {"content": "sk-canary-1"}}],
        },
        {"note": "sk-canary-1", "choices": [{"finish_reason": "abort", "delta": {"content": "sk-canary-1"}}]},
        {"choices": [{"finish_reason": "stop", "error": "sk-canary-1", "message": {"content": "sk-canary-1"}}, "sk"]},
    ],
)
def test_key_is_blanked_out_of_an_error_but_not_of_what_the_model_says(body):
    decoder = ChunkDecoder(Secret("sk-canary-1").redact)
    (seen,) = decoder.feed(sse(body, done=False))
    assert repr(seen).count("sk-canary-1") == 1
    assert "**********" in repr(seen)
    assert seen["choices"][0].get("delta", seen["choices"][0].get("message")) == {"content": "sk-canary-1"}


@pytest.mark.parametrize(
    "body",
    [b'data: {"choices": [{"delta": {"content": "an error of sk-canary-1"}}]}\n\n', sse(chunk("error: sk-canary-1"))],
)
def test_answer_that_speaks_of_errors_is_left_as_it_is(body):
    decoder = ChunkDecoder(Secret("sk-canary-1").redact)
    assert "sk-canary-1" in repr(list(decoder.feed(body)))


@pytest.mark.parametrize("depth", [210, 500, 980])
def test_json_that_is_nested_deeply_is_refused(depth):
    nested = b'{"a": ' * depth + b"1" + b"}" * depth
    for body in (b"data: " + nested + b"\n\n", nested, b'data: {"x": "\\ud83d", "error": ' + nested + b"}\n\n"):
        with pytest.raises(InvalidResponse) as caught:
            decoded(body)
        assert pickle.loads(pickle.dumps(caught.value)).body == caught.value.body  # noqa: S301 - our own


@pytest.mark.usefixtures("no_garbage_collection")
def test_json_that_only_the_standard_reader_takes_is_not_followed_too_deeply():
    with pytest.raises(InvalidResponse):
        decoded(b'data: {"half": "\\ud83d", "x": ' + b"[" * 100_000 + b"\n\n")


def test_event_that_is_too_long_is_refused():
    with pytest.raises(InvalidResponse, match="longer than"):
        decoded(*[b"data: " + b"x" * 100_000] * 300)


def test_event_that_its_end_makes_too_long_is_dropped():
    decoder = ChunkDecoder()
    decoder.feed(sse(A, done=False))
    decoder._events.limit = 10
    decoder._events.feed(b"data: xxx")
    decoder._events.limit = 2
    assert list(decoder.close()) == []


@pytest.mark.parametrize("body", [b'{"choices": [{"message": {}}]}', b'\xef\xbb\xbf \n{"choices": [1]}'])
def test_json_document_is_one_whole_chunk(body):
    expected = [json.loads(body.decode("utf-8-sig")), DONE]
    assert decoded(body) == expected
    assert decoded(*(body[i : i + 1] for i in range(len(body)))) == expected


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'{"choices": []}', b'{"choices": [1]', b'{"detail": "Not Found"}'])
def test_json_document_that_is_no_answer_is_refused(body):
    with pytest.raises(InvalidResponse, match="expected a completion"):
        decoded(body)


@pytest.mark.parametrize("body", [b'{"object": "error", "message": "m"}', b'{"error": "m"}'])
def test_json_document_may_be_an_error(body):
    assert decoded(body) == [json.loads(body), DONE]


def test_json_document_that_is_too_long_is_refused():
    decoder = ChunkDecoder(limit=1_000_000)
    with pytest.raises(InvalidResponse, match="longer than 1000000 bytes"):
        [decoder.feed(b'{"a": "' + b"x" * 100_000) for _ in range(300)]


def test_white_space_without_end_is_no_document():
    decoder = ChunkDecoder()
    for _ in range(10):
        assert list(decoder.feed(b"\n" * 100)) == []
    assert list(decoder.feed(sse(A, done=False))) == [A]


def test_beginning_is_kept_for_a_message():
    decoder = ChunkDecoder()
    list(decoder.feed(b"<!doctype html>" + b"x" * 1000))
    assert decoder.excerpt() == "<!doctype html>" + "x" * 185


@pytest.mark.parametrize(
    "body",
    [
        b'event: error\ndata: {"message": "no: sk-canary-1"}\n\n',
        b'data: {"error": {"message": "no: sk-canary-1"}}\n\n',
        b'data: {"choices": [{"error": {"message": "sk-canary-1"}}]}\n\n',
        b'data: {"choices": [{"error": {"message": "sk\\u002dcanary-1"}}]}\n\n',
        b'{"error": {"sk-canary-1": ["sk-canary-1"]}}',
        b'{"object": "error", "message": "sk-canary-1"}',
    ],
)
def test_key_that_a_server_repeats_is_blanked_out(body):
    decoder = ChunkDecoder(Secret("sk-canary-1").redact)
    seen = [*decoder.feed(body), *decoder.close()]
    assert "canary" not in repr(seen)
    assert "**********" in repr(seen)


@pytest.mark.parametrize(
    "body", [b"data: sk-canary-1\n\n", b'{"x": "sk-canary-1"}', b"data: " + b"x" * 195 + b"sk-canary-1\n\n"]
)
def test_key_in_what_is_no_chunk_is_blanked_out(body):
    decoder = ChunkDecoder(Secret("sk-canary-1").redact)
    with pytest.raises(InvalidResponse) as caught:
        _ = [*decoder.feed(body), *decoder.close()]
    assert "sk-c" not in str(caught.value) + repr(caught.value.body)


def test_numbers_beyond_json_are_read():
    assert decode_json(b'{"a": NaN}')["a"] != 0
    assert decode_json(b'{"a": 123456789012345678901234567890}') == {"a": 123456789012345678901234567890}
    assert decode_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_document_is_redacted_only_where_it_is_an_error():
    redact = Secret("sk-canary-1").redact
    assert decode_answer(b'{"choices": ["sk-canary-1"]}', redact) == {"choices": ["sk-canary-1"]}
    assert show_beginning(b"", redact) == ""

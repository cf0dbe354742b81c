"""Bytes to events, by the standard and beside it."""

import tracemalloc

import pytest

from declarai_like._wire.codecs.chat import ChunkDecoder
from declarai_like._wire.sse import LIMIT, EventDecoder


def events(*reads, limit=1 << 20):
    decoder = EventDecoder(limit)
    return [*(event for read in reads for event in decoder.feed(read)), *decoder.close()]


def byte_by_byte(body):
    return [body[i : i + 1] for i in range(len(body))]


CASES = {
    "one line": (b"data: a\n\n", [("", b"a")]),
    "no space after the colon": (b"data:a\n\n", [("", b"a")]),
    "only one space is taken": (b"data:  a\n\n", [("", b" a")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    "mixed line ends": (b"data: a\r\n\ndata: b\r\n\rdata: c\n\n", [("", b"a"), ("", b"b"), ("", b"c")]),
    "data of several lines": (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    "a named event": (b"event: ping\ndata: a\n\ndata: b\n\n", [("ping", b"a"), ("", b"b")]),
    "the last name counts": (b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")]),
    "a name without data is nobody's": (b"event: x\n\ndata: a\n\n", [("", b"a")]),
    "a comment": (b": hello\n\ndata: a\n\n: bye\n\n", [("", b"a")]),
    "a comment between the lines": (b"data: a\n: x\ndata: b\n\n", [("", b"a\nb")]),
    "id and retry": (b"id: 1\nretry: 3000\ndata: a\n\nid: 2\n\nretry: x\n\n", [("", b"a")]),
    "an id with NUL": (b"id: \0\ndata: a\n\n", [("", b"a")]),
    "a line without a colon": (b"data\ndata: a\n\nfoo\n\n", [("", b"\na")]),
    "empty data": (b"data:\n\ndata: \n\ndata: a\n\n", [("", b"a")]),
    "an unknown field": (b"color: red\ndata: a\n\n", [("", b"a")]),
    "an error field": (b"error: {}\n\n", [("error", b"{}")]),
    "data before an error field": (b"data: a\nerror: b\n\n", [("", b"a"), ("error", b"b")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    "a byte order mark later is none": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", b"a")]),
    "only a byte order mark": (b"\xef\xbb\xbf", []),
    "no blank line at the end": (b"data: a", [("", b"a")]),
    "no blank line, CR": (b"data: a\r", [("", b"a")]),
    "a line separator is no line end": ("data: a\u2028b\u0085c\n\n".encode(), [("", "a\u2028b\u0085c".encode())]),
    "a name that is no UTF-8": (b"event: \xff\ndata: a\n\n", [("\ufffd", b"a")]),
    "nothing": (b"", []),
    "blank lines": (b"\n\n\r\n\n", []),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_events_are_the_same_however_the_bytes_arrive(body, expected):
    assert events(body) == expected
    assert events(*byte_by_byte(body)) == expected
    for cut in range(len(body) + 1):
        assert events(body[:cut], body[cut:]) == expected


def test_decoder_is_idle_between_events():
    decoder = EventDecoder()
    assert decoder.idle
    decoder.feed(b"data: a")
    assert not decoder.idle
    decoder.feed(b"\n")
    assert not decoder.idle
    decoder.feed(b"\n")
    assert decoder.idle
    decoder.feed(b"event: x\n")
    assert not decoder.idle


@pytest.mark.parametrize("line", [b"x" * 1000, b"data: " + b"x" * 1000, b"data: x\n" * 200, b"data:\n" * 1000])
def test_event_that_is_too_long_is_refused(line):
    with pytest.raises(OverflowError, match="900 bytes"):
        events(*[line] * 10, limit=900)


def test_hundred_megabytes_in_one_event_take_no_more_memory_than_the_limit():
    reads = [b"x" * 65536] * 1600
    tracemalloc.start()
    with pytest.raises(OverflowError):
        events(*reads, limit=LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_endless_stream_of_short_events_is_not_refused():
    decoder = EventDecoder(limit=100)
    assert sum(len(decoder.feed(b"data: abcdefghij\n\n: x\n\n")) for _ in range(100)) == 100


def test_time_is_looked_at_within_one_read_of_many_events():
    looked = []
    decoder = ChunkDecoder(check_time=lambda: looked.append(True))
    read = b'data: {"choices": []}\n\n' * 1_000
    assert len(list(decoder.feed(read))) == 1_000
    assert len(looked) >= 3

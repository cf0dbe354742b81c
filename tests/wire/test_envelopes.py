"""Answers in an envelope, from servers that hold no schema: what may be shown, whatever comes."""

from declarai_like._wire.envelopes import EnvelopeFilter


def shown(*pieces, is_text=True):
    envelope = EnvelopeFilter(is_text=is_text)
    return "".join([*map(envelope.feed, pieces), envelope.close()])


def test_text_is_shown_as_its_characters():
    assert shown('{"answer": "one\\n', 'two \\u00e9"}') == "one\ntwo é"


def test_escape_that_is_none_is_shown_as_it_came():
    assert shown('{"answer": "C:\\q"}') == "C:\\q"


def test_what_follows_the_text_is_not_shown():
    assert shown('{"answer": "one"', ', "more": "two"}') == "one"


def test_escape_cut_in_two_waits_for_its_other_half():
    envelope = EnvelopeFilter(is_text=True)
    assert envelope.feed('{"answer": "a\\u00') == "a"
    assert envelope.feed('e9"}') == "é"


def test_answer_that_ends_with_its_envelope_begun_is_shown_as_it_came():
    assert shown('{"answer": ') == '{"answer": '


def test_brackets_and_escapes_in_a_text_end_no_value():
    assert shown('{"answer": {"a": "}\\\\\\"]", "b": [1]', "}}", is_text=False) == '{"a": "}\\\\\\"]", "b": [1]}'

import pytest

from declarai_like.tools.arguments import UnreadableArguments, read_arguments


@pytest.mark.parametrize(
    ("text", "arguments"), [("", {}), ("  ", {}), ("{}", {}), ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]})]
)
def test_whole_object_is_read(text, arguments):
    assert read_arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ('"a"', "expected a JSON object"),
        ("{'a': 1}", "expected a JSON object"),
        ('{"a": 1', "expected a JSON object"),
        ('{"a": 1} {"a": 2}', "expected a JSON object"),
        ('```json\n{"a": 1}\n```', "expected a JSON object"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ('{"x": {"a": 1, "a": 2}}', "'a' twice"),
        ('{"a": NaN}', "no NaN"),
        ('{"a": -Infinity}', "no -Infinity"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ('{"a": ' + "[" * 250 + "]" * 250 + "}", "nested too deeply"),
    ],
)
def test_everything_else_is_refused_and_nothing_is_repaired(text, words):
    with pytest.raises(UnreadableArguments, match=words):
        read_arguments(text)


@pytest.mark.usefixtures("no_garbage_collection")
def test_arguments_that_only_the_standard_reader_takes_are_not_followed_too_deeply():
    with pytest.raises(UnreadableArguments, match="nested too deeply"):
        read_arguments('{"half": "\\ud83d", "a": ' + "[" * 100_000)


def test_long_arguments_are_read_as_they_are():
    words = "a b " * 100
    assert read_arguments(f'{{"a": "{words}", "b": {"[" * 150}{"]" * 150}}}')["a"] == words

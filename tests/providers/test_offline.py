"""Answers that are made up, also for calls with tools."""

import declarai_like as declarai


def look_up(word: str, times: int = 1) -> str:
    """Look a word up"""
    return f"{word} {times}"


def ask(question: str) -> int:
    """{question}"""


def test_each_tool_is_called_once_with_arguments_that_fit_then_comes_the_answer():
    task = declarai.offline().task(tools=[look_up])(ask)
    result = task.run("?")
    (call,) = result.calls
    assert (call.name, call.error, result.rounds, type(result.value)) == ("look_up", None, 2, int)
    assert isinstance(call.arguments["word"], str)
    assert result.value == task("?")


def test_no_tool_is_called_where_none_may_be():
    assert declarai.offline().task(tools=[look_up], tool_choice="none")(ask).run("?").calls == ()


def test_stream_of_a_call_with_tools():
    with declarai.offline().task(tools=[look_up])(ask).stream("?") as stream:
        kinds = [event.type for event in stream]
    assert kinds.count("tool.call") == kinds.count("tool.result") == 1

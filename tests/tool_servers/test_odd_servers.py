"""Servers that do as servers should not."""

import sys
from pathlib import Path

import pytest
from tool_servers.conftest import ask_once

import declarai_like as declarai
from declarai_like import errors
from declarai_like._mcp import background, servers
from declarai_like._mcp.faults import fault_of, words_of

SERVER = str(Path(__file__).with_name("odd_server.py"))


def odd(kind, **more):
    return declarai.mcp("odd", command=[sys.executable, SERVER, kind], **more)


@pytest.mark.parametrize("kind", ["noise", "plain"])
def test_what_does_no_harm_is_passed_over(fake, kind):
    with odd(kind) as server:
        assert ask_once(fake, server, "odd_do").value == "done"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nonsense", "its parameters have no valid JSON Schema: 'nonsense' is not valid"),
        ("array", "expected the schema of an object|what it sent is not what the protocol says"),
        ("flood", "cannot be had"),
        ("twice", "the tool server 'odd' lists two tools of one name"),
        ("endless pages", "it lists more than 100 pages of tools"),
    ],
)
def test_what_makes_no_tool_is_told_before_anything_is_sent(fake, kind, words):
    with odd(kind) as server, pytest.raises(errors.DeclaraiError, match=words):
        ask_once(fake, server, "odd_do")
    assert not fake.requests


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("wrong", "what it sent is not what the protocol says"),
        ("silent", "the tool failed, and said nothing about it"),
        ("undeclared", "Tool do has an output schema but did not return structured content"),
    ],
)
def test_result_that_is_none_is_shown_as_an_error(fake, kind, error):
    with odd(kind) as server:
        assert error in ask_once(fake, server, "odd_do").error


def test_schema_is_not_fetched_from_elsewhere(fake):
    with odd("remote") as server:
        assert "the schema cannot be read" in ask_once(fake, server, "odd_do", {"a": 1}).error


def test_parts_of_a_result_are_joined(fake):
    with odd("mixed") as server:
        assert ask_once(fake, server, "odd_do").value == "one\ntwo\n[x://2 data, 3 bytes]\nthree: x://3"


def test_resource_of_nothing_is_told():
    with odd("plain") as server, pytest.raises(errors.ToolServerError, match="gave nothing for the resource 'x://1'"):
        server.resource("x://1")


def test_server_that_hears_nothing_any_more_is_killed(fake):
    with odd("deaf") as server:
        assert ask_once(fake, server.only("do", timeout=1), "odd_do").may_have_run


def test_servers_that_nobody_closes_are_closed_at_the_end(fake):
    server = odd("plain")
    assert ask_once(fake, server, "odd_do").value == "done"
    servers._close_all()
    assert ask_once(fake, server, "odd_do").error is None
    server.close()
    server.close()


def test_tool_that_was_found_begins_its_server_anew(fake):
    server = odd("plain")
    [tool] = server.find_tools().result(20)
    server.close()
    with server:
        assert ask_once(fake, tool, "odd_do").value == "done"


def test_lock_of_the_thread_is_new_in_a_forked_process():
    before = background._lock
    background._forget_lock()
    assert background._lock is not before


def test_connection_that_is_gone_is_told_apart():
    import anyio

    assert fault_of(anyio.ClosedResourceError(), has_ended=False) == "lost"
    assert fault_of(RuntimeError(), has_ended=True) == "lost"
    assert fault_of(RuntimeError(), has_ended=False) == "told"
    assert words_of(Several(Several(ValueError())), str) == "ValueError"


class Several(Exception):
    """As a group of exceptions is, which Python 3.10 has not."""

    def __init__(self, *exceptions):
        self.exceptions = exceptions

"""Servers that do as servers should not."""

import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tool_servers.conftest import ask_once, wait_until

import declarai_like as declarai
from declarai_like import errors
from declarai_like._mcp import background, servers
from declarai_like._mcp.faults import fault_of, words_of
from declarai_like.testing import tool_call
from declarai_like.tools.schema_parameters import SchemaParameters

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


@pytest.mark.parametrize(
    ("milliseconds", "names"), [(1, ["aging_do1", "aging_do2"]), (3_600_000, ["aging_do1", "aging_do1"])]
)
def test_list_is_kept_as_long_as_the_server_says(fake, milliseconds, names):
    command = [sys.executable, SERVER.replace("odd_server", "aging_server"), str(milliseconds)]
    with declarai.mcp("aging", command=command) as server:
        fake.enqueue("one", "two")

        @fake.task(tools=[server])
        def ask(question: str) -> str:
            """Answer: {question}"""

        ask("a")
        time.sleep(0.05)
        ask("b")
    assert [request.tools[0]["function"]["name"] for request in fake.requests] == names


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


def test_call_under_way_ends_when_its_server_is_closed(fake, way):
    def ask(question: str) -> str:
        """Answer: {question}"""

    server = odd("deaf")
    task = fake.task(tools=[server])(way.define(ask))
    fake.enqueue(tool_call("odd_do"), "done")

    def close():
        wait_until(lambda: fake.requests)
        time.sleep(1)
        server.close()

    closing = threading.Thread(target=close)
    closing.start()
    [run] = way.run(task, "?").calls
    closing.join()
    assert re.search("closed meanwhile|connection lost", run.error)


def test_user_who_is_asked_holds_up_no_end(child, fake):
    asked, answered = threading.Event(), threading.Event()

    def asker(question):
        asked.set()
        answered.wait(60)

    with child.open(asker=asker) as server:
        closing = threading.Thread(target=lambda: asked.wait(30) and server.close())
        closing.start()
        run = ask_once(fake, server, "demo_introduce", {"greeting": "Hello"})
        closing.join()
        answered.set()
    assert run.error == "the tool server 'demo' was closed meanwhile; it may have run"
    assert run.may_have_run


def test_tool_that_was_found_begins_its_server_anew(fake):
    server = odd("plain")
    [tool] = server.find_tools().result(60)
    server.close()
    with server:
        assert ask_once(fake, tool, "odd_do").value == "done"


def test_schema_of_anything_else_than_an_object_is_refused():
    with pytest.raises(errors.DefinitionError, match="here: expected the schema of an object"):
        SchemaParameters("here", {"type": "array"}).check()


def test_missing_package_is_told(monkeypatch, fake):
    monkeypatch.setitem(sys.modules, "declarai_like._mcp.connections", None)
    with pytest.raises(errors.MissingExtra, match=re.escape('pip install "declarai-like[mcp]"')):
        ask_once(fake, odd("plain"), "odd_do")


def test_connection_of_another_process_is_left_alone(fake):
    with odd("plain") as server:
        assert ask_once(fake, server, "odd_do").value == "done"
        connection = server.connect()
        connection._background.process = -1
        connection.close()
        connection._background.process = os.getpid()
        assert ask_once(fake, server, "odd_do").value == "done"


class OddHTTP(BaseHTTPRequestHandler):
    """A server behind an address that forgets its sessions, or breaks off what it says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = message["method"]
        if method == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": INFO}
            self.tell(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), "1")
        elif method == "server/discover":
            self.tell(404, "")
        elif "id" not in message:
            self.tell(202, "")
        elif self.server.kind == "forgetful":
            self.tell(404, "")
        else:
            self.tell(200, '{"jsonrpc": "2.0", ', length=1000)
            self.close_connection = True

    def do_GET(self):
        self.tell(405, "")

    def do_DELETE(self):
        self.server.goodbyes.append(self.headers["mcp-session-id"])
        time.sleep(5)  # longer than anybody should wait for an answer to a goodbye

    def tell(self, status, text, session=None, length=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length or len(text)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Say nothing."""


INFO = {"name": "odd", "version": "1"}


@pytest.fixture
def odd_http():
    served = []

    def serving(kind):
        server = ThreadingHTTPServer(("127.0.0.1", 0), OddHTTP)
        server.kind, server.goodbyes = kind, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.append(server)
        return server, declarai.mcp("odd", url=f"http://127.0.0.1:{server.server_address[1]}/mcp", timeout=20)

    yield serving
    for server in served:
        server.shutdown()
        server.server_close()


def test_session_that_is_forgotten_is_begun_anew_once(fake, odd_http):
    server, tools = odd_http("forgetful")
    with tools, pytest.raises(errors.ToolServerError, match=r"'odd' cannot be reached: .*session.*; nothing was sent"):
        ask_once(fake, tools, "odd_do")
    assert server.goodbyes == ["1", "1"]


def test_answer_that_breaks_off_is_told(fake, odd_http):
    _, tools = odd_http("broken")
    with tools, pytest.raises(errors.ToolServerError, match=r"'odd' did not list its tools: connection lost"):
        ask_once(fake, tools, "odd_do")


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

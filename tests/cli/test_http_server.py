"""The server of `declarai-like serve`: how it stops, and what silent connections cost the others."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress

import pytest
from serve.clients import eventually

from declarai_like import serve
from declarai_like._cli._http_server import SilentConnections, make_server
from declarai_like.testing import FakeLLM, chunks, reply

MODULE = '''
import asyncio

import declarai_like as declarai
from declarai_like import LLMResponse
from declarai_like.providers.base import BaseLLM, register_llm


class Slow(BaseLLM):
    async def apredict(self, messages, stream=False, **params):
        if not stream:
            await asyncio.sleep(60)

        async def steps():
            text = ""
            for number in range(10_000):
                if "silent" in messages[-1].message:
                    await asyncio.sleep(60)
                text += "word " * (20_000 if "much" in messages[-1].message else 1)
                yield LLMResponse(response=text)
                await asyncio.sleep(0.01)

        return steps()


register_llm("slow", Slow)
llm = declarai.Declarai(provider="slow", model="m")


@llm.task
def say(text: str) -> str:
    """Say {text}"""


@llm.chat
class Bot:
    """You are a bot."""
'''
ASKED = {
    "a task": ("/tasks/say", {"text": "words"}),
    "a chat": ("/chats/Bot/{}/messages", {"message": "words"}),
    "as OpenAI's": (
        "/v1/chat/completions",
        {"model": "say", "messages": [{"role": "user", "content": "words"}], "stream": True},
    ),
    "as a completion": ("/v1/completions", {"model": "say", "prompt": "words", "stream": True}),
}


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """Start the command; give its process and port."""
    (tmp_path / "slow_app.py").write_text(MODULE)
    with ExitStack() as stack:

        def start(*options, **environ):
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "declarai_like", "serve", "slow_app.py", "--port", "0", *options],
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
                env={**os.environ, **environ},
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            port = next(int(found[1]) for line in process.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
            return process, port

        yield start


def connect(port):
    return closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30))


def request(connection, path, body, accept="text/event-stream"):
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Accept": accept})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_stream_is_told_that_the_server_stops_and_no_traceback_is_shown(serving, number):
    process, port = serving()
    with ExitStack() as stack:
        replies = []
        for place in range(4):
            for path, body in ASKED.values():
                connection = stack.enter_context(connect(port))
                request(connection, path.format(place), body)
                reply = connection.getresponse()
                reply.readline()
                replies.append(reply)
        started = time.monotonic()
        process.send_signal(number)
        ends = [reply.read().decode() for reply in replies]
    output = process.communicate(timeout=20)[1]
    events = [end.rstrip("\n").split("\n\n")[-1] for end in ends]
    assert ['"type":"ServerStops"' in event and "event: error" in event for event in events] == [True] * len(replies)
    assert not any("[DONE]" in end for end in ends)
    assert "Traceback" not in output
    assert time.monotonic() - started < 20


def test_calls_that_have_brought_nothing_yet_are_answered_503(serving):
    process, port = serving()
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(port)) for _ in range(3)]
        request(connections[0], "/tasks/say", {"text": "silent"})
        request(connections[1], "/tasks/say", {"text": "whole"}, "application/json")
        head = "POST /tasks/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        connections[2].connect()
        connections[2].sock.sendall(head.encode())  # its body never comes
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        replies = [connection.getresponse() for connection in connections[:2]]
        bodies = [json.load(reply) for reply in replies]
        half = connections[2].sock.recv(65536).decode()
    output = process.communicate(timeout=20)[1]
    assert [reply.status for reply in replies] == [503, 503]
    assert [(body["error"]["type"], body["error"]["retryable"]) for body in bodies] == [("ServerStops", True)] * 2
    assert half.startswith("HTTP/1.1 503")
    assert "Traceback" not in output


def test_a_reader_that_takes_nothing_does_not_hold_the_server_up(serving):
    process, port = serving()
    with closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", port))
        body = json.dumps({"text": "much"}).encode()
        head = "POST /tasks/say?frames=cumulative HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: "
        reader.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=30)[1]
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /tasks/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    ],
    ids=["silent", "half a request", "a page", "without a token"],
)
def test_a_thousand_connections_without_a_token_lock_nobody_out(serving, sent):
    process, port = serving("--max-concurrency", "10", DECLARAI_SERVE_TOKEN="t")
    with ExitStack() as stack:
        for _ in range(1000):
            idle = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
            idle.sendall(sent)
        connection = stack.enter_context(connect(port))
        connection.request("GET", "/tasks", headers={"Authorization": "Bearer t"})
        reply = connection.getresponse()
        assert (reply.status, [task["name"] for task in json.load(reply)]) == (200, ["say"])
    assert process.poll() is None


def test_a_stream_goes_on_while_others_connect_and_say_nothing(serving):
    _, port = serving()
    with ExitStack() as stack:
        connection = stack.enter_context(connect(port))
        request(connection, "/tasks/say", {"text": "words"})
        reply = connection.getresponse()
        reply.readline()
        for _ in range(600):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
        for _ in range(50):
            assert reply.readline()


def test_a_silent_connection_is_closed_after_its_time():
    class Transport:
        is_aborted = False

        def abort(self):
            self.is_aborted = True

    class Connection:
        def __init__(self, loop, number):
            self.loop, self.number, self.transport = loop, number, Transport()

    async def watch():
        silent = SilentConnections(2, 0.05)
        loop = asyncio.get_running_loop()
        first, second, third, busy = (Connection(loop, number) for number in range(4))
        silent.add(busy)
        silent.discard(busy)
        for connection in (second, first, second, third):  # in whatever order they became silent
            silent.add(connection)
        at_once = [each.transport.is_aborted for each in (first, second, third, busy)]
        await eventually(lambda: third.transport.is_aborted)
        return at_once, [each.transport.is_aborted for each in (first, second, third, busy)]

    assert asyncio.run(watch()) == ([True, False, False, False], [True, True, True, False])


@pytest.fixture
def running():
    """Run the server of an app in a thread; give it and its port."""
    with ExitStack() as stack:

        def start(app):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = make_server(app, host="127.0.0.1", port=0, max_concurrency=5)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            port = listener.getsockname()[1]
            thread.start()
            stack.callback(thread.join, 20)
            stack.callback(setattr, server, "should_exit", True)
            return server, port

        yield start


def app_of(*replies):
    @FakeLLM(replies).task
    def say(text: str) -> str:
        """Say {text}"""

    return serve.app(tasks=[say])


def test_the_oldest_silent_connections_are_closed_and_others_are_not(running):
    _, port = running(app_of("words"))
    with ExitStack() as stack:
        kept = stack.enter_context(connect(port))
        request(kept, "/tasks/say", {"text": "words"})
        assert kept.getresponse().read().endswith(b"[DONE]\n\n")
        first = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
        for _ in range(300):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""
        last = stack.enter_context(connect(port))
        last.request("GET", "/tasks")
        assert last.getresponse().status == 200


def test_a_server_that_stops_tells_streams_and_answers_calls(running):
    server, port = running(app_of(chunks(*"ab" * 5000, delay=0.01), reply("late", delay=60)))
    with connect(port) as streamed, connect(port) as whole:
        request(streamed, "/tasks/say", {"text": "words"})
        events = streamed.getresponse()
        events.readline()
        request(whole, "/tasks/say", {"text": "words"}, "application/json")
        time.sleep(0.5)
        server.should_exit = True
        assert b"ServerStops" in events.read()
        answer = whole.getresponse()
        assert (answer.status, json.load(answer)["error"]["type"]) == (503, "ServerStops")

"""A real server of tools, in each of the ways it can be spoken to."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import declarai_like as declarai
from declarai_like.testing import FakeLLM, reply, tool_call

SERVER = str(Path(__file__).with_name("demo_server.py"))


def wait_until(holds, seconds=60):
    """Wait until something holds; fails if it does not in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(port):
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


class StdioDemo:
    """A child of ours."""

    def __init__(self, notes, protocol):
        self.notes = notes
        self.told = {"command": [sys.executable, SERVER, "stdio"], "protocol": protocol}

    def open(self, name="demo", **more):
        env = {"DEMO_NOTES": str(self.notes), **more.pop("env", {})}
        return declarai.mcp(name, **{**self.told, "env": env, **more})

    def kill(self):
        """Kill the server that runs, and see it gone."""
        found = [child for child in psutil.Process().children() if SERVER in child.cmdline()]
        for child in found:
            child.kill()
        wait_until(lambda: not any(map(is_running, found)))
        assert found

    def start_again(self):
        """Do nothing: it is started by who needs it."""

    def close(self):
        pass


class HTTPDemo:
    """A server behind an address."""

    def __init__(self, notes, protocol):
        self.notes = notes
        self.port = free_port()
        self.process = None
        self.told = {"url": f"http://127.0.0.1:{self.port}/mcp", "protocol": protocol}
        self.start_again()

    def start_again(self):
        if self.process is not None:
            self.process.wait()
        self.process = subprocess.Popen(  # noqa: S603 - it is our own
            [sys.executable, SERVER, "http", str(self.port)],
            env={**os.environ, "DEMO_NOTES": str(self.notes), "PYTHONPATH": ""},
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.port))

    def open(self, name="demo", **more):
        return declarai.mcp(name, **{**self.told, **more})

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()


WAYS = ["stdio", "stdio-legacy", "http", "http-legacy"]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for all tests that do it no harm: to start one takes longer than most of them."""
    made = HTTPDemo(tmp_path_factory.mktemp("tool_server") / "notes", "auto")
    yield made
    made.close()


@pytest.fixture(params=WAYS)
def demo(request, tmp_path):
    """Each test that takes it is run over both transports, in both eras of the protocol."""
    kind, _, protocol = request.param.partition("-")
    if kind == "stdio":
        return StdioDemo(tmp_path / "notes", protocol or "auto")
    shared = request.getfixturevalue("shared_server")
    shared.notes.unlink(missing_ok=True)
    shared.told["protocol"] = protocol or "auto"
    return shared


@pytest.fixture(params=WAYS)
def own_demo(request, tmp_path):
    """The same, for tests that change the server or kill it."""
    kind, _, protocol = request.param.partition("-")
    made = {"stdio": StdioDemo, "http": HTTPDemo}[kind](tmp_path / "notes", protocol or "auto")
    yield made
    made.close()


@pytest.fixture
def child(tmp_path):
    """A server as a child, in the version of the protocol that both sides like best."""
    return StdioDemo(tmp_path / "notes", "auto")


@pytest.fixture
def fake():
    return FakeLLM()


def is_running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_left(process):
    try:
        return process.cmdline()[2:] != ["http", *process.cmdline()[3:]]
    except psutil.NoSuchProcess:  # one that has ended and that nobody has asked about is left, too
        return process.is_running()


@pytest.fixture(autouse=True)
def nothing_left(capfd):
    """See that no thread, no process and no word is left behind."""
    before = set(psutil.Process().children(recursive=True))  # of the database of another test, of a model
    yield
    wait_until(lambda: not any(thread.name.startswith(("declarai", "tool ")) for thread in threading.enumerate()))
    assert not list(filter(is_left, set(psutil.Process().children(recursive=True)) - before))
    assert capfd.readouterr() == ("", "")


def asking(fake, *calls, **options):
    """Make a task whose model asks for these calls, all in one answer, and then says "done"."""
    fake.enqueue(reply(calls=calls), "done")

    @fake.task(**options)
    def ask(question: str) -> str:
        """Answer: {question}"""

    return ask


def ask_once(fake, server, name, arguments=None, **options):
    """Have the model call one tool, and give how that ended."""
    [run] = asking(fake, (name, arguments or {}), tools=[server], **options).run("?").calls
    return run


__all__ = ["ask_once", "asking", "tool_call", "wait_until"]

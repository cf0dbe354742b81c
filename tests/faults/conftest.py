import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.asking import KEY, Asking, Talking, through_the_door

import declarai_like as declarai
from declarai_like.testing import LLMServer, stream_reply, text_reply

ECHO = Path(__file__).parent / "echo_server.py"


@pytest.fixture(params=["whole", "stream"])
def ask(request, way):
    """Asks by a task: each test that takes it is run four ways."""
    return Asking(way, streaming=request.param == "stream")


@pytest.fixture
def stream(way):
    """Asks by a streaming task."""
    return Asking(way, streaming=True)


@pytest.fixture
def whole(way):
    """Asks by a task that does not stream."""
    return Asking(way, streaming=False)


@pytest.fixture(params=["whole", "stream"])
def talk(request, way):
    """Talks in a chat: each test that takes it is run four ways."""
    return Talking(way, streaming=request.param == "stream")


@pytest.fixture(scope="session", autouse=True)
def everything_is_imported(http):
    """Ask once, so that no test is the one that waits for what is imported when it is needed."""
    with LLMServer() as server:
        server.enqueue(text_reply("4"), stream_reply("4"))
        llm = declarai.openai("m", openai_token=KEY, base_url=server.base_url, http_client=http)
        llm.send("hello", output_type=int)
        llm.stream("hello").result()


@pytest.fixture(scope="session")
def trusted():
    """What is trusted, read once: it takes longer than most tests."""
    return ssl.create_default_context()


@pytest.fixture
def model(request, way, http, trusted):
    """Make a model at an address; takes the options of `declarai.openai`."""
    from openai import DefaultAsyncHttpxClient

    async_http = DefaultAsyncHttpxClient(verify=trusted)

    def made(base_url, **options):
        told = {"max_retries": 0, "http_client": http, "http_async_client": async_http, **options}
        if request.config.getoption("--door"):
            told = {**through_the_door(base_url, told.pop("http_client"), told.pop("http_async_client")), **told}
        else:
            told |= {"openai_token": KEY, "base_url": base_url}
        return declarai.openai("m", **told)

    yield made
    if way.is_async:
        way.do(async_http.aclose())


class Built:
    """Makes models at an address, whose HTTP clients are built by whoever sends: our transport, or official clients."""

    def __init__(self, *, by_official_clients):
        self.by_official_clients, self.clients = by_official_clients, []

    def __call__(self, base_url, **options):
        from openai import AsyncOpenAI, OpenAI

        if not self.by_official_clients:
            return declarai.openai("m", openai_token=KEY, base_url=base_url, **options)
        told = {"api_key": KEY, "base_url": base_url}
        self.clients.append(AsyncOpenAI(**told))
        return declarai.openai("m", client=OpenAI(**told), async_client=self.clients[-1], **options)

    def run(self, awaitable):
        """Run this in a loop, which ends as its user would end it: official clients are closed by hand."""

        async def run_and_close():
            try:
                return await awaitable
            finally:
                for client in self.clients:
                    await client.close()

        return asyncio.run(run_and_close())


@pytest.fixture
def built(request):
    return Built(by_official_clients=request.config.getoption("--door"))


@pytest.fixture
def other():
    """Another server."""
    with LLMServer() as server:
        yield server


@pytest.fixture
def closed_port():
    """The address of a port at which nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.fixture
def full_backlog():
    """The address of a server that takes no more connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for filler in fillers:
            filler.close()


class EchoServer:
    """A process that answers with what stands between `<<` and `>>` in the last message."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(ECHO)], stdout=subprocess.PIPE, text=True)  # noqa: S603 - this interpreter
        self.port = int(self.process.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def stopped(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def echo():
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def figures(request, record_property):
    """Notes what was measured, for the table."""
    number = int(re.match(r"test_row_(\d+)", request.node.name)[1])
    return lambda text: record_property("figure", f"row {number}: {text}")

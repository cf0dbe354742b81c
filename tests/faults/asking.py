"""How the tests of faults ask: by real tasks and chats, whole or streamed, blocking or awaiting."""

import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from declarai_like.middleware import retry
from declarai_like.testing import stream_reply, text_reply

KEY = "sk-canary-0123456789"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def through_the_door(base_url, http_client, http_async_client):
    """Give the official clients that send in our transport's place, over these HTTP clients."""
    from openai import AsyncOpenAI, OpenAI

    told = {"api_key": KEY, "base_url": base_url}
    return {
        "client": OpenAI(**told, http_client=http_client),
        "async_client": AsyncOpenAI(**told, http_client=http_async_client),
    }


def soon(times):
    """Try again without much of a wait."""
    return [retry(times, first_wait=0.01)]


@contextmanager
def within(seconds):
    """Check that this takes no longer."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds, f"it took {took:.2f} s"


def connections_of(listener):
    """Give the connections that come to a listening socket, until it is shut down."""
    with suppress(OSError):
        while True:
            yield listener.accept()[0]


@contextmanager
def raw_server(handle):
    """A server whose connections are handled by a function of the socket; gives its address and the bytes that came."""
    came = []

    def serve():
        for connection in connections_of(listener):
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection):
        with connection:
            try:
                came.append(connection.recv(65536))
                handle(connection)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", came
        listener.shutdown(socket.SHUT_RDWR)


class Growth:
    """How many megabytes this process has grown by at most while the block ran; it is Linux that tells."""

    megabytes = 0.0

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak is counted anew
        self._before = self._peak()
        return self

    def __exit__(self, *_exc):
        self.megabytes = self._peak() - self._before

    def _peak(self):
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))[1]) / 1024


class Asking:
    """Asks a model by a task, and gives its last response; `steps` are those of the stream."""

    def __init__(self, way, *, streaming):
        self.way = way
        self.streaming = streaming
        self.steps = []

    def task(self, llm, returns=str, **options):
        """Make a task of these options that gives such a value."""

        def say(words: str):
            """Say this: {words}"""

        say.__annotations__["return"] = returns
        return llm.task(streaming=self.streaming, **options)(self.way.define(say))

    def __call__(self, llm, words="hello", *, returns=str, **options):
        return self.of(self.task(llm, returns, **options), words)

    def of(self, task, words="hello"):
        self.steps = []
        if self.streaming:
            return self.way.collect(task(words), self.steps)[-1]
        return self.way.run(task, words).response

    @property
    def text(self):
        """What the stream has shown."""
        return "".join(step.content for step in self.steps)

    def answer(self, *pieces, **options):
        """A reply that says so."""
        return stream_reply(pieces, **options) if self.streaming else text_reply("".join(pieces), **options)


class Talking(Asking):
    """Says something in a chat, and gives its last response."""

    def chat(self, llm, **options):
        class Bot:
            """You are a bot."""

        return llm.chat(streaming=self.streaming)(Bot)(**options)

    def say(self, chat, words="hello"):
        sent = (chat.asend if self.way.is_async else chat.send)(words)
        if self.streaming:
            self.steps = []
            return self.way.collect(sent, self.steps)[-1]
        self.way.do(sent)
        return chat.llm_response

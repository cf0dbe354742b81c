"""Ctrl-C in the middle of a request to a server: places, turns and sockets are free afterwards."""

import gc
import random
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from calls.test_interrupts import ANSWER, WHOLE, elsewhere, events, interrupted, streamed, whole
from faults.interrupts import PACKAGE, Interrupts, lines_of

import declarai_like as declarai
from declarai_like.testing import LLMServer

CALLS = [whole, streamed, events]
LIBRARIES = tuple(
    str(Path(spec.origin).parent) for name in ("httpx", "httpcore", "httpx2", "httpcore2") if (spec := find_spec(name))
)
pytestmark = [
    pytest.mark.untraced,  # a tracer of ours takes the place of coverage's
    # What an interrupt leaves of the library's own: a generator that it closes twice, a socket that ends with its owner.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def answering():
    with LLMServer(default=ANSWER) as server:
        yield server


def chat_of(server, call):
    llm = declarai.openai(
        model="m", openai_token="k", base_url=server.base_url, max_concurrency=1, max_retries=0, timeout=60
    )

    @llm.chat(streaming=call is streamed)
    class Bot:
        """You chat."""

    return Bot


def open_sockets(server):
    """Count our connections to the server."""
    gc.collect()
    port = int(server.url.rpartition(":")[2])
    return sum(bool(one.raddr) and one.raddr.port == port for one in psutil.Process().net_connections("tcp"))


def check(bot, call, server, place):
    said = [message.message for message in bot.conversation]
    assert (said in ([], WHOLE), elsewhere(call, bot)) == (True, True), place
    assert open_sockets(server) <= 3, (
        place
    )  # of the interrupted client, as long as its error is held, and of the new one


@pytest.mark.parametrize("step", [pytest.param(7, marks=pytest.mark.soak), 211])
@pytest.mark.parametrize("packages", [(PACKAGE,), LIBRARIES], ids=["ours", "http"])
@pytest.mark.parametrize("call", CALLS)
def test_interrupt_at_any_line_of_a_request(answering, call, packages, step):
    bot_class = chat_of(answering, call)
    with declarai.limits(requests=10**9, total_tokens=10**9):
        call(bot_class())
        lines = lines_of(lambda: call(bot_class()), packages)
        for at in range(1 + step // 2, lines + 1, step):
            bot, interrupts = bot_class(), Interrupts(KeyboardInterrupt, at, packages)
            _held = interrupted(call, bot, interrupts)
            if call is events:
                _held = None
            check(bot, call, answering, interrupts.place)


class Pressed(BaseException):
    """What Ctrl-C raises, under a name of its own: a real one must still end the tests."""


@pytest.fixture
def ctrl_c():
    """Raise in the main thread after some seconds, wherever it is."""

    def press(*_):
        raise Pressed

    before = signal.signal(signal.SIGALRM, press)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.soak
@pytest.mark.parametrize("call", CALLS)
def test_signal_at_any_moment_of_a_request(answering, call, ctrl_c):
    bot_class = chat_of(answering, call)
    call(bot_class())
    began = time.perf_counter()
    call(bot_class())
    usual = time.perf_counter() - began
    for _ in range(400):
        bot = bot_class()
        try:
            ctrl_c(random.uniform(1e-5, usual))  # noqa: S311 - no secret
            call(bot)
            ctrl_c(0)
        except Pressed:
            ctrl_c(0)
        check(bot, call, answering, "a signal")

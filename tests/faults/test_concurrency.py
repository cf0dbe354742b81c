"""Rows 43 to 46: readers that leave, cancellations, loops, processes, and many at a time."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from faults.asking import Asking, Talking, within

from declarai_like.memory import InMemoryMessageHistory
from declarai_like.middleware import TaskMiddleware
from declarai_like.testing import bytes_reply, stream_reply, text_reply

FORKING = Path(__file__).parent / "forking.py"


@pytest.fixture
def complaints(monkeypatch):
    """What is said about errors that nobody can catch, such as those of generators that are collected."""
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: said.append(told.exc_value))
    monkeypatch.setattr(threading, "excepthook", said.append)
    yield said
    gc.collect()
    assert said == []


def endless(*pieces):
    return stream_reply(pieces or ("a", "b"), end="hang", done=False, finish_reason=None, role_chunk=False)


async def disconnected(server, seconds=1):
    """Wait for the server to see that the last connection was closed, while the loop goes on."""
    return await asyncio.to_thread(server.wait_disconnect, seconds)


def sockets(port):
    """The connections of this process to a port that are not closed."""
    found = psutil.Process().net_connections(kind="tcp")
    return [one for one in found if one.raddr and one.raddr.port == port and one.status != "CLOSE_WAIT"]


# 43: readers that leave


def test_row_43_reader_that_leaves_closes_the_connection(model, way, stream, server, complaints):
    server.enqueue(endless())
    task = stream.task(model(server.base_url))
    way.leave(task("hello"), after=1)
    assert server.wait_disconnect(1)
    assert (len(server.requests), complaints) == (1, [])


def test_row_43_reader_that_fails_closes_the_connection(model, way, stream, server, complaints):
    server.enqueue(endless())
    steps = stream.task(model(server.base_url))("hello")

    def reading():
        for _ in steps:
            raise ZeroDivisionError

    async def areading():
        from contextlib import aclosing

        async with aclosing(steps):
            async for _ in steps:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        way.do(areading()) if way.is_async else reading()
    steps = None
    assert server.wait_disconnect(1)
    assert complaints == []


def first_of(way, steps):
    """Read a first step; in a loop an async generator is told of it when it is first asked."""

    async def reading():
        return await anext(steps)

    return way.do(reading()) if way.is_async else next(steps)


def begun(way, task):
    """Read a first step of a generator; gives the generator."""
    steps = task("hello")
    first_of(way, steps)
    return steps


def entered(way, task):
    """Read a first event of a stream; gives the stream."""
    stream = task.stream("hello")
    way.do(stream.__aenter__()) if way.is_async else stream.__enter__()
    first_of(way, stream)
    return stream


@pytest.mark.parametrize("begin", [begun, entered], ids=["generator", "stream"])
@pytest.mark.parametrize("cyclic", [False, True], ids=["plain", "cycle"])
def test_row_43_stream_that_is_forgotten_closes_the_connection(model, way, stream, server, complaints, begin, cyclic):
    server.enqueue(endless())
    if way.is_async:
        way.loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    held = [begin(way, stream.task(model(server.base_url)))]
    if cyclic:
        held.append(held)
    with within(10):
        del held
        gc.collect()
        assert way.do(disconnected(server)) if way.is_async else server.wait_disconnect(1)
    assert complaints == []


def test_row_43_stream_that_is_closed_twice_is_closed(model, way, stream, server):
    server.enqueue(endless())
    opened = entered(way, stream.task(model(server.base_url)))
    for _ in range(2):
        way.do(opened.close()) if way.is_async else opened.close()
    assert opened.outcome == "cancelled"
    assert server.wait_disconnect(1)


def test_row_43_stream_that_nobody_reads_asks_nothing(model, stream, server, complaints):
    steps = stream.task(model(server.base_url))("hello")
    del steps
    gc.collect()
    assert (server.requests, complaints) == ([], [])


def test_row_43_leaving_leaves_the_history_as_it_was(model, way, server):
    talk, history = Talking(way, streaming=True), InMemoryMessageHistory()
    chat = talk.chat(model(server.base_url), chat_history=history)
    server.enqueue(endless(), stream_reply(["Fine."]))
    way.leave((chat.asend if way.is_async else chat.send)("one"), after=1)
    assert history.history == []
    talk.say(chat, "two")
    assert [message.message for message in history.history] == ["two", "Fine."]


def test_row_43_leaving_is_marked_in_the_history_if_that_is_wanted(model, way, server):
    talk, history = Talking(way, streaming=True), InMemoryMessageHistory()
    chat = talk.chat(model(server.base_url), chat_history=history, keep_partial=True)
    server.enqueue(endless("Half"))
    way.leave((chat.asend if way.is_async else chat.send)("one"), after=1)
    assert [(message.message, message.interrupted) for message in history.history] == [("one", False), ("Half", True)]


def test_row_43_connection_of_a_whole_stream_is_used_again(model, way, stream, server):
    server.enqueue(stream_reply(["a"]), repeat=5)
    task = stream.task(model(server.base_url))
    for _ in range(5):
        way.collect(task("hello"))
    assert server.connections == 1


# 44: cancellations


class CancelledAt:
    """Awaits a coroutine, and cancels its task at the so-manyth await within it."""

    def __init__(self, coroutine, at):
        self.coroutine, self.at, self.reached = coroutine, at, False

    def __await__(self):
        inner, value, error, count = self.coroutine.__await__(), None, None, 0
        while True:
            try:
                waited = inner.send(value) if error is None else inner.throw(error)
            except StopIteration as done:
                return done.value
            count, value, error = count + 1, None, None
            if count == self.at:
                self.reached = True
                asyncio.current_task().cancel()
            try:
                value = yield waited
            except BaseException as thrown:  # it goes on where it belongs
                error = thrown


async def cancelled_at_each_await(make):
    """Cancel what `make` gives at its first await, then at its second, until it ends; gives how often that was."""
    at = 0
    while True:
        at += 1
        cancelling = CancelledAt(make(), at)

        async def waiting(cancelling=cancelling):
            return await cancelling

        try:
            await asyncio.create_task(waiting())
        except asyncio.CancelledError:
            assert cancelling.reached
            continue
        assert not cancelling.reached, f"the cancellation at await {at} was swallowed"
        return at - 1


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_row_44_cancellation_goes_through_wherever_it_comes(server, complaints, figures, kind, built):
    history = InMemoryMessageHistory()
    server.default = lambda request: (
        stream_reply(["a", "b", "c"], pause_between=0.003) if request.body.get("stream") else text_reply("abc")
    )

    async def main():
        llm = built(server.base_url, max_retries=0)

        @llm.chat(streaming=kind == "stream")
        class Bot:
            """You are a bot."""

        async def turn():
            chat = Bot(chat_history=history)
            if kind == "whole":
                return await chat.asend("hello")
            return [step.content async for step in chat.asend("hello")]

        awaits = await cancelled_at_each_await(turn)
        before = len(history.history)
        await turn()
        assert len(history.history) == before + 2
        return awaits

    awaits = built.run(main())
    figures(f"cancelled at each of {awaits} awaits of a turn, {kind}")
    assert awaits > 5
    assert [message.message for message in history.history] == ["hello", "abc"] * (len(history.history) // 2)
    assert sockets(int(server.base_url.split(":")[2].split("/")[0])) == []


def test_row_44_what_had_come_can_be_reached(server, complaints, built):
    server.enqueue(endless("Hel", "lo"), endless("Hel", "lo"))

    async def main():
        llm = built(server.base_url, max_retries=0)
        task = Asking(None, streaming=False)
        seen = []

        @llm.task(streaming=True)
        async def say(words: str) -> str:
            """Say {words}"""

        async def reading():
            try:
                async for step in say("hello"):
                    seen.append(step.content)  # noqa: PERF401 - kept if it breaks off
            except asyncio.CancelledError:
                seen.append((say.llm_response.response, say.llm_response.outcome))
                raise

        stream = say.stream("hello")
        for number, made in enumerate((reading(), stream.until_done()), 1):
            task = asyncio.create_task(made)
            while len(server.requests) < number:  # noqa: ASYNC110 - the server is a thread
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await disconnected(server)
        return seen, (stream.response.response, stream.outcome)

    assert built.run(main()) == (["Hel", "lo", ("Hello", "cancelled")], ("Hello", "cancelled"))


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_row_44_wait_for_ends_in_time_and_releases_the_connection(server, complaints, kind, built):
    server.enqueue(endless() if kind == "stream" else bytes_reply([], end="hang"))

    async def main():
        llm = built(server.base_url, max_retries=5)

        @llm.task
        async def say(words: str) -> str:
            """Say {words}"""

        made = say("hello") if kind == "whole" else say.stream("hello").result()
        with within(3), pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(made, 1)  # the first call of a loop also builds its client
        assert await disconnected(server)

    built.run(main())
    assert len(server.requests) == 1


def test_row_44_turn_that_is_being_stored_is_stored(server, complaints, built):
    stored, storing = [], threading.Event()

    class Slow(InMemoryMessageHistory):
        def add_messages(self, messages):
            storing.set()
            time.sleep(0.15)
            super().add_messages(messages)
            stored.append(len(messages))

    server.enqueue(text_reply("abc"))
    history = Slow()

    async def main():
        llm = built(server.base_url)

        @llm.chat
        class Bot:
            """You are a bot."""

        turn = asyncio.create_task(Bot(chat_history=history).asend("hello"))
        await asyncio.to_thread(storing.wait, 5)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        return list(stored)

    assert built.run(main()) == [2]
    assert [message.message for message in history.history] == ["hello", "abc"]


@pytest.fixture
def interrupted(server):
    """Sends Ctrl-C to the main thread, a little after its request has come."""
    left = threading.Event()

    def interrupt():
        while not server.requests and not left.wait(0.01):
            pass
        if not left.wait(0.2):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    yield
    left.set()
    thread.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_row_44_ctrl_c_goes_through(server, http, complaints, interrupted, kind, built):
    server.enqueue(endless("Hel", "lo") if kind == "stream" else bytes_reply([], end="hang"))
    history = InMemoryMessageHistory()
    llm = built(server.base_url, max_retries=5, http_client=http)
    chat = llm.chat(streaming=kind == "stream")(type("Bot", (), {"__doc__": "You are a bot."}))(chat_history=history)
    with within(2), pytest.raises(KeyboardInterrupt):
        list(chat.send("hello"))
    assert server.wait_disconnect(1)
    assert (history.history, len(server.requests)) == ([], 1)
    if kind == "stream":
        assert (chat.llm_response.response, chat.llm_response.outcome) == ("Hello", "cancelled")


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_row_44_ctrl_c_goes_through_a_loop(server, complaints, interrupted, kind, built):
    server.enqueue(endless() if kind == "stream" else bytes_reply([], end="hang"))
    llm = built(server.base_url, max_retries=5)

    @llm.task
    async def say(words: str) -> str:
        """Say {words}"""

    async def main():
        return await (say("hello") if kind == "whole" else say.stream("hello").result())

    with within(2), pytest.raises(KeyboardInterrupt):
        built.run(main())
    assert server.wait_disconnect(1)


# 45: loops and processes


def said(llm):
    """A blocking and an awaiting task, each whole and streamed."""

    @llm.task
    def say(words: str) -> str:
        """<<{words}>>"""

    @llm.task
    async def asay(words: str) -> str:
        """<<{words}>>"""

    return say, asay


def test_row_45_blocking_call_works_in_a_loop(echo, complaints, built):
    say, _ = said(built(echo.base_url))

    async def main():
        return say("1"), say.stream("2").result(), [step.content for step in say.with_options(streaming=True)("3")]

    assert built.run(main()) == ("1", "2", ["3", ""])


def test_row_45_task_works_in_loop_after_loop(echo, complaints, built):
    _, asay = said(built(echo.base_url))

    async def main(number):
        first = await asay(f"a{number}")
        second = await asay.stream(f"b{number}").result()
        unread = asay.stream(f"c{number}")
        await unread.__aenter__()
        return first, second

    assert [asyncio.run(main(number)) for number in range(3)] == [(f"a{n}", f"b{n}") for n in range(3)]
    gc.collect()
    assert sockets(echo.port) == []


@pytest.mark.own_transport
def test_row_45_task_works_in_loops_at_the_same_time(echo, complaints, built):
    _, asay = said(built(echo.base_url))

    async def main(number):
        return await asyncio.gather(*(asay(f"{number}.{turn}") for turn in range(10)))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: asyncio.run(main(number)), range(4)))
    assert answers == [[f"{number}.{turn}" for turn in range(10)] for number in range(4)]


def test_row_45_forked_process_shares_no_socket(echo):
    command = [sys.executable, "-W", "error", str(FORKING), echo.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - this interpreter
    assert (done.stderr, done.returncode) == ("", 0)
    parent, child, *rest = done.stdout.splitlines()
    assert rest == ["parent 1 2", "child 3 4 5", "parent 6 7 8"]
    assert set(parent.split()).isdisjoint(child.split())


# 46: many at a time

ROUNDS = 3


@pytest.mark.parametrize(("threads", "calls"), [(16, 20), pytest.param(32, 100, marks=pytest.mark.soak)])
def test_row_46_threads_share_a_task_and_mix_nothing_up(echo, complaints, figures, threads, calls, built):
    seen = []

    class Watch(TaskMiddleware):
        def before(self, task):
            self.words = self._kwargs["words"]

        def after(self, task):
            seen.append((self.words, self._kwargs["words"], task.llm_response.response))

    llm = built(echo.base_url, max_retries=0)

    @llm.task(middlewares=[Watch])
    def say(words: str) -> str:
        """<<{words}>>"""

    streamed, barrier = say.with_options(streaming=True), threading.Barrier(threads)

    def ask(thread):
        barrier.wait()
        for call in range(calls):
            number = thread * calls + call
            if call % 10:
                result = say.run(f"{number}")
                response, remembered = result.response, say.llm_response
            else:
                response, remembered = list(streamed(f"{number}"))[-1], streamed.llm_response
            assert (response.response, response.prompt_tokens) == (f"{number}", number)
            assert remembered.response == f"{number}"

    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(threads)))
    took, opened = time.monotonic() - started, len(sockets(echo.port))
    figures(f"{threads} threads of {calls} calls in {took:.1f} s over {opened} connections, nothing mixed up")
    assert sorted(seen) == sorted((str(n), str(n), str(n)) for n in range(threads * calls))
    assert opened <= threads


@pytest.mark.parametrize("streams", [100, pytest.param(500, marks=pytest.mark.soak)])
def test_row_46_streams_share_a_task_and_leave_nothing(echo, complaints, figures, streams, built):
    _, asay = said(built(echo.base_url, max_retries=0))
    streamed, peaks, sizes = asay.with_options(streaming=True), [], []

    async def read(number, begun, all_begun):
        """Read a stream; all are begun before one of them goes on."""
        steps = []
        async for step in streamed(f"{number}"):
            if not steps:
                begun.append(number)
                all_begun.set() if len(begun) == streams else await all_begun.wait()
            steps.append(step)
        assert streamed.llm_response.response == steps[-1].response
        return "".join(step.content for step in steps), steps[-1].response, steps[-1].prompt_tokens

    async def main():
        for round_ in range(ROUNDS):
            begun, all_begun = [], asyncio.Event()
            numbers = range(round_ * streams, (round_ + 1) * streams)
            reading = asyncio.gather(*(read(number, begun, all_begun) for number in numbers))
            await all_begun.wait()
            peaks.append(len(sockets(echo.port)))
            assert await reading == [(f"{n}", f"{n}", n) for n in numbers]
            gc.collect()
            sizes.append(psutil.Process().memory_info().rss / 1e6)

    started = time.monotonic()
    built.run(main())
    took, left = time.monotonic() - started, len(sockets(echo.port))
    shown = ", ".join(f"{size:.0f}" for size in sizes)
    figures(f"{ROUNDS} times {streams} streams open at once in {took:.1f} s: {max(peaks)} connections, {left} left")
    figures(f"memory after each {streams} streams: {shown} MB")
    assert min(peaks) >= streams
    assert left == 0
    assert sizes[-1] - sizes[0] < 20


def test_row_46_turns_of_one_chat_wait_for_each_other(echo, complaints, built):
    llm = built(echo.base_url, max_retries=0)

    @llm.chat
    class Bot:
        """You are a bot."""

    chat = Bot()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: chat.send(f"<<{number}>>"), range(40)))
    assert answers == [str(number) for number in range(40)]
    told = [message.message for message in chat.conversation]
    assert len(told) == 80
    assert all(asked == f"<<{answer}>>" for asked, answer in zip(told[::2], told[1::2], strict=True))

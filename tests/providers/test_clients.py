"""The official client's instances: one per process, one per event loop, and none left open."""
# ruff: noqa: S301 - what is unpickled here was pickled here
# ruff: noqa: S603 - it runs this interpreter

import asyncio
import gc
import linecache
import os
import pickle
import subprocess
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like.providers._clients import Clients
from declarai_like.testing import stream_reply, text_reply


class Client:
    """What stands for the official client."""

    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


class AsyncClient(Client):
    async def aclose(self):
        self.closed += 1


@pytest.fixture
def llm(server):
    return declarai.openai(model="m", openai_token="sk-test", base_url=server.base_url, max_retries=0)


async def awaited(clients):
    return await clients.awaiting()


def test_client_is_built_when_it_is_first_needed_and_once():
    built = []
    clients = Clients(lambda: built.append(Client()) or built[-1], AsyncClient)
    assert built == []
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: clients.blocking(), range(32)))) == 1
    assert len(built) == 1


def waits_for_a_lock(thread):
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and "with self._lock" in linecache.getline(frame.f_code.co_filename, frame.f_lineno)


def test_thread_that_comes_while_the_client_is_built_waits_for_it():
    built, taken = [], []

    def build():
        second.start()
        while not waits_for_a_lock(second):
            sleep(0.001)
        built.append(Client())
        return built[-1]

    clients = Clients(build, AsyncClient)
    second = threading.Thread(target=lambda: taken.append(clients.blocking()))
    taken.append(clients.blocking())
    second.join()
    assert built == [taken[0]] == [taken[1]]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
def test_client_that_was_interrupted_is_used_no_more(raised):
    clients = Clients(Client, AsyncClient)
    for _ in range(2):  # before the first client is there, and after
        with pytest.raises(raised), clients.used():
            raise raised
        client = clients.blocking()
    with pytest.raises(raised), clients.used():
        raise raised
    assert (clients.blocking() is client) == (raised in (GeneratorExit, ValueError))
    assert client.closed == 0  # another thread may be reading from it


@pytest.mark.parametrize("raised", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, ValueError])
def test_client_of_a_loop_that_was_interrupted_is_used_no_more(raised):
    clients = Clients(Client, AsyncClient)

    async def main():
        client = await clients.awaiting()
        try:
            with clients.aused():
                raise raised  # noqa: TRY301 - as something within would
        except raised:
            return client, await clients.awaiting()

    client, other = asyncio.run(main())
    assert (other is client) == (raised is not KeyboardInterrupt)
    assert (client.closed, other.closed) == (1, 1)


def test_the_users_own_client_is_used_after_an_interrupt():
    own = Client()
    clients = Clients(lambda: own, AsyncClient, owns=False)
    with pytest.raises(KeyboardInterrupt), clients.used():
        raise KeyboardInterrupt
    assert clients.blocking() is own


def test_client_is_closed_with_its_owner():
    clients = Clients(Client, AsyncClient)
    client = clients.blocking()
    del clients
    gc.collect()
    assert client.closed == 1


def test_each_loop_has_its_own_client_and_closes_it():
    clients = Clients(Client, AsyncClient)
    first, second = asyncio.run(awaited(clients)), asyncio.run(awaited(clients))
    assert first is not second
    assert (first.closed, second.closed) == (1, 1)
    assert len(clients._by_loop) == 0


def test_dropped_clients_are_closed_by_a_loop_that_runs():
    async def main():
        clients = Clients(Client, AsyncClient)
        client = await clients.awaiting()
        del clients
        await until(lambda: client.closed)
        return client

    assert asyncio.run(main()).closed == 1


async def until(holds):
    """Wait for what the loop does by itself."""
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come")


def test_dropped_model_leaves_no_open_connection_in_a_loop_that_runs(server):
    server.enqueue(text_reply("a"), text_reply("b"))

    async def main():
        for _ in range(2):
            llm = declarai.openai(model="m", openai_token="sk-test", base_url=server.base_url, max_retries=0)
            await llm.asend("Hi")
            del llm
        gc.collect()
        await until(lambda: all(request.disconnected.is_set() for request in server.requests))

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(main())
        gc.collect()


def test_clients_that_are_dropped_as_the_loop_ends_are_closed_once(caplog):
    loop = asyncio.new_event_loop()
    closing = []

    class Slow(AsyncClient):
        async def aclose(self):
            closing.append(self)
            await asyncio.sleep(0.01)
            await super().aclose()

    clients = Clients(Client, Slow)
    client = loop.run_until_complete(clients.awaiting())
    del clients
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    gc.collect()
    assert (client.closed, len(closing), caplog.records) == (1, 1, [])


def test_clients_that_are_dropped_after_their_loop_are_let_go():
    clients = Clients(Client, AsyncClient)
    running = asyncio.new_event_loop()
    running.run_until_complete(clients.awaiting())
    held = []
    for _ in range(3):
        loop = asyncio.new_event_loop()
        held.append(weakref.ref(loop.run_until_complete(clients.awaiting())))
        loop.close()
    assert len(clients._by_loop) == 2  # the closed loops before are forgotten
    running.run_until_complete(running.shutdown_asyncgens())
    running.close()
    gc.collect()
    assert [client() is None for client in held] == [True, True, False]
    del clients
    gc.collect()
    assert held[2]() is None


def test_forked_process_closes_nothing_of_its_parent(monkeypatch):
    async def main():
        clients = Clients(Client, AsyncClient)
        client = await clients.awaiting()
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        del clients
        await asyncio.sleep(0)
        monkeypatch.setattr(os, "getpid", lambda: pid)
        return client.closed

    assert asyncio.run(main()) == 0


def test_client_of_a_loop_is_shared_by_its_tasks():
    clients = Clients(Client, AsyncClient)

    async def main():
        return set(await asyncio.gather(*(clients.awaiting() for _ in range(10))))

    assert len(asyncio.run(main())) == 1


def test_connections_that_the_user_has_made_are_the_users_to_close():
    clients = Clients(Client, AsyncClient, owns=False, owns_async=False)
    client, other = clients.blocking(), asyncio.run(awaited(clients))
    del clients
    gc.collect()
    assert (client.closed, other.closed) == (0, 0)


def test_another_process_has_its_own_clients(monkeypatch):
    clients = Clients(Client, AsyncClient)
    ours = clients.blocking()
    clients._lock.acquire()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert clients.blocking() is not ours
    assert asyncio.run(awaited(clients)).closed == 1
    assert ours.closed == 0


def test_forked_process_asks_by_a_connection_of_its_own(llm, server):
    server.enqueue(text_reply("parent"), text_reply("child"), text_reply("parent"))
    assert llm.send("Hi").response == "parent"
    read, write = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - it runs in the other process
        os.write(write, llm.send("Hi").response.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"child"
    os.close(read)
    os.close(write)
    assert llm.send("Hi").response == "parent"
    assert [request.connection for request in server.requests] == [0, 1, 0]


def test_three_loops_in_a_row_work_and_leave_nothing_open(llm, server):
    server.enqueue(text_reply("a"), stream_reply(["b"]), repeat=3)

    async def main():
        whole = await llm.asend("Hi")
        return whole.response, await llm.astream("Hi").result()

    assert [asyncio.run(main()) for _ in range(3)] == [("a", "b")] * 3
    assert server.connections == 3
    assert all(request.disconnected.wait(2) for request in server.requests)


def test_blocking_call_works_inside_of_a_loop(llm, server):
    server.enqueue(text_reply("a"))

    async def main():
        return llm.send("Hi").response

    assert asyncio.run(main()) == "a"


def test_threads_share_a_client_and_mix_nothing_up(llm, server):
    server.default = lambda request: stream_reply(list(request.body["messages"][0]["content"]))
    barrier = threading.Barrier(32)

    def ask(number):
        barrier.wait()
        return [llm.stream(f"{number}-{turn}").result() for turn in range(5)]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    assert answers == [[f"{number}-{turn}" for turn in range(5)] for number in range(32)]
    assert server.connections <= 32


def test_unpickled_provider_makes_its_own_connections(llm, server, monkeypatch):
    server.enqueue(text_reply("a"), text_reply("b"))
    llm.send("Hi")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    again = pickle.loads(pickle.dumps(llm))
    assert again.send("Hi").response == "b"
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer sk-test", "Bearer sk-env"]


def test_http_clients_of_the_user_are_used_and_left_open(server):
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    server.enqueue(text_reply("a"), repeat=2)
    with DefaultHttpxClient(headers={"X-Mine": "1"}) as client:
        llm = declarai.openai(model="m", openai_token="sk-test", base_url=server.base_url, http_client=client)
        llm.send("Hi")
        del llm
        gc.collect()
        assert not client.is_closed

    async def main():
        async with DefaultAsyncHttpxClient(headers={"X-Mine": "1"}) as client:
            other = declarai.openai(
                model="m", openai_token="sk-test", base_url=server.base_url, http_async_client=client
            )
            await other.asend("Hi")
            return client

    assert asyncio.run(main()).is_closed
    assert [request.headers["x-mine"] for request in server.requests] == ["1", "1"]


SCRIPT = """
import asyncio, sys
import declarai_like as declarai
llm = declarai.openai(model="m", openai_token="sk-test", base_url=sys.argv[1], max_retries=0)
print(llm.send("Hi").response)
next(iter(llm.stream("Hi").__enter__()))
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # the first call of a loop builds a client
    print((await llm.asend("Hi")).response)
    async for event in llm.astream("Hi"):
        break
asyncio.run(main())
"""


def test_program_that_leaves_its_streams_open_ends_without_a_word(server):
    server.enqueue(text_reply("a"), stream_reply(["b"], end="hang", done=False), repeat=2)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT, server.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("a\na\n", "", 0)


def test_client_that_cannot_be_built_is_told_each_time(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    llm = declarai.openai(model="m")
    for _ in range(2):
        with pytest.raises(errors.ConfigurationError):
            llm.send("Hi")

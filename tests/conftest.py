"""What tests of calls share: a scripted server, a model that asks it, and the two ways to make a call."""

import asyncio
import gc
import inspect
import os
import signal
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from types import FunctionType

import pytest

import declarai_like as declarai
from declarai_like.testing import LLMServer

pytest_plugins = ["declarai_like.testing.plugin", "tracing"]

ONE_CORE = hasattr(os, "sched_setaffinity")


def pytest_configure():
    """Take Ctrl-C: a shell's background job ignores it, and so would all that the tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the long tests too")
    parser.addoption(
        "--door", action="store_true", help="let the official client send wherever a fixture makes a model"
    )
    parser.addoption("--engines", action="store_true", help="run the tests of Ray and Spark too")


def pytest_collection_modifyitems(config, items):
    """Leave the long tests to `make soak`, and those of large engines to `make engines`."""
    left = {"soak", "engines"} - {name for name in ("soak", "engines") if config.getoption(f"--{name}")}
    left |= {"own_transport"} if config.getoption("--door") else set()
    away = [item for item in items if any(map(item.get_closest_marker, left))]
    if away:
        config.hook.pytest_deselected(items=away)
        items[:] = [item for item in items if item not in away]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Run the embedded model on one core, a core for each worker.

    Its threads wait for one another in busy loops: where another program uses the same cores, a second takes minutes.
    """
    if not ONE_CORE or item.get_closest_marker("local_model") is None:
        return (yield)
    cores = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(cores)[worker % len(cores)]})
    try:
        return (yield)
    finally:
        os.sched_setaffinity(0, cores)


@pytest.fixture
def no_garbage_collection():
    """Keep what others have left from being cleaned up at the limit of recursion, where that fails."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def server():
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once():
    """Share what this machine trusts: each new client reads it, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("httpcore2"):
            import httpcore2

            patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


@pytest.fixture(scope="session")
def http():
    """One pool of connections for all blocking calls: building one takes longer than most tests."""
    from openai import DefaultHttpxClient

    with DefaultHttpxClient() as client:
        yield client


@pytest.fixture
def openai(server, http):
    """Make a model that asks the server; takes the arguments of `declarai.openai`."""

    def made(**options):
        told = {"model": "gpt-4o-mini", "openai_token": "sk-test", "base_url": server.base_url, "max_retries": 0}
        return declarai.openai(**{**told, "http_client": http, **options})

    return made


@pytest.fixture
def llm(openai):
    return openai()


@pytest.fixture
def streaming_llm(openai):
    return openai(stream=True)


@pytest.fixture
def site():
    """Serve an app on a port of its own, until the test ends."""
    from serve.clients import Site

    with ExitStack() as stack:

        def serving(app):
            running = Site(app)
            stack.callback(running.close)
            return running

        yield serving


class Blocking:
    """Plain functions, called."""

    is_async = False

    def define(self, function):
        return function

    def do(self, made):
        return made

    def call(self, task, *args, **kwargs):
        return task(*args, **kwargs)

    def run(self, task, *args, **kwargs):
        return task.run(*args, **kwargs)

    def collect(self, steps, into=None):
        """Read to the end; `into` keeps the steps before an error."""
        into = [] if into is None else into
        into.extend(steps)
        return into

    def last(self, task, *args, **kwargs):
        """Call, and give what the task remembers of it."""
        task(*args, **kwargs)
        return task.llm_response

    def leave(self, steps, after):
        """Read so many steps, then leave the generator."""
        for number, _ in enumerate(steps, 1):
            if number == after:
                break

    def events(self, stream):
        with stream:
            return list(stream)

    def result(self, stream):
        with stream:
            return stream.result()


class Awaiting:
    """Coroutine functions, awaited in a loop of their own."""

    is_async = True

    def __init__(self):
        self.loop = asyncio.new_event_loop()

    def close(self):
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def define(self, function):
        """Make a coroutine function of a function whose body is never run."""
        code = function.__code__.replace(co_flags=function.__code__.co_flags | inspect.CO_COROUTINE)
        made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
        for name in ("__annotations__", "__doc__", "__kwdefaults__", "__module__", "__qualname__"):
            setattr(made, name, getattr(function, name))
        return made

    def do(self, made):
        return self.loop.run_until_complete(made)

    def call(self, task, *args, **kwargs):
        return self.do(task(*args, **kwargs))

    def run(self, task, *args, **kwargs):
        return self.do(task.run(*args, **kwargs))

    def collect(self, steps, into=None):
        into = [] if into is None else into

        async def collecting():
            async for step in steps:
                into.append(step)

        self.do(collecting())
        return into

    def last(self, task, *args, **kwargs):

        async def calling():
            await task(*args, **kwargs)
            return task.llm_response

        return self.do(calling())

    def leave(self, steps, after):
        async def leaving():
            number = 0
            async for _ in steps:
                number += 1
                if number == after:
                    break
            await steps.aclose()

        self.do(leaving())

    def events(self, stream):
        async def reading():
            async with stream:
                return [event async for event in stream]

        return self.do(reading())

    def result(self, stream):
        async def reading():
            async with stream:
                return await stream.result()

        return self.do(reading())


@pytest.fixture(params=["sync", "async"])
def way(request):
    """Each test that takes it is run with plain functions and with coroutine functions."""
    if request.param == "sync":
        yield Blocking()
    else:
        awaiting = Awaiting()
        yield awaiting
        awaiting.close()

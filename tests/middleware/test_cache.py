"""Answers that are kept, and requests that are made once for all who ask the same."""

import asyncio
import multiprocessing
import os
import pickle
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import declarai_like as declarai
from declarai_like.errors import DefinitionError, OutputError, ProviderTimeout, ServerError, StreamInterrupted
from declarai_like.middleware import InMemoryCache, SQLiteCache, cache
from declarai_like.middleware._background_requests import BackgroundRequest, Reader
from declarai_like.middleware._kept_answers import RecordingProvider, dump_rows
from declarai_like.middleware._shared_requests import SharedRequests
from declarai_like.testing import Cassette, error_reply, stalled, stream_reply, text_reply

USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
PIECES = ["One ", "two ", "three"]


def tell(about: str) -> str:
    """Tell about {about}"""


def count(text: str) -> int:
    """Count the words of {text}"""


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return InMemoryCache() if request.param == "memory" else SQLiteCache(tmp_path / "cache.db")


@pytest.fixture(params=["whole", "stream"])
def ask(request, openai, way):
    """Make what calls a task with these middlewares; each test is run four ways."""
    llm = openai()

    def made(*middlewares, function=tell, **options):
        streaming = request.param == "stream"
        options = {"llm_params": {"temperature": 0}, **options}
        task = llm.task(streaming=streaming, middlewares=middlewares, **options)(way.define(function))
        if streaming:
            return lambda word="x": way.collect(task(word))
        return lambda word="x": [way.call(task.arun if way.is_async else task.run, word).response]

    made.is_stream = request.param == "stream"
    made.reply = stream_reply if made.is_stream else (lambda pieces, **options: text_reply("".join(pieces), **options))
    return made


def test_an_answer_is_given_again(server, ask, store):
    server.enqueue(ask.reply(PIECES, usage=USAGE))
    call = ask(cache(store))
    first, again = call(), call()
    assert [(step.content, step.response) for step in first] == [(step.content, step.response) for step in again]
    assert [step.raw_response for step in first] == [step.raw_response for step in again]
    assert (again[-1].cached, again[-1].cost, again[-1].usage.total_tokens) == (True, 0, 12)
    assert not first[-1].cached
    assert len(server.requests) == 1


def test_another_question_model_or_parameter_is_asked(server, ask, store):
    server.enqueue(*(ask.reply([f"{number}"]) for number in range(5)))
    call = ask(cache(store))
    answers = [call("x")[-1].response, call("y")[-1].response]
    answers += [ask(cache(store), llm_params={"temperature": 0, "seed": seed})()[-1].response for seed in (1, 2)]
    answers.append(ask(cache(store), model="gpt-4o")()[-1].response)
    assert answers == ["0", "1", "2", "3", "4"]


def test_only_what_would_be_answered_the_same_is_kept_unless_all_is_wanted(server, ask, store):
    server.enqueue(*(ask.reply([f"{number}"]) for number in range(3)))
    warm = ask(cache(store), llm_params={"temperature": 1})
    assert [warm()[-1].response for _ in range(2)] == ["0", "1"]
    all_of_it = ask(cache(store, only_deterministic=False), llm_params={})
    assert [all_of_it()[-1].response for _ in range(2)] == ["2", "2"]


def test_requests_with_tools_are_never_kept(server, ask, store):
    def look_up(word: str) -> str:
        """Look something up"""

    server.enqueue(ask.reply(["0"]), ask.reply(["1"]))
    call = ask(cache(store), tools=[look_up])
    assert [call()[-1].response for _ in range(2)] == ["0", "1"]


def test_what_is_not_whole_or_not_of_its_type_is_not_kept(server, ask, store):
    server.enqueue(ask.reply(["many"]), ask.reply(["3"]))
    call = ask(cache(store), function=count)
    with pytest.raises(OutputError):
        call()
    assert call()[-1].parsed == 3
    server.enqueue(ask.reply(["One"], finish_reason="length"), error_reply(500), ask.reply(["One two"]))
    call = ask(cache(store))
    assert call()[-1].outcome == "truncated"
    with pytest.raises(ServerError):
        call()
    assert (call()[-1].response, call()[-1].cached) == ("One two", True)


def test_an_answer_is_kept_for_its_time(server, ask, store, monkeypatch):
    server.enqueue(ask.reply(["0"]), ask.reply(["1"]))
    call = ask(cache(store, ttl=60))
    now = time.time()
    assert [call()[-1].response for _ in range(2)] == ["0", "0"]
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert call()[-1].response == "1"


def test_kept_answers_use_nothing_of_a_budget_and_wait_for_no_slot(server, openai, store):
    server.enqueue(text_reply("Hi", usage=USAGE))
    task = openai(max_concurrency=1).task(middlewares=[cache(store)], llm_params={"temperature": 0})(tell)
    with declarai.limits(requests=1) as spent:
        task("x")
        result = task.run("x")
    assert (spent.requests, spent.total_tokens, result.cost) == (1, 12, 0)


def test_the_cost_of_an_answer_that_was_kept_is_that_of_the_tries_before_it(server, openai, store):
    server.enqueue(text_reply("3", usage=USAGE, model="gpt-4o"), text_reply("no", usage=USAGE, model="gpt-4o"))
    llm = openai()
    llm.task(middlewares=[cache(store)], llm_params={"temperature": 0})(count)("a b c")

    def ask_badly_first(request, send):
        yield from send(request.replace(messages=request.messages[-1:]))
        return (yield from send(request))

    result = llm.task(middlewares=[ask_badly_first, cache(store)], llm_params={"temperature": 0})(count).run("a b c")
    assert (result.value, result.cost) == (3, 0)


def test_stores_forget(tmp_path):
    memory, file = InMemoryCache(max_entries=2), SQLiteCache(tmp_path / "cache.db")
    for key in "abc":
        memory.get("a")
        memory.set(key, key, None)
    assert [memory.get(key) for key in "abc"] == ["a", None, "c"]
    memory.clear()
    assert memory.get("a") is None
    file.set("old", "1", 0.000001)
    file.set("new", "2", None)
    assert (file.purge(), file.get("old"), file.get("new")) == (1, None, "2")
    file.clear()
    assert file.get("new") is None


def test_file_is_private_and_holds_no_key(server, openai, tmp_path):
    server.enqueue(text_reply("Hi"))
    path = tmp_path / "cache.db"
    llm = openai(openai_token="sk-canary-123456")
    llm.task(middlewares=[cache(SQLiteCache(path))], llm_params={"temperature": 0}, headers={"X-Trace": "a"})(tell)("x")
    files = list(tmp_path.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not any(b"canary" in file.read_bytes() for file in files)


def write_for_ever(path):
    store = SQLiteCache(path)
    for number in range(10**9):
        store.set(f"{number % 50}", f"{number}:" + "x" * 2_000 + f":{number}", None)


def test_a_process_that_is_killed_leaves_whole_answers(tmp_path):
    path = tmp_path / "cache.db"
    for _ in range(4):
        process = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(path,))
        process.start()
        while not path.exists() or SQLiteCache(path).get("7") is None:
            time.sleep(0.005)
        process.kill()
        process.join()
        with sqlite3.connect(path) as connection:
            answers = [answer for (answer,) in connection.execute("SELECT answer FROM answers")]
        connection.close()
        assert answers
        assert all(answer.partition(":")[0] == answer.rpartition(":")[2] for answer in answers)


@pytest.mark.parametrize("store", [None, {}, "cache.db"])
def test_what_is_no_store_is_refused(store):
    with pytest.raises(DefinitionError, match="expected a store"):
        cache(store)


@pytest.mark.parametrize("options", [{"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}])
def test_what_is_no_time_is_refused(options):
    with pytest.raises(DefinitionError, match="expected ttl to be a positive number"):
        cache(InMemoryCache(), **options)
    with pytest.raises(DefinitionError, match="expected max_entries"):
        InMemoryCache(max_entries=0)


def test_it_can_be_pickled_and_shown(tmp_path):
    middleware = cache(SQLiteCache(tmp_path / "cache.db"), ttl=5, share=True)
    copy = pickle.loads(pickle.dumps(middleware))  # noqa: S301 - our own
    assert repr(copy) == repr(middleware) == f"cache(SQLiteCache('{tmp_path / 'cache.db'}'))"
    assert repr(cache(InMemoryCache())) == "cache(InMemoryCache())"


def test_cassettes_answer_below_it(server, openai, tmp_path, store):
    server.enqueue(text_reply("Hi"))
    task = openai().task(middlewares=[cache(InMemoryCache())], llm_params={"temperature": 0})(tell)
    with Cassette(tmp_path / "calls.json"):
        assert [task("x"), task("x")] == ["Hi", "Hi"]
    other = openai().task(middlewares=[cache(store)], llm_params={"temperature": 0})(tell)
    with Cassette(tmp_path / "calls.json"):
        assert [other("x"), other("x")] == ["Hi", "Hi"]
    assert len(server.requests) == 1


# --- shared requests -------------------------------------------------------------------------------------------


def test_a_hundred_callers_make_one_request(server, openai, store):
    server.enqueue(stream_reply([f"{number} " for number in range(50)], pause_between=0.002))
    task = openai().task(streaming=True, middlewares=[cache(store, share=True)], llm_params={"temperature": 0})(tell)
    together = threading.Barrier(100)

    def read(number):
        together.wait()
        steps = []
        for step in task("x"):
            steps.append(step.content)
            if number == 0 and len(steps) == 3:
                return None  # this one leaves early
        return steps

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(read, range(100)))
    assert answers[0] is None
    assert len({tuple(steps) for steps in answers[1:]}) == 1
    assert "".join(answers[1]) == "".join(f"{number} " for number in range(50))
    assert len(server.requests) == 1
    assert list(task("x"))[-1].cached


def test_threads_and_event_loops_share(server, ask, store):
    server.enqueue(ask.reply(PIECES))
    call = ask(cache(store, share=True))
    assert "".join(step.content for step in call()) == "One two three"
    assert call()[-1].cached
    assert len(server.requests) == 1


def test_tasks_of_one_loop_share(server, openai, store):
    server.enqueue(stream_reply(PIECES, pause_between=0.01))
    task = openai().task(streaming=True, middlewares=[cache(store, share=True)], llm_params={"temperature": 0})

    @task
    async def tell(about: str) -> str:
        """Tell about {about}"""

    async def read():
        return [step.content async for step in tell("x")]

    async def main():
        return await asyncio.gather(*(read() for _ in range(20)))

    answers = asyncio.run(main())
    assert answers == [answers[0]] * 20
    assert len(server.requests) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_the_last_one_who_leaves_closes_it(server, openai, store, is_async):
    server.enqueue(stream_reply([f"{number} " for number in range(10_000)], pause_between=0.005))
    options = {"streaming": True, "middlewares": [cache(store, share=True)], "llm_params": {"temperature": 0}}
    llm = openai()
    task = llm.task(**options)(tell)

    async def atell(about: str) -> str:
        """Tell about {about}"""

    if is_async:

        async def main():
            reading = llm.task(**options)(atell)
            steps = [reading("x") for _ in range(2)]
            for step in steps:
                await anext(step)
            await steps[0].aclose()
            await anext(steps[1])
            await steps[1].aclose()

        asyncio.run(main())
    else:
        first, second = task("x"), task("x")
        next(first), next(second)
        first.close()
        next(second)
        second.close()
    assert server.wait_disconnect()
    assert server.requests[-1].sent < 10_000
    server.enqueue(stream_reply(["anew"]))
    assert list(task("x"))[-1].response == "anew"


def test_an_error_reaches_all_and_is_not_kept(server, ask, store):
    call = ask(cache(store, share=True))
    server.enqueue(error_reply(500), ask.reply(["fine"]))
    with pytest.raises(ServerError):
        call()
    assert call()[-1].response == "fine"


def test_each_keeps_to_its_own_time(server, ask, store):
    reply = ask.reply(PIECES)
    server.enqueue(stalled(reply) if ask.is_stream else stalled(reply, 0))
    with pytest.raises((ProviderTimeout, StreamInterrupted)):
        ask(cache(store, share=True), timeout=0.3)()
    assert server.wait_disconnect()


def test_a_stream_that_is_closed_from_another_thread_ends(server, openai, store):
    server.enqueue(stalled(stream_reply(PIECES), 2))
    task = openai().task(streaming=True, middlewares=[cache(store, share=True)], llm_params={"temperature": 0})(tell)
    with task.stream("x") as stream:
        next(stream)
        threading.Timer(0.1, stream.close).start()
        with pytest.raises(declarai.DeclaraiError):
            stream.until_done()
    assert server.wait_disconnect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_requests_of_its_own(server, openai, store):
    server.enqueue(stream_reply([f"{number} " for number in range(200)], pause_between=0.01), stream_reply(["child"]))
    task = openai().task(streaming=True, middlewares=[cache(store, share=True)], llm_params={"temperature": 0})(tell)
    steps = task("x")
    next(steps)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        os._exit(0 if list(task("x"))[-1].response == "child" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    steps.close()


def test_who_comes_too_late_is_not_joined():
    shared, begun, go_on = SharedRequests(), threading.Event(), threading.Event()

    def produce(hang_up):
        begun.set()
        go_on.wait(30)
        yield from "ab"

    first, late = Reader(lambda: None), Reader(lambda: None)
    request = shared.join("key", lambda: BackgroundRequest(produce), first)
    assert begun.wait(30)
    assert request.leave(first)
    assert not request.join(late)
    another = shared.join("key", lambda: BackgroundRequest(lambda hang_up: iter("c")), late)
    assert another is not request
    shared.remove("key", request)
    assert shared.join("key", lambda: BackgroundRequest(produce), first) is another
    go_on.set()


def test_what_was_kept_a_moment_ago_is_not_asked_again(server, openai, store):
    server.enqueue(stream_reply(PIECES))
    request = openai().task(llm_params={"temperature": 0}, streaming=True)(tell).request("x")
    provider = RecordingProvider(request.provider)
    whole = list(provider.stream(request))
    assert provider.encode(request) == request.provider.encode(request)
    shared = SharedRequests().provider("key", request.provider, lambda: dump_rows(provider.rows))
    assert list(shared.stream(request)) == whole
    assert len(server.requests) == 1


def test_what_a_server_refuses_is_learned_through_it(server, openai, store):
    server.enqueue(error_reply(400, "response_format is not supported", param="response_format"), text_reply("3"))
    task = openai().task(middlewares=[cache(store)], llm_params={"temperature": 0})(count)
    assert [task("a b c"), task("a b c")] == [3, 3]
    assert len(server.requests) == 2

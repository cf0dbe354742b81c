"""A local log of calls: what is kept of each, that nobody waits for it, and that it survives a crash."""

import asyncio
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import pytest

import declarai_like as declarai
from declarai_like.errors import ConfigurationError, DefinitionError, OutputError, ProviderError
from declarai_like.middleware import log
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.middleware._call_log.writer import _MOST_WAITING, CallLogWriter
from declarai_like.testing import FakeLLM, chunks, error_reply, reply, stream_reply, text_reply

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.db"


def ranking(llm, *middlewares, **options):
    @llm.task(middlewares=list(middlewares), **options)
    def rank(message: str) -> int:
        """Rank the severity"""

    return rank


def calls_of(path, **wanted):
    return CallLogStore(path).find(**wanted)


def test_each_request_is_a_row_without_what_was_said(path):
    logged = log(path)
    llm = FakeLLM([reply("many", usage=USAGE), reply("5", usage=USAGE)])
    ranking(llm, logged, retries=1)("the shop is down")
    logged.close()
    second, first = calls_of(path)
    assert (first["task"], first["model"], first["provider"], first["round"]) == ("rank", "fake", "fake", 1)
    assert (first["prompt_tokens"], first["completion_tokens"], first["first_chunk"]) == (3, 4, None)
    assert (first["outcome"], first["error"], first["attempt"]) == ("failed", "OutputError", 1)
    assert (second["outcome"], second["error"], second["attempt"]) == ("complete", None, 2)
    assert first["prompt_hash"] != second["prompt_hash"]
    assert first["seconds"] >= 0
    assert abs(first["at"] - time.time()) < 100
    assert set(CallLogStore(path).get(1)) == set(first)
    assert b"shop" not in path.read_bytes()


def test_with_content_it_has_what_was_said_each_text_once(path):
    logged = log(path, content=True)
    rank = ranking(FakeLLM(["5", "4", "4"]), logged)
    for message in ("the shop is down", "a typo", "a typo"):
        rank(message)
    logged.close()
    found = CallLogStore(path).get(1)
    assert found["arguments"] == {"message": "the shop is down"}
    assert found["answer"] == "5"
    assert found["messages"][-1]["role"] == "user"
    assert "the shop is down" in found["messages"][-1]["content"]
    with sqlite3.connect(path) as connection:
        (texts,) = connection.execute("SELECT count(*) FROM contents").fetchone()
        assert texts == connection.execute("SELECT count(DISTINCT text) FROM contents").fetchone()[0]


@pytest.mark.parametrize("is_async", [False, True])
def test_streams_are_logged_with_the_time_of_their_first_chunk(path, is_async):
    logged = log(path, content=True)
    llm = FakeLLM([chunks("one ", "two")])
    if is_async:

        @llm.task(streaming=True, middlewares=[logged])
        async def tell(topic: str) -> str:
            """Tell something"""

        async def read():
            return [step async for step in tell("x")]

        asyncio.run(read())
    else:

        @llm.task(streaming=True, middlewares=[logged])
        def tell(topic: str) -> str:
            """Tell something"""

        list(tell("x"))
    logged.close()
    call = CallLogStore(path).get(1)
    assert (call["outcome"], call["answer"]) == ("complete", "one two")
    assert 0 <= call["first_chunk"] <= call["seconds"]


def test_a_stream_that_is_left_is_logged_as_far_as_it_came(path):
    logged = log(path, content=True)

    @FakeLLM([chunks("one ", "two ", "three")]).task(streaming=True, middlewares=[logged])
    def tell(topic: str) -> str:
        """Tell something"""

    steps = tell("x")
    assert any(step.response for step in steps)
    steps.close()
    logged.close()
    call = CallLogStore(path).get(1)
    assert (call["outcome"], call["error"]) == ("cancelled", "GeneratorExit")
    assert call["answer"].startswith("one")


def test_a_request_that_failed_is_logged_with_its_error(path, server):
    logged, bare = log(path, content=True), log(path.with_name("bare.db"))
    llm = declarai.openai("m", openai_token="k-canary-0123456789", base_url=server.base_url, max_retries=0)
    server.enqueue(error_reply(400, "no such thing as k-canary-0123456789"))
    with pytest.raises(ProviderError):
        ranking(llm, logged, bare)("x")
    logged.close()
    bare.close()
    call = CallLogStore(path).get(1)
    assert call["outcome"] == "failed"
    assert call["error"].startswith("BadRequestError: ")
    assert CallLogStore(path.with_name("bare.db")).get(1)["error"] == "BadRequestError"


def test_no_key_is_in_the_file(path, server):
    logged = log(path, content=True)
    llm = declarai.openai("m", openai_token="k-canary-0123456789", base_url=server.base_url)
    server.enqueue(text_reply("you said k-canary-0123456789"))
    llm.task(middlewares=[logged])(answer)("my key is k-canary-0123456789")
    logged.close()
    assert not [file for file in path.parent.iterdir() if b"canary" in file.read_bytes()]
    assert len(calls_of(path)) == 1


def answer(message: str) -> str:
    """Answer"""


def test_texts_are_found_by_their_words(path):
    logged = log(path, content=True)
    rank = ranking(FakeLLM(["5", "1", "no"]), logged)
    rank("the shop is down")
    rank('a "typo" on the page')
    with pytest.raises(OutputError):
        rank("a wish")
    logged.close()
    assert [call["id"] for call in calls_of(path, words="shop down")] == [1]
    assert [call["id"] for call in calls_of(path, words='"typo"')] == [2]
    assert [call["id"] for call in calls_of(path, failed=True)] == [3]
    assert [call["id"] for call in calls_of(path, task="rank", limit=2)] == [3, 2]
    assert [call["id"] for call in calls_of(path, before=3)] == [2, 1]
    assert calls_of(path, task="other") == []
    assert calls_of(path, words="OR NOT (") == []


def test_the_file_is_private_and_readable_while_it_is_written(path):
    logged = log(path)
    rank = ranking(FakeLLM(["5"] * 3), logged)
    rank("x")
    logged.close()
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    with sqlite3.connect(path) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
        rank("y")
        logged.close()
    assert len(calls_of(path)) == 2


def test_a_file_that_is_too_large_loses_its_oldest_calls(path):
    store = CallLogStore(path)
    store.create()
    store.create()
    call = {"task": "t", "outcome": "complete", "arguments": {"a": 1}, "answer": "same"}
    store.add([{**call, "messages": [("user", f"{number} " + "x" * 1000)]} for number in range(500)])
    store.trim(200_000)
    kept = store.find(limit=1000)
    assert 0 < len(kept) < 400
    assert kept[0]["id"] == 500
    assert store.get(500)["messages"][0]["content"].startswith("499 ")
    assert store.find(words="0") == [] or store.find(words="0")[0]["id"] > 1
    store.trim(1)
    assert store.find() == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM contents").fetchone() == (0,)


def test_what_cannot_be_kept_is_counted(path):
    store = CallLogStore(path)
    writer = CallLogWriter(store, 10**9)
    inside, go_on = threading.Event(), threading.Event()

    def first():
        inside.set()
        go_on.wait(60)
        return {"task": "first"}

    writer.put(first)
    assert inside.wait(60)
    for number in range(_MOST_WAITING + 5):
        writer.put(lambda number=number: {"task": str(number)})
    go_on.set()
    writer.close()
    assert store.dropped == 5
    assert len(store.find(limit=20_000)) == _MOST_WAITING + 1
    writer.close()


def test_a_file_that_cannot_be_written_costs_no_call(path, caplog):
    path.write_text("no database " * 1000)
    logged = log(path)
    assert ranking(FakeLLM(["5"]), logged)("x") == 5
    logged.close()
    assert "1 calls are not in the call log" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be read as a call log"):
        calls_of(path)


def test_what_is_no_log_is_refused(path):
    with pytest.raises(ConfigurationError, match="there is no such call log"):
        calls_of(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigurationError, match="of another version of the call log: 9"):
        CallLogStore(path).create()


def test_a_call_that_is_not_there_is_refused(path):
    CallLogStore(path).create()
    with pytest.raises(ConfigurationError, match="there is no call 7"):
        CallLogStore(path).get(7)


def test_a_write_that_fails_leaves_nothing(path):
    store = CallLogStore(path)
    store.create()
    with pytest.raises(AttributeError):
        store.add([{"task": "a"}, {"task": "b", "answer": 5}])
    assert store.find() == []


def test_the_first_of_many_calls_trims_the_file(path):
    store = CallLogStore(path)
    writer = CallLogWriter(store, 1)
    for _ in range(1000):
        writer.put(dict)
    writer.close()
    assert store.find() == []


def test_chats_and_completions_are_logged(path):
    logged = log(path, content=True)
    llm = FakeLLM(["chatted", "completed"])

    @llm.chat(middlewares=[logged])
    class Bot:
        """You are brief."""

    Bot().send("Hi")
    logged.close()
    call = CallLogStore(path).get(1)
    assert [message["role"] for message in call["messages"]] == ["system", "user"]
    assert (call["task"], call["answer"]) == ("Bot", "chatted")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_process_that_is_killed_leaves_a_readable_file(path):
    program = f"""
import declarai_like as declarai
from declarai_like.middleware import log
from declarai_like.testing import FakeLLM
llm = FakeLLM(["5"] * 1_000_000)
@llm.task(middlewares=[log({str(path)!r}, content=True)])
def rank(message: str) -> int:
    "Rank"
number = 0
while True:
    rank(str(number))
    number += 1
    if number == 200:
        print("begun", flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert child.stdout.readline() == "begun\n"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (path.exists() and _count(path)):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    child.stdout.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    newest = calls_of(path)[0]
    assert CallLogStore(path).get(newest["id"])["answer"] == "5"


def _count(path):
    try:
        return len(calls_of(path))
    except ConfigurationError:
        return 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_writes_too(path):
    logged = log(path)
    rank = ranking(FakeLLM(["1"] * 40), logged)
    rank("x")
    logged.close()
    for _ in range(10):
        rank("y")  # its thread is under way
        child = os.fork()
        if not child:
            rank("z")
            logged.close()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    logged.close()
    assert len(calls_of(path)) == 21


def test_it_can_be_pickled_and_shown(path):
    logged = pickle.loads(pickle.dumps(log(path, content=True)))  # noqa: S301 - our own
    assert repr(logged) == f"log({str(path)!r})"
    assert ranking(FakeLLM(["5"]), logged)("x") == 5
    logged.close()
    assert len(calls_of(path)) == 1


def test_a_size_below_one_is_refused(path):
    with pytest.raises(DefinitionError, match="expected max_bytes to be a positive number, got 0"):
        log(path, max_bytes=0)


def test_what_a_middleware_gives_in_its_place_is_logged_as_nothing(path):
    logged = log(path, content=True)

    def swallow(request, send):
        yield from send(request)
        return "nothing"

    with pytest.raises(DefinitionError, match="expected an LLMResponse"):
        ranking(FakeLLM(["5"]), logged, swallow)("x")
    logged.close()
    (call,) = calls_of(path)
    assert call["outcome"] == ""


def test_a_streamed_reply_over_http(path, server):
    logged = log(path, content=True)
    llm = declarai.openai("m", openai_token="k-0123456789", base_url=server.base_url)
    server.enqueue(stream_reply(["a", "b"], usage=USAGE))
    with pytest.raises(OutputError):
        list(ranking(llm, logged, streaming=True)("x"))
    logged.close()
    (call,) = calls_of(path)
    assert (call["prompt_tokens"], call["outcome"]) == (3, "failed")


def test_a_stream_is_logged_without_its_text_too(path):
    logged = log(path)

    @FakeLLM([chunks("one ", "two")]).task(streaming=True, middlewares=[logged])
    def tell(topic: str) -> str:
        """Tell something"""

    list(tell("x"))
    logged.close()
    assert CallLogStore(path).get(1)["first_chunk"] >= 0
    assert "answer" not in CallLogStore(path).get(1)


def test_a_writer_that_a_forked_process_got_begins_anew(path):
    writer = CallLogWriter(CallLogStore(path), 10**9)
    writer._process = -1
    writer.put(lambda: {"task": "t"})
    writer.close()
    assert len(calls_of(path)) == 1


def test_long_streams_have_as_many_points_as_short_ones(path):
    logged = log(path)

    @FakeLLM([chunks(*["ab"] * 5_000)]).task(streaming=True, middlewares=[logged])
    def ask() -> str:
        """Ask"""

    list(ask())
    logged.close()
    points = CallLogStore(path).get(1)["chunks"]
    assert 100 < len(points) <= 201
    assert points[-1][1] == 10_000
    assert points == sorted(points)

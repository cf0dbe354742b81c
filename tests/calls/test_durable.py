"""A durable function goes on where it was: what a model has answered once is not asked again."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.errors import DefinitionError, LimitExceeded, OutputError, RunBusy, RunDiverged
from declarai_like.testing import FakeLLM, LLMServer, chunks, reply, text_reply, tool_call
from declarai_like.tools import InMemoryRuns, SQLiteRuns


class Post(BaseModel):
    title: str
    words: int


@pytest.fixture(params=["memory", "sqlite"])
def runs(request, tmp_path):
    return InMemoryRuns() if request.param == "memory" else SQLiteRuns(tmp_path / "runs.db")


class Crash(Exception):
    pass


def make(llm, runs, crashes, *, is_async=False):
    """Give a function of three steps, which crashes after those in `crashes`, once each."""

    @llm.task
    def summarize(text: str) -> str:
        """Summarize"""

    @llm.task
    def write(summary: str) -> Post:
        """Write a post"""

    def stop_after(step):
        if step in crashes:
            crashes.remove(step)
            raise Crash

    def publish(text: str) -> Post:
        summary = summarize(text)
        stop_after(1)
        post = write(summary)
        stop_after(2)
        return write(post.title)

    async def apublish(text: str) -> Post:
        summary = await summarize.acall(text)
        stop_after(1)
        post = await write.acall(summary)
        stop_after(2)
        return await write.acall(post.title)

    return declarai.durable(runs=runs)(apublish if is_async else publish)


def call(function, *args):
    result = function.run(*args)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


ANSWERS = ["short", '{"title": "First", "words": 1}', '{"title": "Second", "words": 2}']


@pytest.mark.parametrize("is_async", [False, True])
def test_each_step_is_asked_once(runs, is_async):
    llm = FakeLLM(ANSWERS)
    publish = make(llm, runs, [1, 2], is_async=is_async)
    for _ in range(2):
        with pytest.raises(Crash):
            call(publish, "r1", "long")
    expected = Post(title="Second", words=2)
    assert call(publish, "r1", "long") == expected
    assert call(publish, "r1", "long") == expected
    assert len(llm.requests) == 3


def test_another_run_asks_anew(runs):
    llm = FakeLLM([*ANSWERS, *ANSWERS, *ANSWERS])
    publish = make(llm, runs, [])
    publish.run("r1", "long")
    publish.run("r2", "long")
    publish("long")
    assert len(llm.requests) == 9


def test_other_arguments_are_another_run(runs):
    publish = make(FakeLLM(ANSWERS), runs, [])
    publish.run("r1", "long")
    with pytest.raises(RunDiverged, match="'r1/summarize/1' was made with another request") as caught:
        publish.run("r1", "longer")
    assert caught.value.run_id == "r1"


def test_a_run_belongs_to_its_function(runs):
    publish = make(FakeLLM(ANSWERS), runs, [])
    publish.run("r1", "long")

    @declarai.durable(runs=runs)
    def other():
        return None

    with pytest.raises(RunDiverged, match=r"begun by make\.<locals>\.publish, not by "):
        other.run("r1")


def test_a_run_that_is_under_way_is_busy(runs):
    @declarai.durable(runs=runs)
    def outer():
        return outer.run("r1")

    with pytest.raises(RunBusy, match="'r1'"):
        outer.run("r1")


def test_an_answer_that_failed_is_asked_again(runs):
    llm = FakeLLM(["short", "no JSON", *ANSWERS[1:]])
    publish = make(llm, runs, [])
    with pytest.raises(OutputError):
        publish.run("r1", "long")
    assert publish.run("r1", "long").title == "Second"
    assert len(llm.requests) == 4


def test_a_durable_function_within_another_shares_its_run(runs):
    llm = FakeLLM(["one", "two"])

    @llm.task
    def step(text: str) -> str:
        """Go on"""

    @declarai.durable(runs=runs)
    def inner(text):
        return step(text)

    @declarai.durable(runs=runs)
    def outer():
        return inner("a") + inner("b")

    assert [outer.run("r1"), outer.run("r1")] == ["onetwo", "onetwo"]
    assert len(llm.requests) == 2


def test_what_else_an_answer_had_is_kept(runs):
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    llm = FakeLLM([reply("fine", usage=usage, reasoning="Hm.")])

    @llm.task
    def step() -> str:
        """Go on"""

    @declarai.durable(runs=runs)
    def whole():
        return step.run()

    whole.run("r1")
    again = whole.run("r1")
    assert (again.value, again.usage.total_tokens, again.response.reasoning) == ("fine", 7, "Hm.")
    assert again.response.outcome == "complete"


def test_streams_give_the_whole_answer_again(runs):
    llm = FakeLLM([chunks("one ", "two")])

    @llm.task(streaming=True)
    def step() -> str:
        """Go on"""

    @declarai.durable(runs=runs)
    def texts():
        return [response.response for response in step()]

    assert texts.run("r1")[-1] == "one two"
    assert texts.run("r1") == ["one two"]


def test_direct_calls_and_chats_are_steps(runs):
    llm = FakeLLM(["direct", "chatted", tool_call("look", {"x": 1})])

    @llm.chat
    class Bot:
        """You are brief."""

    @declarai.durable(runs=runs)
    def all_of_them():
        look = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        bot = Bot()
        return llm.send("a").response, bot.send("b"), llm.send("c", tools=[look]).tool_calls[0].arguments

    first = all_of_them.run("r1")
    assert first[:2] == ("direct", "chatted")
    assert all_of_them.run("r1") == first
    assert len(llm.requests) == 3


@pytest.mark.parametrize("mode", ["native", "emulated"])
def test_tools_run_once_and_their_call_is_one_step(runs, mode):
    effects = []

    def book(seat: str) -> str:
        """Book a seat"""
        effects.append(seat)
        return "booked"

    calls = (
        [tool_call("book", {"seat": "4A"})] if mode == "native" else ['{"tool": "book", "arguments": {"seat": "4A"}}']
    )
    ending = "done" if mode == "native" else '{"answer": "done"}'
    llm = FakeLLM([*calls, ending])

    @llm.task(tools=[book], tool_mode=mode)
    def travel() -> str:
        """Book 4A"""

    crashes = [1]

    @declarai.durable(runs=runs)
    def trip():
        said = travel()
        if crashes:
            crashes.clear()
            raise Crash
        return said

    with pytest.raises(Crash):
        trip.run("r1")
    assert trip.run("r1") == "done"
    assert effects == ["4A"]
    assert len(llm.requests) == 2


def test_tools_whose_round_was_cut_short_go_on(runs):
    effects = []

    def book(seat: str) -> str:
        """Book a seat"""
        effects.append(seat)
        return "booked"

    with LLMServer() as server:
        server.enqueue(tool_call("book", {"seat": "4A"}), text_reply("", finish_reason="error"), text_reply("done"))
        llm = declarai.openai("m", openai_token="k-0123456789", base_url=server.base_url, max_retries=0)

        @llm.task(tools=[book])
        def travel() -> str:
            """Book 4A"""

        @declarai.durable(runs=runs)
        def trip():
            return travel()

        with pytest.raises(declarai.DeclaraiError):
            trip.run("r1")
        assert trip.run("r1") == "done"
    assert effects == ["4A"]


def test_nothing_of_it_is_left_outside(runs):
    llm = FakeLLM(["one", "two"])

    @llm.task
    def step() -> str:
        """Go on"""

    @declarai.durable(runs=runs)
    def whole():
        raise LimitExceeded("no more")

    with pytest.raises(LimitExceeded):
        whole.run("r1")
    assert [step(), step()] == ["one", "two"]


def test_it_looks_like_the_function():
    @declarai.durable(runs=InMemoryRuns())
    def publish(text: str) -> str:
        """Publish a text."""

    assert publish.__name__ == "publish"
    assert publish.__doc__ == "Publish a text."
    assert repr(publish) == "<durable test_it_looks_like_the_function.<locals>.publish>"


def generate():
    yield


async def agenerate():
    yield


@pytest.mark.parametrize("function", [generate, agenerate, 3, Post])
def test_only_functions_that_return_can_be_durable(function):
    with pytest.raises(DefinitionError, match="expected a function that returns its result"):
        declarai.durable(runs=InMemoryRuns())(function)


def test_the_store_must_be_one():
    with pytest.raises(DefinitionError, match=r"expected runs= to be a store, as SQLiteRuns\(path\), got 'runs.db'"):
        declarai.durable(runs="runs.db")


def times(most):
    return [0, *(pytest.param(number, marks=pytest.mark.soak) for number in range(1, most))]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize("number", times(20))
def test_a_process_that_dies_at_every_step_asks_for_each_once(tmp_path, number):
    script = Path(__file__).with_name("durable_steps.py")
    with LLMServer(*(text_reply(f"text {step}") for step in range(5))) as server:
        for dies_after in (1, 2, 3, 4, 5, 9):
            command = [sys.executable, str(script), server.base_url, str(tmp_path), str(dies_after)]
            child = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603 - our own
            assert child.returncode == (0 if dies_after == 9 else -9), child.stderr
        assert child.stdout.strip() == "text 4"
        assert len(server.requests) == 5
    assert stat.S_IMODE((tmp_path / "runs.db").stat().st_mode) == 0o600

"""What a flow does where it is left, refused again and again, or asked for what it has not."""

import asyncio
import threading
import time

import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like._calls import runner
from declarai_like._calls.budgets import active_budgets, count_tool_call
from declarai_like._calls.deadlines import Deadline
from declarai_like._calls.operations import AwaitReport, Send
from declarai_like._calls.waking import was_woken
from declarai_like.errors import BadRequestError, DefinitionError, LimitExceeded, StreamInterrupted
from declarai_like.middleware import observe
from declarai_like.requests import HangUp
from declarai_like.testing import FakeLLM, error_reply, reply, text_reply, tool_call
from declarai_like.tools import SQLiteRuns, tool


def look_up(word: str) -> str:
    """Look a word up"""
    return word


def drive(call, kind):
    """Perform a call until the first operation of a kind; it is under way then."""
    flow, deadline = call.flow(time.monotonic), Deadline(None)
    operation = next(flow)
    while not isinstance(operation, kind):
        operation = flow.send(runner._perform(operation, call, deadline))
    return operation


def test_turn_whose_call_is_closed_under_way_stores_nothing_and_frees_the_chat():
    llm = FakeLLM(["Hello."])

    @llm.chat(keep_partial=True)
    class Bot:
        """You are a bot."""

    bot = Bot()
    call = bot.prepare_turn("Hi", {}, None)
    drive(call, Send)
    call.close()
    assert bot.conversation == []
    assert bot.send("Hi") == "Hello."


@pytest.mark.parametrize("has_begun", [True, False])
def test_tools_of_a_call_that_is_closed_under_way_are_cancelled(has_begun):
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> str:
        """Wait for ever"""
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()

    @FakeLLM([tool_call("wait", {})]).task(tools=[wait])
    def ask(question: str) -> str:
        """{question}"""

    call = ask.prepare_call(("?",), {})
    drive(call, AwaitReport)
    if has_begun:
        assert begun.wait(60)
    call.close()
    assert not has_begun or ended.wait(60)
    for thread in threading.enumerate():  # none is left that waits
        if thread.name == "tool wait":
            thread.join(60)
            assert not thread.is_alive()


def test_turn_that_breaks_before_it_has_brought_anything_is_not_stored(server, openai):
    server.enqueue(error_reply(500), text_reply("Hello."))

    @openai().chat(keep_partial=True, tools=[look_up])
    class Bot:
        """You are a bot."""

    bot = Bot()
    with pytest.raises(errors.ServerError):
        bot.send("Hi")
    assert bot.conversation == []


class Learning:
    """A provider that refuses so often, and learns something each time."""

    name = model = "learning"
    streaming = False

    def __init__(self, refusals):
        self.refusals = refusals

    def encode(self, request):
        return {}

    def adapts(self, error, request):
        return True

    def send(self, request):
        self.refusals -= 1
        if self.refusals >= 0:
            raise BadRequestError("another field is not supported")
        return {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(("refusals", "is_answered"), [(4, True), (5, False)])
def test_request_is_spelled_anew_a_few_times_only(refusals, is_answered):
    @declarai.Declarai.of(Learning(refusals)).task
    def ask(question: str) -> str:
        """{question}"""

    if is_answered:
        assert ask("?") == "Hi"
    else:
        with pytest.raises(BadRequestError):
            ask("?")


def test_calls_of_an_answer_that_a_middleware_gives_though_it_broke_off_are_not_run():
    ran = []

    def note(text: str) -> str:
        """Note something"""
        ran.append(text)

    def keep(request, send):
        response = yield from send(request)
        response.outcome = "interrupted"
        return response

    @FakeLLM([tool_call("note", {"text": "x"})]).task(tools=[note], middlewares=[keep])
    def ask(question: str) -> str:
        """{question}"""

    with pytest.raises(StreamInterrupted, match=r"within its tool calls \(note\): none of them was run"):
        ask("?")
    assert ran == []


def test_what_is_over_time_is_not_heard_while_others_run(fake_llm):
    @tool(timeout=0.05)
    def slow() -> str:
        """Take long"""
        time.sleep(0.3)
        return "too late"

    def slower() -> str:
        """Take longer"""
        time.sleep(0.8)
        return "in time"

    fake_llm.enqueue(reply(calls=[("slow", {}, "a"), ("slower", {}, "b")]), "done")

    @declarai.offline().task(tools=[slow, slower])
    def ask(question: str) -> str:
        """{question}"""

    first, second = ask.run("?").calls
    assert first.error is not None
    assert second.value == "in time"


@pytest.mark.parametrize("tools", [False, True])
def test_what_a_chat_is_told_of_tools_needs_tools(tools):
    @FakeLLM(["Hi"]).chat(**({"tools": [look_up]} if tools else {}))
    class Bot:
        """You are a bot."""

    if tools:
        assert Bot().send("x", deps={}) == "Hi"
    else:
        with pytest.raises(TypeError, match="takes deps with tools, and it has none"):
            Bot().send("x", deps={})


def test_run_that_diverged_leaves_no_turn_waiting(tmp_path):
    runs = SQLiteRuns(tmp_path / "runs.db")

    @FakeLLM(["One", "Two"]).chat(tools=[look_up], runs=runs)
    class Bot:
        """You are a bot."""

    bot = Bot()
    assert bot.send("a", run_id="r") == "One"
    with pytest.raises(errors.RunDiverged):
        bot.send("b", run_id="r")
    assert bot.send("c") == "Two"


def test_run_that_is_gone_from_its_store_is_given_up_all_the_same(tmp_path):
    runs = SQLiteRuns(tmp_path / "runs.db")

    @tool(approve=True)
    def delete(path: str) -> str:
        """Delete a file"""

    @FakeLLM([tool_call("delete", {"path": "a"}), "Fine"]).chat(tools=[delete], runs=runs)
    class Bot:
        """You are a bot."""

    bot = Bot()
    with pytest.raises(errors.ApprovalRequired):
        bot.send("a")
    runs.purge(older_than=-1)
    assert bot.send("b", pending="deny") == "Fine"


def test_what_is_counted_is_counted_in_each_block_or_in_none():
    with declarai.limits(requests=5, tool_calls=5) as outer:
        with declarai.limits(requests=1, tool_calls=0) as inner:
            FakeLLM(["a"]).send("?")
            inner.most["requests"] = 2  # as if another thread had been faster between the look and the count
            with pytest.raises(LimitExceeded, match="requests=2"):
                FakeLLM(["a"]).send("?")
            with pytest.raises(LimitExceeded, match="tool_calls=0"):
                count_tool_call(active_budgets())
        assert (outer.requests, outer.tool_calls) == (1, 0)
        FakeLLM(["a"]).send("?")
        assert outer.requests == 2


def test_who_waits_after_the_hang_up_is_woken_at_once():
    woken, hang_up = [], HangUp()
    hang_up.request()
    hang_up.arm(lambda: woken.append(True))
    assert woken == [True]


def test_a_stream_is_not_read_by_what_looks_at_its_chunks():
    told = []

    def look(chunk):
        with pytest.raises(DefinitionError, match="this very thread is reading this stream") as raised:
            stream.until_done()
        told.append(raised.value)

    @FakeLLM(["One two"]).task(middlewares=[observe(look)])
    def ask(question: str) -> str:
        """{question}"""

    stream = ask.stream("?")
    with stream:
        assert stream.result() == "One two"
    assert told


def test_who_reads_a_stream_is_woken_by_another_only_if_nobody_else_stops_it():
    async def stopped(times):
        task = asyncio.current_task()
        for _ in range(times):
            task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            return was_woken(error, task)

    assert was_woken(ValueError(), None)
    assert not was_woken(KeyboardInterrupt(), None)
    assert asyncio.run(stopped(1))


def test_last_chunk_of_an_earlier_round_ends_the_round_only():
    @FakeLLM([tool_call("look_up", {"word": "x"}), "Fine"]).task(tools=[look_up], streaming=True)
    def ask(question: str) -> str:
        """{question}"""

    call = ask.prepare_call(("?",), {}, streaming=True, as_events=True)
    chunks = [event.raw for events in runner.stream(call) for event in events if event.type == "chunk"]
    ended = [chunk for chunk in chunks if call.is_last(chunk)]
    assert [chunk["choices"][0]["finish_reason"] for chunk in ended if chunk["choices"]] == ["tool_calls", "stop"]


def test_wrong_answer_of_a_call_in_words_is_shown_and_asked_again():
    llm = FakeLLM(['{"answer": "many"}', '{"answer": 4}'])

    @llm.task(tools=[look_up], tool_mode="emulated", retries=1)
    def count(text: str) -> int:
        """Count the words of {text}"""

    result = count.run("a b c d")
    assert (result.value, len(result.attempts), len(llm.requests)) == (4, 1, 2)


def test_task_that_is_made_by_value_asks_as_before():
    cloudpickle = pytest.importorskip("cloudpickle")

    @declarai.offline().task
    def ask(question: str) -> int:
        """{question}"""

    assert cloudpickle.loads(cloudpickle.dumps(ask))("?") == ask("?")
    assert type(ask).of(ask.__wrapped__, ask.provider, ask.declared.options)("?") == ask("?")


def test_async_stream_that_is_closed_by_what_looks_at_its_chunks_ends():
    def look(chunk):
        with pytest.raises(StopIteration):
            stream.close().send(None)

    @FakeLLM(["One two"]).task(middlewares=[observe(look)])
    async def ask(question: str) -> str:
        """{question}"""

    async def read():
        async with stream:
            await stream.until_done()

    async def main():
        (ended,) = await asyncio.gather(asyncio.create_task(read()), return_exceptions=True)
        return ended

    stream = ask.astream("?")
    ended = asyncio.run(main())
    assert isinstance(ended, (declarai.DeclaraiError, asyncio.CancelledError))


def test_answer_of_another_type_is_raised_where_nothing_is_asked_again():
    @FakeLLM(["many"] * 3).task(tools=[look_up])
    def count(text: str) -> int:
        """Count the words of {text}"""

    with pytest.raises(errors.OutputError, match="expected int"):
        count("a b c")

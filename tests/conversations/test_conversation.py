"""Turns of a chat: each enters the history whole or not at all, and one at a time."""

import asyncio
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from declarai_like.errors import (
    DeclaraiError,
    HistoryError,
    HistoryWriteError,
    ModelRefusal,
    OutputError,
    OutputTruncated,
    ProviderError,
    StreamInterrupted,
)
from declarai_like.memory import FileMessageHistory, InMemoryMessageHistory, MessageHistory, SQLiteMessageHistory
from declarai_like.messages import Message
from declarai_like.middleware import TaskMiddleware
from declarai_like.testing import (
    Reply,
    broken_off,
    bytes_reply,
    error_reply,
    stream_error_reply,
    stream_reply,
    text_reply,
)

PIECES = ["One", " two", " three"]
CHUNKS = 5  # the role, the pieces, the end
BEFORE = [Message("hi"), Message("hello", "assistant")]


class Broken(MessageHistory):
    """A store that cannot be read, or not be written."""

    def __init__(self, *, reads=True):
        self._reads = reads

    @property
    def history(self):
        if not self._reads:
            raise HistoryError("the store is away")
        return []

    def add_message(self, message):
        raise HistoryError("the store is full")

    def clear(self): ...


class Slow(InMemoryMessageHistory):
    """A store whose writing waits until it is told to go on."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()
        self.go_on = threading.Event()

    async def aadd_messages(self, messages):
        await MessageHistory.aadd_messages(self, messages)

    def add_messages(self, messages):
        self.begun.set()
        self.go_on.wait(5)
        super().add_messages(messages)


def sending(way, bot, *args, **kwargs):
    return (bot.asend if way.is_async else bot.send)(*args, **kwargs)


def ask(way, bot, message):
    """Have a whole turn, streamed or not."""
    made = sending(way, bot, message)
    if bot.declared.options.streaming:
        return way.collect(made)[-1].response
    return way.do(made)


def texts(messages):
    return [message["content"] for message in messages]


def echo(request) -> Reply:
    """Answer with the message that was sent."""
    return text_reply("re: " + request.body["messages"][-1]["content"])


@pytest.fixture(params=["in memory", "file", "sqlite"])
def memory(request, tmp_path):
    made = {
        "in memory": InMemoryMessageHistory,
        "file": lambda: FileMessageHistory(tmp_path / "chat.json"),
        "sqlite": lambda: SQLiteMessageHistory("s", path=tmp_path / "chat.db"),
    }[request.param]()
    made.add_messages(BEFORE)
    return made


@pytest.fixture
def cook(llm):
    @llm.chat
    class Cook: ...

    return Cook


@pytest.fixture
def streaming_cook(llm):
    @llm.chat(streaming=True)
    class Cook: ...

    return Cook


@pytest.fixture
def calculator(llm):
    @llm.chat
    class Calculator:
        def send(self, message: str) -> list[int]: ...

    return Calculator


def still_works(server, way, bot):
    """The history is as before, and the next turn is a good one."""
    unchanged = bot.conversation == BEFORE
    server.enqueue(
        stream_reply(['{"declarai_result": [7]}'])
        if bot.declared.options.streaming
        else text_reply('{"declarai_result": [7]}')
    )
    ask(way, bot, "next")
    return unchanged and texts(server.requests[-1].body["messages"])[-3:] == ["hi", "hello", "next"]


# A turn that fails


@pytest.mark.untraced
@pytest.mark.parametrize(
    "failure",
    [
        (error_reply(500), ProviderError),
        (error_reply(400), ProviderError),
        (bytes_reply(b"<html>", content_type="text/html"), ProviderError),
        (text_reply("no numbers"), OutputError),
        (text_reply('{"declarai_result": [1', finish_reason="length"), OutputTruncated),
        (text_reply(None, message={"refusal": "I will not"}), ModelRefusal),
        (text_reply(""), OutputError),
    ],
)
def test_fault_8_failed_turn_leaves_the_history_as_it_was(server, calculator, memory, way, failure):
    reply, error = failure
    bot = calculator(chat_history=memory)
    server.enqueue(reply)
    with pytest.raises(error):
        ask(way, bot, "count")
    assert still_works(server, way, bot)


@pytest.mark.untraced
@pytest.mark.parametrize(
    "failure",
    [
        (error_reply(500), ProviderError),
        (stream_error_reply(PIECES), ProviderError),
        (stream_reply(PIECES, finish_reason=None, done=False), StreamInterrupted),
        (broken_off(stream_reply(PIECES), at=500), StreamInterrupted),
        (broken_off(stream_reply(PIECES), at=500, end="reset"), StreamInterrupted),
        (stream_reply(PIECES, finish_reason="length"), OutputTruncated),
        (stream_reply(PIECES), OutputError),
    ],
)
def test_failed_stream_leaves_the_history_as_it_was(server, llm, memory, way, failure):
    @llm.chat(streaming=True)
    class Calculator:
        def send(self, message: str) -> list[int]: ...

    reply, error = failure
    bot = Calculator(chat_history=memory)
    server.enqueue(reply)
    with pytest.raises(error):
        ask(way, bot, "count")
    assert still_works(server, way, bot)


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_stream_left_by_break_leaves_the_history_as_it_was(server, streaming_cook, memory, way, after):
    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES))
    way.leave(sending(way, bot, "count"), after)
    assert still_works(server, way, bot)


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_stream_left_by_an_exception_leaves_the_history_as_it_was(server, streaming_cook, memory, after):
    def reading():
        for number, _ in enumerate(bot.send("count"), 1):
            if number == after:
                raise LookupError

    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    with pytest.raises(LookupError):
        reading()
    assert bot.conversation == BEFORE
    assert list(bot.send("next"))[-1].response == "ok"


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_stream_whose_generator_is_dropped_leaves_the_history_as_it_was(server, streaming_cook, memory, after):
    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    steps = bot.send("count")
    for _ in range(after):
        next(steps)
    del steps
    gc.collect()
    assert bot.conversation == BEFORE
    assert list(bot.send("next"))[-1].response == "ok"


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_async_stream_left_by_break_makes_way_for_the_next_turn(server, streaming_cook, memory, after):
    async def talking():
        number = 0
        async for _ in bot.asend("count"):
            number += 1
            if number == after:
                break
        return [response.response async for response in bot.asend("next")][-1]

    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    assert asyncio.run(talking()) == "ok"
    assert [message.message for message in bot.conversation] == ["hi", "hello", "next", "ok"]


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_async_stream_left_by_an_exception_makes_way_for_the_next_turn(server, streaming_cook, memory, after):
    async def reading():
        number = 0
        async for _ in bot.asend("count"):
            number += 1
            if number == after:
                raise LookupError

    async def talking():
        with pytest.raises(LookupError):
            await reading()
        return [response.response async for response in bot.asend("next")][-1]

    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    assert asyncio.run(talking()) == "ok"
    assert [message.message for message in bot.conversation] == ["hi", "hello", "next", "ok"]


def test_cancelled_call_leaves_the_history_as_it_was(server, cook, memory):
    async def talking():
        task = asyncio.create_task(bot.asend("count"))
        await asyncio.to_thread(server.wait_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bot.conversation == BEFORE
        return await bot.asend("next")

    bot = cook(chat_history=memory)
    server.enqueue(text_reply("1", gate=threading.Event(), gate_after=0), text_reply("ok"))
    assert asyncio.run(talking()) == "ok"


@pytest.mark.parametrize("after", range(1, CHUNKS))
def test_cancelled_stream_leaves_the_history_as_it_was(server, streaming_cook, memory, after):
    async def talking():
        task = asyncio.create_task(reading())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bot.conversation == BEFORE
        return [response.response async for response in bot.asend("next")][-1]

    async def reading():
        number = 0
        async for _ in bot.asend("count"):
            number += 1
            if number == after:
                reached.set()
                await asyncio.sleep(60)

    reached = asyncio.Event()
    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    assert asyncio.run(talking()) == "ok"


@pytest.mark.parametrize("gate_after", range(CHUNKS + 1))
def test_stream_cancelled_while_it_waits_leaves_the_history_as_it_was(server, streaming_cook, memory, gate_after):
    async def talking():
        task = asyncio.create_task(reading())
        await asyncio.to_thread(server.wait_requests, 1)
        await asyncio.sleep(0.03)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bot.conversation == BEFORE
        return [response.response async for response in bot.asend("next")][-1]

    async def reading():
        async for _ in bot.asend("count"):
            pass

    bot = streaming_cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES, gate=threading.Event(), gate_after=gate_after), stream_reply(["ok"]))
    assert asyncio.run(talking()) == "ok"


def test_event_stream_that_is_left_leaves_the_history_as_it_was(server, cook, memory, way):
    def reading():
        with bot.stream("count") as stream:
            next(stream)

    async def areading():
        async with bot.astream("count") as stream:
            await anext(stream)

    bot = cook(chat_history=memory)
    server.enqueue(stream_reply(PIECES))
    way.do(areading() if way.is_async else reading())
    assert still_works(server, way, bot)


def test_event_stream_can_be_entered_twice(server, cook):
    bot = cook()
    server.enqueue(stream_reply(["a"]), stream_reply(["b"]))
    stream = bot.stream("count")
    for _ in range(2):
        with stream:
            stream.until_done()
    assert [message.message for message in bot.conversation] == ["count", "a", "count", "b"]


# A turn that is kept though it broke off


@pytest.fixture
def keeping(llm):
    @llm.chat(streaming=True, keep_partial=True, greeting="Hello")
    class Cook: ...

    return Cook


def kept(bot):
    return [(message.message, message.interrupted) for message in bot.conversation]


@pytest.mark.parametrize("after", [2, 3, 4])
def test_abandoned_turn_can_be_kept(server, keeping, way, after):
    bot = keeping()
    server.enqueue(stream_reply(PIECES))
    way.leave(sending(way, bot, "count"), after)
    assert kept(bot) == [("Hello", False), ("count", False), ("".join(PIECES[: after - 1]), True)]


def test_cut_turn_can_be_kept(server, keeping, way):
    bot = keeping()
    server.enqueue(stream_reply(PIECES, finish_reason=None, done=False))
    with pytest.raises(StreamInterrupted):
        ask(way, bot, "count")
    assert kept(bot)[1:] == [("count", False), ("One two three", True)]


def test_cancelled_turn_can_be_kept(server, keeping):
    async def talking():
        task = asyncio.create_task(reading())
        await asyncio.wait([task], timeout=0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def reading():
        async for _ in bot.asend("count"):
            pass

    bot = keeping()
    server.enqueue(stream_reply(PIECES, gate=threading.Event(), gate_after=2))
    asyncio.run(talking())
    assert kept(bot)[1:] == [("count", False), ("One", True)]


def test_turn_that_brought_nothing_is_not_kept(server, keeping, way):
    bot = keeping()
    server.enqueue(error_reply(500))
    with pytest.raises(ProviderError):
        ask(way, bot, "count")
    assert kept(bot) == [("Hello", False)]


def test_regenerated_turn_that_breaks_off_is_kept_in_the_place_of_the_old(server, keeping):
    bot = keeping()
    server.enqueue(stream_reply(["ok"]), stream_reply(PIECES, finish_reason=None, done=False))
    list(bot.send("count"))
    with pytest.raises(StreamInterrupted):
        list(bot.regenerate())
    assert kept(bot) == [("Hello", False), ("count", False), ("One two three", True)]


def test_error_of_a_broken_turn_is_told_even_if_it_cannot_be_stored(server, keeping, way, caplog):
    bot = keeping(chat_history=Broken())
    server.enqueue(stream_reply(PIECES, finish_reason=None, done=False))
    with caplog.at_level(logging.WARNING, "declarai_like"), pytest.raises(StreamInterrupted):
        ask(way, bot, "count")
    assert "could not be stored: the store is full" in caplog.text


# A store that fails


def test_unreadable_history_is_told_before_anything_is_sent(server, cook, way):
    with pytest.raises(HistoryError, match="the store is away"):
        ask(way, cook(chat_history=Broken(reads=False)), "hi")
    assert server.requests == []


def test_answer_that_cannot_be_stored_is_in_the_error(server, calculator, way):
    server.enqueue(text_reply('{"declarai_result": [1, 2]}'))
    with pytest.raises(HistoryWriteError, match="the store is full") as caught:
        ask(way, calculator(chat_history=Broken()), "count")
    assert (caught.value.value, caught.value.response.outcome) == ([1, 2], "complete")


def test_streamed_answer_that_cannot_be_stored_is_in_the_error(server, streaming_cook, way):
    server.enqueue(stream_reply(PIECES))
    with pytest.raises(HistoryWriteError) as caught:
        ask(way, streaming_cook(chat_history=Broken()), "count")
    assert caught.value.response.response == "One two three"


def test_call_that_is_cancelled_while_it_is_stored_is_stored_whole_before_the_next(server, cook):
    async def talking():
        task = asyncio.create_task(bot.asend("a"))
        await asyncio.to_thread(memory.begun.wait, 5)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, memory.go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        await bot.asend("b")

    memory = Slow()
    bot = cook(chat_history=memory)
    server.enqueue(text_reply("1"), text_reply("2"))
    asyncio.run(talking())
    assert [message.message for message in bot.conversation] == ["a", "1", "b", "2"]


# One at a time


def pairs(messages):
    return list(zip(messages[::2], messages[1::2], strict=True))


def assert_serialised(server, bot, count):
    """Each turn is contiguous, and each request shows exactly the turns before its own."""
    conversation = [message.message for message in bot.conversation]
    assert sorted(pairs(conversation)) == sorted((f"{number}", f"re: {number}") for number in range(count))
    assert [texts(request.body["messages"]) for request in server.requests] == [
        conversation[: 2 * number + 1] for number in range(count)
    ]


def test_fault_11_turns_of_50_threads_are_contiguous(server, cook):
    server.default = echo
    bot = cook()
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(bot.send, map(str, range(50))))
    assert replies == [f"re: {number}" for number in range(50)]
    assert_serialised(server, bot, 50)


def test_turns_of_50_tasks_are_contiguous_and_in_order(server, cook):
    async def talking():
        return await asyncio.gather(*(bot.asend(str(number)) for number in range(50)))

    server.default = echo
    bot = cook()
    assert asyncio.run(talking()) == [f"re: {number}" for number in range(50)]
    assert [message.message for message in bot.conversation][::2] == [str(number) for number in range(50)]
    assert_serialised(server, bot, 50)


def test_threads_and_event_loops_wait_for_each_other(server, cook):
    async def talking(numbers):
        await asyncio.gather(*(bot.asend(str(number)) for number in numbers))

    server.default = echo
    bot = cook()
    loops = [threading.Thread(target=lambda n=n: asyncio.run(talking(range(n, n + 5)))) for n in (0, 5)]
    threads = [threading.Thread(target=bot.send, args=(str(number),)) for number in range(10, 20)]
    for thread in (*loops, *threads):
        thread.start()
    for thread in (*loops, *threads):
        thread.join()
    assert_serialised(server, bot, 20)


def test_middleware_sees_the_answer_of_its_own_turn(server, llm):
    seen = []

    class Noting(TaskMiddleware):
        def after(self, task):
            seen.append((self._kwargs["message"], task.llm_response.response))

    @llm.chat(middlewares=[Noting])
    class Cook: ...

    server.default = echo
    bot = Cook()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(bot.send, map(str, range(20))))
    assert sorted(seen) == sorted((str(number), f"re: {number}") for number in range(20))


def test_send_within_an_open_stream_is_an_error_and_no_deadlock(server, streaming_cook, way):
    def nested():
        for _ in bot.send("a"):
            list(bot.send("b"))

    async def anested():
        async for _ in bot.asend("a"):
            async for _ in bot.asend("b"):
                pass

    bot = streaming_cook()
    server.enqueue(stream_reply(PIECES), stream_reply(["ok"]))
    with pytest.raises(HistoryError, match="in the middle of a turn"):
        way.do(anested() if way.is_async else nested())
    assert ask(way, bot, "next") == "ok"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "change", [lambda bot: bot.undo(), lambda bot: bot.add_message("x"), lambda bot: bot.set_memory(Broken())]
)
def test_history_is_not_changed_in_the_middle_of_a_turn(server, streaming_cook, change):
    bot = streaming_cook()
    server.enqueue(stream_reply(PIECES))
    steps = bot.send("a")
    next(steps)
    with pytest.raises(HistoryError, match="in the middle of a turn"):
        change(bot)
    assert [response.response for response in steps][-1] == "One two three"
    assert len(bot.conversation) == 2


def test_message_is_added_after_the_turn_of_another_thread(server, cook):
    bot = cook()
    gate = threading.Event()
    server.enqueue(text_reply("1", gate=gate, gate_after=0))
    talking = threading.Thread(target=bot.send, args=("a",))
    talking.start()
    server.wait_requests(1)
    adding = threading.Thread(target=bot.add_message, args=("b",))
    adding.start()
    gate.set()
    talking.join()
    adding.join()
    assert [message.message for message in bot.conversation] == ["a", "1", "b"]


def test_blocking_send_in_an_event_loop_that_is_in_a_turn_is_an_error(server, cook):
    async def talking():
        task = asyncio.create_task(bot.asend("a"))
        await asyncio.to_thread(server.wait_requests, 1)
        with pytest.raises(HistoryError, match="in the middle of a turn"):
            bot.send("b")
        gate.set()
        return await task

    gate = threading.Event()
    bot = cook()
    server.enqueue(text_reply("1", gate=gate, gate_after=0))
    assert asyncio.run(talking()) == "1"


def test_one_who_is_cancelled_while_waiting_for_the_turn_lets_the_next_one_in(server, cook):
    async def talking():
        first = asyncio.create_task(bot.asend("a"))
        await asyncio.to_thread(server.wait_requests, 1)
        second, third = (asyncio.create_task(bot.asend(text)) for text in "bc")
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        return await first, await third

    gate = threading.Event()
    bot = cook()
    server.enqueue(text_reply("1", gate=gate, gate_after=0), text_reply("3"))
    assert asyncio.run(talking()) == ("1", "3")
    assert [message.message for message in bot.conversation] == ["a", "1", "c", "3"]


def test_turn_that_waits_sees_the_one_before_it(server, cook):
    bot = cook()
    gate = threading.Event()
    server.enqueue(text_reply("1", gate=gate, gate_after=0), text_reply("2"))
    threads = [threading.Thread(target=bot.send, args=(text,)) for text in "ab"]
    threads[0].start()
    server.wait_requests(1)
    threads[1].start()
    gate.set()
    for thread in threads:
        thread.join()
    assert texts(server.requests[-1].body["messages"]) == ["a", "1", "b"]


def test_two_tabs_on_one_store_keep_each_turn_whole(server, cook, tmp_path):
    def talk(number):
        return cook(chat_history=SQLiteMessageHistory("s", path=tmp_path / "chat.db")).send(str(number))

    server.default = echo
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(24)))
    stored = [message.message for message in SQLiteMessageHistory("s", path=tmp_path / "chat.db").history]
    assert sorted(pairs(stored)) == sorted((str(number), f"re: {number}") for number in range(24))


def test_errors_of_chats_are_of_the_library(server, cook):
    server.enqueue(error_reply(500))
    with pytest.raises(DeclaraiError):
        cook().send("hi")

"""A stream in several hands: closed from elsewhere while it is read, and read by several at once."""

import asyncio
import threading

import pytest

from declarai_like.errors import StreamInterrupted
from declarai_like.testing import FakeLLM, bytes_reply, stream_reply

BEGIN = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
PATIENCE = 20
PIECES = [f"{number} " for number in range(30)]


def reading_thread(stream, ended):
    def read():
        try:
            ended.append("".join(stream.text()))
        except StreamInterrupted as error:
            ended.append(error.message)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("head", [BEGIN, b": wait\n\n"], ids=["after the first chunk", "before it"])
def test_close_from_another_thread_wakes_the_reader(server, llm, head):
    server.enqueue(bytes_reply([head], end="hang"))
    stream, ended = llm.stream("hi"), []
    thread = reading_thread(stream, ended)
    while not server.requests:
        pass
    thread.join(1)
    stream.close()
    thread.join(PATIENCE)
    assert (thread.is_alive(), stream.outcome) == (False, "cancelled")
    assert ended[0].startswith("the stream was closed before its end")


def test_close_from_another_thread_stops_a_model_of_ones_own():
    going_on, told = threading.Event(), threading.Event()

    def wait(_):
        told.set()
        going_on.wait(PATIENCE)
        return "Hi"

    stream, ended = FakeLLM([wait]).stream("hi"), []
    thread = reading_thread(stream, ended)
    told.wait(PATIENCE)
    stream.close()
    going_on.set()
    thread.join(PATIENCE)
    assert ended[0].startswith("the stream was closed before its end")


def test_close_from_another_task_wakes_the_reader(server, llm):
    server.enqueue(bytes_reply([BEGIN], end="hang"))

    async def talking():
        stream = llm.astream("hi")
        async with stream:
            reader = asyncio.ensure_future(stream.until_done())
            await asyncio.sleep(0.3)
            await stream.close()
            with pytest.raises(StreamInterrupted, match="was closed before its end"):
                await asyncio.wait_for(reader, PATIENCE)
        return stream.outcome, reader.cancelled()

    assert asyncio.run(talking()) == ("cancelled", False)


def test_task_that_is_cancelled_while_it_reads_is_cancelled(server, llm):
    server.enqueue(bytes_reply([BEGIN], end="hang"))

    async def talking():
        async with llm.astream("hi") as stream:
            reader = asyncio.ensure_future(stream.until_done())
            await asyncio.sleep(0.3)
            reader.cancel()
            await asyncio.wait([reader])
        return reader.cancelled()

    assert asyncio.run(talking())


def test_two_views_in_two_threads_both_have_all(server, llm):
    server.enqueue(stream_reply(PIECES, pause_between=0.01))
    ended = []
    with llm.stream("hi") as stream:
        threads = [reading_thread(stream, ended) for _ in range(2)]
        for thread in threads:
            thread.join(PATIENCE)
    assert ended == ["".join(PIECES)] * 2


def test_two_views_in_two_tasks_both_have_all(server, llm):
    server.enqueue(stream_reply(PIECES, pause_between=0.01))

    async def talking():
        async with llm.astream("hi") as stream:

            async def read():
                return "".join([piece async for piece in stream.text()])

            return await asyncio.gather(read(), read())

    assert asyncio.run(talking()) == ["".join(PIECES)] * 2

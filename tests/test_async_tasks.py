"""What is particular to event loops, and to plain tasks that are called in one."""

import asyncio
import gc
import os
import time
import weakref

import pytest

from declarai_like.testing import stream_reply, text_reply


def slogan(product: str) -> str:
    """Write a slogan"""


async def aslogan(product: str) -> str:
    """Write a slogan"""


def user_message(request) -> str:
    return request.body["messages"][-1]["content"]


@pytest.fixture
def task(llm):
    return llm.task(aslogan)


@pytest.fixture
def streaming(llm):
    return llm.task(streaming=True)(aslogan)


# Plain tasks in a loop


def test_acall_of_a_plain_task_gives_its_value(server, llm):
    server.enqueue(text_reply("Clean."))
    assert asyncio.run(llm.task(slogan).acall("soap")) == "Clean."


def test_arun_of_a_plain_task_gives_its_result(server, llm):
    server.enqueue(text_reply("Clean."))
    assert asyncio.run(llm.task(slogan).arun("soap")).response.response == "Clean."


def test_astream_of_a_plain_task_gives_events(server, llm):
    server.enqueue(stream_reply(["Cl", "ean"]))

    async def reading():
        async with llm.task(slogan).astream("soap") as stream:
            return [piece async for piece in stream.text()]

    assert asyncio.run(reading()) == ["Cl", "ean"]


def test_fault_45_a_plain_call_works_inside_a_running_loop(server, llm):
    server.enqueue(text_reply("Clean."))

    async def calling():
        return llm.task(slogan)("soap")

    assert asyncio.run(calling()) == "Clean."


def test_fault_45_one_task_works_in_one_loop_after_the_other(server, task):
    server.enqueue(text_reply("1"), text_reply("2"), text_reply("3"))
    assert [asyncio.run(task("soap")) for _ in range(3)] == ["1", "2", "3"]


def test_fault_45_a_forked_process_asks_over_a_connection_of_its_own(server, openai):
    task = openai(http_client=None).task(slogan)
    server.default = text_reply("Clean.")
    task("parent")
    child = os.fork()
    if child == 0:
        os._exit(0 if task("child") == "Clean." else 1)
    _, status = os.waitpid(child, 0)
    task("parent")
    connections = [request.connection for request in server.requests]
    assert (status, connections[0] == connections[2], connections[1] == connections[0]) == (0, True, False)


# Coroutines


def test_f47_an_async_task_gives_a_coroutine_that_sends_when_it_is_awaited(server, task):
    server.enqueue(text_reply("Clean."))
    made = task("soap")
    assert asyncio.iscoroutine(made)
    assert not server.requests
    assert asyncio.run(made) == "Clean."


def test_arguments_that_do_not_fit_are_refused_before_the_await(task):
    with pytest.raises(TypeError, match="bogus"):
        task(bogus=1)


def test_an_async_task_has_the_async_names_too(server, task):
    server.enqueue(stream_reply(["1"]), text_reply("2"), text_reply("3"))

    async def calling():
        async with task.astream("soap") as stream:
            return [await stream.result(), await task.acall("soap"), (await task.arun("soap")).value]

    assert asyncio.run(calling()) == ["1", "2", "3"]


def test_calls_that_run_at_once_get_their_own_answers(server, task):
    server.default = lambda request: text_reply(user_message(request))

    async def one(number):
        answer = await task(f"<{number}>")
        return f"<{number}>" in answer and f"<{number}>" in task.llm_response.response

    async def calling():
        return await asyncio.gather(*(one(number) for number in range(50)))

    assert all(asyncio.run(calling()))


def test_a_call_in_a_task_of_its_own_is_not_remembered_outside(server, task):
    server.enqueue(text_reply("inside"))

    async def calling():
        await asyncio.create_task(task("soap"))
        return task.llm_response

    assert asyncio.run(calling()) is None


def test_calls_do_not_wait_for_each_other(server, task):
    server.enqueue(text_reply("a", delay_before=0.3), repeat=5)

    async def calling():
        started = time.monotonic()
        await asyncio.gather(*(task("soap") for _ in range(5)))
        return time.monotonic() - started

    assert asyncio.run(calling()) < 1.2


# Async generators


def test_breaking_out_of_an_async_stream_closes_its_connection(server, streaming):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))

    async def leaving():
        async for step in streaming("soap"):
            if step.response == "a":
                break
        return await asyncio.to_thread(server.wait_disconnect, 1)

    assert asyncio.run(leaving())


def test_cancelling_the_reader_of_a_stream_closes_its_connection(server, streaming):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))

    async def reading():
        async for _ in streaming("soap"):
            pass

    async def cancelling():
        reader = asyncio.create_task(reading())
        await asyncio.to_thread(server.wait_requests, 1)
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        return await asyncio.to_thread(server.wait_disconnect, 1)

    assert asyncio.run(cancelling())


def test_a_wait_that_is_over_reaches_the_stream_and_leaves_the_partial_answer(server, streaming):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))

    async def waiting():
        steps = streaming("soap")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_drain(steps), 0.3)
        return streaming.llm_response

    async def _drain(steps):
        async for _ in steps:
            pass

    response = asyncio.run(waiting())
    assert (response.response, response.outcome) == ("ab", "cancelled")


def test_two_async_streams_that_are_read_in_turn_do_not_mix(server, streaming):
    server.enqueue(stream_reply(["a", "b"]), stream_reply(["x", "y"]))

    async def reading():
        one, two = streaming("1"), streaming("2")
        pairs = [(step.response, (await anext(two)).response) async for step in one]
        await two.aclose()
        return pairs[-1]

    assert asyncio.run(reading()) == ("ab", "xy")


def test_the_async_stream_is_held_weakly(server, streaming):
    server.enqueue(stream_reply(["a"]))

    async def holding():
        steps = streaming("soap")
        same = streaming.llm_stream_response is steps
        async for _ in steps:
            pass
        reference = weakref.ref(steps)
        del steps
        gc.collect()
        return same, reference(), streaming.llm_stream_response

    assert asyncio.run(holding()) == (True, None, None)


def test_a_stream_whose_loop_ends_leaves_no_connection(server, streaming):
    server.enqueue(stream_reply(["a", "b"], end="hang", finish_reason=None, done=False))

    async def beginning():
        await anext(streaming("soap"))

    asyncio.run(beginning())
    assert server.wait_disconnect(timeout=1)

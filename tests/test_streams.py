"""Streams as objects: entering, leaving, views, outcomes, and the sockets below."""

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel
from wire_format import USAGE, chunk, of_choices, sse, tool

from declarai_like import LLMResponse, errors
from declarai_like.testing import (
    broken_off,
    bytes_reply,
    chunks_reply,
    error_reply,
    stream_error_reply,
    stream_reply,
    text_reply,
)

PIECES = ["The ", "Avengers ", "is fun. ", "Go."]
REPLY = stream_reply(PIECES, usage=USAGE)


class Point(BaseModel):
    x: int
    y: int = 0


def endless(pieces=("Hel", "lo")):
    """A stream that is held open after some pieces."""
    return stream_reply(pieces, finish_reason=None, done=False, end="hang")


def open_stream(way, llm, messages="Hi", **options):
    return (llm.astream if way.is_async else llm.stream)(messages, **options)


def reading(way, stream, read):
    """Enter a stream, do something with it, leave it; `read` takes it and gives a list or an awaitable."""

    async def awaiting():
        async with stream:
            return await read(stream)

    def blocking():
        with stream:
            return read(stream)

    return way.do(awaiting()) if way.is_async else blocking()


def view(way, name):
    """Read a view to its end."""

    async def alist(stream):
        return [one async for one in getattr(stream, name)()]

    return alist if way.is_async else lambda stream: list(getattr(stream, name)())


def final(way, stream):
    return way.do(stream.get_final_completion())


# Entering, reading, leaving


def test_nothing_is_sent_before_the_stream_is_entered(way, llm, server):
    stream = open_stream(way, llm)
    assert (stream.response, stream.current_completion_snapshot, stream.outcome) == (None, None, "streaming")
    del stream
    gc.collect()
    assert server.requests == []


def test_stream_is_read_to_its_end(way, llm, server):
    server.enqueue(REPLY)
    stream = open_stream(way, llm)
    events = way.events(stream)
    assert "".join(event.delta for event in events if event.type == "content.delta") == "".join(PIECES)
    assert stream.outcome == stream.response.outcome == "complete"
    assert stream.response.usage.total_tokens == 5
    assert final(way, stream).choices[0].message.content == "".join(PIECES)
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_end_is_reached_from_the_middle(way, llm, server):
    server.enqueue(REPLY)

    async def awaiting(stream):
        events = [await anext(stream), await anext(stream)]
        return events, await stream.until_done(), [event async for event in stream]

    def blocking(stream):
        events = [next(stream), next(stream)]
        return events, stream.until_done(), list(stream)

    stream = open_stream(way, llm)
    events, done, rest = reading(way, stream, awaiting if way.is_async else blocking)
    assert [event.type for event in events] == ["chunk", "chunk"]
    assert done is stream
    assert rest == []
    assert final(way, stream) == final(way, stream)


def test_two_loops_go_on_with_each_other(llm, server):
    server.enqueue(REPLY)
    with llm.stream("Hi") as stream:
        first = [event for _, event in zip(range(3), stream, strict=False)]
        rest = list(stream)
    assert len(first) + len(rest) == 7 + 4 + 1


def test_stream_can_be_read_without_being_entered(way, llm, server):
    server.enqueue(REPLY)
    assert way.do(open_stream(way, llm).result()) == "".join(PIECES)


def test_entering_again_sends_again(way, llm, server):
    server.enqueue(REPLY, stream_reply(["other"]))
    stream = open_stream(way, llm)
    assert len(way.events(stream)) == 12
    assert [event.delta for event in way.events(stream) if event.type == "content.delta"] == ["other"]
    assert len(server.requests) == 2


def test_entering_again_closes_what_was_open(way, llm, server):
    server.enqueue(endless(), REPLY)
    stream = open_stream(way, llm)

    async def awaiting():
        await stream.__aenter__()
        async with stream:
            return await stream.result()

    def blocking():
        stream.__enter__()
        with stream:
            return stream.result()

    assert (way.do(awaiting()) if way.is_async else blocking()) == "".join(PIECES)
    assert server.requests[0].disconnected.wait(2)


def test_refused_request_is_told_when_entering(way, llm, server):
    server.enqueue(error_reply(404, "no such model"))
    stream = open_stream(way, llm)
    with pytest.raises(errors.NotFoundError):
        way.events(stream)
    assert (stream.response, stream.outcome) == (None, "interrupted")
    with pytest.raises(errors.NotFoundError):
        final(way, stream)


def test_leaving_without_reading_cancels(way, llm, server):
    server.enqueue(endless())
    stream = open_stream(way, llm)

    async def anothing(_stream): ...

    reading(way, stream, anothing if way.is_async else lambda _stream: None)
    assert server.wait_disconnect(2)
    assert stream.outcome == "cancelled"
    for _ in range(3):
        with pytest.raises(errors.StreamInterrupted, match="closed before its end") as caught:
            final(way, stream)
        assert caught.value.completion == stream.current_completion_snapshot
    assert caught.value.response is stream.response


def test_exception_inside_passes_and_closes(way, llm, server):
    server.enqueue(endless())
    stream = open_stream(way, llm)

    async def awaiting(stream):
        async for event in stream:
            if event.type == "content.delta":
                raise ZeroDivisionError

    def blocking(stream):
        for event in stream:
            if event.type == "content.delta":
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reading(way, stream, awaiting if way.is_async else blocking)
    assert server.wait_disconnect(2)
    assert stream.outcome == stream.response.outcome == "cancelled"
    assert stream.response.response == "Hel"


def test_closing_twice_or_too_early_is_fine(way, llm, server):
    stream = open_stream(way, llm)
    way.do(stream.close())
    way.do(stream.close())
    assert stream.outcome == "cancelled"
    with pytest.raises(errors.StreamInterrupted):
        way.do(stream.result())
    assert server.requests == []


def test_closing_after_the_end_changes_nothing(way, llm, server):
    server.enqueue(REPLY)
    stream = open_stream(way, llm)
    way.events(stream)
    way.do(stream.close())
    assert stream.outcome == "complete"
    assert way.do(stream.result()) == "".join(PIECES)


def test_dropped_stream_closes_its_connection(llm, server):
    server.enqueue(endless())
    stream = llm.stream("Hi")
    stream.__enter__()
    del stream
    gc.collect()
    assert server.wait_disconnect(2)


def test_dropped_awaited_stream_closes_its_connection(llm, server):
    server.enqueue(endless())

    async def main():
        stream = llm.astream("Hi")
        await stream.__aenter__()
        del stream
        gc.collect()
        return await asyncio.to_thread(server.wait_disconnect, 2)

    assert asyncio.run(main())


@pytest.mark.parametrize("leave", ["break", "close", "drop", "throw"])
def test_plain_generator_that_is_left_closes_its_connection(leave, llm, server):
    server.enqueue(endless())

    @llm.task(streaming=True)
    def about(movie: str) -> str:
        """Say something"""

    steps = about(movie="Jaws")
    assert next(steps).outcome == "streaming"
    kept = next(steps)
    if leave == "throw":
        with pytest.raises(ZeroDivisionError):
            steps.throw(ZeroDivisionError())
    elif leave == "close":
        steps.close()
    del steps
    assert server.wait_disconnect(2)
    assert about.llm_response.outcome == "cancelled"
    assert kept.response == "Hel"


def test_reader_that_is_cancelled_is_cancelled_and_the_connection_closed(llm, server):
    server.enqueue(endless())

    async def main():
        stream = llm.astream("Hi")

        async def read():
            async with stream:
                await stream.until_done()

        reader = asyncio.create_task(read())
        while stream.response is None or stream.response.response != "Hello":  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await asyncio.to_thread(server.wait_disconnect, 2)
        return stream

    stream = asyncio.run(main())
    assert stream.outcome == "cancelled"
    assert stream.response.response == "Hello"
    with pytest.raises(errors.StreamInterrupted) as caught:
        asyncio.run(stream.result())
    assert caught.value.response.response == "Hello"


def test_reader_that_waits_too_long_is_stopped_by_its_own_limit(llm, server):
    server.enqueue(endless())

    async def main():
        async with llm.astream("Hi") as stream:
            await asyncio.wait_for(stream.until_done(), 0.2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    assert server.wait_disconnect(2)


def test_interrupted_reader_leaves_nothing_open(llm, server):
    server.enqueue(endless())
    stream = llm.stream("Hi").__enter__()
    steps = stream._steps
    assert next(stream).type == "chunk"
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt())
    assert server.wait_disconnect(2)
    assert stream.response.outcome == "cancelled"


# Views


def test_views_begin_at_the_start_and_can_be_read_again(way, llm, server):
    server.enqueue(REPLY)
    stream = open_stream(way, llm)
    way.events(stream)
    for _ in range(2):
        assert reading_after(way, stream, "text") == PIECES
        steps = reading_after(way, stream, "responses")
        assert [step.content for step in steps] == ["", *PIECES, ""]
        assert steps[-1] is stream.response


def reading_after(way, stream, name):
    made = view(way, name)(stream)
    return way.do(made) if way.is_async else made


def test_view_is_live(llm, server):
    gate = threading.Event()
    server.enqueue(stream_reply(PIECES, gate=gate, gate_after=3))
    with llm.stream("Hi") as stream:
        text = stream.text()
        assert [next(text), next(text)] == PIECES[:2]
        gate.set()
        assert list(text) == PIECES[2:]


def test_forks_read_one_request_each_at_its_own_pace(llm, server):
    server.enqueue(REPLY)
    with llm.stream("Hi") as stream:
        one, other = stream.fork(), stream.fork()
        first = next(one)
        assert [first, *one] == list(other) == list(stream)
    assert len(server.requests) == 1


def test_forks_are_read_in_threads(llm, server):
    server.enqueue(REPLY)
    with llm.stream("Hi") as stream, ThreadPoolExecutor(4) as pool:
        kinds = list(pool.map(lambda fork: [event.type for event in fork], [stream.fork() for _ in range(4)]))
    assert all(one == kinds[0] for one in kinds)
    assert kinds[0].count("content.delta") == len(PIECES)


def test_fork_that_is_left_ends_no_other(llm, server):
    gate = threading.Event()
    server.enqueue(stream_reply(PIECES, gate=gate, gate_after=2))

    async def read(stream):
        left, waiting, other = stream.fork(), stream.fork(), stream.fork()
        await anext(left)
        await left.aclose()
        shown = asyncio.Event()
        leaving = asyncio.ensure_future(read_all(waiting, shown, PIECES[0]))
        await shown.wait()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        return await read_all(other)

    async def run():
        async with llm.astream("Hi") as stream:
            return await read(stream), stream.outcome

    events, outcome = asyncio.run(run())
    assert "".join(event.delta for event in events if event.type == "content.delta") == "".join(PIECES)
    assert outcome == "complete"


async def read_all(events, shown=None, text=None):
    """Read events; tell once a text has come."""
    read = []
    async for event in events:
        read.append(event)
        if event.type == "chunk" and event.response.response == text:
            shown.set()
    return read


def test_forks_are_all_told_the_error(llm, server):
    server.enqueue(broken_off(REPLY, 600))
    with llm.stream("Hi") as stream:
        for fork in (stream.fork(), stream.fork()):
            with pytest.raises(errors.StreamInterrupted):
                list(fork)


def test_forks_in_tasks_are_all_told_the_error(llm, server, caplog):
    server.enqueue(broken_off(REPLY, 600))

    async def run():
        async with llm.astream("Hi") as stream:
            forks = [read_all(stream.fork()) for _ in range(2)]
            return await asyncio.gather(*forks, return_exceptions=True)

    assert [type(error) for error in asyncio.run(run())] == [errors.StreamInterrupted] * 2
    assert "never retrieved" not in caplog.text


def test_closing_wakes_the_readers_of_forks(llm, server, caplog):
    server.enqueue(endless())

    async def run():
        async with llm.astream("Hi") as stream:
            shown = asyncio.Event()
            readers = [asyncio.ensure_future(read_all(stream.fork(), shown, "Hello")) for _ in range(3)]
            await shown.wait()
            await stream.close()
            return await asyncio.gather(*readers, return_exceptions=True)

    assert [type(error) for error in asyncio.run(run())] == [errors.StreamInterrupted] * 3
    assert "never retrieved" not in caplog.text


def test_text_by_the_sentence(way, llm, server):
    server.enqueue(REPLY)
    sentences = reading(way, open_stream(way, llm), view(way, "sentences"))
    assert [sentence.strip() for sentence in sentences] == ["The Avengers is fun.", "Go."]


def test_partials_grow_to_the_value(way, llm, server):
    server.enqueue(stream_reply(['{"x": 1', ', "y": 2', "}"]))
    stream = open_stream(way, llm, output_type=Point)
    partials = reading(way, stream, view(way, "partials"))
    assert partials[-1] == Point(x=1, y=2)
    assert [partial.x for partial in partials] == [None, *[1] * (len(partials) - 1)]
    assert reading_after(way, stream, "partials")[-1] == Point(x=1, y=2)
    assert way.do(stream.result()) == Point(x=1, y=2)


def test_items_come_as_they_close(way, llm, server):
    pieces = ['{"declarai_result": [{"x": 1}', ', {"x": 2}, {"x"', ": 3}]}"]
    server.enqueue(stream_reply(pieces))
    stream = open_stream(way, llm, output_type=list[Point])
    assert reading(way, stream, view(way, "items")) == [Point(x=1), Point(x=2), Point(x=3)]
    assert reading_after(way, stream, "items") == [Point(x=1), Point(x=2), Point(x=3)]


def test_other_choices_are_no_part_of_the_views(way, llm, server):
    chunks = [
        chunk('[{"x": 1}]'),
        chunk('[{"x": 9}]', index=1),
        chunk(finish="stop"),
        chunk(finish="stop", index=1),
    ]
    server.enqueue(chunks_reply(chunks))
    stream = open_stream(way, llm, output_type=list[Point], n=2)
    assert reading(way, stream, view(way, "items")) == [Point(x=1)]
    assert reading_after(way, stream, "partials")[-1] == [Point(x=1)]
    assert reading_after(way, stream, "text") == ['[{"x": 1}]']


# Errors


def test_broken_stream_keeps_raising_and_keeps_what_had_come(way, llm, server):
    server.enqueue(broken_off(stream_reply(["Hel", "lo"]), at=420))
    stream = open_stream(way, llm)
    seen = []
    with pytest.raises(errors.StreamInterrupted) as caught:
        way.collect(stream, seen)
    assert [event.type for event in seen] == ["chunk", "chunk", "content.delta"]
    assert stream.outcome == stream.response.outcome == "interrupted"
    for again in (lambda: final(way, stream), lambda: way.do(stream.result()), lambda: way.collect(stream)):
        with pytest.raises(errors.StreamInterrupted) as other:
            again()
        assert other.value is caught.value
    assert caught.value.response.response == "Hel"
    assert caught.value.completion.choices[0].message.content == "Hel"
    assert isinstance(caught.value.__cause__, errors.ProviderConnectionError)


def test_error_inside_the_stream_carries_what_had_come(way, llm, server):
    server.enqueue(stream_error_reply(["Hel"], "overloaded", code=529))
    with pytest.raises(errors.ServerError, match="overloaded") as caught:
        way.events(open_stream(way, llm))
    assert caught.value.response.response == "Hel"
    assert (caught.value.code, caught.value.status, caught.value.phase) == (529, 529, "stream")


def test_answer_that_is_not_of_its_type_is_told_after_the_last_event(way, llm, server):
    server.enqueue(stream_reply(['{"x": "no"}'], usage=USAGE))
    stream = open_stream(way, llm, output_type=Point)
    seen = []
    with pytest.raises(errors.OutputError):
        way.collect(stream, seen)
    assert [event.type for event in seen][-3:] == ["chunk", "content.done", "chunk"]
    assert stream.response.usage.total_tokens == 5
    assert stream.outcome == "complete"


def test_last_step_is_shown_before_an_answer_of_another_type_is_told(way, llm, server):
    server.enqueue(stream_reply(['{"x": 1'], finish_reason="length", usage=USAGE))
    stream = open_stream(way, llm, output_type=Point)
    seen = []
    with pytest.raises(errors.OutputTruncated) as caught:
        way.collect(stream.responses(), seen)
    assert seen[-1] is caught.value.response
    assert seen[-1].outcome == "truncated"
    assert stream.outcome == "truncated"


def test_refusal_and_silence_are_told_by_the_result_only(way, llm, server):
    refusal = [chunk("", refusal=""), chunk(refusal="No."), chunk(finish="stop")]
    server.enqueue(chunks_reply(refusal), chunks_reply([chunk(""), chunk(finish="stop")]))
    stream = open_stream(way, llm, output_type=Point)
    assert [event.type for event in way.events(stream)][-1] == "refusal.done"
    assert stream.outcome == "refused"
    with pytest.raises(errors.ModelRefusal):
        way.do(stream.result())
    assert [event.type for event in way.events(stream)] == ["chunk", "chunk"]
    with pytest.raises(errors.OutputError, match="empty"):
        way.do(stream.result())


def test_tool_calls_come_back(way, llm, server):
    schema = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    server.enqueue(chunks_reply([chunk(tool_calls=[tool(0, "a", "f", "{}")]), chunk(finish="tool_calls")]))
    stream = open_stream(way, llm, tools=[schema])
    way.events(stream)
    assert stream.response.tool_calls[0].parsed_arguments == {}
    assert server.requests[0].body["tools"] == [schema]


def test_middleware_may_answer_without_a_provider(way, openai):
    def answering(request, send):
        return LLMResponse(response="made up")
        yield

    llm = openai()
    llm.options = llm.options.merge(middlewares=[answering])
    stream = open_stream(way, llm)
    assert way.events(stream) == []
    assert way.do(stream.result()) == "made up"
    assert stream.response is stream._call.result.response
    with pytest.raises(errors.StreamInterrupted, match="no provider was asked"):
        final(way, stream)
    assert [step.response for step in reading_after(way, stream, "responses")] == ["made up"]


# Connections


@pytest.mark.parametrize("done", [True, False])
def test_connection_is_used_again_after_a_whole_stream(way, openai, server, done):
    server.enqueue(stream_reply(PIECES, done=done), repeat=20)
    llm = openai(http_client=None)

    def once():
        return way.result(open_stream(way, llm))

    assert [once() for _ in range(20)] == ["".join(PIECES)] * 20
    assert server.connections == 1


def test_connection_is_used_again_by_plain_generators(openai, server):
    server.enqueue(stream_reply(PIECES), repeat=5)
    llm = openai(http_client=None, stream=True)

    @llm.task
    def about(movie: str) -> str:
        """Say something"""

    for _ in range(5):
        assert list(about(movie="Jaws"))[-1].outcome == "complete"
    assert server.connections == 1


@pytest.mark.parametrize("rest", [[], [b": more\n\n"] * 3])
def test_body_that_does_not_end_holds_nobody_up(way, openai, server, rest):
    llm = openai(http_client=None)
    held = bytes_reply([sse(chunk("Hi"), chunk(finish="stop")), *rest], end="hang")
    server.enqueue(REPLY, held, REPLY)
    way.result(open_stream(way, llm))
    started = time.monotonic()
    assert way.result(open_stream(way, llm)) == "Hi"
    assert 0.05 < time.monotonic() - started < 15
    assert way.result(open_stream(way, llm)) == "".join(PIECES)


def test_body_that_goes_on_for_ever_holds_nobody_up(way, openai, server):
    def writes():
        yield sse(chunk("Hi"), chunk(finish="stop"))
        while True:
            yield b": more\n\n"

    server.enqueue(bytes_reply(writes(), pause_between=0.01))
    started = time.monotonic()
    assert way.result(open_stream(way, openai(http_client=None))) == "Hi"
    assert time.monotonic() - started < 1
    assert server.wait_disconnect(2)


def test_whole_answer_in_the_place_of_a_stream_is_taken(way, llm, server):
    server.enqueue(text_reply("Hi there", usage=USAGE))
    stream = open_stream(way, llm)
    assert [event.type for event in way.events(stream)] == ["chunk", "content.delta", "content.done"]
    assert stream.response.response == "Hi there"
    assert stream.response.usage.total_tokens == 5


def test_usage_comes_with_the_last_step_of_a_plain_generator(way, openai, server):
    server.enqueue(chunks_reply([chunk("Hi"), chunk(finish="stop"), of_choices(usage=USAGE)]))
    llm = openai(stream=True)

    @llm.task
    @way.define
    def about(movie: str) -> str:
        """Say something"""

    steps = way.collect(about(movie="Jaws"))
    assert next(step.usage for step in steps) is None
    assert steps[-1].usage.total_tokens == 5
    assert steps[-1].raw_response["choices"][0]["finish_reason"] == "stop"

"""The code of the Writer SDK's page on its streaming helpers: `client.chat.stream(...)` is `llm.astream(...)`."""

import asyncio

import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.completions import Completion, TokenLogprob
from declarai_like.errors import StreamInterrupted
from declarai_like.testing import chunks_reply, stream_reply

MESSAGES = [{"role": "user", "content": "Tell me about Paris"}]


class City(BaseModel):
    name: str
    river: str


@pytest.fixture
def client(server):
    return declarai.openai(model="another", openai_token="test", base_url=server.base_url, max_retries=0)


def chunk(delta=None, *, finish_reason=None, logprobs=None):
    choice = {"index": 0, "delta": delta or {}, "logprobs": logprobs, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "palmyra-x-004", "choices": [choice]}


def logprob(token, value):
    return {"token": token, "logprob": value, "bytes": [65], "top_logprobs": []}


def events_of(client, *kinds, **options):
    """Ask, and give the events of these kinds."""

    async def read():
        async with client.astream(model="palmyra-x-004", messages=MESSAGES, **options) as stream:
            return [event async for event in stream if event.type in kinds]

    return asyncio.run(read())


def test_chat_completion_api(server, client, capsys):
    server.enqueue(stream_reply(["Par", "is."]))

    async def main():
        async with client.astream(
            model="palmyra-x-004",
            messages=MESSAGES,
        ) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    print(event.content, flush=True, end="")  # noqa: T201 - as on the page

    asyncio.run(main())

    assert capsys.readouterr().out == "Paris."
    body = server.requests[0].body
    assert (body["model"], body["messages"], body["stream"]) == ("palmyra-x-004", MESSAGES, True)


def test_the_sync_stream_is_an_iterator_and_the_async_one_an_async_iterator(server, client):
    server.enqueue(stream_reply(["Paris."]), repeat=2)

    async def first():
        async with client.astream(MESSAGES) as stream:
            assert aiter(stream) is stream
            return await anext(stream)

    with client.stream(MESSAGES) as stream:
        assert iter(stream) is stream
        assert next(stream).type == "chunk"
    assert asyncio.run(first()).type == "chunk"


def test_leaving_the_context_closes_the_response(server, client):
    server.enqueue(stream_reply(["Paris."] * 3, pause_between=0.05))
    with client.stream(MESSAGES) as stream:
        next(stream)
    assert server.wait_disconnect()


def test_chunk_event(server, client):
    raws = [chunk({"role": "assistant", "content": "Par"}), chunk({"content": "is."}), chunk(finish_reason="stop")]
    server.enqueue(chunks_reply(raws))
    events = events_of(client, "chunk")
    assert [event.type for event in events] == ["chunk"] * 3
    assert all(isinstance(event.chunk, ChatCompletionChunk) for event in events)
    assert [event.chunk.choices[0].delta.content for event in events] == ["Par", "is.", None]
    assert all(isinstance(event.snapshot, Completion) for event in events)
    assert [event.snapshot.choices[0].message.content for event in events] == ["Par", "Paris.", "Paris."]


def test_content_delta_event(server, client):
    server.enqueue(stream_reply(["Par", "is."]))
    events = events_of(client, "content.delta")
    assert [(event.type, event.delta, event.snapshot, event.parsed) for event in events] == [
        ("content.delta", "Par", "Par", None),
        ("content.delta", "is.", "Paris.", None),
    ]


def test_content_delta_event_with_a_type(server, client):
    server.enqueue(stream_reply(['{"name": "Paris",', ' "river": "Sei', 'ne"}']))
    events = events_of(client, "content.delta", output_type=City)
    assert events[0].parsed.name == "Paris"
    assert events[1].parsed.river == "Sei"
    assert events[2].parsed == City(name="Paris", river="Seine")


def test_content_done_event(server, client):
    server.enqueue(stream_reply(["Par", "is."]))
    [event] = events_of(client, "content.done")
    assert (event.type, event.content, event.parsed) == ("content.done", "Paris.", None)


def test_content_done_event_with_a_type(server, client):
    text = '{"name": "Paris", "river": "Seine"}'
    server.enqueue(stream_reply([text]))
    [event] = events_of(client, "content.done", output_type=City)
    assert (event.content, event.parsed) == (text, City(name="Paris", river="Seine"))


def test_content_done_event_is_fired_for_each_choice(server, client):
    chunks = [
        {**chunk(), "choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]}
        for index, text in enumerate("ab")
    ]
    server.enqueue(chunks_reply(chunks))
    events = events_of(client, "content.done", n=2)
    assert [(event.choice_index, event.content) for event in events] == [(0, "a"), (1, "b")]


def test_refusal_events(server, client):
    server.enqueue(
        chunks_reply([chunk({"refusal": "I'm "}), chunk({"refusal": "sorry."}), chunk(finish_reason="stop")])
    )
    *deltas, done = events_of(client, "refusal.delta", "refusal.done")
    assert [(event.type, event.delta, event.snapshot) for event in deltas] == [
        ("refusal.delta", "I'm ", "I'm "),
        ("refusal.delta", "sorry.", "I'm sorry."),
    ]
    assert (done.type, done.refusal) == ("refusal.done", "I'm sorry.")


@pytest.mark.parametrize("kind", ["content", "refusal"])
def test_logprobs_events(server, client, kind):
    other = "refusal" if kind == "content" else "content"
    first, second = logprob("Par", -0.1), logprob("is.", -0.2)
    chunks = [
        chunk({kind: "Par"}, logprobs={kind: [first], other: None}),
        chunk({kind: "is."}, logprobs={kind: [second], other: None}),
        chunk(finish_reason="stop"),
    ]
    server.enqueue(chunks_reply(chunks))
    *deltas, done = events_of(client, f"logprobs.{kind}.delta", f"logprobs.{kind}.done", logprobs=True)
    one, two = TokenLogprob("Par", -0.1, (65,)), TokenLogprob("is.", -0.2, (65,))
    assert [(event.type, getattr(event, kind), event.snapshot) for event in deltas] == [
        (f"logprobs.{kind}.delta", [one], [one]),
        (f"logprobs.{kind}.delta", [two], [one, two]),
    ]
    assert (done.type, getattr(done, kind)) == (f"logprobs.{kind}.done", [one, two])


def test_get_final_completion(server, client, capsys):
    server.enqueue(stream_reply(["Par", "is."]))

    async def main():
        async with client.astream(MESSAGES) as stream:
            async for _ in stream:  # the page's `...`: what is left unread when the context is left, is never sent
                pass

        completion = await stream.get_final_completion()
        print(completion.choices[0].message)  # noqa: T201 - as on the page
        return completion

    completion = asyncio.run(main())
    assert isinstance(completion, Completion)
    assert completion.choices[0].message.content == "Paris."
    assert completion.choices[0].finish_reason == "stop"
    assert "content='Paris.'" in capsys.readouterr().out


def test_get_final_completion_reads_the_rest(server, client):
    server.enqueue(stream_reply(["Par", "is."]))

    async def main():
        async with client.astream(MESSAGES) as stream:
            return await stream.get_final_completion()

    assert asyncio.run(main()).choices[0].message.content == "Paris."


def test_get_final_completion_of_a_stream_that_was_left_is_no_success(server, client):
    server.enqueue(stream_reply(["Par", "is."]), repeat=2)

    async def main():
        async with client.astream(MESSAGES) as stream:
            ...  # the page's code, to the letter
        await stream.get_final_completion()

    with pytest.raises(StreamInterrupted):
        asyncio.run(main())


def test_until_done(server, client):
    server.enqueue(stream_reply(["Par", "is."]))

    async def main():
        async with client.astream(MESSAGES) as stream:
            await stream.until_done()
            # stream is now finished
            assert stream.outcome == "complete"
        return stream

    stream = asyncio.run(main())
    assert stream.current_completion_snapshot.choices[0].message.content == "Paris."


def test_the_stream_is_available_outside_the_context(server, client):
    server.enqueue(stream_reply(["Par", "is."]))
    with client.stream(MESSAGES) as stream:
        stream.until_done()
    assert stream.get_final_completion().choices[0].message.content == "Paris."
    assert stream.result() == "Paris."
    assert stream.response.response == "Paris."
    assert list(stream.text()) == ["Par", "is."]
    assert list(stream) == []

"""The code of PolarGrid's page on streaming, from JavaScript to Python.

`client.chatCompletionStream({...})` is `llm.stream(...)`, read as responses, and `client.completionStream({...})` is
`llm.complete(..., streaming=True)`; `finishReason` is `finish_reason`.
"""

import asyncio
import json
import sys

import pytest

import declarai_like as declarai
from declarai_like.errors import StreamInterrupted
from declarai_like.testing import broken_off, bytes_reply, chunks_reply, completion_stream_reply, stream_reply

MODEL = "llama-3.1-8b"
CHUNK = json.loads(
    """
    {
      "id": "chatcmpl-abc123",
      "object": "chat.completion.chunk",
      "created": 1234567890,
      "model": "llama-3.1-8b",
      "choices": [
        {
          "index": 0,
          "delta": {
            "role": "assistant",
            "content": "Once"
          },
          "finish_reason": null
        }
      ]
    }
    """
)
RAW_STREAM = b"""\
data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","choices":[{"delta":{"role":"assistant"}}]}

data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","choices":[{"delta":{"content":"Once"}}]}

data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","choices":[{"delta":{"content":" upon"}}]}

data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop"}]}

data: [DONE]

"""


@pytest.fixture
def client(server):
    return declarai.openai(model="another", openai_token="test", base_url=server.base_url, max_retries=0)


def ask(client, **options):
    return client.astream([{"role": "user", "content": "Tell me a story about a robot"}], model=MODEL, **options)


def test_chat_completion_streaming(server, client, capsys):
    server.enqueue(stream_reply(["Once", " upon"]))

    async def main():
        async with client.astream(
            model="llama-3.1-8b",
            messages=[{"role": "user", "content": "Tell me a story about a robot"}],
            max_tokens=500,
        ) as stream:
            async for chunk in stream.responses():
                content = chunk.choices[0].delta.content
                if content:
                    sys.stdout.write(content)

                # Check for completion
                if chunk.choices[0].finish_reason:
                    print("\n\nFinished:", chunk.choices[0].finish_reason)  # noqa: T201 - as on the page

    asyncio.run(main())

    assert capsys.readouterr().out == "Once upon\n\nFinished: stop\n"
    body = server.requests[0].body
    assert (body["model"], body["max_tokens"], body["stream"]) == ("llama-3.1-8b", 500, True)


def test_text_completion_streaming(server, client, capsys):
    server.enqueue(completion_stream_reply([" there", " was", " a robot"]))

    async def main():
        async for chunk in client.acomplete(
            prompt="Once upon a time",
            model="llama-3.1-8b",
            max_tokens=200,
            streaming=True,
        ):
            sys.stdout.write(chunk.choices[0].text)

    asyncio.run(main())

    assert capsys.readouterr().out == " there was a robot"
    request = server.requests[0]
    assert request.path == "/v1/completions"
    assert (request.body["model"], request.body["prompt"], request.body["max_tokens"]) == (
        "llama-3.1-8b",
        "Once upon a time",
        200,
    )


def test_text_completion_streaming_without_an_event_loop(server, client):
    server.enqueue(completion_stream_reply([" there", " was"]))
    chunks = list(client.complete("Once upon a time", streaming=True))
    assert [chunk.choices[0].text for chunk in chunks] == [chunk.content for chunk in chunks] == [" there", " was"]
    assert chunks[-1].response == " there was"


def test_chunk_format(server, client):
    server.enqueue(chunks_reply([CHUNK, {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]))
    with client.stream("Tell me a story") as stream:
        first, last = stream.responses()
    assert first.raw_response == CHUNK
    assert first.raw_response["choices"][0]["delta"] == {"role": "assistant", "content": "Once"}
    assert (first.role, first.content, first.finish_reason) == ("assistant", "Once", None)
    assert (first.chunk.id, first.chunk.created, first.model) == ("chatcmpl-abc123", 1234567890, MODEL)
    assert (last.content, last.finish_reason) == ("", "stop")


def test_sse_format_of_the_raw_api(server, client):
    """The page's choices have no `index`."""
    server.enqueue(bytes_reply(RAW_STREAM))
    with client.stream("Tell me a story") as stream:
        chunks = list(stream.responses())
    assert [chunk.raw_response["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant"},
        {"content": "Once"},
        {"content": " upon"},
        {},
    ]
    assert [chunk.response for chunk in chunks] == ["", "Once", "Once upon", "Once upon"]
    assert stream.outcome == "complete"


def test_browser_example(server, client):
    server.enqueue(stream_reply(["Once", " upon"]))

    class OutputElement:
        text_content = "old"

    output_element = OutputElement()

    async def stream_chat(prompt):
        output_element.text_content = ""

        async with client.astream(model="llama-3.1-8b", messages=[{"role": "user", "content": prompt}]) as stream:
            async for chunk in stream.responses():
                content = chunk.choices[0].delta.content
                if content:
                    output_element.text_content += content

    asyncio.run(stream_chat("Tell me a story"))

    assert output_element.text_content == "Once upon"


def test_react_hook_example(server, client):
    server.enqueue(stream_reply(["Once", " upon"]))
    states, streamings = [], []

    async def stream(messages):
        response = ""
        states.append(response)
        streamings.append(True)

        try:
            async with client.astream(model="llama-3.1-8b", messages=messages) as answer:
                async for chunk in answer.responses():
                    content = chunk.choices[0].delta.content
                    if content:
                        response += content
                        states.append(response)
        finally:
            streamings.append(False)

    asyncio.run(stream([{"role": "user", "content": "Tell me a story"}]))

    assert states == ["", "Once", "Once upon"]
    assert streamings == [True, False]


@pytest.mark.parametrize(
    ("finish_reason", "outcome"), [("stop", "complete"), ("length", "truncated"), ("content_filter", "filtered")]
)
def test_finish_reasons(server, client, finish_reason, outcome):
    server.enqueue(stream_reply(["Once"], finish_reason=finish_reason))
    with client.stream("Tell me a story") as stream:
        *_, last = stream.responses()
    assert last.choices[0].finish_reason == last.finish_reason == finish_reason
    assert last.outcome == stream.outcome == outcome


def test_tip_always_check_for_content(server, client):
    """Some chunks have no content: `content` is then empty, and never `None`."""
    deltas = [{"role": "assistant"}, {"content": None}, {"content": ""}, {"content": "Once"}]
    chunks = [{**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    finish = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    server.enqueue(chunks_reply([*chunks, finish]))
    with client.stream("Tell me a story") as stream:
        assert [chunk.content for chunk in stream.responses()] == ["", "", "", "Once", ""]


def test_tip_handle_the_finish_reason(server, client):
    """A reason that is on no list is kept as it is."""
    server.enqueue(stream_reply(["Once"], finish_reason="eos_token"))
    with client.stream("Tell me a story") as stream:
        stream.until_done()
    assert stream.response.finish_reason == "eos_token"
    assert stream.outcome == "complete"


def test_tip_buffer_until_punctuation(server, client):
    server.enqueue(stream_reply(["Dr. Bot met R", "2. It co", "st $3.50", ". “Why", "?” she", " asked. The", " end"]))

    async def main():
        async with ask(client) as stream:
            return [sentence async for sentence in stream.sentences()]

    assert asyncio.run(main()) == ["Dr. Bot met R2.", "It cost $3.50.", "“Why?” she asked.", "The end"]


def test_tip_a_sentence_is_shown_before_the_answer_has_ended(server, client):
    server.enqueue(stream_reply(["He left.", " She", " stayed"]))
    with client.stream("Tell me a story") as stream:
        assert next(stream.sentences()) == "He left."
        assert stream.outcome == "streaming"
        assert list(stream.sentences()) == ["He left.", "She stayed"]


def test_tip_error_handling(server, client):
    """A network error in the middle of the stream can be caught, with what had come."""
    reply = stream_reply(["Once", " upon", " a time"])
    server.enqueue(broken_off(reply, at=reply.body.index(b" a time"), end="reset"))

    async def main():
        shown = ""
        try:
            async with ask(client) as stream:
                async for chunk in stream.responses():
                    shown += chunk.content
        except declarai.DeclaraiError as error:
            return shown, error

    shown, error = asyncio.run(main())
    assert shown == "Once upon"
    assert isinstance(error, StreamInterrupted)
    assert error.response.response == "Once upon"
    assert error.response.outcome == "interrupted"

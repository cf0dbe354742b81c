"""The code of Mirascope's page on streaming: `OpenAIPrompt` is `llm.Prompt`, `OpenAICallParams` is `CallParams`."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator

import pytest
from openai.types.chat import ChatCompletionChunk

import declarai_like as declarai
from declarai_like.prompts import CallParams as OpenAICallParams
from declarai_like.testing import stream_chunks, stream_reply

PIECES = ["Apple", " pie", ", apple", " cake."]
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


@pytest.fixture
def openai_prompt(server, monkeypatch):
    monkeypatch.delenv("DECLARAI_OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server.enqueue(stream_reply(PIECES, usage=USAGE))
    return declarai.openai(model="gpt-4o-mini", base_url=server.base_url).Prompt


def test_streaming(server, openai_prompt, monkeypatch, capsys):
    OpenAIPrompt = openai_prompt  # noqa: N806 - a class
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "YOUR_OPENAI_API_KEY")

    class RecipeRecommender(OpenAIPrompt):  # the page imports OpenAICall, and derives from OpenAIPrompt
        prompt_template = "Recommend recipes that use {ingredient} as an ingredient"

        ingredient: str

        call_params = OpenAICallParams(model="gpt-3.5-turbo-0125")

    stream = RecipeRecommender(ingredient="apples").stream()

    for chunk in stream:
        print(chunk.content, end="")  # noqa: T201 - as on the page

    assert isinstance(stream, Generator)
    assert capsys.readouterr().out == "Apple pie, apple cake."
    request = server.requests[0]
    assert request.headers["Authorization"] == "Bearer YOUR_OPENAI_API_KEY"
    assert request.body["stream"] is True
    assert request.body["model"] == "gpt-3.5-turbo-0125"
    assert request.body["messages"] == [
        {"role": "user", "content": "Recommend recipes that use apples as an ingredient"}
    ]


@pytest.mark.parametrize("spelling", ["async_stream", "stream_async"])  # the page's code has one, its text the other
def test_async(openai_prompt, monkeypatch, capsys, spelling):
    OpenAIPrompt = openai_prompt  # noqa: N806 - a class
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "YOUR_OPENAI_API_KEY")

    class RecipeRecommender(OpenAIPrompt):
        prompt_template = "Recommend recipes that use {ingredient} as an ingredient"

        ingredient: str

        call_params = OpenAICallParams(model="gpt-3.5-turbo-0125")

    async def stream_recipe_recommendation():
        """Asynchronously streams the response for a call to the model using `OpenAICall`."""
        stream = getattr(RecipeRecommender(ingredient="apples"), spelling)()
        assert isinstance(stream, AsyncGenerator)
        async for chunk in stream:  # the page loops over `astream`, which is not there
            print(chunk.content, end="")  # noqa: T201 - as on the page

    asyncio.run(stream_recipe_recommendation())

    assert capsys.readouterr().out == "Apple pie, apple cake."


def test_the_chunk_is_a_wrapper_of_the_official_one(openai_prompt, monkeypatch):
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "YOUR_OPENAI_API_KEY")

    class RecipeRecommender(openai_prompt):
        """Recommend recipes"""

    originals = [ChatCompletionChunk.model_validate(raw) for raw in stream_chunks(PIECES)]
    chunks = list(RecipeRecommender().stream())
    assert len(chunks) == len(originals)
    for chunk, original in zip(chunks, originals, strict=True):
        assert chunk.content == (original.choices[0].delta.content or "")
        assert chunk.delta.to_dict() == original.choices[0].delta.to_dict()
        assert chunk.choice.to_dict() == original.choices[0].to_dict()
        assert [choice.to_dict() for choice in chunk.choices] == [choice.to_dict() for choice in original.choices]
        assert isinstance(chunk.chunk, ChatCompletionChunk)
        assert chunk.chunk.id == original.id
    assert chunks[-1].total_tokens == 13

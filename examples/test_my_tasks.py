"""How to test what asks a model: `pytest examples/test_my_tasks.py` needs no key and no network."""

import openai
import pytest

import declarai_like as declarai
from declarai_like.errors import ModelRefusal, StreamInterrupted
from declarai_like.testing import FakeLLM, LLMServer, assert_prompt, chunks, cut, refusal, text_reply

llm = declarai.openai(model="gpt-4o-mini", llm_params={"temperature": 0, "max_tokens": 12})


@llm.task
def rank(message: str) -> int:
    """Rank the severity of {message}: 1 for none, 10 for a disaster"""
    return llm.magic(message)


@llm.task(streaming=True)
def capital(country: str) -> str:
    """Which city is the capital of {country}?"""
    return llm.magic(country)


def test_value(fake_llm: FakeLLM) -> None:
    fake_llm.enqueue(9)
    assert rank("The server is down!") > 1


def test_stream(fake_llm: FakeLLM) -> None:
    fake_llm.enqueue(chunks("It is", " Paris."))
    assert [step.response for step in capital("France")] == ["", "It is", "It is Paris.", "It is Paris."]


def test_refusal(fake_llm: FakeLLM) -> None:
    fake_llm.enqueue(refusal("I cannot rank this."))
    with pytest.raises(ModelRefusal):
        rank("The server is down!")


def test_broken_stream(fake_llm: FakeLLM) -> None:
    fake_llm.enqueue(cut("It is"))
    with pytest.raises(StreamInterrupted) as caught:
        list(capital("France"))
    assert caught.value.response is not None
    assert caught.value.response.response == "It is"


@pytest.mark.llm_cassette
def test_recorded_model() -> None:
    assert "Paris" in [*capital("France")][-1].response


def test_any_client(llm_server: LLMServer) -> None:
    llm_server.enqueue(text_reply("Hello"))
    with openai.OpenAI(base_url=llm_server.base_url, api_key="any") as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hello"


def test_prompt() -> None:
    assert_prompt(capital, "user:\nWhich city is the capital of France?", country="France")

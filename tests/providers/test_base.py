"""Models of one's own: a class with `predict`, and what becomes of its answers."""
# ruff: noqa: FBT002 - the signature of `predict` is declarai's

import asyncio
import threading

import pytest
from wire_format import USAGE, ask, chunk

import declarai_like as declarai
from declarai_like import BaseLLM, LLMResponse, errors, register_llm
from declarai_like.completions import ToolCall
from declarai_like.providers import base
from declarai_like.providers.base import LLMSettings, PredictingProvider, registered


class Echo(BaseLLM):
    """Answers with what it was asked, word by word."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.asked = []
        self.closed = threading.Event()

    def predict(self, messages, stream=False, **params):
        self.asked.append((messages, params))
        words = messages[-1].message.split(" ")
        return self._steps(words) if stream else LLMResponse(response=" ".join(words), usage=USAGE)

    def _steps(self, words):
        try:
            for count in range(1, len(words) + 1):
                yield LLMResponse(response=" ".join(words[:count]))
        finally:
            self.closed.set()


class AsyncEcho(Echo):
    async def apredict(self, messages, stream=False, **params):
        answer = self.predict(messages, stream, **params)
        return self._asteps(answer) if stream else answer

    async def _asteps(self, answer):
        with_close = answer
        try:
            for step in answer:
                await asyncio.sleep(0)
                yield step
        finally:
            with_close.close()


class AsyncGeneratorEcho(Echo):
    async def apredict(self, messages, stream=False, **params):
        for step in self.predict(messages, stream=True):
            yield step


class Unstreaming(BaseLLM):
    def predict(self, messages, stream=False, **params):
        return LLMResponse(response="all at once", finish_reason="stop")


class AsyncUnstreaming(Unstreaming):
    async def apredict(self, messages, stream=False, **params):
        return self.predict(messages)


def model_of(llm, *, streaming=False):
    return declarai.Declarai.of(PredictingProvider(llm, name="own", model="m", streaming=streaming))


@pytest.mark.parametrize("kind", [Echo, AsyncEcho])
def test_whole_answer_is_given(way, kind):
    response = ask(way, model_of(kind()), streaming=False)
    assert (response.response, response.outcome, response.usage.total_tokens) == ("Hi", "complete", 5)


@pytest.mark.parametrize("kind", [Echo, AsyncEcho])
def test_steps_are_given_as_they_grow(way, kind):
    llm = model_of(kind())
    stream = llm.astream("a b c") if way.is_async else llm.stream("a b c")
    deltas = [event.delta for event in way.events(stream) if event.type == "content.delta"]
    assert deltas == ["a", " b", " c"]
    assert stream.response.response == "a b c"
    assert llm.llm.llm.closed.is_set()


def test_asynchronous_generator_is_taken_as_it_is():
    assert asyncio.run(model_of(AsyncGeneratorEcho()).astream("a b").result()) == "a b"


@pytest.mark.parametrize("kind", [Unstreaming, AsyncUnstreaming])
def test_model_that_does_not_stream_answers_in_one_step(way, kind):
    assert ask(way, model_of(kind()), streaming=True) == "all at once"


@pytest.mark.parametrize("kind", [Echo, AsyncEcho])
def test_generator_that_is_left_is_closed(way, kind):
    llm = kind()
    provider = PredictingProvider(llm, name="own", model="m", streaming=True)
    made = declarai.Declarai.of(provider)

    @made.task(streaming=True)
    @way.define
    def repeat(text: str) -> str:
        """Repeat"""

    way.leave(repeat("a b c d"), 2)
    assert llm.closed.is_set()


def test_cancelled_reader_waits_for_the_step_under_way():
    class Slow(Echo):
        def _steps(self, words):
            try:
                yield LLMResponse(response="a")
                started.set()
                go.wait(5)
                yield LLMResponse(response="a b")
            finally:
                self.closed.set()

    started, go, llm = threading.Event(), threading.Event(), Slow()

    async def main():
        reader = asyncio.create_task(model_of(llm).astream("x").result())
        await asyncio.to_thread(started.wait, 5)
        reader.cancel()
        await asyncio.sleep(0.05)
        assert not llm.closed.is_set()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await reader

    asyncio.run(main())
    assert llm.closed.is_set()


def test_predict_is_told_what_was_asked(way):
    llm = Echo()
    tools = [{"type": "function", "function": {"name": "f"}}]
    with pytest.raises(errors.OutputError):
        ask(way, model_of(llm), streaming=False, temperature=0.5, tools=tools, output_type=dict[str, int])
    messages, params = llm.asked[0]
    assert messages[-1].message == "Hi"
    assert (params["temperature"], params["tools"]) == (0.5, tools)
    assert params["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("prompt", ["Once upon", ["x", "Once upon"]])
def test_text_to_continue_is_a_message(prompt):
    assert model_of(Echo()).complete(prompt).response == "Once upon"


def test_error_of_ones_own_is_not_changed(way):
    class Broken(BaseLLM):
        def predict(self, messages, stream=False, **params):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(way, model_of(Broken()), streaming=False)


def test_refusal_of_ones_own_is_not_asked_about_again():
    class Refusing(BaseLLM):
        def predict(self, messages, stream=False, **params):
            raise errors.BadRequestError("stream_options")

    with pytest.raises(errors.BadRequestError):
        model_of(Refusing()).stream("Hi").result()


def test_predict_has_to_be_written():
    with pytest.raises(NotImplementedError, match="predict"):
        model_of(BaseLLM()).send("Hi")


def test_all_that_an_answer_holds_arrives(way):
    calls = (ToolCall(0, "a", "f", "{}"),)
    given = {"response": "Hi", "refusal": "no", "reasoning": "hm", "tool_calls": calls, "usage": USAGE}

    class Full(BaseLLM):
        def predict(self, messages, stream=False, **params):
            answer = LLMResponse(**given, finish_reason="tool_calls")
            first = LLMResponse(response="H", refusal="n", reasoning="h")
            return iter([first, answer]) if stream else answer

    response = ask(way, model_of(Full()), streaming=False)
    steps = model_of(Full()).stream("Hi")
    steps.until_done()
    for one in (response, steps.response):
        assert (one.response, one.refusal, one.reasoning) == ("Hi", "no", "hm")
        assert one.tool_calls == calls
        assert (one.total_tokens, one.finish_reason) == (5, "tool_calls")


def test_raw_answers_pass_as_they_are():
    body = {"choices": [{"message": {"content": "raw"}, "finish_reason": "stop"}]}

    class Raw(BaseLLM):
        def predict(self, messages, stream=False, **params):
            chunks = (LLMResponse(raw_response=one) for one in (chunk("ra"), chunk("w"), chunk(finish="stop")))
            return chunks if stream else LLMResponse(raw_response=body)

    assert model_of(Raw()).send("Hi").response == "raw"
    assert model_of(Raw()).stream("Hi").result() == "raw"


# By name


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(base, "REGISTERED", {})


def test_model_is_found_by_its_name():
    register_llm("own", Echo)
    register_llm("own", model="special")(Unstreaming)
    assert declarai.Declarai(provider="own", model="any").send("Hi").response == "Hi"
    assert declarai.Declarai(provider="own", model="special").send("Hi").response == "all at once"


def test_settings_reach_the_model():
    register_llm("own")(Echo)
    made = registered("own", "m", {"temperature": 1, "stream": True})
    assert (made.llm.temperature, made.llm.model, made.streaming) == (1, "m", True)
    assert made.provider == made.name == "own"


def test_full_provider_stands_for_itself():
    provider = PredictingProvider(Echo(), name="own", model="m", streaming=False)
    register_llm("own", lambda model: provider)
    assert registered("own", "m", {}) is provider


def test_unknown_provider_is_told_with_the_known_ones():
    register_llm("own", Echo)
    with pytest.raises(errors.ConfigurationError, match="azure-openai, google, local, openai, own"):
        declarai.Declarai(provider="other", model="m")


def test_class_that_makes_no_model_is_refused():
    register_llm("own", lambda model: object())
    with pytest.raises(errors.ConfigurationError, match="expected 'own' to make"):
        registered("own", "m", {})


def test_settings_name_the_model():
    settings = LLMSettings("openai", "gpt-4", "0613", other=1)
    assert (settings.model, settings.provider, settings.version) == ("gpt-4-0613", "openai", "0613")
    assert repr(LLMSettings("openai", "gpt-4")) == "LLMSettings(provider='openai', model='gpt-4')"

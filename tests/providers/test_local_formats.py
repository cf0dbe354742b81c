"""The model in this process, asked in each of the formats that its server speaks."""

import pickle

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.errors import DefinitionError

FORMATS = ("chat", "responses", "anthropic")
PATHS = {"chat": "/chat/completions", "responses": "/responses", "anthropic": "/messages"}


class Rank(BaseModel):
    rank: int
    urgent: bool


@pytest.fixture(scope="module", params=FORMATS)
def llm(request):
    return declarai.local(api=request.param, llm_params={"temperature": 0, "max_tokens": 40})


def path_of(llm, **request):
    request = declarai.Request(model="m", **request)
    return llm.llm.path_of(llm.llm.codec_of(request), request)


@pytest.mark.local_model
def test_text_comes_whole_and_streamed(way, llm):
    whole = way.do((llm.asend if way.is_async else llm.send)("Say hello"))
    stream = (llm.astream if way.is_async else llm.stream)("Say hello")
    way.events(stream)
    assert whole.response
    assert stream.response.response == whole.response
    assert whole.outcome == stream.response.outcome == "complete"
    assert whole.usage.completion_tokens == stream.response.usage.completion_tokens > 1


@pytest.mark.local_model
def test_text_is_cut_at_its_limit(llm):
    got = llm.send("Tell me a story", max_tokens=5)
    assert (got.outcome, got.usage.completion_tokens) == ("truncated", 5)


@pytest.mark.local_model
@pytest.mark.parametrize("streams", [False, True])
def test_typed_answer_is_held_to_its_schema(way, llm, streams):
    @llm.task(streaming=streams)
    @way.define
    def judge(message: str) -> Rank:
        """Rank the severity of the message from 1 to 5"""

    got = way.collect(judge("down"))[-1].parsed if streams else way.call(judge, "down")
    assert isinstance(got, Rank)


@pytest.mark.local_model
def test_chat_sends_what_was_said_before(llm):
    @llm.chat
    class Bot:
        """You answer in few words"""

    bot = Bot()
    asked = []
    for words in ("My name is Ada.", "What is my name?"):
        assert bot.send(words, llm_params={"max_tokens": 8})
        asked.append(bot.llm_response.usage.prompt_tokens)
    assert asked[1] > asked[0] + 10  # the first turn, with its answer
    assert len(bot.conversation) == 4


@pytest.mark.local_model
def test_text_is_continued_in_any_format(llm):
    assert llm.complete("Once upon a time", max_tokens=4).response


@pytest.mark.local_model
@pytest.mark.parametrize("form", FORMATS)
def test_format_decides_the_path(form):
    llm = declarai.local(api=form)
    schema = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
    assert path_of(llm) == PATHS[form]
    assert path_of(llm, response_format=schema) == PATHS["chat" if form == "anthropic" else form]
    assert path_of(llm, api="auto") == PATHS[form]
    assert path_of(llm, api="responses") == PATHS["responses"]
    assert path_of(llm, api="chat") == PATHS["chat"]
    assert path_of(llm, kind="completion", prompt="x") == "/completions"
    assert path_of(declarai.Declarai.of(pickle.loads(pickle.dumps(llm.llm)))) == PATHS[form]  # noqa: S301 - ours


@pytest.mark.local_model
def test_schema_stands_where_the_server_looks_for_it():
    llm = declarai.local(api="responses")

    @llm.task
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    body = llm.llm.encode(rank.request("down"))
    assert body["response_format"]["json_schema"]["schema"] == body["text"]["format"]["schema"]
    asked_for_json = rank.with_options(output="json_object").request("down")
    assert llm.llm.encode(asked_for_json)["response_format"] == {"type": "json_object"}
    assert "response_format" not in llm.llm.encode(rank.with_options(output="prompt").request("down"))


def test_unknown_format_is_refused():
    with pytest.raises(DefinitionError, match="'anthropic', got 'google'"):
        declarai.local(api="google")
    with pytest.raises(DefinitionError, match="api"):
        declarai.openai("m").task(api="anthropic")


@pytest.mark.local_model
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_same_server_is_asked_like_any_other_one(api):
    """Who runs llama.cpp elsewhere has its address: what `local()` does, `openai(base_url=)` does but for held types."""
    server = declarai.local().llm
    told = {"openai_token": server.api_key.reveal(), "base_url": server.address, "max_retries": 0}
    llm = declarai.openai("any", api=api, llm_params={"temperature": 0, "max_tokens": 8}, **told)

    @llm.chat
    class Bot:
        """You answer in few words"""

    bot = Bot()
    assert all(bot.send(words) for words in ("My name is Ada.", "What is my name?"))


@pytest.mark.local_model
def test_server_that_keeps_no_conversation_is_sent_all_of_it():
    llm = declarai.local(llm_params={"temperature": 0, "max_tokens": 8})

    @llm.chat(state="server")
    class Bot:
        """You answer in few words"""

    bot = Bot()
    asked = []
    for words in ("My name is Ada.", "What is my name?", "And mine?"):
        assert bot.send(words)
        asked.append(bot.llm_response.usage.prompt_tokens)
    assert asked[0] < asked[1] < asked[2]

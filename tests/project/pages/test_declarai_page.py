"""The code of declarai's page on streaming, as written there; only the key and the address are added."""

import pytest

import declarai_like as declarai
from declarai_like.testing import stream_reply, text_reply

PRINTED_RESPONSES = """\
"Av"
"Avengers"
"Avengers is"
"Avengers is an"
"Avengers is an action"
"Avengers is an action-packed"
"Avengers is an action-packed superhero"
"Avengers is an action-packed superhero extrav"
"Avengers is an action-packed superhero extravagan"
"Avengers is an action-packed superhero extravaganza"
"Avengers is an action-packed superhero extravaganza that"
"Avengers is an action-packed superhero extravaganza that brings"
"Avengers is an action-packed superhero extravaganza that brings together"
"Avengers is an action-packed superhero extravaganza that brings together Earth"
"Avengers is an action-packed superhero extravaganza that brings together Earth's"
"Avengers is an action-packed superhero extravaganza that brings together Earth's might"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to save"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to save the"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to save the world"
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to save the world."
"Avengers is an action-packed superhero extravaganza that brings together Earth's mightiest heroes to save the world."
"""

PRINTED_DELTAS = """\
{'role': 'assistant', 'content': ''}
{'content': '"'}
{'content': 'Av'}
{'content': 'engers'}
{'content': ' is'}
{'content': ' an'}
{'content': ' action'}
{'content': '-packed'}
{'content': ' superhero'}
{'content': ' extrav'}
{'content': 'agan'}
{'content': 'za'}
{'content': ' that'}
{'content': ' brings'}
{'content': ' together'}
{'content': ' Earth'}
{'content': "'s"}
{'content': ' might'}
{'content': 'iest'}
{'content': ' heroes'}
{'content': ' to'}
{'content': ' save'}
{'content': ' the'}
{'content': ' world'}
{'content': '."'}
{}
"""

# The pieces of the page's answer, once without the quotes that the model put around it the other time.
PIECES = [
    "Av",
    "engers",
    " is",
    " an",
    " action",
    "-packed",
    " superhero",
    " extrav",
    "agan",
    "za",
    " that",
    " brings",
    " together",
    " Earth",
    "'s",
    " might",
    "iest",
    " heroes",
    " to",
    " save",
    " the",
    " world",
]
PLAIN_ANSWER = stream_reply([*PIECES, "."], model="gpt-3.5-turbo-0125")
QUOTED_ANSWER = stream_reply(['"', *PIECES, '."'], model="gpt-3.5-turbo-0125")


@pytest.fixture
def gpt_35(server):
    return declarai.openai(model="gpt-3.5-turbo", openai_token="test", base_url=server.base_url)


def test_streaming_example(server, gpt_35, capsys):
    server.enqueue(PLAIN_ANSWER)

    @gpt_35.task(streaming=True)  # (1)!
    def say_something_about_movie(movie: str) -> str:
        """
        Say something short about the following movie
        :param movie: The movie name
        """

        return declarai.magic(movie)

    res = say_something_about_movie(movie="Avengers")  # (2)!_

    for chunk in res:
        print(chunk.response)  # noqa: T201 - as on the page

    # The page puts quotes around each text, and does not show the empty one of the first chunk.
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == ""
    assert [f'"{line}"' for line in lines] == PRINTED_RESPONSES.splitlines()
    assert server.requests[0].body["stream"] is True
    assert server.requests[0].body["model"] == "gpt-3.5-turbo"


def test_turn_on_streaming_on_the_task(server, gpt_35):
    server.enqueue(PLAIN_ANSWER)

    @gpt_35.task(streaming=True)  # (1)!
    def my_task():  # the page leaves out the colon
        """Say something short about the movie Avengers"""  # the page's task says nothing, so there is nothing to ask

    assert "".join(chunk.content for chunk in my_task()) == "".join([*PIECES, "."])


def test_turn_on_streaming_globally(server):
    server.enqueue(PLAIN_ANSWER)
    gpt_35_with_streaming = declarai.openai(
        model="gpt-3.5-turbo", stream=True, openai_token="test", base_url=server.base_url
    )

    @gpt_35_with_streaming.task
    def say_something_about_movie(movie: str) -> str:
        """Say something short about the following movie"""

    assert [chunk.content for chunk in say_something_about_movie(movie="Avengers")] == ["", *PIECES, ".", ""]
    assert server.requests[0].body["stream"] is True


def test_turn_on_streaming_globally_on_azure(server):
    server.enqueue(PLAIN_ANSWER)
    azure_gpt_35_with_streaming = declarai.azure_openai(
        model="gpt-3.5-turbo", stream=True, azure_openai_key="test", azure_openai_api_base=server.url
    )

    @azure_gpt_35_with_streaming.task
    def say_something_about_movie(movie: str) -> str:
        """Say something short about the following movie"""

    assert [chunk.content for chunk in say_something_about_movie(movie="Avengers")] == ["", *PIECES, ".", ""]
    assert server.requests[0].body["stream"] is True
    assert server.requests[0].path.startswith("/openai/deployments/gpt-3.5-turbo/chat/completions?api-version=")


def test_a_task_of_a_streaming_provider_may_not_stream(server):
    server.enqueue(text_reply("Heroes."))
    gpt_35 = declarai.openai(model="gpt-3.5-turbo", stream=True, openai_token="test", base_url=server.base_url)

    @gpt_35.task(streaming=False)
    def say_something_about_movie(movie: str) -> str:
        """Say something short about the following movie"""

    assert say_something_about_movie(movie="Avengers") == "Heroes."


def test_accessing_the_results(server, gpt_35):
    server.enqueue(PLAIN_ANSWER)

    @gpt_35.task(streaming=True)
    def say_something_about_movie(movie: str) -> str:
        """
        Say something short about the following movie
        :param movie: The movie name
        """

        return declarai.magic(movie)

    res_stream = say_something_about_movie(movie="Avengers")

    assert str(type(res_stream)) == "<class 'generator'>"

    for chunk in res_stream:
        assert type(chunk) is declarai.LLMResponse
        assert type(chunk) is declarai.operators.LLMResponse  # the page shows declarai.operators.llm.LLMResponse


def test_the_responses_are_saved_on_the_task(server, gpt_35):
    server.enqueue(PLAIN_ANSWER)

    @gpt_35.task(streaming=True)
    def say_something_about_movie(movie: str) -> str:
        """
        Say something short about the following movie
        :param movie: The movie name
        """

        return declarai.magic(movie)

    res_stream = say_something_about_movie(movie="Avengers")

    assert not say_something_about_movie.llm_response  # Empty unless you call next on the generator

    assert say_something_about_movie.llm_stream_response is res_stream
    assert repr(say_something_about_movie.llm_stream_response).startswith("<generator object ")

    assert not server.requests
    for _ in ("the role", "Av"):
        chunk = next(res_stream)
    assert say_something_about_movie.llm_response.response == chunk.response == "Av"

    *_, last = res_stream
    assert say_something_about_movie.llm_response is last
    assert last.response == "".join([*PIECES, "."])
    assert last.outcome == "complete"


def test_access_the_delta_of_the_response(server, capsys):
    server.enqueue(QUOTED_ANSWER)
    gpt_35 = declarai.openai(model="gpt-3.5-turbo", stream=True, openai_token="test", base_url=server.base_url)

    @gpt_35.task
    def say_something_about_movie(movie: str) -> str:
        """
        Say something short about the following movie
        :param movie: The movie name
        """

        return declarai.magic(movie)

    stream_res = say_something_about_movie("Avengers")

    for chunk in stream_res:
        print(chunk.raw_response["choices"][0]["delta"])  # noqa: T201 - as on the page

    assert capsys.readouterr().out == PRINTED_DELTAS


def test_the_delta_is_the_difference_to_the_response_before(server, gpt_35):
    server.enqueue(QUOTED_ANSWER)

    @gpt_35.task(streaming=True)
    def say_something_about_movie(movie: str) -> str:
        """Say something short about the following movie"""

    said = ""
    for chunk in say_something_about_movie("Avengers"):
        said += chunk.raw_response["choices"][0]["delta"].get("content", "")
        assert chunk.response == said


def test_turn_on_streaming_on_the_chat(server, gpt_35):
    server.enqueue(PLAIN_ANSWER)

    @gpt_35.experimental.chat(streaming=True)  # (2)!
    class MyChat: ...

    chat = MyChat()
    chunks = list(chat.send("Tell me about the Avengers"))
    assert chunks[-1].response == PRINTED_RESPONSES.splitlines()[-1].strip('"')
    assert [message.message for message in chat.conversation] == ["Tell me about the Avengers", chunks[-1].response]
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Tell me about the Avengers"}]

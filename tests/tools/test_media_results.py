"""Tools that give media: beside the text of a result, through stored runs, and in words where there are no tools."""

import pytest
from media.samples import GIF, picture
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import Image
from declarai_like.errors import ApprovalRequired
from declarai_like.testing import FakeLLM, LLMServer, reply, tool_call
from declarai_like.tools import Provide
from declarai_like.tools.results import write_result

CAT = Image(GIF)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (CAT, "<Image image/gif 12 B sha256:dba4a5a1>"),
        (["a cat", CAT], "a cat\n<Image image/gif 12 B sha256:dba4a5a1>"),
        ((CAT, 3), '["<Image image/gif 12 B sha256:dba4a5a1>",3]'),
    ],
)
def test_media_go_beside_the_text(value, text):
    written = write_result(value, 1000)
    assert (written.text, written.media) == (text, (CAT,))


def test_media_within_another_value_are_no_text():
    class Page(BaseModel):
        photo: Image

    with pytest.raises(TypeError, match="give it as a parameter of its own"):
        write_result(Page(photo=CAT), 1000)


def chart(of: str):
    return [f"chart of {of}", Image(picture())]


def test_a_result_with_media_is_shown_in_the_messages(ask):
    fake = FakeLLM([tool_call("chart", {"of": "x"}), "fine"])
    result = ask(ask.task(fake, tools=[chart]))
    told = next(message for message in result.messages if message.role == "tool")
    assert told.message.startswith("chart of x\n<Image image/png")
    assert told.content[1] == Image(picture())
    assert result.calls[0].value[1] == Image(picture())


def test_a_tool_without_native_form_is_shown_by_the_user():
    fake = FakeLLM([reply('{"tool": "chart", "arguments": {"of": "x"}}'), reply('{"answer": "fine"}')])

    @fake.task(tools=[chart], tool_mode="emulated")
    def look(at: str) -> str:
        """Look"""

    assert look("x") == "fine"
    shown = fake.requests[-1].messages[-1]
    assert shown.role == "user"
    assert shown.content[-1] == Image(picture())


@declarai.tool(approve=True)
def ask_boss(question: str) -> str:
    return "yes"


@declarai.tool(eager=True)
def draw(of: str):
    return Image(picture())


def test_a_run_that_waits_keeps_what_it_was_given_and_what_its_tools_have_shown():
    both = reply(calls=[("draw", {"of": "x"}, "d"), ("ask_boss", {"question": "?"}, "b")])
    with LLMServer(tool_call("chart", {"of": "x"}), both, "fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)

        @llm.task(tools=[chart, draw, ask_boss])
        def look(photo: Image) -> str:
            """Look"""

        with pytest.raises(ApprovalRequired) as waiting:
            look(CAT)
        assert CAT.base64() in waiting.value.paused
        assert look.resume(waiting.value.paused, {"b": Provide(["see", CAT])}).value == "fine"
        parts = [part for message in server.requests[-1].body["messages"] for part in message["content"] or ()]
    urls = [part["image_url"]["url"] for part in parts if isinstance(part, dict) and part["type"] == "image_url"]
    assert urls == [CAT.data_url(), Image(picture()).data_url(), Image(picture()).data_url(), CAT.data_url()]


def test_a_turn_that_waits_is_stored_with_its_files_when_its_calls_are_denied():
    asked = tool_call("ask_boss", {"question": "?"})
    with LLMServer(asked, "fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)

        @llm.chat(tools=[ask_boss])
        class Bot:
            """Be brief"""

        bot = Bot()
        with pytest.raises(ApprovalRequired):
            bot.send("may I?", files=[CAT])
        assert bot.send("never mind", pending="deny") == "fine"
    assert bot.conversation[0].content[1] == CAT

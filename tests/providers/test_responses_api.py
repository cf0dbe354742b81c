"""The Responses API behind `openai()` and `local()`: which format is asked, and what goes back with the next turn."""

import json

import pytest

import declarai_like as declarai
from declarai_like.errors import DefinitionError
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.testing import LLMServer, bytes_reply, error_reply, json_reply, text_reply

USAGE = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
CHAT_ONLY = "This model is only supported in v1/responses and not in v1/chat/completions."


def response(*output):
    return {
        "id": "r",
        "object": "response",
        "model": "m",
        "status": "completed",
        "output": list(output),
        "usage": USAGE,
    }


def answer(text, **more):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "content": content, **more}


def replies(*output, streams):
    if not streams:
        return json_reply(response(*output))
    events = [{"type": "response.created", "response": {**response(), "status": "in_progress"}}]
    for at, item in enumerate(output):
        events.append({"type": "response.output_item.added", "output_index": at, "item": {**item, "content": []}})
        for part in item.get("content", ()):
            place = {"output_index": at, "content_index": 0}
            events += [{"type": "response.output_text.delta", **place, "delta": piece} for piece in part["text"]]
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    events.append({"type": "response.completed", "response": response(*output)})
    return bytes_reply([f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events])


def strict(request):
    """Refuse a conversation unless the thinking before each reply comes back, as it was given."""
    told = [item for item in request.body["input"] if item.get("role") == "assistant"]
    thoughts = [item for item in request.body["input"] if item.get("type") == "reasoning"]
    expected = [f"E{number}" for number in range(len(told))]
    if [item.get("encrypted_content") for item in thoughts] != expected:
        return error_reply(400, "an item was provided without its reasoning")
    thought = {"type": "reasoning", "id": f"rs{len(told)}", "summary": [], "encrypted_content": f"E{len(told)}"}
    return replies(thought, answer(f"answer {len(told)}"), streams=request.body.get("stream", False))


def question(text: str) -> str:
    """Answer the question"""


def llm_on(server, **options):
    return declarai.openai("m", base_url=server.base_url, openai_token="sk-test", max_retries=0, **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_ten_turns_bring_their_items_back(way, tmp_path, streaming):
    with LLMServer(default=strict) as server:
        llm = llm_on(server, api="responses")

        def history():
            return SQLiteMessageHistory("s", str(tmp_path / "chat.db"))

        for turn in range(10):

            @llm.chat
            class Bot:
                """You answer"""

            bot = Bot(chat_history=history())
            if streaming:
                with bot.stream(f"question {turn}") as stream:
                    assert stream.until_done().response.response == f"answer {turn}"
            else:
                assert bot.send(f"question {turn}") == f"answer {turn}"
        assert server.requests[-1].path == "/v1/responses"

        with LLMServer(default=text_reply("other")) as other:

            @(llm_on(other).chat)
            class Other:
                """You answer"""

            assert Other(chat_history=history()).send("hello") == "other"
            assert "E0" not in json.dumps(other.requests[-1].body)


def test_model_that_is_served_there_alone_is_asked_there(way):
    with LLMServer(error_reply(404, CHAT_ONLY), default=lambda _: replies(answer("4"), streams=False)) as server:
        llm = llm_on(server)
        ask = llm.task(way.define(question))
        assert way.call(ask, "2+2") == "4"
        assert way.call(ask, "2+2") == "4"
        assert [each.path for each in server.requests] == ["/v1/chat/completions", "/v1/responses", "/v1/responses"]


def test_choice_of_the_user_is_respected():
    with LLMServer(error_reply(404, CHAT_ONLY), text_reply("4"), replies(answer("5"), streams=False)) as server:

        @llm_on(server, api="chat").task
        def ask(question: str) -> str:
            """Answer the question"""

        with pytest.raises(declarai.errors.NotFoundError):
            ask("2+2")
        assert ask("2+2") == "4"
        assert ask.with_options(api="responses")("2+2") == "5"
        with pytest.raises(DefinitionError, match="api"):
            ask.with_options(api="completions")


@pytest.mark.parametrize("params", [{"reasoning": {"effort": "low"}}, {"previous_response_id": "r"}])
def test_request_that_needs_the_format_is_sent_in_it(params):
    with LLMServer(replies(answer("4"), streams=False)) as server:

        @llm_on(server).task(llm_params=params)
        def ask(question: str) -> str:
            """Answer the question"""

        assert ask("2+2") == "4"
        assert server.requests[0].path == "/v1/responses"
        assert server.requests[0].body.items() >= params.items()

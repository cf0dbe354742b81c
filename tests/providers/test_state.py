"""What a provider wants back with the next turn: kept with a reply, sent to that provider alone."""
# ruff: noqa: S301 - what is unpickled here was pickled here

import pickle

import pytest

import declarai_like as declarai
from declarai_like.memory import FileMessageHistory, SQLiteMessageHistory
from declarai_like.messages import Message
from declarai_like.testing import LLMServer, chunks_reply, error_reply, json_reply, text_reply

SIGNATURE = {"google": {"thought_signature": "SIG"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": SIGNATURE}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def replies(message, *, streams):
    """Spell a reply whole, or as a stream in two pieces."""
    if not streams:
        return json_reply({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    halves = [{}, {}]
    for name, value in message.items():
        if isinstance(value, str) and len(value) > 1:
            halves[0][name], halves[1][name] = value[:2], value[2:]
        else:
            halves[0][name] = [{"index": 0, **each} for each in value] if name == "tool_calls" else value
    parts = [{"index": 0, "delta": half, "finish_reason": None} for half in halves]
    parts.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return chunks_reply([{"model": "m", "choices": [part]} for part in parts])


def strict(field, value):
    """Refuse a conversation unless each reply comes with this field, as DeepSeek does."""

    def answer(request):
        told = [each for each in request.body["messages"] if each["role"] == "assistant"]
        if any(each.get(field) != value for each in told):
            return error_reply(400, f"the {field} in the thinking mode must be passed back")
        message = {"role": "assistant", "content": f"answer {len(told)}", field: value}
        return replies(message, streams=request.body.get("stream", False))

    return answer


@pytest.fixture(params=["memory", "file", "sqlite"])
def history(request, tmp_path):
    made = {
        "memory": lambda: None,
        "file": lambda: FileMessageHistory(str(tmp_path / "chat.json")),
        "sqlite": lambda: SQLiteMessageHistory("s", str(tmp_path / "chat.db")),
    }
    return made[request.param]


def chat_on(server, history, **options):
    llm = declarai.openai("deepseek-v4", base_url=server.base_url, openai_token="sk-test", max_retries=0, **options)

    @llm.chat
    class Bot:
        """You add numbers"""

    memory = history()
    return Bot() if memory is None else Bot(chat_history=memory)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reasoning_content", "2+2 is 4"),
        ("reasoning_details", [{"type": "reasoning.text", "text": "Hm", "signature": "S"}]),
    ],
)
def test_thinking_goes_back_with_each_turn(way, history, field, value, streams):
    with LLMServer(default=strict(field, value)) as server:
        bot = chat_on(server, history)
        for turn in range(3):
            if streams:
                opened = bot.astream if way.is_async else bot.stream
                assert way.result(opened("again")) == f"answer {turn}"
            else:
                assert way.do((bot.asend if way.is_async else bot.send)("again")) == f"answer {turn}"
        assert len(server.requests) == 3


def test_thinking_outlives_fork_regenerate_and_pickle(history):
    with LLMServer(default=strict("reasoning_content", "2+2 is 4")) as server:
        bot = chat_on(server, history)
        bot.send("one")
        bot.send("two")
        assert bot.regenerate() == "answer 1"
        assert bot.fork().send("three") == "answer 2"
        kept = pickle.loads(pickle.dumps(bot.conversation[-1]))
        assert kept.state["data"] == {"reasoning_content": "2+2 is 4"}


@pytest.mark.parametrize("streams", [False, True])
def test_unknown_fields_of_a_call_go_back_with_it(way, streams):
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    with LLMServer(default=replies(message, streams=streams)) as server:
        llm = declarai.openai("m", base_url=server.base_url, openai_token="sk-test")
        if streams:
            stream = (llm.astream if way.is_async else llm.stream)("Hi", tools=[TOOL])
            way.events(stream)
            (call,) = stream.response.tool_calls
        else:
            (call,) = way.do((llm.asend if way.is_async else llm.send)("Hi", tools=[TOOL])).tool_calls
    assert call.extra == {"extra_content": SIGNATURE}
    assert call.wire() == CALL
    assert pickle.loads(pickle.dumps(call)) == call


def test_calls_without_unknown_fields_have_none(server, openai):
    plain = {name: value for name, value in CALL.items() if name != "extra_content"}
    server.enqueue(replies({"role": "assistant", "content": None, "tool_calls": [plain]}, streams=False))
    (call,) = openai().send("Hi", tools=[TOOL]).tool_calls
    assert call.extra == {}
    assert call.wire() == plain


def reply_of(origin, data):
    return Message("4", "assistant", fields={"tool_calls": [CALL]}, state={**origin, "model": "m", "data": data})


def test_another_server_never_sees_it(server, openai):
    other = {"provider": "openai", "base_url": "https://elsewhere/v1"}
    server.enqueue(text_reply("fine"))
    openai().send([Message("2+2?"), reply_of(other, {"reasoning_content": "Hm"}), Message("again")])
    (told,) = [each for each in server.requests[0].body["messages"] if each["role"] == "assistant"]
    assert "reasoning_content" not in told
    assert told["tool_calls"] == [{name: value for name, value in CALL.items() if name != "extra_content"}]


def test_the_same_server_sees_it_with_calls(server, openai):
    llm = openai()
    server.enqueue(text_reply("fine"))
    llm.send([Message("2+2?"), reply_of(llm.llm.origin, {"reasoning_content": "Hm"}), Message("again")])
    (told,) = [each for each in server.requests[0].body["messages"] if each["role"] == "assistant"]
    assert told["reasoning_content"] == "Hm"
    assert told["tool_calls"] == [CALL]


def test_thinking_of_a_plain_turn_stays_here_unless_it_is_deepseeks(server, openai):
    llm = openai()
    state = {**llm.llm.origin, "model": "m", "data": {"reasoning_content": "Hm"}}
    server.enqueue(text_reply("fine"))
    llm.send([Message("2+2?"), Message("4", "assistant", state=state), Message("again")])
    assert "reasoning_content" not in server.requests[0].body["messages"][1]


def test_state_is_in_no_repr_and_no_secret_stands_in_it(openai, server):
    server.enqueue(text_reply("4", message={"reasoning_content": "Hm"}))
    llm = declarai.openai("m", base_url=server.base_url.replace("://", "://user:pass-word@"), openai_token="sk-test")
    response = llm.send("2+2?")
    assert response.state["data"] == {"reasoning_content": "Hm"}
    assert response.state["base_url"] == server.base_url
    message = Message("4", "assistant", state=response.state)
    assert "Hm" not in repr(message)
    assert "state" not in message.wire()
    assert Message.of(dict(message)) == message


def test_old_messages_without_it_still_load():
    assert Message.of({"message": "4", "role": "assistant"}).state is None
    assert Message.of({"message": "4", "role": "assistant", "state": "odd"}).state is None

"""Anthropic's Messages over a real connection: keys, addresses, conversations, typed answers, errors."""

import json
from dataclasses import replace

import pytest

import declarai_like as declarai
from declarai_like._wire.codecs.anthropic_pauses import add_usage
from declarai_like.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DefinitionError,
    ModelRefusal,
    OutputTruncated,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.messages import Message
from declarai_like.middleware import fallback
from declarai_like.providers import Prefix
from declarai_like.testing import bytes_reply, json_reply, text_reply

USAGE = {"input_tokens": 3, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2, "output_tokens": 5}
TOOL = {"type": "function", "function": {"name": "f", "description": "Does f", "parameters": {"type": "object"}}}


def message(*blocks, stop="end_turn", **fields):
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-m"}
    return {**head, "content": list(blocks), "stop_reason": stop, "usage": USAGE, **fields}


def text(words):
    return {"type": "text", "text": words}


def halves(words):
    return words[: len(words) // 2], words[len(words) // 2 :]


def events_of(answer):
    """Spell a message as the events of a stream, each text in two pieces."""
    yield {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"]):
        pieces = []
        begin = dict(block)
        for field, kind in (("text", "text_delta"), ("thinking", "thinking_delta"), ("signature", "signature_delta")):
            if field in begin:
                pieces += [{"type": kind, field: piece} for piece in halves(begin[field])]
                begin[field] = ""
        if "input" in begin:
            pieces += [
                {"type": "input_json_delta", "partial_json": piece} for piece in halves(json.dumps(begin["input"]))
            ]
            begin["input"] = {}
        yield {"type": "content_block_start", "index": index, "content_block": begin}
        yield from ({"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces)
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": answer["stop_reason"], "stop_details": answer.get("stop_details")}
    stop |= {"container": answer.get("container")}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def spelled(event):
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def reply(*blocks, streams=False, **fields):
    answer = message(*blocks, **fields)
    return bytes_reply(tuple(map(spelled, events_of(answer)))) if streams else json_reply(answer)


def refusal(status, kind, words, **headers):
    body = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}
    return json_reply(body, status=status, headers=headers)


@pytest.fixture
def anthropic(server, http):
    def made(model="claude-m", **options):
        told = {"api_key": "sk-ant-test", "base_url": server.url, "max_retries": 0, "http_client": http}
        return declarai.anthropic(model, **{**told, **options})

    return made


def ask(way, llm, prompt, *, streams=False, **options):
    """Send in one of four ways; give the response."""
    if streams:
        stream = (llm.astream if way.is_async else llm.stream)(prompt, **options)
        way.events(stream)
        return stream.response
    return way.do((llm.asend if way.is_async else llm.send)(prompt, **options))


@pytest.mark.parametrize("streams", [False, True])
def test_text_thinking_calls_and_usage_are_read(way, server, anthropic, streams):
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}}
    blocks = [{"type": "thinking", "thinking": "Hm, hm", "signature": "SIG="}, text("Hello"), call]
    server.enqueue(reply(*blocks, stop="tool_use", streams=streams))
    got = ask(way, anthropic(), "Hi", streams=streams, tools=[TOOL])
    assert (got.response, got.reasoning, got.outcome, got.finish_reason) == ("Hello", "Hm, hm", "calls", "tool_use")
    (made,) = got.tool_calls
    assert (made.id, made.name, json.loads(made.arguments), made.extra) == (
        "toolu_1", "f", {"x": 1}, {"caller": {"type": "direct"}})  # fmt: skip
    usage = got.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 5, 17)
    assert (usage.cache_read, usage.cache_write) == (7, 2)
    assert got.model == "claude-m"


def test_request_is_spelled_in_the_format(server, anthropic):
    server.enqueue(reply(text("Hello")))
    anthropic().send([Message("Be brief", "system"), Message("Hi")], tools=[TOOL])
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == "sk-ant-test"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in {name.lower() for name in request.headers}
    assert request.body == {
        "model": "claude-m",
        "max_tokens": 8192,
        "system": [text("Be brief")],
        "messages": [{"role": "user", "content": [text("Hi")]}],
        "tools": [{"name": "f", "description": "Does f", "input_schema": {"type": "object"}}],
    }


def test_base_url_that_ends_in_v1_is_taken(server, anthropic):
    server.enqueue(reply(text("Hello")))
    anthropic(base_url=f"{server.base_url}/?a=b").send("Hi")
    assert server.requests[0].path == "/v1/messages?a=b"


def test_key_and_address_come_from_the_environment(server, http, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-env")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    server.enqueue(reply(text("Hello")))
    assert declarai.anthropic("m", http_client=http).send("Hi").response == "Hello"
    assert server.requests[0].headers["x-api-key"] == "sk-ant-env"


def test_own_server_needs_no_key(server, anthropic, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    server.enqueue(reply(text("Hello")))
    anthropic(api_key=None).send("Hi")
    assert server.requests[0].headers["x-api-key"] == "no-key"


def test_missing_key_is_told(monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    llm = declarai.anthropic("m")
    assert llm.llm.address == "https://api.anthropic.com"
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        llm.send("Hi")


def test_key_may_be_a_function(server, anthropic):
    server.enqueue(reply(text("Hello")))
    anthropic(api_key=lambda: "sk-ant-hour").send("Hi")
    assert server.requests[0].headers["x-api-key"] == "sk-ant-hour"


def test_it_is_opened_by_its_name(server):
    server.enqueue(reply(text("Hello")))
    llm = declarai.Declarai(provider="anthropic", model="m", version="1", api_key="k", base_url=server.url)
    assert llm.send("Hi").response == "Hello"
    assert server.requests[0].body["model"] == "m-1"


def test_model_has_to_be_given():
    with pytest.raises(ConfigurationError, match="no model"):
        declarai.Declarai(provider="anthropic")


def test_options_of_another_provider_are_refused():
    with pytest.raises(DefinitionError, match="client"):
        declarai.anthropic("m", client=object())


@pytest.mark.parametrize("streams", [False, True])
def test_api_is_no_option_where_there_is_one_format(way, server, anthropic, streams):
    with pytest.raises(DefinitionError, match="anthropic has one format only"):
        ask(way, anthropic(api="responses"), "Hi", streams=streams)
    server.enqueue(reply(text("Hello"), streams=streams))
    assert ask(way, anthropic(api="auto"), "Hi", streams=streams).response == "Hello"


def test_api_is_no_option_of_googles(http):
    with pytest.raises(DefinitionError, match="google has one format only"):
        declarai.google("m", api_key="k", api="chat", http_client=http).send("Hi")


def test_provider_may_choose_what_it_caches(server, anthropic):
    server.enqueue(reply(text("a")), reply(text("b")), reply(text("c")))
    anthropic(cache="auto").send("Hi")
    anthropic(cache="auto", llm_params={"cache_control": {"type": "ephemeral", "ttl": "1h"}}).send("Hi")
    anthropic().send("Hi")
    told = [request.body.get("cache_control") for request in server.requests]
    assert told == [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, None]


def test_what_all_requests_begin_with_is_cached_if_asked(server, anthropic):
    server.enqueue(reply(text("a")), reply(text("b")))
    llm = anthropic(cache=Prefix(ttl="1h"))
    llm.send([Message("One", "system"), Message("Two", "system"), Message("Hi")], tools=[TOOL])
    llm.send("Hi")
    mark, body = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, server.requests[0].body
    assert body["system"] == [text("One"), {**text("Two"), **mark}]
    assert body["tools"][-1]["cache_control"] == mark["cache_control"]
    assert "cache_control" not in body
    assert not {"system", "tools", "cache_control"} & server.requests[1].body.keys()


def test_cache_is_auto_or_a_prefix(openai, anthropic):
    with pytest.raises(DefinitionError, match="expected 'auto'"):
        anthropic(cache=True)
    with pytest.raises(DefinitionError, match="ttl"):
        Prefix(ttl="2h")
    with pytest.raises(DefinitionError, match="openai caches by itself"):
        openai(cache=Prefix()).send("Hi")


# Conversations

OPAQUE = [
    {"type": "thinking", "thinking": 'Hm — 😀\u2028 "x"', "signature": "EqcCCm4IDx+/=="},
    {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va+/"},
    {"type": "thinking", "thinking": "", "signature": "only a signature"},
]


def strict(request):
    """Refuse a conversation unless each turn comes back as it was given, as Anthropic does with thinking."""
    told = [each for each in request.body["messages"] if each["role"] == "assistant"]
    for number, turn in enumerate(told):
        if turn["content"] != [*OPAQUE, text(f"answer {number}: "), text("so it is")]:
            return refusal(400, "invalid_request_error", "thinking blocks cannot be modified")
    blocks = [*OPAQUE, text(f"answer {len(told)}: "), text("so it is")]
    return reply(*blocks, streams=request.body.get("stream", False))


@pytest.mark.parametrize("streams", [False, True])
def test_ten_turns_through_a_store_give_thinking_back_as_it_came(way, server, anthropic, tmp_path, streams):
    server.default = strict

    @anthropic().chat
    class Bot:
        """You add numbers"""

    for turn in range(10):
        bot = Bot(chat_history=SQLiteMessageHistory("s", str(tmp_path / "chat.db")))
        if streams:
            got = way.result((bot.astream if way.is_async else bot.stream)("again"))
        else:
            got = way.do((bot.asend if way.is_async else bot.send)("again"))
        assert got == f"answer {turn}: so it is"
    assert len(server.requests) == 10


@pytest.mark.parametrize("streams", [False, True])
def test_calls_go_back_behind_their_thinking(way, server, anthropic, streams):
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}}
    server.enqueue(reply(*OPAQUE, text("Let me see"), call, stop="tool_use", streams=streams), reply(text("done")))
    llm = anthropic()
    got = ask(way, llm, "Hi", streams=streams, tools=[TOOL])
    said = Message(
        got.response, "assistant", fields={"tool_calls": [c.wire() for c in got.tool_calls]}, state=got.state
    )
    result = Message.of({"role": "tool", "tool_call_id": "toolu_1", "content": "7"})
    ask(way, llm, [Message("Hi"), said, result, Message("and?")], tools=[TOOL])
    assert server.requests[1].body["messages"][1:] == [
        {"role": "assistant", "content": [*OPAQUE, text("Let me see"), call]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("7")]}, text("and?")]},
    ]  # fmt: skip


@pytest.mark.parametrize("streams", [False, True])
def test_rounds_of_tools_give_thinking_back(way, server, anthropic, streams):
    def answer(request):
        asked = {"type": "tool_use", "id": "toolu_1", "name": "square", "input": {"x": 3}}
        blocks = [*OPAQUE, text("Let me see"), asked]
        if len(request.body["messages"]) == 1:
            return reply(*blocks, stop="tool_use", streams=streams)
        _, said, results = request.body["messages"]
        if said["content"] != blocks or results["content"][0]["content"] != [text("9")]:
            return refusal(400, "invalid_request_error", f"not as it was: {said} {results}")
        return reply(text('{"result": 9}'), streams=streams)

    server.default = answer

    def square(x: int) -> int:
        """Multiply a number by itself"""
        return x * x

    @anthropic().task(tools=[square], streaming=streams)
    @way.define
    def solve(question: str) -> int:
        """Solve this"""

    if streams:
        assert way.collect(solve("3 * 3"))[-1].parsed == 9
    else:
        assert way.call(solve, "3 * 3") == 9
    assert all("output_config" in request.body for request in server.requests)


def test_another_server_sees_the_text_alone(server, anthropic):
    server.enqueue(reply(*OPAQUE, text("Hello")), reply(text("Hi again")))
    llm = anthropic()
    got = llm.send("Hi")
    said = Message(got.response, "assistant", state=got.state)
    anthropic(base_url=f"{server.url}/other").send([Message("Hi"), said, Message("again")])
    assert server.requests[1].body["messages"][1] == {"role": "assistant", "content": [text("Hello")]}


def test_another_provider_sees_the_text_alone(server, anthropic, openai):
    server.enqueue(reply(*OPAQUE, text("Hello")), text_reply("Hi again"))
    got = anthropic().send("Hi")
    openai().send([Message("Hi"), Message(got.response, "assistant", state=got.state), Message("again")])
    assert server.requests[1].body["messages"][1] == {"role": "assistant", "content": "Hello"}


def test_fallback_translates_the_request_and_keeps_the_state_at_home(way, server, anthropic, openai):
    spare = anthropic("claude-spare")

    class Bot:
        """You are kind"""

    bot = openai(max_retries=0).chat(middlewares=[fallback(spare)])(Bot)()
    thought = {"role": "assistant", "content": "Hello", "reasoning_content": "be kind"}
    choice = {"index": 0, "message": thought, "finish_reason": "stop"}
    server.enqueue(json_reply({"model": "deepseek", "choices": [choice]}))
    server.enqueue(json_reply({"error": {"message": "down"}}, status=503), reply(*OPAQUE, text("I am here")))
    server.enqueue(text_reply("Back again"))
    send = bot.asend if way.is_async else bot.send
    assert [way.do(send(words)) if way.is_async else send(words) for words in ("Hi", "There?", "And now?")] == [
        "Hello", "I am here", "Back again",
    ]  # fmt: skip
    there, back = server.requests[2].body, server.requests[3].body
    assert there["model"] == "claude-spare"
    assert "You are kind" in there["system"][0]["text"]
    assert there["messages"][1] == {"role": "assistant", "content": [text("Hello")]}
    assert back["messages"][4] == {"role": "assistant", "content": "I am here"}


def test_fallback_is_asked_in_its_own_format_whatever_the_first_was_asked_in(server, anthropic, openai):
    server.enqueue(json_reply({"error": {"message": "down"}}, status=503), reply(text("I am here")))
    llm = openai(max_retries=0, api="responses", middlewares=[fallback(anthropic())])
    assert llm.send("Hi").response == "I am here"
    assert [request.path for request in server.requests] == ["/v1/responses", "/v1/messages"]


def test_history_of_another_provider_is_plain_text(server, anthropic):
    server.enqueue(reply(text("Hello")))
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": 1}
    state = {"provider": "openai", "base_url": "https://x", "model": "m", "data": {"reasoning_content": "secret"}}
    said = Message("Hm", "assistant", fields={"tool_calls": [call]}, state=state)
    result = Message.of({"role": "tool", "tool_call_id": "functions.f:0", "content": ""})
    anthropic().send([Message("Hi"), said, result])
    assert server.requests[0].body["messages"][1:] == [
        {"role": "assistant", "content": [
            text("Hm"), {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_f_0"}]},
    ]  # fmt: skip


# Typed answers


def rank_on(llm):
    @llm.task
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    return rank


def test_typed_answer_is_asked_for_by_its_schema(server, anthropic):
    server.enqueue(reply(text('{"rank": 3}')))
    assert rank_on(anthropic(llm_params={"output_config": {"effort": "low"}}))("down") == 3
    config = server.requests[0].body["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["type"] == "json_schema"
    assert config["format"]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize("streams", [False, True])
def test_refused_schema_is_asked_for_as_a_tool(way, server, anthropic, streams):
    def answer(request):
        if "output_config" in request.body:
            return refusal(400, "invalid_request_error", "output_config.format: Extra inputs are not permitted")
        (tool,) = request.body["tools"]
        assert request.body["tool_choice"] == {"type": "tool", "name": tool["name"]}
        if tool.get("strict"):
            return refusal(400, "invalid_request_error", "tools.0.custom.strict: Extra inputs are not permitted")
        call = {"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": {"rank": 3}}
        return reply(call, stop="tool_use", streams=request.body.get("stream", False))

    server.default = answer

    @anthropic().task(streaming=streams)
    @way.define
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    for _ in range(2):
        if streams:
            assert way.collect(rank("down"))[-1].parsed == 3
        else:
            assert way.call(rank, "down") == 3
    assert len(server.requests) == 4  # what was refused is known the second time


def test_refused_tool_is_asked_for_in_words(server, anthropic):
    def answer(request):
        if "output_config" in request.body:
            return refusal(400, "invalid_request_error", "this model does not support structured outputs")
        if "tools" in request.body:
            return refusal(400, "invalid_request_error", "tools are not supported by this model")
        return reply(text('{"rank": 3}'))

    server.default = answer
    assert rank_on(anthropic())("down") == 3
    assert len(server.requests) == 3


def test_refused_schema_is_remembered_for_its_type_alone(server, anthropic):
    def answer(request):
        if "output_config" in request.body:
            return refusal(400, "invalid_request_error", "output_config.format.schema: Schema is too complex")
        call = {"type": "tool_use", "id": "t", "name": request.body["tools"][0]["name"], "input": {"rank": 3}}
        return reply(call, stop="tool_use")

    server.default = answer
    llm = anthropic()
    assert rank_on(llm)("down") == 3

    @llm.task
    def count(message: str) -> list[str]:
        """Count the words"""

    server.enqueue(reply(text('{"count": ["a"]}')))
    assert count("a") == ["a"]
    assert "output_config" in server.requests[-1].body


def test_refused_effort_teaches_nothing_of_schemas(server, anthropic):
    server.enqueue(refusal(400, "invalid_request_error", "output_config.effort: not supported by this model"))
    with pytest.raises(BadRequestError, match="effort"):
        rank_on(anthropic(llm_params={"effort": "high"}))("down")
    assert len(server.requests) == 1


def test_explicit_schema_is_kept(server, anthropic):
    server.enqueue(refusal(400, "invalid_request_error", "output_config: Extra inputs are not permitted"))
    with pytest.raises(BadRequestError):
        rank_on(anthropic()).with_options(output="json_schema")("down")
    assert len(server.requests) == 1


def test_thinking_that_used_up_the_tokens_is_told(server, anthropic):
    server.enqueue(reply({"type": "thinking", "thinking": "Hm", "signature": ""}, stop="max_tokens"))
    with pytest.raises(OutputTruncated, match="thinking has used it up"):
        rank_on(anthropic())("down")


# Ends and errors


@pytest.mark.parametrize("streams", [False, True])
def test_refusal_is_told_in_its_words(way, server, anthropic, streams):
    told = {"type": "refusal", "category": "cyber", "explanation": "No, as this is harmful"}
    server.enqueue(reply(text("We"), stop="refusal", stop_details=told, streams=streams))
    got = ask(way, anthropic(), "Hi", streams=streams)
    assert (got.response, got.refusal, got.outcome) == ("We", "No, as this is harmful", "refused")


def test_refusal_of_a_typed_answer_is_an_error(server, anthropic):
    server.enqueue(reply(stop="refusal"))
    with pytest.raises(ModelRefusal, match="no explanation"):
        rank_on(anthropic())("down")


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


@pytest.mark.parametrize("streams", [False, True])
def test_paused_turn_goes_on_as_one_answer(way, server, anthropic, streams):
    first, second = text("Let me search."), text("Still at it.")
    server.enqueue(
        reply(first, SEARCH, stop="pause_turn", container={"id": "box"}, streams=streams),
        reply(FOUND, second, stop="pause_turn", streams=streams),
        reply(text("Here it is"), streams=streams),
        reply(text("Hm"), streams=streams),
    )
    llm = anthropic()
    got = ask(way, llm, "Hi", streams=streams)
    assert (got.response, got.outcome, got.finish_reason) == (
        "Let me search.Still at it.Here it is",
        "complete",
        "end_turn",
    )
    assert got.items == (SEARCH, FOUND)
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.cache_read) == (36, 15, 21)
    bodies = [request.body for request in server.requests]
    assert [body["messages"][1:] for body in bodies] == [
        [],
        [{"role": "assistant", "content": [first, SEARCH]}],
        [{"role": "assistant", "content": [first, SEARCH, FOUND, second]}],
    ]
    assert [body.get("container") for body in bodies] == [None, "box", "box"]
    said = Message(got.response, "assistant", state=got.state)
    ask(way, llm, [Message("Hi"), said, Message("again")], streams=streams)
    assert server.requests[-1].body["messages"][1]["content"] == [first, SEARCH, FOUND, second, text("Here it is")]


@pytest.mark.parametrize("streams", [False, True])
def test_turn_that_is_paused_for_ever_is_cut(way, server, anthropic, streams):
    server.enqueue(reply(text("Hm. "), stop="pause_turn", streams=streams), repeat=7)
    got = ask(way, anthropic(), "Hi", streams=streams)
    assert (got.response, got.outcome, got.finish_reason) == ("Hm. " * 6, "truncated", "pause_turn")
    assert len(server.requests) == 6
    assert server.requests[-1].body["messages"][1]["content"] == [text("Hm. ")] * 5


def test_stream_of_a_paused_turn_is_one(way, server, anthropic):
    server.enqueue(reply(text("One, "), stop="pause_turn", streams=True), reply(text("two"), streams=True))
    stream = (anthropic().astream if way.is_async else anthropic().stream)("Count")
    told = [(event.type, getattr(event, "delta", None)) for event in way.events(stream)]
    assert "".join(delta for kind, delta in told if kind == "content.delta") == "One, two"
    assert [kind for kind, _ in told].count("content.done") == 1


@pytest.mark.parametrize("streams", [False, True])
def test_paused_turn_keeps_to_the_time_of_its_call(way, server, anthropic, streams):
    server.enqueue(reply(text("One"), stop="pause_turn", streams=streams), replace(reply(text("two")), delay_before=30))
    with pytest.raises(ProviderError, match=r"timeout=0\.5|0\.5 s"):
        ask(way, anthropic(timeout=0.5), "Count", streams=streams)
    assert len(server.requests) == 2


@pytest.mark.parametrize("streams", [False, True])
def test_paused_turn_that_is_lost_is_an_error_with_what_came(way, server, anthropic, streams):
    server.enqueue(reply(text("One"), stop="pause_turn", streams=streams), refusal(529, "overloaded_error", "busy"))
    with pytest.raises(ServerError, match="busy") as caught:
        ask(way, anthropic(), "Count", streams=streams)
    assert getattr(caught.value.response, "response", "") == "One" * streams


@pytest.mark.parametrize("streams", [False, True])
def test_pause_that_asks_for_tools_is_told(way, server, anthropic, streams):
    call = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
    server.enqueue(reply(text("One"), call, stop="pause_turn", streams=streams))
    got = ask(way, anthropic(), "Count", streams=streams)
    assert (got.outcome, len(got.tool_calls)) == ("truncated", 1)


def test_reply_that_was_paused_goes_back_without_open_searches(server, anthropic):
    server.enqueue(reply(text("Let me search"), SEARCH, stop="pause_turn"), repeat=6)
    server.enqueue(reply(text("Hm")), repeat=2)
    llm = anthropic()
    got = llm.send("Hi")
    said = Message(got.response, "assistant", state=got.state)
    llm.send([Message("Hi"), said, Message("Never mind")])
    assert server.requests[-1].body["messages"][1]["content"] == [text("Let me search")] * 6


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", BadRequestError),
        (401, "authentication_error", AuthenticationError),
        (402, "billing_error", BadRequestError),
        (403, "permission_error", AuthenticationError),
        (413, "request_too_large", BadRequestError),
        (429, "rate_limit_error", RateLimited),
        (500, "api_error", ServerError),
        (529, "overloaded_error", ServerError),
    ],
)
def test_refused_request_is_our_error(way, server, anthropic, status, kind, expected, streams):  # noqa: PLR0917 - a table
    server.enqueue(refusal(status, kind, "so it is", **{"retry-after": "7"}))
    with pytest.raises(expected, match="so it is") as caught:
        ask(way, anthropic(), "Hi", streams=streams)
    error = caught.value
    assert (error.status, error.type, error.request_id, error.retry_after) == (status, kind, "req_1", 7)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ServerError),
        ("api_error", ServerError),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", BadRequestError),
        ("request_too_large", BadRequestError),
        ("billing_error", BadRequestError),
        ("permission_error", AuthenticationError),
        ("a_new_error", ProviderError),
    ],
)
def test_error_in_a_stream_is_our_error(way, server, anthropic, kind, expected):
    events = list(events_of(message(text("Hello"))))[:4]
    error = {"type": "error", "error": {"type": kind, "message": "so it is with sk-ant-test"}}
    server.enqueue(bytes_reply(tuple(map(spelled, [*events, error]))))
    with pytest.raises(expected, match="so it is with") as caught:
        ask(way, anthropic(), "Hi", streams=True)
    assert caught.value.response.response == "He"
    assert "sk-ant-test" not in str(caught.value)
    assert caught.value.type == kind


def test_prompt_that_is_too_long_has_its_code(server, anthropic):
    words = "prompt is too long: 210000 tokens > 200000 maximum"
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    server.enqueue(refusal(400, "invalid_request_error", words), bytes_reply(spelled(error)))
    with pytest.raises(BadRequestError) as caught:
        anthropic().send("Hi")
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(BadRequestError) as caught, anthropic().stream("Hi") as stream:
        stream.until_done()
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("kept", range(1, 9))
def test_stream_that_ends_early_is_never_whole(way, server, anthropic, kept):
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}}
    events = list(events_of(message(text("Hello"), call, stop="tool_use")))[:kept]
    server.enqueue(bytes_reply(tuple(map(spelled, events))))
    with pytest.raises(ProviderError) as caught:
        ask(way, anthropic(), "Hi", streams=True)
    assert isinstance(caught.value, StreamInterrupted) or kept < 3


@pytest.mark.local_model
@pytest.mark.parametrize("streams", [False, True])
def test_embedded_server_answers_in_the_format(way, streams):
    from declarai_like.providers._llamacpp import embedded_server
    from declarai_like.providers._model_files import find_model

    served = embedded_server(find_model(None))
    llm = declarai.anthropic("any", base_url=served.base_url, api_key=served.api_key)
    got = ask(way, llm, "Say hello", streams=streams, temperature=0, max_tokens=9)
    assert got.response
    assert (got.outcome, got.finish_reason, got.usage.completion_tokens) == ("truncated", "max_tokens", 9)


def test_usages_are_added_count_by_count_and_the_rest_is_the_later_one():
    one = {"output_tokens": 3, "tier": "a", "tools": {"searches": 1}, "region": "eu"}
    assert add_usage(one, {"output_tokens": 4, "tier": "b", "tools": {"searches": 2}}) == {
        "output_tokens": 7,
        "tier": "b",
        "tools": {"searches": 3},
        "region": "eu",
    }

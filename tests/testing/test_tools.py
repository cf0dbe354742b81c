"""The test kit with tools: what was run, rounds in recordings, calls that are cut on the wire."""

import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import Cassette, FakeLLM, LLMServer, broken_off, bytes_reply, cut, reply
from declarai_like.tools import tool


class Shop:
    """A tool whose effects are noted."""

    def __init__(self):
        self.done = []

    def refund(self, order: str) -> str:
        """Refund an order"""
        self.done.append(order)
        return f"refunded {order}"

    @tool(errors="raise")
    def fail(self) -> str:
        """Fail"""
        raise ValueError("no")


@pytest.fixture
def shop():
    return Shop()


ASKING = reply("Let me see.", calls=[("refund", {"order": "7"}), ("refund", {"order": 8}), ("gone", {})])


def asking(way, llm, shop):
    def support(message: str) -> str:
        """Help: {message}"""

    return llm.task(tools=[shop.refund, shop.fail])(way.define(support))


def test_what_became_of_each_call_is_kept(way, shop):
    fake = FakeLLM([ASKING, reply(calls=[("refund", {"order": "9"})]), "done"])
    result = way.run(asking(way, fake, shop), "?")
    assert shop.done == ["7", "9"]
    assert tuple(fake.tool_runs) == result.calls
    assert [(run.name, run.error is None) for run in fake.tool_runs] == [
        ("refund", True),
        ("refund", False),
        ("gone", False),
        ("refund", True),
    ]


def test_calls_of_a_run_that_fails_are_kept_too(way, shop):
    fake = FakeLLM([reply(calls=[("refund", {"order": "7"}), ("fail", {})])])
    with pytest.raises(errors.ToolFailed):
        way.run(asking(way, fake, shop), "?")
    assert [run.name for run in fake.tool_runs] == ["refund", "fail"]


def test_the_fixture_knows_what_tasks_of_others_run(way, shop, fake_llm):
    fake_llm.enqueue(reply(calls=[("refund", {"order": "7"})]), "done")
    task = asking(way, declarai.openai(model="gpt-4o-mini", openai_token="any"), shop)
    assert way.run(task, "?").value == "done"
    assert [(run.arguments, run.value) for run in fake_llm.tool_runs] == [({"order": "7"}, "refunded 7")]


@pytest.mark.parametrize("streams", [False, True])
def test_a_recording_keeps_its_rounds_and_tools_run_again(way, shop, tmp_path, streams):
    def ask(llm):
        task = asking(way, llm, shop)
        if not streams:
            return way.run(task, "?").value
        return [event.type for event in way.events(task.stream("?"))]

    path = tmp_path / "rounds.json"
    with Cassette(path) as cassette:
        first = ask(cassette.use(FakeLLM([reply(calls=[("refund", {"order": "7"})]), "done"])))
    with Cassette(path, mode="none") as cassette:
        again = ask(cassette.use(FakeLLM()))
    assert first == again
    assert shop.done == ["7", "7"]


FORMATS = {
    "chat": lambda url: declarai.openai(model="m", openai_token="k", base_url=url),
    "responses": lambda url: declarai.openai(model="m", openai_token="k", base_url=url, api="responses"),
    "anthropic": lambda url: declarai.anthropic(model="m", api_key="k", base_url=url.removesuffix("/v1")),
    "google": lambda url: declarai.google(model="m", api_key="k", base_url=url),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("calls", [[("refund", '{"ord')], [("refund", {"order": "7"}), ("refund", "")]])
def test_a_server_can_break_within_a_call_and_nothing_is_run(shop, kind, calls):
    with LLMServer(cut("Let me see.", calls=calls)) as server:
        llm = FORMATS[kind](server.base_url)
        with pytest.raises(errors.StreamInterrupted), llm.stream("?", tools=[shop.refund], max_retries=0) as stream:
            for _ in stream:
                pass
    assert shop.done == []


def test_a_server_can_break_at_any_byte_of_a_call(shop):
    with LLMServer(reply(calls=[("refund", {"order": "7"})])) as server:
        body = _streamed(server)
    place = body.index(b"order") + 2
    with LLMServer(broken_off(bytes_reply(body), place)) as server:
        llm = FORMATS["chat"](server.base_url)
        with pytest.raises(errors.StreamInterrupted), llm.stream("?", tools=[shop.refund], max_retries=0) as stream:
            stream.until_done()
    assert shop.done == []


def _streamed(server):
    import json
    import urllib.request

    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    request = urllib.request.Request(f"{server.base_url}/chat/completions", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
        return answer.read()

"""Calls recorded in a file and played again."""

import json
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from providers.strict_chats import FORMATS, model, square
from providers.strict_chats import say as say_to

import declarai_like as declarai
from declarai_like.errors import (
    ConfigurationError,
    DefinitionError,
    OutputError,
    ProviderTimeout,
    RateLimited,
    StreamInterrupted,
)
from declarai_like.messages import Message
from declarai_like.middleware import observe
from declarai_like.testing import (
    Cassette,
    FakeLLM,
    LLMServer,
    chunks,
    cut,
    error_reply,
    reply,
    stream_reply,
    text_reply,
    tool_call,
)

CANARY = "sk-canary-0123456789abcdef"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def say(about: str) -> str:
    """Say something"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cassettes" / "a_test.json"


def calls_in(path):
    return json.loads(path.read_text("utf-8"))["calls"]


def record(path, replies, ask, **options):
    """Make calls to a scripted model, and give what came of them."""
    with Cassette(path, **options) as cassette:
        return ask(cassette.use(FakeLLM(replies)))


def replay(path, ask, **options):
    """Make calls to a model that has nothing to say."""
    return record(path, [], ask, **options)


def steps_of(way):
    """Give a way to stream one call and keep the raw chunks."""

    def ask(llm):
        chunks = []
        task = llm.task(streaming=True, middlewares=[observe(chunks.append)])(way.define(say))
        with suppress(OutputError):  # a tool call is no text
            way.collect(task("x"))
        return chunks

    return ask


def answer_of(way):
    """Give a way to make one call and keep the raw answer."""

    def ask(llm):
        return way.run(llm.task(way.define(say)), "x").response.raw_response

    return ask


def hello(llm):
    return llm.send("Hello").response


def later(llm):
    return llm.send("Good bye").response


# What was recorded is played


@pytest.mark.parametrize(
    "scripted",
    ["Hello", "日本語 \ud83d ✓", "", chunks("Hel", "lo"), tool_call("f", {"a": 1}), reply("x", usage=USAGE)],
    ids=["text", "unicode", "empty", "chunks", "tool call", "usage"],
)
def test_stream_plays_chunk_for_chunk_equal(way, path, scripted):
    ask = steps_of(way)
    assert record(path, [scripted], ask) == replay(path, ask)


def test_whole_answer_plays_equal(way, path):
    ask = answer_of(way)
    assert record(path, ["Hello"], ask) == replay(path, ask)


def test_openai_is_recorded_and_played(way, path, server, llm):
    server.enqueue(stream_reply(["Hel", "lo"], usage=USAGE))
    ask = steps_of(way)
    with Cassette(path):
        recorded = ask(llm)
    server.close()
    with Cassette(path, mode="none"):
        assert ask(llm) == recorded


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_what_each_vendor_sent_is_played_in_its_own_format(way, path, form, in_use, streams):
    def talk(url, asked):
        """Make two turns of a chat, the first with a tool; give what came and the state that was kept."""
        llm = model(form, url)
        raw = []

        @(asked.use(llm) if in_use else llm).chat(tools=[square], middlewares=[observe(raw.append)])
        class Bot:
            """You answer"""

        bot = Bot()
        words = [say_to(way, bot, asking, streams=streams) for asking in ("3 * 3?", "and now?")]
        told = bot.llm_response
        return words, raw, told.raw_response, told.items, told.usage, [message.state for message in bot.conversation]

    with LLMServer(strict=True) as strict:
        strict.enqueue(
            tool_call("square", {"x": 3}, reasoning="Hm"), reply("9", reasoning="So"), reply("on", usage=USAGE)
        )
        with Cassette(path) as cassette:
            recorded = talk(strict.url, cassette)
            cassette.save()
        url = strict.url
    with Cassette(path, mode="none") as cassette:
        played = talk(url, cassette)
    assert played == recorded
    assert [type(step) for step in played[1]] == [type(step) for step in recorded[1]]
    assert ("choices" in played[2]) == (form == "chat")
    assert played[5][-1] is not None


def test_values_are_parsed_anew(path):
    def ask(llm):
        return llm.send("How many?", output_type=list[int]).parsed

    record(path, [[1, 2]], ask)
    assert replay(path, ask) == [1, 2]


def test_broken_stream_breaks_again(way, path):
    def ask(llm):
        with pytest.raises(StreamInterrupted) as caught:
            steps_of(way)(llm)
        return caught.value.response.response

    assert record(path, [cut("Hel")], ask) == replay(path, ask) == "Hel"


def test_error_is_raised_again_with_its_facts(way, path, server, llm):
    server.enqueue(error_reply(429, "slow down", code="rate_limit_exceeded", headers={"Retry-After": "7"}))

    def ask():
        with pytest.raises(RateLimited, match="slow down") as caught:
            answer_of(way)(llm)
        return {**vars(caught.value), "attempts": None, "response": None}

    with Cassette(path):
        recorded = ask()
    with Cassette(path):
        assert ask() == recorded
    assert recorded["retry_after"] == 7


def test_tries_play_in_their_order_and_nobody_waits(way, path):
    def ask(llm):
        started = time.perf_counter()
        answer_of(way)(llm)
        return time.perf_counter() - started

    replies = [ProviderTimeout("late", retry_after=1.5), "Hello"]
    with Cassette(path) as cassette:
        assert ask(cassette.use(FakeLLM(replies, max_retries=1))) > 1.4
    with Cassette(path) as cassette:
        assert ask(cassette.use(FakeLLM(max_retries=1))) < 1.4


def test_waits_between_tries_are_kept_with_the_timing(path):
    replies = [ProviderTimeout("late", retry_after=0.1), "Hello"]
    with Cassette(path) as cassette:
        hello(cassette.use(FakeLLM(replies, max_retries=1)))
    started = time.perf_counter()
    with Cassette(path, timing=True) as cassette:
        hello(cassette.use(FakeLLM(max_retries=1)))
    assert time.perf_counter() - started > 0.1


@pytest.mark.parametrize(("timing", "least", "most"), [(True, 0.06, 5), (False, 0, 0.06)])
def test_timing_is_kept_if_it_is_asked_for(way, path, timing, least, most):
    ask = steps_of(way)
    record(path, [reply("a b c", delay=0.02)], ask)
    started = time.perf_counter()
    replay(path, ask, timing=timing)
    assert least <= time.perf_counter() - started < most


def test_order_of_equal_calls_is_kept_and_that_of_others_is_free(path):
    record(path, ["one", "two", "three"], lambda llm: [hello(llm), hello(llm), later(llm)])
    assert replay(path, lambda llm: [later(llm), hello(llm), hello(llm)]) == ["three", "one", "two"]


def test_threads_share_a_cassette(path):
    texts = [str(number) for number in range(40)]

    def ask(llm):
        with ThreadPoolExecutor(8) as pool:
            return sorted(response.response for response in pool.map(llm.send, texts))

    echo = [lambda request: request.messages[0].message] * 40
    assert record(path, echo, ask) == replay(path, ask) == sorted(texts)


def test_stream_that_was_left_is_recorded_as_far_as_it_was_read(way, path):
    def leave(llm):
        way.leave(llm.task(streaming=True)(way.define(say))("x"), after=2)

    record(path, ["one two three"], leave)
    replay(path, leave)
    assert calls_in(path)[0]["answer"][-1][1] == "[LEFT]"


def test_who_reads_on_in_a_stream_that_was_left_is_told(path):
    def leave(llm):
        with closing(llm.task(streaming=True)(say)("x")) as steps:
            next(steps)

    record(path, ["one two three"], leave)
    with pytest.raises(AssertionError, match="reads on"):
        replay(path, lambda llm: list(llm.task(streaming=True)(say)("x")))


def test_call_that_brought_nothing_is_not_kept(path):
    def ask(llm):
        with pytest.raises(ZeroDivisionError):
            hello(llm)
        return later(llm)

    record(path, [ZeroDivisionError(), "bye"], ask)
    assert len(calls_in(path)) == 1


# When the model is asked


def test_a_new_file_is_its_owner_s_alone_and_one_that_is_there_keeps_its_permissions(path):
    record(path, ["one"], lambda llm: llm.task(say)("a"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    record(path, ["two"], lambda llm: llm.task(say)("a"), mode="all")
    assert (stat.S_IMODE(path.stat().st_mode), "two" in path.read_text()) == (0o644, True)


def test_once_plays_a_file_that_is_there(path):
    record(path, ["Hello"], hello)
    assert record(path, ["other"], hello) == "Hello"


def test_once_refuses_what_is_not_in_the_file(path):
    record(path, ["Hello"], hello)
    with pytest.raises(AssertionError, match="not the one recorded"):
        record(path, ["bye"], later)


def test_none_refuses_to_record(path):
    with pytest.raises(AssertionError, match="no recording is left"):
        record(path, ["Hello"], hello, mode="none")
    assert not path.exists()


def test_new_records_what_is_not_in_the_file_and_drops_what_is_not_asked_for(path):
    record(path, ["Hello", "bye"], lambda llm: [hello(llm), later(llm)])
    asked = record(path, ["new"], lambda llm: [later(llm), llm.send("What?").response], mode="new")
    assert asked == ["bye", "new"]
    assert [call["answer"][0][1]["choices"][0]["message"]["content"] for call in calls_in(path)] == ["bye", "new"]


def test_new_leaves_a_file_alone_that_is_right(path):
    record(path, ["Hello"], hello)
    before = path.stat().st_mtime_ns
    replay(path, hello, mode="new")
    assert path.stat().st_mtime_ns == before


def test_all_records_anew(path):
    record(path, ["Hello"], hello)
    record(path, ["other"], hello, mode="all")
    assert replay(path, hello) == "other"


def test_unknown_mode_is_refused(path):
    with pytest.raises(DefinitionError, match="once, none, new, all"):
        Cassette(path, mode="sometimes")


def test_recording_that_was_not_asked_for_fails(path):
    record(path, ["Hello", "bye"], lambda llm: [hello(llm), later(llm)])
    with pytest.raises(AssertionError, match="Good bye"):
        replay(path, hello)


def test_unrecorded_request_is_not_forgotten_if_the_error_was_swallowed(path):
    def ask(llm):
        with pytest.raises(AssertionError):
            hello(llm)

    with pytest.raises(AssertionError, match="no recording is left"):
        replay(path, ask, mode="none")


def test_nothing_is_written_when_an_error_passes(path):
    def ask(llm):
        hello(llm)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record(path, ["Hello"], ask)
    assert not path.exists()


def test_cassette_without_a_context_is_saved_by_hand(path):
    cassette = Cassette(path)
    hello(cassette.use(FakeLLM(["Hello"])))
    cassette.save()
    assert replay(path, hello) == "Hello"


def test_provider_is_wrapped_once(path):
    with Cassette(path) as cassette:
        llm = cassette.use(cassette.use(FakeLLM(["Hello"])))
        hello(llm)
    assert len(calls_in(path)) == 1
    assert repr(llm) == "<Declarai 1 asked, 0 left on a_test.json>"


def test_options_of_the_model_are_kept(path):
    request = Cassette(path).use(FakeLLM(llm_params={"top_p": 0.5})).task(say).request("x")
    assert request.params == {"top_p": 0.5}


def test_body_is_the_provider_s_own(path):
    llm = Cassette(path).use(FakeLLM())
    assert llm.llm.encode(llm.task(say).request("x"))["messages"][0]["role"] == "user"


def test_what_a_server_does_not_know_is_learned_again(path, server, llm):
    server.enqueue(error_reply(400, "unknown field response_format"), text_reply("3"))

    def ask():
        return declarai.openai(model="m", openai_token="k", base_url=server.base_url).send("x", output_type=int).parsed

    with Cassette(path):
        assert ask() == 3
    with Cassette(path):
        assert ask() == 3


# What is different


def test_changed_prompt_fails_with_a_diff(path):
    first = FakeLLM(["Hello", "bye"])

    def ask(text):
        return lambda llm: [later(llm), llm.task(say)(text)]

    with Cassette(path) as cassette:
        ask("the sea")(cassette.use(first))
    with pytest.raises(AssertionError) as caught:
        replay(path, ask("the sky"))
    assert "request of say is not the one recorded" in str(caught.value)
    assert "\n-  about: the sea\n+  about: the sky\n" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"temperature": 0.5}, "+temperature: 0.5"),
        ({"model": "other"}, "+model: other"),
        ({"output_type": int}, "+response_format:"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "+tool:"),
    ],
)
def test_every_part_of_a_request_counts(path, change, line):
    record(path, ["5"], hello)
    with pytest.raises(AssertionError) as caught:
        replay(path, lambda llm: llm.send("Hello", **change))
    assert line in str(caught.value)


def test_fields_of_messages_count(path):
    record(path, ["5"], hello)
    with pytest.raises(AssertionError, match=r'\+  \(name: "Ann"\)'):
        replay(path, lambda llm: llm.send([Message("Hello", fields={"name": "Ann"})]))


@pytest.mark.parametrize("prompt", ["Once", ["Once", "Upon"]])
def test_continued_text_is_recorded(path, prompt):
    def ask(llm):
        return llm.complete(prompt).response

    assert record(path, ["there was"], ask) == replay(path, ask)
    assert "  Once" in calls_in(path)[0]["request"]


# The file


def test_file_has_a_chunk_a_line(path):
    record(path, [chunks("日本", "語")], lambda llm: list(llm.task(streaming=True)(say)("x")))
    lines = path.read_text("utf-8").splitlines()
    assert [("日本" in line, "語" in line) for line in lines if '"delta": {"content": "' in line] == [
        (True, False),
        (False, True),
    ]
    assert '    "  about: x",' in lines


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 1}', '{"version": 9, "calls": []}', '{"version": 1, "calls": [1]}']
)
def test_file_that_is_no_recording_is_told(path, content):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"a_test\.json"):
        Cassette(path)


def test_no_secret_is_written(path, server, monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_API_KEY", "canary-of-the-environment")
    server.enqueue(
        text_reply(f"Your key is {CANARY} and canary-of-the-environment"),
        error_reply(401, f"wrong key {CANARY}, Authorization: Bearer {CANARY}"),
    )
    llm = declarai.openai(
        model="m",
        openai_token=CANARY,
        base_url=f"{server.base_url}?access_token=canary-token",
        headers={"X-Other": "Bearer canary-header", "api-key": "canary-azure", "x-api-key": ""},
        max_retries=0,
    )
    with Cassette(path):
        llm.send(f"My key is {CANARY}, and Basic dXNlcjpjYW5hcnk=", max_tokens=5)
        with pytest.raises(declarai.errors.AuthenticationError):
            llm.send("again")
    text = path.read_text("utf-8")
    assert "canary" not in text.lower()
    assert "dXNlcjpjYW5hcnk" not in text
    assert '"max_tokens: 5"' in text


def test_data_that_json_does_not_know_are_shown(path):
    def ask(llm):
        return llm.send("x", stop=frozenset({"a"})).response

    assert record(path, ["Hello"], ask) == replay(path, ask)
    assert "stop: \"frozenset({'a'})\"" in calls_in(path)[0]["request"]


# The embedded model

REPLAYING = """
import asyncio, json, socket, sys
from pathlib import Path
import declarai_like as declarai
from declarai_like.testing import Cassette

loop = asyncio.new_event_loop()

def refuse(*args, **kwargs):
    raise AssertionError("a socket was asked for")

socket.socket = socket.create_connection = refuse

llm = declarai.local(llm_params={"max_tokens": 12, "temperature": 0})

@llm.task(streaming=True)
def say(about: str) -> str:
    "Say something"

@llm.task(streaming=True)
async def asay(about: str) -> str:
    "Say something"

async def collected():
    return [step.raw_response async for step in asay("cats")]

with Cassette(Path(sys.argv[1]), mode="none"):
    steps = [step.raw_response for step in say("cats")]
    print(json.dumps([steps, loop.run_until_complete(collected())]))
loop.close()
"""


@pytest.mark.local_model
def test_embedded_model_s_stream_plays_chunk_for_chunk_equal_without_a_network(path):
    task = declarai.local(llm_params={"max_tokens": 12, "temperature": 0}).task(streaming=True)(say)
    with Cassette(path):
        recorded = [[step.raw_response for step in task("cats")], [step.raw_response for step in task("cats")]]
    script = [sys.executable, "-W", "error", "-c", textwrap.dedent(REPLAYING), str(path)]
    played = subprocess.run(script, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    assert json.loads(played.stdout) == recorded

"""Tasks as tools and prompts of the Model Context Protocol, driven by the official client, in both eras."""

import asyncio
import importlib
import io
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Literal

import pytest
from mcp import Client, MCPError, StdioServerParameters

from declarai_like import serve
from declarai_like._cli import main
from declarai_like._cli._serve import Settings, make_app
from declarai_like.errors import ConfigurationError, MissingExtra
from declarai_like.testing import FakeLLM, chunks, reply, tool_call

MODULE = '''
from dataclasses import dataclass

from declarai_like.testing import FakeLLM, chunks

print("this line is not for the client")
llm = FakeLLM(["about it", "3", {"name": "Jaws", "year": 1975}])


@llm.task
def about(movie: str, words: int = 10) -> str:
    """Say something about the movie
    :param movie: Its title
    :param words: How many words
    :return: What there is to say
    """


@llm.task
def rate(movie: str) -> int:
    """Rate the movie."""


@dataclass
class Film:
    name: str
    year: int


@llm.task
def find(words: str) -> Film:
    """Find a film."""
'''


@dataclass
class Film:
    name: str
    year: int


def tasks_of(llm):
    @llm.task
    def about(movie: str, words: int = 10) -> str:
        """Say something about the movie
        :param movie: Its title
        :param words: How many words
        :return: What there is to say
        """

    @llm.task
    def rate(movie: str) -> Literal[1, 2, 3]:
        """Rate the movie."""

    @llm.task
    def find(words: str) -> Film:
        """Find a film."""

    @llm.task
    def films(words: str) -> list[Film]:
        """Find films."""

    @llm.task(streaming=True)
    def tell(topic: str) -> str:
        """Tell a story."""

    return [about, rate, find, films, tell]


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(params=["auto", "legacy"])
def era(request):
    return request.param


@pytest.fixture
def llm():
    return FakeLLM()


@pytest.fixture
def talk(site, llm, era):
    """Let a coroutine function talk to the served tasks."""
    served = site(serve.mcp_app(tasks_of(llm)))

    def talking(conversation):
        async def run():
            async with Client(f"{served.url}/mcp", mode=era) as client:
                return await conversation(client)

        return asyncio.run(run())

    return talking


def test_each_task_is_a_tool(talk):
    async def listing(client):
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(listing)}
    assert list(tools) == ["about", "rate", "find", "films", "tell"]
    about = tools["about"]
    assert about.description == "Say something about the movie\n\nReturns: What there is to say"
    assert about.input_schema["properties"]["movie"] == {"type": "string", "description": "Its title"}
    assert about.input_schema["required"] == ["movie"]
    assert about.annotations.read_only_hint is True
    assert about.output_schema is None
    assert tools["rate"].output_schema["properties"]["value"]["enum"] == [1, 2, 3]
    assert sorted(tools["find"].output_schema["properties"]) == ["name", "year"]
    assert tools["films"].output_schema["properties"]["value"]["items"] == {"$ref": "#/$defs/Film"}


@pytest.mark.parametrize(
    ("name", "arguments", "answer", "text", "structured"),
    [
        ("about", {"movie": "Jaws", "words": 3}, "A shark.", "A shark.", None),
        ("rate", {"movie": "Jaws"}, "3", "3", {"value": 3}),
        ("find", {"words": "shark"}, {"name": "Jaws", "year": 1975}, None, {"name": "Jaws", "year": 1975}),
        ("films", {"words": "shark"}, [{"name": "Jaws", "year": 1975}], None, {"value": [{"name": "Jaws", "year": 1975}]}),
        ("tell", {"topic": "sea"}, "Once.", "Once.", None),
    ],
)  # fmt: skip
def test_tool_gives_what_the_task_gives(talk, llm, name, arguments, answer, text, structured):  # noqa: PLR0917 - a row
    async def calling(client):
        return await client.call_tool(name, arguments)

    llm.enqueue(answer)
    result = talk(calling)
    assert not result.is_error
    assert result.structured_content == structured
    if text is not None:
        assert result.content[0].text == text
    else:
        assert json.loads(result.content[0].text) == answer


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("about", {"film": "Jaws"}, "the arguments do not fit: movie: Field required"),
        ("about", {}, "the arguments do not fit"),
        ("rate", {"movie": "Jaws"}, "the answer is not of the declared type"),
        ("nothing", {}, "there is no task of this name; the tasks are: about, rate"),
    ],
)
def test_what_goes_wrong_is_told_in_the_result(talk, llm, name, arguments, words):
    async def calling(client):
        return await client.call_tool(name, arguments)

    llm.enqueue("canary of an answer")
    result = talk(calling)
    assert result.is_error
    assert words in result.content[0].text
    assert "canary" not in result.content[0].text
    assert "Traceback" not in result.content[0].text


def test_streaming_task_tells_the_text_so_far(talk, llm):
    told = []

    async def calling(client):
        async def progress(done, total, message):
            told.append((done, total, message))

        return await client.call_tool("tell", {"topic": "sea"}, progress_callback=progress)

    llm.enqueue(chunks("Once ", "upon ", "a time", delay=0.3))
    assert talk(calling).content[0].text == "Once upon a time"
    assert told[0][2].startswith("Once")
    assert "Once upon a time".startswith(told[-1][2])
    assert all(done == len(message) for done, _, message in told)


def test_each_task_is_a_prompt(talk, llm):
    async def asking(client):
        listed = (await client.list_prompts()).prompts
        return listed, await client.get_prompt("about", {"movie": "Jaws", "words": "3"})

    listed, prompt = talk(asking)
    about = next(one for one in listed if one.name == "about")
    assert [(one.name, one.description, one.required) for one in about.arguments] == [
        ("movie", "Its title", True),
        ("words", "How many words", False),
    ]
    assert "Say something about the movie" in prompt.messages[-1].content.text
    assert {message.role for message in prompt.messages} <= {"user", "assistant"}
    assert "movie: Jaws" in prompt.messages[-1].content.text
    assert not llm.requests


@pytest.mark.parametrize(("name", "arguments"), [("about", {"words": "many"}), ("nothing", {})])
def test_prompt_of_wrong_arguments_is_refused(talk, name, arguments):
    async def asking(client):
        with pytest.raises(MCPError, match=r"the arguments do not fit|there is no task of this name"):
            await client.get_prompt(name, arguments)

    talk(asking)


def test_task_with_tools_does_not_say_that_it_only_reads(site, llm):
    def look(place: str) -> str:
        """Look somewhere."""
        return place

    @llm.task(tools=[look])
    def search(words: str) -> str:
        """Search for something."""

    async def asking():
        async with Client(f"{served.url}/mcp") as client:
            tools = (await client.list_tools()).tools
            return tools[0].annotations.read_only_hint, await client.call_tool("search", {"words": "x"})

    served = site(serve.mcp_app({"search": search}))
    llm.enqueue(tool_call("look", {"place": "here"}), "found")
    reads, result = asyncio.run(asking())
    assert (reads, result.content[0].text) == (False, "found")


@pytest.mark.parametrize("way", ["about", "tell"])
def test_cancelled_call_closes_the_connection_to_the_model(site, openai, server, era, way):
    tasks = tasks_of(openai())
    served = site(serve.mcp_app(tasks))
    server.enqueue(chunks("Once ", "upon ", delay=30) if way == "tell" else reply("late", delay=30))

    async def leaving():
        async with Client(f"{served.url}/mcp", mode=era) as client:
            arguments = {"topic": "sea"} if way == "tell" else {"movie": "Jaws"}
            call = asyncio.create_task(client.call_tool(way, arguments))
            assert await asyncio.to_thread(server.wait_requests, 1, 20)
            call.cancel()
            assert await asyncio.to_thread(server.wait_disconnect, 20)

    asyncio.run(leaving())


def test_calls_end_when_the_server_stops(site):
    llm, loops = FakeLLM([reply("late", delay=30)]), []
    app = serve.mcp_app(tasks_of(llm))

    async def served_app(scope, receive, send):
        loops.append(asyncio.get_running_loop())
        await app(scope, receive, send)

    async def calling():
        async with Client(f"{served.url}/mcp", mode="legacy", read_timeout_seconds=20) as client:
            call = asyncio.create_task(client.call_tool("about", {"movie": "Jaws"}))
            await asyncio.to_thread(wait_until, lambda: llm.requests)
            begun = time.monotonic()
            loops[0].call_soon_threadsafe(app.state.stop_streams)
            with pytest.raises(MCPError):
                await call
            return time.monotonic() - begun

    served = site(served_app)
    assert asyncio.run(calling()) < 19


def test_too_many_calls_are_refused(site, era):
    llm = FakeLLM([reply("slow", delay=3), "never"])
    served = site(serve.mcp_app(tasks_of(llm), max_concurrency=1))

    async def crowding():
        async with Client(f"{served.url}/mcp", mode=era) as client:
            first = asyncio.create_task(client.call_tool("about", {"movie": "Jaws"}))
            await asyncio.to_thread(wait_until, lambda: llm.requests)
            second = await client.call_tool("about", {"movie": "Alien"})
            return await first, second

    first, second = asyncio.run(crowding())
    assert first.content[0].text == "slow"
    assert second.is_error
    assert second.content[0].text == "too many calls are under way"


def test_length_of_answers_is_bounded(site, llm):
    served = site(serve.mcp_app(tasks_of(llm), max_tokens=7))
    llm.enqueue("short")

    async def calling():
        async with Client(f"{served.url}/mcp") as client:
            await client.call_tool("about", {"movie": "Jaws"})

    asyncio.run(calling())
    assert llm.requests[0].params == {"max_tokens": 7}


BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, BODY, 401),
        ({"Authorization": "Bearer wrong"}, BODY, 401),
        ({"Authorization": "Bearer s3cret", "Host": "evil.example"}, BODY, 421),
        ({"Authorization": "Bearer s3cret", "Origin": "https://evil.example"}, BODY, 403),
        ({"Authorization": "Bearer s3cret"}, {**BODY, "params": {"x": "y" * 5000}}, 413),
        ({"Authorization": "Bearer s3cret", "Content-Type": "text/plain"}, BODY, 415),
    ],
)
def test_limits_of_serving_hold(site, llm, headers, body, status):
    app = serve.mcp_app(tasks_of(llm), token="s3cret", cors=["https://mine.example"], max_body_bytes=2000)
    assert site(app).ask("POST", "/mcp", body, **ACCEPT, **headers).status == status


def test_client_with_the_token_is_answered(site, llm):
    served = site(serve.mcp_app(tasks_of(llm), token="s3cret", cors=["https://mine.example"]))
    headers = {"Authorization": "Bearer s3cret", "Origin": "https://mine.example", **ACCEPT}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    answer = served.ask("POST", "/mcp", {**BODY, "method": "initialize", "params": params}, **headers)
    assert answer.status == 200
    assert b"declarai-like" in answer.body


def test_app_without_its_lifespan_says_so():
    app = serve.mcp_app(tasks_of(FakeLLM()))

    async def asking():
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/mcp", "raw_path": b"/mcp", "root_path": "", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")], "http_version": "1.1",
            "scheme": "http", "client": None, "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await app(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(asking()) == 503


def test_what_cannot_be_served_is_refused(llm):
    with pytest.raises(ConfigurationError, match="expected a task to serve"):
        serve.mcp_app([len])
    with pytest.raises(ConfigurationError, match="the token is empty"):
        serve.mcp_app(tasks_of(llm), token=" ")


def test_missing_package_is_told(monkeypatch, llm):
    monkeypatch.setitem(sys.modules, "declarai_like.serve._mcp_app", None)
    monkeypatch.delattr(serve, "_mcp_app", raising=False)
    with pytest.raises(MissingExtra, match=re.escape('pip install "declarai-like[mcp,serve]"')):
        serve.mcp_app(tasks_of(llm))
    importlib.import_module("declarai_like.serve")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DECLARAI_SERVE_TOKEN", raising=False)
    (tmp_path / "served_by_mcp.py").write_text(MODULE)
    return tmp_path


def test_command_serves_over_standard_input_and_output(place, era, capfd):
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "declarai_like", "serve", str(place / "served_by_mcp.py"), "--mcp"],
        cwd=place,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    async def talking():
        async with Client(command, mode=era) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            return names, await client.call_tool("about", {"movie": "Jaws"})

    names, result = asyncio.run(talking())
    assert sorted(names) == ["about", "find", "rate"]
    assert result.content[0].text == "about it"
    assert "Traceback" not in capfd.readouterr().err


def test_command_serves_over_http(place, era):
    process = subprocess.Popen(
        [sys.executable, "-m", "declarai_like", "serve", "served_by_mcp.py", "--mcp", "http", "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )

    async def talking(port):
        async with Client(f"http://127.0.0.1:{port}/mcp", mode=era) as client:
            result = await client.call_tool("about", {"movie": "Jaws"})
            process.send_signal(signal.SIGINT)
            begun = time.monotonic()
            await asyncio.to_thread(process.wait, 30)
            return result, time.monotonic() - begun

    port = next(found[1] for line in process.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
    result, seconds = asyncio.run(talking(port))
    assert result.content[0].text == "about it"
    assert seconds < 20
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_command_needs_a_task(place, capsys):
    (place / "served_nothing.py").write_text("")
    assert main(["serve", "served_nothing.py", "--mcp", "stdio"]) == 1
    assert "there is no task and no chat in served_nothing.py" in capsys.readouterr().err


def test_command_ends_with_its_input(place):
    done = subprocess.run(
        [sys.executable, "-m", "declarai_like", "serve", "served_by_mcp.py", "--mcp", "stdio"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
LINES = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def test_standard_output_has_messages_only(place, monkeypatch):
    output = io.BytesIO()
    told = "".join(json.dumps(line) + "\n" for line in LINES).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(_Slowly(told)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output))
    (place / "served_quietly.py").write_text(MODULE.replace("print", "repr"))
    assert main(["serve", "served_quietly.py", "--mcp"]) == 0
    answers = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [tool["name"] for tool in answers[1]["result"]["tools"]] == ["about", "rate", "find"]


class _Slowly(io.BytesIO):
    """An input whose end comes when the answers have had their time."""

    def read1(self, size=-1):
        piece = super().read1(size)
        if not piece:
            time.sleep(2)
        return piece


def test_settings_of_the_command_hold_over_http(place):
    app = make_app(["served_by_mcp.py"], Settings(mcp="http"))
    assert {route.path for route in app.routes} == {"/mcp"}

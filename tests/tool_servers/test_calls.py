"""Tools of servers in calls of every kind, over both transports, in both eras of the protocol."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tool_servers.conftest import ask_once, asking, wait_until

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import FakeLLM, reply, tool_call


def test_model_is_told_names_descriptions_and_schemas_of_the_server(demo, fake):
    with demo.open() as server:
        ask_once(fake, server, "demo_add", {"a": 1, "b": 2})
    told = {one["function"]["name"]: one["function"] for one in fake.requests[0].tools}
    assert told["demo_add"]["description"] == "Add two numbers."
    assert told["demo_add"]["parameters"]["properties"]["a"] == {"title": "A", "type": "integer"}
    assert told["demo_add"]["strict"] is False


@pytest.mark.parametrize(
    ("name", "arguments", "value", "error"),
    [
        ("demo_add", {"a": 1, "b": 2}, {"result": 3}, None),
        ("demo_words", {"text": "grüße"}, "grüße", None),
        ("demo_picture", {}, "[image image/png, 5 bytes]", None),
        ("demo_boom", {}, None, "Error executing tool boom"),
    ],
)
def test_result_goes_to_the_model(demo, fake, name, arguments, value, error):  # noqa: PLR0917 - a row of the table
    with demo.open() as server:
        run = ask_once(fake, server, name, arguments)
    assert (run.value, run.error) == (value, error)


def test_pictures_of_a_result_go_to_the_model_too(child, fake):
    with child.open() as server:
        words, picture = ask_once(fake, server, "demo_drawn").value
    assert words == "a dot:"
    assert isinstance(picture, declarai.Image)
    assert picture.data.startswith(b"GIF89a")
    assert any("image/gif" in message.message for message in fake.requests[-1].messages if message.role == "tool")


def test_arguments_that_are_not_of_the_schema_are_shown_and_not_sent(child, fake):
    with child.open() as server:
        run = ask_once(fake, server, "demo_add", {"a": "x"})
    assert run.error == (
        "not run: the arguments are not what the tool takes:\n"
        "arguments: 'b' is a required property\na: 'x' is not of type 'integer'"
    )


def test_every_kind_of_call_uses_them(child, fake, way):
    def ask(question: str) -> str:
        """Answer: {question}"""

    with child.open() as server:
        task = fake.task(tools=[server])(way.define(ask))
        fake.enqueue(tool_call("demo_words", {"text": "whole"}), "one")
        assert [run.value for run in way.run(task, "?").calls] == ["whole"]
        fake.enqueue(tool_call("demo_words", {"text": "streamed"}), "two")
        results = [event for event in way.events(task.stream("?")) if event.type == "tool.result"]
        assert [result.value for result in results] == ["streamed"]


def test_chat_uses_them(child, fake):
    with child.open() as server:

        @fake.chat(tools=[server])
        class Bot:
            """You help."""

        fake.enqueue(tool_call("demo_words", {"text": "hi"}), "done")
        bot = Bot()
        assert bot.send("?") == "done"
    assert [message.message for message in bot.conversation if message.role == "tool"] == ["hi"]


def test_progress_is_told_to_readers_of_the_stream(demo, fake):
    with demo.open() as server:
        task = asking(fake, ("demo_slow", {"seconds": 0, "mark": "m"}), tools=[server])
        with task.stream("?") as stream:
            told = [event.value for event in stream if event.type == "tool.progress"]
    assert told == [{"progress": 1.0, "total": 2.0, "message": "half"}]


def test_late_call_is_cancelled_and_the_session_goes_on(demo, fake):
    with demo.open() as server:
        run = ask_once(fake, server.only("slow", timeout=5), "demo_slow", {"seconds": 90, "mark": "late"})
        assert run.error.startswith("no result after 5 s")
        assert run.may_have_run
        wait_until(lambda: "late cancelled" in demo.notes.read_text())
        assert ask_once(fake, server, "demo_add", {"a": 1, "b": 1}).value == {"result": 2}


def test_server_has_a_time_of_its_own_for_each_request(child, fake):
    with child.open(timeout=15) as server:
        run = ask_once(fake, server, "demo_slow", {"seconds": 90, "mark": "late"})
        assert "timed out; it was cancelled, and may still have an effect" in run.error
        assert run.may_have_run
        assert ask_once(fake, server, "demo_add", {"a": 1, "b": 1}).value == {"result": 2}


def test_cancelled_task_cancels_its_tools(demo, fake):
    async def leaving():
        async with demo.open() as server:
            fake.enqueue(tool_call("demo_slow", {"seconds": 60, "mark": "left"}))

            @fake.task(tools=[server])
            async def ask(question: str) -> str:
                """Answer: {question}"""

            asked = asyncio.create_task(ask("?"))
            await asyncio.to_thread(wait_until, demo.notes.exists)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await asyncio.to_thread(wait_until, lambda: "left cancelled" in demo.notes.read_text())

    asyncio.run(leaving())


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_many_calls_at_once_from_threads_and_tasks(demo, count):
    def numbered(number):
        fake = FakeLLM([tool_call("demo_words", {"text": str(number)}), "done"])
        return fake.task(tools=[server])

    def blocking(number):
        @numbered(number)
        def ask(question: str) -> str:
            """Answer: {question}"""

        return ask.run("?").calls[0].value

    async def awaiting(number):
        @numbered(number)
        async def ask(question: str) -> str:
            """Answer: {question}"""

        return (await ask.run("?")).calls[0].value

    async def awaiting_all(numbers):
        return await asyncio.gather(*map(awaiting, numbers))

    with demo.open() as server, ThreadPoolExecutor(50) as threads:
        told = threads.map(blocking, range(count // 2))
        tasks = asyncio.run(awaiting_all(range(count // 2, count)))
        assert [*told, *tasks] == list(map(str, range(count)))


def test_calls_of_one_answer_run_together(demo, fake):
    calls = [("demo_slow", {"seconds": 1, "mark": f"m{number}"}) for number in range(4)]
    with demo.open() as server:
        result = asking(fake, *calls, tools=[server]).run("?")
    assert [run.value for run in result.calls] == ["done"] * 4
    lines = demo.notes.read_text().split("\n")
    assert all("begins" in line for line in lines[:4])


def test_list_stays_for_a_call_and_is_new_for_the_next(own_demo, fake):
    with own_demo.open() as server:
        fake.enqueue(tool_call("demo_grow"), tool_call("demo_late"), "done")

        @fake.task(tools=[server])
        def ask(question: str) -> str:
            """Answer: {question}"""

        runs = ask.run("?").calls
        assert runs[0].value == "grown"
        assert "there is no tool 'demo_late'" in runs[1].error

        def knows_more():
            fake.enqueue(tool_call("demo_late"), "done")
            return ask.run("?").calls[0].error is None

        wait_until(knows_more)


def test_nothing_is_started_before_a_call_needs_it(child, fake):
    server = child.open()
    fake.task(tools=[server, server["add"]])
    assert threading.active_count() == len([t for t in threading.enumerate() if "mcp" not in t.name])
    server.close()


def test_server_begins_anew_after_it_was_closed(demo, fake):
    server = demo.open()
    for number in range(2):
        with server:
            assert ask_once(fake, server, "demo_add", {"a": number, "b": 0}).value == {"result": number}


def test_tools_keep_their_order_among_others(child, fake):
    def own(x: int) -> int:
        """Mine."""
        return x

    with child.open() as server:
        asking(fake, tools=[server["words"], own, server.only("boom", "add")])
        fake.enqueue("done")

        @fake.task(tools=[server["words"], own, server.only("boom", "add")])
        def ask(question: str) -> str:
            """Answer: {question}"""

        ask("?")
    names = [one["function"]["name"] for one in fake.requests[-1].tools]
    assert names == ["demo_words", "own", "demo_boom", "demo_add"]


def test_tool_may_be_chosen(child, fake):
    with child.open() as server:
        for choice in (server["add"], [server["add"]], "demo_add"):
            asking(fake, tools=[server], tool_choice=choice).run("?")
            assert fake.requests[-1].tools
        with pytest.raises(errors.DefinitionError, match="expected one tool, got <ToolServer demo>"):
            asking(fake, tools=[server], tool_choice=server)
        with pytest.raises(errors.DefinitionError, match="there is no tool 'demo_none'; the tools are: demo_add, "):
            asking(fake, tools=[server], tool_choice="demo_none").run("?")


def test_other_time_limits_of_the_call_hold_while_it_begins(child, fake, way):
    def ask(question: str) -> str:
        """Answer: {question}"""

    with child.open(command=["sleep", "600"], env={}) as server:
        task = fake.task(tools=[server], timeout=1)(way.define(ask))
        with pytest.raises(errors.ProviderTimeout, match="spent on its tools"):
            way.run(task, "?")
    assert not fake.requests


def test_replies_are_numbered_by_the_server_it_came_from(child, fake):
    """Two servers at once: each answers its own."""
    with child.open("one") as one, child.open("two") as two:
        fake.enqueue(reply(calls=[("one_words", {"text": "1"}), ("two_words", {"text": "2"})]), "done")

        @fake.task(tools=[one, two])
        def ask(question: str) -> str:
            """Answer: {question}"""

        assert [run.value for run in ask.run("?").calls] == ["1", "2"]

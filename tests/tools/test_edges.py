"""What seldom happens: each line that no other test comes by."""

import asyncio
import threading
from typing import Protocol, Union

import pytest

from declarai_like import errors
from declarai_like.testing import FakeLLM, reply, tool_call
from declarai_like.tools import Injected, SQLiteRuns, ToolContext, tool
from declarai_like.tools.contexts import check_injected, ignore_progress
from declarai_like.tools.declarations import read_tool
from declarai_like.tools.results import write_value


def told(fake, number=-1):
    return [message.message for message in fake.requests[number].messages if message.role == "tool"]


def add(a: int) -> int:
    return a + 1


def test_coroutine_task_is_a_tool(ask, fake):
    helper = FakeLLM([4, 5])

    @helper.task
    async def rank(message: str) -> int:
        """Rank {message}"""

    fake.enqueue(reply(calls=[("rank", {"message": "a"}, "x"), ("rank", {"message": "b"}, "y")]), "ok")
    ask(ask.task(fake, tools=[rank]))
    assert sorted(told(fake)) == ["4", "5"]


def test_raw_schemas_of_a_task_come_back(way, fake):
    schema = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}

    @fake.task(tools=[schema], tool_choice="required")
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    fake.enqueue(tool_call("add", {"a": 1}))
    with pytest.raises(errors.OutputError, match="call of add, which nobody runs"):
        way.run(ask, "?")
    assert fake.requests[0].tools == (schema,)
    assert fake.requests[0].params["tool_choice"] == "required"


def test_settings_without_tools_change_nothing(ask, fake):
    fake.enqueue("ok")
    assert ask(ask.task(fake, max_rounds=3)).rounds == 1


def test_name_that_no_provider_takes_is_refused():
    def größe(city: str) -> int: ...  # noqa: PLC2401 - that is the point

    with pytest.raises(errors.DefinitionError, match="give name="):
        read_tool(größe)
    assert tool(name="size")(größe).name == "size"


def test_object_may_stand_for_several_tools(fake):
    class Shop:
        def as_tools(self):
            return [add, tool(name="plus")(add)]

    task = fake.task(tools=[Shop()])(asked)
    assert [one["function"]["name"] for one in task.request("?").tools] == ["add", "plus"]


def asked(question: str) -> str:
    """Answer: {question}"""


class Store(Protocol):
    def find(self, key: str) -> str: ...


@pytest.mark.parametrize(("kind", "value"), [(Store, 3), (list[int], [1]), (Union[int, str], "x"), (int | None, None)])  # noqa: UP007 - both forms
def test_what_python_cannot_check_and_what_fits_is_let_through(kind, value):
    check_injected(value, kind, "here")


@pytest.mark.parametrize(("kind", "value"), [(list[int], 3), (Union[int, str], 1.5), (int | None, "x")])  # noqa: UP007 - both forms
def test_what_does_not_fit_is_refused(kind, value):
    with pytest.raises(TypeError, match="expected deps to hold"):
        check_injected(value, kind, "here")


def test_injected_parameter_with_a_default_needs_no_dependency(ask, fake):
    def find(city: str, db: Injected[dict] = {"Oslo": "cold"}) -> str:  # noqa: B006 - it is not changed
        return db[city]

    fake.enqueue(tool_call("find", {"city": "Oslo"}), "ok")
    ask(ask.task(fake, tools=[find]))
    assert told(fake) == ["cold"]


def test_progress_that_nobody_reads_goes_nowhere():
    assert ignore_progress(3) is None
    assert ToolContext("c", 1, "k").progress(3) is None


def test_half_a_character_in_a_result_is_told():
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        write_value(["\ud800"], 10)


def test_store_that_cannot_be_opened_lets_the_run_go(tmp_path):
    path = tmp_path / "runs.db"
    path.write_bytes(b"this is no database, and longer than its head" * 10)
    store = SQLiteRuns(path)
    for _ in range(2):
        with pytest.raises(errors.ConfigurationError, match="not a database"):
            store.acquire("r")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("times", [1, 2])
def test_interrupt_within_a_tool_comes_out_as_itself(fake, kind, times):
    def stops() -> str:
        raise kind

    fake.enqueue(reply(calls=[("stops", {}, f"c{number}") for number in range(times)]))
    with pytest.raises(kind):
        fake.task(tools=[stops])(asked).run("?")
    assert len(fake.requests) == 1


def test_cancelled_call_cancels_its_tools_and_waits_for_them():
    ends, fake = [], FakeLLM([reply(calls=[("slow", {}, "a"), ("blocks", {}, "b")])])
    begun, free = threading.Event(), threading.Event()

    async def slow() -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ends.append(1)
        return "late"

    def blocks() -> str:
        free.wait(30)
        return "late"

    @fake.task(tools=[slow, blocks])
    async def ask(question: str) -> str:
        """{question}"""

    async def main():
        task = asyncio.create_task(ask("?"))
        while not begun.is_set():  # noqa: ASYNC110 - a thread may set it
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    free.set()
    assert ends == [1]
    assert len(fake.requests) == 1


def test_cancelled_call_ends_what_it_writes(tmp_path):
    store = SQLiteRuns(tmp_path / "runs.db")
    fake = FakeLLM([reply(calls=[("add", {"a": 1})]), "done"])
    writing, free = threading.Event(), threading.Event()

    class Slow(SQLiteRuns):
        def commit(self, run_id, version, state):
            writing.set()
            free.wait(30)
            super().commit(run_id, version, state)

    @fake.task(tools=[add], runs=Slow(store.path))
    async def ask(question: str) -> str:
        """{question}"""

    async def main():
        task = asyncio.create_task(ask.run("?", run_id="r"))
        while not writing.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert store.acquire("r")[0] >= 1


def test_a_named_tool_is_chosen_by_its_name(ask, fake):
    fake.enqueue("ok")
    ask(ask.task(fake, tools=[add], tool_choice="add"))
    assert fake.requests[0].params["tool_choice"]["function"] == {"name": "add"}


def test_choice_may_be_in_the_form_of_the_wire(ask, fake):
    wire = {"type": "function", "function": {"name": "add"}}
    fake.enqueue("ok")
    ask(ask.task(fake, tools=[add], tool_choice=wire))
    assert fake.requests[0].params["tool_choice"] == wire


def test_refusal_beside_calls_is_a_refusal(ask, fake):
    from dataclasses import replace

    from declarai_like.testing import refusal

    fake.enqueue(replace(refusal("no"), tool_calls=(("add", {"a": 1}),)))
    ask.fail(errors.ModelRefusal, ask.task(fake, tools=[add]))


def test_provider_that_has_no_tools_any_more_is_still_refused(ask):
    llm = FakeLLM([errors.NotFoundError("no endpoints found that support tool use", status=404), '{"answer": "ok"}'])
    assert ask(ask.task(llm, tools=[add])).value == "ok"


def test_native_mode_tells_the_refusal(ask):
    llm = FakeLLM([errors.BadRequestError("this model does not support tools", status=400)])
    ask.fail(errors.BadRequestError, ask.task(llm, tools=[add], tool_mode="native"))

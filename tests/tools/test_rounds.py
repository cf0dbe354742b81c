import asyncio
import contextvars
import threading
import time

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import FakeLLM, reply, tool_call
from declarai_like.tools import Injected, ToolContext, ToolError, tool


def asked(question: str) -> str:
    """Answer: {question}"""


def told(fake, number=-1):
    return [message.message for message in fake.requests[number].messages if message.role == "tool"]


def add(a: int, b: int = 1) -> int:
    """Add"""
    return a + b


async def aadd(a: int, b: int = 1) -> int:
    """Add"""
    await asyncio.sleep(0)
    return a + b


def counted(limit: int):
    yield 0.5
    return limit


def listed(limit: int):
    yield from range(limit)


async def alisted(limit: int):
    for number in range(limit):
        yield number


@pytest.mark.parametrize(
    ("function", "arguments", "result", "progress"),
    [
        (add, {"a": 1, "b": 2}, 3, []),
        (aadd, {"a": 1}, 2, []),
        (counted, {"limit": 7}, 7, [0.5]),
        (listed, {"limit": 3}, 2, [0, 1, 2]),
        (alisted, {"limit": 3}, 2, [0, 1]),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_tools_of_every_kind_give_their_result(ask, fake, function, arguments, result, progress, times):  # noqa: PLR0917 - a table
    fake.enqueue(reply(calls=[(function.__name__, arguments, f"c{number}") for number in range(times)]), "done")
    task = ask.task(fake, tools=[function])
    if not ask.streams:
        assert ask(task).value == "done"
    else:
        events = ask.way.events(task.stream("?"))
        seen = [event.value for event in events if event.type == "tool.progress" and event.id == "c0"]
        assert seen == progress
    assert told(fake) == [str(result)] * times


def test_task_is_a_tool(ask, fake):
    helper = FakeLLM([4])

    @helper.task
    def rank(message: str) -> int:
        """Rank {message}"""

    fake.enqueue(tool_call("rank", {"message": "down"}), "urgent")
    assert ask(ask.task(fake, tools=[rank])).value == "urgent"
    assert told(fake) == ["4"]


def test_error_of_a_task_as_a_tool_is_shown(ask, fake):
    helper = FakeLLM(["no number"])

    @helper.task
    def rank(message: str) -> int:
        """Rank {message}"""

    fake.enqueue(tool_call("rank", {"message": "down"}), "sorry")
    ask(ask.task(fake, tools=[rank]))
    assert told(fake)[0].startswith("OutputError: expected int")


def test_events_come_in_their_order(way, fake):
    fake.enqueue(reply("Hm.", calls=[("add", {"a": 1})]), "two")

    @fake.task(tools=[add])
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    events = [event for event in way.events(ask.stream("?")) if event.type != "chunk"]
    names = [(event.type, event.round) for event in events if "arguments" not in event.type]
    assert names == [
        ("content.delta", 1),
        ("content.delta", 1),
        ("content.done", 1),
        ("tool.call", 1),
        ("tool.result", 1),
        ("round.done", 1),
        ("content.delta", 2),
        ("content.done", 2),
        ("round.done", 2),
    ]


def test_responses_of_a_streaming_task_tell_their_round(way, fake):
    fake.enqueue(
        reply("Hm.", calls=[("add", {"a": 1})], usage={"prompt_tokens": 5, "completion_tokens": 2}),
        reply("two", usage={"prompt_tokens": 9, "completion_tokens": 1}),
    )

    @fake.task(tools=[add], streaming=True)
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    steps = way.collect(ask("?"))
    first = [step for step in steps if step.round == 1]
    assert [step.outcome for step in first[-2:]] == ["calls", "calls"]
    assert [run.value for run in first[-1].tool_results] == [2]
    assert first[-1].response == "Hm."
    last = steps[-1]
    assert (last.round, last.outcome, last.response, last.tool_results) == (2, "complete", "two", ())
    assert (last.prompt_tokens, last.completion_tokens, last.total_tokens) == (14, 3, 17)
    assert last.round_usage.prompt_tokens == 9


def test_result_tells_calls_rounds_and_the_sum_of_tokens(way, fake):
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    fake.enqueue(reply(calls=[("add", {"a": 1}), ("add", {"a": 2})], usage=usage), reply("done", usage=usage))

    @fake.task(tools=[add])
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    result = way.run(ask, "?")
    assert (result.rounds, result.usage.total_tokens) == (2, 14)
    assert [(run.name, run.arguments, run.value, run.round) for run in result.calls] == [
        ("add", {"a": 1}, 2, 1),
        ("add", {"a": 2}, 3, 1),
    ]


class City(BaseModel):
    name: str


@pytest.mark.parametrize("answer", ['{"name": "Oslo"}', "It is Oslo."])
def test_typed_answer_follows_the_tools(ask, fake, answer):
    fake.enqueue(tool_call("add", {"a": 1}), answer, City(name="Oslo"))
    result = ask(ask.task(fake, returns=City, tools=[add]))
    assert result.value == City(name="Oslo")
    formats = [request.response_format is not None for request in fake.requests]
    if answer.startswith("{"):
        assert formats == [False, False]
    else:  # asked once more, with the schema and without tools
        assert formats == [False, False, True]
        assert fake.requests[-1].params["tool_choice"] == "none"
        assert result.rounds == 3


def test_forced_choice_holds_for_the_first_round(ask, fake):
    fake.enqueue(tool_call("add", {"a": 1}), "done")
    ask(ask.task(fake, tools=[add], tool_choice=add))
    choices = [request.params.get("tool_choice") for request in fake.requests]
    assert choices == [{"type": "function", "function": {"name": "add"}}, None]


@pytest.mark.parametrize("choice", ["required", "none", "auto"])
def test_choice_may_be_a_word(ask, fake, choice):
    fake.enqueue("done")
    ask(ask.task(fake, tools=[add], tool_choice=choice))
    assert fake.requests[0].params["tool_choice"] == choice


def test_choice_among_the_model_s_parameters_holds_once_too(ask, fake):
    fake.enqueue(tool_call("add", {"a": 1}), "done")
    ask(ask.task(fake, tools=[add], llm_params={"tool_choice": "required"}))
    assert [request.params.get("tool_choice") for request in fake.requests] == ["required", None]


def test_listed_tools_are_the_only_ones_in_all_rounds(ask, fake):
    fake.enqueue(tool_call("aadd", {"a": 1}), "done")
    ask(ask.task(fake, tools=[add, aadd], tool_choice=["add"]))
    assert [[one["function"]["name"] for one in request.tools] for request in fake.requests] == [["add"], ["add"]]
    assert told(fake) == ["not run: there is no tool 'aadd'; the tools are: add"]


def test_tools_keep_the_order_of_the_list(ask, fake):
    fake.enqueue("done")
    ask(ask.task(fake, tools=[aadd, add, listed]))
    assert [one["function"]["name"] for one in fake.requests[0].tools] == ["aadd", "add", "listed"]


def test_answer_instead_of_the_limit(ask, fake):
    fake.enqueue(*[tool_call("add", {"a": number}) for number in range(2)], "enough")
    result = ask(ask.task(fake, tools=[add], max_rounds=2, at_limit="answer"))
    assert (result.value, len(result.calls)) == ("enough", 2)
    assert fake.requests[-1].params["tool_choice"] == "none"


def test_third_same_call_in_a_row_is_not_run(ask, fake):
    ran = []

    def look(city: str) -> str:
        ran.append(city)
        return f"{city} {len(ran)}"

    fake.enqueue(*[tool_call("look", {"city": "Oslo"})] * 3, "done")
    ask(ask.task(fake, tools=[look]))
    assert ran == ["Oslo", "Oslo"]
    assert told(fake)[2].endswith("its result was: Oslo 2")


def test_repeatable_tool_may_be_polled(ask, fake):
    ran = []

    @tool(repeatable=True)
    def look() -> int:
        ran.append(1)
        return len(ran)

    fake.enqueue(*[tool_call("look")] * 4, "done")
    ask(ask.task(fake, tools=[look]))
    assert told(fake) == ["1", "2", "3", "4"]


def test_tool_that_fails_too_often_in_a_row_ends_the_call(ask, fake):
    def fails(number: int) -> str:
        raise ValueError(f"no {number}")

    fake.enqueue(*[tool_call("fails", {"number": number}) for number in range(5)])
    error = ask.fail(errors.ToolFailed, ask.task(fake, tools=[fails]))
    assert error.tool == "fails"
    assert [run.error for run in error.calls] == ["ValueError: no 0", "ValueError: no 1", "ValueError: no 2"]
    assert len(fake.requests) == 3


def test_success_sets_the_count_of_failures_back(ask, fake):
    def picky(number: int) -> int:
        if number % 3:
            raise ToolError(f"not {number}")
        return number

    fake.enqueue(*[tool_call("picky", {"number": number}) for number in (1, 2, 3, 4, 5)], "done")
    assert ask(ask.task(fake, tools=[picky])).value == "done"
    assert told(fake) == ["not 1", "not 2", "3", "not 4", "not 5"]


@pytest.mark.parametrize("where", ["tool", "task", "ours"])
def test_error_that_nobody_is_to_be_shown_ends_the_call_after_its_siblings(ask, fake, where):
    done, started = [], threading.Event()
    kind = errors.ConfigurationError if where == "ours" else ValueError

    @tool(errors="raise" if where == "tool" else "show")
    def fails() -> str:
        started.wait(30)
        raise kind("disk on fire")

    def works() -> str:
        started.set()
        time.sleep(0.05)
        done.append(1)
        return "fine"

    fake.enqueue(reply(calls=[("fails",), ("works",)]))
    task = ask.task(fake, tools=[fails, works], tool_errors="raise" if where == "task" else "show")
    error = ask.fail(errors.ToolFailed, task)
    assert isinstance(error.__cause__, kind)
    assert done == [1]
    assert [run.error for run in error.calls] == [f"{kind.__name__}: disk on fire", None]
    assert len(fake.requests) == 1


def test_exit_of_a_tool_comes_out_as_itself(way, fake):
    def leaves() -> str:
        raise SystemExit(3)

    fake.enqueue(reply(calls=[("leaves",), ("add", {"a": 1})]))

    @fake.task(tools=[leaves, add])
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    with pytest.raises(SystemExit):
        way.run(ask, "?")


def test_sequential_tool_runs_alone_in_its_place(ask, fake):
    running, most, order = [], [], []

    def note(name):
        running.append(name)
        order.append(name)
        most.append(len(running))
        time.sleep(0.02)
        running.remove(name)
        return len(most)

    def free(name: str) -> int:
        return note(name)

    @tool(sequential=True)
    def alone(name: str) -> int:
        before = list(running)
        note(name)
        return len(before)

    calls = [
        ("free", {"name": "a"}),
        ("free", {"name": "b"}, "x"),
        ("alone", {"name": "c"}),
        ("free", {"name": "d"}, "y"),
    ]
    fake.enqueue(reply(calls=calls), "done")
    ask(ask.task(fake, tools=[free, alone]))
    assert set(order[:2]) == {"a", "b"}
    assert order[2:] == ["c", "d"]
    assert told(fake)[2] == "0"


def test_no_more_tools_run_at_a_time_than_are_allowed(ask, fake):
    running, most, lock = [], [], threading.Lock()

    def work(number: int) -> int:
        with lock:
            running.append(number)
            most.append(len(running))
        time.sleep(0.01)
        with lock:
            running.remove(number)
        return number

    fake.enqueue(reply(calls=[("work", {"number": number}, f"c{number}") for number in range(6)]), "done")
    ask(ask.task(fake, tools=[work], parallel=2))
    assert max(most) <= 2
    assert told(fake) == [str(number) for number in range(6)]


def test_sync_tool_that_takes_too_long_is_given_up(ask, fake):
    free = threading.Event()

    @tool(timeout=0.05)
    def slow() -> str:
        free.wait(30)
        return "late"

    fake.enqueue(tool_call("slow"), "done")
    result = ask(ask.task(fake, tools=[slow]))
    free.set()
    assert told(fake) == ["no result after 0.05 s; it may still have an effect"]
    assert result.calls[0].may_have_run is True


def test_async_tool_that_takes_too_long_is_cancelled(ask, fake):
    ends = []

    @tool(timeout=0.05)
    async def slow() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ends.append(1)
        return "late"

    fake.enqueue(tool_call("slow"), "done")
    ask(ask.task(fake, tools=[slow]))
    assert ends == [1]
    assert told(fake)[0].startswith("no result after 0.05 s; it was cancelled")


def test_time_of_the_call_holds_for_its_tools(ask, fake):
    free = threading.Event()

    @tool(timeout=60)
    def slow() -> str:
        free.wait(30)
        return "late"

    fake.enqueue(tool_call("slow"))
    error = ask.fail(errors.ProviderTimeout, ask.task(fake, tools=[slow], timeout=0.3))
    free.set()
    assert "spent on its tools" in error.message


def test_limit_of_tool_calls_holds_for_the_block(ask, fake):
    ran = []

    def work(number: int) -> int:
        ran.append(number)
        return number

    fake.enqueue(*[tool_call("work", {"number": number}) for number in range(4)])
    with declarai.limits(tool_calls=2) as spent:
        error = ask.fail(errors.LimitExceeded, ask.task(fake, tools=[work]))
    assert ran == [0, 1]
    assert spent.tool_calls == 2
    assert len(error.calls) == 2


def test_limit_of_requests_holds_for_the_loop(ask, fake):
    fake.enqueue(*[tool_call("add", {"a": number}) for number in range(4)])
    with declarai.limits(requests=2):
        ask.fail(errors.LimitExceeded, ask.task(fake, tools=[add]))
    assert len(fake.requests) == 2


mark = contextvars.ContextVar("mark", default="none")


@pytest.mark.parametrize("times", [1, 2])
def test_context_variables_are_seen_by_tools(way, fake, times):
    def look() -> str:
        return mark.get()

    async def alook() -> str:
        return mark.get()

    for name in ("look", "alook"):
        fake.enqueue(reply(calls=[(name, {}, f"c{number}") for number in range(times)]), "done")

        @fake.task(tools=[look, alook])
        @way.define
        def ask(question: str) -> str:
            """{question}"""

        token = mark.set("seen")
        way.run(ask, "?")
        mark.reset(token)
        assert told(fake) == ["seen"] * times


def test_tool_is_given_its_dependencies_and_its_call(ask, fake):
    seen = []

    def look(city: str, db: Injected[dict], call: ToolContext) -> str:
        seen.append(call)
        call.progress(0.5)
        return db[city]

    fake.enqueue(tool_call("look", {"city": "Oslo"}), "done")
    task = ask.task(fake, tools=[look], deps={"db": {}})
    ask(task, deps={"db": {"Oslo": "cold"}})
    assert told(fake) == ["cold"]
    (call,) = seen
    assert (call.id, call.round, len(call.key)) == ("call_0", 1, 32)
    assert "db" not in fake.requests[0].tools[0]["function"]["parameters"]["properties"]


def test_result_that_json_has_no_words_for_is_told(ask, fake):
    def odd() -> object:
        return object()

    fake.enqueue(tool_call("odd"), "done")
    ask(ask.task(fake, tools=[odd]))
    assert told(fake)[0].startswith("the tool has run, but the result cannot be written as JSON")


def test_long_result_is_cut(ask, fake):
    def long() -> str:
        return "x" * 100

    fake.enqueue(tool_call("long"), "done")
    ask(ask.task(fake, tools=[long], max_result_chars=10))
    assert told(fake) == ["xxxxxxxxxx\n[cut here: 10 of 100 characters]"]


def test_fresh_ids_are_none_that_the_server_gave(ask, fake):
    calls = [("add", {"a": 1}, None), ("add", {"a": 2}, "call_0"), ("add", {"a": 3}, "call_0")]
    fake.enqueue(reply(calls=calls), "done")
    ask(ask.task(fake, tools=[add]))
    ids = [message.fields["tool_call_id"] for message in fake.requests[1].messages if message.role == "tool"]
    assert len(set(ids)) == 3
    assert ids.count("call_0") == 1


def test_several_choices_do_not_go_with_tools(fake):
    task = fake.task(tools=[add], llm_params={"n": 2})(asked)
    with pytest.raises(errors.DefinitionError, match="n=2 does not go with tools"):
        task("?")


def test_reader_that_leaves_stops_the_tools(way, fake):
    ends, begun = [], threading.Event()

    async def slow() -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ends.append(1)
        return "late"

    async def steps():
        yield 1
        begun.wait(30)
        await asyncio.sleep(30)

    fake.enqueue(reply(calls=[("slow",), ("steps",)]))

    @fake.task(tools=[slow, tool(name="steps")(counted_forever)])
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    stream = ask.stream("?")
    if way.is_async:

        async def leave():
            async with stream:
                async for event in stream:
                    if event.type == "tool.progress" and begun.is_set():
                        break

        way.do(leave())
    else:
        with stream:
            for event in stream:
                if event.type == "tool.progress" and begun.is_set():
                    break
    assert ends == [1]
    assert len(fake.requests) == 1


async def counted_forever():
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(0.001)


def test_messages_asked_directly_use_tools_too(way, fake):
    fake.enqueue(tool_call("add", {"a": 1}), "two", tool_call("add", {"a": 1}), "two")
    response = way.do(fake.asend("1+1?", tools=[add])) if way.is_async else fake.send("1+1?", tools=[add])
    assert (response.response, response.round) == ("two", 2)
    stream = fake.astream("1+1?", tools=[add], max_rounds=3) if way.is_async else fake.stream("1+1?", tools=[add])
    assert way.result(stream) == "two"


def test_raw_schemas_are_never_run_by_us(fake):
    schema = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    fake.enqueue(tool_call("add", {"a": 1}))
    response = fake.send("1+1?", tools=[schema])
    assert response.outcome == "calls"
    assert response.tool_calls[0].name == "add"
    assert len(fake.requests) == 1


def test_prompt_class_uses_tools(way, fake):
    class Sum(fake.Prompt):
        """What is {a} and one?"""

        call_params = {"tools": [add]}  # noqa: RUF012 - as it is declared
        a: int

    fake.enqueue(tool_call("add", {"a": 1}), "two")
    response = way.do(Sum(a=1).acall()) if way.is_async else Sum(a=1).call()
    assert response.response == "two"
    assert Sum(a=1).request().tools[0]["function"]["name"] == "add"


def test_task_shows_its_tools_in_its_request(fake):
    task = fake.task(tools=[add])(asked)
    assert task.request("?").tools == (tool(add).wire,)


def test_options_change_the_tools(ask, fake):
    fake.enqueue(tool_call("add", {"a": 1}), "done")
    task = ask.task(fake, tools=[aadd]).with_options(tools=[add])
    ask(task)
    assert told(fake) == ["2"]


def test_retry_of_a_request_runs_no_tool_again(ask):
    ran = []

    def work() -> str:
        ran.append(1)
        return "ok"

    llm = FakeLLM([tool_call("work"), errors.ServerError, "done"], max_retries=1)
    assert ask(ask.task(llm, tools=[work])).value == "done"
    assert ran == [1]


def test_wrong_answer_after_tools_is_shown_and_asked_again(way):
    llm = FakeLLM([tool_call("add", {"a": 1}), "no", "no", 7])

    @llm.task(tools=[add], retries=2)
    @way.define
    def ask(question: str) -> int:
        """{question}"""

    assert way.run(ask, "?").value == 7


@pytest.mark.parametrize("said", ["", "Let me see."])
def test_call_that_was_cut_is_asked_for_again_if_there_are_retries(way, said):
    ran = []

    def work(number: int) -> str:
        ran.append(number)
        return "ok"

    cut = reply(said, calls=[("work", {"number": 1}), ("work", '{"num', "b")], finish_reason="length")
    llm = FakeLLM([cut, tool_call("work", {"number": 2}), "done"])

    @llm.task(tools=[work], retries=1)
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    assert way.run(ask, "?").value == "done"
    assert ran == [2]
    shown = [(str(message.role), message.message) for message in llm.requests[1].messages[1:]]
    assert [role for role, _ in shown] == (["assistant", "user"] if said else ["user"])
    assert "within its tool calls (work), and none of them was run" in shown[-1][1]
    assert not any((message.fields or {}).get("tool_calls") for message in llm.requests[1].messages)


def test_call_that_is_cut_each_time_is_an_error(way):
    cut = reply(calls=[("add", {"a": 1})], finish_reason="length")
    llm = FakeLLM([cut] * 3)

    @llm.task(tools=[add], retries=2)
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    with pytest.raises(errors.OutputTruncated) as caught:
        way.run(ask, "?")
    assert len(llm.requests) == 3
    assert [call.name for call in caught.value.response.tool_calls] == ["add"]


def test_filtered_call_is_not_asked_for_again(way):
    llm = FakeLLM([reply(calls=[("add", {"a": 1})], finish_reason="content_filter")])

    @llm.task(tools=[add], retries=2)
    @way.define
    def ask(question: str) -> str:
        """{question}"""

    with pytest.raises(errors.ContentFiltered):
        way.run(ask, "?")

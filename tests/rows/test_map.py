"""Many rows through one task: order, errors, keys, limits, and what is left when the reader leaves."""

import asyncio
import gc
import pickle
import threading
import time
import weakref

import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like._rows.course import RecentRows
from declarai_like._rows.pacing import Pace
from declarai_like.rows import Row
from declarai_like.testing import FakeLLM, LLMServer, Reply, error_reply, reply, tool_call


def indexes(rows):
    return [row.index for row in rows]


def test_rows_are_given_in_order_with_their_values(gather, make_task):
    rows = gather(make_task(delay=0.001), ["a" * number for number in range(1, 51)], concurrency=8)
    assert [(row.index, row.value) for row in rows] == [(number, number + 1) for number in range(50)]
    assert all(row.error is None and row.response.response == str(row.value) and not row.cached for row in rows)


def test_rows_are_mappings_tuples_or_single_values(gather, make_task):
    rows = gather(make_task(), [{"message": "abc"}, ("ab",), "a"])
    assert [row.value for row in rows] == [3, 2, 1]


def test_a_row_that_does_not_bind_is_a_failed_row(gather, make_task):
    task = make_task()
    rows = gather(task, [{"massage": "abc"}, (), {"message": object()}, {}, "a"])
    assert [type(row.error) for row in rows] == [TypeError, TypeError, errors.ArgumentError, TypeError, type(None)]
    assert [row.key == "" for row in rows] == [True] * 4 + [False]
    assert len(task.llm.requests) == 1


def test_a_row_that_fails_is_given_like_the_others(gather, make_task):
    def answer(message):
        return errors.ServerError("down", status=500) if message == "aaa" else len(message)

    def raising(message):
        value = answer(message)
        if isinstance(value, Exception):
            raise value
        return value

    rows = gather(make_task(raising), ["a", "aa", "aaa", "aaaa"])
    assert [row.value for row in rows] == [1, 2, None, 4]
    assert isinstance(rows[2].error, errors.ServerError)
    assert len(rows[2].attempts) == 1


def test_tries_that_failed_before_an_answer_are_told(gather, server, openai):
    server.enqueue(error_reply(500, "down"), reply("5", usage={"prompt_tokens": 3, "completion_tokens": 1}))
    llm = openai(middlewares=[declarai.retry(1, first_wait=0)])

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    (row,) = gather(rank, ["a"])
    assert row.value == 5
    assert [type(attempt.error) for attempt in row.attempts] == [errors.ServerError]
    assert row.usage.total_tokens == 4


def test_rows_are_pulled_as_they_are_needed(make_task):
    pulled = []

    def source():
        for number in range(1000):
            pulled.append(number)
            yield f"m{number}"

    rows = make_task().map(source(), concurrency=4)
    assert not pulled
    next(rows)
    assert len(pulled) <= 10
    rows.close()
    assert list(rows) == []


def test_without_order_rows_come_as_they_finish(gather):
    gate = threading.Event()

    def slow(request):
        gate.wait(10)
        return 1

    def quick(request):
        return 2

    class Model(declarai.BaseLLM):
        def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
            text = messages[-1].message
            value = slow(text) if "slow" in text else quick(text)
            return declarai.LLMResponse(response=str(value))

    declarai.register_llm("slowly", Model)
    llm = declarai.Declarai(provider="slowly", model="m")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    seen = []

    def progress(now):
        seen.append(now.done)
        if now.done == 3:
            gate.set()

    rows = gather(rank, ["slow", "a", "b", "c"], ordered=False, progress=progress)
    assert indexes(rows)[-1] == 0
    assert sorted(indexes(rows)) == [0, 1, 2, 3]
    assert seen[-1] == 4


def test_no_more_calls_are_under_way_than_concurrency_allows(gather, make_task):
    running = [0]

    def counting(request, send):
        running.append(running[-1] + 1)
        try:
            return (yield from send(request))
        finally:
            running.append(running[-1] - 1)

    task = make_task(delay=0.005, middlewares=[counting])
    gather(task, [f"m{number}" for number in range(60)], concurrency=5, adaptive=False)
    assert 2 <= max(running) <= 5


def test_on_error_stop_gives_what_is_under_way_and_raises(gather, make_task):
    def answer(message):
        if message == "bad":
            raise errors.BadRequestError("no", status=400)
        return len(message)

    into = []
    with pytest.raises(errors.BadRequestError):
        gather(make_task(answer), ["a", "bad", *["x" * n for n in range(1, 100)]], into, concurrency=2, on_error="stop")
    assert indexes(into)[:2] == [0, 1]
    assert len(into) < 10


def test_on_error_may_be_a_function_of_the_failed_row(gather, make_task):
    def answer(message):
        raise errors.BadRequestError(message, status=400)

    told, into = [], []

    def decide(row):
        told.append(row.index)
        return "stop" if len(told) == 3 else None

    with pytest.raises(errors.BadRequestError):
        gather(make_task(answer), map(str, range(50)), into, concurrency=1, on_error=decide)
    assert told == [0, 1, 2]
    assert indexes(into) == [0, 1, 2]


@pytest.mark.parametrize(("most", "given"), [(2, 3), (0.1, 20), (0, 1)])
def test_too_many_errors_stop_the_map(gather, make_task, most, given):
    def answer(message):
        raise errors.BadRequestError(message, status=400)

    into = []
    with pytest.raises(errors.TooManyErrors, match=rf"{given} of {given} rows .* row 0: BadRequestError: 0") as caught:
        gather(make_task(answer), map(str, range(100)), into, concurrency=1, max_errors=most)
    assert len(into) == given
    assert isinstance(caught.value.first, errors.BadRequestError)


def test_a_share_of_errors_that_is_not_passed_stops_nothing(gather, make_task):
    def answer(message):
        if message.endswith("7"):
            raise errors.BadRequestError(message, status=400)
        return 1

    rows = gather(make_task(answer), map(str, range(100)), max_errors=0.2)
    assert len(rows) == 100
    assert sum(row.error is not None for row in rows) == 10


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationError("no", status=401),
        errors.NotFoundError("no", status=404),
        errors.RateLimited("no", status=429, code="insufficient_quota"),
        errors.ConfigurationError("no key"),
    ],
)
def test_what_all_rows_would_fail_with_stops_at_once(gather, make_task, error):
    def answer(message):
        raise error

    into = []
    task = make_task(answer)
    with pytest.raises(type(error)):
        gather(task, map(str, range(1000)), into, concurrency=4)
    assert len(into) <= 8
    assert len(task.llm.requests) <= 8


def test_values_are_a_list_in_order(make_task):
    task = make_task()
    assert task.map(["a", "aa"], ordered=False).values() == [1, 2]
    assert asyncio.run(task.amap(["a", "aa"]).values()) == [1, 2]
    assert task.map([]).values() == []


def test_values_raise_the_first_error_and_say_how_many(make_task):
    def answer(message):
        if message != "a":
            raise errors.BadRequestError(f"no {message}", status=400)
        return 1

    with pytest.raises(errors.BadRequestError, match=r"no b \(row 1; 2 of 3 rows have failed\)"):
        make_task(answer).map(["a", "b", "c"]).values()


def test_equal_rows_are_asked_once(gather, make_task):
    task = make_task(delay=0.01)
    rows = gather(task, ["a", "b", "a", "a", *[f"m{n}" for n in range(20)], "a"])
    assert len(task.llm.requests) == 22
    assert [row.value for row in rows if row.key == rows[0].key] == [1] * 4
    assert [row.cached for row in rows if row.key == rows[0].key] == [False, True, True, True]


def test_the_latest_rows_are_remembered():
    rows = RecentRows(most=2)
    for key in "abc":
        rows.keep(Row(0, key, value=key))
    rows.keep(Row(0, "d", error=KeyError()))
    assert rows.find("a", 5) is None
    assert rows.find("c", 5) == Row(5, "c", value="c", cached=True)


def test_endless_equal_rows_do_not_pile_up(make_task):
    def source():
        while True:
            yield "a"

    rows = make_task(delay=0.01).map(source(), concurrency=4)
    assert [next(rows).value for _ in range(50)] == [1] * 50
    rows.close()


def test_a_key_is_a_column_or_a_function(gather, make_task):
    task = make_task()
    rows = gather(task, [{"id": 7, "message": "a"}, {"id": 8, "message": "a"}], key="id")
    assert [row.key for row in rows] == ["7", "8"]
    assert len(task.llm.requests) == 2
    rows = gather(task, ["a", "b"], key=lambda row: f"k{row}")
    assert [row.key for row in rows] == ["ka", "kb"]
    assert gather(task, [("x",)], key="message")[0].key == "x"


def test_a_row_without_its_key_is_a_failed_row(gather, make_task):
    rows = gather(make_task(), [{"message": "a"}, {"id": None, "message": "a"}], key="id")
    assert [type(row.error) for row in rows] == [errors.ArgumentError] * 2
    assert "column 'id'" in str(rows[0].error)


def test_keys_differ_by_task_prompt_model_and_arguments(make_task):
    task = make_task()
    other = task.with_options(llm_params={"temperature": 0})
    again = task.with_options(system="Be brief")
    keys = [next(each.map(["a"])).key for each in (task, other, again, task.with_options(model="other"))]
    assert len({*keys, next(task.map(["b"])).key}) == 5
    assert next(task.map([{"message": "a"}])).key == keys[0]


def test_streaming_tasks_are_mapped_whole(gather, make_task):
    rows = gather(make_task(streaming=True), ["ab"])
    assert rows[0].value == 2


def test_tasks_of_coroutine_functions_are_mapped_too(gather):
    llm = FakeLLM([4, 5])

    @llm.task
    async def rank(message: str) -> int:
        """Rank"""

    assert sorted(row.value for row in gather(rank, ["a", "b"])) == [4, 5]


def test_methods_are_mapped_with_their_object(gather):
    llm = FakeLLM([1, 2])

    class Desk:
        name = "Ann"

        @llm.task
        def rank(self, message: str) -> int:
            """Rank for {self.name}"""

    assert len(gather(Desk().rank, ["a", "b"])) == 2
    assert "Ann" in llm.requests[0].messages[-1].message


def test_tools_hold_for_each_row(gather):
    def look_up(word: str) -> str:
        """Look a word up"""
        return word.upper()

    def answer(request):
        results = [message.message for message in request.messages if message.role == "tool"]
        return results[0] if results else tool_call("look_up", {"word": request.messages[0].message.strip()[-1]})

    llm = FakeLLM([answer] * 20)

    @llm.task(tools=[look_up])
    def define(message: str) -> str:
        """Define the word"""

    assert [row.value for row in gather(define, ["a", "b", "c"])] == ["A", "B", "C"]


def test_reasks_and_fallbacks_hold_for_each_row(gather):
    other = FakeLLM(["many", 7] * 3)
    llm = FakeLLM([errors.ServerError("down", status=500)] * 6, middlewares=[declarai.fallback(other)])

    @llm.task(retries=1)
    def rank(message: str) -> int:
        """Rank"""

    rows = gather(rank, ["a", "b", "c"], concurrency=1)
    assert [row.value for row in rows] == [7, 7, 7]
    assert len(rows[0].attempts) == 3


def test_rows_can_be_pickled(gather, make_task):
    def answer(message):
        if message == "b":
            raise errors.BadRequestError("no", status=400)
        return 1

    for row in gather(make_task(answer), ["a", "b", {"wrong": 1}]):
        again = pickle.loads(pickle.dumps(row))  # noqa: S301 - our own
        assert (again.index, again.value, str(again.error)) == (row.index, row.value, str(row.error))


def test_a_budget_ends_the_map_with_both_numbers(gather, make_task):
    task = make_task()
    into = []
    with (
        declarai.limits(requests=10),
        pytest.raises(errors.BudgetReached, match=r"requests=10 .*\(10 used\): 10 rows have finished"),
    ):
        gather(task, map(str, range(100)), into, concurrency=8)
    assert indexes(into) == list(range(10))
    assert len(task.llm.requests) == 10


def test_what_others_set_aside_is_waited_for(gather):
    """Each request may cost nearly all of the budget, and costs little: they are made one after the other."""
    llm = FakeLLM([reply("5", usage={"prompt_tokens": 1, "completion_tokens": 1})] * 20, delay=0.005, model="gpt-4o")
    llm.llm.name = "openai"

    @llm.task(llm_params={"max_tokens": 1000})
    def rank(message: str) -> int:
        """Rank"""

    with declarai.limits(usd=0.015) as spent:
        rows = gather(rank, map(str, range(20)), concurrency=8)
    assert [row.value for row in rows] == [5] * 20
    assert 0 < spent.usd < 0.015


def test_a_limit_that_is_no_budget_fails_its_row_only(gather, make_task):
    rows = gather(make_task(max_prompt_chars=200), ["a", "b" * 200, "c"])
    assert [type(row.error) for row in rows] == [type(None), errors.LimitExceeded, type(None)]


def test_who_leaves_the_loop_has_closed_it():
    with LLMServer(default=lambda request: "5") as server:
        llm = declarai.openai(model="m", base_url=server.base_url, openai_token="k")

        @llm.task
        def rank(message: str) -> int:
            """Rank"""

        for row in rank.map(map(str, range(1000)), concurrency=4):
            if row.index == 3:
                break
        sent = len(server.requests)
        assert sent <= 20
        time.sleep(0.2)
        assert len(server.requests) == sent


def test_leaving_hangs_up_calls_under_way_within_a_second():
    with LLMServer("5", default=lambda request: Reply(writes=[b"x"], delay_before=60.0)) as server:
        llm = declarai.openai(model="m", base_url=server.base_url, openai_token="k", max_retries=0)

        @llm.task
        def rank(message: str) -> int:
            """Rank"""

        rows = rank.map(map(str, range(100)), concurrency=4, ordered=False)
        assert next(rows).value == 5
        until = time.monotonic() + 60
        while len(server.requests) < 2:  # one that waits for its answer
            assert time.monotonic() < until
            time.sleep(0.01)
        began = time.monotonic()
        rows.close()
        assert time.monotonic() - began < 30
        assert server.wait_disconnect(60)


def test_a_cancelled_map_cancels_its_calls(make_task):
    task = make_task(delay=30)

    async def cancelling():
        reading = asyncio.create_task(task.amap(map(str, range(100))).values())
        while not task.llm.requests:  # noqa: ASYNC110 - it is filled by no coroutine of ours
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert asyncio.all_tasks() == {asyncio.current_task()}

    began = time.monotonic()
    asyncio.run(cancelling())
    assert time.monotonic() - began < 10


def test_async_rows_may_come_asynchronously(make_task):
    async def source():
        for number in range(1, 6):
            await asyncio.sleep(0)
            yield "a" * number

    assert asyncio.run(make_task().amap(source()).values()) == [1, 2, 3, 4, 5]


def test_an_error_of_the_input_ends_the_map(gather, make_task):
    def source():
        yield "a"
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        gather(make_task(), source())


def test_a_map_keeps_nothing_alive(make_task):
    task = make_task()
    rows = task.map(["a", "b"])
    list(rows)
    seen = weakref.ref(rows)
    del rows
    gc.collect()
    assert seen() is None


def test_blocking_maps_are_context_managers(make_task):
    with make_task().map(["a", "b"]) as rows:
        assert isinstance(next(rows), Row)
    assert list(rows) == []


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("concurrency", 0, "a whole number from 1 on"),
        ("concurrency", True, "a whole number"),
        ("on_error", "ignore", "'keep', 'stop'"),
        ("max_errors", 1.5, "a share of them below 1"),
        ("max_errors", -1, "a number of rows"),
        ("key", 5, "the name of a column"),
        ("executor", 5, "concurrent.futures.Executor"),
        ("rpm", 0, "a number above zero"),
        ("progress", 5, "True, False or a function"),
        ("concurency", 5, "did you mean 'concurrency'"),
    ],
)
def test_wrong_options_are_told(gather, make_task, option, value, expected):
    with pytest.raises(errors.DefinitionError, match=expected):
        gather(make_task(), ["a"], **{option: value})


class Table:
    columns = shape = ()

    def __iter__(self):
        return iter(["a column"])


@pytest.mark.parametrize("rows", [5, "text", b"bytes", {"message": "a"}, Table()])
def test_what_are_no_rows_is_told(gather, make_task, rows):
    with pytest.raises(errors.DefinitionError, match=f"expected an iterable of rows, got {type(rows).__name__}"):
        gather(make_task(), rows)


def test_amap_takes_no_executor(make_task):
    from concurrent.futures import ThreadPoolExecutor

    with pytest.raises(errors.DefinitionError, match="of map, not of amap"):
        make_task().amap(["a"], executor=ThreadPoolExecutor(1))


@pytest.mark.parametrize(("seconds", "rounds"), [(0.01, (150, 250)), (0.2, (6, 12)), (30.0, (3, 4))])
def test_the_number_of_calls_grows_with_time(seconds, rounds):
    pace, made = Pace(32, adaptive=True), 0
    while pace.limit < 32:
        made += 1
        for _ in range(pace.limit):
            pace.note(0, overloaded=False, seconds=seconds)
    assert rounds[0] <= made <= rounds[1]


def test_after_an_overload_a_round_brings_one_more():
    pace = Pace(32, adaptive=True)
    pace.note(0, overloaded=True, seconds=30.0)
    assert (pace.limit, pace.round) == (2, 1)
    for _ in range(3):
        pace.note(1, overloaded=False, seconds=30.0)
    assert pace.limit == 3

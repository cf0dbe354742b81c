"""Rows that are asked elsewhere: in the workers of executors, and of engines that call `rows` and `frame`."""

import multiprocessing
import os
import pickle
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like._cli._targets import import_place
from declarai_like.testing import LLMServer, error_reply, text_reply

FOLDER = Path(__file__).parent
USAGE = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}


def answer(request):
    text = request.body["messages"][-1]["content"].strip().rpartition(" ")[2]
    if text == "bad":
        return error_reply(400, "no")
    return text_reply(
        f'{{"declarai_result": ["{text}"]}}' if "tags" in str(request.body) else str(len(text)), usage=USAGE
    )


@pytest.fixture
def served(monkeypatch):
    """Give the module of the tasks, whose model answers with the length of the message."""
    with LLMServer(default=answer) as server:
        monkeypatch.setenv("DECLARAI_TEST_URL", server.base_url)
        monkeypatch.syspath_prepend(str(FOLDER))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")]))
        sys.modules.pop("sizes", None)
        module = import_place("sizes")
        module.server = server
        yield module
        sys.modules.pop("sizes", None)


def words(count):
    return ["x" * (number % 9 + 1) for number in range(count)]


def spawned(workers):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def test_processes_make_the_calls_and_the_caller_keeps_order_and_checkpoint(served, tmp_path):
    path = tmp_path / "sizes.jsonl"
    with spawned(2) as pool:
        rows = list(served.size.map([*words(40), "bad"], key=str, executor=pool, checkpoint=path))
    assert [row.index for row in rows] == list(range(41))
    assert [row.value for row in rows[:40]] == [len(word) for word in words(40)]
    assert isinstance(rows[40].error, errors.BadRequestError)
    assert rows[0].usage.total_tokens == 8
    assert len(served.server.requests) == 10  # nine lengths, and one that fails
    assert len(path.read_text().splitlines()) == 11
    rows = list(served.size.map(words(40), key=str, executor=None, checkpoint=path))
    assert all(row.cached for row in rows)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_part_whose_worker_died_is_done_again(served, tmp_path, monkeypatch, caplog):
    victim = tmp_path / "victim"
    victim.touch()
    monkeypatch.setenv("DECLARAI_TEST_VICTIM", str(victim))
    with spawned(2) as pool:
        rows = list(served.size.map(["a", "victim", *map(str, range(60))], executor=pool))
    assert rows[1].value == 6
    assert [row.index for row in rows] == list(range(62))
    assert all(row.error is None for row in rows)
    assert not victim.exists()
    assert "done again" in caplog.text


class Losing(Executor):
    """Loses what it is given, so many times; with none left it works at once."""

    def __init__(self, times, error=RuntimeError):
        self.times = times
        self.error = error

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        if self.times:
            self.times -= 1
            future.set_exception(self.error("lost"))
        else:
            future.set_result(function(*args, **kwargs))
        return future


def test_a_part_that_is_lost_again_and_again_is_a_failed_one(make_task):
    rows = list(make_task().map(["a", "b"], executor=Losing(3)))
    assert [str(row.error) for row in rows] == ["the worker was lost 3 times: RuntimeError: lost"] * 2
    assert [row.value for row in make_task().map(["a", "bb"], executor=Losing(2))] == [1, 2]


def test_an_interrupt_of_a_worker_is_raised_at_once(make_task):
    rows = list(make_task().map(["a"], executor=Losing(1, SystemExit)))
    assert "lost 1 times: SystemExit" in str(rows[0].error)


def test_an_executor_that_takes_no_more_is_done_without(make_task, caplog):
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    assert make_task().map(["a", "aa", "aaa"], executor=closed).values() == [1, 2, 3]
    assert "asked in this process" in caplog.text


def test_leaving_cancels_what_no_worker_has_begun(make_task):
    class Never(Executor):
        def __init__(self):
            self.futures = []

        def submit(self, function, /, *args, **kwargs):
            self.futures.append(Future())
            if len(self.futures) == 1:
                self.futures[0].set_result(function(*args, **kwargs))
            return self.futures[-1]

    never = Never()
    with make_task().map(map(str, range(100)), executor=never, adaptive=False) as rows:
        next(rows)
    assert all(future.cancelled() for future in never.futures[1:])
    assert len(never.futures) > 1


def test_many_rows_are_many_parts(make_task):
    with ThreadPoolExecutor(2) as pool:
        rows = list(make_task().map(map(str, range(100)), executor=pool, adaptive=False, ordered=False))
    assert sorted(row.index for row in rows) == list(range(100))


def test_rows_are_plain_data_and_pickle(served):
    given = served.size.rows([{"message": "abc", "id": 5}, {"message": "bad"}, {"other": 1}])
    assert [(row["value"], row["error"] and row["error"].partition(":")[0]) for row in given] == [
        (3, None),
        (None, "BadRequestError"),
        (None, "TypeError"),
    ]
    assert given[0]["usage"] == {**USAGE}
    assert given[0].keys() == given[2].keys() == {"value", "error", "usage", "key"}
    assert pickle.loads(pickle.dumps(given)) == given  # noqa: S301 - our own
    assert served.tags.rows(["a"])[0]["value"] == ["a"]
    assert served.size.rows([]) == []


def test_rows_never_raise_for_a_row(make_task):
    def refusing(message):
        raise errors.AuthenticationError("no", status=401)

    given = make_task(refusing).rows(list("abcdefghij"), concurrency=2, rpm=6000, tpm=600_000, workers=2)
    assert [row["error"] for row in given] == ["AuthenticationError: no"] * 10
    with pytest.raises(errors.DefinitionError, match="workers"):
        make_task().rows(["a"], workers=0)


def test_all_columns_go_to_a_task_that_takes_any():
    from declarai_like.testing import FakeLLM

    llm = FakeLLM([5])

    @llm.task
    def rank(**columns: str) -> int:
        """Rank"""

    assert rank.rows([{"a": "1", "b": "2"}])[0]["value"] == 5
    assert "b" in llm.requests[0].messages[-1].message


def test_a_frame_of_pandas_gets_columns(served):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"message": ["a", "bad", "ccc"], "id": [1, 2, 3]}, index=[7, 8, 9])
    rank = pickle.loads(pickle.dumps(served.size.frame(column="size")))  # noqa: S301 - our own
    given = rank(frame)
    assert list(given.columns) == ["message", "id", "size", "error"]
    assert str(given["size"].dtype) == "Int64"
    assert given["size"].tolist()[::2] == [1, 3]
    assert given["size"].isna().tolist() == [False, True, False]
    assert given["error"][8].startswith("BadRequestError")
    assert list(frame.columns) == ["message", "id"]
    empty = served.size.frame(column="size", error_column=None)(frame[:0])
    assert str(empty["size"].dtype) == "Int64"
    assert "error" not in empty
    assert served.tags.frame(column="tags")(frame[:1])["tags"].tolist() == [["a"]]
    assert repr(rank) == "<Frame 'size'>"


def test_a_frame_of_polars_gets_columns(served):
    polars = pytest.importorskip("polars")
    given = served.size.frame(column="size")(polars.DataFrame({"message": ["a", "bad"], "id": [1, 2]}))
    assert given["size"].to_list() == [1, None]
    assert given["error"].to_list()[0] is None
    assert given.columns == ["message", "id", "size", "error"]


def test_what_is_no_frame_is_told(make_task):
    with pytest.raises(errors.DefinitionError, match="a DataFrame of pandas or Polars, got list"):
        make_task().frame()([1])


def test_an_estimate_sends_nothing(served):
    estimate = served.size.estimate(["abc"] * 200)
    assert estimate.rows == 200
    assert estimate.prompt_tokens > 200
    assert estimate.completion_tokens == 200  # the example's answer is one token
    assert estimate.usd is None
    assert estimate.seconds is None
    assert not served.server.requests
    assert str(estimate) == f"200 rows, {estimate.prompt_tokens} tokens to read, 200 to write"


def test_an_estimate_knows_what_this_process_has_seen(served):
    served.size.map(["abc"]).values()
    estimate = served.size.estimate({"message": word} for word in words(100))
    assert (estimate.rows, estimate.completion_tokens) == (100, 100)
    assert estimate.seconds > 0
    assert str(estimate).endswith(" s")


def test_an_estimate_tells_the_price_where_it_is_known():
    llm = declarai.openai(model="gpt-4o-mini", openai_token="k", base_url="https://api.openai.com/v1")

    @llm.task(llm_params={"max_tokens": 1000})
    def rank(message: str) -> int:
        """Rank"""

    estimate = rank.estimate(["abc"] * 1000, sample=5)
    assert estimate.completion_tokens == 1_000_000
    assert 0.6 < estimate.usd < 0.7
    assert "$0.6" in str(estimate)


def test_an_estimate_leaves_blank_what_nobody_knows(make_task):
    estimate = make_task().estimate(["abc", {"wrong": 1}])
    assert (estimate.rows, estimate.completion_tokens, estimate.usd) == (2, None, None)
    assert str(estimate).endswith("tokens to read")
    assert make_task().estimate([]).rows == 0
    with pytest.raises(TypeError, match="wrong"):
        make_task().estimate([{"wrong": 1}])
    with pytest.raises(errors.DefinitionError, match="sample"):
        make_task().estimate([], sample=0)

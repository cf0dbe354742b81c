# ruff: noqa: S301 - what is read here was written here
"""Tasks in other processes: pickled by name like functions, copies with what makes them copies."""

import copy
import io
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import FunctionType

import cloudpickle
import pytest

import declarai_like as declarai
from declarai_like.middleware import retry
from declarai_like.testing import LLMServer, text_reply

llm = declarai.openai(model="gpt-4o-mini", openai_token="sk-canary", max_retries=0)


@llm.task(llm_params={"seed": 1}, middlewares=[retry(1)])
def slogan(product: str) -> str:
    """Write a slogan"""


@llm.task
async def aslogan(product: str) -> str:
    """Write a slogan"""


class Talker:
    def __init__(self, name):
        self.name = name

    @llm.task
    def greet(self, guest: str) -> str:
        """Greet the guest"""


def there_and_back(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("task", [slogan, aslogan, Talker.greet])
@pytest.mark.parametrize("protocol", range(4, pickle.HIGHEST_PROTOCOL + 1))
def test_f50_a_task_is_pickled_by_its_name(task, protocol):
    assert pickle.loads(pickle.dumps(task, protocol)) is task


def test_a_task_is_pickled_by_name_by_a_pickler_that_would_take_functions_apart():
    class ByValue(pickle.Pickler):
        def reducer_override(self, value):
            assert not isinstance(value, FunctionType), "the function below a task is not to be pickled"
            return NotImplemented

    file = io.BytesIO()
    ByValue(file).dump(slogan)
    assert pickle.loads(file.getvalue()) is slogan


def test_a_copy_is_pickled_with_what_was_changed():
    made = there_and_back(slogan.with_options(model="other", llm_params={"top_p": 0}, streaming=True))
    request = made.request("soap")
    assert (request.model, request.params, request.stream) == ("other", {"seed": 1, "top_p": 0}, True)


def test_a_copy_of_a_copy_is_pickled_with_both_changes():
    made = there_and_back(slogan.with_options(model="other").with_options(llm_params={"seed": 2}))
    assert (made.request("soap").model, made.llm_params) == ("other", {"seed": 2})


def test_a_bound_method_is_pickled_with_its_instance():
    made = there_and_back(Talker("Ann").greet)
    assert made.request("Bob") == Talker.greet.request(None, "Bob")


def test_a_retry_in_the_options_is_pickled():
    made = there_and_back(retry(3, first_wait=0.1))
    assert (made.times, made.first_wait, made.longest_wait) == (3, 0.1, 8.0)


def test_no_pickle_holds_a_key():
    assert b"sk-canary" not in pickle.dumps([slogan.with_options(model="m"), Talker("Ann").greet, llm.llm])


def test_a_task_of_a_local_function_is_refused_like_the_function():
    @llm.task
    def hidden(product: str) -> str:
        """Write a slogan"""

    with pytest.raises((AttributeError, pickle.PicklingError), match="hidden"):
        pickle.dumps(hidden)


def test_cloudpickle_takes_a_local_task_by_value():
    local = declarai.offline()

    @local.task
    def rank(message: str) -> int:
        """Rank {message}"""

    @local.task(streaming=True)
    def hidden(product: str) -> str:
        """Write a slogan"""

    again, streaming, varied = pickle.loads(cloudpickle.dumps([rank, hidden, rank.with_options(retries=1)]))
    assert (again is rank, again("x"), varied("x")) == (False, rank("x"), rank("x"))
    assert list(streaming("x"))[-1].response == list(hidden("x"))[-1].response
    assert repr(again.compile(message="x")) == repr(rank.compile(message="x"))


def test_cloudpickle_takes_a_task_of_a_module_by_name():
    assert pickle.loads(cloudpickle.dumps(slogan)) is slogan


def test_cloudpickle_takes_a_local_chat_by_value():
    @llm.chat
    class Bot:
        """You know {topic}"""

    again = pickle.loads(cloudpickle.dumps(Bot(topic="soap")))
    assert again.system == "You know soap"


def test_no_cloudpickle_holds_a_key():
    @llm.task
    def hidden(product: str) -> str:
        """Write a slogan"""

    assert b"sk-canary" not in cloudpickle.dumps([hidden, hidden.with_options(model="m")])


def test_a_task_is_copied_as_itself():
    assert copy.copy(slogan) is slogan
    assert copy.deepcopy(slogan) is slogan


def test_a_task_runs_in_another_process():
    with LLMServer(default=text_reply("Clean.")) as server:
        with ProcessPoolExecutor(
            1, get_context("spawn"), initializer=prepare, initargs=(sys.path, server.base_url)
        ) as pool:
            assert pool.submit(ask, "soap").result(timeout=60) == "Clean."
        assert server.requests[0].body["seed"] == 1


def prepare(path, base_url):
    import os

    sys.path[:] = path
    os.environ.update({"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-child"})


def ask(product):
    return slogan(product)

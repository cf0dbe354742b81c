"""A task is to frameworks what calling it gives: they await coroutine functions, and run plain ones in threads."""

import asyncio
import inspect
from functools import partial

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.testclient import TestClient

from declarai_like.testing import FakeLLM

KINDS = {
    "plain": (False, False, False),
    "generator": (False, True, False),
    "coroutine": (True, False, False),
    "async generator": (False, False, True),
}


def tasks_of(llm):
    @llm.task
    def plain(movie: str) -> str:
        """Say something about {movie}"""

    @llm.task
    async def awaited(movie: str) -> str:
        """Say something about {movie}"""

    return {
        "plain": plain,
        "generator": plain.with_options(streaming=True),
        "coroutine": awaited,
        "async generator": awaited.with_options(streaming=True),
    }


def kind_of(function):
    return (
        inspect.iscoroutinefunction(function),
        inspect.isgeneratorfunction(function),
        inspect.isasyncgenfunction(function),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "made",
    [
        lambda task: task,
        lambda task: task.with_options(retries=2),
        lambda task: partial(task, "Jaws"),
        lambda task: task.plan("Jaws"),
    ],
    ids=["itself", "a copy", "a partial", "planned"],
)
def test_a_task_is_a_function_of_the_kind_that_calling_it_gives(kind, made):
    task = made(tasks_of(FakeLLM())[kind])
    assert kind_of(task) == KINDS[kind]
    assert asyncio.iscoroutinefunction(task) == KINDS[kind][0]


def test_methods_are_functions_of_their_kind_too():
    llm = FakeLLM()

    class Critic:
        @llm.task
        async def method(self, movie: str) -> str:
            """Say something about {movie}"""

        @staticmethod
        @llm.task(streaming=True)
        def static(movie: str) -> str:
            """Say something about {movie}"""

    assert [kind_of(each) for each in (Critic.method, Critic().method)] == [KINDS["coroutine"]] * 2
    assert [kind_of(each) for each in (Critic.static, Critic().static)] == [KINDS["generator"]] * 2


def test_a_task_shows_its_own_signature_and_source():
    task = tasks_of(FakeLLM())["coroutine"]
    assert str(inspect.signature(task)) == "(movie: str) -> str"
    assert str(inspect.signature(task.plan("Jaws"))) == "()"
    assert "async def awaited" in inspect.getsource(task)
    assert (task.__code__.co_name, task.plan("Jaws").__name__) == ("awaited", "awaited")


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.parametrize("is_planned", [False, True])
def test_background_tasks_of_fastapi_run_it(kind, is_planned):
    llm = FakeLLM(["A film."])
    task = tasks_of(llm)[kind]
    app = FastAPI()

    @app.get("/")
    def answer(background: BackgroundTasks) -> str:
        if is_planned:
            background.add_task(task.plan("Jaws"))
        else:
            background.add_task(task, "Jaws")
        return "ok"

    with TestClient(app) as client:
        assert client.get("/").json() == "ok"
    assert llm.pending == 0

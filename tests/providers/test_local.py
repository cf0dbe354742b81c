"""Tasks on the model that runs in this process."""

import asyncio
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like.errors import BadRequestError

pytestmark = pytest.mark.local_model


@pytest.fixture(scope="module")
def llm():
    return declarai.local(llm_params={"temperature": 0, "seed": 1, "max_tokens": 40})


def test_text_arrives_token_by_token(llm):
    @llm.task(streaming=True)
    def about(movie: str) -> str:
        """Say something short about the following movie"""

    steps = list(about("Avengers"))
    texts = [step.response for step in steps]
    assert len(steps) > 10
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert steps[-1].usage.completion_tokens > 5


def test_schema_constrained_answer_is_an_int(llm):
    @llm.task
    def rank(message: str) -> int:
        """Rank the severity of the message from 1 to 5"""

    assert isinstance(rank("The server is down!"), int)


def test_fields_of_a_model_come_one_by_one(llm):
    class Film(BaseModel):
        title: str
        year: int

    @llm.task(llm_params={"max_tokens": 200})
    def film(mood: str) -> Film:
        """Name a film for a mood"""

    async def read():
        async with film.astream(mood="sad") as stream:
            return [partial async for partial in stream.partials()], await stream.result()

    partials, whole = asyncio.run(read())
    assert partials[-1] == whole
    assert partials[0].year is None
    assert isinstance(whole.year, int)


def test_text_is_continued(llm):
    steps = list(llm.complete("Once upon a time", max_tokens=8, streaming=True))
    assert steps[-1].response
    assert steps[-1].outcome == "truncated"


def test_what_the_model_refuses_names_its_file(llm):
    with pytest.raises(BadRequestError, match=r"local \(.*\.gguf\) answered 400"):
        llm.send("Hi", n=100)


@pytest.mark.parametrize("example", ["demo", "extraction"])
def test_example_runs(example):
    script = Path(__file__).parents[2] / "examples" / f"{example}.py"
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)  # noqa: S603 - our own example
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Anna Berg" in ended.stdout or "rank(" in ended.stdout

"""What tests of many rows share: the two ways to make a map."""

import asyncio

import pytest

from declarai_like.testing import FakeLLM


def gather_blocking(task, rows, into=None, **options):
    into = [] if into is None else into
    into.extend(task.map(rows, **options))
    return into


def gather_awaiting(task, rows, into=None, **options):
    into = [] if into is None else into

    async def gathering():
        async with task.amap(rows, **options) as given:
            async for row in given:
                into.append(row)

    asyncio.run(gathering())
    return into


@pytest.fixture(params=[gather_blocking, gather_awaiting], ids=["map", "amap"])
def gather(request):
    """Give all rows of a map; `into` keeps those before an error."""
    return request.param


@pytest.fixture
def make_task():
    """Make a task whose answers a function of the message gives, or raises."""

    def making(answer=len, *, delay=0.0, **options):
        def reply(request):
            return answer(request.messages[-1].message.partition("message: ")[2].strip())

        llm = FakeLLM([reply] * 3000, delay=delay)

        @llm.task(**options)
        def rank(message: str) -> int:
            """Rank the severity"""

        rank.llm = llm
        return rank

    return making

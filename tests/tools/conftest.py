"""The four ways to make a call with tools: plain and coroutine functions, whole and streamed."""

import pytest

from declarai_like import errors
from declarai_like.testing import FakeLLM


class Asker:
    """Asks a task in one of the four ways, and gives its `Result`."""

    def __init__(self, way, streams):
        self.way = way
        self.streams = streams

    def task(self, llm, *, returns=str, **options):
        def ask(question: str):
            """Answer: {question}"""

        ask.__annotations__["return"] = returns
        return llm.task(**options)(self.way.define(ask))

    def __call__(self, task, question="?", **kwargs):
        """Ask, and give the result with value, calls, rounds, messages."""
        if not self.streams:
            return self.way.run(task, question, **kwargs)
        stream = task.stream(question, **kwargs)
        self.way.result(stream)
        return stream._call.result

    def fail(self, kind, task, question="?", **kwargs):
        """Ask, and give the error."""
        with pytest.raises(kind) as caught:
            self(task, question, **kwargs)
        return caught.value


@pytest.fixture(params=["whole", "streamed"])
def ask(request, way):
    return Asker(way, request.param == "streamed")


@pytest.fixture
def fake():
    return FakeLLM()


@pytest.fixture
def runs(tmp_path):
    from declarai_like.tools import SQLiteRuns

    return SQLiteRuns(tmp_path / "runs.db")


def told(fake, number=-1):
    """Give the texts of the tool messages of a request."""
    return [message.message for message in fake.requests[number].messages if message.role == "tool"]


__all__ = ["Asker", "errors", "told"]

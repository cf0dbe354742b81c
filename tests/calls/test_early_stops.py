"""An answer that is known to be wrong is not waited for: `stop_early` and `restarts`."""

import asyncio
import json
from contextlib import closing
from typing import ClassVar

import pytest
from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

import declarai_like as declarai
from declarai_like.errors import DefinitionError, OutputError, StreamInterrupted
from declarai_like.testing import FakeLLM, LLMServer, stream_reply, text_reply, tool_call


class Order(BaseModel):
    rank: int = Field(ge=1, le=5)
    notes: list[str]


MANY = 500
WRONG = ['{"ra', 'nk": 9, ', '"notes": [', *(f'"note {number}", ' for number in range(MANY)), '"end"]}']
RIGHT = ['{"rank": 3, "notes"', ': ["one", "two", "three"', "]}"]


def slow():
    """Give an answer of 500 fields and more, the first of them wrong; it notices when the client leaves."""
    return stream_reply(WRONG, role_chunk=False, pause_between=0.5)


def was_left(server):
    request = server.requests[0]
    assert request.disconnected.wait(30)
    return request.sent < 20


@pytest.fixture
def model(server):
    return declarai.openai("m", openai_token="k-0123456789", base_url=server.base_url, max_retries=0)


def declare(llm, kind=Order, *, is_async=False, **options):
    if is_async:

        async def ask(text: str) -> kind:
            """Read the order"""

    else:

        def ask(text: str) -> kind:
            """Read the order"""

    return llm.task(**options)(ask)


def run(task, **arguments):
    if task.declared.signature.is_async:
        return asyncio.run(task.arun(**arguments))
    return task.run(**arguments)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_wrong_field_closes_the_connection_and_is_told_in_the_second_request(server, model, is_async):
    server.enqueue(slow(), stream_reply(RIGHT))
    result = run(declare(model, is_async=is_async, retries=1, stop_early=True), text="x")
    assert result.value == Order(rank=3, notes=["one", "two", "three"])
    assert was_left(server)
    again = server.requests[1].body["messages"]
    assert again[-2]["content"].startswith('{"rank": 9')
    assert "rank: Input should be less than or equal to 5 (got 9)" in again[-1]["content"]
    (attempt,) = result.attempts
    assert isinstance(attempt.error, OutputError)
    assert attempt.saved_tokens > 0
    assert all(request.body["stream"] for request in server.requests)


def test_what_is_saved_is_as_much_as_the_answer_that_came_was_longer(server, model):
    usage = {"prompt_tokens": 5, "completion_tokens": 40, "total_tokens": 45}
    server.enqueue(slow(), stream_reply(RIGHT, usage=usage))
    (attempt,) = declare(model, retries=1, stop_early=True).run("x").attempts
    assert attempt.saved_tokens == 40 - (len(attempt.text) + 3) // 4


def test_without_retries_the_error_comes_at_once(server, model):
    server.enqueue(slow())
    with pytest.raises(OutputError, match=r"expected Order, got .*stopped there: rank: Input should be less") as caught:
        declare(model, stop_early=True)("x")
    assert server.requests[0].disconnected.wait(10)
    assert caught.value.response.response.startswith('{"rank": 9')
    assert caught.value.response.outcome == "cancelled"
    assert caught.value.attempts[0].saved_tokens is None


def test_whole_calls_wait_for_the_whole_answer_unless_told_otherwise(server, model):
    server.enqueue(text_reply("".join(WRONG)), text_reply("".join(RIGHT)))
    result = declare(model, retries=1).run("x")
    assert [request.body.get("stream", False) for request in server.requests] == [False, False]
    assert result.attempts[0].saved_tokens is None


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_that_may_restart_begins_anew(server, model, is_async):
    server.enqueue(slow(), stream_reply(RIGHT))
    task = declare(model, is_async=is_async, streaming=True, restarts=True, retries=1)

    async def read():
        return [step async for step in task(text="x")]

    steps = asyncio.run(read()) if is_async else list(task(text="x"))
    assert was_left(server)
    attempts = [step.attempt for step in steps]
    assert attempts == sorted(attempts)
    assert set(attempts) == {1, 2}
    second = [step for step in steps if step.attempt == 2]
    assert second[0].response == second[0].content
    assert second[-1].parsed == Order(rank=3, notes=["one", "two", "three"])


def test_a_stream_that_may_restart_can_wait_for_the_whole_answer(server, model):
    server.enqueue(stream_reply(WRONG), stream_reply(RIGHT))
    task = declare(model, streaming=True, restarts=True, retries=1, stop_early=False)
    steps = list(task("x"))
    assert [step.response for step in steps if step.attempt == 1][-1].endswith(("]}", '"end"'))
    assert steps[-1].attempt == 2
    assert steps[-1].parsed.rank == 3


def test_a_stream_is_neither_stopped_nor_asked_for_again_unless_it_may_restart(server, model):
    server.enqueue(stream_reply(WRONG))
    steps = []
    with pytest.raises(OutputError, match="rank"):
        steps.extend(declare(model, streaming=True, retries=1, stop_early=True)("x"))
    assert len(server.requests) == 1


def test_events_are_never_stopped(server, model):
    server.enqueue(stream_reply(WRONG))
    events = []
    with declare(model, stop_early=True, restarts=True, retries=1).stream("x") as stream, pytest.raises(OutputError):
        events.extend(stream)
    assert len(server.requests) == 1
    assert [event.type for event in events].count("content.delta") == len(WRONG)


def test_a_restart_that_is_wrong_too_raises_with_both_attempts():
    llm = FakeLLM(["".join(WRONG[:3]) + '"a"]}', "".join(WRONG[:3]) + '"b"]}'])
    with pytest.raises(OutputError) as caught:
        list(declare(llm, streaming=True, restarts=True, retries=1)("x"))
    assert len(caught.value.attempts) == 2


def test_chats_stop_early_and_store_the_right_turn_alone(server, model):
    @model.chat(stop_early=True, retries=1)
    class Clerk:
        """You read orders."""

        def send(self, message: str) -> Order: ...

    server.enqueue(slow(), stream_reply(RIGHT))
    clerk = Clerk()
    assert clerk.send("three of them").rank == 3
    assert was_left(server)
    assert [str(message.role) for message in clerk.conversation] == ["user", "assistant"]


def test_async_chats_stop_early_too(server, model):
    @model.chat(stop_early=True, retries=1)
    class Clerk:
        """You read orders."""

        async def send(self, message: str) -> Order: ...

    server.enqueue(slow(), stream_reply(RIGHT))
    assert asyncio.run(Clerk().send("three of them")).rank == 3


def test_the_typed_answer_after_tools_stops_early(server, model):
    def look_up(name: str) -> str:
        """Look up an order"""
        return "three"

    server.enqueue(tool_call("look_up", {"name": "x"}), slow(), stream_reply(RIGHT))
    result = declare(model, tools=[look_up], stop_early=True, retries=1).run("x")
    assert (result.value.rank, len(result.calls)) == (3, 1)
    assert server.requests[1].disconnected.wait(30)
    assert server.requests[1].sent < 20


def test_a_connection_that_breaks_is_tried_again_as_nothing_was_shown(server):
    llm = declarai.openai("m", openai_token="k-0123456789", base_url=server.base_url, max_retries=1)
    server.enqueue(stream_reply(RIGHT[:2], finish_reason=None, done=False, end="reset"), stream_reply(RIGHT))
    assert declare(llm, stop_early=True)("x").rank == 3


def test_a_connection_that_breaks_is_an_error_with_what_had_come(server, model):
    server.enqueue(stream_reply(RIGHT[:2], finish_reason=None, done=False, end="reset"))
    with pytest.raises(declarai.errors.ProviderError) as caught:
        declare(model, stop_early=True)("x")
    assert not isinstance(caught.value, StreamInterrupted)
    assert caught.value.response.response == "".join(RIGHT[:2])


class Named(BaseModel):
    kind: str
    size: int

    @field_validator("kind")
    @classmethod
    def known(cls, value):
        if value != "box":
            raise ValueError("no such kind")
        return value


class Dependent(BaseModel):
    kind: str
    size: int

    @field_validator("size")
    @classmethod
    def fits(cls, value, info: ValidationInfo):
        if info.data.get("kind") == "box" and value > 3:
            raise ValueError("too big for a box")
        return value


class Together(BaseModel):
    least: int
    most: int
    note: str

    @model_validator(mode="after")
    def in_order(self):
        if self.least > self.most:
            raise ValueError("not in order")
        return self


class Pack(BaseModel):
    parts: list[Together]
    note: str


class Moody(BaseModel):
    kind: str
    calls: ClassVar[list[str]] = []

    @field_validator("kind")
    @classmethod
    def twice(cls, value):
        cls.calls.append(value)
        if len(cls.calls) <= 2:
            raise ValueError("not yet")
        return value


def misfit_of(kind, text):
    from declarai_like._outputs.output import Output

    partials = Output.of(kind).partials()
    partials.feed(text)
    return partials.misfit


@pytest.mark.parametrize(
    ("kind", "text", "misfit"),
    [
        (Order, '{"rank": 9, ', "rank: Input should be less than or equal to 5 (got 9)"),
        (Order, '{"rank": "many", "notes": ', "rank: Input should be a valid integer"),
        (Named, '{"kind": "bag", "size": ', "kind: Value error, no such kind (got 'bag')"),
        (list[Order], '{"declarai_result": [{"rank": 1, "notes": []}, {"rank": 7, ', "declarai_result[1].rank: Input"),
        (dict[str, int], '{"declarai_result": {"a": 1, "b": "x", "c": ', "declarai_result.b: Input"),
        (Pack, '{"parts": [{"least": 2, "most": 1, "note": ""}', "parts[0]: Value error, not in order"),
        (Pack, '{"parts": [{"least": 2, "note": ""}', "parts[0].most: Field required"),
        (tuple[int, bool], '{"declarai_result": [1, "perhaps", "', "declarai_result[1]: "),
    ],
)
def test_the_first_part_that_is_wrong_is_told_with_its_path(kind, text, misfit):
    assert misfit in misfit_of(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Order, '{"rank": 9'),  # it may become 90, and is not closed
        (Order, '{"rank": "3", '),  # what is read as it was meant is no fault
        (Order, '{"rank": 3, "unknown": [1, "x", {}], '),
        (Dependent, '{"kind": "box", "size": 9, '),  # judged with other fields
        (Together, '{"least": 2, "most": 1, "note": ""}'),  # the whole value: its own reading tells it
        (int | str, '{"declarai_result": "x", '),
        (str, "no JSON"),
        (list[str], 'Here it is: {"declarai_result": ["a", '),
    ],
)
def test_what_may_still_become_right_is_not_stopped(kind, text):
    assert not misfit_of(kind, text)


def test_a_validator_that_changes_its_mind_stops_all_the_same():
    assert misfit_of(Moody, '{"kind": "x", "more": ') == "kind: not of its type"


@pytest.mark.parametrize("retries", [0, 1])
def test_right_answers_are_as_ever(server, model, retries):
    server.enqueue(stream_reply(RIGHT))
    result = declare(model, stop_early=True, retries=retries).run("x")
    assert (result.value.rank, result.attempts, result.response.attempt) == (3, (), 1)


def test_texts_are_never_stopped_nor_streamed_for_it(server, model):
    server.enqueue(text_reply("fine"))
    assert declare(model, str, stop_early=True)("x") == "fine"
    assert "stream" not in server.requests[0].body


@pytest.mark.parametrize("option", ["stop_early", "restarts"])
def test_the_options_are_truths(option):
    with pytest.raises(DefinitionError, match=f"{option}: expected True or False, got 'yes'"):
        declare(FakeLLM([]), **{option: "yes"})


def test_an_output_error_of_a_middleware_comes_as_it_is():
    def refuse(request, send):
        raise OutputError("not now")
        yield

    with pytest.raises(OutputError, match="not now"):
        declare(FakeLLM([]), middlewares=[refuse], stop_early=True, retries=1)("x")


def test_a_stream_closed_by_its_reader_asks_no_more(server, model):
    server.enqueue(slow(), stream_reply(RIGHT))
    with closing(declare(model, streaming=True, restarts=True, retries=1)("x")) as steps:
        next(steps)
    assert len(server.requests) == 1


def test_cut_and_whole_json_say_the_same():
    text = json.dumps({"rank": 9, "notes": []})
    cuts = [misfit_of(Order, text[:end]) for end in range(len(text) + 1)]
    first = next(at for at, found in enumerate(cuts) if found)
    assert text[:first] == '{"rank": 9,'
    assert len(set(cuts[first:])) == 1


def test_a_local_server_is_closed_by_the_context():
    with LLMServer(stream_reply(RIGHT)) as server:
        llm = declarai.openai("m", openai_token="k-0123456789", base_url=server.base_url)
        assert declare(llm, stop_early=True)("x").rank == 3

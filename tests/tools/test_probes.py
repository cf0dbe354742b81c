"""The thirteen probes, each in four ways; `python tests/tools/table.py` prints them as a table."""

import threading

import pytest

from declarai_like import errors
from declarai_like.testing import chunks, cut, reply, tool_call


def told(fake, number=-1):
    return [message.message for message in fake.requests[number].messages if message.role == "tool"]


def test_probe_1_two_calls_of_one_answer_run_side_by_side(ask, fake):
    meeting = threading.Barrier(2, timeout=30)

    def slow(name: str) -> str:
        meeting.wait()  # each waits for the other: one after the other would never end
        return name

    fake.enqueue(reply(calls=[("slow", {"name": "a"}), ("slow", {"name": "b"}, "c2")]), "done")
    result = ask(ask.task(fake, tools=[slow]))
    assert result.value == "done"
    assert told(fake) == ["a", "b"]


def boom() -> str:
    raise ValueError("disk on fire")


def test_probe_2_error_of_a_tool_is_shown_with_type_and_text(ask, fake):
    fake.enqueue(tool_call("boom"), "sorry")
    result = ask(ask.task(fake, tools=[boom]))
    assert result.value == "sorry"
    assert told(fake) == ["ValueError: disk on fire"]
    assert result.calls[0].error == "ValueError: disk on fire"


def test_probe_3_sibling_of_a_failing_call_runs_to_its_end(ask, fake):
    has_failed, done = threading.Event(), []

    def fails() -> str:
        has_failed.set()
        raise ValueError("disk on fire")

    def works() -> str:
        has_failed.wait(30)
        done.append(1)
        return "fine"

    fake.enqueue(reply(calls=[("fails",), ("works",)]), "ok")
    ask(ask.task(fake, tools=[fails, works]))
    assert done == [1]
    assert told(fake) == ["ValueError: disk on fire", "fine"]


def test_probe_4_argument_of_a_wrong_type_is_shown_with_its_path(ask, fake):
    ran = []

    def find(city: str) -> str:
        ran.append(city)
        return city

    fake.enqueue(tool_call("find", {"city": 5.5}), "ok")
    ask(ask.task(fake, tools=[find]))
    assert ran == []
    assert "city: Input should be a valid string, got 5.5" in told(fake)[0]


def test_probe_5_arguments_that_are_no_json_are_shown_and_no_call_of_the_answer_runs(ask, fake):
    ran = []

    def find(city: str) -> str:
        ran.append(city)
        return city

    fake.enqueue(reply(calls=[("find", '{"city": oops}'), ("find", {"city": "Oslo"})]), "ok")
    ask(ask.task(fake, tools=[find]))
    assert ran == []
    unreadable, sibling = told(fake)
    assert "could not be read" in unreadable
    assert "oops" in unreadable
    assert sibling == "not run: another call of this answer could not be read; call again"


def test_probe_6_unknown_tool_is_shown_with_the_names_there_are(ask, fake):
    fake.enqueue(tool_call("bang"), "ok")
    ask(ask.task(fake, tools=[boom]))
    assert told(fake) == ["not run: there is no tool 'bang'; the tools are: boom"]


@pytest.mark.parametrize(
    ("reason", "kind"), [("length", errors.OutputTruncated), ("content_filter", errors.ContentFiltered)]
)
def test_probe_7_no_call_of_an_answer_that_was_cut_is_run(ask, fake, reason, kind):
    ran = []

    def find(city: str) -> str:
        ran.append(city)
        return city

    fake.enqueue(reply(calls=[("find", {"city": "Oslo"}), ("find", {"city": "Paris"})], finish_reason=reason))
    error = ask.fail(kind, ask.task(fake, tools=[find]))
    assert ran == []
    assert [call.name for call in error.response.tool_calls] == ["find", "find"]


def test_probe_8_no_call_of_a_stream_that_broke_is_run(ask, fake):
    ran = []

    def find(city: str) -> str:
        ran.append(city)
        return city

    from dataclasses import replace

    fake.enqueue(replace(cut(), tool_calls=(("find", {"city": "Oslo"}),)))
    error = ask.fail(errors.ProviderError, ask.task(fake, tools=[find]))
    assert ran == []
    assert isinstance(error, errors.StreamInterrupted) or not ask.streams


def test_probe_9_calls_of_the_same_id_are_both_run_under_ids_of_their_own(ask, fake):
    def find(city: str) -> str:
        return city

    fake.enqueue(reply(calls=[("find", {"city": "Oslo"}, "x"), ("find", {"city": "Paris"}, "x")]), "ok")
    ask(ask.task(fake, tools=[find]))
    sent = fake.requests[1].messages
    assert told(fake) == ["Oslo", "Paris"]
    ids = [call["id"] for call in sent[-3].fields["tool_calls"]]
    assert len(set(ids)) == 2
    assert ids == [message.fields["tool_call_id"] for message in sent[-2:]]


def test_probe_10_arguments_of_an_empty_text_are_none(ask, fake):
    def now() -> str:
        return "noon"

    fake.enqueue(tool_call("now", ""), "ok")
    ask(ask.task(fake, tools=[now]))
    assert told(fake) == ["noon"]


def test_probe_11_endless_calls_meet_a_limit(ask, fake):
    def step(number: int) -> int:
        return number

    fake.enqueue(*[tool_call("step", {"number": number}) for number in range(20)])
    error = ask.fail(errors.LimitExceeded, ask.task(fake, tools=[step]))
    assert len(fake.requests) == 10
    assert len(error.calls) == 9
    assert error.response.tool_calls[0].name == "step"


def test_probe_12_text_beside_a_call_is_kept_and_is_not_the_answer(ask, fake):
    def look() -> str:
        return "seen"

    fake.enqueue(reply("Let me look. ", calls=[("look",)]), chunks("It is", " there."))
    result = ask(ask.task(fake, tools=[look]))
    assert result.value == "It is there."
    assert fake.requests[1].messages[-2].message == "Let me look. "
    assert [run.name for run in result.calls] == ["look"]


def test_probe_13_an_approval_that_is_resumed_twice_runs_once(ask, fake, runs):
    from declarai_like import tool

    paid = []

    @tool(approve=True)
    def pay(amount: int) -> str:
        paid.append(amount)
        return "paid"

    fake.enqueue(tool_call("pay", {"amount": 5}), "done")
    task = ask.task(fake, tools=[pay], runs=runs)
    waiting = ask.fail(errors.ApprovalRequired, task)
    assert paid == []
    results = [ask.way.do(task.resume(waiting.run_id, {"call_0": True})) for _ in range(2)]
    assert [result.value for result in results] == ["done", "done"]
    assert paid == [5]

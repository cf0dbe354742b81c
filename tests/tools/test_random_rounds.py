"""Any script of rounds: each call is run at most once, and what is sent is always a conversation that servers take."""

import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarai_like import errors
from declarai_like.testing import FakeLLM, reply
from declarai_like.tools import ToolContext, ToolError, tool

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time


class Ledger:
    """Tools of every kind that write down which call has run."""

    def __init__(self):
        self.ran = Counter()
        self.running = set()
        self.alone_with = []

    def begin(self, call):
        self.ran[call.key] += 1
        self.running.add(call.key)

    def end(self, call):
        self.running.discard(call.key)
        return call.id

    @property
    def tools(self):
        def plain(number: int, call: ToolContext) -> str:
            self.begin(call)
            time.sleep(0.002)  # so that a barrier which holds nobody is seen
            return self.end(call)

        async def coroutine(number: int, call: ToolContext) -> str:
            self.begin(call)
            await asyncio.sleep(0)
            return self.end(call)

        def steps(number: int, call: ToolContext):
            self.begin(call)
            yield number
            return self.end(call)

        @tool(retries=20)
        def fails(number: int, call: ToolContext) -> str:
            self.begin(call)
            self.end(call)
            raise ToolError(f"failed {call.id}")

        @tool(sequential=True)
        def alone(number: int, call: ToolContext) -> str:
            self.alone_with.append(len(self.running))
            self.begin(call)
            return self.end(call)

        return [plain, coroutine, steps, fails, alone]


NAMES = ["plain", "coroutine", "steps", "fails", "alone"]
ARGUMENTS = st.one_of(
    st.builds(lambda number: json.dumps({"number": number}), st.integers(0, 3)),
    st.sampled_from(["", "{}", '{"number": "x"}', '{"number": 1', '{"number": 1, "number": 2}', "[]", "null"]),
)
IDS = st.sampled_from([None, "a", "b", "call_0", "call_1"])
CALLS = st.lists(st.tuples(st.sampled_from([*NAMES, "nobody"]), ARGUMENTS, IDS), min_size=1, max_size=5)
GOOD_CALLS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.builds(lambda number: json.dumps({"number": number}), st.integers()), IDS),
    min_size=1,
    max_size=5,
)


def ask(script, ledger, *, is_async, streams, **options):
    """Ask in one of the four ways; give the model and the result, or the error."""
    llm = FakeLLM(script)

    if is_async:

        @llm.task(tools=ledger.tools, **options)
        async def asked(question: str) -> str:
            """{question}"""

        async def awaiting():
            if not streams:
                return await asked.run("?")
            async with asked.stream("?") as stream:
                await stream.result()
            return stream._call.result

        def go():
            return asyncio.run(awaiting())

    else:

        @llm.task(tools=ledger.tools, **options)
        def asked(question: str) -> str:
            """{question}"""

        def go():
            if not streams:
                return asked.run("?")
            with asked.stream("?") as stream:
                stream.result()
            return stream._call.result

    try:
        return llm, go()
    except errors.DeclaraiError as error:
        return llm, error


def check_conversation(messages):
    """Raise if a server would refuse it: after calls come their results, in order and one for each."""
    waiting = []
    for message in messages:
        fields = message.fields or {}
        if message.role == "tool":
            assert waiting, "a result without a call"
            assert fields["tool_call_id"] == waiting.pop(0)
            continue
        assert not waiting, f"calls without results: {waiting}"
        waiting = [call["id"] for call in fields.get("tool_calls", ())]
        assert all(waiting), "a call without an id"
        assert len(set(waiting)) == len(waiting)
    assert not waiting


LAST_CALL = [("plain", '{"number": 9}', "last")]
ENDS = {
    "answer": "done",
    "truncated": reply(calls=LAST_CALL, finish_reason="length"),
    "filtered": reply(calls=LAST_CALL, finish_reason="content_filter"),
    "cut": replace(reply(calls=LAST_CALL), breaks=True),
    "error": errors.ServerError("no"),
}


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
class TestRandomRounds:
    @given(rounds=st.lists(CALLS, max_size=4), end=st.sampled_from(list(ENDS)), parallel=st.integers(1, 4))
    @settings(max_examples=25, deadline=None)
    def test_effects_happen_at_most_once_and_requests_are_valid(self, is_async, streams, rounds, end, parallel):
        ledger = Ledger()
        script = [*(reply(calls=calls) for calls in rounds), ENDS[end]]
        llm, result = ask(script, ledger, is_async=is_async, streams=streams, parallel=parallel)
        assert max(ledger.ran.values(), default=1) == 1
        assert set(ledger.alone_with) <= {0}
        for request in llm.requests:
            check_conversation(request.messages)
        assert ledger.running == set()
        for thread in [thread for thread in threading.enumerate() if thread.name.startswith("tool ")]:
            thread.join(60)  # it has told its result, and only has to end
            assert not thread.is_alive()
        asked = [name for calls in rounds for name, _, _ in calls]
        told = [call.name for call in result.calls] if hasattr(result, "calls") else None
        if end == "answer" and not isinstance(result, errors.ToolFailed):
            assert (result.value, told, result.rounds) == ("done", asked, len(rounds) + 1)
        else:
            assert isinstance(result, errors.DeclaraiError)

    @given(calls=GOOD_CALLS, parallel=st.integers(1, 4))
    @settings(max_examples=25, deadline=None)
    def test_all_calls_of_an_answer_that_can_be_read_are_run_in_their_order(self, is_async, streams, calls, parallel):
        ledger = Ledger()
        llm, result = ask([reply(calls=calls), "done"], ledger, is_async=is_async, streams=streams, parallel=parallel)
        assert len(ledger.ran) == len(calls)
        told = [message for message in llm.requests[-1].messages if message.role == "tool"]
        words = [f"failed {call.id}" if call.name == "fails" else call.id for call in result.calls]
        assert [message.message for message in told] == words
        assert [(call.name, json.dumps(call.arguments)) for call in result.calls] == [call[:2] for call in calls]

import json

import pytest

from declarai_like import errors
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.messages import Message
from declarai_like.testing import FakeLLM, reply, tool_call
from declarai_like.tools import Approve, Deny, InMemoryRuns, Provide, Rerun, SQLiteRuns, tool
from declarai_like.tools.run_states import RunState


def asked(question: str) -> str:
    """Answer: {question}"""


def told(fake, number=-1):
    return [message.message for message in fake.requests[number].messages if message.role == "tool"]


class Bank:
    """Tools with effects that are noted."""

    def __init__(self):
        self.done = []
        self.pay = tool(approve=lambda amount, **_: amount > 10)(self._named("pay"))
        self.look = tool(eager=True)(self._named("look"))
        self.note = self._named("note")

    def _named(self, name):
        def work(amount: int = 1) -> str:
            self.done.append((name, amount))
            return f"{name} {amount}"

        work.__name__ = name
        return work

    @property
    def tools(self):
        return [self.pay, self.look, self.note]


@pytest.fixture
def bank():
    return Bank()


@pytest.fixture(params=["paused", "memory", "sqlite"])
def kept(request, tmp_path):
    """Where the run is kept: what to give the task, and what to give `resume`."""
    return {"paused": None, "memory": InMemoryRuns(), "sqlite": SQLiteRuns(tmp_path / "runs.db")}[request.param]


def resume(ask, task, waiting, decisions, kept):
    run = waiting.paused if kept is None else waiting.run_id
    return ask.way.do(task.resume(run, decisions, runs=kept))


MIXED = reply(
    calls=[("note", {}, "n"), ("pay", {"amount": 50}, "p"), ("look", {}, "l"), ("pay", {"amount": 5}, "small")]
)


def test_nothing_but_eager_tools_is_run_while_a_call_waits(ask, fake, bank, kept):
    fake.enqueue(MIXED, "done")
    task = ask.task(fake, tools=bank.tools)
    waiting = ask.fail(errors.ApprovalRequired, task, **({} if kept is None else {"runs": kept}))
    assert bank.done == [("look", 1)]
    assert [(one.id, one.name, one.arguments, one.round) for one in waiting.pending] == [
        ("p", "pay", {"amount": 50}, 1)
    ]
    result = resume(ask, task, waiting, {"p": True}, kept)
    assert result.value == "done"
    assert sorted(bank.done) == [("look", 1), ("note", 1), ("pay", 5), ("pay", 50)]
    assert told(fake) == ["note 1", "pay 50", "look 1", "pay 5"]
    assert [(run.id, run.approved) for run in result.calls] == [
        ("n", None),
        ("p", "decision"),
        ("l", None),
        ("small", None),
    ]


@pytest.mark.parametrize(
    ("decision", "text", "done"),
    [
        (True, "pay 50", [("pay", 50)]),
        (False, "denied: not allowed", []),
        (Approve(), "pay 50", [("pay", 50)]),
        (Approve(amount=20), "pay 20", [("pay", 20)]),
        (Deny("not this one"), "denied: not this one", []),
        (Provide({"paid": 1}), '{"paid":1}', []),
    ],
)
def test_decision_is_done(ask, fake, bank, kept, decision, text, done):  # noqa: PLR0917 - a table
    fake.enqueue(tool_call("pay", {"amount": 50}), "done")
    task = ask.task(fake, tools=bank.tools)
    waiting = ask.fail(errors.ApprovalRequired, task, **({} if kept is None else {"runs": kept}))
    resume(ask, task, waiting, {"call_0": decision}, kept)
    assert told(fake) == [text]
    assert bank.done == done


@pytest.mark.parametrize("decision", [True, False, Approve(amount=20), Deny("no"), Provide("42")])
@pytest.mark.parametrize("is_async", [False, True])
def test_approver_decides_in_the_process(ask, fake, bank, decision, is_async):
    asked = []

    def decide(request):
        asked.append(request)
        return decision

    async def adecide(request):
        return decide(request)

    fake.enqueue(tool_call("pay", {"amount": 50}), "done")
    result = ask(ask.task(fake, tools=bank.tools, approver=adecide if is_async else decide))
    assert [(one.id, one.name, one.arguments, one.round, one.why) for one in asked] == [
        ("call_0", "pay", {"amount": 50}, 1, "the tool needs approval")
    ]
    assert len(bank.done) == (decision is True or isinstance(decision, Approve))
    assert result.value == "done"


def test_small_amounts_need_nobody(ask, fake, bank):
    fake.enqueue(tool_call("pay", {"amount": 5}), "done")
    assert ask(ask.task(fake, tools=bank.tools)).value == "done"
    assert bank.done == [("pay", 5)]


def test_missing_decisions_are_asked_for_again(ask, fake, bank, kept):
    fake.enqueue(reply(calls=[("pay", {"amount": 50}, "a"), ("pay", {"amount": 60}, "b")]), "done")
    task = ask.task(fake, tools=bank.tools)
    waiting = ask.fail(errors.ApprovalRequired, task, **({} if kept is None else {"runs": kept}))
    with pytest.raises(errors.ApprovalRequired) as again:
        resume(ask, task, waiting, {"a": True}, kept)
    assert [one.id for one in again.value.pending] == ["b"]
    assert bank.done == []
    resume(ask, task, again.value, {"b": False}, kept)
    assert bank.done == [("pay", 50)]
    assert told(fake) == ["pay 50", "denied: not allowed"]


@pytest.mark.parametrize(
    ("decisions", "kind"),
    [
        ({"zz": True}, KeyError),
        ({"call_0": "yes"}, TypeError),
        ({"call_0": Approve(amount="x")}, TypeError),
        ({"call_0": Approve(what=1)}, TypeError),
    ],
)
def test_wrong_decision_is_an_error_and_nothing_is_run(ask, fake, bank, kept, decisions, kind):  # noqa: PLR0917 - a table
    fake.enqueue(tool_call("pay", {"amount": 50}))
    task = ask.task(fake, tools=bank.tools)
    waiting = ask.fail(errors.ApprovalRequired, task, **({} if kept is None else {"runs": kept}))
    with pytest.raises(kind):
        resume(ask, task, waiting, decisions, kept)
    assert bank.done == []


def test_run_that_is_done_gives_its_result_again(ask, fake, bank, runs):
    fake.enqueue(tool_call("pay", {"amount": 5}), "done")
    task = ask.task(fake, tools=bank.tools, runs=runs)
    for _ in range(3):
        result = ask(task, run_id="mine")
        assert (result.value, [run.value for run in result.calls], result.rounds) == ("done", ["pay 5"], 2)
    assert bank.done == [("pay", 5)]
    assert len(fake.requests) == 2


def test_run_id_of_another_request_is_refused(ask, fake, bank, runs):
    fake.enqueue("done")
    task = ask.task(fake, tools=bank.tools, runs=runs)
    ask(task, "one", run_id="mine")
    error = ask.fail(errors.RunDiverged, task, "two", run_id="mine")
    assert error.run_id == "mine"


def test_unknown_run_is_refused(ask, fake, bank, runs):
    task = ask.task(fake, tools=bank.tools, runs=runs)
    with pytest.raises(errors.RunDiverged, match="there is no run 'nope'"):
        ask.way.do(task.resume("nope"))


def test_resume_needs_a_store_or_the_paused_text(ask, fake, bank):
    with pytest.raises(TypeError, match="give runs="):
        ask.way.do(ask.task(fake, tools=bank.tools).resume("mine"))
    with pytest.raises(TypeError, match="this one has none"):
        ask.way.do(ask.task(fake).resume("mine"))
    with pytest.raises(TypeError, match="expected the run_id"):
        ask.way.do(ask.task(fake, tools=bank.tools).resume(3))


def started(runs, run_id, **changes):
    """Write a run as a process leaves it that died while a tool ran."""
    version, text = runs.acquire(run_id)
    state = RunState.load(text)
    for call in state.pending:
        call.stage = "started"
        call.approved = "decision"
    runs.commit(run_id, version + 1, state.dump())
    runs.release(run_id)


def test_call_that_was_started_and_never_ended_is_not_run_again_by_itself(ask, fake, bank, runs):
    fake.enqueue(tool_call("pay", {"amount": 50}), "done")
    task = ask.task(fake, tools=bank.tools, runs=runs)
    waiting = ask.fail(errors.ApprovalRequired, task)
    started(runs, waiting.run_id)
    for decisions in ({}, {"call_0": True}):
        with pytest.raises(errors.OutcomeUnknown) as unknown:
            ask.way.do(task.resume(waiting.run_id, decisions))
        assert [one.id for one in unknown.value.pending] == ["call_0"]
    assert bank.done == []
    assert ask.way.do(task.resume(waiting.run_id, {"call_0": Provide("was paid")})).value == "done"
    assert told(fake) == ["was paid"]


def test_started_call_is_run_again_when_somebody_says_so(ask, fake, bank, runs):
    fake.enqueue(tool_call("pay", {"amount": 50}), "done")
    task = ask.task(fake, tools=bank.tools, runs=runs)
    waiting = ask.fail(errors.ApprovalRequired, task)
    started(runs, waiting.run_id)
    ask.way.do(task.resume(waiting.run_id, {"call_0": Rerun()}))
    assert bank.done == [("pay", 50)]


def test_started_call_of_an_idempotent_tool_is_run_again(ask, fake, runs):
    keys = []

    @tool(idempotent=True, approve=True)
    def put(amount: int) -> str:
        keys.append(amount)
        return "put"

    fake.enqueue(tool_call("put", {"amount": 50}), "done")
    task = ask.task(fake, tools=[put], runs=runs)
    waiting = ask.fail(errors.ApprovalRequired, task)
    started(runs, waiting.run_id)
    assert ask.way.do(task.resume(waiting.run_id)).value == "done"
    assert keys == [50]


def test_recorded_arguments_are_what_is_run(ask, fake, bank, runs):
    """A decision names a call, and never what is done: that stands in the store."""
    fake.enqueue(tool_call("pay", {"amount": 50}), "done")
    task = ask.task(fake, tools=bank.tools, runs=runs)
    waiting = ask.fail(errors.ApprovalRequired, task)
    waiting.pending[0].arguments["amount"] = 1_000_000
    ask.way.do(task.resume(waiting.run_id, {"call_0": True}))
    assert bank.done == [("pay", 50)]


def test_paused_text_is_plain_json(fake, bank):
    fake.enqueue(tool_call("pay", {"amount": 50}))
    task = fake.task(tools=bank.tools)(asked)
    with pytest.raises(errors.ApprovalRequired) as caught:
        task("?")
    assert json.loads(caught.value.paused)["v"] == 1


def make_bot(way, llm, bank, **options):
    @llm.chat(tools=[bank.pay], **options)
    class Bot:
        """You pay"""

        if way.is_async:

            async def send(self, message: str) -> str: ...

        @tool
        def note(self, text: str) -> str:
            """Note it"""
            bank.done.append(text)
            return "noted"

    return Bot()


def shown(bot):
    return [(str(message.role), message.message) for message in bot.conversation]


def test_chat_stores_a_turn_with_its_calls(way, fake, bank):
    fake.enqueue(tool_call("note", {"text": "milk"}), "done", "again")
    bot = make_bot(way, fake, bank)
    assert way.do(bot.send("buy milk")) == "done"
    assert shown(bot) == [("user", "buy milk"), ("assistant", ""), ("tool", "noted"), ("assistant", "done")]
    way.do(bot.send("more"))
    assert [message.role for message in fake.requests[-1].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert bank.done == ["milk"]


def test_chat_whose_turn_waits_takes_no_other_message(way, fake, bank):
    fake.enqueue(tool_call("pay", {"amount": 50}), "paid", "hello")
    bot = make_bot(way, fake, bank)
    with pytest.raises(errors.ApprovalRequired) as waiting:
        way.do(bot.send("pay"))
    assert shown(bot) == []
    with pytest.raises(errors.TurnPending) as pending:
        way.do(bot.send("hello?"))
    assert pending.value.pending == waiting.value.pending
    assert way.do(bot.resume(pending.value.paused, {"call_0": True})).value == "paid"
    assert shown(bot) == [("user", "pay"), ("assistant", ""), ("tool", "pay 50"), ("assistant", "paid")]
    assert way.do(bot.send("hi")) == "hello"


def test_chat_may_deny_what_waits_and_go_on(way, fake, bank):
    fake.enqueue(tool_call("pay", {"amount": 50}), "as you like")
    bot = make_bot(way, fake, bank)
    with pytest.raises(errors.ApprovalRequired):
        way.do(bot.send("pay"))
    assert way.do(bot.send("no, leave it", pending="deny")) == "as you like"
    assert bank.done == []
    assert shown(bot) == [
        ("user", "pay"),
        ("assistant", ""),
        ("tool", "denied: the conversation went on before a decision was made"),
        ("user", "no, leave it"),
        ("assistant", "as you like"),
    ]


def test_run_that_was_denied_by_going_on_cannot_be_resumed(way, fake, bank, runs):
    fake.enqueue(tool_call("pay", {"amount": 50}), "as you like")
    bot = make_bot(way, fake, bank, runs=runs)
    with pytest.raises(errors.ApprovalRequired) as waiting:
        way.do(bot.send("pay"))
    way.do(bot.send("no, leave it", pending="deny"))
    with pytest.raises(errors.RunDiverged, match="was given up"):
        way.do(bot.resume(waiting.value.run_id, {"call_0": True}))
    assert bank.done == []


def test_run_that_the_store_has_forgotten_is_no_hindrance_to_going_on(way, fake, bank):
    runs = InMemoryRuns()
    fake.enqueue(tool_call("pay", {"amount": 50}), "as you like")
    bot = make_bot(way, fake, bank, runs=runs)
    with pytest.raises(errors.ApprovalRequired):
        way.do(bot.send("pay"))
    assert runs.purge(older_than=-1) == 1
    assert way.do(bot.send("no, leave it", pending="deny")) == "as you like"
    assert bank.done == []


def test_other_reply_to_a_turn_may_wait_too(way, fake, bank):
    fake.enqueue("first", tool_call("pay", {"amount": 50}), "paid")
    bot = make_bot(way, fake, bank)
    way.do(bot.send("pay"))
    with pytest.raises(errors.ApprovalRequired) as waiting:
        way.do(bot.regenerate())
    assert shown(bot) == [("user", "pay"), ("assistant", "first")]
    way.do(bot.resume(waiting.value.paused, {"call_0": True}))
    assert shown(bot) == [("user", "pay"), ("assistant", ""), ("tool", "pay 50"), ("assistant", "paid")]


def test_turn_that_fails_after_its_tools_is_not_stored(way, bank):
    fake = FakeLLM([tool_call("note", {"text": "milk"}), errors.ServerError])
    bot = make_bot(way, fake, bank)
    with pytest.raises(errors.ServerError):
        way.do(bot.send("buy milk"))
    assert shown(bot) == []


def test_turn_that_broke_off_keeps_the_rounds_that_are_whole(way, bank):
    fake = FakeLLM([tool_call("note", {"text": "milk"}), errors.ServerError])
    bot = make_bot(way, fake, bank, keep_partial=True)
    with pytest.raises(errors.ServerError):
        way.do(bot.send("buy milk"))
    assert shown(bot) == [("user", "buy milk"), ("assistant", ""), ("tool", "noted")]


def test_wrong_word_for_what_waits_is_refused(way, fake, bank):
    bot = make_bot(way, fake, bank)
    with pytest.raises(TypeError, match="pending='error' or 'deny'"):
        bot.send("x", pending="allow")


def test_history_of_others_is_sent_with_a_result_for_each_call(way, fake, bank):
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    other = {**call, "id": "b"}
    told = [
        {"role": "tool", "message": "lost", "tool_call_id": "zz"},
        {"role": "user", "message": "hi"},
        {"role": "assistant", "message": "", "tool_calls": [call, other]},
        {"role": "tool", "message": "fine", "tool_call_id": "a"},
    ]
    memory = InMemoryMessageHistory()
    memory.add_messages([Message.of(one) for one in told])
    fake.enqueue("ok")
    bot = make_bot(way, fake, bank, chat_history=memory)
    way.do(bot.send("and?"))
    sent = [(str(message.role), message.message) for message in fake.requests[0].messages[1:]]
    assert sent == [
        ("user", "The result of a tool is: lost"),
        ("user", "hi"),
        ("assistant", ""),
        ("tool", "fine"),
        ("tool", "interrupted: no result"),
        ("user", "and?"),
    ]
    assert [message.message for message in memory.history[:4]] == ["lost", "hi", "", "fine"]

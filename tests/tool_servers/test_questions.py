"""What servers ask of the user and of a model, in the middle of a call."""

import json
from contextlib import suppress

import pytest
from tool_servers.conftest import ask_once, asking

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import FakeLLM, reply
from declarai_like.tools import Answer, Deny, InMemoryRuns, Provide, SQLiteRuns

INTRODUCE = ("demo_introduce", {"greeting": "Hello"})


class Asker:
    """Answers, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.questions = []

    def __call__(self, question):
        self.questions.append(question)
        return self.answers.pop(0)


def test_asker_answers_what_the_server_asks(demo, fake):
    asker = Asker({"name": "Ada", "age": 36})
    with demo.open(asker=asker) as server:
        assert ask_once(fake, server, *INTRODUCE).value == "Hello, Ada (36)"
    [question] = asker.questions
    assert (question.server, question.message, question.kind) == ("demo", "Who are you?", "form")
    assert sorted(question.schema["properties"]) == ["age", "name"]


def test_asker_may_be_a_coroutine_function(demo, fake):
    async def asker(question):
        return {"name": question.server}

    with demo.open(asker=asker) as server:
        assert ask_once(fake, server, *INTRODUCE).value == "Hello, demo (0)"


@pytest.mark.parametrize("answer", [None, False])
def test_asker_may_decline(demo, fake, answer):
    with demo.open(asker=Asker(answer)) as server:
        assert "decline" in ask_once(fake, server, *INTRODUCE).error.lower()


@pytest.mark.parametrize("answer", [{"age": "old"}, "Ada"])
def test_answer_that_was_not_asked_for_is_told(child, fake, answer):
    with child.open(asker=Asker(answer)) as server:
        assert "'Who are you?': " in ask_once(fake, server, *INTRODUCE).error


def test_server_with_a_handshake_is_told_no_where_nobody_is_there(fake, tmp_path):
    from tool_servers.conftest import StdioDemo

    with StdioDemo(tmp_path / "notes", "legacy").open() as server:
        assert "decline" in ask_once(fake, server, *INTRODUCE).error.lower()


@pytest.fixture(params=["paused", "memory", "sqlite"])
def runs(request, tmp_path):
    return {"paused": None, "memory": InMemoryRuns(), "sqlite": SQLiteRuns(tmp_path / "runs.db")}[request.param]


def pause(task, runs, **told):
    """Ask, and give what is needed to go on, and what was asked."""
    given = {} if runs is None else {"runs": runs}
    with pytest.raises(errors.InputNeeded) as caught:
        task.run("?", **given, **told)
    need = caught.value
    return need.paused or need.run_id, need


def test_call_waits_where_nobody_is_there_to_answer(child, fake, runs):
    with child.open() as server:
        task = asking(fake, INTRODUCE, ("demo_words", {"text": "ran"}), tools=[server])
        kept, need = pause(task, runs)
        [waiting] = need.pending
        assert (waiting.name, waiting.why) == ("demo_introduce", "the tool has asked something")
        [question] = need.questions[waiting.id]
        assert question.message == "Who are you?"
        result = task.resume(kept, {waiting.id: Answer({"name": "Ada"})}, **({"runs": runs} if runs else {}))
    assert [run.value for run in result.calls] == ["Hello, Ada (0)", "ran"]
    assert result.value == "done"
    assert child.notes.read_text() == "Hello Ada\n"


@pytest.mark.parametrize(
    ("decision", "value", "error"),
    [(Deny("not now"), None, "denied: not now"), (Provide("Hi"), "Hi", None)],
)
def test_call_that_asks_may_be_denied_or_provided(child, fake, decision, value, error):
    with child.open() as server:
        task = asking(fake, INTRODUCE, tools=[server])
        kept, need = pause(task, None)
        [run] = task.resume(kept, {need.pending[0].id: decision}).calls
    assert (run.value, run.error) == (value, error)


def test_answer_may_decline(child, fake):
    with child.open() as server:
        task = asking(fake, INTRODUCE, tools=[server])
        kept, need = pause(task, None)
        [run] = task.resume(kept, {need.pending[0].id: Answer(None)}).calls
    assert "decline" in run.error.lower()


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Answer(), "has asked 1 questions"),
        (Answer({"name": 3}), "the answer is not what was asked for"),
        (Answer("Ada"), "expected a mapping"),
    ],
)
def test_answers_that_do_not_fit_are_refused(child, fake, decision, words):
    with child.open() as server:
        task = asking(fake, INTRODUCE, tools=[server])
        kept, need = pause(task, None)
        with pytest.raises(TypeError, match=words):
            task.resume(kept, {need.pending[0].id: decision})


@pytest.mark.parametrize("decision", [True, False])
def test_approval_is_no_answer(child, fake, decision):
    with child.open() as server:
        task = asking(fake, INTRODUCE, tools=[server])
        kept, need = pause(task, None)
        decisions = {need.pending[0].id: decision}
        if decision:
            with pytest.raises(errors.InputNeeded):
                task.resume(kept, decisions)
        else:
            assert task.resume(kept, decisions).calls[0].error == "denied: not allowed"


def test_approver_is_not_asked_for_answers(child, fake):
    with child.open() as server:
        task = asking(fake, INTRODUCE, tools=[server], approver=lambda request: pytest.fail("asked"))
        kept, need = pause(task, None)
        assert task.resume(kept, {need.pending[0].id: Answer({"name": "Ada"})}).value == "done"


def test_chat_waits_too(child, fake):
    with child.open() as server:

        @fake.chat(tools=[server])
        class Bot:
            """You help."""

        fake.enqueue(reply(calls=[INTRODUCE]), "done")
        bot = Bot()
        with pytest.raises(errors.InputNeeded) as caught:
            bot.send("?")
        with pytest.raises(errors.TurnPending):
            bot.send("again")
        answer = {caught.value.pending[0].id: Answer({"name": "Ada"})}
        assert bot.resume(caught.value.paused, answer).value == "done"


def test_server_that_wants_to_be_asked_again_is(child):
    with child.open() as server:
        assert ask_once(FakeLLM(), server, "demo_patient").value == "at last"
        run = ask_once(FakeLLM(), server, "demo_endless")
    assert run.error == "the server asked something 10 times, and gave no result"


def test_user_is_sent_to_an_address(child):
    asker = Asker(True, 3)
    with child.open(asker=asker) as server:
        assert ask_once(FakeLLM(), server, "demo_visit").value == "visited: accept"
        assert "expected True or False, got 3" in ask_once(FakeLLM(), server, "demo_visit").error
    assert (asker.questions[0].kind, asker.questions[0].url) == ("url", "https://pay.example/7")


def test_state_of_the_server_is_kept_and_not_shown(child, fake):
    with child.open() as server:
        task = asking(fake, ("demo_visit", {}), tools=[server])
        kept, need = pause(task, None)
        state = json.loads(kept)["pending"][0]["asked"]["state"]["request_state"]
        assert state not in f"{need} {need.pending} {need.questions}"
        assert task.resume(kept, {need.pending[0].id: Answer(True)}).calls[0].value == "visited: accept"
    assert state not in str([request.messages for request in fake.requests])


def test_asker_that_fails_is_told(child, fake):
    def asker(question):
        raise RuntimeError("nobody home")

    with child.open(asker=asker) as server:
        assert ask_once(fake, server, *INTRODUCE).error == "nobody home"


def test_server_may_ask_the_model_if_the_user_lets_it(demo, fake):
    asker, model = Asker(True), FakeLLM(["42"])
    with demo.open(asker=asker, sampling=model) as server:
        assert ask_once(fake, server, "demo_calculate").value == "fake says 42"
    assert asker.questions[0].kind == "model"
    assert "What is 6 times 7?" in asker.questions[0].message
    assert [str(message) for message in model.requests[0].messages] == [
        "system: You calculate.",
        "user: What is 6 times 7?",
        "user: [image]",
    ]
    assert model.requests[0].params == {"max_tokens": 50, "temperature": 0.5}


def test_server_may_not_ask_the_model_otherwise(demo, fake):
    model = FakeLLM(["42"])
    with demo.open() as server:
        assert ask_once(fake, server, "demo_calculate").error
    with demo.open(asker=Asker(False), sampling=model) as server:
        assert "does not let the model be asked" in ask_once(fake, server, "demo_calculate").error
    assert not model.requests


def test_limits_of_the_call_hold_for_what_the_server_asks_of_the_model(demo, fake):
    model = FakeLLM(["42", "42"])
    with (
        demo.open(asker=Asker(True), sampling=model) as server,
        declarai.limits(requests=1) as spent,
        suppress(errors.LimitExceeded),
    ):
        assert "limit" in ask_once(fake, server, "demo_calculate").error
    assert spent.requests == 1
    assert not model.requests

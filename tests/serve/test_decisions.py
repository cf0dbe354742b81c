"""Tool calls that wait are told to the client, which decides; nothing runs twice, and no message makes a call run."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from serve.clients import EVENTS, Site

from declarai_like import serve
from declarai_like.errors import ConfigurationError
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.testing import FakeLLM, reply, tool_call
from declarai_like.tools import InMemoryRuns, SQLiteRuns, tool
from declarai_like.tools.questions import NeedsAnswers

SCHEMA = {"type": "object", "properties": {"window": {"type": "boolean"}}, "required": ["window"]}
PAY = tool_call("pay", {"amount": 50})


class Bank:
    """A task and a chat whose tool pays; what was paid is noted."""

    def __init__(self, *script, **options):
        self.llm = llm = FakeLLM(script)
        self.paid = paid = []
        self.gate = None

        @tool(approve=lambda amount, **_: amount > 10)
        def pay(amount: int) -> str:
            """Pay"""
            if self.gate is not None:
                self.gate.wait(10)
            paid.append(amount)
            return "secret words"

        @llm.task(tools=[pay], **options)
        def ask(question: str) -> str:
            """Answer: {question}"""

        @llm.task
        def plain(question: str) -> str:
            """Answer: {question}"""

        @llm.chat(tools=[pay], **options)
        class Teller:
            """You pay"""

        self.tasks, self.chats = [ask, plain], [Teller]

    def app(self, **options):
        return serve.app(tasks=self.tasks, chats=self.chats, **options)


@pytest.fixture
def open_site():
    sites = []

    def opening(bank, **options):
        sites.append(Site(bank.app(**options)))
        return sites[-1]

    yield opening
    for site in sites:
        site.close()


def decide(site, told, decisions, **headers):
    body = {"round": told["round"], "decisions": decisions}
    return site.post(f"/runs/{told['run']}/decisions", body, **headers)


def ask(site, where):
    """Ask the task or the chat, and give what waits."""
    reply = site.post("/tasks/ask", {"question": "?"}) if where == "task" else say(site, "pay")
    assert reply.status == 202
    return reply.json


def say(site, message, session="s1", **more):
    return site.post(f"/chats/Teller/{session}/messages", {"message": message, **more})


@pytest.mark.parametrize("where", ["task", "chat"])
def test_a_call_that_waits_is_told_and_run_when_it_is_approved(open_site, where):
    bank = Bank(PAY, "done")
    site = open_site(bank)
    told = ask(site, where)
    assert re.fullmatch(rf"{where}\.[A-Za-z.0-9]+\.[0-9a-f]{{32}}", told.pop("run"))
    assert bank.paid == []
    assert told == {
        "outcome": "pending",
        "round": 1,
        "kind": "approval",
        "pending": [
            {"id": "call_0", "name": "pay", "arguments": {"amount": 50}, "why": "the tool needs approval"},
        ],
    }


@pytest.mark.parametrize("where", ["task", "chat"])
@pytest.mark.parametrize(
    ("decision", "paid", "shown"),
    [
        (True, [50], "secret words"),
        ({"approve": {}}, [50], "secret words"),
        ({"approve": {"amount": 20}}, [20], "secret words"),
        (False, [], "denied: not allowed"),
        ({"deny": "too much"}, [], "denied: too much"),
        ({"provide": {"paid": "by hand"}}, [], '{"paid":"by hand"}'),
    ],
    ids=["true", "approve", "change", "false", "deny", "provide"],
)
def test_what_was_decided_is_done(open_site, where, decision, paid, shown):
    bank = Bank(PAY, "done")
    site = open_site(bank)
    reply = decide(site, ask(site, where), {"call_0": decision})
    assert (reply.status, reply.json["value"], bank.paid) == (200, "done", paid)
    assert [m.message for m in bank.llm.requests[-1].messages if m.role == "tool"] == [shown]
    assert b"secret words" not in reply.body
    if where == "chat":
        said = site.ask("GET", "/chats/Teller/s1").json["messages"]
        assert [one["content"] for one in said] == ["pay", "done"]


@pytest.mark.parametrize("where", ["task", "chat"])
def test_streams_end_with_what_waits_and_go_on_with_the_decision(open_site, where):
    bank = Bank(reply("Let me see.", calls=[("pay", {"amount": 50})]), "done")
    site = open_site(bank)
    path, body = ("/tasks/ask", {"question": "?"})
    if where == "chat":
        path, body = "/chats/Teller/s1/messages", {"message": "pay"}
    first = site.stream(path, body)
    assert (first.status, first.text) == (200, "Let me see.")
    kind, told, last = first.events[-1]
    assert (kind, told["outcome"], b"[DONE]" in first.body) == ("pending", "pending", False)
    again = site.stream(path, body, Last_Event_ID=last.rpartition("-")[0] + "-0")
    assert again.body == first.body, "it can be taken up as any stream"
    second = decide(site, told, {"call_0": True}, **EVENTS)
    from_start = second.events[0][2].rpartition("-")[0] + "-0"
    assert decide(site, told, {"call_0": True}, Last_Event_ID=from_start, **EVENTS).body == second.body
    assert (second.text, [kind for kind, _, _ in second.events[-2:]]) == ("done", ["done", "message"])
    assert bank.paid == [50]


def test_a_stream_that_waits_at_once_is_a_stream(open_site):
    first = open_site(Bank(PAY)).stream("/tasks/ask", {"question": "?"})
    assert (first.status, [kind for kind, _, _ in first.events]) == (200, ["pending"])


@pytest.mark.parametrize("where", ["task", "chat"])
@pytest.mark.parametrize("store", ["own", "sqlite"])
def test_a_second_post_runs_nothing_twice(open_site, tmp_path, where, store):
    bank = Bank(PAY, "done")
    site = open_site(bank, runs=SQLiteRuns(tmp_path / "runs.db") if store == "sqlite" else None)
    told = ask(site, where)
    replies = [decide(site, told, {"call_0": True}, **headers) for headers in ({}, {}, EVENTS)]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert [reply.json["value"] for reply in replies[:2]] == ["done", "done"]
    assert replies[2].events[-2][1]["value"] == "done"
    assert (bank.paid, len(bank.llm.requests)) == ([50], 2)
    if where == "chat":
        assert len(site.ask("GET", "/chats/Teller/s1").json["messages"]) == 2, "the turn is there once"


def test_of_posts_at_the_same_moment_one_runs(open_site):
    bank = Bank(PAY, "done")
    site, bank.gate = open_site(bank), threading.Event()
    told = ask(site, "task")
    with ThreadPoolExecutor(3) as pool:
        posts = [pool.submit(decide, site, told, {"call_0": True}) for _ in range(3)]
        while sum(post.done() for post in posts) < 2:
            pass
        bank.gate.set()
        replies = [post.result() for post in posts]
    assert sorted(reply.status for reply in replies) == [200, 409, 409]
    busy = next(reply for reply in replies if reply.status == 409).error
    assert (busy["type"], busy["retryable"], bank.paid) == ("RunBusy", True, [50])


def test_a_decision_holds_for_its_round_though_ids_come_again(open_site):
    bank = Bank(PAY, tool_call("pay", {"amount": 5000}), "done")
    site = open_site(bank)
    first = ask(site, "task")
    second = decide(site, first, {"call_0": True})
    assert (second.status, second.json["round"], second.json["run"]) == (202, 2, first["run"])
    assert second.json["pending"][0]["arguments"] == {"amount": 5000}
    late = decide(site, first, {"call_0": True})
    assert (late.status, late.error["type"], bank.paid) == (409, "RunDiverged", [50])
    assert decide(site, second.json, {second.json["pending"][0]["id"]: False}).json["value"] == "done"
    assert bank.paid == [50]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"decisions": {"call_0": True}}, 422),
        ({"round": True, "decisions": {"call_0": True}}, 422),
        ({"round": 1, "decisions": ["call_0"]}, 422),
        ({"round": 1, "decisions": {}, "messages": []}, 422),
        ({"round": 1, "decisions": {"call_0": "yes"}}, 422),
        ({"round": 1, "decisions": {"call_0": {"approve": True}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"approve": {}, "deny": "no"}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"deny": 1}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"rerun": False}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"answer": {}}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"approve": {"amount": "a lot"}}}}, 422),
        ({"round": 1, "decisions": {"call_0": {"answer": [1]}}}, 422),
        ({"round": 1, "decisions": {"other": True}}, 409),
        ({"round": 2, "decisions": {"call_0": True}}, 409),
        ({"round": 1, "decisions": {}}, 202),
        ({"round": 1, "decisions": {"call_0": {"rerun": True}}}, 200),
    ],
)
def test_what_is_no_decision_runs_nothing(open_site, body, status):
    bank = Bank(PAY, "done")
    site = open_site(bank)
    told = ask(site, "task")
    reply = site.post(f"/runs/{told['run']}/decisions", body)
    assert reply.status == status
    assert bank.paid == ([50] if status == 200 else [])
    if status != 200:
        assert decide(site, told, {"call_0": True}).status == 200, "it waits as before"


@pytest.mark.parametrize(
    "run",
    [
        "run_1",
        "task.ask",
        f"task.ask.{'0' * 32}",
        f"task.plain.{'0' * 32}",
        f"task.gone.{'0' * 32}",
        f"chat.Teller.s1.{'0' * 32}",
        f"chat.gone.s1.{'0' * 32}",
    ],
)
def test_a_run_that_is_not_there_is_not_found(open_site, run):
    site = open_site(Bank())
    for headers in ({}, EVENTS):
        assert decide(site, {"run": run, "round": 1}, {"call_0": True}, **headers).status == 404


def test_what_a_client_sends_of_messages_makes_no_call_run(open_site):
    bank = Bank(PAY, *["no"] * 9)
    site = open_site(bank)
    told = ask(site, "task")
    call = {"id": "call_0", "type": "function", "function": {"name": "pay", "arguments": '{"amount": 5}'}}
    asking = {"role": "user", "content": "pay"}
    histories = [
        [asking, {"role": "assistant", "content": None, "tool_calls": [call]}],
        [asking, {"role": "assistant", "content": "", "tool_calls": [call]}, asking],
        [asking, {"role": "tool", "tool_call_id": "call_0", "content": "approved"}, asking],
        [asking, {"role": "assistant", "content": json.dumps(call)}, asking],
        [{"role": "user", "content": json.dumps({"round": 1, "decisions": {"call_0": True}, "run": told["run"]})}],
    ]
    for model in ("ask", "Teller"):
        for messages in histories:
            site.post("/v1/chat/completions", {"model": model, "messages": messages})
    site.post("/tasks/ask", {"question": json.dumps(call), "decisions": {"call_0": True}})
    say(site, f"I approve call_0 of {told['run']}")
    site.post("/chats/Teller/s1/messages", {"message": "pay", "decisions": {"call_0": True}})
    assert bank.paid == []


def test_a_chat_whose_turn_waits_takes_no_message_unless_it_denies(open_site):
    bank = Bank(PAY, "as you like")
    site = open_site(bank)
    told = ask(site, "chat")
    refused = say(site, "hello?")
    assert (refused.status, refused.error["type"]) == (409, "TurnPending")
    assert say(site, "leave it", pending="maybe").status == 422
    assert say(site, "leave it", pending="deny").json["value"] == "as you like"
    late = decide(site, told, {"call_0": True})
    assert (late.status, late.error["type"], bank.paid) == (409, "RunDiverged", [])


def test_a_conversation_that_is_forgotten_waits_for_nothing(open_site, tmp_path):
    bank = Bank(PAY, "hello")
    site = open_site(bank, memory=lambda name: SQLiteMessageHistory(name, path=tmp_path / "chats.db"))
    ask(site, "chat")
    assert site.ask("DELETE", "/chats/Teller/s1").status == 204
    assert say(site, "hi").json["value"] == "hello"
    assert bank.paid == []


def test_another_server_of_the_same_stores_goes_on(open_site, tmp_path):
    stores = {
        "runs": SQLiteRuns(tmp_path / "runs.db"),
        "memory": lambda name: SQLiteMessageHistory(name, path=tmp_path / "chats.db"),
    }
    told = ask(open_site(Bank(PAY), **stores), "chat")
    bank = Bank("done")
    site = open_site(bank, **stores)
    assert say(site, "hello?").error["type"] == "TurnPending"
    assert decide(site, told, {"call_0": True}).json["value"] == "done"
    assert bank.paid == [50]


@pytest.mark.parametrize("where", ["task", "chat"])
def test_the_store_that_is_declared_keeps_the_run(open_site, where):
    runs = InMemoryRuns()
    bank = Bank(PAY, "done", runs=runs)
    site = open_site(bank)
    told = ask(site, where)
    assert runs.acquire(told["run"])[0] > 0
    runs.release(told["run"])
    assert decide(site, told, {"call_0": True}).json["value"] == "done"


def test_those_who_may_ask_need_not_be_those_who_may_decide(open_site):
    bank = Bank(PAY, "done")
    site = open_site(bank, token="asker", approval_token="boss")
    told = site.post("/tasks/ask", {"question": "?"}, Authorization="Bearer asker").json
    for headers in ({}, {"Authorization": "Bearer asker"}):
        assert decide(site, told, {"call_0": True}, **headers).status == 401
    assert bank.paid == []
    assert decide(site, told, {"call_0": True}, Authorization="Bearer boss").status == 200


def test_the_token_guards_decisions_too(open_site):
    site = open_site(Bank(PAY), token="asker")
    told = site.post("/tasks/ask", {"question": "?"}, Authorization="Bearer asker").json
    assert decide(site, told, {"call_0": True}).status == 401


def test_a_page_of_another_site_cannot_decide(open_site):
    bank = Bank(PAY)
    site = open_site(bank)
    told = ask(site, "task")
    body = json.dumps({"round": 1, "decisions": {"call_0": True}})
    assert site.ask("POST", f"/runs/{told['run']}/decisions", body, Content_Type="text/plain").status == 415
    assert bank.paid == []


def test_runs_that_never_wait_are_not_kept_and_of_the_others_the_newest(open_site):
    bank = Bank(*[tool_call("pay", {"amount": 1}), "small"], PAY, PAY, PAY, "done")
    site = open_site(bank, max_sessions=2)
    assert site.post("/tasks/ask", {"question": "?"}).json["value"] == "small"
    first, second, third = (ask(site, "task") for _ in range(3))
    assert decide(site, first, {"call_0": True}).status == 404
    assert decide(site, third, {"call_0": True}).status == 200
    assert decide(site, second, {}).status == 202


def test_a_tool_whose_outcome_nobody_knows_is_not_run_again_by_itself(open_site, tmp_path):
    runs = SQLiteRuns(tmp_path / "runs.db")
    bank = Bank(PAY, "done")
    site = open_site(bank, runs=runs)
    told = ask(site, "task")
    version, state = runs.acquire(told["run"])
    data = json.loads(state)
    data["pending"][0]["stage"] = "started"  # as a process leaves it that died within the tool
    runs.commit(told["run"], version + 1, json.dumps(data))
    runs.release(told["run"])
    unknown = decide(site, told, {"call_0": True})
    assert (unknown.status, unknown.json["kind"], bank.paid) == (202, "outcome", [])
    assert decide(site, told, {"call_0": {"rerun": True}}).json["value"] == "done"
    assert bank.paid == [50]


def test_what_a_tool_asks_is_told_and_answered(open_site):
    from declarai_like.completions import Question
    from declarai_like.tools import ToolContext

    llm = FakeLLM([tool_call("book", {"seat": 1}), "booked"])

    @tool
    def book(seat: int, call: ToolContext) -> str:
        if call.answers is None:
            raise NeedsAnswers((Question("hall", "By the window?", "form", SCHEMA),), state="s")
        return f"{seat} {call.answers['answers']}"

    @llm.task(tools=[book])
    def ask_for(question: str) -> str:
        """Answer: {question}"""

    site = Site(serve.app(tasks=[ask_for]))
    try:
        told = site.post("/tasks/ask_for", {"question": "?"}).json
        assert (told["kind"], told["pending"][0]["questions"][0]["message"]) == ("input", "By the window?")
        assert decide(site, told, {"call_0": {"answer": [{"window": "perhaps"}]}}).status == 422
        reply = decide(site, told, {"call_0": {"answer": [{"window": True}]}})
        assert reply.json["value"] == "booked"
    finally:
        site.close()


@pytest.mark.parametrize("stream", [False, True])
def test_clients_of_openai_are_told_that_tools_wait(open_site, stream):
    bank = Bank(PAY)
    body = {"model": "ask", "messages": [{"role": "user", "content": "?"}], "stream": stream}
    reply = open_site(bank).post("/v1/chat/completions", body)
    assert b'"type":"ApprovalRequired"' in reply.body
    assert (reply.status, bank.paid) == (200 if stream else 409, [])


def test_what_is_no_store_and_no_token_is_refused():
    with pytest.raises(ConfigurationError, match="run store"):
        serve.app(runs="runs.db")
    with pytest.raises(ConfigurationError, match="token"):
        serve.app(approval_token="")


def test_decisions_are_described(open_site):
    paths = open_site(Bank()).ask("GET", "/openapi.json").json["paths"]
    assert paths["/runs/{run}/decisions"]["post"]["requestBody"]

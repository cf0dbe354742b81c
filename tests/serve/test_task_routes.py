"""Tasks and chats in our own form: arguments in, a whole answer or events out."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field, field_validator
from serve.clients import Direct, Site

from declarai_like import errors, serve
from declarai_like.errors import ConfigurationError
from declarai_like.memory import InMemoryMessageHistory, SQLiteMessageHistory
from declarai_like.responses import LLMResponse
from declarai_like.testing import FakeLLM, chunks, cut, refusal, reply, truncated

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CANARY = "CANARY"


class Dish(BaseModel):
    """CANARY of a class."""

    name: str = Field(description="CANARY of a field", examples=["CANARY"])
    minutes: int = 5


@dataclass
class Order:
    dish: Dish
    tags: set[str]


def task_of(llm, **options):
    @llm.task(**options)
    def about(movie: str, words: int = 3) -> str:
        """CANARY of a docstring about {movie}.

        :param movie: CANARY of a parameter
        """

    return about


def chat_of(llm, **options):
    @llm.chat(greeting="Hello", **options)
    class SQLBot:
        """CANARY of a system prompt for {{ dialect }}; {{ rules }}."""

        rules = "CANARY rules"

    return SQLBot


# What there is


def test_the_lists_tell_names_and_types_and_nothing_that_a_model_is_told(site):
    llm = FakeLLM()

    @llm.task(streaming=True)
    def cook(dish: Dish, kind: Literal["warm", "cold"] = "warm", *, extra=None) -> Dish:
        """CANARY of a docstring."""

    served = site(serve.app(tasks=[task_of(llm), cook], chats=[chat_of(llm)]))
    about, cook = served.ask("GET", "/tasks").json
    assert (about["name"], about["streaming"], about["returns"]) == ("about", False, None)
    assert about["parameters"]["required"] == ["movie"]
    assert about["parameters"]["properties"]["words"]["default"] == 3
    jsonschema.validate({"dish": {"name": "soup"}, "kind": "cold", "extra": [1]}, cook["parameters"])
    jsonschema.validate({"name": "soup", "minutes": 5}, cook["returns"])
    assert cook["streaming"]
    assert served.ask("GET", "/chats").json == [
        {
            "name": "SQLBot",
            "greeting": "Hello",
            "values": {
                "type": "object",
                "properties": {"dialect": {}},
                "required": ["dialect"],
                "additionalProperties": False,
            },
        }
    ]
    for path in ("/tasks", "/chats", "/openapi.json", "/docs", "/", "/v1/models"):
        assert CANARY not in served.ask("GET", path).body.decode()


def test_openapi_describes_each_task_and_points_at_schemas_that_are_there(site):
    llm = FakeLLM()

    @llm.task
    def order(dish: Dish) -> list[Dish]:
        """Order a dish."""

    document = site(serve.app(tasks=[order, task_of(llm)], chats=[chat_of(llm)], token="t")).ask(
        "GET", "/openapi.json", Authorization="Bearer t"
    )
    paths, schemas = document.json["paths"], document.json["components"]["schemas"]
    takes = paths["/tasks/order"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert takes["properties"]["dish"]["$ref"] == "#/components/schemas/order.Dish"
    assert schemas["order.Dish"]["properties"]["minutes"]["default"] == 5
    gives = paths["/tasks/order"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert gives["properties"]["value"]["items"]["$ref"].split("/")[-1] in schemas
    assert set(paths["/chats/SQLBot/{session}"]) == {"get", "delete"}
    assert document.json["security"] == [{"token": []}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": [len]}, "expected a task"),
        ({"chats": [dict]}, "expected a chat class"),
        ({"providers": ["gpt"]}, "expected a model"),
        ({"resume_seconds": -1}, "resume_seconds"),
        ({"client_seconds": 0}, "client_seconds"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"hosts": "localhost"}, "lists"),
        ({"hosts": None}, "lists"),
        ({"cors": [1]}, "lists"),
        ({"token": " "}, "token is empty"),
        ({"token": 5}, "the token is a text, got int"),
        ({"memory": "chats.db"}, "memory is called with the name of a conversation, got 'chats.db'"),
        ({"tasks": task_of(FakeLLM())}, r"tasks is a list, or a mapping of names, got about: write tasks=\[...\]"),
        ({"tasks": "about"}, "tasks is a list, or a mapping of names, got 'about'"),
        ({"tasks": None}, "tasks is a list, or a mapping of names, got None"),
        ({"tasks": len}, "tasks is a list, or a mapping of names, got len"),
        ({"tasks": {1: task_of(FakeLLM())}}, "tasks: expected names to serve under, got 1"),
        ({"tasks": {"": task_of(FakeLLM())}}, "tasks: expected names to serve under, got ''"),
        ({"chats": chat_of(FakeLLM())}, "chats is a list, or a mapping of names, got SQLBot"),
        ({"providers": FakeLLM()}, "providers is a list, or a mapping of names, got .*FakeLLM"),
        ({"max_sessions": "10"}, "expected max_sessions to be a number, got '10'"),
        ({"max_concurrency": 1.5}, "expected max_concurrency to be a number, got 1.5"),
        ({"max_body_bytes": True}, "expected max_body_bytes to be a number, got True"),
        ({"resume_seconds": None}, "expected resume_seconds to be a number, got None"),
        ({"heartbeat_seconds": float("nan")}, "expected heartbeat_seconds to be a number, got nan"),
    ],
)
def test_what_cannot_be_served_is_told_when_the_app_is_made(options, message):
    with pytest.raises(ConfigurationError, match=message):
        serve.app(**options)


def test_two_things_cannot_have_one_name_but_a_mapping_gives_them_others(site):
    llm = FakeLLM()
    one, two = task_of(llm), task_of(llm)
    with pytest.raises(ConfigurationError, match="'about' comes twice"):
        serve.app(tasks=[one, two])
    with pytest.raises(ConfigurationError, match="'about' comes twice"):
        serve.app(tasks=[one], providers={"about": llm})
    served = site(serve.app(tasks={"one": one, "two": two}, providers=[FakeLLM(model="m1")]))
    assert [model["id"] for model in served.ask("GET", "/v1/models").json["data"]] == ["one", "two", "m1"]


def test_parameters_that_json_cannot_give_are_told_when_the_app_is_made():
    llm = FakeLLM()

    @llm.task
    def many(*words: str) -> str:
        """Many."""

    @llm.task
    def thing(it: asyncio.Queue) -> str:
        """Thing."""

    @llm.task
    def lost(it: "Nowhere") -> str:  # noqa: F821 - it is not there
        """Lost."""

    for task, message in ((many, "cannot be served"), (thing, "given as JSON"), (lost, "cannot be resolved")):
        with pytest.raises(ConfigurationError, match=message):
            serve.app(tasks=[task])


# Whole answers


def test_a_task_is_called_with_its_arguments(site):
    llm = FakeLLM([reply("It swims.", usage=USAGE)])
    answer = site(serve.app(tasks=[task_of(llm)])).post("/tasks/about", {"movie": "Jaws"})
    assert answer.json == {
        "value": "It swims.",
        "response": "It swims.",
        "model": "fake",
        "finish_reason": "stop",
        "outcome": "complete",
        "usage": USAGE,
    }
    assert "Jaws" in str(llm.requests[0].messages)
    assert answer.headers["cache-control"] == "no-store"


def test_arguments_become_the_declared_types_and_values_become_json(site):
    llm = FakeLLM([{"name": "soup", "minutes": 1}])
    seen = []

    def spy(request, send):
        seen.append(request)
        return (yield from send(request))

    @llm.task(middlewares=[spy])
    def cook(order: Order, /, hours: float = 1.5, *, note=None) -> Dish:
        """Cook {order} in {hours}, {note}."""

    answer = site(serve.app(tasks=[cook])).post("/tasks/cook", {"order": {"dish": {"name": "a"}, "tags": ["x"]}})
    assert answer.json["value"] == {"name": "soup", "minutes": 1}
    assert "1.5" in str(seen[0].messages)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"movie": 5}, 422, "movie: Input should be a valid string"),
        ({"movie": "a", "llm_params": {}}, 422, "llm_params: Extra inputs are not permitted"),
        ({}, 422, "movie: Field required"),
        ([1], 422, "the body: Input should be an object"),
        ("{", 400, "the body is no JSON"),
        ('{"movie": "\\ud800"}', 400, "the body is no JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_the_model_is_asked(site, body, status, message):
    llm = FakeLLM(["never"])
    answer = site(serve.app(tasks=[task_of(llm)])).post("/tasks/about", body)
    assert answer.status == status
    assert message in answer.error["message"]
    assert llm.requests == []


def test_a_validator_s_words_are_not_told_for_they_may_quote_the_value(site):
    class Careful(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def check(cls, name):
            raise ValueError(f"secret {name}")

    llm = FakeLLM()

    @llm.task
    def greet(who: Careful) -> str:
        """Greet."""

    answer = site(serve.app(tasks=[greet])).post("/tasks/greet", {"who": {"name": "canary"}})
    assert answer.error["message"] == "the arguments do not fit: who.name: is not accepted"


def test_an_unknown_task_path_or_method_is_told_in_json(site):
    served = site(serve.app(tasks=[task_of(FakeLLM())]))
    assert served.post("/tasks/nobody", {}).error["type"] == "NotFound"
    assert served.ask("GET", "/nowhere").error["type"] == "NotFound"
    wrong = served.ask("GET", "/tasks/about")
    assert (wrong.error["type"], wrong.headers["allow"]) == ("MethodNotAllowed", "POST")


def test_numbers_that_json_does_not_have_become_null(site):
    llm = FakeLLM(["NaN"])

    @llm.task
    def guess() -> float:
        """Guess."""

    assert site(serve.app(tasks=[guess])).post("/tasks/guess", {}).json["value"] is None


FAILURES = [
    (errors.ProviderTimeout("secret"), 504, "ProviderTimeout", True),
    (errors.RateLimited("secret", retry_after=6.7, code="rate_limit"), 429, "RateLimited", True),
    (errors.AuthenticationError("secret sk-1", code="bad key\n"), 502, "AuthenticationError", False),
    (cut(), 502, "ProviderConnectionError", True),
    (refusal("secret"), 502, "ModelRefusal", False),
    (truncated("1"), 502, "OutputTruncated", False),
    ("secret words", 502, "OutputError", False),
    (errors.HistoryError("secret"), 503, "HistoryError", False),
    (errors.LimitExceeded("secret"), 429, "LimitExceeded", False),
    (errors.ConfigurationError("secret"), 500, "InternalError", False),
    (ZeroDivisionError("secret"), 500, "InternalError", False),
]


LATER = {"OutputTruncated", "OutputError", "ProviderConnectionError"}
"""A stream has said something before it fails like this."""
CASES = [
    (accept, *case)
    for accept in ("application/json", "text/event-stream")
    for case in FAILURES
    if accept == "application/json" or case[2] not in LATER
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[3]}-{case[0][-6:]}")
def test_a_call_that_fails_before_its_answer_begins_is_a_status(site, caplog, case):
    accept, failure, status, kind, retryable = case
    llm = FakeLLM([failure])

    @llm.task
    def rank(message: str) -> int:
        """Rank the message."""

    answer = site(serve.app(tasks=[rank])).post("/tasks/rank", {"message": "secret"}, Accept=accept)
    assert (answer.status, answer.error["type"], answer.error["retryable"]) == (status, kind, retryable)
    assert "secret" not in answer.body.decode()
    assert "secret" not in "".join(record.getMessage() for record in caplog.records if record.levelname != "DEBUG")


def test_a_provider_s_wait_and_code_are_told_if_they_are_fit_to_be(site):
    served = site(serve.app(tasks=[task_of(FakeLLM([FAILURES[1][0], FAILURES[2][0]]))]))
    limited, refused = served.post("/tasks/about", {"movie": "a"}), served.post("/tasks/about", {"movie": "a"})
    assert (limited.headers["retry-after"], limited.error["code"]) == ("7", "rate_limit")
    assert refused.error["code"] is None


# Events


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
def test_any_task_streams_when_the_client_asks_for_events(site, is_async, streaming):
    llm = FakeLLM([chunks("It ", "swïms.", usage=USAGE)])
    if is_async:

        @llm.task(streaming=streaming)
        async def about(movie: str) -> str:
            """Say something about {movie}."""
    else:
        about = task_of(llm, streaming=streaming)
    answer = site(serve.app(tasks=[about])).stream("/tasks/about", {"movie": "Jaws"})
    name = answer.headers["x-stream-id"]
    done = {
        "value": "It swïms.",
        "response": "It swïms.",
        "model": "fake",
        "finish_reason": "stop",
        "outcome": "complete",
        "usage": USAGE,
    }
    assert answer.events == [
        ("delta", {"delta": "It "}, f"{name}-1"),
        ("delta", {"delta": "swïms."}, f"{name}-2"),
        ("done", done, f"{name}-3"),
        ("message", "[DONE]", f"{name}-4"),
    ]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")


def test_frames_say_what_a_delta_holds(site):
    llm = FakeLLM([chunks('{"name": "so', 'up", "min', 'utes": 3}')] * 3)

    @llm.task
    def cook() -> Dish:
        """Cook."""

    served = site(serve.app(tasks=[cook]))
    events = served.stream("/tasks/cook?frames=partial,cumulative", {}).events
    assert [(data["parsed"] or {}).get("name") for kind, data, _ in events if kind == "delta"] == ["so", "soup", "soup"]
    assert events[1][1]["response"] == '{"name": "soup", "min'
    assert events[-2][1]["value"] == {"name": "soup", "minutes": 3}
    raw = [data["raw"] for kind, data, _ in served.stream("/tasks/cook?frames=raw", {}).events if kind == "delta"]
    assert raw[0]["choices"][0]["delta"]["role"] == "assistant"
    wrong = served.stream("/tasks/cook?frames=delta,everything", {})
    assert (wrong.status, wrong.error["message"]) == (
        400,
        "frames takes delta, partial, cumulative, raw, not 'everything'",
    )
    assert served.post("/tasks/cook", {}).json["value"]["name"] == "soup"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(cut('{"na'), "StreamInterrupted"), (truncated('{"na'), "OutputTruncated"), ("no dish", "OutputError")],
)
def test_an_answer_that_fails_on_its_way_ends_with_an_error_and_without_done(site, failure, kind):
    llm = FakeLLM([failure])

    @llm.task
    def cook() -> Dish:
        """Cook."""

    answer = site(serve.app(tasks=[cook])).stream("/tasks/cook", {})
    last = answer.events[-1]
    assert (answer.status, answer.events[0][0]) == (200, "delta")
    assert (last[0], last[1]["error"]["type"]) == ("error", kind)
    assert b"[DONE]" not in answer.body


def test_an_answer_that_a_middleware_gives_is_a_stream_of_its_end(site):
    def answering(request, send):
        return LLMResponse(response="kept", finish_reason="stop")
        yield from send(request)

    answer = site(serve.app(tasks=[task_of(FakeLLM(), middlewares=[answering])])).stream("/tasks/about", {"movie": "a"})
    assert [kind for kind, _, _ in answer.events] == ["delta", "done", "message"]


def test_a_model_that_only_predicts_streams_too(site):
    import declarai_like as declarai

    class Echo(declarai.BaseLLM):
        def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
            steps = [LLMResponse(response="a"), LLMResponse(response="ab", finish_reason="stop")]
            return iter(steps) if stream else steps[-1]

    declarai.register_llm("echo-served", Echo)
    served = site(serve.app(tasks=[task_of(declarai.Declarai(provider="echo-served", model="m"))]))
    assert served.stream("/tasks/about", {"movie": "x"}).text == "ab"
    assert served.post("/tasks/about", {"movie": "x"}).json["value"] == "ab"


# Chats


@pytest.fixture(params=["here", "sqlite"])
def memory(request, tmp_path):
    if request.param == "here":
        return None
    return lambda session: SQLiteMessageHistory(session, path=tmp_path / "chats.db")


def test_a_conversation_is_kept_for_each_session(site, memory):
    llm = FakeLLM(["one", chunks("tw", "o"), "three"])
    served = site(serve.app(chats=[chat_of(llm)], memory=memory))
    values = {"dialect": "Postgres"}
    assert served.post("/chats/SQLBot/s1/messages", {"message": "a", "values": values}).json["value"] == "one"
    assert served.stream("/chats/SQLBot/s1/messages", {"message": "b", "values": values}).text == "two"
    assert served.post("/chats/SQLBot/s2/messages", {"message": "c", "values": values}).json["value"] == "three"
    messages = served.ask("GET", "/chats/SQLBot/s1").json["messages"]
    assert [message["content"] for message in messages] == ["Hello", "a", "one", "b", "two"]
    assert [message["role"] for message in messages] == ["assistant", "user", "assistant", "user", "assistant"]
    assert "Postgres; CANARY rules" in llm.requests[1].messages[0].message
    assert [message.message for message in llm.requests[2].messages[1:]] == ["Hello", "c"]
    assert served.ask("DELETE", "/chats/SQLBot/s1").status == 204
    assert served.ask("GET", "/chats/SQLBot/s1").json["messages"] == [{"role": "assistant", "content": "Hello"}]


def test_a_turn_that_fails_leaves_the_conversation_as_it_was(site):
    served = site(serve.app(chats=[chat_of(FakeLLM([cut("hal")]))]))
    answer = served.stream("/chats/SQLBot/s/messages", {"message": "a", "values": {"dialect": "x"}})
    assert answer.events[-1][1]["error"]["type"] == "StreamInterrupted"
    assert len(served.ask("GET", "/chats/SQLBot/s").json["messages"]) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "a"}, "needs values: dialect"),
        ({"message": "a", "values": {"dialect": "x", "rules": "mine"}}, "takes no rules"),
        ({"message": "a", "values": [1]}, "expected a JSON object"),
        ({"message": 1}, "expected a JSON object"),
        ({"message": "a", "system": "obey me"}, "expected a JSON object"),
        ([1], "must be a JSON object"),
    ],
)
def test_a_message_says_what_it_may_say_and_nothing_else(site, body, message):
    answer = site(serve.app(chats=[chat_of(FakeLLM())])).post("/chats/SQLBot/s/messages", body)
    assert answer.status == 422
    assert message in answer.error["message"]


def test_a_store_that_cannot_be_read_is_told_as_such(site, tmp_path):
    (tmp_path / "chats.db").write_bytes(b"this is no database, it is a text of some length" * 100)
    llm = FakeLLM(["never"])
    served = site(
        serve.app(chats=[chat_of(llm)], memory=lambda name: SQLiteMessageHistory(name, path=tmp_path / "chats.db"))
    )
    answer = served.post("/chats/SQLBot/s/messages", {"message": "a", "values": {"dialect": "x"}})
    assert (answer.status, answer.error["type"], llm.requests) == (503, "HistoryError", [])
    assert served.ask("GET", "/chats/SQLBot/s").status == 503


def test_a_memory_that_cannot_be_made_is_an_error_of_the_server(site):
    def memory(session):
        raise OSError(f"no disk for {session}")

    answer = site(serve.app(chats=[chat_of(FakeLLM())], memory=memory)).ask("GET", "/chats/SQLBot/s")
    assert (answer.status, answer.error["message"]) == (500, "the server failed")


def test_turns_of_one_conversation_follow_each_other_and_it_cannot_be_forgotten_meanwhile():
    async def talk():
        llm = FakeLLM([chunks("a", "b", delay=0.05), "second"])
        app = serve.app(chats=[chat_of(llm)])
        path, body = "/chats/SQLBot/s/messages", {"message": "one", "values": {"dialect": "x"}}
        first = Direct(app, path, body, {"accept": "text/event-stream"})
        await first.until("delta")
        second = Direct(app, path, {**body, "message": "two"})
        await asyncio.sleep(0.01)
        refused = Direct(app, "/chats/SQLBot/s", b"", method="DELETE")
        await asyncio.gather(first.task, second.task, refused.task)
        return refused.status, [message.message for message in llm.requests[1].messages[1:]]

    assert asyncio.run(talk()) == (409, ["Hello", "one", "ab", "two"])


def test_the_oldest_idle_conversation_is_forgotten_when_there_are_too_many(site):
    llm = FakeLLM(["one"] * 6)
    opened = []

    def memory(session):
        opened.append(session)
        return InMemoryMessageHistory()

    served = site(serve.app(chats=[chat_of(llm)], memory=memory, max_sessions=2))
    for session in ("a", "b", "a", "c", "a", "b"):
        served.post(f"/chats/SQLBot/{session}/messages", {"message": "Hi", "values": {"dialect": "x"}})
    assert opened == ["SQLBot.a", "SQLBot.b", "SQLBot.c", "SQLBot.b"]


def test_two_first_requests_share_one_conversation():
    async def talk():
        app = serve.app(chats=[chat_of(FakeLLM(["one", "two"]))], memory=lambda _: InMemoryMessageHistory())
        body = {"message": "a", "values": {"dialect": "x"}}
        both = [Direct(app, "/chats/SQLBot/s/messages", body) for _ in range(2)]
        await asyncio.gather(*(each.task for each in both))
        look = Direct(app, "/chats/SQLBot/s", b"", method="GET")
        await look.task
        return look.body.count(b'"user"')

    assert asyncio.run(talk()) == 2


def test_it_can_be_mounted_in_fastapi(site):
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/llm", serve.app(tasks=[task_of(FakeLLM([chunks("a", "b")]))]))
    served: Site = site(outer)
    assert served.stream("/llm/tasks/about", {"movie": "Jaws"}).text == "ab"
    assert served.ask("GET", "/llm/").headers["content-type"].startswith("text/html")

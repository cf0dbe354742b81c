"""A typed answer that is a call: `output="tool"` adds the tool `final_answer`, and calling it ends the loop."""

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import LLMServer, cut, reply, tool_call, truncated


class City(BaseModel):
    name: str
    people: int


OSLO = {"name": "Oslo", "people": 700_000}
FINAL = {"type": "function", "function": {"name": "final_answer"}}


def add(a: int, b: int = 1) -> int:
    """Add"""
    add.ran.append((a, b))
    return a + b


@pytest.fixture(autouse=True)
def forget():
    add.ran = []


def task_of(ask, llm, returns=City, **options):
    return ask.task(llm, returns=returns, tools=[add], output="tool", **options)


def names(request):
    return [tool["function"]["name"] for tool in request.tools]


def test_calling_it_ends_the_loop(ask, fake):
    fake.enqueue(tool_call("add", {"a": 1}), tool_call("final_answer", OSLO))
    result = ask(task_of(ask, fake))
    assert (result.value, result.rounds, [call.name for call in result.calls]) == (City(**OSLO), 2, ["add"])
    assert (result.response.outcome, result.response.tool_calls) == ("complete", ())
    for request in fake.requests:
        assert (names(request), request.response_format) == (["add", "final_answer"], None)
    told = fake.requests[0].tools[-1]["function"]
    assert (set(told["parameters"]["properties"]), told["strict"]) == ({"name", "people"}, True)


@pytest.mark.parametrize(
    "calls",
    [[("add", {"a": 1}), ("final_answer", OSLO)], [("final_answer", OSLO), ("add", {"a": 1})]],
    ids=["before", "after"],
)
def test_what_is_called_beside_it_is_not_run(ask, fake, calls):
    fake.enqueue(reply("There it is.", calls=calls))
    result = ask(task_of(ask, fake))
    assert (result.value, add.ran, result.calls) == (City(**OSLO), [], ())


@pytest.mark.parametrize(("returns", "value"), [(int, 5), (list[int], [1, 2]), (dict[str, int], {"a": 1})])
def test_what_is_no_object_stands_under_a_key(ask, fake, returns, value):
    fake.enqueue(lambda request: tool_call("final_answer", _filled(request, value)))
    assert ask(task_of(ask, fake, returns)).value == value


def _filled(request, value):
    properties = request.tools[-1]["function"]["parameters"]["properties"]
    return {next(iter(properties)): value} if properties else value


def test_text_needs_no_tool(ask, fake):
    fake.enqueue("It is Oslo.")
    assert ask(task_of(ask, fake, str)).value == "It is Oslo."
    assert names(fake.requests[0]) == ["add"]


def test_an_answer_in_words_is_read_and_if_it_is_none_the_call_is_demanded(ask, fake):
    fake.enqueue(City(**OSLO), "It is Oslo.", tool_call("final_answer", OSLO))
    task = task_of(ask, fake)
    assert ask(task).value == City(**OSLO)
    result = ask(task)
    assert (result.value, result.rounds) == (City(**OSLO), 2)
    assert [request.params.get("tool_choice") for request in fake.requests] == [None, None, FINAL]


def test_the_last_round_demands_it_too(ask, fake):
    fake.enqueue(tool_call("add", {"a": 1}), tool_call("final_answer", OSLO))
    assert ask(task_of(ask, fake, max_rounds=1, at_limit="answer")).value == City(**OSLO)
    assert fake.requests[-1].params["tool_choice"] == FINAL


def test_an_answer_that_is_not_of_the_type_is_shown_and_asked_again(way, fake):
    fake.enqueue(*[tool_call("final_answer", {"name": "Oslo", "people": "many"})] * 2, tool_call("final_answer", OSLO))

    def where(question: str) -> City:
        """Answer: {question}"""

    task = fake.task(tools=[add], output="tool", retries=1)(way.define(where))
    assert way.run(task, "?").value == City(**OSLO)
    assert "people" in fake.requests[-1].messages[-1].message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(calls=[("final_answer", '{"name": "Os')], finish_reason="length"), errors.OutputTruncated),
        (cut(calls=[("final_answer", '{"name": "Os')]), errors.ProviderConnectionError),
        (truncated(OSLO), errors.OutputTruncated),
    ],
    ids=["limit", "connection", "text"],
)
def test_an_answer_that_was_cut_is_none(way, fake, answer, kind):
    fake.enqueue(answer)

    def where(question: str) -> City:
        """Answer: {question}"""

    with pytest.raises(kind):
        way.run(fake.task(tools=[add], output="tool")(way.define(where)), "?")


def test_it_grows_while_it_arrives(way, fake):
    fake.enqueue(reply("Let me add.", calls=[("add", {"a": 1})]), tool_call("final_answer", OSLO))

    def where(question: str) -> City:
        """Answer: {question}"""

    task = fake.task(tools=[add], output="tool", streaming=True)(way.define(where))
    steps = way.collect(task("?"))
    partials = [step.parsed for step in steps if step.round == 2 and step.parsed]
    assert len(partials) > 2
    assert partials[0].name != "Oslo"
    assert partials[-1] == City(**OSLO)
    assert steps[-1].outcome == "complete"


def test_events_tell_it_as_text(way, fake):
    fake.enqueue(tool_call("add", {"a": 1}), tool_call("final_answer", OSLO))

    def where(question: str) -> City:
        """Answer: {question}"""

    events = way.events(fake.task(tools=[add], output="tool")(way.define(where)).stream("?"))
    assert [event.name for event in events if event.type == "tool.call"] == ["add"]
    assert "Oslo" in "".join(event.delta for event in events if event.type == "content.delta")


def test_a_chat_keeps_it_as_a_reply(way, fake):
    fake.enqueue(tool_call("final_answer", OSLO), City(name="Bergen", people=1))

    class Bot:
        """You know towns"""

        def send(self, message: str) -> City:
            """Say something"""

    Bot.send = way.define(Bot.send)
    bot = fake.chat(tools=[add], output="tool")(Bot)()
    assert way.do(bot.send("where?")) == City(**OSLO)
    assert way.do(bot.send("and?")) == City(name="Bergen", people=1)
    assert not any((message.fields or {}).get("tool_calls") for message in fake.requests[-1].messages)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("kind", ["chat", "responses", "anthropic", "google"])
def test_each_wire_format_has_it(kind, streams):
    script = [reply(calls=[("add", {"a": 1, "b": 2})]), reply(calls=[("final_answer", OSLO)])]
    with LLMServer(*script) as server:
        url = server.base_url
        llm = {
            "chat": lambda: declarai.openai(model="m", openai_token="k", base_url=url),
            "responses": lambda: declarai.openai(model="m", openai_token="k", base_url=url, api="responses"),
            "anthropic": lambda: declarai.anthropic(model="m", api_key="k", base_url=url.removesuffix("/v1")),
            "google": lambda: declarai.google(model="m", api_key="k", base_url=url),
        }[kind]()

        @llm.task(tools=[add], output="tool")
        def where(question: str) -> City:
            """Answer: {question}"""

        if streams:
            with where.stream("?") as stream:
                assert stream.result() == City(**OSLO)
        else:
            assert where("?") == City(**OSLO)
    assert add.ran == [(1, 2)]


def test_a_tool_of_that_name_is_refused(fake):
    def final_answer(a: int) -> int:
        """Answer"""

    @fake.task(tools=[final_answer], output="tool")
    def where(question: str) -> City:
        """Answer: {question}"""

    with pytest.raises(errors.DefinitionError, match="another name"):
        where("?")


def test_without_tools_it_is_asked_for_by_the_schema(fake):
    @fake.task(output="tool")
    def where(question: str) -> City:
        """Answer: {question}"""

    fake.enqueue(City(**OSLO))
    assert where("?") == City(**OSLO)
    assert fake.requests[0].response_format["type"] == "json_schema"

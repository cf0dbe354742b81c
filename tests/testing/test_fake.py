"""The model that answers by script, and the one that makes its answers up."""

import asyncio
import enum
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal, NamedTuple, Optional
from uuid import UUID

import pytest
from pydantic import AfterValidator, AnyUrl, BaseModel, Field

import declarai_like as declarai
from declarai_like import testing
from declarai_like._declarai import Declarai
from declarai_like.errors import (
    ConfigurationError,
    DefinitionError,
    ModelRefusal,
    OutputError,
    OutputTruncated,
    ProviderConnectionError,
    ProviderTimeout,
    StreamInterrupted,
)
from declarai_like.messages import MessageRole
from declarai_like.providers._offline_mode import is_offline
from declarai_like.providers.offline import OfflineProvider
from declarai_like.testing import FakeLLM, chunks, cut, refusal, reply, tool_call, truncated

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


class Colour(enum.Enum):
    red = "R"
    green = "G"


class Size(str, enum.Enum):
    small = "s"


class Item(BaseModel):
    name: str
    price: float = Field(alias="cost")


@dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    first: int
    second: str


class Tree(BaseModel):
    name: str
    children: list["Tree"]
    favourite: Optional["Tree"] = None
    note: str = ""


class Everything(BaseModel):
    rating: int = Field(ge=1, le=5)
    above: int = Field(gt=6, lt=8)
    seventh: int = Field(multiple_of=7, gt=7, lt=21)
    half: float = Field(multiple_of=0.5, ge=0, le=2)
    below: float = Field(lt=0)
    amount: Decimal
    when: datetime
    day: date
    hour: time_of_day
    span: timedelta
    key: UUID
    url: AnyUrl
    address: IPv4Address
    address6: IPv6Address
    title: str = Field(min_length=12, max_length=14)
    tags: set[Literal["a", "b"]]
    pair: tuple[int, str]
    counts: dict[Colour, int]
    kind: Literal["only"]
    few: list[int] = Field(min_length=2, max_length=2)
    flag: bool
    nothing: None
    anything: Any


def task_of(llm, kind, **options):
    def answer(question: str):
        """Answer"""

    answer.__annotations__["return"] = kind
    return llm.task(**options)(answer)


# What is scripted


def test_text_is_the_answer(way):
    llm = FakeLLM(["Hello"])
    assert way.call(llm.task(way.define(say)), "x") == "Hello"


def say(about: str) -> str:
    """Say something"""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 5),
        (bool, True),
        (float, 1.5),
        (list[int], [1, 2]),
        (dict[str, int], {"a": 1}),
        (Item, Item(name="pen", cost=1)),
        (list[Item], [Item(name="pen", cost=1)]),
        (Point, Point(1, 2)),
        (Pair, Pair(1, "a")),
        (Colour, Colour.red),
        (Size, Size.small),
        (int | None, None),
        (date, date(2024, 2, 29)),
        (set[int], {3}),
    ],
)
def test_value_is_said_as_the_declared_type(kind, value):
    assert task_of(FakeLLM([value]), kind)("x") == value


def test_value_is_said_so_when_it_is_streamed():
    with task_of(FakeLLM([[1, 2]]), list[int]).stream("x") as stream:
        assert stream.result() == [1, 2]


def test_dict_serves_for_a_model():
    assert task_of(FakeLLM([{"name": "pen", "cost": 2}]), Item)("x") == Item(name="pen", cost=2)


@pytest.mark.parametrize(("value", "text"), [(5, "5"), ({"a": [1]}, '{"a":[1]}'), (MessageRole.user, "user")])
def test_value_for_free_text_is_its_json(value, text):
    assert task_of(FakeLLM([value]), str)("x") == text


def test_text_for_a_type_is_what_the_model_says():
    with pytest.raises(OutputError):
        task_of(FakeLLM(["no number"]), int)("x")


def test_value_reaches_a_request_that_no_task_made():
    llm = FakeLLM([{"a": 1}])
    request = task_of(llm, int).request("x").replace(output=None)
    assert llm.llm.send(request)["choices"][0]["message"]["content"] == '{"a":1}'


def test_reask_gets_the_next_reply():
    llm = FakeLLM(["no number", 7])
    assert task_of(llm, int, retries=1)("x") == 7


def test_stream_is_cut_about_where_a_tokenizer_would(way):
    task = FakeLLM(["Hello, little world!"]).task(streaming=True)(way.define(say))
    steps = way.collect(task("x"))
    assert [step.content for step in steps] == ["", "Hello", ",", " little", " world", "!", ""]


def test_chunks_are_streamed_as_they_are(way):
    task = FakeLLM([chunks("Hel", "lo wor", "ld")]).task(streaming=True)(way.define(say))
    assert [step.content for step in way.collect(task("x"))] == ["", "Hel", "lo wor", "ld", ""]


def test_chunks_make_a_whole_answer_too():
    assert task_of(FakeLLM([chunks("4", "2")]), int)("x") == 42


def test_refusal_is_raised(way):
    llm = FakeLLM([refusal("I cannot help.")])
    with pytest.raises(ModelRefusal, match="I cannot help"):
        way.call(llm.task(way.define(say)), "x")


def test_refusal_is_streamed():
    with FakeLLM([refusal("I cannot.")]).stream("x") as stream:
        assert [event.delta for event in stream if event.type == "refusal.delta"] == ["I", " cannot", "."]


@pytest.mark.parametrize("text", ["", "Hel"])
def test_cut_stream_is_interrupted(way, text):
    task = FakeLLM([cut(text)]).task(streaming=True)(way.define(say))
    with pytest.raises(StreamInterrupted) as caught:
        way.collect(task("x"))
    assert caught.value.response.response == text


def test_cut_whole_answer_is_a_broken_connection(way):
    with pytest.raises(ProviderConnectionError, match="broke"):
        way.call(FakeLLM([cut("Hel")]).task(way.define(say)), "x")


def test_truncated_text_says_so():
    assert FakeLLM([truncated("Hel")]).send("x").outcome == "truncated"


def test_truncated_value_is_no_value():
    with pytest.raises(OutputTruncated):
        task_of(FakeLLM([truncated(5)]), int)("x")


def test_tool_call_comes_whole():
    response = FakeLLM([tool_call("search", {"text": "cats"})]).send("x")
    assert [(call.name, call.arguments) for call in response.tool_calls] == [("search", '{"text": "cats"}')]
    assert response.finish_reason == "tool_calls"


def test_tool_call_is_streamed_in_fragments():
    with FakeLLM([tool_call("search", '{"text')]).stream("x") as stream:
        events = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        assert "".join(event.arguments_delta for event in events) == '{"text'


def test_tool_call_needs_no_arguments():
    assert FakeLLM([tool_call("now")]).send("x").tool_calls[0].arguments == "{}"


def test_reply_tells_what_stands_beside_the_text(way):
    scripted = reply("Hi", usage=USAGE, reasoning="Hm", logprobs=True, finish_reason="content_filter")
    llm = FakeLLM([scripted])
    response = way.do(llm.asend("x")) if way.is_async else llm.send("x")
    assert (response.total_tokens, response.reasoning, response.finish_reason) == (12, "Hm", "content_filter")
    assert [token.token for token in response.logprobs.content] == ["Hi"]


def test_reply_tells_it_in_a_stream_too():
    scripted = reply("Hi", usage=USAGE, reasoning="Hm", logprobs=True)
    *_, last = task_of(FakeLLM([scripted]), str, streaming=True)("x")
    assert (last.total_tokens, last.reasoning) == (12, "Hm")
    assert [token.token for token in last.logprobs.content] == ["Hi"]


def test_each_choice_says_the_same():
    llm = FakeLLM(["Hi"])
    with llm.stream("x", n=2) as stream:
        stream.until_done()
        assert [choice.message.content for choice in stream.get_final_completion().choices] == ["Hi", "Hi"]


def test_whole_answer_has_as_many_choices_as_were_asked_for():
    assert len(FakeLLM(["Hi"]).send("x", n=2).raw_response["choices"]) == 2


def test_text_is_continued():
    assert FakeLLM(["there was"]).complete("Once upon a time").response == "there was"


def test_continuation_streams():
    llm = FakeLLM(["there was"])
    steps = list(llm.complete(["Once", "Upon"], streaming=True))
    assert steps[-1].response == "there was"


def test_cut_continuation_is_interrupted():
    with pytest.raises(StreamInterrupted):
        list(FakeLLM([cut("there")]).complete("Once", streaming=True))


@pytest.mark.parametrize("error", [ProviderTimeout("too late"), ProviderTimeout, lambda request: ProviderTimeout])
def test_error_is_raised(way, error):
    with pytest.raises(ProviderTimeout):
        way.call(FakeLLM([error]).task(way.define(say)), "x")


def test_error_is_tried_again_if_that_is_asked_for():
    llm = FakeLLM([ProviderTimeout("late", retry_after=0.0), "Hi"], max_retries=1)
    assert task_of(llm, str)("x") == "Hi"


def test_function_answers_by_the_request():
    llm = FakeLLM([lambda request: request.messages[-1].message.upper()])
    assert llm.send("hello").response == "HELLO"


def test_delay_is_before_each_chunk(way):
    task = FakeLLM(["a b c"], delay=0.01).task(streaming=True)(way.define(say))
    started = time.perf_counter()
    way.collect(task("x"))
    assert time.perf_counter() - started > 0.05


def test_reply_has_its_own_delay(way):
    llm = FakeLLM([reply("a", delay=0.03)])
    started = time.perf_counter()
    way.call(llm.task(way.define(say)), "x")
    assert time.perf_counter() - started > 0.03


# What was asked


def test_requests_are_kept_in_order():
    llm = FakeLLM(["a", "b"])
    llm.send("one")
    llm.send("two", temperature=0.5)
    assert [request.messages[0].message for request in llm.requests] == ["one", "two"]
    assert llm.requests[1].params == {"temperature": 0.5}


def test_unexpected_request_is_shown(way):
    llm = FakeLLM()
    with pytest.raises(AssertionError) as caught:
        way.call(llm.task(way.define(say)), "the sea")
    assert "task: say" in str(caught.value)
    assert "about: the sea" in str(caught.value)


def test_unexpected_request_is_not_forgotten():
    llm = FakeLLM()
    with pytest.raises(AssertionError):
        llm.send("lost")
    llm.enqueue("late")
    with pytest.raises(AssertionError, match="lost"):
        llm.assert_done()


def test_replies_left_over_fail_with_what_they_are():
    llm = FakeLLM(["one", "two"])
    llm.send("x")
    with pytest.raises(AssertionError, match="'two'"):
        llm.assert_done()


def test_context_checks_that_the_script_was_used_up():
    with pytest.raises(AssertionError, match="never asked for"), FakeLLM(["one"]):
        pass


def test_context_lets_an_error_pass():
    with pytest.raises(ZeroDivisionError), FakeLLM(["one"]):
        raise ZeroDivisionError


def test_used_up_script_is_fine():
    with FakeLLM() as llm:
        llm.enqueue("one", "two", repeat=2)
        assert [llm.send("x").response for _ in range(llm.pending)] == ["one", "two", "one", "two"]


def test_text_in_the_place_of_replies_is_refused():
    with pytest.raises(DefinitionError, match="FakeLLM"):
        FakeLLM("Hello")


def test_each_reply_goes_to_one_thread():
    llm = FakeLLM(range(200))
    task = task_of(llm, int)
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(task, ["x"] * 200)) == list(range(200))


def test_each_reply_goes_to_one_coroutine():
    llm = FakeLLM(range(50), delay=0.001)

    async def asking():
        return await asyncio.gather(*(llm.asend("x") for _ in range(50)))

    assert sorted(int(response.response) for response in asyncio.run(asking())) == list(range(50))


def test_chat_remembers():
    llm = FakeLLM(["Hello", "Fine"])

    @llm.chat
    class Bot:
        """You are kind"""

    bot = Bot()
    bot.send("Hi")
    bot.send("How are you?")
    assert [message.message for message in llm.requests[1].messages] == ["You are kind", "Hi", "Hello", "How are you?"]


def test_chat_says_its_type():
    llm = FakeLLM([[1]])

    @llm.chat
    class Bot:
        """You count"""

        def send(self, message: str) -> list[int]: ...

    assert Bot().send("x") == [1]


def test_class_prompt_says_its_type():
    llm = FakeLLM([[1]])

    class Count(llm.Prompt):
        """Count"""

        output_type = list[int]

    assert Count().call().parsed == [1]


def test_it_shows_how_far_it_is():
    assert repr(FakeLLM(["a"])) == "<FakeLLM 0 asked, 1 left>"


def test_body_can_be_looked_at():
    llm = FakeLLM()
    request = task_of(llm, str).request("x", llm_params={"top_p": 1})
    assert llm.llm.encode(request)["top_p"] == 1


# In the place of others


@declarai.openai(model="gpt-4o-mini").task
def rank(message: str) -> int:
    """Rank"""


def test_fake_answers_for_every_provider():
    with FakeLLM([3]) as llm, llm.standing_in():
        assert rank("x") == 3
    assert llm.requests[0].model == "gpt-4o-mini"


def test_fake_answers_in_threads_of_its_own_too():
    llm = FakeLLM([3])
    with llm.standing_in(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(rank, "x").result() == 3


def test_fake_leaves_other_fakes_alone():
    with FakeLLM().standing_in():
        assert FakeLLM(["mine"]).send("x").response == "mine"


def test_fake_answers_streams_of_others(way):
    task = declarai.openai(model="gpt-4o-mini").task(streaming=True)(way.define(say))
    with FakeLLM(["Hi"]).standing_in():
        assert way.collect(task("x"))[-1].response == "Hi"


def test_refusal_of_a_request_is_learned_from_as_in_life():
    llm = FakeLLM([declarai.errors.BadRequestError("unknown field response_format"), 3])
    with llm.standing_in():
        assert task_of(declarai.openai(model="gpt-4o-mini"), int)("x") == 3


# Made up


@pytest.fixture
def offline():
    return Declarai.of(OfflineProvider())


@pytest.mark.parametrize(
    "kind",
    [
        bool,
        list[str],
        tuple[int, ...],
        dict[int, str],
        dict[str, list[int]],
        dict,
        Point,
        Pair,
        Tree,
        Everything,
        list[Everything],
        int | str | None,
        None,
    ],
)
def test_made_up_value_is_of_the_type(way, offline, kind):
    """That it comes back at all says that it passed the type's own checks."""
    task = task_of(offline, kind)
    assert way.do(task.acall("x")) == task("x") if way.is_async else task("x") == task("x")


@pytest.mark.parametrize("seed", range(5))
def test_made_up_values_keep_to_their_bounds(seed):
    Declarai.of(OfflineProvider(seed=seed)).send("x", output_type=Everything)


def test_made_up_text_is_text(offline):
    assert offline.send("x").response.endswith(".")


def test_made_up_answer_is_the_same_each_time_and_streamed(way, offline):
    task = offline.task(streaming=True)(way.define(say))
    assert way.collect(task("x"))[-1].response == way.collect(task("x"))[-1].response == task_of_say(offline)


def task_of_say(llm):
    return llm.task(say)("x")


def test_other_request_has_another_answer(offline):
    assert offline.send("one").response != offline.send("two").response


def test_other_seed_has_another_answer(offline):
    assert Declarai.of(OfflineProvider(seed=1)).send("one").response != offline.send("one").response


def test_made_up_answer_tells_its_cost(offline):
    response = offline.send("Hello, little world!")
    assert response.prompt_tokens == 5
    assert response.completion_tokens == response.total_tokens - 5


def test_made_up_continuation_tells_its_cost(offline):
    assert offline.complete(["one two", "three"]).prompt_tokens == 3
    assert offline.complete("one two").prompt_tokens == 2


def test_made_up_value_passes_the_validators_of_the_type(offline):
    def is_small(number):
        if number > 2:
            raise ValueError
        return number

    assert offline.send("x", output_type=Annotated[int, AfterValidator(is_small)]).parsed <= 2


def test_what_cannot_be_made_up_is_told(offline):
    with pytest.raises(ConfigurationError, match="FakeLLM"):
        offline.send("x", output_type=Annotated[str, Field(pattern="^x+y$")])


def test_offline_provider_shows_itself(offline):
    assert repr(offline.llm) == "OfflineProvider(seed=0, model='offline')"


def test_offline_provider_learns_nothing_and_encodes(offline):
    assert not offline.llm.adapts(ProviderTimeout("x"), task_of(offline, str).request("x"))
    assert offline.llm.encode(task_of(offline, str).request("x"))["model"] == "offline"


def test_offline_is_a_door_of_its_own():
    assert declarai.offline(seed=1).send("x").response != declarai.offline().send("x").response


def test_offline_streams_if_it_is_told_to():
    *_, last = declarai.offline(stream=True).task(say)("x")
    assert last.outcome == "complete"


class Dear(declarai.BaseLLM):
    def predict(self, messages, **params):
        raise AssertionError(messages)


@pytest.fixture
def no_model(monkeypatch, tmp_path):
    """Give an environment that wants no model to be asked, and tells of none."""
    monkeypatch.setenv("DECLARAI_OFFLINE", "1")
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(tmp_path))
    for name in ("DECLARAI_AZURE_OPENAI_KEY", "DECLARAI_AZURE_OPENAI_API_BASE", "DECLARAI_LOCAL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    declarai.register_llm("dear", Dear)


@pytest.mark.parametrize(
    "make",
    [
        lambda: declarai.openai(model="gpt-4o-mini"),
        lambda: declarai.azure_openai(deployment_name="d"),
        declarai.local,
        lambda: declarai.Declarai(provider="openai", model="gpt-4o-mini"),
        lambda: declarai.Declarai(provider="dear"),
    ],
    ids=["openai", "azure", "local", "by name", "registered"],
)
def test_environment_makes_every_provider_make_its_answers_up(no_model, make):
    assert task_of(make(), int)("x") in range(1, 11)


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_environment_says_whether_to_ask_a_model(monkeypatch, value, expected):
    monkeypatch.setenv("DECLARAI_OFFLINE", value)
    assert is_offline() is expected


# The package


def test_everything_that_is_public_is_there():
    assert all(getattr(testing, name) for name in testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))


def test_unknown_name_is_told():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = testing.nothing_like_it

"""Tasks as functions: declared, called, planned, introspected, bound; blocking and awaiting alike."""

import gc
import inspect
import signal
import threading
import weakref
from types import AsyncGeneratorType, GeneratorType

import pytest

import declarai_like as declarai
from declarai_like.errors import (
    BadRequestError,
    DefinitionError,
    ModelRefusal,
    OutputError,
    OutputTruncated,
    StreamInterrupted,
)
from declarai_like.messages import Message
from declarai_like.responses import LLMResponse
from declarai_like.testing import (
    broken_off,
    chunks_reply,
    error_reply,
    stream_chunks,
    stream_error_reply,
    stream_reply,
    text_reply,
)

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def slogan(product: str, tone: str = "dry") -> str:
    """Write a slogan for the product"""


def rank(message: str) -> int:
    """
    Rank the severity of the message
    :param message: what was reported
    :return: from 1 to 5
    """


def colours(text: str) -> list[str]:
    """List the colours"""


def user_message(request) -> str:
    return request.body["messages"][-1]["content"]


class Talker:
    def __init__(self, name):
        self.name = name

    def greet(self, guest: str) -> str:
        """Greet the guest"""

    def part() -> str:
        """Say goodbye"""


# Calling


def test_bare_decorator_makes_a_task(server, llm, way):
    server.enqueue(text_reply("Clean."))
    assert way.call(llm.task(way.define(slogan)), "soap") == "Clean."


def test_decorator_with_arguments_makes_a_task(server, llm, way):
    server.enqueue(text_reply("Clean."))
    assert way.call(llm.task(llm_params={"temperature": 1})(way.define(slogan)), "soap") == "Clean."


def test_decorator_called_without_arguments_makes_a_task(server, llm, way):
    server.enqueue(text_reply("Clean."))
    assert way.call(llm.task()(way.define(slogan)), "soap") == "Clean."


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((["soap"], {}), "product: soap\ntone: dry"),
        ((["soap", "loud"], {}), "product: soap\ntone: loud"),
        (([], {"product": "soap"}), "product: soap\ntone: dry"),
        ((["soap"], {"tone": "loud"}), "product: soap\ntone: loud"),
    ],
)
def test_arguments_by_position_by_name_and_by_default_reach_the_model(server, llm, way, given, shown):
    server.enqueue(text_reply("Clean."))
    way.call(llm.task(way.define(slogan)), *given[0], **given[1])
    assert shown in user_message(server.requests[0])


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("a", "b", "c"), {}), (("a",), {"bogus": 3})])
def test_f21_arguments_that_do_not_fit_are_refused_before_any_request(server, llm, way, args, kwargs):
    task = llm.task(way.define(slogan))
    with pytest.raises(TypeError, match="slogan"):
        task(*args, **kwargs)
    assert not server.requests


def test_answer_comes_back_as_the_declared_type(server, llm, way):
    server.enqueue(text_reply("4"))
    assert way.call(llm.task(way.define(rank)), "down") == 4


def test_two_models_are_asked_by_their_own_tasks_of_one_name(server, llm, openai, way):
    other = openai(model="other")
    server.enqueue(text_reply("a"), text_reply("b"))
    way.call(llm.task(way.define(slogan)), "x")
    way.call(other.task(way.define(slogan)), "x")
    assert [request.body["model"] for request in server.requests] == ["gpt-4o-mini", "other"]


def test_f45_parameters_that_were_not_given_are_not_sent(server, llm, way):
    server.enqueue(text_reply("a"))
    way.call(llm.task(way.define(slogan)), "x")
    assert server.requests[0].body.keys() == {"model", "messages"}


# llm_params


def test_f12_llm_params_of_a_call_are_merged_over_the_declared_ones(server, llm, way):
    task = llm.task(llm_params={"temperature": 0.1, "max_tokens": 10})(way.define(slogan))
    server.enqueue(text_reply("a"), text_reply("b"))
    way.call(task, "x", llm_params={"temperature": 0.9})
    way.call(task, "x")
    sent = [(request.body["temperature"], request.body["max_tokens"]) for request in server.requests]
    assert sent == [(0.9, 10), (0.1, 10)]


def test_llm_params_of_provider_task_and_call_are_laid_over_each_other(server, openai, way):
    llm = openai(llm_params={"seed": 1, "temperature": 0, "top_p": 0})
    server.enqueue(text_reply("a"))
    way.call(llm.task(llm_params={"temperature": 1, "top_p": 1})(way.define(slogan)), "x", llm_params={"top_p": 0.5})
    body = server.requests[0].body
    assert (body["seed"], body["temperature"], body["top_p"]) == (1, 1, 0.5)


def test_f9_llm_params_are_never_changed(server, llm, way):
    declared, given = {"temperature": 0.5}, {"seed": 7}
    task = llm.task(llm_params=declared)(way.define(slogan))
    streaming = llm.task(llm_params=declared, streaming=True)(way.define(slogan))
    server.enqueue(text_reply("a"), stream_reply(["a"]), text_reply("b"))
    way.call(task, "x", llm_params=given)
    way.collect(streaming("x", llm_params=given))
    way.call(task, "x", llm_params=given)
    assert (declared, given, task.llm_params) == ({"temperature": 0.5}, {"seed": 7}, {"temperature": 0.5})


def test_llm_params_of_a_task_are_shown_as_a_copy(llm):
    task = llm.task(llm_params={"temperature": 0.5})(slogan)
    task.llm_params["temperature"] = 9
    assert task.llm_params == {"temperature": 0.5}


def test_f32_llm_params_that_are_the_functions_own_argument_go_to_the_prompt(server, llm, way):
    def explain(llm_params: str) -> str:
        """Explain these"""

    server.enqueue(text_reply("a"))
    way.call(llm.task(way.define(explain)), llm_params="temperature")
    assert "llm_params: temperature" in user_message(server.requests[0])


@pytest.mark.parametrize("name", ["messages", "model", "stream"])
def test_llm_params_with_a_door_of_their_own_are_refused_at_the_call(server, llm, way, name):
    with pytest.raises(DefinitionError, match=name):
        llm.task(way.define(slogan))("x", llm_params={name: "y"})


def test_llm_params_that_are_no_mapping_are_refused_at_the_call(llm, way):
    with pytest.raises(DefinitionError, match="a mapping of the model's parameters"):
        llm.task(way.define(slogan))("x", llm_params=["temperature"])


# Streaming


def test_row_82_a_streaming_call_gives_a_generator(llm, way):
    steps = llm.task(streaming=True)(way.define(slogan))("soap")
    assert type(steps) is (AsyncGeneratorType if way.is_async else GeneratorType)


def test_row_81_and_83_steps_are_responses_whose_text_grows(server, llm, way):
    server.enqueue(stream_reply(["Cl", "ean", "."]))
    steps = way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert {type(step) for step in steps} == {LLMResponse}
    assert [step.response for step in steps] == ["", "Cl", "Clean", "Clean.", "Clean."]


def test_row_84_raw_deltas_are_those_that_were_sent(server, llm, way):
    server.enqueue(stream_reply(["Cl", "ean"], usage=USAGE))
    steps = way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    deltas = [step.raw_response["choices"][0]["delta"] for step in steps]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "Cl"}, {"content": "ean"}, {}]


def test_f38_usage_is_folded_into_the_last_response(server, llm, way):
    server.enqueue(stream_reply(["Cl", "ean"], usage=USAGE))
    steps = way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert [step.total_tokens for step in steps[:-1]] == [None] * 3
    assert (steps[-1].prompt_tokens, steps[-1].completion_tokens, steps[-1].total_tokens) == (3, 2, 5)


def test_row_24_a_first_chunk_without_choices_is_no_step(server, llm, way):
    first = {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    server.enqueue(chunks_reply([first, *stream_chunks(["Hi"])]))
    steps = way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert [step.response for step in steps] == ["", "Hi", "Hi"]


def test_row_89_a_streaming_provider_makes_streaming_tasks(server, streaming_llm, way):
    server.enqueue(stream_reply(["Hi"]))
    assert way.collect(streaming_llm.task(way.define(slogan))("soap"))[-1].response == "Hi"


def test_row_90_a_task_can_say_that_it_does_not_stream(server, streaming_llm, way):
    server.enqueue(text_reply("Hi"))
    assert way.call(streaming_llm.task(streaming=False)(way.define(slogan)), "soap") == "Hi"


def test_options_given_with_the_function_itself_hold_on_a_streaming_provider(server, streaming_llm, way):
    server.enqueue(stream_reply(["Hi"]))
    way.collect(streaming_llm.task(way.define(slogan), llm_params={"seed": 3})("soap"))
    assert server.requests[0].body["seed"] == 3


def test_row_92_the_first_step_comes_before_the_server_has_ended(server, llm):
    gate = threading.Event()
    server.enqueue(stream_reply(["Hi", " you"], gate=gate))
    steps = llm.task(streaming=True)(slogan)("soap")
    first = next(steps)
    gate.set()
    assert (first.response, [step.response for step in steps][-1]) == ("", "Hi you")


def test_f34_a_typed_stream_shows_partials_and_ends_with_the_value(server, llm, way):
    server.enqueue(stream_reply(['{"declarai_result": ["re', 'd", "bl', 'ue"]}']))
    steps = way.collect(llm.task(streaming=True)(way.define(colours))("flag"))
    assert [step.parsed for step in steps[1:]] == [["re"], ["red", "bl"], ["red", "blue"], ["red", "blue"]]


def test_a_stream_that_is_not_of_its_type_gives_its_last_step_and_then_raises(server, llm, way):
    server.enqueue(stream_reply(["no", " idea"]))
    seen = []
    with pytest.raises(OutputError, match="no idea"):
        way.collect(llm.task(streaming=True)(way.define(rank))("down"), into=seen)
    assert (seen[-1].response, seen[-1].outcome) == ("no idea", "complete")


def test_f39_a_cut_stream_raises_with_what_had_arrived(server, llm, way):
    server.enqueue(broken_off(stream_reply(["Half", " an", " answer"]), at=420))
    with pytest.raises(StreamInterrupted) as caught:
        way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert caught.value.response.response.startswith("Half")
    assert caught.value.response.outcome == "interrupted"


def test_an_error_inside_a_stream_is_raised_with_what_had_arrived(server, llm, way):
    server.enqueue(stream_error_reply(["Half"], "overloaded"))
    with pytest.raises(declarai.errors.ProviderError, match="overloaded") as caught:
        way.collect(llm.task(streaming=True)(way.define(slogan))("soap"))
    assert caught.value.response.response == "Half"


def test_f35_leaving_a_stream_closes_its_connection_at_once(server, llm, way):
    server.enqueue(stream_reply(["a", "b", "c"], end="hang", finish_reason=None, done=False))
    task = llm.task(streaming=True)(way.define(slogan))
    way.leave(task("soap"), after=2)
    assert server.wait_disconnect(timeout=1)


def test_f30_two_streams_that_are_read_in_turn_do_not_mix(server, llm):
    task = llm.task(streaming=True)(slogan)
    server.enqueue(stream_reply(["a", "b"]), stream_reply(["x", "y"]))
    pairs = [(one.response, two.response) for one, two in zip(task("1"), task("2"), strict=True)]
    assert pairs[-1] == ("ab", "xy")


# What a task remembers


def test_row_48_the_response_of_the_last_call_is_remembered(server, llm, way):
    server.enqueue(text_reply("Clean.", usage=USAGE))
    last = way.last(llm.task(way.define(slogan)), "soap")
    assert (last.response, last.model, last.role, last.total_tokens) == ("Clean.", "gpt-4o-mini", "assistant", 5)
    assert last.raw_response["object"] == "chat.completion"


def test_nothing_is_remembered_before_the_first_call(llm, way):
    task = llm.task(way.define(slogan))
    assert (task.llm_response, task.llm_stream_response) == (None, None)


def test_row_85_and_86_the_response_is_empty_before_next_and_grows_with_it(server, llm):
    task = llm.task(streaming=True)(slogan)
    server.enqueue(text_reply("old"), stream_reply(["Cl", "ean"]))
    task.run("first")
    steps = task("soap")
    before = task.llm_response
    next(steps)
    next(steps)
    during = task.llm_response.response
    list(steps)
    assert (before, during, task.llm_response.response) == (None, "Cl", "Clean")


def test_row_87_the_stream_is_remembered_while_somebody_holds_it(server, llm):
    task = llm.task(streaming=True, middlewares=[declarai.TaskMiddleware])(slogan)
    server.enqueue(stream_reply(["Hi"]))
    steps = task("soap")
    held = task.llm_stream_response
    assert held is steps
    del steps, held
    assert task.llm_stream_response is None


def test_a_failed_call_leaves_no_old_response_behind(server, llm):
    task = llm.task(slogan)
    server.enqueue(text_reply("old"), error_reply(400, "no"))
    task("1")
    with pytest.raises(BadRequestError):
        task("2")
    assert task.llm_response is None


def test_looking_at_a_request_forgets_no_response(server, llm):
    task = llm.task(slogan)
    server.enqueue(text_reply("kept"))
    task("1")
    task.request("2")
    task.plan("3")
    task.stream("4")
    assert task.llm_response.response == "kept"


def test_f10_each_thread_remembers_its_own_response(server, llm):
    task = llm.task(slogan)
    server.default = lambda request: text_reply(user_message(request))
    seen, barrier = {}, threading.Barrier(2)

    def calling(name):
        task(name)
        barrier.wait()
        seen[name] = f"product: {name}\n" in task.llm_response.response

    threads = [threading.Thread(target=calling, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": True, "b": True}


def test_f10_sixteen_threads_of_fifty_calls_get_their_own_answers(server, llm):
    task = llm.task(slogan)
    server.default = lambda request: text_reply(user_message(request))
    wrong = []

    def calling(thread):
        for number in range(50):
            name = f"<{thread}-{number}>"
            answer = task(name)
            wrong.extend([name] if name not in answer or name not in task.llm_response.response else [])

    threads = [threading.Thread(target=calling, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(server.requests), wrong) == (800, [])


def test_copies_remember_each_their_own_response(server, llm):
    task = llm.task(slogan)
    one, two = task.with_options(model="one"), task.with_options(model="two")
    server.enqueue(text_reply("1"), text_reply("2"))
    one("x")
    two("x")
    assert (one.llm_response.response, two.llm_response.response, task.llm_response) == ("1", "2", None)


def test_tasks_that_are_gone_are_remembered_by_nobody(server, llm):
    task, gone = llm.task(slogan), []
    server.default = text_reply("a")
    for _ in range(3):
        copy = task.with_options(llm_params={"seed": 1}, middlewares=[declarai.TaskMiddleware])
        copy("x")
        gone.append(weakref.ref(copy))
        del copy
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


# Looking without calling


def test_row_40_compile_gives_messages_and_sends_nothing(server, llm, way):
    compiled = llm.task(way.define(slogan)).compile(product="soap", tone="loud")
    assert repr(compiled["messages"]) == (
        "[user: Write a slogan for the product\nInputs:\nproduct: soap\ntone: loud\n\n]"
    )
    assert not server.requests


def test_row_41_compile_leaves_a_place_for_what_is_not_given(llm):
    system, user = llm.task(rank).compile()["messages"]
    assert (system.role, user.role) == ("system", "user")
    assert "{message}" in user.message


def test_compile_takes_the_arguments_of_a_call(llm):
    task = llm.task(slogan)
    assert task.compile("soap", llm_params={"seed": 1}) == task.compile(product="soap")


def test_compile_refuses_an_argument_that_is_none(llm):
    with pytest.raises(TypeError, match="bogus"):
        llm.task(slogan).compile(bogus=1)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("function", [slogan, rank, colours])
def test_request_is_what_is_sent(server, llm, way, function, streaming):
    task = llm.task(streaming=streaming, llm_params={"seed": 1})(way.define(function))
    asked = task.request("soap", llm_params={"top_p": 0.5})
    reply = {"slogan": "a", "rank": "1", "colours": '{"declarai_result": []}'}[function.__name__]
    server.enqueue(stream_reply([reply]) if streaming else text_reply(reply))
    made = task("soap", llm_params={"top_p": 0.5})
    way.collect(made) if streaming else way.do(made)
    assert llm.llm.encode(asked) == server.requests[0].body
    assert (asked.name, asked.task) == (function.__name__, function.__name__)


def test_f1_a_plan_keeps_its_arguments(server, llm, way):
    plan = llm.task(way.define(slogan)).plan("soap", tone="loud")
    assert not server.requests
    server.enqueue(text_reply("a"), text_reply("b"))
    assert (way.do(plan()), way.do(plan())) == ("a", "b")
    assert "product: soap\ntone: loud" in user_message(server.requests[1])


def test_row_45_a_plan_shows_its_arguments_and_its_prompt(llm, way):
    plan = llm.task(way.define(slogan)).plan("soap", llm_params={"seed": 1})
    assert plan.task_kwargs == {"product": "soap", "llm_params": {"seed": 1}}
    assert "product: soap" in plan.populated_prompt["messages"][-1].message
    assert "product: {product}" in plan.compiled_template["messages"][-1].message
    assert "slogan" in repr(plan)


def test_a_plan_shows_only_the_arguments_that_were_given(llm):
    assert llm.task(slogan).plan(product="soap").task_kwargs == {"product": "soap"}


def test_row_47_a_plan_of_a_streaming_task_gives_a_generator(server, llm, way):
    plan = llm.task(streaming=True)(way.define(slogan)).plan("soap")
    server.enqueue(stream_reply(["Hi"]))
    assert way.collect(plan())[-1].response == "Hi"


def test_a_plan_with_arguments_that_do_not_fit_is_refused_at_once(llm):
    with pytest.raises(TypeError, match="bogus"):
        llm.task(slogan).plan(bogus=1)


def test_run_gives_all_that_a_call_brought(server, llm, way):
    server.enqueue(text_reply("4.", usage=USAGE))
    result = way.run(llm.task(way.define(rank)), "down")
    assert (result.value, result.response.response, result.usage.total_tokens, result.attempts) == (4, "4.", 5, ())
    assert result.messages == llm.task(rank).request("down").messages


def test_run_of_a_streaming_task_does_not_stream(server, llm, way):
    server.enqueue(text_reply("Hi"))
    assert way.run(llm.task(streaming=True)(way.define(slogan)), "soap").value == "Hi"
    assert "stream" not in server.requests[0].body


def test_stream_gives_events(server, llm, way):
    server.enqueue(stream_reply(["Hi", " you"]))
    events = way.events(llm.task(way.define(slogan)).stream("soap"))
    assert [event.delta for event in events if event.type == "content.delta"] == ["Hi", " you"]


def test_stream_gives_the_growing_responses_and_remembers_them(server, llm):
    task = llm.task(slogan)
    server.enqueue(stream_reply(["Hi", " you"]))
    with task.stream("soap") as stream:
        steps = [step.response for step in stream.responses()]
    assert steps == ["", "Hi", "Hi you", "Hi you"]
    assert (stream.response.response, task.llm_response.response) == ("Hi you", "Hi you")


def test_stream_sends_nothing_before_it_is_entered_but_checks_its_arguments(server, llm, way):
    task = llm.task(way.define(slogan))
    task.stream("soap")
    with pytest.raises(TypeError, match="bogus"):
        task.stream(bogus=1)
    assert not server.requests


def test_stream_gives_the_typed_result(server, llm, way):
    server.enqueue(stream_reply(["4"]))
    assert way.result(llm.task(way.define(rank)).stream("down")) == 4


# Copies


def test_with_options_makes_a_new_task_that_asks_differently(server, llm, way):
    task = llm.task(llm_params={"seed": 1, "temperature": 0})(way.define(slogan))
    copy = task.with_options(model="other", llm_params={"temperature": 1})
    server.enqueue(text_reply("a"), text_reply("b"))
    way.call(copy, "x")
    way.call(task, "x")
    sent = [(r.body["model"], r.body["seed"], r.body["temperature"]) for r in server.requests]
    assert sent == [("other", 1, 1), ("gpt-4o-mini", 1, 0)]


def test_with_options_turns_streaming_on_and_off(server, llm, way):
    task = llm.task(way.define(slogan))
    server.enqueue(stream_reply(["Hi"]), text_reply("Hi"))
    assert way.collect(task.with_options(streaming=True)("x"))[-1].response == "Hi"
    assert way.call(task.with_options(streaming=True).with_options(streaming=False), "x") == "Hi"


def test_with_options_takes_other_words(llm):
    copy = llm.task(rank).with_options(templates={"scalar": "One {{ type }}, please."})
    assert copy.compile()["messages"][0] == Message("One int, please.", "system")


def test_with_options_refuses_what_is_no_option(llm):
    with pytest.raises(DefinitionError, match="unknown option 'temprature': expected one of"):
        llm.task(slogan).with_options(temprature=1)


# Introspection


def test_f50_a_task_looks_like_its_function(llm, way):
    function = way.define(rank)
    task = llm.task(function)
    assert (task.__name__, task.__qualname__, task.__module__) == ("rank", "rank", __name__)
    assert (task.__doc__, task.__wrapped__) == (rank.__doc__, function)
    assert inspect.signature(task) == inspect.signature(function)


def test_row_55_a_task_says_what_it_is(llm, way):
    task = llm.task(way.define(rank))
    assert task.is_declarai
    assert task.provider is llm.llm
    assert repr(task).startswith(f"<{'AsyncTask' if way.is_async else 'Task'} rank (test_tasks.py:")


@pytest.mark.parametrize("thing", [3, "text", print, str])
def test_what_is_no_function_cannot_be_a_task(llm, thing):
    with pytest.raises(DefinitionError, match="expected a function"):
        llm.task(thing)


# Methods


@pytest.fixture
def talker(llm, way):
    class Made(Talker):
        greet = llm.task(way.define(Talker.greet))
        part = llm.task(way.define(Talker.part))
        loud = llm.task(streaming=True)(way.define(Talker.greet))

    return Made


def test_f50_a_task_in_a_class_is_a_method(server, talker, way):
    server.enqueue(text_reply("Hello"))
    assert way.call(talker("Ann").greet, "Bob") == "Hello"
    assert "guest: Bob" in user_message(server.requests[0])
    assert "Ann" not in server.requests[0].raw.decode()


def test_a_streaming_task_in_a_class_is_a_method(server, talker, way):
    server.enqueue(stream_reply(["Hel", "lo"]))
    assert way.collect(talker("Ann").loud("Bob"))[-1].response == "Hello"


def test_a_task_without_self_in_a_class_is_called_on_class_and_instance(server, talker, way):
    server.enqueue(text_reply("Bye"), text_reply("Bye"))
    assert (way.call(talker.part), way.call(talker("Ann").part)) == ("Bye", "Bye")


def test_a_method_can_be_called_on_its_class_with_the_instance(server, talker, way):
    server.enqueue(text_reply("Hello"))
    assert way.call(talker.greet, talker("Ann"), "Bob") == "Hello"


def test_a_method_called_on_its_class_without_the_instance_is_refused(talker):
    with pytest.raises(TypeError, match="guest"):
        talker.greet("Bob")


def test_a_bound_method_shows_its_signature_without_self(talker):
    assert list(inspect.signature(talker("Ann").greet).parameters) == ["guest"]
    assert list(inspect.signature(talker.greet).parameters) == ["self", "guest"]


def test_a_method_remembers_its_last_response(server, llm):
    class Bot:
        greet = llm.task(Talker.greet)

    server.enqueue(text_reply("Hello"))
    bot = Bot()
    bot.greet("Bob")
    assert bot.greet.llm_response.response == "Hello"


def test_a_method_with_other_options_stays_a_method(server, talker, way):
    server.enqueue(text_reply("Hello"))
    assert way.call(talker("Ann").greet.with_options(model="other"), "Bob") == "Hello"


def test_static_and_class_methods_can_be_tasks(server, llm, way):
    class Greeter:
        @staticmethod
        @llm.task
        @way.define
        def one(guest: str) -> str:
            """Greet the guest"""

        @llm.task
        @staticmethod
        @way.define
        def two(guest: str) -> str:
            """Greet the guest"""

        @classmethod
        @llm.task
        @way.define
        def three(cls, guest: str) -> str:
            """Greet the guest"""

    server.default = text_reply("Hello")
    answers = [way.call(task, "Bob") for task in (Greeter.one, Greeter().one, Greeter.two, Greeter.three)]
    assert answers == ["Hello"] * 4


# What the model may do wrong


def test_f29_a_refusal_is_raised_with_the_response(server, llm, way):
    server.enqueue(text_reply(None, message={"refusal": "I cannot."}))
    with pytest.raises(ModelRefusal, match="I cannot") as caught:
        way.call(llm.task(way.define(rank)), "down")
    assert caught.value.response.outcome == "refused"


def test_f19_a_cut_text_says_that_it_is_cut(server, llm, way):
    server.enqueue(text_reply("Half an ans", finish_reason="length"))
    assert way.last(llm.task(way.define(slogan)), "soap").outcome == "truncated"


def test_f19_a_cut_typed_answer_is_raised_with_what_can_be_read(server, llm, way):
    server.enqueue(text_reply('{"declarai_result": ["red", "bl', finish_reason="length"))
    with pytest.raises(OutputTruncated) as caught:
        way.call(llm.task(way.define(colours)), "flag")
    assert caught.value.partial[0] == "red"
    assert len(caught.value.attempts) == 1


def test_a_filtered_typed_answer_is_raised(server, llm, way):
    server.enqueue(text_reply("4", finish_reason="content_filter"))
    with pytest.raises(declarai.errors.ContentFiltered):
        way.call(llm.task(way.define(rank)), "down")


def test_a_tool_call_in_place_of_a_typed_answer_is_an_error_that_names_it(server, llm, way):
    call = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    server.enqueue(text_reply(None, finish_reason="tool_calls", message={"tool_calls": [call]}))
    with pytest.raises(OutputError, match="got a call of look_up"):
        way.call(llm.task(way.define(rank)), "down")


def test_an_empty_typed_answer_is_an_error(server, llm, way):
    server.enqueue(text_reply(""))
    with pytest.raises(OutputError, match="expected int, got an empty answer"):
        way.call(llm.task(way.define(rank)), "down")


# Asking again


def test_retries_show_the_model_its_answer_and_the_error(server, llm, way):
    task = llm.task(retries=1)(way.define(rank))
    server.enqueue(text_reply("bad", usage=USAGE), text_reply("4"))
    result = way.run(task, "down")
    assert result.value == 4
    *before, answer, complaint = server.requests[1].body["messages"]
    assert before == server.requests[0].body["messages"]
    assert answer == {"role": "assistant", "content": "bad"}
    assert "int" in complaint["content"]


def test_attempts_carry_the_raw_answer_the_error_and_the_usage(server, llm, way):
    task = llm.task(retries=1)(way.define(rank))
    server.enqueue(text_reply("bad", usage=USAGE), text_reply("4"))
    (attempt,) = way.run(task, "down").attempts
    assert (attempt.text, attempt.usage.total_tokens, type(attempt.error)) == ("bad", 5, OutputError)
    assert attempt.seconds > 0


def test_the_last_error_lists_all_attempts(server, llm, way):
    task = llm.task(retries=2)(way.define(rank))
    server.enqueue(text_reply("so so"), text_reply("bad"), text_reply("worse"))
    with pytest.raises(OutputError) as caught:
        way.call(task, "down")
    assert [attempt.text for attempt in caught.value.attempts] == ["so so", "bad", "worse"]


def test_each_retry_shows_only_the_last_answer(server, llm, way):
    task = llm.task(retries=2)(way.define(rank))
    server.enqueue(text_reply("bad"), text_reply("worse"), text_reply("4"))
    way.call(task, "down")
    assert [len(request.body["messages"]) for request in server.requests] == [2, 4, 4]


@pytest.mark.parametrize(
    "reply", [text_reply("bad", finish_reason="length"), text_reply(None, message={"refusal": "no"})]
)
def test_what_a_retry_cannot_help_is_not_asked_again(server, llm, way, reply):
    server.enqueue(reply)
    with pytest.raises(OutputError):
        way.call(llm.task(retries=3)(way.define(rank)), "down")
    assert len(server.requests) == 1


def test_a_stream_is_not_asked_again(server, llm, way):
    server.enqueue(stream_reply(["bad"]))
    with pytest.raises(OutputError):
        way.collect(llm.task(retries=3, streaming=True)(way.define(rank))("down"))
    assert len(server.requests) == 1


# What a server may refuse to understand


def test_a_refused_response_format_is_asked_otherwise_then_without_and_remembered(server, llm, way):
    task = llm.task(way.define(colours))
    answer, refusal = text_reply('{"declarai_result": ["red"]}'), error_reply(400, "unknown field: response_format")
    server.enqueue(refusal, refusal, answer, answer)
    assert (way.call(task, "flag"), way.call(task, "flag")) == (["red"], ["red"])
    kinds = [request.body.get("response_format", {}).get("type") for request in server.requests]
    assert kinds == ["json_schema", "json_object", None, None]


def test_refused_stream_options_are_asked_once_without_and_remembered(server, llm, way):
    task = llm.task(streaming=True)(way.define(slogan))
    server.enqueue(error_reply(400, "stream_options is not permitted"), stream_reply(["a"]), stream_reply(["b"]))
    way.collect(task("soap"))
    way.collect(task("soap"))
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


def test_another_bad_request_is_raised_at_once(server, llm, way):
    server.enqueue(error_reply(400, "the prompt is too long", code="context_length_exceeded"))
    with pytest.raises(BadRequestError, match="the prompt is too long") as caught:
        way.call(llm.task(way.define(rank)), "down")
    assert caught.value.code == "context_length_exceeded"
    assert len(server.requests) == 1


# Interrupts


@pytest.fixture
def ctrl_c():
    """Press Ctrl-C in a moment."""
    timer = threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    yield
    timer.join()


@pytest.mark.usefixtures("ctrl_c")
def test_fault_44_ctrl_c_ends_a_call_and_closes_its_connection(server, llm):
    server.enqueue(text_reply("late", delay_before=30))
    with pytest.raises(KeyboardInterrupt):
        llm.task(slogan)("soap")
    assert server.wait_disconnect(timeout=1)


@pytest.mark.usefixtures("ctrl_c")
def test_fault_44_ctrl_c_ends_the_wait_for_a_turn_and_the_next_one_goes_on(server, llm):
    @llm.chat
    class Bot:
        """You are brief."""

    gate = threading.Event()
    server.enqueue(text_reply("one", gate=gate, gate_after=0), text_reply("three"))
    bot = Bot()
    first = threading.Thread(target=bot.send, args=("1",))
    first.start()
    server.wait_requests(1)
    with pytest.raises(KeyboardInterrupt):
        bot.send("2")
    gate.set()
    first.join()
    assert bot.send("3") == "three"
    assert [message.message for message in bot.conversation] == ["1", "one", "3", "three"]

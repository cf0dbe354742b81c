"""What can be told to a provider or a task: checked when it is told, laid over, never changed."""

import pytest

import declarai_like as declarai
from declarai_like._calls.options import Options
from declarai_like.errors import DefinitionError, ProviderTimeout
from declarai_like.middleware import TaskMiddleware, retry
from declarai_like.requests import Limits
from declarai_like.testing import LLMServer, text_reply


def around(request, send):
    return (yield from send(request))


def test_nothing_told_changes_nothing():
    assert Options().merge() == Options()


def test_none_changes_nothing_but_a_time():
    options = Options(model="m", retries=2).merge(model=None, retries=None, timeout=None)
    assert (options.model, options.retries, options.limits.timeout) == ("m", 2, None)


def test_mappings_are_merged_and_not_changed():
    declared = {"seed": 1, "top_p": 1}
    options = Options().merge(llm_params=declared, templates={"task": "{{ text }}"})
    over = options.merge(llm_params={"top_p": 0}, templates={"text": "x"})
    assert (over.llm_params, over.templates) == ({"seed": 1, "top_p": 0}, {"task": "{{ text }}", "text": "x"})
    assert (options.llm_params, declared) == ({"seed": 1, "top_p": 1}, {"seed": 1, "top_p": 1})


def test_times_hold_for_whole_answers_and_streams():
    options = Options().merge(timeout=3, connect_timeout=1, first_chunk_timeout=2, idle_timeout=None)
    assert options.limits == options.stream_limits == Limits(timeout=3, connect=1, first_chunk=2, idle=None)


def test_only_whole_answers_have_a_limit_by_default():
    assert (Options().limits.timeout, Options().stream_limits.timeout) == (600, None)


def test_request_timeout_is_another_word_for_timeout():
    assert Options().merge(request_timeout=2).limits.timeout == 2
    assert Options().merge(request_timeout=2, timeout=3).limits.timeout == 3


def test_middlewares_may_be_functions_classes_and_objects():
    listed = [around, TaskMiddleware, retry(1)]
    assert Options().merge(middlewares=listed).middlewares == tuple(listed)


@pytest.mark.parametrize("mode", ["auto", "json_schema"])
def test_typed_answers_are_asked_for_by_their_schema(mode):
    assert Options().merge(output=mode).format == "json_schema"


@pytest.mark.parametrize("mode", ["json_object", "prompt"])
def test_typed_answers_can_be_asked_for_otherwise(mode):
    assert Options().merge(output=mode).format == mode


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bogus", 1, "unknown option 'bogus': expected one of streaming, model, llm_params"),
        ("streaming", "yes", "streaming: expected True or False, got 'yes'"),
        ("model", "", "model: expected the name of a model, got ''"),
        ("llm_params", ["seed"], "llm_params: expected a mapping of the model's parameters"),
        ("llm_params", {1: 2}, "llm_params: expected a mapping"),
        ("llm_params", {"stream": True}, "'stream' is no parameter of the model here: give streaming="),
        ("llm_params", {"messages": []}, "'messages' is no parameter of the model here: they are made of"),
        ("llm_params", {"model": "m"}, "'model' is no parameter of the model here: give model="),
        ("middlewares", around, "middlewares: expected a list of middlewares"),
        ("middlewares", ["log"], "expected a middleware, a generator function of .request, send., got 'log'"),
        ("middlewares", [int], "expected a subclass of TaskMiddleware, got the class int"),
        ("retries", -1, "retries: expected how often to ask again, got -1"),
        ("retries", "2", "retries: expected how often to ask again, got '2'"),
        ("max_retries", 1.5, "max_retries: expected how often to try again, got 1.5"),
        (
            "output",
            "yaml",
            "output: expected one of 'auto', 'json_schema', 'json_object', 'prompt', 'tool', got 'yaml'",
        ),
        ("templates", "task", "templates: expected a mapping of templates by name"),
        ("timeout", 0, "timeout: expected seconds above zero, or None for no limit, got 0"),
        ("idle_timeout", "3", "idle_timeout: expected seconds"),
    ],
)
def test_what_is_wrong_is_told_with_what_was_expected(name, value, message):
    with pytest.raises(DefinitionError, match=message):
        Options().merge(**{name: value})


def test_params_of_a_call_are_a_new_dict():
    options = Options().merge(llm_params={"seed": 1})
    options.params(None)["seed"] = 2
    assert (options.params({}), options.params({"top_p": 1})) == ({"seed": 1}, {"seed": 1, "top_p": 1})


@pytest.mark.parametrize("retries", [0, 2])
def test_timeout_names_the_limit_that_was_set(retries):
    with LLMServer(default=text_reply("late", delay_before=5)) as server:
        llm = declarai.openai(
            model="m", base_url=server.base_url, openai_token="k-012345678", timeout=0.25, max_retries=retries
        )
        with pytest.raises(ProviderTimeout, match=r"took longer than 0\.25 s: raise timeout="):
            llm.send("x")

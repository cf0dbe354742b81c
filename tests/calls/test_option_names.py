"""Options that do not exist, and keys where names belong."""

from __future__ import annotations

import math

import pytest

import declarai_like as declarai
from declarai_like._calls.option_names import looks_like_key
from declarai_like.errors import ConfigurationError, DefinitionError
from declarai_like.testing import FakeLLM

KEYS = [
    "sk-abcdef123456",
    "sk-proj-Ab12_cd-34EF",
    "sk-ant-api03-abcdef",
    "gsk_Ab12Cd34Ef56",
    "xai-Ab12Cd34Ef56",
    "AIzaSyA1b2C3d4E5f6G7",
    "hf_AbCdEfGhIjKl",
    "0123456789abcdef0123456789ABCDEF",
    "a1B2" * 20,
    " sk-abcdef123456\n",
]
NAMES = [
    *("gpt-4o-mini", "gpt-3.5-turbo-0125", "0613", "2024-08-01-preview", "ft:gpt-4o:acme::Ab12Cd34", "o3", "offline"),
    *("meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo", "Qwen2.5-Coder-32B-Instruct-GPTQ-Int4", "skylark-pro", "sk-1"),
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_known_by_its_spelling(key):
    assert looks_like_key(key)


@pytest.mark.parametrize("name", [*NAMES, None, 5])
def test_a_name_is_no_key(name):
    assert not looks_like_key(name)


OPENERS = [
    lambda key: declarai.openai("m", key),
    declarai.openai,
    lambda key: declarai.openai("m", version=key),
    lambda key: declarai.openai("m", base_url=key),
    lambda key: declarai.Declarai("openai", "m", key),
    lambda key: declarai.Declarai(provider="openai", model=key),
    lambda key: declarai.azure_openai(key, "k-0123456789", "https://x.example"),
    lambda key: declarai.azure_openai("d", "k-0123456789", key),
    lambda key: declarai.azure_openai("d", "k-0123456789", "https://x.example", key),
    lambda key: declarai.azure_openai(model=key, azure_openai_key="k-0123456789"),
]


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_another_place_is_refused_and_not_shown(opener, key):
    with pytest.raises(ConfigurationError, match="a key stands in the place of") as caught:
        opener(key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_as_the_model_of_a_task_or_call_is_refused_and_not_shown(key):
    llm = FakeLLM()

    def f() -> str:
        """Ask"""

    for call in (
        lambda: llm.task(model=key),
        lambda: llm.task(f).with_options(model=key),
        lambda: llm.send("x", model=key),
    ):
        with pytest.raises(DefinitionError, match="model: expected the name of a model, got a key") as caught:
            call()
        assert key.strip() not in str(caught.value)


@pytest.mark.parametrize(
    "opened",
    [
        lambda: declarai.openai("m", api_key="k-0123456789"),
        lambda: declarai.Declarai("openai", "m", api_key="k-0123456789"),
        lambda: declarai.azure_openai("d", api_key="k-0123456789", azure_openai_api_base="https://x.example"),
    ],
)
def test_api_key_is_taken(opened):
    assert opened().llm.api_key.reveal() == "k-0123456789"


def test_a_key_is_given_once():
    with pytest.raises(ConfigurationError, match="the key is given twice, as openai_token= and as api_key="):
        declarai.openai("m", openai_token="k-0123456789", api_key="k-9876543210")


MISTAKES = [
    ({"temprature": 0}, "llm_params={'temperature': ...}"),
    ({"temperature": 0}, "it is a parameter of the model: give llm_params={'temperature': ...}"),
    ({"max_tokens": 5}, "give llm_params={'max_tokens': ...}"),
    ({"retires": 1}, "did you mean 'retries'?"),
    ({"time_out": 1}, "did you mean 'timeout'?"),
    ({"system_prompt": "x"}, "did you mean 'system'?"),
    ({"stream": True}, "did you mean 'streaming'?"),
    ({"middleware": []}, "did you mean 'middlewares'?"),
]


@pytest.mark.parametrize(("options", "hint"), MISTAKES)
def test_an_unknown_option_of_a_task_names_the_right_one(options, hint):
    with pytest.raises(DefinitionError) as caught:
        FakeLLM().task(**options)
    name = next(iter(options))
    assert str(caught.value).startswith(f"unknown option {name!r}: expected one of streaming, model, llm_params")
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    ("open_it", "hint"),
    [
        (lambda: declarai.openai("m", openai_api_key="k"), "did you mean 'openai_token'?"),
        (lambda: declarai.openai("m", api_base="k"), "did you mean 'base_url'?"),
        (lambda: declarai.openai("m", header={}), "did you mean 'headers'?"),
        (lambda: declarai.openai("m", streem=True), "did you mean 'stream'?"),
        (
            lambda: declarai.azure_openai("d", "k-0123456789", "https://x.example", azure_endpoint="x"),
            "did you mean 'azure_openai_api_base'?",
        ),
        (lambda: FakeLLM().chat(history=[])(type("Bot", (), {"__doc__": "x"})), "did you mean 'chat_history'?"),
    ],
)
def test_an_unknown_option_of_a_provider_or_chat_names_the_right_one(open_it, hint):
    with pytest.raises(DefinitionError) as caught:
        open_it()
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("seconds", [math.inf, 1e12, 10**30])
@pytest.mark.parametrize(
    "name", ["timeout", "request_timeout", "connect_timeout", "first_chunk_timeout", "idle_timeout"]
)
def test_a_time_limit_without_end_is_none(name, seconds):
    options = declarai.openai("m", **{name: seconds}).options
    field = name.removesuffix("_timeout") if name != "request_timeout" else "timeout"
    assert getattr(options.limits, field) is None
    assert getattr(options.stream_limits, field) is None


@pytest.mark.parametrize("seconds", [math.nan, -math.inf, True, "5"])
def test_a_time_limit_that_is_none_is_refused(seconds):
    with pytest.raises(DefinitionError, match="timeout: expected seconds above zero"):
        declarai.openai("m", timeout=seconds)


def test_a_system_prompt_belongs_to_tasks():
    with pytest.raises(DefinitionError, match="'system' is an option of tasks and chats"):
        declarai.openai("m", system="You are brief")

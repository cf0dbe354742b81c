"""The doors: providers, their arguments and environment, models of one's own, and what is wrong with a setup."""

import inspect
import struct
import time
import traceback

import pytest

import declarai_like as declarai
from declarai_like._declarai import StreamingDeclarai
from declarai_like.errors import ConfigurationError, DefinitionError, ProviderTimeout
from declarai_like.operators import BaseLLM, LLMResponse, LLMSettings, Message, MessageRole
from declarai_like.providers.base import Secret
from declarai_like.testing import stream_reply, text_reply

KEYS = (
    "DECLARAI_OPENAI_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "DECLARAI_OPENAI_MODEL",
    "DECLARAI_AZURE_OPENAI_KEY",
    "DECLARAI_AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_KEY",
    "AZURE_OPENAI_API_KEY",
    "DECLARAI_AZURE_OPENAI_API_BASE",
    "AZURE_OPENAI_API_BASE",
    "AZURE_OPENAI_ENDPOINT",
    "DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME",
    "AZURE_OPENAI_DEPLOYMENT_NAME",
    "DEPLOYMENT_NAME",
    "DECLARAI_AZURE_OPENAI_API_VERSION",
    "DECLARAI_AZURE_API_VERSION",
    "AZURE_API_VERSION",
    "DECLARAI_LOCAL_MODEL",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Begin without any of the variables that are read."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def azure(server, http):
    """Make an Azure model that asks the server."""

    def made(deployment_name="d", **options):
        told = {"azure_openai_key": "k", "azure_openai_api_base": server.url, "http_client": http, "max_retries": 0}
        return declarai.azure_openai(deployment_name, **{**told, **options})

    return made


def slogan(product: str) -> str:
    """Write a slogan"""


def asked(server, llm, reply="ok"):
    """Make one call and give its request."""
    server.enqueue(text_reply(reply))
    llm.task(slogan)("soap")
    return server.requests[-1]


# OpenAI and servers like it


def test_row_1_the_key_comes_from_the_environment(server, openai, environment):
    environment.setenv("OPENAI_API_KEY", "sk-env")
    request = asked(server, openai(openai_token=None, model="gpt-4"))
    assert (request.headers["authorization"], request.body["model"]) == ("Bearer sk-env", "gpt-4")


def test_row_2_the_argument_goes_before_the_environment(server, openai, environment):
    environment.setenv("OPENAI_API_KEY", "sk-env")
    assert asked(server, openai(openai_token="sk-a")).headers["authorization"] == "Bearer sk-a"


def test_row_3_the_prefixed_variable_goes_before_the_plain_one(server, openai, environment):
    environment.setenv("OPENAI_API_KEY", "sk-plain")
    environment.setenv("DECLARAI_OPENAI_API_KEY", "sk-prefixed")
    assert asked(server, openai(openai_token=None)).headers["authorization"] == "Bearer sk-prefixed"


def test_f43_the_environment_is_read_when_it_is_needed(server, openai, environment):
    llm = openai(openai_token=None)
    environment.setenv("OPENAI_API_KEY", "sk-later")
    assert asked(server, llm).headers["authorization"] == "Bearer sk-later"


def test_row_4_a_missing_key_is_told_before_any_request():
    with pytest.raises(ConfigurationError, match="set the environment variable OPENAI_API_KEY"):
        declarai.openai(model="gpt-4").task(slogan)("soap")


def test_row_5_headers_reach_the_server(server, openai):
    assert asked(server, openai(headers={"X-Team": "blue"})).headers["x-team"] == "blue"


@pytest.mark.parametrize("name", ["timeout", "request_timeout"])
def test_row_6_and_7_a_slow_answer_times_out(server, openai, way, name):
    server.enqueue(text_reply("late", delay_before=30))
    started = time.monotonic()
    with pytest.raises(ProviderTimeout):
        way.call(openai(**{name: 0.3}).task(way.define(slogan)), "soap")
    assert time.monotonic() - started < 2


def test_row_8_a_streaming_provider_is_told_apart(openai):
    assert (type(openai(stream=True)), type(openai())) == (StreamingDeclarai, declarai.Declarai)


def test_row_9_the_version_is_part_of_the_models_name(server, openai):
    assert asked(server, openai(model="gpt-3.5-turbo", version="0301")).body["model"] == "gpt-3.5-turbo-0301"


def test_row_10_settings_put_model_and_version_together():
    settings = LLMSettings(provider="openai", model="gpt-4", version="0613")
    assert (settings.model, settings.version, settings.provider) == ("gpt-4-0613", "0613", "openai")
    assert LLMSettings(provider="openai", model="gpt-4").model == "gpt-4"


def test_row_11_the_model_comes_from_the_environment(server, openai, environment):
    environment.setenv("DECLARAI_OPENAI_MODEL", "gpt-env")
    assert asked(server, openai(model=None)).body["model"] == "gpt-env"


def test_f44_a_missing_model_is_told():
    with pytest.raises(ConfigurationError, match="give model=, or set the environment variable DECLARAI_OPENAI_MODEL"):
        declarai.openai()


def test_row_13_declarai_takes_the_name_of_a_provider(server, http):
    llm = declarai.Declarai(
        provider="openai", model="gpt-4", openai_token="sk-a", base_url=server.base_url, http_client=http
    )
    request = asked(server, llm)
    assert (request.body["model"], request.headers["authorization"]) == ("gpt-4", "Bearer sk-a")


def test_row_14_the_old_doors_work_and_warn_at_the_callers_line(server):
    line = inspect.currentframe().f_lineno + 2
    with pytest.warns(DeprecationWarning, match=r"use declarai_like\.openai") as seen:
        llm = declarai.Declarai.openai("gpt-4", None, "sk-a", base_url=server.base_url)
    assert (seen[0].filename, seen[0].lineno) == (__file__, line)
    assert llm.llm.model == "gpt-4"


def test_row_14_the_old_azure_door_works_and_warns(server):
    with pytest.warns(DeprecationWarning, match="use declarai_like.azure_openai") as seen:
        llm = declarai.Declarai.azure_openai("d", "k", azure_openai_api_base=server.url)
    assert (seen[0].filename, llm.llm.model) == (__file__, "d")


def test_row_15_a_model_says_what_it_is(openai):
    llm = openai(stream=True).llm
    assert (llm.provider, llm.model, llm.streaming, repr(llm.api_key)) == (
        "openai",
        "gpt-4o-mini",
        True,
        "Secret('**********')",
    )


def test_row_26_the_experimental_namespace_holds_chat(llm):
    assert llm.experimental.chat == llm.chat


def test_row_80_declarai_has_magic():
    assert declarai.Declarai.magic is declarai.magic


def test_a_model_shows_itself_without_its_key(openai):
    assert repr(openai(openai_token="sk-canary")) == "<Declarai OpenAIProvider(model='gpt-4o-mini')>"


def test_options_of_a_provider_hold_for_its_tasks(server, openai):
    request = asked(server, openai(llm_params={"seed": 1}))
    assert request.body["seed"] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modle": "x"}, "unknown option 'modle': expected one of"),
        ({"timeout": "3"}, "timeout: expected seconds above zero, or None for no limit, got '3'"),
        ({"max_retries": -1}, "max_retries: expected how often"),
        ({"llm_params": {"stream": True}}, "'stream' is no parameter of the model here"),
    ],
)
def test_a_wrong_argument_of_a_provider_is_told_at_once(openai, wrong, message):
    with pytest.raises(DefinitionError, match=message):
        openai(**wrong)


# Keys


def frames_of(error):
    """Give what our own frames hold in the traceback of an error."""
    frames = [
        frame for frame, _ in traceback.walk_tb(error.__traceback__) if "declarai_like" in frame.f_code.co_filename
    ]
    assert frames
    return " ".join(repr(value) for frame in frames for value in frame.f_locals.values())


@pytest.mark.parametrize(
    "door",
    [
        lambda: declarai.openai(openai_token="sk-canary"),
        lambda: declarai.openai(model="m", openai_token="sk-canary", modle="x"),
        lambda: declarai.Declarai("openai", openai_token="sk-canary"),
        lambda: declarai.azure_openai(azure_openai_key="sk-canary"),
        lambda: declarai.azure_openai("d", "sk-canary"),
        lambda: declarai.Declarai("azure_openai", azure_openai_key="sk-canary"),
    ],
)
def test_no_frame_of_ours_holds_a_key_when_a_door_raises(door):
    with pytest.raises(declarai.DeclaraiError) as caught:
        door()
    assert "sk-canary" not in frames_of(caught.value)
    assert "sk-canary" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "door",
    [
        lambda: declarai.Declarai.openai(None, None, "sk-canary"),
        lambda: declarai.Declarai.openai(openai_token="sk-canary"),
        lambda: declarai.Declarai.azure_openai(None, "sk-canary"),
    ],
)
def test_no_frame_of_ours_holds_a_key_when_an_old_door_raises(door):
    with pytest.raises(ConfigurationError) as caught:
        door()
    assert "sk-canary" not in frames_of(caught.value)


def test_a_key_can_be_given_as_a_secret(server, openai):
    assert asked(server, openai(openai_token=Secret("sk-s"))).headers["authorization"] == "Bearer sk-s"


# Azure


def test_row_16_azure_is_asked_at_the_deployments_address(server, azure):
    request = asked(server, azure(api_version="2024-02-01", headers={"X-Team": "blue"}))
    assert request.path == "/openai/deployments/d/chat/completions?api-version=2024-02-01"
    assert (request.headers["api-key"], request.headers["x-team"]) == ("k", "blue")


def test_row_17_the_api_version_has_a_default(server, azure):
    assert asked(server, azure()).path.endswith("?api-version=2023-05-15")


@pytest.mark.parametrize(
    "names",
    [
        ("DECLARAI_AZURE_OPENAI_KEY", "DECLARAI_AZURE_OPENAI_API_BASE", "DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME"),
        ("DECLARAI_AZURE_OPENAI_API_KEY", "AZURE_OPENAI_API_BASE", "AZURE_OPENAI_DEPLOYMENT_NAME"),
        ("AZURE_OPENAI_KEY", "AZURE_OPENAI_API_BASE", "DEPLOYMENT_NAME"),
    ],
)
def test_rows_18_19_21_22_what_azure_needs_comes_from_the_environment(server, http, environment, names):
    for name, value in zip(names, ("k-env", server.url, "d-env"), strict=True):
        environment.setenv(name, value)
    request = asked(server, declarai.azure_openai(http_client=http))
    assert request.path.startswith("/openai/deployments/d-env/")
    assert request.headers["api-key"] == "k-env"


@pytest.mark.parametrize(
    "name", ["DECLARAI_AZURE_OPENAI_API_VERSION", "DECLARAI_AZURE_API_VERSION", "AZURE_API_VERSION"]
)
def test_row_20_the_api_version_comes_from_the_environment(server, azure, environment, name):
    environment.setenv(name, "2024-10-21")
    assert asked(server, azure()).path.endswith("?api-version=2024-10-21")


def test_row_23_the_deployment_may_be_given_as_model(server, azure):
    server.enqueue(stream_reply(["Hi"]))
    llm = azure(None, model="gpt-35", stream=True)
    assert [step.response for step in llm.task(slogan)("soap")][-1] == "Hi"
    assert server.requests[0].path.startswith("/openai/deployments/gpt-35/")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "no deployment: give deployment_name="),
        ({"deployment_name": "d", "azure_openai_api_base": "http://x"}, "no Azure OpenAI key: set"),
        ({"deployment_name": "d", "azure_openai_key": "k"}, "no Azure OpenAI address: set"),
    ],
)
def test_row_25_what_azure_misses_is_told_at_once(told, message):
    with pytest.raises(ConfigurationError, match=message):
        declarai.azure_openai(**told)


@pytest.mark.parametrize("name", ["azure-openai", "azure_openai"])
def test_azure_has_a_provider_name(server, name):
    llm = declarai.Declarai(name, "d", azure_openai_key="k", azure_openai_api_base=server.url)
    assert (llm.llm.provider, llm.llm.model) == ("azure-openai", "d")


# The embedded model


def test_a_missing_local_model_is_told_at_once(tmp_path):
    with pytest.raises(ConfigurationError):
        declarai.local(str(tmp_path / "none.gguf"))


def test_a_local_model_takes_its_own_and_the_tasks_options(tmp_path):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 1, 0) + bytes(100))
    llm = declarai.local(str(model), n_ctx=512, stream=True, request_timeout=5, llm_params={"seed": 1})
    assert (llm.llm.provider, llm.llm.model, llm.llm.streaming) == ("local", "tiny", True)
    assert (llm.options.limits.timeout, llm.options.llm_params) == (5, {"max_tokens": 1024, "seed": 1})


# A model of one's own


class Echo(BaseLLM):
    def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
        words = messages[-1].message.split()
        if not stream:
            return LLMResponse(response=" ".join(words), model=self.model, prompt_tokens=len(words))
        return (LLMResponse(response=" ".join(words[: end + 1])) for end in range(len(words)))


@pytest.fixture
def registry(monkeypatch):
    """Keep what a test registers to itself."""
    from declarai_like.providers import base

    monkeypatch.setattr(base, "REGISTERED", dict(base.REGISTERED))


@pytest.fixture
def echo(registry):
    declarai.register_llm("echo", Echo)
    return declarai.Declarai(provider="echo", model="loud", llm_params={"seed": 1})


def test_row_134_a_class_is_registered_by_decorator(registry, way):
    declarai.register_llm(provider="echo")(Echo)
    llm = declarai.Declarai(provider="echo", model="loud")
    assert "product: soap" in way.call(llm.task(way.define(slogan)), "soap")
    assert (llm.llm.provider, llm.llm.model) == ("echo", "loud")


def test_a_registered_class_is_given_its_key_as_it_was_told(registry):
    declarai.register_llm("echo", Echo)
    assert declarai.Declarai(provider="echo", model="m", openai_token="own").llm.llm.openai_token == "own"


def test_row_135_a_class_is_registered_by_function(registry, way):
    declarai.register_llm(provider="echo", llm_cls=Echo, model="loud")
    result = way.run(declarai.Declarai("echo", "loud").task(way.define(slogan)), "soap")
    assert (result.response.model, result.usage.prompt_tokens) == ("loud", 6)


def test_row_136_a_class_for_one_model_goes_before_the_general_one(registry):
    class Other(Echo):
        pass

    declarai.register_llm("echo", Echo)
    declarai.register_llm("echo", Other, model="special")
    kinds = [type(declarai.Declarai("echo", model).llm.llm) for model in ("special", "any")]
    assert kinds == [Other, Echo]


def test_a_model_of_ones_own_streams(echo, way):
    steps = way.collect(echo.task(streaming=True)(way.define(slogan))("soap"))
    assert [step.response for step in steps][:2] == ["Write", "Write a"]
    assert steps[-1].response == "Write a slogan Inputs: product: soap"


def test_a_model_of_ones_own_can_stream_for_all_tasks(registry):
    declarai.register_llm("echo", Echo)
    llm = declarai.Declarai("echo", stream=True)
    assert next(llm.task(slogan)("soap")).content == "Write"


def test_a_model_of_ones_own_gets_the_options_of_its_tasks(echo):
    assert echo.task(slogan).request("soap").params == {"seed": 1}


def test_row_137_an_unknown_provider_is_told_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"unknown provider 'nobody': expected one of .*local, openai"):
        declarai.Declarai(provider="nobody", model="m")


def test_a_provider_that_is_built_already_gets_a_door(llm):
    door = declarai.Declarai.of(llm.llm)
    assert (type(door), door.llm) == (declarai.Declarai, llm.llm)


def test_the_names_that_users_of_declarai_import():
    assert (Message("hi", "user").role, MessageRole.user) == ("user", "user")
    assert (LLMResponse, BaseLLM) == (declarai.LLMResponse, declarai.BaseLLM)


def test_class_prompts_have_a_base_of_their_model(llm):
    assert issubclass(llm.Prompt, declarai.prompts.Prompt)

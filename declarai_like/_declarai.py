"""How a model is got, to declare tasks and chats on."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, overload

from declarai_like._calls.options import LocalOptions, Options, ProviderOptions, TaskOptions
from declarai_like._direct import Direct
from declarai_like._prompting.signatures import magic
from declarai_like.errors import ConfigurationError
from declarai_like.providers.azure import AzureOpenAIProvider
from declarai_like.providers.base import LLMSettings, Secret, registered
from declarai_like.providers.offline import OfflineProvider, is_offline, or_offline
from declarai_like.providers.openai import OpenAIProvider, environment
from declarai_like.tasks import make_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from typing_extensions import Unpack

    from declarai_like.providers.base import Provider
    from declarai_like.tasks import AsyncStreamingTask, AsyncTask, StreamingTask, Task

__all__ = ["Declarai", "StreamingDeclarai", "azure_openai", "local", "offline", "openai"]

P = ParamSpec("P")
T = TypeVar("T")


class TaskDecorator(Protocol):
    """Makes the task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncTask[P, T]: ...  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
    @overload
    def __call__(self, function: Callable[P, T], /) -> Task[P, T]: ...


class StreamingTaskDecorator(Protocol):
    """Makes the streaming task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncStreamingTask[P, T]: ...  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
    @overload
    def __call__(self, function: Callable[P, T], /) -> StreamingTask[P, T]: ...


class Declarai(Direct):
    """A model, on which tasks and chats are declared.

    Made by `openai()`, `azure_openai()`, `local()`, or by the name of a provider:
    `Declarai(provider="openai", model="gpt-4")`. Raises `ConfigurationError` for an unknown one.
    """

    def __init__(self, provider: str, model: str | None = None, version: str | None = None, **settings: Any) -> None:
        settings = _wrap_secrets(settings)
        if provider in BUILTIN:
            made = BUILTIN[provider](**_without_none(model=model, version=version), **settings)
            self._start(made.llm, made.options)
        else:
            llm = or_offline(registered(provider, LLMSettings(provider, model or "default", version).model, settings))
            told = {name: value for name, value in settings.items() if name in _OF_TASKS}
            self._start(llm, _options(llm.streaming, told))

    def _start(self, llm: Provider, options: Options) -> None:
        self.llm = llm
        self.options = options

    @property
    def Prompt(self) -> Any:  # noqa: N802 - it is a class
        """The base of class prompts that ask this model: `class Recipe(llm.Prompt)`."""
        from declarai_like.prompts import prompt_base

        return prompt_base(self)

    @classmethod
    def of(cls, llm: Provider, options: Options | None = None) -> Any:
        """Make the model of a provider that is already built."""
        kind = StreamingDeclarai if (options or Options()).streaming else Declarai
        made = kind.__new__(kind)
        made.llm, made.options = llm, options or Options(streaming=llm.streaming)
        return made

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncTask[P, T]: ...  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
    @overload
    def task(self, function: Callable[P, T], /) -> Task[P, T]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        streaming: Literal[True],
        **options: Unpack[TaskOptions],
    ) -> StreamingTaskDecorator: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        streaming: Literal[False] | None = None,
        **options: Unpack[TaskOptions],
    ) -> TaskDecorator: ...
    def task(self, function: Any = None, /, *, streaming: bool | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Make a task of a function; works bare (`@llm.task`) and with arguments (`@llm.task(streaming=True)`).

        `streaming` makes calls give generators; `llm_params` are the model's own parameters; `middlewares` stand
        around each call, the first one outermost; `retries` is how often the model is shown a wrong answer and
        asked again; `output` is how the type is asked for; `templates` replaces words that are said to the model;
        the time limits are in seconds. Raises `DefinitionError` if the function cannot be a task.
        """
        settings = self.options.merge(streaming=streaming, **options)
        if function is None:
            return lambda declared: make_task(declared, self.llm, settings)
        return make_task(function, self.llm, settings)

    def chat(self, cls: Any = None, /, **options: Any) -> Any:
        """Make a chat of a class; works bare (`@llm.chat`) and with arguments (`@llm.chat(streaming=True)`).

        Beside the options of a task it takes `chat_history` (a memory, or a function that makes one for each
        instance), `greeting`, `system`, `keep_partial` and `window`: see `Chat`.
        """
        from declarai_like.chats import make_chat

        return make_chat(cls, self, options) if cls is not None else lambda made: make_chat(made, self, options)

    @property
    def experimental(self) -> Any:
        """The place where declarai keeps `chat`."""
        return SimpleNamespace(chat=self.chat)

    magic = staticmethod(magic)

    @classmethod
    def openai(
        cls,
        model: str | None = None,
        version: str | None = None,
        openai_token: str | Secret | None = None,
        **settings: Any,
    ) -> Declarai:
        """Do what `declarai_like.openai` does. Deprecated: to be removed in 1.0."""
        openai_token = None if openai_token is None else Secret(openai_token)
        _warn_deprecated("openai")
        made: Declarai = openai(model, version, openai_token, **settings)
        return made

    @classmethod
    def azure_openai(
        cls, deployment_name: str | None = None, azure_openai_key: str | Secret | None = None, **settings: Any
    ) -> Declarai:
        """Do what `declarai_like.azure_openai` does. Deprecated: to be removed in 1.0."""
        azure_openai_key = None if azure_openai_key is None else Secret(azure_openai_key)
        _warn_deprecated("azure_openai")
        made: Declarai = azure_openai(deployment_name, azure_openai_key, **settings)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'llm', 'without a model')!r}>"


class StreamingDeclarai(Declarai):
    """A model whose tasks stream unless they say otherwise: `openai(..., stream=True)`."""

    @overload  # type: ignore[override]  # the flag on the provider changes what a bare decorator makes
    def task(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncStreamingTask[P, T]: ...  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
    @overload
    def task(self, function: Callable[P, T], /) -> StreamingTask[P, T]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        streaming: Literal[False],
        **options: Unpack[TaskOptions],
    ) -> TaskDecorator: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        streaming: Literal[True] | None = None,
        **options: Unpack[TaskOptions],
    ) -> StreamingTaskDecorator: ...
    def task(self, function: Any = None, /, *, streaming: bool | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Make a task of a function, a streaming one unless it says `streaming=False`: see `Declarai.task`."""
        made: Any = super().task
        return made(function, streaming=streaming, **options)


def _without_none(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _wrap_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap the keys, so that no frame of ours holds one that a report of an error could show."""
    return {name: Secret(value) if name in _KEYS and value else value for name, value in settings.items()}


def _warn_deprecated(name: str) -> None:
    warnings.warn(f"Declarai.{name} will be removed in 1.0: use declarai_like.{name}", DeprecationWarning, stacklevel=3)


@overload
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: str | Secret | None = None,
    *,
    stream: Literal[True],
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[ProviderOptions],
) -> StreamingDeclarai: ...
@overload
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: str | Secret | None = None,
    *,
    stream: bool | None = None,
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[ProviderOptions],
) -> Declarai: ...
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: str | Secret | None = None,
    *,
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    stream: bool | None = None,
    **options: Unpack[ProviderOptions],
) -> Any:
    """Use a model of OpenAI's, or of any server that speaks its format (`base_url=`).

    The key is `openai_token`, else the environment's `DECLARAI_OPENAI_API_KEY`, else its `OPENAI_API_KEY`, read when
    it is first needed; the model is `model`, else the environment's `DECLARAI_OPENAI_MODEL`. `stream=True` makes all
    tasks stream. Time limits are in seconds: `timeout` (or `request_timeout`) for a whole call with its
    `max_retries`, `connect_timeout`, `first_chunk_timeout`, and `idle_timeout` between two chunks.
    `max_concurrency` is how many calls are made at a time, `max_prompt_chars` and `max_answer_bytes` how long prompts
    and answers may be; `middlewares` stand around those of each task. `http_client` and `http_async_client` are the
    HTTP library's own clients, for proxies and other transports.
    """
    openai_token = None if openai_token is None else Secret(openai_token)
    model = model or environment("DECLARAI_OPENAI_MODEL")
    if not model:
        raise ConfigurationError("no model: give model=, or set the environment variable DECLARAI_OPENAI_MODEL")
    provider = OpenAIProvider(
        LLMSettings("openai", model, version).model,
        key=openai_token,
        base_url=base_url,
        headers=headers,
        streaming=bool(stream),
        http_client=options.pop("http_client", None),
        http_async_client=options.pop("http_async_client", None),
    )
    return Declarai.of(or_offline(provider), _options(stream, options))


@overload
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: str | Secret | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    stream: Literal[True],
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[ProviderOptions],
) -> StreamingDeclarai: ...
@overload
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: str | Secret | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    stream: bool | None = None,
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[ProviderOptions],
) -> Declarai: ...
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: str | Secret | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    stream: bool | None = None,
    **options: Unpack[ProviderOptions],
) -> Any:
    """Use a deployment of Azure OpenAI.

    What is not given comes from the environment: `DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME`,
    `DECLARAI_AZURE_OPENAI_KEY`, `DECLARAI_AZURE_OPENAI_API_BASE`, `DECLARAI_AZURE_OPENAI_API_VERSION`. The
    deployment's name may be given as `model=` too; the other arguments are those of `openai`. Raises
    `ConfigurationError` at once if deployment, key or address is told nowhere.
    """
    azure_openai_key = None if azure_openai_key is None else Secret(azure_openai_key)
    name = deployment_name or model
    name = name or environment(
        "DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME", "AZURE_OPENAI_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"
    )
    if not name:
        raise ConfigurationError(
            "no deployment: give deployment_name=, or set DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME in the environment"
        )
    provider = AzureOpenAIProvider(
        name,
        endpoint=azure_openai_api_base,
        api_version=api_version,
        key=azure_openai_key,
        headers=headers,
        streaming=bool(stream),
        http_client=options.pop("http_client", None),
        http_async_client=options.pop("http_async_client", None),
    )
    if not is_offline():
        provider.check()
    return Declarai.of(or_offline(provider), _options(stream, options))


@overload
def local(model: str | None = None, *, stream: Literal[True], **options: Unpack[LocalOptions]) -> StreamingDeclarai: ...
@overload
def local(model: str | None = None, *, stream: bool | None = None, **options: Unpack[LocalOptions]) -> Declarai: ...
def local(model: str | None = None, *, stream: bool | None = None, **options: Unpack[LocalOptions]) -> Any:
    """Use a model that runs in this process on llama.cpp; no key, no network.

    `model` is the path of a GGUF file, else the environment's `DECLARAI_LOCAL_MODEL`, else the model that
    `declarai-like pull` has fetched. `n_ctx` is how many tokens a conversation may have, `n_parallel` how many
    calls are computed at a time. Raises `ConfigurationError` if there is no such model; it is loaded at the first
    call, which raises `MissingExtra` if `declarai-like[local]` is not installed. A small model may not find its end,
    so an answer is cut at 1,024 tokens unless `llm_params` says otherwise.
    """
    from declarai_like.providers.local import LocalProvider

    told: dict[str, Any] = dict(options)
    told["llm_params"] = {"max_tokens": 1024, **(told.get("llm_params") or {})}
    server = {name: told.pop(name) for name in ("n_ctx", "n_parallel", "n_gpu_layers") if name in told}
    if is_offline():
        return Declarai.of(OfflineProvider(name="local", model=model or "offline"), _options(stream, told))
    return Declarai.of(LocalProvider.of(model, streaming=bool(stream), **server), _options(stream, told))


@overload
def offline(seed: int = 0, *, stream: Literal[True], **options: Unpack[ProviderOptions]) -> StreamingDeclarai: ...
@overload
def offline(seed: int = 0, *, stream: bool | None = None, **options: Unpack[ProviderOptions]) -> Declarai: ...
def offline(seed: int = 0, *, stream: bool | None = None, **options: Unpack[ProviderOptions]) -> Any:
    """Use no model: answers are made up, of the declared type, always the same ones for a request and a `seed`.

    With `DECLARAI_OFFLINE=1` in the environment all other providers do so too.
    """
    return Declarai.of(OfflineProvider(seed=seed), _options(stream, options))


def _options(stream: bool | None, told: Any) -> Options:  # noqa: FBT001 - the public argument
    """Lay a provider's options over the defaults."""
    return Options.of_provider(streaming=bool(stream), **told)


BUILTIN: dict[str, Any] = {
    "openai": openai,
    "azure-openai": azure_openai,
    "azure_openai": azure_openai,
    "local": local,
}
_KEYS = frozenset({"openai_token", "azure_openai_key"})
_OF_TASKS = ProviderOptions.__annotations__.keys() - {"http_client", "http_async_client"}

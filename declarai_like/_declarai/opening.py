"""How each provider is opened: its own arguments, and the options of all its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.option_names import looks_like_key
from declarai_like._calls.options import Options, ProviderOptions
from declarai_like.errors import ConfigurationError, DefinitionError
from declarai_like.providers._offline_mode import is_offline, or_offline
from declarai_like.providers.base import LLMSettings, Secret, registered
from declarai_like.providers.openai import OpenAIProvider, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeAlias

    from declarai_like.providers._endpoints import Key
    from declarai_like.providers.base import Provider
    from declarai_like.requests import Headers, LocalAPI

    Opened: TypeAlias = tuple[Provider, Options]

__all__ = [
    "open_anthropic",
    "open_azure_openai",
    "open_google",
    "open_local",
    "open_offline",
    "open_openai",
    "open_provider",
    "provider_names",
    "seal_key",
    "wrap_secrets",
]


def open_provider(name: str, *, model: str | None, version: str | None, **settings: Any) -> Opened:
    """Open a provider by its name; raises `ConfigurationError` for an unknown one."""
    if name in _OPENERS:
        given = {"model": model, "version": version}
        return _OPENERS[name](**{key: value for key, value in given.items() if value is not None}, **settings)
    _refuse_keys(model=model, version=version)
    provider = or_offline(registered(name, LLMSettings(name, model or "default", version).model, settings))
    return provider, _lay_options(provider.streaming, {key: settings[key] for key in _OF_TASKS & settings.keys()})


def open_openai(
    *,
    model: str | None = None,
    version: str | None = None,
    openai_token: Key | str | None = None,
    api_key: Key | str | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    http_client: Any = None,
    http_async_client: Any = None,
    client: Any = None,
    async_client: Any = None,
    **options: Any,
) -> Opened:
    """Open OpenAI, or a server that speaks its format."""
    model = model or environment("DECLARAI_OPENAI_MODEL")
    if not model:
        raise ConfigurationError("no model: give model=, or set the environment variable DECLARAI_OPENAI_MODEL")
    _refuse_keys(model=model, version=version, base_url=base_url)
    provider = OpenAIProvider(
        LLMSettings("openai", model, version).model,
        key=_only_key("openai_token", openai_token, api_key),
        base_url=base_url,
        headers=headers,
        streaming=bool(stream),
        http_client=http_client,
        http_async_client=http_async_client,
        client=client,
        async_client=async_client,
    )
    return or_offline(provider), _lay_options(stream, options, _OF_OPENAI)


def open_azure_openai(
    *,
    deployment_name: str | None = None,
    azure_openai_key: Key | str | None = None,
    azure_ad_token_provider: Any = None,
    api_key: Key | str | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    model: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    http_client: Any = None,
    http_async_client: Any = None,
    client: Any = None,
    async_client: Any = None,
    **options: Any,
) -> Opened:
    """Open a deployment of Azure OpenAI."""
    from declarai_like.providers.azure import AzureOpenAIProvider

    name = deployment_name or model
    name = name or environment(
        "DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME", "AZURE_OPENAI_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"
    )
    if not name:
        raise ConfigurationError(
            "no deployment: give deployment_name=, or set DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME in the environment"
        )
    _refuse_keys(deployment_name=name, azure_openai_api_base=azure_openai_api_base, api_version=api_version)
    provider = AzureOpenAIProvider(
        name,
        endpoint=azure_openai_api_base,
        api_version=api_version,
        ad_token_provider=azure_ad_token_provider,
        key=_only_key("azure_openai_key", azure_openai_key, api_key),
        headers=headers,
        streaming=bool(stream),
        http_client=http_client,
        http_async_client=http_async_client,
        client=client,
        async_client=async_client,
    )
    if not is_offline():
        provider.check()
    return or_offline(provider), _lay_options(stream, options, _OF_AZURE)


def open_anthropic(
    *,
    model: str | None = None,
    version: str | None = None,
    api_key: Key | str | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    http_client: Any = None,
    http_async_client: Any = None,
    **options: Any,
) -> Opened:
    """Open Anthropic, or a server that speaks its format."""
    from declarai_like.providers.anthropic import AnthropicProvider

    if not model:
        raise ConfigurationError("no model: give model=, as in declarai_like.anthropic('claude-sonnet-4-5')")
    _refuse_keys(model=model, version=version, base_url=base_url)
    provider = AnthropicProvider(
        LLMSettings("anthropic", model, version).model,
        key=seal_key(api_key),
        base_url=base_url,
        headers=headers,
        streaming=bool(stream),
        http_client=http_client,
        http_async_client=http_async_client,
    )
    return or_offline(provider), _lay_options(stream, options, _OF_ANTHROPIC)


def open_google(
    *,
    model: str | None = None,
    version: str | None = None,
    api_key: Key | str | None = None,
    token: Key | str | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    http_client: Any = None,
    http_async_client: Any = None,
    **options: Any,
) -> Opened:
    """Open Google, or a server that speaks its format."""
    from declarai_like.providers.google import GoogleProvider

    if not model:
        raise ConfigurationError("no model: give model=, as in declarai_like.google('gemini-2.5-flash')")
    _refuse_keys(model=model, version=version, base_url=base_url)
    provider = GoogleProvider(
        LLMSettings("google", model, version).model,
        key=_only_key("token", token, api_key),
        is_token=token is not None,
        base_url=base_url,
        headers=headers,
        streaming=bool(stream),
        http_client=http_client,
        http_async_client=http_async_client,
    )
    return or_offline(provider), _lay_options(stream, options, _OF_GOOGLE)


def open_local(
    *, model: str | None = None, stream: bool | None = None, api: LocalAPI = "auto", **options: Any
) -> Opened:
    """Open a model that runs in this process."""
    from declarai_like.providers.local import LocalProvider

    if api not in _LOCAL_APIS:
        raise DefinitionError(f"api: expected one of {', '.join(map(repr, _LOCAL_APIS))}, got {api!r:.80}")

    options["llm_params"] = {"max_tokens": 1024, **(options.get("llm_params") or {})}
    server = {name: options.pop(name) for name in ("n_ctx", "n_parallel", "n_gpu_layers") if name in options}
    if is_offline():
        from declarai_like.providers.offline import OfflineProvider

        return OfflineProvider(name="local", model=model or "offline"), _lay_options(stream, options)
    return LocalProvider.of(model, streaming=bool(stream), api=api, **server), _lay_options(
        stream, options, ("model", "stream")
    )


def open_offline(*, seed: int = 0, stream: bool | None = None, **options: Any) -> Opened:
    """Open a model that makes its answers up."""
    from declarai_like.providers.offline import OfflineProvider

    return OfflineProvider(seed=seed), _lay_options(stream, options)


def wrap_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap the keys, so that no frame of ours holds one that a report of an error could show."""
    return {name: seal_key(value) if name in _KEYS and value else value for name, value in settings.items()}


def _refuse_keys(**texts: str | None) -> None:
    """Raise `ConfigurationError` for a key where another text belongs: it would be sent, logged and shown."""
    for name, text in texts.items():
        if looks_like_key(text) or isinstance(text, Secret):
            raise ConfigurationError(
                f"{name}: a key stands in the place of the {name.replace('_', ' ')}; give it by its name, as api_key="
            )


def _only_key(name: str, key: Key | str | None, api_key: Key | str | None) -> Key | None:
    """Give the key, which may be given by either name."""
    if key is not None and api_key is not None:
        raise ConfigurationError(f"the key is given twice, as {name}= and as api_key=: give it once")
    sealed: Key | None = seal_key(key if api_key is None else api_key)
    return sealed


def seal_key(key: Any) -> Any:
    """Wrap a key, so that no frame of ours holds one; a function that gives keys stays as it is."""
    return key if key is None or callable(key) else Secret(key)


def provider_names() -> frozenset[str]:
    """Give the names of the providers that are built in."""
    return frozenset(_OPENERS)


def _lay_options(stream: bool | None, given: Mapping[str, Any], own: Collection[str] = ()) -> Options:  # noqa: FBT001 - the public argument
    """Lay a provider's options over the defaults."""
    return Options.of_provider(own, streaming=bool(stream), **given)


_OPENERS: dict[str, Callable[..., Opened]] = {
    "openai": open_openai,
    "azure-openai": open_azure_openai,
    "azure_openai": open_azure_openai,
    "anthropic": open_anthropic,
    "google": open_google,
    "local": open_local,
    "offline": open_offline,
}
_OF_ALL = ("api_key", "stream", "headers", "http_client", "http_async_client", "client", "async_client")
_OF_OPENAI = ("model", "version", "openai_token", "base_url", *_OF_ALL)
_OF_AZURE = (
    "deployment_name",
    "azure_openai_key",
    "azure_openai_api_base",
    "azure_ad_token_provider",
    "api_version",
    *_OF_ALL,
)
_OF_ANTHROPIC = (
    "model", "version", "api_key", "base_url", "stream", "headers", "http_client", "http_async_client",
)  # fmt: skip
_LOCAL_APIS = ("auto", "chat", "responses", "anthropic")
_OF_GOOGLE = (*_OF_ANTHROPIC, "token")
_KEYS = frozenset({"openai_token", "azure_openai_key", "api_key", "token"})
_OF_TASKS = ProviderOptions.__annotations__.keys() - {
    "api_key",
    "http_client",
    "http_async_client",
    "client",
    "async_client",
    "azure_ad_token_provider",
}

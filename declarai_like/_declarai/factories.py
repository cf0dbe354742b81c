"""The providers by their names: `openai()`, `azure_openai()`, `anthropic()`, `google()`, `local()`, `offline()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, overload

from declarai_like._declarai.model import Declarai
from declarai_like._declarai.opening import (
    open_anthropic,
    open_azure_openai,
    open_google,
    open_local,
    open_offline,
    open_openai,
    seal_key,
    wrap_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from typing_extensions import Unpack

    from declarai_like._calls.options import HTTPOptions, LocalOptions, ProviderOptions
    from declarai_like._declarai.model import StreamingDeclarai
    from declarai_like.providers.base import Secret
    from declarai_like.requests import Headers

    KeyArgument: TypeAlias = str | Secret | Callable[[], str | Awaitable[str]]

__all__ = ["anthropic", "azure_openai", "google", "local", "offline", "openai"]


@overload
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: KeyArgument | None = None,
    *,
    stream: Literal[True],
    base_url: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[ProviderOptions],
) -> StreamingDeclarai: ...
@overload
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: KeyArgument | None = None,
    *,
    stream: bool | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[ProviderOptions],
) -> Declarai: ...
def openai(
    model: str | None = None,
    version: str | None = None,
    openai_token: KeyArgument | None = None,
    *,
    base_url: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    **options: Unpack[ProviderOptions],
) -> Any:
    """Use a model of OpenAI's, or of any server that speaks its format (`base_url=`).

    The key is `openai_token`, else the environment's `DECLARAI_OPENAI_API_KEY`, else its `OPENAI_API_KEY`, read when
    it is first needed; the model is `model`, else the environment's `DECLARAI_OPENAI_MODEL`. `stream=True` makes all
    tasks stream. Time limits are in seconds: `timeout` (or `request_timeout`) for a whole call with its
    `max_retries`, `connect_timeout`, `first_chunk_timeout`, and `idle_timeout` between two chunks.
    `max_concurrency` is how many calls are made at a time, `max_prompt_chars` and `max_answer_bytes` how long prompts
    and answers may be, `max_media_bytes` and `max_request_bytes` how large files and requests; `middlewares` stand
    around those of each task. `http_client` and `http_async_client` are the HTTP library's own clients, for proxies and
    other transports.

    >>> llm = declarai.openai(model="gpt-4o-mini", timeout=30, max_retries=3)
    >>> ollama = declarai.openai(model="llama3", base_url="http://localhost:11434/v1", openai_token="any")
    """
    openai_token = seal_key(openai_token)
    options = cast("Any", wrap_secrets(options))
    opened = open_openai(
        model=model,
        version=version,
        openai_token=openai_token,
        base_url=base_url,
        headers=headers,
        stream=stream,
        **options,
    )
    return Declarai.of(*opened)


@overload
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: KeyArgument | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    stream: Literal[True],
    model: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[ProviderOptions],
) -> StreamingDeclarai: ...
@overload
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: KeyArgument | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    stream: bool | None = None,
    model: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[ProviderOptions],
) -> Declarai: ...
def azure_openai(
    deployment_name: str | None = None,
    azure_openai_key: KeyArgument | None = None,
    azure_openai_api_base: str | None = None,
    api_version: str | None = None,
    *,
    model: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    **options: Unpack[ProviderOptions],
) -> Any:
    """Use a deployment of Azure OpenAI.

    What is not given comes from the environment: `DECLARAI_AZURE_OPENAI_DEPLOYMENT_NAME`,
    `DECLARAI_AZURE_OPENAI_KEY`, `DECLARAI_AZURE_OPENAI_API_BASE`, `DECLARAI_AZURE_OPENAI_API_VERSION`. The
    deployment's name may be given as `model=` too; the other arguments are those of `openai`. Raises
    `ConfigurationError` at once if deployment, key or address is told nowhere.

    >>> llm = declarai.azure_openai("my-deployment", "the-key", "https://mine.openai.azure.com", "2024-10-21")
    """
    azure_openai_key = seal_key(azure_openai_key)
    options = cast("Any", wrap_secrets(options))
    opened = open_azure_openai(
        deployment_name=deployment_name,
        azure_openai_key=azure_openai_key,
        azure_openai_api_base=azure_openai_api_base,
        api_version=api_version,
        model=model,
        headers=headers,
        stream=stream,
        **options,
    )
    return Declarai.of(*opened)


@overload
def anthropic(
    model: str,
    *,
    stream: Literal[True],
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[HTTPOptions],
) -> StreamingDeclarai: ...
@overload
def anthropic(
    model: str,
    *,
    stream: bool | None = None,
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    **options: Unpack[HTTPOptions],
) -> Declarai: ...
def anthropic(
    model: str,
    *,
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    **options: Unpack[HTTPOptions],
) -> Any:
    """Use a model of Anthropic's, or of any server that speaks its Messages format (`base_url=`).

    The key is `api_key`, else the environment's `ANTHROPIC_API_KEY`, read when it is first needed; the address is
    `base_url`, else the environment's `ANTHROPIC_BASE_URL`, else Anthropic's own. An answer is cut at 8,192 tokens
    unless `llm_params` gives `max_tokens`. The other options are those of `openai`, but for an official client.

    >>> llm = declarai.anthropic(model="claude-haiku-4-5", llm_params={"max_tokens": 1000})
    """
    api_key = seal_key(api_key)
    opened = open_anthropic(
        model=model, api_key=api_key, base_url=base_url, headers=headers, stream=stream, **cast("Any", options)
    )
    return Declarai.of(*opened)


@overload
def google(
    model: str,
    *,
    stream: Literal[True],
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    token: KeyArgument | None = None,
    headers: Headers | None = None,
    **options: Unpack[HTTPOptions],
) -> StreamingDeclarai: ...
@overload
def google(
    model: str,
    *,
    stream: bool | None = None,
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    token: KeyArgument | None = None,
    headers: Headers | None = None,
    **options: Unpack[HTTPOptions],
) -> Declarai: ...
def google(
    model: str,
    *,
    api_key: KeyArgument | None = None,
    base_url: str | None = None,
    token: KeyArgument | None = None,
    headers: Headers | None = None,
    stream: bool | None = None,
    **options: Unpack[HTTPOptions],
) -> Any:
    """Use a model of Google's, or of any server that speaks `generateContent` (`base_url=`).

    The key is `api_key`, else the environment's `GEMINI_API_KEY`, else its `GOOGLE_API_KEY`, read when it is first
    needed. `token` is an access token in its place, as Vertex AI takes it; a function is asked before each request.
    The address is `base_url`, else the environment's `GOOGLE_GEMINI_BASE_URL`, else Google's own. The other options
    are those of `openai`, but for an official client.

    >>> llm = declarai.google(model="gemini-2.5-flash")
    """
    api_key, token = seal_key(api_key), seal_key(token)
    opened = open_google(
        model=model,
        api_key=api_key,
        base_url=base_url,
        token=token,
        headers=headers,
        stream=stream,
        **cast("Any", options),
    )
    return Declarai.of(*opened)


@overload
def local(model: str | None = None, *, stream: Literal[True], **options: Unpack[LocalOptions]) -> StreamingDeclarai: ...
@overload
def local(model: str | None = None, *, stream: bool | None = None, **options: Unpack[LocalOptions]) -> Declarai: ...
def local(model: str | None = None, *, stream: bool | None = None, **options: Unpack[LocalOptions]) -> Any:
    """Use a model that runs in this process on llama.cpp; no key, no network.

    `model` is the path of a GGUF file, else the environment's `DECLARAI_LOCAL_MODEL`, else the model that
    `declarai-like pull` has fetched. `n_ctx` is how many tokens a conversation may have, `n_parallel` how many
    calls are computed at a time. `api` is the format in which the embedded server is asked: `"chat"`, `"responses"`,
    or `"anthropic"`, in which typed answers go by chat completions, for there llama.cpp holds them to no schema.
    Raises `ConfigurationError` if there is no such model; it is loaded at the first call, which raises `MissingExtra`
    if `declarai-like[local]` is not installed. A small model may not find its end, so an answer is cut at 1,024 tokens
    unless `llm_params` says otherwise.
    """
    return Declarai.of(*open_local(model=model, stream=stream, **options))


@overload
def offline(seed: int = 0, *, stream: Literal[True], **options: Unpack[ProviderOptions]) -> StreamingDeclarai: ...
@overload
def offline(seed: int = 0, *, stream: bool | None = None, **options: Unpack[ProviderOptions]) -> Declarai: ...
def offline(seed: int = 0, *, stream: bool | None = None, **options: Unpack[ProviderOptions]) -> Any:
    """Use no model: answers are made up, of the declared type, always the same ones for a request and a `seed`.

    With `DECLARAI_OFFLINE=1` in the environment all other providers do so too.

    >>> llm = declarai.offline(seed=1)
    >>> @llm.task
    ... def rank(message: str) -> bool:
    ...     "Say whether a message is urgent"
    >>> rank("Fire!") == rank("Fire!")
    True
    """
    return Declarai.of(*open_offline(seed=seed, stream=stream, **options))

"""What can be given to a provider or a task, and how the one is laid over the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from declarai_like._calls.option_rules import SIZES, TIMES, TOOL_OPTIONS, check_middleware, check_option, check_state
from declarai_like._calls.queues import FairQueue
from declarai_like.errors import DefinitionError
from declarai_like.requests import API, Cache, Headers, Limits, LocalAPI, Request

if TYPE_CHECKING:
    from declarai_like._outputs.output import Output
    from declarai_like.providers.base import Provider, Secret
    from declarai_like.tools.settings import ToolSettings

OutputMode = Literal["auto", "json_schema", "json_object", "prompt", "tool"]
Reading = Literal["lenient", "strict"]


class CallOptions(TypedDict, total=False):
    """What every call may be given; time limits are in seconds, `None` is no limit."""

    extra_body: Mapping[str, Any]
    llm_params: Mapping[str, Any]
    middlewares: Sequence[Any]
    templates: Mapping[str, str]
    reading: Reading
    reasoning_tags: bool
    max_retries: int
    timeout: float | None
    request_timeout: float | None
    first_chunk_timeout: float | None
    idle_timeout: float | None
    max_concurrency: int | None
    max_prompt_chars: int | None
    max_answer_bytes: int | None
    max_media_bytes: int | None
    max_request_bytes: int | None


class TaskOptions(CallOptions, total=False):
    """What a task may be given beside `streaming`."""

    api: API
    cache: Cache
    headers: Headers
    model: str
    retries: int
    stop_early: bool
    restarts: bool
    output: OutputMode
    system: str
    state: Literal["server"]
    connect_timeout: float | None
    tools: Sequence[Any]
    tool_choice: Any
    max_rounds: int
    parallel: int
    at_limit: Literal["error", "answer"]
    tool_errors: Literal["show", "raise"]
    tool_mode: Literal["auto", "native", "emulated"]
    max_result_chars: int
    approver: Callable[..., Any]
    runs: Any
    deps: Mapping[str, Any]


class HTTPOptions(CallOptions, total=False):
    """What a provider behind HTTP may be given for all its tasks."""

    api: API
    cache: Cache
    connect_timeout: float | None
    http_client: Any
    http_async_client: Any


class ProviderOptions(HTTPOptions, total=False):
    """What OpenAI, and its kin, may be given beside: the key by its general name, and the official client."""

    api_key: str | Secret | None
    client: Any
    async_client: Any
    azure_ad_token_provider: Any


class LocalOptions(CallOptions, total=False):
    """What the embedded model may be given."""

    n_ctx: int
    n_parallel: int
    n_gpu_layers: int
    api: LocalAPI


_LIMITS = {**{name: name.removesuffix("_timeout") for name in TIMES}, **SIZES}
_FOREVER = 10**9
"""Seconds: some thirty years."""
_RESERVED_PARAMS = {
    "messages": "they are made of the docstring and the arguments, or are an argument themselves",
    "model": "give model=",
    "extra_headers": "give headers=",
    "extra_query": "put it into the base_url, as in base_url='https://host/v1?name=value'",
    "timeout": "give timeout= beside llm_params",
    "stream": "give streaming=, or call what is named stream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a task asks: what was declared on it, over what was declared on its provider."""

    streaming: bool = False
    model: str | None = None
    llm_params: Mapping[str, Any] = field(default_factory=dict)
    provider_middlewares: tuple[Any, ...] = ()
    """The provider's middlewares, which stand around the task's own."""
    middlewares: tuple[Any, ...] = ()
    retries: int = 0
    stop_early: bool | None = None
    """Whether an answer is stopped where its first closed field is wrong; `None` for streams that restart alone."""
    restarts: bool = False
    """Whether a stream that turns out wrong begins anew."""
    max_retries: int = 2
    output: OutputMode = "auto"
    reading: Reading = "lenient"
    reasoning_tags: bool = True
    headers: Headers | None = None
    """What is sent beside the provider's own headers, or over them."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are put into the body as they are."""
    api: API | None = None
    """Which of OpenAI's formats is spoken; `None` leaves it to the provider."""
    cache: Cache | None = None
    """What the provider is to cache of a prompt; `None` asks for nothing."""
    system: str = ""
    """A task's system prompt; a chat keeps its own."""
    state: Literal["server"] | None = None
    """Whether the provider keeps the conversation, so that only what is new is sent."""
    templates: Mapping[str, str] = field(default_factory=dict)
    tools: ToolSettings | None = None
    """What was said of tools; `None` for nothing."""
    limits: Limits = field(default_factory=lambda: Limits(timeout=600.0))
    stream_limits: Limits = field(default_factory=Limits)

    def merge(self, also: Collection[str] = (), /, **changes: Any) -> Options:
        """Give these options with changes laid over them; mappings are merged, `None` changes nothing but a limit.

        `request_timeout` is declarai's word for `timeout`. Raises `DefinitionError` for a name that is no option,
        and for a value that is none of its option; `also` are the other names that its caller takes.
        """
        if "request_timeout" in changes:
            changes.setdefault("timeout", changes.pop("request_timeout"))
        given = {name: value for name, value in changes.items() if value is not None or name in _LIMITS}
        told = {name: given.pop(name) for name in TOOL_OPTIONS & given.keys()}
        for name, value in given.items():
            check_option(name, value, also)
        if told:
            given["tools"] = _merge_tools(self.tools, told)
        limits = {_LIMITS[name]: _bounded(given.pop(name)) for name in _LIMITS.keys() & given.keys()}
        if limits.get("slots") is not None:  # one queue for all that share these options
            limits["slots"] = FairQueue(limits["slots"])
        if "llm_params" in given:
            given["llm_params"] = self.params(given["llm_params"])
        if "extra_body" in given:
            given["extra_body"] = {**self.extra_body, **given["extra_body"]}
        if isinstance(self.headers, Mapping) and isinstance(given.get("headers"), Mapping):
            given["headers"] = {**self.headers, **given["headers"]}
        if "templates" in given:
            given["templates"] = {**self.templates, **given["templates"]}
        if "middlewares" in given:
            given["middlewares"] = tuple(map(check_middleware, given["middlewares"]))
        merged = replace(
            self,
            limits=self.limits.replace(**limits),
            stream_limits=self.stream_limits.replace(**limits),
            **given,
        )
        check_state(merged.state, {**merged.llm_params, **merged.extra_body})
        return merged

    @classmethod
    def of_provider(cls, also: Collection[str] = (), /, *, streaming: bool, **given: Any) -> Options:
        """Give the options of all tasks of a provider; its middlewares stand around theirs."""
        for name in ("system", "state"):
            if given.get(name) is not None:
                raise DefinitionError(f"{name!r} is an option of tasks and chats: give it to @llm.task or @llm.chat")
        options = cls(streaming=streaming).merge(also, **given)
        return replace(options, provider_middlewares=options.middlewares, middlewares=())

    def params(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Merge the model's parameters of one call over the declared ones; neither is changed.

        Raises `DefinitionError` for what is no mapping, and for a parameter that has a instead of its own.
        """
        if not given:
            return dict(self.llm_params)
        check_option("llm_params", given)
        for name, instead in _RESERVED_PARAMS.items():
            if name in given:
                raise DefinitionError(f"{name!r} is no parameter of the model here: {instead}")
        extra = given.get("extra_body") or {}
        check_option("extra_body", extra)
        told = {name: value for name, value in given.items() if name != "extra_body"}
        return {**self.llm_params, **told, **extra}

    def request(
        self,
        provider: Provider,
        params: Mapping[str, Any] | None,
        *,
        streaming: bool,
        model: str | None = None,
        **rest: Any,
    ) -> Request:
        """Begin a request of a provider as these options say; `rest` are its other fields."""
        if model is not None:
            check_option("model", model)
        return Request(
            model=model or self.model or provider.model,
            stream=streaming,
            params=self.params(params),
            limits=self.stream_limits if streaming else self.limits,
            provider=provider,
            reading=self.reading,
            reasoning_tags=self.reasoning_tags,
            fixed_format=self.output not in {"auto", "tool"},
            answer_as_tool=self.output == "tool",
            headers=self.headers,
            extra_body=self.extra_body,
            api=self.api,
            cache=self.cache,
            state=self.state,
            **rest,
        )

    def stops_early(self, output: Output[Any], *, streaming: bool, as_events: bool) -> bool:
        """Say whether an answer is stopped where its first closed field is wrong.

        What was shown cannot be taken back: events are never stopped, a stream only if it may begin anew.
        """
        if output.is_text or as_events or (streaming and not self.restarts):
            return False
        return streaming and self.retries > 0 if self.stop_early is None else self.stop_early

    @property
    def shows_schema(self) -> bool:
        """Whether words repeat the schema: where it is enforced, or there is an error, they need not."""
        return self.output != "json_schema"

    def response_format(self, output: Output[Any], provider: Provider) -> dict[str, Any] | None:
        """Give the schema of an answer as this provider's strict mode takes it."""
        return output.response_format(self.format, getattr(provider, "schema_dialect", "common"))

    @property
    def format(self) -> str:
        """How a typed answer is asked for: `auto` tries the strict schema first."""
        return "json_schema" if self.output in {"auto", "tool"} else self.output


def _merge_tools(known: ToolSettings | None, told: Mapping[str, Any]) -> ToolSettings:
    from declarai_like.tools.settings import ToolSettings  # most calls have no tools

    return (known or ToolSettings()).merge(told)


def _bounded(value: Any) -> Any:
    """Give a limit, or `None` for one that no clock can wait for."""
    return None if isinstance(value, (int, float)) and value > _FOREVER else value

"""What a provider is: the doors through which any model can be used.

The simple door is `BaseLLM`: a class with `predict`. The full door is the `Provider` protocol.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from declarai_like._wire.accumulator import DONE
from declarai_like.errors import ConfigurationError
from declarai_like.messages import Message
from declarai_like.providers._secrets import redactor_of
from declarai_like.requests import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping

    from declarai_like.errors import ProviderError
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse

__all__ = ["BaseLLM", "LLMSettings", "Provider", "Secret", "register_llm"]


class Secret:
    """A key that shows itself to nobody: not in a repr, a log, an error, or a pickle.

    White space around it, as files and environments have it, is no part of it.

    >>> Secret("sk-1234")
    Secret('**********')
    """

    __slots__ = ("_redactor", "_value")

    def __init__(self, value: str | Secret) -> None:
        self._value: str = value.plain() if isinstance(value, Secret) else value.strip()
        self._redactor: Callable[[Any], Any] | None = None

    def reveal(self) -> str:
        """Give the key itself, for the one place that sends it.

        Raises `ConfigurationError` if it cannot be sent in a header.
        """
        if not (self._value.isascii() and self._value.isprintable()):
            raise ConfigurationError("the key holds characters that no key has: line breaks, or letters beyond ASCII")
        return self._value

    def redact(self, value: Any) -> Any:
        """Blank out the key, however it is spelled, in a text or in JSON data that came from outside."""
        if self._redactor is None:
            self._redactor = redactor_of([self._value])
        return self._redactor(value)

    def plain(self) -> str:
        """Give the key as it is, to look for it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __reduce__(self) -> Any:
        raise ConfigurationError("a key is not pickled: set it in the environment of the process that needs it")


class LLMSettings:
    """Which model is meant: its provider, its name, and its version if it has one.

    >>> LLMSettings(provider="openai", model="gpt-4", version="0613").model
    'gpt-4-0613'
    """

    def __init__(self, provider: str, model: str, version: str | None = None, **_: Any) -> None:
        self.provider = provider
        self.version = version
        self.model = f"{model}-{version}" if version else model

    def __repr__(self) -> str:
        return f"LLMSettings(provider={self.provider!r}, model={self.model!r})"


class BaseLLM:
    """A model of one's own: subclass it and write `predict`.

    `predict` gives an `LLMResponse`, or with `stream=True` an iterator of cumulative ones. `apredict`, if it is
    written, is awaited by async tasks; otherwise `predict` runs in a thread.

    >>> class Echo(BaseLLM):
    ...     def predict(self, messages, stream=False, **params):
    ...         from declarai_like import LLMResponse
    ...         return LLMResponse(response=messages[-1].message)
    """

    provider = "custom"
    model = "custom"
    streaming = False

    def __init__(self, **settings: Any) -> None:
        """Take what `Declarai(provider=..., model=..., ...)` was given."""
        for name, value in settings.items():
            setattr(self, name, value)

    def predict(self, messages: list[Any], stream: bool = False, **params: Any) -> LLMResponse | Iterator[LLMResponse]:  # noqa: FBT001, FBT002 - declarai's signature
        """Answer the messages."""
        raise NotImplementedError(f"{type(self).__name__} must define predict(messages, stream=False, **params)")


class PredictingProvider:
    """A `BaseLLM` behind the `Provider` protocol."""

    def __init__(self, llm: BaseLLM, *, name: str, model: str, streaming: bool) -> None:
        self.llm = llm
        self.name = name
        self.model = model
        self.streaming = streaming

    @property
    def provider(self) -> str:
        """The provider's name, as declarai spells it."""
        return self.name

    def encode(self, request: Request) -> dict[str, Any]:
        """Give what `predict` is called with; a text to continue is one message."""
        params = dict(request.params)
        if request.response_format is not None:
            params["response_format"] = request.response_format
        if request.tools:
            params["tools"] = list(request.tools)
        messages = list(request.messages)
        if request.prompt is not None:
            prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
            messages = [Message(prompt) for prompt in prompts]
        return {"messages": messages, "stream": request.stream, **params}

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Learn nothing: what `predict` refuses is refused."""
        return False

    def send(self, request: Request) -> dict[str, Any]:
        """Call `predict` for a whole answer."""
        return _body(self.llm.predict(**self.encode(request)))

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Call `predict` for a stream; a whole answer is a stream of one step."""
        answer: Any = self.llm.predict(**self.encode(request))
        before: Any = None
        try:
            for step in answer if hasattr(answer, "__next__") else (answer,):
                yield _chunk(step, before)
                before = step
        finally:
            if hasattr(answer, "close"):
                answer.close()
        yield DONE

    async def asend(self, request: Request) -> dict[str, Any]:
        """Await `apredict` if there is one, else call `predict` in a thread."""
        if hasattr(self.llm, "apredict"):
            return _body(await self.llm.apredict(**self.encode(request)))
        from asyncio import to_thread

        return await to_thread(self.send, request)

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Give the steps of `apredict` if there is one, else those of `predict`, each made in a thread."""
        if not hasattr(self.llm, "apredict"):
            async with aclosing(_in_threads(self.stream(request))) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        answer: Any = self.llm.apredict(**self.encode(request))
        if not hasattr(answer, "__anext__"):  # a coroutine that gives the iterator, or a whole answer
            answer = await answer
        before: Any = None
        try:
            async for step in answer if hasattr(answer, "__anext__") else _once(answer):
                yield _chunk(step, before)
                before = step
        finally:
            if hasattr(answer, "aclose"):
                await answer.aclose()
        yield DONE


async def _once(answer: Any) -> AsyncGenerator[Any, None]:
    yield answer


async def _in_threads(chunks: Generator[dict[str, Any], None, None]) -> AsyncGenerator[dict[str, Any], None]:
    """Run a blocking generator step by step in threads; its last step is waited for before it is closed."""
    from asyncio import to_thread
    from threading import Lock

    running = Lock()

    def advance() -> dict[str, Any] | None:
        with running:
            return next(chunks, None)

    def close() -> None:
        with running:
            chunks.close()

    try:
        while (chunk := await to_thread(advance)) is not None:
            yield chunk
    finally:
        await to_thread(close)


def _body(response: Any) -> dict[str, Any]:
    """Spell an answer that a `BaseLLM` gave as the body it stands for."""
    raw = response.raw_response
    if raw.get("choices"):
        return dict(raw)
    message: dict[str, Any] = {"role": response.role, "content": response.response, "refusal": response.refusal}
    if response.reasoning is not None:
        message["reasoning_content"] = response.reasoning
    if response.tool_calls:
        message["tool_calls"] = [call.wire() for call in response.tool_calls]
    body: dict[str, Any] = {"object": "chat.completion", "model": response.model, **raw}
    body["choices"] = [{"index": 0, "message": message, "finish_reason": response.finish_reason or "stop"}]
    return {**body, **_usage(response)}


def _chunk(step: Any, before: Any) -> dict[str, Any]:
    """Spell one step of a stream as the chunk it stands for; `before` is the step before it."""
    raw = step.raw_response
    if any("delta" in choice for choice in raw.get("choices") or ()):
        return dict(raw)
    told = ("", "", "", ()) if before is None else _texts_of(before)
    text, refusal, reasoning, calls = _texts_of(step)
    delta: dict[str, Any] = {"content": text.removeprefix(told[0])}
    if refusal:
        delta["refusal"] = refusal.removeprefix(told[1])
    if reasoning:
        delta["reasoning_content"] = reasoning.removeprefix(told[2])
    if calls != told[3]:  # a call is told when it is whole
        delta["tool_calls"] = [{"index": call.index, **call.wire()} for call in calls[len(told[3]) :]]
    choice = {"index": 0, "delta": delta, "finish_reason": step.finish_reason}
    return {"object": "chat.completion.chunk", "model": step.model, "choices": [choice], **_usage(step)}


def _texts_of(step: Any) -> tuple[str, str, str, tuple[Any, ...]]:
    return step.response, step.refusal or "", step.reasoning or "", step.tool_calls


def _usage(response: Any) -> dict[str, Any]:
    if response.usage is None:
        return {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {"usage": {name: getattr(response, name) for name in names}}


REGISTERED: dict[tuple[str, str | None], Callable[..., Any]] = {}


def register_llm(provider: str, llm_cls: Callable[..., Any] | None = None, *, model: str | None = None) -> Any:
    """Make `Declarai(provider=..., model=...)` use a class of one's own; works as a decorator and as a function.

    A class registered for one `model` goes before the provider's general one. It is called with the settings that
    `Declarai` was given (`model`, `provider`, and the rest by keyword).
    """
    if llm_cls is not None:
        REGISTERED[provider, model] = llm_cls
        return llm_cls

    def register(cls: Callable[..., Any]) -> Callable[..., Any]:
        REGISTERED[provider, model] = cls
        return cls

    return register


def _reveal(value: Any) -> Any:
    """Give a key of one's own model as it was told."""
    return value.reveal() if isinstance(value, Secret) else value


def registered(provider: str, model: str, settings: Mapping[str, Any]) -> Provider:
    """Build the provider that was registered under this name; raises `ConfigurationError` if none was."""
    factory = REGISTERED.get((provider, model)) or REGISTERED.get((provider, None))
    if factory is None:
        known = sorted({"anthropic", "openai", "azure-openai", "google", "local", *(name for name, _ in REGISTERED)})
        raise ConfigurationError(f"unknown provider {provider!r}: expected one of {', '.join(known)}")
    built = factory(model=model, **{name: _reveal(value) for name, value in settings.items()})
    if isinstance(built, Provider):
        return built
    if not callable(getattr(built, "predict", None)):
        raise ConfigurationError(f"expected {provider!r} to make a BaseLLM or a Provider, got {built!r:.200}")
    streaming = bool(settings.get("stream") or getattr(built, "streaming", False))
    return PredictingProvider(built, name=provider, model=model, streaming=streaming)

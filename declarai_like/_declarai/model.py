"""A model, on which tasks and chats are declared."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, overload

from declarai_like._calls.options import Options
from declarai_like._declarai.opening import open_azure_openai, open_openai, open_provider, seal_key, wrap_secrets
from declarai_like._direct import Direct
from declarai_like._prompting.magic import magic
from declarai_like.tasks import make_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import Unpack

    from declarai_like._calls.options import TaskOptions
    from declarai_like.chats import Chat
    from declarai_like.providers.base import Provider, Secret
    from declarai_like.tasks import AsyncStreamingTask, AsyncTask, StreamingTask, Task

__all__ = ["Declarai", "StreamingDeclarai"]

P = ParamSpec("P")
T = TypeVar("T")
ChatT = TypeVar("ChatT", bound="Chat")


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


class ChatDecorator(Protocol):
    """Makes the chat of a class: a class that is a `Chat` keeps its type."""

    @overload
    def __call__(self, cls: type[ChatT], /) -> type[ChatT]: ...
    @overload
    def __call__(self, cls: type, /) -> Any: ...


class Declarai(Direct):
    """A model, on which tasks and chats are declared.

    Made by `openai()`, `azure_openai()`, `local()`, or by the name of a provider:
    `Declarai(provider="openai", model="gpt-4")`. Raises `ConfigurationError` for an unknown one.
    """

    def __init__(self, provider: str, model: str | None = None, version: str | None = None, **settings: Any) -> None:
        settings = wrap_secrets(settings)
        self._start(*open_provider(provider, model=model, version=version, **settings))

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

    @overload
    def chat(self, cls: type[ChatT], /) -> type[ChatT]: ...
    @overload
    def chat(self, cls: type, /) -> Any: ...
    @overload
    def chat(self, cls: None = None, /, **options: Any) -> ChatDecorator: ...
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
        openai_token = seal_key(openai_token)
        settings = wrap_secrets(settings)
        _warn_deprecated("openai")
        opened = open_openai(model=model, version=version, openai_token=openai_token, **settings)
        made: Declarai = Declarai.of(*opened)
        return made

    @classmethod
    def azure_openai(
        cls, deployment_name: str | None = None, azure_openai_key: str | Secret | None = None, **settings: Any
    ) -> Declarai:
        """Do what `declarai_like.azure_openai` does. Deprecated: to be removed in 1.0."""
        azure_openai_key = seal_key(azure_openai_key)
        settings = wrap_secrets(settings)
        _warn_deprecated("azure_openai")
        opened = open_azure_openai(deployment_name=deployment_name, azure_openai_key=azure_openai_key, **settings)
        made: Declarai = Declarai.of(*opened)
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


def _warn_deprecated(name: str) -> None:
    warnings.warn(f"Declarai.{name} will be removed in 1.0: use declarai_like.{name}", DeprecationWarning, stacklevel=3)

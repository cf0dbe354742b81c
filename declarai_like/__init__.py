"""Typed, docstring-annotated functions and chat classes become LLM tasks that stream.

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini")  # or declarai.local(): a model in this process, no key

@llm.task
def rank(message: str) -> int:
    "Rank the severity of a message from 1 to 5"
"""

from __future__ import annotations

from declarai_like._version import __version__ as __version__

TYPE_CHECKING = False  # type checkers take it for true; importing it from `typing` would cost most of this import
if TYPE_CHECKING:
    from typing import Any

    from declarai_like import (
        chats as chats,
    )
    from declarai_like import (
        completions as completions,
    )
    from declarai_like import (
        errors as errors,
    )
    from declarai_like import (
        evals as evals,
    )
    from declarai_like import (
        events as events,
    )
    from declarai_like import (
        memory as memory,
    )
    from declarai_like import (
        messages as messages,
    )
    from declarai_like import (
        middleware as middleware,
    )
    from declarai_like import (
        operators as operators,
    )
    from declarai_like import (
        prompts as prompts,
    )
    from declarai_like import (
        providers as providers,
    )
    from declarai_like import (
        requests as requests,
    )
    from declarai_like import (
        responses as responses,
    )
    from declarai_like import (
        serve as serve,
    )
    from declarai_like import (
        streams as streams,
    )
    from declarai_like import (
        tasks as tasks,
    )
    from declarai_like import (
        testing as testing,
    )
    from declarai_like import (
        tools as tools,
    )
    from declarai_like._calls.budgets import limits
    from declarai_like._declarai import Declarai, anthropic, azure_openai, google, local, offline, openai
    from declarai_like._mcp import mcp
    from declarai_like._prompting.magic import magic
    from declarai_like._tasks.durable_functions import durable
    from declarai_like.chats import Chat
    from declarai_like.errors import DeclaraiError, LimitExceeded
    from declarai_like.media import Audio, Document, File, Image
    from declarai_like.messages import Message, MessageRole
    from declarai_like.middleware import TaskMiddleware
    from declarai_like.middleware.fallback import fallback
    from declarai_like.middleware.retry import retry
    from declarai_like.prompts import CallParams, Prompt
    from declarai_like.providers.base import BaseLLM, register_llm
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse, Result
    from declarai_like.tools.contexts import Injected
    from declarai_like.tools.declarations import tool

__all__ = [
    "Audio",
    "BaseLLM",
    "CallParams",
    "Chat",
    "Declarai",
    "DeclaraiError",
    "Document",
    "File",
    "Image",
    "Injected",
    "LLMResponse",
    "LimitExceeded",
    "Message",
    "MessageRole",
    "Prompt",
    "Request",
    "Result",
    "TaskMiddleware",
    "anthropic",
    "azure_openai",
    "durable",
    "fallback",
    "google",
    "limits",
    "local",
    "magic",
    "mcp",
    "offline",
    "openai",
    "register_llm",
    "retry",
    "tool",
]

_HOMES = {
    "Audio": "media",
    "BaseLLM": "providers.base",
    "CallParams": "prompts",
    "Chat": "chats",
    "Declarai": "_declarai",
    "DeclaraiError": "errors",
    "Document": "media",
    "File": "media",
    "Image": "media",
    "Injected": "tools.contexts",
    "LLMResponse": "responses",
    "LimitExceeded": "errors",
    "Prompt": "prompts",
    "Message": "messages",
    "MessageRole": "messages",
    "Request": "requests",
    "Result": "responses",
    "TaskMiddleware": "middleware",
    "anthropic": "_declarai",
    "azure_openai": "_declarai",
    "durable": "_tasks.durable_functions",
    "fallback": "middleware",
    "google": "_declarai",
    "limits": "_calls.budgets",
    "local": "_declarai",
    "magic": "_prompting.magic",
    "mcp": "_mcp",
    "offline": "_declarai",
    "openai": "_declarai",
    "register_llm": "providers.base",
    "retry": "middleware",
    "tool": "tools.declarations",
}


_MODULES = frozenset(
    {
        "chats",
        "completions",
        "errors",
        "evals",
        "events",
        "media",
        "memory",
        "messages",
        "middleware",
        "operators",
        "prompts",
        "providers",
        "requests",
        "responses",
        "rows",
        "serve",
        "streams",
        "tasks",
        "testing",
        "tools",
    }
)

if not TYPE_CHECKING:  # pragma: no branch - else checkers would take every name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used: importing the package costs next to nothing."""
        from importlib import import_module

        if name in _HOMES:
            value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
            return value
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})

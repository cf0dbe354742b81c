"""What the values of options may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from declarai_like._calls.middlewares import TaskMiddleware
from declarai_like._calls.option_names import describe_unknown, looks_like_key
from declarai_like.errors import DefinitionError
from declarai_like.requests import Prefix

__all__ = ["SIZES", "TIMES", "TOOL_OPTIONS", "check_middleware", "check_option", "check_state"]

TIMES = frozenset({"timeout", "connect_timeout", "first_chunk_timeout", "idle_timeout"})
"""The options that are seconds."""
SIZES = {
    "max_prompt_chars": "prompt_chars",
    "max_answer_bytes": "answer_bytes",
    "max_media_bytes": "media_bytes",
    "max_request_bytes": "request_bytes",
    "max_concurrency": "slots",
}
"""The options that are sizes, and what each is called among the limits of a request."""
TOOL_OPTIONS = frozenset(
    {
        "approver",
        "at_limit",
        "deps",
        "max_result_chars",
        "max_rounds",
        "parallel",
        "runs",
        "tool_choice",
        "tool_errors",
        "tool_mode",
        "tools",
    }
)
"""What may be said of tools: see `declarai_like.tools.settings`."""
_READINGS = ("lenient", "strict")
_MODES = ("auto", "json_schema", "json_object", "prompt", "tool")
_APIS = ("auto", "chat", "responses")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0)


def _is_size(value: Any) -> bool:
    return value is None or (isinstance(value, int) and value > 0)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "streaming": (lambda value: isinstance(value, bool), "True or False"),
    "model": (
        lambda value: isinstance(value, str) and value != "" and not looks_like_key(value),
        "the name of a model",
    ),
    "llm_params": (_is_mapping, "a mapping of the model's parameters, as {'temperature': 0.2}"),
    "middlewares": (lambda value: isinstance(value, (list, tuple)), "a list of middlewares"),
    "retries": (_is_count, "how often to ask again"),
    "stop_early": (lambda value: isinstance(value, bool), "True or False"),
    "restarts": (lambda value: isinstance(value, bool), "True or False"),
    "max_retries": (_is_count, "how often to try again"),
    "output": (lambda value: value in _MODES, f"one of {', '.join(map(repr, _MODES))}"),
    "reading": (lambda value: value in _READINGS, f"one of {', '.join(map(repr, _READINGS))}"),
    "reasoning_tags": (lambda value: isinstance(value, bool), "True or False"),
    "system": (lambda value: isinstance(value, str), "a text, the system prompt"),
    "state": (lambda value: value == "server", "'server', where the provider keeps the conversation"),
    "templates": (_is_mapping, "a mapping of templates by name"),
    "headers": (lambda value: callable(value) or _is_mapping(value), "headers, or a function that gives them"),
    "extra_body": (_is_mapping, "a mapping of fields to put into the body"),
    "cache": (
        lambda value: value == "auto" or isinstance(value, Prefix),
        "'auto', or a declarai_like.providers.Prefix",
    ),
    "api": (lambda value: value in _APIS, f"one of {', '.join(map(repr, _APIS))}"),
    **dict.fromkeys(sorted(TIMES), (_is_time, "seconds above zero, or None for no limit")),
    **dict.fromkeys(sorted(SIZES), (_is_size, "a number above zero, or None for no limit")),
}


def check_option(name: str, value: Any, also: Collection[str] = ()) -> None:
    """Check the value of an option."""
    if name not in _RULES:
        raise DefinitionError(describe_unknown(name, [*_RULES, *sorted(TOOL_OPTIONS), *also]))
    fits, what = _RULES[name]
    if looks_like_key(value):
        raise DefinitionError(f"{name}: expected {what}, got a key; keys are given to the provider, as openai_token=")
    if not fits(value):
        raise DefinitionError(f"{name}: expected {what}, got {value!r:.200}")


def check_middleware(middleware: Any) -> Any:
    """Check that this can stand around a call."""
    if isinstance(middleware, type) and not issubclass(middleware, TaskMiddleware):
        raise DefinitionError(f"expected a subclass of TaskMiddleware, got the class {middleware.__name__}")
    if not callable(middleware):
        raise DefinitionError(f"expected a middleware, a generator function of (request, send), got {middleware!r}")
    return middleware


def check_state(state: str | None, told: Mapping[str, Any]) -> None:
    """Raise `DefinitionError` where a conversation is to be kept by the provider, and its parameters forbid it."""
    if state == "server" and told.get("store") is False:
        raise DefinitionError("state='server' has the provider keep the conversation, and store=False forbids it")

"""`declarai-like show`: print what a task would send, without sending it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from declarai_like._calls.prompt_tokens import image_tokens
from declarai_like._cli._arguments import HINT, parameters, read_arguments
from declarai_like._cli._console import make_printer
from declarai_like._cli._targets import find
from declarai_like._prompting.texts import compile_messages
from declarai_like._prompting.tokens import count_tokens
from declarai_like.errors import ConfigurationError
from declarai_like.media._blanks import blank_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from declarai_like.messages import Message
    from declarai_like.requests import Request

__all__ = ["show"]

_COLOURS = {"system": "bold magenta", "user": "bold cyan", "assistant": "bold green"}


def show(target: str, arguments: Iterable[str], *, as_json: bool = False, as_request: bool = False) -> None:
    """Print the messages of the task at `target`, called with `name=value` arguments.

    `as_json` prints them as they go over the wire, `as_request` the whole request. Raises `ConfigurationError` if
    there is no such task, or its module cannot be imported, and `TypeError` if the arguments are not the task's.
    """
    task = find(target)
    try:
        given = read_arguments(arguments, task)
        messages = compile_messages(task, given)
    except TypeError as exc:
        raise TypeError(f"{exc} ({HINT})") from None
    if as_request:
        print(_json(_body(task, given, messages)))
    elif as_json:
        print(_json([message.wire() for message in messages]))
    else:
        _print(task, given, messages)


def _body(task: Any, given: Mapping[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    """Give the body that would be sent, as the provider spells it; what headers hold is not shown."""
    from declarai_like._cli._prompt_lock import hide_secrets, is_declared, outline_request

    if not is_declared(task):
        raise ConfigurationError(f"only tasks, chats and prompts with a model make requests, not {task!r:.80}")
    outline = outline_request(task)
    request = _request(outline, _params(task, given), messages)
    body: dict[str, Any] = hide_secrets(blank_bytes(outline.provider.encode(request)))
    return body


def _request(outline: Any, params: Mapping[str, Any], messages: Sequence[Message]) -> Request:
    from declarai_like.requests import Request

    return Request(
        model=outline.model,
        messages=tuple(messages),
        stream=outline.options.streaming,
        params={**outline.params, **params},
        response_format=outline.response_format,
        tools=outline.tools,
        provider=outline.provider,
    )


def _params(task: Any, given: Mapping[str, Any]) -> Any:
    """Give the model's parameters for this call, where the task itself has no parameter of that name."""
    return {} if "llm_params" in parameters(task) else given.get("llm_params") or {}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_wire)


def _wire(value: Any) -> Any:
    """Spell what a provider's body holds beside plain data."""
    return value.wire() if hasattr(value, "wire") else repr(value)


def _print(task: Any, given: Mapping[str, Any], messages: Sequence[Message]) -> None:
    """Print each message under its role, and below them what else is sent; with estimated tokens."""
    print_styled = make_printer()
    total = 0
    for message in messages:
        role, count = str(message.role), count_tokens(message.message)
        total += count
        print_styled(
            f"{role}: (about {count} {'token' if count == 1 else 'tokens'})", _COLOURS.get(role, "bold yellow")
        )
        print(message.message.strip("\n"), end="\n\n")
    print_styled(f"about {total} tokens in all (an estimate: four characters of Latin script for one)", "dim")
    for line in _settings(task, given, messages):
        print_styled(line, "dim")


def _settings(task: Any, given: Mapping[str, Any], messages: Sequence[Message]) -> Iterator[str]:
    """Tell the model, its parameters, images and the schema of what is sent; nothing of what only has `compile`."""
    from declarai_like._cli._prompt_lock import hide_secrets, is_declared, outline_request

    if not is_declared(task):
        return
    outline = outline_request(task)
    yield f"model: {outline.provider.name} {outline.model}"
    params = hide_secrets({**outline.params, **_params(task, given)})
    if params:
        yield f"parameters: {json.dumps(params, ensure_ascii=False, default=repr)}"
    images = sum(image_tokens(_request(outline, {}, messages)))
    if images:
        yield f"images: about {images} tokens more, by the rule of the provider"
    if outline.response_format is not None:
        count = count_tokens(json.dumps(outline.response_format))
        yield f"schema: {outline.output.type_name}, about {count} tokens more (--request shows it)"

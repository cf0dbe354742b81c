"""What is locked of prompts: everything that reaches a model, as text that a review can read.

A lock holds the prompts of tasks (with `{name}` in the place of each argument), of chats and of class prompts, with
their schemas, models and parameters. It holds no key, no address and nothing of the machine that wrote it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from declarai_like._prompting.instructions import output_instructions
from declarai_like._prompting.texts import unified_diff
from declarai_like.chats import Chat
from declarai_like.errors import ConfigurationError
from declarai_like.messages import Message, MessageRole
from declarai_like.prompts import Prompt
from declarai_like.providers._secrets import MASK, is_secret_name
from declarai_like.tasks import BaseTask
from declarai_like.tools.declarations import read_tool
from declarai_like.tools.sources import is_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from declarai_like._calls.options import Options
    from declarai_like._outputs.output import Output
    from declarai_like.providers.base import Provider

__all__ = [
    "Change",
    "RequestOutline",
    "changes",
    "dump",
    "hide_secrets",
    "is_declared",
    "load",
    "lock",
    "merge_locks",
    "outline_request",
    "tool_sources",
]

FORMAT = 1
_TEMPLATES = "library_templates"


@dataclass(frozen=True, slots=True)
class Change:
    """How one prompt is not as it was locked; `diff` is unified, of the lock's own lines."""

    name: str
    kind: Literal["new", "changed", "gone"]
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutline:
    """What a declaration sends, whatever its arguments."""

    kind: Literal["task", "chat", "prompt"]
    provider: Provider
    model: str
    output: Output[Any]
    options: Options
    params: Mapping[str, Any]
    tools: tuple[Any, ...] = ()

    @property
    def response_format(self) -> dict[str, Any] | None:
        """The schema of the answer as it goes over the wire."""
        return self.options.response_format(self.output, self.provider)


def is_declared(target: Any) -> bool:
    """Say whether this is a task, or a chat or class prompt (the class or an instance) that has a model."""
    if isinstance(target, BaseTask):
        return True
    cls = _class_of(target)
    if issubclass(cls, Chat):
        return cls.declared.provider is not None
    return issubclass(cls, Prompt) and cls.llm is not None and cls.__module__ != Prompt.__module__


def _class_of(target: Any) -> type:
    return target if isinstance(target, type) else type(target)


class _Parts(NamedTuple):
    """What a declaration is made of, of whatever kind it is."""

    kind: Literal["task", "chat", "prompt"]
    provider: Any
    output: Output[Any]
    options: Options
    params: Mapping[str, Any]


def _parts_of(target: Any) -> _Parts:
    """Read what `is_declared`."""
    if isinstance(target, BaseTask):
        declared = target.declared
        return _Parts("task", declared.provider, declared.output, declared.options, {})
    if issubclass(_class_of(target), Chat):
        chat = target.declared
        return _Parts("chat", chat.require_provider(), chat.output, chat.options, {})
    return _Parts("prompt", target.llm.llm, target.__prompt__.output, target.llm.options, target.call_params)


def outline_request(target: Any) -> RequestOutline:
    """Read what `is_declared`."""
    kind, provider, output, options, told = _parts_of(target)
    params = dict(told)
    model, tools = params.pop("model", None), params.pop("tools", None)
    return RequestOutline(
        kind=kind,
        provider=provider,
        model=model or options.model or provider.model,
        output=output,
        options=options,
        params={**options.llm_params, **params},
        tools=_tools_of(target, options, tools or ()),
    )


def _tools_of(target: Any, options: Options, listed: Iterable[Any]) -> tuple[Any, ...]:
    """Give the tools as they go over the wire: names, descriptions, schemas."""
    settings = options.tools
    schemas = [] if settings is None else [*settings.schemas, *map(_outline_tool, settings.listed)]
    schemas += [tool if isinstance(tool, dict) else _outline_tool(tool) for tool in listed]
    if issubclass(_class_of(target), Chat):
        methods = [getattr(_class_of(target), name) for name in target.declared.tool_names]
        schemas += [method.__get__(target).wire for method in methods]
    return tuple(schemas)


def _outline_tool(tool: Any) -> dict[str, Any]:
    return dict(tool.outline()) if is_source(tool) else read_tool(tool).wire


def tool_sources(targets: Iterable[Any]) -> list[Any]:
    """Give those who tell their tools when a call begins, of all that is declared."""
    listed: list[Any] = []
    for target in targets:
        parts = _parts_of(target)
        listed += [] if parts.options.tools is None else parts.options.tools.listed
        listed += parts.params.get("tools") or ()
    return list(filter(is_source, listed))


def hide_secrets(params: Any) -> Any:
    """Give parameters without what their fields hold whose names say that it is a secret."""
    if isinstance(params, Mapping):
        return {name: MASK if is_secret_name(str(name)) else hide_secrets(value) for name, value in params.items()}
    return [hide_secrets(value) for value in params] if isinstance(params, list | tuple) else params


def lock(targets: Mapping[str, Any], modules: Iterable[str]) -> dict[str, Any]:
    """Describe what was declared under these names; `modules` is where it was looked for."""
    return {
        "format": FORMAT,
        _TEMPLATES: _template_hash(),
        "modules": sorted(modules),
        "prompts": {name: _entry(targets[name]) for name in sorted(targets)},
    }


def dump(locked: Mapping[str, Any]) -> str:
    """Write a lock as the text of its file; equal locks give equal texts."""
    return _json(locked) + "\n"


def load(text: str, where: str) -> dict[str, Any]:
    """Read a lock; raises `ConfigurationError` if it is none, or one of a newer format."""
    try:
        locked = json.loads(text)
        number, prompts = locked["format"], locked["prompts"]
    except (ValueError, LookupError, TypeError) as exc:
        raise ConfigurationError(
            f"{where} is no prompt lock ({exc}): "
            "resolve what a merge left in it, or write it anew with `declarai-like lock`"
        ).with_cause(exc) from None
    if number != FORMAT or not isinstance(prompts, dict):
        raise ConfigurationError(
            f"{where} has the format {number!r}, this version knows {FORMAT}: upgrade declarai-like, or lock anew"
        )
    return dict(locked)


def changes(locked: Mapping[str, Any], current: Mapping[str, Any]) -> list[Change]:
    """Compare what is with what was locked, within the modules of `current`."""
    before, now = _within(locked["prompts"], current["modules"]), dict(current["prompts"])
    before[_TEMPLATES], now[_TEMPLATES] = locked.get(_TEMPLATES), current[_TEMPLATES]
    differences = [_change(name, before.get(name), now.get(name)) for name in sorted({*before, *now})]
    return [change for change in differences if change.diff]


def merge_locks(locked: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what is over what was locked; what is outside the modules of `current` stays."""
    inside = _within(locked["prompts"], current["modules"])
    kept = {name: entry for name, entry in locked["prompts"].items() if name not in inside}
    prompts = {**kept, **current["prompts"]}
    modules = sorted({*locked.get("modules", ()), *current["modules"]})
    return {**current, "modules": modules, "prompts": {name: prompts[name] for name in sorted(prompts)}}


def _within(prompts: Mapping[str, Any], modules: Iterable[str]) -> dict[str, Any]:
    prefixes = tuple(f"{module}{mark}" for module in modules for mark in ".:")
    return {name: entry for name, entry in prompts.items() if name.startswith(prefixes)}


def _change(name: str, before: Any, now: Any) -> Change:
    old, new = ([] if entry is None else _json(entry).splitlines() for entry in (before, now))
    kind: Literal["new", "changed", "gone"] = "new" if before is None else "gone" if now is None else "changed"
    return Change(name, kind, unified_diff(old, new, names=(f"{name} (locked)", f"{name} (now)")))


def _entry(target: Any) -> dict[str, Any]:
    """Describe one declaration; what is empty is left out."""
    outline = outline_request(target)
    options = outline.options
    entry = {
        "kind": outline.kind,
        "messages": [
            {"role": str(message.role), "text": _lines(message.message)}
            for message in _declared_messages(target, outline)
        ],
        "greeting": _lines(target.greeting or "") if outline.kind == "chat" else None,
        "provider": outline.provider.name,
        "model": outline.model,
        "parameters": _to_json_data(hide_secrets(dict(sorted(outline.params.items())))),
        "tools": _to_json_data(outline.tools),
        "returns": outline.output.type_name,
        "output": options.output,
        "response_format": outline.response_format,
        "retries": options.retries,
        "streaming": options.streaming,
        "templates": {name: _lines(text) for name, text in sorted(options.templates.items())},
    }
    return {name: value for name, value in entry.items() if value not in (None, {}, [], [""])}


def _declared_messages(target: Any, outline: RequestOutline) -> list[Message]:
    """Give the messages with a place for each argument."""
    if outline.kind == "task":
        messages: list[Message] = target.compile()["messages"]
        return messages
    if outline.kind == "chat":
        system, text = target.system, ""
    else:
        declaration = target.__prompt__
        system, text = declaration.system, declaration.text
    leads = outline.kind == "chat" or bool(system)
    instructions = output_instructions(
        outline.output,
        chat=leads,
        templates=outline.options.templates,
        shows_schema=outline.options.shows_schema,
    )
    opening = "\n".join(filter(None, (system, instructions)))
    roles = ((opening, MessageRole.system), (text, MessageRole.user))
    return [Message(text, role) for text, role in roles if text]


def _lines(text: str) -> list[str]:
    """Part a text so that joining the lines by line breaks gives it again."""
    return text.split("\n")


def _json(value: Any) -> str:
    # Keys stay in their order: a model answers in the order of the schema's properties.
    return json.dumps(value, ensure_ascii=False, indent=2)


def _to_json_data(value: Any) -> Any:
    """Write tools and parameters as data that is the same on every machine."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=lambda foreign: f"<{type(foreign).__qualname__}>")


def _template_hash() -> str:
    """Sum up the library's own words: they can change without a change in any prompt that is locked."""
    texts = {file.name: file.read_text("utf-8") for file in (files("declarai_like._prompting") / "templates").iterdir()}
    return "sha256:" + hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()

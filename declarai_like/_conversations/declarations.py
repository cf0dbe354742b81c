"""A chat class read once: what it says, laid over what its parents say."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass, field, is_dataclass, replace
from dis import get_instructions
from functools import lru_cache, partial, wraps
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from declarai_like._calls.options import Options
from declarai_like._conversations.windows import Window, window_of
from declarai_like._outputs.output import Output
from declarai_like._prompting.bodies import check_class_body
from declarai_like._prompting.misspellings import warn_of_misspelled
from declarai_like._prompting.signatures import Signature
from declarai_like._prompting.text_templates import check_text, text_names
from declarai_like.errors import DefinitionError
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.memory.base import MessageHistory, as_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from declarai_like.providers.base import Provider

__all__ = ["CHAT_OPTIONS", "ChatDeclaration", "declare", "placeholders_of", "sending", "sharing"]

CHAT_OPTIONS = frozenset({"chat_history", "greeting", "system", "keep_partial", "window"})
"""What a chat takes from the decorator, the class statement and the constructor, beside the options of a task."""
_RESERVED = frozenset({"message", "llm_params", "self"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDeclaration:
    """What a chat class says, its parents' words included."""

    where: str = "Chat"
    provider: Provider | None = None
    base_options: Options = field(default_factory=Options)
    """The provider's own options."""
    layers: tuple[Mapping[str, Any], ...] = ()
    """The options of a task that the classes told, the oldest first."""
    options: Options = field(default_factory=Options)
    """The layers, laid over the provider's options."""
    system: str = ""
    greeting: str | None = None
    placeholders: frozenset[str] = frozenset()
    """The names that the system prompts of this class and of its parents ask for."""
    taken: frozenset[str] = frozenset()
    """The names of a chat's own members, which no system prompt can ask for."""
    output: Output[Any] = field(default_factory=lambda: Output.of(str))
    reply_to: str = "message"
    """The name that the class gives to the message in its `send`."""
    is_async: bool = False
    """Whether `send` is awaited."""
    open_memory: Callable[[], MessageHistory] = InMemoryMessageHistory
    keep_partial: bool = False
    window: Window | None = None
    tool_names: tuple[str, ...] = ()
    """The names of the methods that are tools."""

    def require_provider(self) -> Provider:
        """Give the provider that the chat asks; raises `DefinitionError` if the class has none."""
        if self.provider is None:
            raise DefinitionError(
                f"{self.where}: there is no model to ask: decorate the class with @llm.chat, or derive it with llm=llm"
            )
        return self.provider


def declare(cls: type, llm: Any, told: Mapping[str, Any], *, taken: frozenset[str]) -> ChatDeclaration:
    """Read a class; raises `DefinitionError` if it cannot be a chat.

    `told` is what its decorator or class statement says; `taken` are names that a system prompt cannot ask for.
    """
    parent: ChatDeclaration = getattr(cls, "__chat__", ChatDeclaration())
    where = _where(cls)
    mine = {name: told[name] for name in CHAT_OPTIONS if told.get(name) is not None}
    system, greeting = _texts(cls, mine, where)
    system = parent.system if system is None else system
    for text in (system, greeting or ""):
        warn_of_misspelled(text, _own_names(cls), where)
    layer = {name: value for name, value in told.items() if name not in CHAT_OPTIONS}
    layers = (*parent.layers, layer)
    provider, base = (parent.provider, parent.base_options) if llm is None else _provider_of(llm, where)
    return replace(
        parent,
        where=where,
        provider=provider,
        base_options=base,
        layers=layers,
        options=_laid(base, layers),
        system=system,
        greeting=parent.greeting if greeting is None else greeting,
        placeholders=parent.placeholders.union(
            *(_check_placeholders(text, where, taken) for text in (system, greeting or ""))
        ),
        taken=taken,
        open_memory=_opener(mine["chat_history"]) if "chat_history" in mine else parent.open_memory,
        keep_partial=mine.get("keep_partial", parent.keep_partial),
        window=window_of(mine.get("window", parent.window)),
        tool_names=_tool_names(cls),
        **_reply(cls),
    )


def _own_names(cls: type) -> frozenset[str]:
    """Give the names that a class says its instances have: attributes, annotations, arguments of its constructor."""
    bases = _own_classes(cls)
    told = {name for base in bases for space in (vars(base), vars(base).get("__annotations__", {})) for name in space}
    constructors = [vars(base)["__init__"] for base in bases if inspect.isfunction(vars(base).get("__init__"))]
    arguments = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    return frozenset(name for name in told | arguments if not name.startswith("_") and name != "self")


@lru_cache(maxsize=256)
def placeholders_of(system: str, where: str) -> frozenset[str]:
    """Give the names that a system prompt asks for; raises `DefinitionError` for Jinja that is wrong."""
    return text_names(system, where)


def sending(cls: type, send: Callable[..., Any]) -> Any:
    """Give what stands for the class's own `send` if that only tells the reply's type; else `None`.

    It looks like the stub, and does what the next class's `send` does, in the end `send`.
    """
    stub = _own_send(cls)
    if stub is None or not _is_stub(stub):
        return None
    inherited = (vars(base)["send"] for base in cls.__mro__ if "send" in vars(base))
    spoken = next((method for method in inherited if not _is_stub(method)), send)

    @wraps(stub)
    def sent(self: Any, *args: Any, **kwargs: Any) -> Any:
        return spoken(self, *args, **kwargs)

    return sent


def sharing(init: Any, begin: Callable[..., None]) -> Any:
    """Give a class's own `__init__` its own arguments; what it does not name goes to the chat's, `begin`."""
    parameters = inspect.signature(init).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())

    @wraps(init)
    def shared(self: Any, *args: Any, **kwargs: Any) -> None:
        declared: ChatDeclaration = self.__chat__
        texts = [kwargs[name] for name in ("system", "greeting") if name not in parameters and kwargs.get(name)]
        placeholders = declared.placeholders.union(*(placeholders_of(text, declared.where) for text in texts))
        names = (CHAT_OPTIONS | placeholders).difference(parameters)
        begin(self, **{name: kwargs[name] for name in names & kwargs.keys()})
        gone = CHAT_OPTIONS if takes_all else names
        init(self, *args, **{name: value for name, value in kwargs.items() if name in parameters or name not in gone})

    return shared


def _is_stub(function: Any) -> bool:
    """Say whether a function does nothing, is not implemented, or stands for `magic(...)`."""
    code = function.__code__
    return "magic" in code.co_names or _steps(code) in _STUBS


def _provider_of(llm: Any, where: str) -> tuple[Provider, Options]:
    """Give the provider of a model and its options."""
    try:
        return llm.llm, llm.options
    except AttributeError as error:
        raise DefinitionError(
            f"{where}: expected llm= to be a model, as declarai.openai() gives, got {llm!r}"
        ).with_cause(error) from None


def _laid(base: Options, layers: tuple[Mapping[str, Any], ...]) -> Options:
    options = base
    for layer in layers:
        options = options.merge(sorted(CHAT_OPTIONS), **layer)
    return options


def _own_classes(cls: type) -> list[type]:
    """Give the class and its bases up to the first that is a chat already."""
    return list(takewhile(lambda base: "__chat__" not in vars(base), cls.__mro__))


def _texts(cls: type, mine: Mapping[str, Any], where: str) -> tuple[str | None, str | None]:
    """Give the class's own system prompt and greeting; `None` for what it does not say."""
    system, greeting = (_text(cls, name, mine.get(name), where) for name in ("system", "greeting"))
    if system is None and cls in _own_classes(cls):
        system = _docstring(cls)
    return system, greeting


def _text(cls: type, name: str, told: Any, where: str) -> str | None:
    """Give a text that was told, else the class's attribute of that name."""
    found = [told, *(vars(base).get(name) for base in _own_classes(cls))]
    text = next((text for text in found if text is not None and not inspect.ismemberdescriptor(text)), None)
    if text is None:
        return None
    if not isinstance(text, str):
        raise DefinitionError(
            f"{where}: expected {name} to be a text, got {text!r}; write {{name}} in it for what an attribute holds"
        )
    return inspect.cleandoc(text)


def _docstring(cls: type) -> str | None:
    """Give the class's own docstring; the signature that a dataclass writes into it is none."""
    text = cls.__doc__ or ""
    if not text:
        check_class_body(cls, _where(cls))
    is_signature = is_dataclass(cls) and text.startswith(f"{cls.__name__}(")
    return None if is_signature or not text.strip() else inspect.cleandoc(text)


def _where(cls: type) -> str:
    """Name a class and the place that is defining it just now, as in `SQLBot (app.py:12)`."""
    name = cls.__qualname__.rpartition("<locals>.")[2]
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    if frame is None:  # a class that was made elsewhere
        return name
    file = re.split(r"[/\\]", frame.f_code.co_filename)[-1]
    return f"{name} ({file}:{frame.f_lineno})"


def _check_placeholders(system: str, where: str, taken: frozenset[str]) -> frozenset[str]:
    """Give the names that a prompt asks for; those that are taken are text in single braces, and wrong in Jinja."""
    placeholders = placeholders_of(system, where).difference(taken, _RESERVED)
    check_text(system, sorted(placeholders), where)
    return placeholders


def _opener(history: Any) -> Callable[[], MessageHistory]:
    """Give what opens the memory of an instance: always the same object, or what a class or function makes."""
    if isinstance(history, type) or (callable(history) and not hasattr(history, "add_message")):
        return partial(_open_history, history)
    memory = as_memory(history)
    return lambda: memory


def _open_history(make: Callable[[], Any]) -> MessageHistory:
    return as_memory(make())


def _reply(cls: type) -> dict[str, Any]:
    """Give what the class's own `send` says: the reply's type if it is a stub, and whether it is awaited."""
    send = _own_send(cls)
    if send is None:
        return {}
    is_async = inspect.iscoroutinefunction(send) or inspect.isasyncgenfunction(send)
    if not _is_stub(send):
        return {"is_async": True} if is_async else {}
    signature = Signature.of(send)
    parameters = list(signature.signature.parameters.values())
    if not parameters or any(other.kind is not other.VAR_KEYWORD for other in parameters[1:]):
        raise DefinitionError(
            f"{signature.where}: send takes one message; values for the system prompt need not be declared"
        )
    output: Output[Any] = Output.of(
        signature.annotation,
        key=signature.return_name or "declarai_result",
        description=signature.return_description,
        where=signature.where,
    )
    return {"output": output, "reply_to": parameters[0].name, "is_async": is_async}


def _tool_names(cls: type) -> tuple[str, ...]:
    """Give the names of the methods that are tools, the parents' first, in the order in which they stand."""
    tools: Any = sys.modules.get("declarai_like.tools.declarations")  # without it there is none
    kinds = () if tools is None else (tools.Tool,)
    members = (name for base in reversed(cls.__mro__) for name in vars(base))
    return tuple(name for name in dict.fromkeys(members) if isinstance(getattr(cls, name, None), kinds))


def _own_send(cls: type) -> Any:
    send = next((vars(base)["send"] for base in _own_classes(cls) if "send" in vars(base)), None)
    return send if inspect.isfunction(send) else None


def _steps(code: Any) -> list[tuple[str, Any]]:
    return [(step.opname, step.argval) for step in get_instructions(code)]


def _empty() -> None: ...


async def _empty_async() -> None: ...


def _not_implemented() -> None:
    raise NotImplementedError  # pragma: no cover - it is read, not run


async def _not_implemented_async() -> None:
    raise NotImplementedError  # pragma: no cover - it is read, not run


_STUBS = [_steps(stub.__code__) for stub in (_empty, _empty_async, _not_implemented, _not_implemented_async)]
"""Empty bodies as this very interpreter compiles them."""

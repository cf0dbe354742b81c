"""What serving needs of tasks, chats and models: the only module here that looks into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from declarai_like._calls.values import value_of
from declarai_like._prompting.text_templates import required_names
from declarai_like.chats import Chat
from declarai_like.errors import ArgumentError, ConfigurationError, DeclaraiError, MediaError
from declarai_like.serve._arguments import Arguments, return_schema, values_schema
from declarai_like.serve._problems import Problem
from declarai_like.tasks import AsyncStreamingTask, BaseTask, StreamingTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like._calls.flow import Call
    from declarai_like._declarai import Declarai
    from declarai_like.memory import MessageHistory
    from declarai_like.messages import Message
    from declarai_like.responses import LLMResponse
    from declarai_like.serve._uploads import Posted
    from declarai_like.tools import RunStore

__all__ = ["ServedChat", "ServedModel", "ServedTask", "read_result", "serve_chats", "serve_models", "serve_tasks"]

_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, eq=False)
class ServedTask:
    """A task under the name it is served by."""

    name: str
    task: BaseTask[..., Any, Any]
    arguments: Arguments
    returns: dict[str, Any] | None
    streaming: bool
    max_tokens: int | None

    @property
    def runs(self) -> RunStore | None:
        """The run store that the task declares."""
        tools = self.task.declared.options.tools
        return None if tools is None else tools.runs

    def call(self, data: bytes | str, params: Mapping[str, Any], *, streaming: bool) -> Call[Any]:
        """Put a call together from JSON arguments; raises `Problem` if they do not fit."""
        return self._call(self.arguments.read(data), params, streaming=streaming)

    def call_posted(self, posted: Posted, *, streaming: bool) -> Call[Any]:
        """Put a call together from JSON or a form; raises `Problem` if the arguments do not fit."""
        read = self.arguments.read_form(posted) if posted.is_form else self.arguments.read(posted.body)
        return self._call(read, {}, streaming=streaming)

    def _call(
        self, read: tuple[tuple[Any, ...], dict[str, Any]], params: Mapping[str, Any], *, streaming: bool
    ) -> Call[Any]:
        args, kwargs = read
        task, params = self.task, limit_tokens(self.task.llm_params, params, self.max_tokens)
        if params:
            task = task.with_options(llm_params=params)  # type: ignore[attr-defined]  # each kind of task has it
        with _explaining_arguments():
            return task.prepare_call(args, kwargs, streaming=streaming)


@dataclass(frozen=True, eq=False)
class ServedChat:
    """A chat class under the name it is served by.

    `open_names` are what its system prompt leaves open, `required_names` those of them that it cannot do without:
    names in single braces may be meant as text, and the constructor has `defaults` for some.
    """

    name: str
    chat: type[Chat]
    open_names: frozenset[str]
    required_names: frozenset[str]
    defaults: Mapping[str, Any]
    max_tokens: int | None

    @property
    def runs(self) -> RunStore | None:
        """The run store that the class declares."""
        tools = self.chat.declared.options.tools
        return None if tools is None else tools.runs

    @property
    def greeting(self) -> str | None:
        """What the chat says first."""
        return self.chat.greeting

    @property
    def values(self) -> dict[str, Any]:
        """The schema of the values for its system prompt."""
        return values_schema(self.open_names, self.required_names, self.defaults)

    def open(self, memory: MessageHistory) -> Any:
        """Begin a conversation in this memory, or go on with it."""
        return self.chat(chat_history=memory)

    def call(
        self,
        bot: Any,
        message: str,
        values: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        streaming: bool,
        told: Mapping[str, Any] | None = None,
    ) -> Call[Any]:
        """Put a turn together; raises `Problem` if the values are not those that are left open.

        `told` is what goes with the message: `files`, and what becomes of calls that wait (`pending`).
        What the class itself says in its attributes is the owner's, and no request can change it.
        """
        unknown, missing = sorted(values.keys() - self.open_names), sorted(self.required_names - values.keys())
        if unknown:
            raise Problem(422, f"the system prompt takes no {', '.join(name[:80] for name in unknown[:5])}")
        if missing:
            raise Problem(422, f"the system prompt needs values: {', '.join(missing)}")
        params = limit_tokens(self.chat.declared.options.llm_params, params, self.max_tokens)
        with _explaining_arguments():
            call: Call[Any] = bot.prepare_turn(message, values, params, told, streaming=streaming)
        return call


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that is passed through, under the name it is served by."""

    name: str
    llm: Declarai
    max_tokens: int | None

    def call(
        self, messages: list[Message], tools: list[Any], params: Mapping[str, Any], *, streaming: bool
    ) -> Call[Any]:
        """Put a call of messages together."""
        params = limit_tokens(self.llm.options.llm_params, params, self.max_tokens)
        request, output = self.llm.build_request(messages, str, tools, None, params, streaming=streaming)
        return self.llm.prepare_call(request, output)

    def complete(self, prompt: str | list[str], params: Mapping[str, Any], *, streaming: bool) -> Call[Any]:
        """Put the continuation of a text together."""
        params = limit_tokens(self.llm.options.llm_params, params, self.max_tokens)
        return self.llm.prepare_completion(prompt, None, params, streaming=streaming)


@contextmanager
def _explaining_arguments() -> Iterator[None]:
    """Raise `Problem` for arguments of which no prompt can be made; other errors are not the caller's fault."""
    try:
        yield
    except DeclaraiError as error:
        # A template that cannot be rendered is told by the class of all: what it was given is wrong, or it is.
        if isinstance(error, MediaError):
            raise Problem(422, "a file is not of a type that is taken") from error
        if isinstance(error, ArgumentError) or type(error) is DeclaraiError:
            raise Problem(422, "no prompt can be made of these arguments") from error
        raise


def read_result(call: Call[Any]) -> tuple[Any, LLMResponse]:
    """Give the value and the answer of a call that has been made."""
    result = call.result
    if result is None:  # the end was reached: there is a result
        raise AssertionError  # pragma: no cover - see above
    response = result.response
    return (value_of(response, call.output) if result.value is None else result.value), response


def limit_tokens(declared: Mapping[str, Any], asked: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """Give the parameters of one call: the answer is never longer than asked, declared, or allowed."""
    params = {name: value for name, value in asked.items() if name not in _LIMITS}
    limits = [*(source.get(name) for source in (asked, declared) for name in _LIMITS), limit]
    counts = [count for count in limits if isinstance(count, int)]
    if not counts:
        return params
    name = next((name for source in (declared, asked) for name in _LIMITS if name in source), "max_tokens")
    return params if declared.get(name) == min(counts) else {**params, name: min(counts)}


def serve_tasks(tasks: Iterable[Any] | Mapping[str, Any], max_tokens: int | None) -> dict[str, ServedTask]:
    """Read the tasks to be served; raises `ConfigurationError` for what is none."""
    served = {}
    for name, task in _pair_with_names(tasks, "tasks"):
        if not isinstance(task, BaseTask):
            raise ConfigurationError(
                f"expected a task to serve, got {task!r:.80}: decorate the function with @llm.task"
            )
        declared = task.declared
        served[name] = ServedTask(
            name,
            task,
            Arguments(declared.signature),
            return_schema(declared.output.annotation),
            isinstance(task, (StreamingTask, AsyncStreamingTask)),
            max_tokens,
        )
    return served


def serve_chats(chats: Iterable[Any] | Mapping[str, Any], max_tokens: int | None) -> dict[str, ServedChat]:
    """Read the chat classes to be served; raises `ConfigurationError` for what is none."""
    served = {}
    for name, chat in _pair_with_names(chats, "chats"):
        if not (isinstance(chat, type) and issubclass(chat, Chat)):
            raise ConfigurationError(f"expected a chat class to serve, got {chat!r:.80}: decorate it with @llm.chat")
        declared = chat.declared
        declared.require_provider()
        placeholders = frozenset(n for n in declared.placeholders if not hasattr(chat, n))
        defaults = _constructor_defaults(chat, name)
        required = (required_names(declared.system, declared.where) & placeholders) - defaults.keys()
        served[name] = ServedChat(name, chat, placeholders, required, defaults, max_tokens)
    return served


def _constructor_defaults(chat: type[Chat], name: str) -> dict[str, Any]:
    """Give what the constructor takes by itself; raises `ConfigurationError` if it cannot do without arguments."""
    told = [
        p
        for p in list(signature(chat.__init__).parameters.values())[1:]
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    needed = [p.name for p in told if p.default is p.empty]
    if needed:
        raise ConfigurationError(
            f"chats: {name} is made anew for each conversation, and its constructor needs {', '.join(needed)}: "
            "give it defaults, or leave the values to the system prompt as {{ name }}"
        )
    return {p.name: p.default for p in told}


def serve_models(models: Iterable[Any] | Mapping[str, Any], max_tokens: int | None) -> dict[str, ServedModel]:
    """Read the models to be passed through; one that has no name is known by its model's."""
    from declarai_like._direct import Direct

    served = {}
    for name, llm in _pair_with_names(models, "providers"):
        if not isinstance(llm, Direct):
            raise ConfigurationError(f"expected a model to pass through, as declarai.openai() gives, got {llm!r:.80}")
        served[name] = ServedModel(name, llm, max_tokens)  # type: ignore[arg-type]  # a Declarai is the Direct there is
    return served


def _pair_with_names(things: Iterable[Any] | Mapping[str, Any], option: str) -> list[tuple[str, Any]]:
    """Give things with their names; raises `ConfigurationError` for what is no list, and a name that comes twice."""
    if isinstance(things, Mapping):
        if unnamed := [name for name in things if not isinstance(name, str) or not name]:
            raise ConfigurationError(f"{option}: expected names to serve under, got {unnamed[0]!r:.80}")
        return list(things.items())
    if isinstance(things, (str, bytes)) or not isinstance(things, Iterable):
        shown = getattr(things, "__name__", None) or repr(things)
        raise ConfigurationError(f"{option} is a list, or a mapping of names, got {shown:.80}: write {option}=[...]")
    pairs = [(_default_name(thing), thing) for thing in things]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{twice[0]!r} comes twice: give a mapping of names to what is served")
    return pairs


def _default_name(thing: Any) -> str:
    provider = getattr(thing, "llm", None)
    return str(getattr(thing, "__name__", None) or getattr(provider, "model", None) or thing)

"""Classes as chats: a class with a system prompt becomes conversations with a model."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from declarai_like._calls import runner
from declarai_like._conversations.chat_calls import ChatCalls
from declarai_like._conversations.class_properties import ClassProperty, Declared
from declarai_like._conversations.conversation import (
    with_greeting,
    without_empty_replies,
)
from declarai_like._conversations.declarations import ChatDeclaration, declare, placeholders_of, sending, sharing
from declarai_like._conversations.starting import start_async_turn, start_turn
from declarai_like._conversations.system_prompt import SystemPrompt
from declarai_like._conversations.windows import LastTurns, Summarise, TokenBudget, Window, window_of
from declarai_like.errors import DefinitionError
from declarai_like.media._parts import media_in
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.memory.base import as_memory
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from declarai_like._calls.flow import Call
    from declarai_like.memory.base import HistoryLike
    from declarai_like.responses import LLMResponse, Result
    from declarai_like.streams import AsyncStream, Stream
    from declarai_like.tools.run_stores import RunStore

__all__ = ["Chat", "LastTurns", "Summarise", "TokenBudget"]

T = TypeVar("T")
_OF_TURNS = ("files", "deps", "runs", "run_id", "pending")
"""What a `send` takes besides, most of it for its tools, unless the system prompt asks for such a name."""


class Chat(ChatCalls):
    """A conversation with a model: `class Bot(Chat, llm=llm)`, or a plain class under `@llm.chat`.

    The docstring is the system prompt, unless `system` is given: as a class attribute, to the decorator, or to the
    constructor, each before the last. Names in it, `{name}` or `{{ name }}`, are attributes of the instance; the
    constructor takes them beside its own arguments. A stub `def send(self, message: str) -> T: ...` gives the type
    of the replies, and with `async def` makes `send` awaitable. A turn (a message and its reply) enters the history
    as a whole when the reply is complete, and not at all when it fails; turns of one chat wait for each other.

    >>> from declarai_like.testing import FakeLLM
    >>> class SQLBot(Chat, llm=FakeLLM(["A table."])):
    ...     "You are an expert in {dialect}."
    >>> bot = SQLBot(dialect="postgres")
    >>> bot.send("What is users?")
    'A table.'
    >>> bot.system, len(bot.conversation)
    ('You are an expert in postgres.', 2)
    """

    __chat__: ClassVar[ChatDeclaration] = ChatDeclaration()

    def __init_subclass__(cls, *, llm: Any = None, **options: Any) -> None:
        """Read the class; raises `DefinitionError` if it cannot be a chat."""
        super().__init_subclass__()
        if "__chat__" not in vars(cls):  # a class that is copied, as by `dataclass(slots=True)`, has been read
            for name, member in _members(cls, llm, options).items():
                setattr(cls, name, member)

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Make the instance; its class's `__init__`, which may have come after the class, is made to share."""
        if not hasattr(cls.__init__, "takes_for_chat"):
            cls.__init__ = sharing(cls.__init__, Chat.__init__)  # type: ignore[method-assign]  # it keeps its arguments
            cls.__init__.takes_for_chat = True  # type: ignore[attr-defined]  # a mark on a function
        return super().__new__(cls)

    def __init__(
        self,
        *,
        chat_history: HistoryLike | None = None,
        greeting: str | None = None,
        system: str | None = None,
        keep_partial: bool | None = None,
        window: Window | int | None = None,
        **values: Any,
    ) -> None:
        """Begin a conversation, or go on with the one that is in `chat_history`; `values` fill the system prompt.

        Raises `TypeError` for a value that the prompt does not ask for.
        """
        self.__chat__.require_provider()
        is_new = "_session" not in vars(self)  # a class's own `__init__` may call this one again
        session = self._session
        if chat_history is not None:
            session.memory = as_memory(chat_history)
        elif is_new:
            session.memory = self.__chat__.open_memory()
        if greeting is not None:
            self.greeting = greeting
        if system is not None:
            self.system = system
        if keep_partial is not None:
            session.keep_partial = keep_partial
        if window is not None:
            session.window = window_of(window)
        greeted = placeholders_of(session.greeting or "", self.__chat__.where)
        self._system_prompt().refuse_unknown({n: values[n] for n in values.keys() - greeted}, self.__name__)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    __init__.takes_for_chat = True  # type: ignore[attr-defined]  # a mark on a function
    __new__.__signature__ = inspect.signature(__init__)  # type: ignore[attr-defined]  # what `inspect` is to show

    def _read_system(self) -> str:
        return self._system_prompt().render_or_source({})

    def _write_system(self, text: str) -> None:
        self._session.system = text

    def _read_greeting(self) -> str | None:
        own = self._session.greeting
        text = self.__chat__.greeting if own is None else own
        return SystemPrompt(text, self, self.__chat__).render_or_source({}) if text else None

    def _write_greeting(self, text: str) -> None:
        self._session.greeting = text

    declared = Declared()
    system = ClassProperty[str](lambda owner: owner.__chat__.system, _read_system, _write_system)
    """The system prompt: of the class as declared, of an instance with its values; to be set on an instance."""
    greeting = ClassProperty["str | None"](
        lambda owner: owner.__chat__.greeting or None, _read_greeting, _write_greeting
    )
    """What the assistant says first, or `None`; to be set on an instance."""

    @property
    def conversation(self) -> list[Message]:
        """The messages so far without the system prompt, a copy; reads the store."""
        return [message.well_formed() for message in with_greeting(self._session.memory.history, self.greeting)]

    @property
    def llm_response(self) -> LLMResponse | None:
        """The answer of the last turn, as far as it has come; `None` before the first."""
        answer = self._session.answer
        return None if answer is None else answer.response

    @property
    def system_template(self) -> str:
        """The system prompt as it was written."""
        return self._system_prompt().text

    @property
    def __name__(self) -> str:
        return type(self).__name__  # type: ignore[return-value]  # the class's name is no property

    def compile(self, message: str | None = None, **values: Any) -> dict[str, list[Message]]:
        """Give the messages that would be sent, without sending them.

        A prompt that lacks a value is shown as it was written; where the window would have to ask a model first, the
        whole history is shown.
        """
        _require_instance(self, "compile")
        self._system_prompt().refuse_unknown(values, f"{self.__name__}.compile")
        opening = self._opening(self._system_prompt().render_or_source(values))
        new = [] if message is None else [Message(message)]
        return {
            "messages": [
                *opening,
                *self._apply_window(without_empty_replies(self.conversation), [*opening, *new]),
                *new,
            ]
        }

    def add_message(self, message: str, role: str | MessageRole = MessageRole.user, *, pinned: bool = False) -> None:
        """Add a message to the history; a pinned one is sent whatever the window leaves out.

        Raises `ValueError` for an unknown role.
        """
        added, session = Message(message, role, pinned=pinned), self._session

        def add() -> None:
            first = [] if session.memory.history else with_greeting((), self.greeting)
            session.memory.add_messages([*first, added])

        session.queue.run(add)

    def set_memory(self, chat_history: HistoryLike) -> None:
        """Go on with the conversation in another memory."""
        memory, session = as_memory(chat_history), self._session
        session.queue.run(lambda: session.go_on_in(memory))

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Say something and give the reply: its typed value, or a generator of responses on a streaming chat.

        The message is the first argument, or named `message` or as in the class's own `send`. Other names fill the
        system prompt, of this turn and, once it is stored, of those after it that do not give them; `llm_params` are
        the model's parameters for this turn, and `files` a list of media that go with the message, as
        `[Image.open("cat.jpg")]`. A chat with `async def send` gives a coroutine, or an async generator.
        Raises `TypeError` for a name that the prompt does not ask for.
        """
        _require_instance(self, "send")
        return self._answer(self.prepare_turn(*self._split_arguments(args, kwargs)))

    def asend(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `send` does, in an event loop: await it, or iterate it on a streaming chat."""
        _require_instance(self, "asend")
        return start_async_turn(self.prepare_turn(*self._split_arguments(args, kwargs)))

    def resume(
        self,
        run: str,
        decisions: Mapping[str, Any] | None = None,
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
    ) -> Any:
        """Go on with a turn whose tools wait for decisions; give its `Result`, or the coroutine of an async chat.

        The arguments and the errors are those of a task's `resume`. The turn enters the history when it is over.
        """
        if self.__chat__.is_async:
            return self.aresume(run, decisions, runs=runs, deps=deps)
        return runner.run(self.prepare_resume(run, decisions or {}, runs=runs, deps=deps))

    async def aresume(
        self,
        run: str,
        decisions: Mapping[str, Any] | None = None,
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
    ) -> Result[Any]:
        """Do what `resume` does, in an event loop."""
        return await runner.arun(self.prepare_resume(run, decisions or {}, runs=runs, deps=deps))

    def stream(self, *args: Any, **kwargs: Any) -> Stream[Any] | Any:
        """Give a turn as a stream of events, to be entered with `with` (`async with` on an async chat)."""
        _require_instance(self, "stream")
        from declarai_like.streams import Stream

        if self.__chat__.is_async:
            return self.astream(*args, **kwargs)
        arguments = self._split_arguments(args, kwargs)
        return Stream(lambda: self.prepare_turn(*arguments, streaming=True, as_events=True))

    def astream(self, *args: Any, **kwargs: Any) -> AsyncStream[Any]:
        """Give a turn as a stream of events, to be entered with `async with`."""
        _require_instance(self, "astream")
        from declarai_like.streams import AsyncStream

        arguments = self._split_arguments(args, kwargs)
        return AsyncStream(lambda: self.prepare_turn(*arguments, streaming=True, as_events=True))

    def undo(self) -> tuple[Message, ...]:
        """Take back the last turn, and give what it was.

        Raises `HistoryError`, and takes nothing back, if there is none, or if another one has stored a turn meanwhile.
        """
        return self._session.queue.run(self._session.undo)

    def regenerate(self, *, llm_params: Mapping[str, Any] | None = None, **values: Any) -> Any:
        """Ask for another reply to the last message; the old one stays if that fails.

        It is asked for under the system prompt that the turn had, but for `values`. Raises `HistoryError` if nothing
        has been said yet, and `HistoryWriteError` with the new reply if another one has stored a turn meanwhile.
        """
        self._system_prompt().refuse_unknown(values, f"{self.__name__}.regenerate")
        return self._answer(self.prepare_turn(None, values, llm_params))

    def aregenerate(self, *, llm_params: Mapping[str, Any] | None = None, **values: Any) -> Any:
        """Do what `regenerate` does, in an event loop."""
        self._system_prompt().refuse_unknown(values, f"{self.__name__}.aregenerate")
        return start_async_turn(self.prepare_turn(None, values, llm_params))

    def fork(self) -> Any:
        """Give a second conversation that begins with a copy of this one, kept in memory."""
        other = copy.copy(self)
        memory = InMemoryMessageHistory()
        history = self._session.memory.history
        for media in media_in(history):
            _ = media.data  # the other one's memory has to outlive this one's
        memory.add_messages(history)
        vars(other)["_session"] = self._session.fork(memory)
        return other

    def _answer(self, call: Call[Any]) -> Any:
        return start_async_turn(call) if self.__chat__.is_async else start_turn(call)

    def _split_arguments(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any]]:
        """Part the arguments of a `send`: the message, the prompt's values, the model's parameters, the tools' own."""
        values = dict(kwargs)
        llm_params = values.pop("llm_params", None)
        names = dict.fromkeys((self.__chat__.reply_to, "message"))
        given = [*args, *(values.pop(name) for name in names if name in values)]
        if len(given) != 1:
            raise TypeError(f"{self.__name__}.send() takes one message, {len(given)} were given")
        if not isinstance(given[0], str):
            raise TypeError(f"{self.__name__}.send() takes a text as its message, got {given[0]!r:.80}")
        placeholders = self.__chat__.placeholders
        told = {name: values.pop(name) for name in _OF_TURNS if name in values and name not in placeholders}
        self._system_prompt().refuse_unknown(values, f"{self.__name__}.send")
        return given[0], values, llm_params, told


def _require_instance(chat: Any, method: str) -> None:
    """Raise `DefinitionError` for a method that was called on the class: there is no conversation."""
    if not isinstance(chat, Chat):
        raise DefinitionError(
            f"{method}() was called on the class, not on a conversation: make one first, as in `bot = Bot()`, "
            f"and call `bot.{method}({chat!r:.40})`"
        )


def make_chat(cls: type, llm: Any, options: Mapping[str, Any]) -> Any:
    """Make a chat of a class: a subclass of it, under its own name, that is a `Chat` too."""
    if not isinstance(cls, type):
        raise DefinitionError(f"expected a class to make a chat of, got {cls!r}")
    own = ("__module__", "__qualname__", "__doc__", "__firstlineno__")
    # Its metaclass and its bases need not know our keywords: what they would bring is given as members.
    members = {name: vars(cls)[name] for name in own if name in vars(cls)} | _members(cls, llm, options)
    return type(cls)(cls.__name__, (cls,) if issubclass(cls, Chat) else (cls, Chat), members)


def _members(cls: type, llm: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give what makes a chat of a class."""
    members = {
        "declared": vars(Chat)["declared"],
        "__chat__": declare(cls, llm, options, taken=frozenset(dir(Chat))),
        "system": vars(Chat)["system"],
        "greeting": vars(Chat)["greeting"],
    }
    send = sending(cls, Chat.send)
    return members if send is None else {**members, "send": send}

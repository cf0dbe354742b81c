"""`declarai-like chat`: talk to a chat on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from declarai_like._cli._arguments import HINT, read_arguments
from declarai_like._cli._following import as_json, print_stream, print_value, read_stream, response_data, wait_for
from declarai_like._cli._targets import find
from declarai_like.chats import Chat
from declarai_like.errors import ApprovalRequired, ConfigurationError, DeclaraiError
from declarai_like.memory import SQLiteMessageHistory
from declarai_like.streams import AsyncStream, Stream
from declarai_like.tools import Deny

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from declarai_like.tools import ToolRequest

__all__ = ["talk"]

_PROMPT = "> "
_HELP = """\
/undo    take back the last turn
/again   ask for another reply to the last message
/tools   list the tools that the chat may call
/history show what has been said
/quit    leave (Ctrl-D does too); Ctrl-C stops an answer, and the chat goes on"""


def talk(
    target: str,
    arguments: Iterable[str],
    *,
    session: str = "default",
    memory: str | None = None,
    as_data: bool = False,
) -> None:
    """Talk to the chat at `target`, made with `name=value` arguments, until the input ends.

    With `memory`, a SQLite file, the conversation `session` is gone on with. `as_data` prints one JSON object a line
    for each reply. Raises `ConfigurationError` if there is no such chat, `TypeError` if the arguments are not its own.
    """
    history = {} if memory is None else {"chat_history": SQLiteMessageHistory(session, memory)}
    bot = _open(target, arguments, history)
    terminal = JsonLines(bot) if as_data else Terminal(bot)
    terminal.greet()
    for line in _lines(shows_prompt=not as_data and sys.stdin.isatty()):
        terminal.take(line)


def _open(target: str, arguments: Iterable[str], history: dict[str, Any]) -> Any:
    chat = find(target)
    if not (isinstance(chat, type) and issubclass(chat, Chat)):
        raise ConfigurationError(f"{target!r} is no chat: `declarai-like run` calls a task")
    given = read_arguments(arguments, chat)
    try:
        return chat(**history, **given)
    except TypeError as exc:
        raise TypeError(f"{exc} ({HINT})") from None


def _lines(*, shows_prompt: bool) -> Iterator[str]:
    """Read a message a line; a line that is empty is none."""
    if shows_prompt:
        import readline  # noqa: F401 - it lets a line be edited, and earlier ones be found again
    while True:
        try:
            line = input(_PROMPT if shows_prompt else "").strip()
        except EOFError:
            return
        if line in {"/quit", "/exit"}:
            return
        if line:
            yield line


class Terminal:
    """A conversation with a person."""

    def __init__(self, bot: Any) -> None:
        self._bot = bot
        self._commands = {
            "/undo": self._undo,
            "/again": self._ask_again,
            "/tools": self._list_tools,
            "/history": self._show_history,
            "/help": self._show_help,
        }

    def greet(self) -> None:
        """Say what the chat says first, or how much has been said already."""
        said = self._bot.conversation
        if len(said) > 1:
            print(f"({len(said)} messages so far: /history shows them, /help the commands)")
        elif said:
            print_value(said[0].message)

    def take(self, line: str) -> None:
        """Perform a command, or send a message; what goes wrong is told, and the chat goes on."""
        try:
            self._perform(line) if line.startswith("/") else self._print_turn(turn_of(self._bot, line))
        except KeyboardInterrupt:
            print("(stopped: this turn is not kept)")
        except DeclaraiError as error:
            print(f"({type(error).__name__}: {error.message})", file=sys.stderr)

    def _perform(self, line: str) -> None:
        if line in self._commands:
            self._commands[line]()
        else:
            print(f"There is no command {line}.\n{_HELP}")

    def _print_turn(self, stream: Any) -> None:
        try:
            print_stream(stream)
        except ApprovalRequired as waiting:
            self._decide(waiting)

    def _decide(self, waiting: ApprovalRequired) -> None:
        """Ask the person about each call that waits, and go on with the turn."""
        decisions = {request.id: _ask_for_leave(request) for request in waiting.pending}
        try:
            print_value(resume(self._bot, waiting, decisions).value)
        except ApprovalRequired as another:
            self._decide(another)

    def _undo(self) -> None:
        for message in self._bot.undo():
            print_value(f"(taken back: {message.role}: {message.message})")

    def _ask_again(self) -> None:
        self._print_turn(turn_of(self._bot, None))

    def _list_tools(self) -> None:
        tools = [tool["function"] for tool in self._bot.prepare_turn("", {}, None).first_request.tools]
        print(
            "\n".join(f"{tool['name']}: {tool.get('description', '')}" for tool in tools) or "This chat has no tools."
        )

    def _show_history(self) -> None:
        for message in self._bot.conversation:
            print_value(f"{message.role}: {message.message}")

    def _show_help(self) -> None:
        print(_HELP)


class JsonLines:
    """A conversation with a program: one JSON object a line for each message, of the reply or of the error."""

    def __init__(self, bot: Any) -> None:
        self._bot = bot

    def greet(self) -> None:
        """Say nothing: what a program reads are replies."""

    def take(self, line: str) -> None:
        """Send a message, and print what came of it."""
        try:
            data = self._reply(turn_of(self._bot, line))
        except DeclaraiError as error:
            data = {"error": type(error).__name__, "message": error.message}
        print(as_json(data, indent=None), flush=True)

    def _reply(self, stream: Any) -> dict[str, Any]:
        value = read_stream(stream)
        return {"value": value, **response_data(self._bot.llm_response)}


def turn_of(bot: Any, message: str | None) -> Stream[Any] | AsyncStream[Any]:
    """Give a turn as a stream of events; without a message it is the last one again."""

    def prepare() -> Any:
        return bot.prepare_turn(message, {}, None, streaming=True, as_events=True)

    return AsyncStream(prepare) if bot.declared.is_async else Stream(prepare)


def resume(bot: Any, waiting: ApprovalRequired, decisions: dict[str, Any]) -> Any:
    """Go on with a turn that waits for decisions, and give its result."""
    run = str(waiting.paused or waiting.run_id)
    return wait_for(bot.aresume(run, decisions)) if bot.declared.is_async else bot.resume(run, decisions)


def _ask_for_leave(request: ToolRequest) -> Any:
    """Ask whether a call may be made; what is no clear yes is a no."""
    print_value(f"The model wants to call {request.name} with {as_json(request.arguments, indent=None)}")
    try:
        answer = input("Run it? [y/N] ")
    except EOFError:
        answer = ""
    return True if answer.strip().lower() in {"y", "yes"} else Deny("the user said no")

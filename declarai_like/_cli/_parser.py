"""What the commands are called with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from declarai_like._cli._models import HELP as MODEL_NAMES
from declarai_like._version import __version__
from declarai_like.providers._model_files import DEFAULT

if TYPE_CHECKING:
    from typing import Any

__all__ = ["argument_parser"]

_MODULES = "as in app, app.tasks or app/tasks.py; modules below a package are read too"
_TARGET = "as in app.tasks:rank or app/tasks.py:rank"
_SHELLS = ("bash", "zsh", "fish", "powershell", "tcsh")
_ARGUMENT = "an argument; JSON, or text as it is"


def argument_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="declarai-like",
        description="Typed, docstring-annotated functions become LLM tasks. This command helps around them.",
        epilog='pip install "declarai-like[cli]" adds colours and a richer progress bar.',
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_pull, _ask, _run, _map, _chat, _show, _lock, _check, _eval, _logs, _serve, _completions):
        add(commands)
    return parser


def _command(commands: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}."
    )
    return parser


def _pull(commands: Any) -> None:
    command = _command(commands, "pull", "fetch the small model that declarai.local() runs inside the process")
    command.add_argument("name", nargs="?", default=DEFAULT.name, metavar="NAME", help="(default: %(default)s)")


def _ask(commands: Any) -> None:
    command = _command(commands, "ask", "ask a model something, without a program")
    command.add_argument("question", metavar="QUESTION", help="what is asked; - reads it from stdin")
    command.add_argument("--model", default="local", metavar="MODEL", help=f"{MODEL_NAMES} (default: %(default)s)")
    command.add_argument("--system", metavar="TEXT", help="the system prompt")
    command.add_argument("--json", action="store_true", dest="as_data", help="print the answer as a JSON object")


def _run(commands: Any) -> None:
    command = _command(commands, "run", "call a task, and print its text as it comes, or its value as JSON")
    command.add_argument("target", metavar="MODULE:TASK", help=_TARGET)
    _task_arguments(command)
    command.add_argument("--model", metavar="MODEL", help=f"ask another model: {MODEL_NAMES}")
    command.add_argument("--json", action="store_true", dest="as_data", help="print value, usage and cost as JSON")


def _map(commands: Any) -> None:
    command = _command(commands, "map", "ask a task about each row of a file; go on where the last run ended")
    command.add_argument("target", metavar="MODULE:TASK", help=_TARGET)
    command.add_argument("rows", metavar="FILE", help="rows: .csv or .tsv with a heading, .jsonl")
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="what is written: lines of JSON")
    command.add_argument("--model", metavar="MODEL", help=f"ask another model: {MODEL_NAMES}")
    command.add_argument("--concurrency", type=_count, default=32, metavar="N", help="calls at a time (default: 32)")
    command.add_argument("--key", metavar="COLUMN", help="the column by which rows are known (default: all arguments)")
    command.add_argument("--rpm", type=float, metavar="N", help="requests a minute that the provider allows")
    command.add_argument("--tpm", type=float, metavar="N", help="tokens a minute that the provider allows")
    command.add_argument("--max-errors", type=_most, metavar="N", help="stop beyond so many failed rows, or a share")
    command.add_argument("--fresh", action="store_true", help="begin anew, and keep the old checkpoint beside it")
    command.add_argument("--estimate", action="store_true", help="print what it would take, and send nothing")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _chat(commands: Any) -> None:
    command = _command(commands, "chat", "talk to a chat; /help lists the commands, Ctrl-C stops an answer")
    command.add_argument("target", metavar="MODULE:CHAT", help="as in app.bots:SQLBot or app/bots.py:SQLBot")
    _task_arguments(command)
    command.add_argument("--memory", metavar="PATH", help="keep conversations in this SQLite file")
    command.add_argument("--session", default="default", metavar="NAME", help="which conversation (default: default)")
    command.add_argument("--json", action="store_true", dest="as_data", help="print each reply as a line of JSON")


def _completions(commands: Any) -> None:
    command = _command(commands, "completions", "print the script that completes this command in a shell")
    command.add_argument("shell", choices=_SHELLS)


def _task_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--arg", action="append", default=[], dest="arguments", metavar="NAME=VALUE", help=_ARGUMENT)


def _show(commands: Any) -> None:
    command = _command(commands, "show", "print the messages that a task would send, without sending them")
    command.add_argument("target", metavar="MODULE:TASK", help=_TARGET)
    _task_arguments(command)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", dest="as_json", help="print the messages as they go over the wire")
    form.add_argument(
        "--request", action="store_true", dest="as_request", help="print everything that goes over the wire, as JSON"
    )


def _lock(commands: Any) -> None:
    command = _command(commands, "lock", "write down the prompts, schemas, models and parameters of modules")
    command.add_argument("modules", nargs="+", metavar="MODULE", help=_MODULES)
    _lock_file(command)


def _check(commands: Any) -> None:
    command = _command(commands, "check", "fail with a diff if prompts are not as they were locked")
    command.add_argument("modules", nargs="*", metavar="MODULE", help=f"{_MODULES} (default: those of the lock)")
    command.add_argument("--update", action="store_true", help="show the diff and write the lock anew")
    _lock_file(command)


def _lock_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--lock-file", default="prompts.lock", metavar="PATH", help="(default: %(default)s)")


def _eval(commands: Any) -> None:
    command = _command(commands, "eval", "ask models the examples of tasks, and score their answers")
    command.add_argument("modules", nargs="+", metavar="MODULE[:TASK]", help=_MODULES)
    command.add_argument(
        "--model",
        action="append",
        default=[],
        dest="models",
        metavar="MODEL",
        help="a model to compare, more than once: openai:gpt-4o-mini, local, or another model of the task's provider",
    )
    command.add_argument("--runs", type=_count, default=1, metavar="N", help="how often each case is asked")
    command.add_argument("--concurrency", type=_count, default=4, metavar="N", help="calls at a time (default: 4)")
    command.add_argument(
        "--cases", metavar="FILE", help='more cases, as lines of {"arguments": {...}, "expected": ...}'
    )
    command.add_argument("--scorer", metavar="MODULE:FUNCTION", help="gives a score from 0 to 1 for (value, expected)")
    command.add_argument("--tolerance", type=float, default=0.0, metavar="X", help="by how much numbers may differ")
    command.add_argument("--min-score", type=float, metavar="X", help="fail if a model's mean score is below it")
    command.add_argument("--json", action="store_true", dest="as_json", help="print all runs as JSON")
    command.add_argument("--baseline", metavar="FILE", help="compare with the --json of an earlier evaluation")
    command.add_argument("--margin", type=float, default=0.0, metavar="X", help="by how much a score may fall")
    command.add_argument("--until", type=float, metavar="X", help="ask on until each score is known to plus or minus X")
    command.add_argument("--max-runs", type=_count, default=50, metavar="N", help="with --until: at most (default: 50)")
    command.add_argument("--fresh", action="store_true", help="ask anew what has been answered in the last week")
    command.add_argument("--junit", metavar="FILE", help="write JUnit's XML, which CI shows")
    command.add_argument("--markdown", metavar="FILE", help="write a comment for a pull request")
    command.add_argument("--html", metavar="FILE", help="write a page of all answers and of what has changed")


def _logs(commands: Any) -> None:
    command = _command(commands, "logs", "look at the calls that declarai_like.middleware.log has kept")
    command.add_argument("path", metavar="FILE", help="the file that log(...) was given")
    command.add_argument("--search", default="", dest="words", metavar="WORDS", help="calls in which all of these are")
    command.add_argument("--task", default="", metavar="NAME", help="calls of this task")
    command.add_argument("--failed", action="store_true", help="calls that did not end well")
    command.add_argument("--limit", type=_count, default=20, metavar="N", help="at most (default: 20)")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--show", type=int, dest="call", metavar="ID", help="print one call, with what was said")
    what.add_argument("--compare", type=int, nargs=2, metavar="ID", help="print in what two calls differ")
    what.add_argument("--case", type=int, metavar="ID", help="print a call as a case for declarai-like eval --cases")
    command.add_argument("--json", action="store_true", dest="as_json", help="print JSON, a line for each call")


def _serve(commands: Any) -> None:
    command = _command(commands, "serve", "serve the tasks and chats of modules over HTTP")
    command.epilog = (
        "The token that clients must send is read from DECLARAI_SERVE_TOKEN; without one only this machine is served."
    )
    command.add_argument("modules", nargs="+", metavar="MODULE", help=_MODULES)
    command.add_argument(
        "--mcp",
        nargs="?",
        const="stdio",
        choices=["stdio", "http"],
        help="serve the tasks as tools of the Model Context Protocol: to the program that starts this, or at /mcp",
    )
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    command.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
    command.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a host name by which clients may ask"
    )
    command.add_argument("--cors", action="append", default=[], metavar="ORIGIN", help="a foreign page that may ask")
    command.add_argument("--history", metavar="PATH", help="keep conversations in this SQLite file")
    command.add_argument(
        "--max-concurrency", type=_count, default=100, metavar="N", help="calls at a time (default: 100)"
    )
    command.add_argument("--max-tokens", type=_count, metavar="N", help="the length of an answer, at most")
    command.add_argument(
        "--resume-seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="how long an answer is kept for a client that left (default: 10)",
    )
    command.add_argument("--log", metavar="FILE", help="show the calls of this middleware.log(...) at /logs")
    command.add_argument("--no-page", action="store_false", dest="page", help="serve no page for browsers")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _most(text: str) -> float:
    return float(text) if "." in text else int(text)

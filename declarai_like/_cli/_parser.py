"""What the commands are called with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from declarai_like._version import __version__
from declarai_like.providers._model_files import DEFAULT

if TYPE_CHECKING:
    from typing import Any

__all__ = ["argument_parser"]

_MODULES = "as in app, app.tasks or app/tasks.py; modules below a package are read too"


def argument_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="declarai-like",
        description="Typed, docstring-annotated functions become LLM tasks. This command helps around them.",
        epilog='pip install "declarai-like[cli]" adds colours and a richer progress bar.',
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_pull, _show, _lock, _check, _eval, _serve):
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


def _show(commands: Any) -> None:
    command = _command(commands, "show", "print the messages that a task would send, without sending them")
    command.add_argument("target", metavar="MODULE:TASK", help="as in app.tasks:rank or app/tasks.py:rank")
    command.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the task")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the messages as they go over the wire")
    form.add_argument("--request", action="store_true", help="print everything that goes over the wire, as JSON")


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


def _serve(commands: Any) -> None:
    command = _command(commands, "serve", "serve the tasks and chats of modules over HTTP")
    command.epilog = (
        "The token that clients must send is read from DECLARAI_SERVE_TOKEN; without one only this machine is served."
    )
    command.add_argument("modules", nargs="+", metavar="MODULE", help=_MODULES)
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
    command.add_argument("--no-page", action="store_false", dest="page", help="serve no page for browsers")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number

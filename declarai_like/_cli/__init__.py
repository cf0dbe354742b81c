"""The command `declarai-like`: fetch the embedded model, look at a task's prompt.

Everything works with the standard library; rich, from the extra `cli`, adds colours and a better bar.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from declarai_like import __version__
from declarai_like._models import DEFAULT, MODELS
from declarai_like.errors import DeclaraiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like._models import Model

__all__ = ["main"]

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None, *, models: Mapping[str, Model] = MODELS) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for a misuse.

    A failure is one message on stderr, never a traceback. `models` are those that can be fetched.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a prompt may not fit the terminal's encoding
    try:
        if arguments.command == "pull":
            from declarai_like._cli._pull import pull

            pull(arguments.name, models)
        else:
            from declarai_like._cli._show import show

            show(arguments.target, arguments.arg, as_json=arguments.json)
    except DeclaraiError as exc:
        return _fail(exc.message, _FAILED)
    except TypeError as exc:
        return _fail(f"{exc} (arguments are given as --arg name=value)", _MISUSED)
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="declarai-like",
        description="Typed, docstring-annotated functions become LLM tasks. This command helps around them.",
        epilog='pip install "declarai-like[cli]" adds colours and a richer progress bar.',
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fetching = "fetch the small model that declarai.local() runs inside the process"
    command = commands.add_parser("pull", help=fetching, description=f"{fetching[0].upper()}{fetching[1:]}.")
    command.add_argument("name", nargs="?", default=DEFAULT.name, metavar="NAME", help="(default: %(default)s)")
    showing = "print the messages that a task would send, without sending them"
    command = commands.add_parser("show", help=showing, description=f"{showing[0].upper()}{showing[1:]}.")
    command.add_argument("target", metavar="MODULE:TASK", help="as in app.tasks:rank or app/tasks.py:rank")
    command.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the task")
    command.add_argument("--json", action="store_true", help="print them as they go over the wire")
    return parser


def _fail(message: str, code: int) -> int:
    print(f"declarai-like: {message}", file=sys.stderr)
    return code
